//! What comes of an agent's work, and what the console is told of it.

use super::delivery::{self, Prepared};
use super::jobs::Report;
use super::seat::{Seat, Stage};
use super::serve::Agent;
use crate::control::{AgentFailure, PROTOCOL, Status};
use crate::driver::member::{Happening, Member};

impl Agent {
    /// A job said something.
    pub(super) fn reported(&mut self, report: Report) {
        match report {
            Report::Packing(bytes) => {
                if self.told.packing_is_due(self.clock.now()) {
                    self.console.tell(&Status::Packing { bytes });
                }
            }
            Report::Packed(packed) => {
                self.log.line(&format!("packed {}", packed.torrent.info_hash()));
                self.packed = Some(*packed);
                self.tell_packed();
            }
            Report::Prepared(prepared) => {
                if let Err(failure) = self.join(prepared) {
                    self.fail(failure);
                }
            }
            Report::Note(text) => self.note(text),
            Report::Unpacking => self.reach(Stage::Unpacking),
            Report::Staged(path) => {
                self.log.line("staged");
                if let Some(seat) = &mut self.seat {
                    seat.staged = Some(path);
                }
                self.reach(Stage::Staged);
            }
            Report::Checked(number, why) => {
                self.log.line(&format!("health check {number}: {}", why.as_deref().unwrap_or("well")));
                self.console.tell(&Status::Checked { number, why });
            }
            Report::Knocked(why, fault) => self.console.tell(&Status::Knocked { why, fault }),
            Report::Delivered => {
                self.log.line("delivered");
                self.reach(Stage::Delivered { already: false });
            }
            Report::Failed(failure) => self.fail(failure),
        }
    }

    fn join(&mut self, prepared: Prepared) -> Result<(), AgentFailure> {
        let Some(seat) = &mut self.seat else { return Ok(()) };
        let (storage, have, already) = match prepared {
            Prepared::Nothing => {
                self.reach(Stage::Delivered { already: true });
                return Ok(());
            }
            Prepared::Ready { storage, have, already } => (storage, have, already),
        };
        let complete = have.is_full();
        let member = Member::join(self.clock, seat.part(&self.met, storage, have))?;
        self.log.line(&format!("listening on port {}, {} pieces there", member.port(), member.have().count()));
        self.member = Some(member);
        if already {
            seat.stage = Stage::Delivered { already: true };
        }
        self.tell_seat();
        if complete {
            self.deliver()?;
        }
        Ok(())
    }

    /// The swarm said something.
    pub(super) fn happened(&mut self, happening: Happening) {
        let outcome = match happening {
            Happening::Stored(length) => {
                if let Some(seat) = &mut self.seat {
                    seat.stored(length);
                }
                Ok(())
            }
            Happening::Complete => {
                self.look();
                self.deliver()
            }
            Happening::Note(text) => {
                self.note(text);
                Ok(())
            }
            Happening::Failed(failure) => Err(failure),
        };
        if let Err(failure) = outcome {
            self.fail(failure);
        }
    }

    fn note(&mut self, text: String) {
        self.log.line(&text);
        if self.console.has_room() {
            self.console.tell(&Status::Note { text });
        }
    }

    fn deliver(&mut self) -> Result<(), AgentFailure> {
        let site = self.site()?;
        if let Some((parcel, storage)) = self.seat.as_ref().and_then(Seat::delivery) {
            self.reach(Stage::Verifying);
            self.jobs.start(move |context| delivery::deliver(context, &site, &parcel, &storage));
        }
        Ok(())
    }

    fn reach(&mut self, stage: Stage) {
        if let Some(seat) = &mut self.seat {
            seat.stage = stage;
        }
        self.tell_stage();
    }

    /// Tells how far we are, if that is due.
    pub(super) fn look(&mut self) {
        let now = self.clock.now();
        if !self.console.has_room() {
            return;
        }
        let Some(member) = &mut self.member else {
            if self.seat.as_ref().is_some_and(|seat| !seat.is_delivered()) && self.told.is_quiet(now) {
                self.told.alive(now);
                self.console.tell(&Status::Note { text: "looking at what is already there".to_owned() });
            }
            return;
        };
        let progress = member.progress();
        if self.told.is_due(now, &progress) {
            self.told.told(now, &progress);
            self.console.tell(&Status::Progress(progress));
        }
        if self.watched && self.told.peers_are_due(now) {
            self.console.tell(&Status::Peers { peers: member.peers() });
        }
    }

    /// The release cannot be delivered, or the swarm not be kept up.
    pub(super) fn fail(&mut self, failure: AgentFailure) {
        self.jobs.cancel();
        self.packing = self.packing.take().filter(|_| self.packed.is_some());
        self.leave();
        self.refuse(failure);
    }

    /// An order cannot be obeyed; all else goes on.
    pub(super) fn refuse(&mut self, failure: AgentFailure) {
        self.log.line(&format!("failed: {failure}"));
        self.failure = Some(failure.clone());
        self.console.tell(&Status::Failed { failure });
    }

    /// Leaves the swarm in the background; the next job begins when that is done.
    pub(super) fn leave(&mut self) {
        self.seat = None;
        self.headway.restart();
        if let Some(member) = self.member.take() {
            self.jobs.then(member.leave());
        }
    }

    /// Tells a console that knows nothing, or not enough, everything it would have heard.
    pub(super) fn tell_how_things_stand(&mut self) {
        if self.home.is_none() {
            return;
        }
        self.tell_hello();
        self.tell_tracking();
        self.tell_packed();
        self.tell_seat();
        if let Some(failure) = self.failure.clone() {
            self.console.tell(&Status::Failed { failure });
        }
    }

    /// Tells who we are.
    pub(super) fn tell_hello(&mut self) {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        self.console.tell(&Status::Hello { protocol: PROTOCOL, version, pid: std::process::id() });
    }

    /// Tells where the tracker listens, if there is one.
    pub(super) fn tell_tracking(&mut self) {
        if let Some(port) = self.tracker.as_ref().map(|tracker| tracker.address().port()) {
            self.console.tell(&Status::Tracking { port });
        }
    }

    /// Tells what was packed, if anything was.
    pub(super) fn tell_packed(&mut self) {
        if let Some(packed) = &self.packed {
            let (payload, torrent) = (packed.facts.clone(), packed.torrent.encode().into());
            self.console.tell(&Status::Packed { payload, torrent });
        }
    }

    /// Tells how far the present order to serve is obeyed.
    pub(super) fn tell_seat(&mut self) {
        if let (Some(_), Some(member)) = (&self.seat, &self.member) {
            let bitfield = member.have().as_bytes().to_vec().into();
            self.console.tell(&Status::Serving { port: member.port(), bitfield });
            self.told.forget();
        }
        self.tell_stage();
    }

    fn tell_stage(&mut self) {
        match self.seat.as_ref().map(|seat| seat.stage) {
            None | Some(Stage::Gathering) => {}
            Some(Stage::Verifying) => self.console.tell(&Status::Verifying),
            Some(Stage::Unpacking) => self.console.tell(&Status::Unpacking),
            Some(Stage::Staged) => self.console.tell(&Status::Staged),
            Some(Stage::Delivered { already }) => self.console.tell(&Status::Delivered { already }),
        }
    }
}
