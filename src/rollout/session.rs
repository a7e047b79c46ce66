//! What goes on between the console and one place, beside the state the operator sees.

use std::net::IpAddr;

use super::HostFacts;
use crate::base::Instant;
use crate::inventory::Place;

/// A place's index: the fleet first, in its order, then helpers, then this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot(pub(super) usize);

/// How far the connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    /// There is none.
    Off,
    /// The driver was told to connect.
    Dialing,
    /// Orders may be sent.
    Attached,
    /// The connection is lost, and the agent goes on: the driver is told to dial again from time to time.
    Lost,
    /// The agent was told to stop and clean up.
    Stopping,
    /// The driver was told to end the attempt.
    Hanging,
}

/// What an attempt is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The release on the host; the host's state follows.
    Work,
    /// Tracker or seeder on a host that is settled itself.
    Station,
    /// Removing what an earlier attempt left.
    Clean,
}

/// One place: its attempt and what it was told.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that was or was not said to the agent")]
pub(super) struct Session {
    pub(super) place: Place,
    pub(super) link: Link,
    pub(super) purpose: Purpose,
    /// When another console launched it, which its deadline counts from.
    pub(super) begun: Option<Instant>,
    /// When link, state or step last changed: what deadlines count from.
    pub(super) since: Instant,
    /// It takes one of the places of the fan-out.
    pub(super) admitted: bool,
    /// The agent answered the first order.
    pub(super) greeted: bool,
    /// It was told to package, and has not answered.
    pub(super) packing: bool,
    /// What it packaged is still there.
    pub(super) packed: bool,
    /// It was told to serve, and has not failed since.
    pub(super) served: bool,
    /// It is in the swarm.
    pub(super) serving: bool,
    /// The release is in place there; whether it had been before.
    pub(super) placed: Option<bool>,
    /// An agent was attached, and what it put there is not proved gone.
    pub(super) dirty: bool,
    /// The one cleaning attempt was made.
    pub(super) cleaned: bool,
    /// It failed at least once.
    pub(super) failed_once: bool,
    /// The seeder failed to have the release itself, and is told to seed without it.
    pub(super) seeds_only: bool,
    /// The operator asked for it by hand.
    pub(super) by_operator: bool,
    /// Since when the connection is lost.
    pub(super) lost_at: Option<Instant>,
    /// How often it was dialled in vain since then.
    pub(super) redials: u32,
    /// When a settled host is dialled again as a station, or a lost one at all.
    pub(super) retry_at: Option<Instant>,
    /// Failures before the agent ran, since the operator last had a say.
    pub(super) connect_failures: u32,
    /// Failures after that.
    pub(super) work_failures: u32,
    pub(super) facts: Option<HostFacts>,
    pub(super) work_dir: String,
    /// How much of the known addresses it was told.
    pub(super) allow_told: usize,
    /// Verified bytes as counted in the totals.
    pub(super) bytes_done: u64,
    /// Verified bytes a second, smoothed.
    pub(super) speed: super::speed::Speed,
    /// When its progress was last noticed.
    pub(super) noticed: Option<Instant>,
    /// Its address for peers, from the plan.
    pub(super) planned_address: Option<IpAddr>,
}

impl Session {
    /// A place nobody has dialled.
    pub(super) fn new(place: Place, planned_address: Option<IpAddr>) -> Self {
        Self {
            place,
            link: Link::Off,
            purpose: Purpose::Work,
            begun: None,
            since: Instant::ZERO,
            admitted: false,
            greeted: false,
            packing: false,
            packed: false,
            served: false,
            serving: false,
            placed: None,
            dirty: false,
            cleaned: false,
            failed_once: false,
            seeds_only: false,
            by_operator: false,
            lost_at: None,
            redials: 0,
            retry_at: None,
            connect_failures: 0,
            work_failures: 0,
            facts: None,
            work_dir: String::new(),
            allow_told: 0,
            bytes_done: 0,
            speed: super::speed::Speed::default(),
            noticed: None,
            planned_address,
        }
    }

    /// Where peers dial it.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.planned_address.or_else(|| self.facts.as_ref().map(|facts| facts.address))
    }

    /// Forgets what the last agent was told: there is none any more.
    pub(super) fn unlink(&mut self) {
        self.link = Link::Off;
        self.lost_at = None;
        self.redials = 0;
        self.greeted = false;
        self.packing = false;
        self.packed = false;
        self.served = false;
        self.serving = false;
        self.placed = None;
        self.allow_told = 0;
    }
}
