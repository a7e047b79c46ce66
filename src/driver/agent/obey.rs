//! What an agent does when it is told to. Told the same once more, it goes on with what it does, and says how far it is: a
//! console that knows nothing of it yet gives its orders as if it were new.

use std::net::{IpAddr, SocketAddr};

use super::delivery::{self, expand_home};
use super::health;
use super::home::Home;
use super::knock::knock;
use super::seat::Seat;
use super::serve::Agent;
use super::term::Term;
use crate::base::InfoHash;
use crate::control::{AgentFailure, HelloOrder, Order, PROTOCOL, PackOrder, PortRange, ServeOrder, Status};
use crate::driver::peers::{bind_first_free, listen_failure, own_or_any};
use crate::driver::tracker::TrackerServer;
use crate::swarm::Input;
use crate::tracker::TrackerConfig;

impl Agent {
    /// Does what it is told, other than to end.
    pub(super) async fn obey(&mut self, order: Order) -> Result<(), AgentFailure> {
        match order {
            Order::Hello(order) => self.hello(&order),
            Order::Track { bind, port, info_hash, allow } => self.track(bind, port, info_hash, allow).await?,
            Order::Pack(order) => self.pack(order)?,
            Order::Serve(order) => self.serve(*order)?,
            Order::Data { offset, bulk } => {
                // Without both it was sent before a failure was heard of.
                let (Some(seat), Some(member)) = (&mut self.seat, &mut self.member) else { return Ok(()) };
                let taken = seat.take_data(member, offset, &bulk);
                self.console.confirm();
                if let Err(failure) = taken {
                    self.fail(failure);
                }
            }
            Order::Peers { listening, allow } => self.meet(listening, allow),
            Order::Place => self.place()?,
            Order::Check(order) => {
                let site = self.site()?;
                self.jobs.start(move |context| Ok(health::check(context, &site, &order)));
            }
            Order::Knock { at, bind, ports } => {
                // One that serves has its port.
                let fault = self.seat.is_none().then(|| bind_first_free(own_or_any(bind), ports).err()).flatten();
                self.jobs.beside(Box::new(move || knock(&at, fault)));
            }
            Order::Limits { max_upload, max_download } => {
                if let Some(seat) = &mut self.seat {
                    (seat.order.max_upload, seat.order.max_download) = (max_upload, max_download);
                }
                if let Some(member) = &mut self.member {
                    member.handle(Input::Limits { upload: max_upload, download: max_download });
                }
            }
            Order::Watch { on } => self.watched = on,
            // These are heard before.
            Order::Attach { .. } | Order::Alive | Order::Stop { .. } | Order::Leave => {}
        }
        Ok(())
    }

    fn hello(&mut self, order: &HelloOrder) {
        self.tell_hello();
        if order.protocol != PROTOCOL {
            let why = format!("it speaks version {}, this agent {PROTOCOL}", order.protocol);
            return self.refuse(AgentFailure::Protocol { why });
        }
        if self.home.is_none() {
            self.log.line(&format!("agent {} for {} at {}", std::process::id(), order.run, order.host));
            self.home = Some(Home::new(order, expand_home(&order.destination), self.umask));
            self.term = Term::of(order, self.clock.now());
        }
    }

    /// Tracks; a tracker of the same swarm that runs already goes on.
    async fn track(
        &mut self,
        bind: IpAddr,
        port: u16,
        info_hash: InfoHash,
        allow: Vec<IpAddr>,
    ) -> Result<(), AgentFailure> {
        let tracks = self.tracking == Some(info_hash);
        match self.tracker.take() {
            Some(tracker) if tracks => {
                tracker.allow(allow);
                self.tracker = Some(tracker);
            }
            other => {
                if let Some(tracker) = other {
                    tracker.stop().await;
                }
                let server = self.bind_tracker(own_or_any(bind), port).await?;
                let allow = allow.into_iter().chain(self.met.addresses());
                let tracker = server.start(TrackerConfig::of_run(info_hash, allow), fastrand::u64(..));
                self.log.line(&format!("tracking {info_hash} at {}", tracker.address()));
                self.tracking = Some(info_hash);
                self.tracker = Some(tracker);
            }
        }
        self.tell_tracking();
        Ok(())
    }

    /// The tracker's port, or any free one when another program has it: this machine tells hosts which it is.
    async fn bind_tracker(&mut self, bind: IpAddr, port: u16) -> Result<TrackerServer, AgentFailure> {
        let ports = PortRange { first: port, last: port };
        match TrackerServer::bind((bind, port).into()).await {
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && port != 0 => {
                let text = format!("port {port} is taken by another program: the tracker listens on a free one");
                self.console.tell(&Status::Note { text });
                TrackerServer::bind((bind, 0).into()).await
            }
            bound => bound,
        }
        .map_err(|error| listen_failure(bind, ports, &error))
    }

    fn pack(&mut self, order: PackOrder) -> Result<(), AgentFailure> {
        let site = self.site()?;
        self.failure = None;
        if self.packing.as_ref() == Some(&order) {
            self.tell_packed();
            return Ok(());
        }
        self.log.line(&format!("packing {}", order.source));
        self.packing = Some(order.clone());
        self.packed = None;
        self.jobs.start(move |context| delivery::make(context, &site, &order));
        Ok(())
    }

    fn serve(&mut self, order: ServeOrder) -> Result<(), AgentFailure> {
        let site = self.site()?;
        self.failure = None;
        let seat = Seat::new(order)?;
        if self.seat.as_ref().is_some_and(|present| present.is_the_same(&seat)) {
            self.go_on(seat.order);
            return Ok(());
        }
        self.leave();
        self.log.line(&format!("serving {} as {:?}", seat.info.info_hash(), seat.order.role));
        self.remember(&seat)?;
        let (order, info) = (seat.order.clone(), seat.info.clone());
        self.seat = Some(seat);
        self.told.alive(self.clock.now());
        self.jobs.start(move |context| delivery::prepare(context, &site, &order, &info));
        Ok(())
    }

    /// It serves so already: who else is there may be news.
    fn go_on(&mut self, order: ServeOrder) {
        self.meet(order.peers.clone(), order.allow.clone());
        if let Some(member) = &mut self.member {
            member.handle(Input::Limits { upload: order.max_upload, download: order.max_download });
        }
        if let Some(seat) = &mut self.seat {
            seat.order = order;
        }
        self.tell_seat();
    }

    /// The release that lies aside gets its place.
    fn place(&mut self) -> Result<(), AgentFailure> {
        let site = self.site()?;
        let staged = self.seat.as_mut().and_then(|seat| Some((seat.order.tag.clone(), seat.staged.take()?)));
        let (tag, staged) =
            staged.ok_or_else(|| AgentFailure::Protocol { why: "there is nothing to put in its place".to_owned() })?;
        self.jobs.start(move |_| delivery::place(&site, &tag, &staged));
        Ok(())
    }

    fn meet(&mut self, listening: Vec<SocketAddr>, allow: Vec<IpAddr>) {
        if let Some(tracker) = &self.tracker {
            tracker.allow(listening.iter().map(SocketAddr::ip).chain(allow.iter().copied()).collect());
        }
        if let Some(member) = &mut self.member {
            member.handle(Input::Allowed(allow.clone()));
            member.handle(Input::Discovered(listening.clone()));
        }
        self.met.add(listening, allow);
    }
}
