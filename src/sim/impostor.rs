//! Impostor: something that connects like a peer and is none, to see what the machines make of it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::events::{Event, Parcel};
use super::host::{Life, address_of};
use super::world::{INFO_HASH, peer_id};
use super::{Trouble, Violation, World};
use crate::announce::AnnounceEvent;
use crate::base::{ByteCount, InfoHash};
use crate::swarm::{Announcement, ConnectionId, Input};
use crate::wire::{Handshake, Message};

/// How often it tries to get in where it is not.
const EVERY: Duration = Duration::from_secs(1);

/// Connections that a slow-loris holds to one host.
const LORIS_CONNECTIONS: usize = 70;

/// What it pretends with.
#[derive(Debug)]
pub(super) struct Impostor {
    manner: Trouble,
    /// Its connections, and to whom.
    peers: BTreeMap<ConnectionId, usize>,
}

impl World {
    /// Lets an impostor in, whom the tracker takes for a peer.
    pub(super) fn admit(&mut self, index: usize, manner: Trouble) -> Result<(), Violation> {
        self.hosts[index].life = Life::Impostor(Impostor { manner, peers: BTreeMap::new() });
        let announcement = Announcement {
            event: Some(AnnounceEvent::Started),
            uploaded: ByteCount(0),
            downloaded: ByteCount(0),
            left: ByteCount(self.layout.total()),
            wanted: 0,
        };
        let life = self.hosts[index].life_number;
        self.events.push(self.now, Event::Ask { from: index, life, announcement });
        self.intrude(index)
    }

    /// Connects an impostor to everybody to whom it is not connected.
    pub(super) fn intrude(&mut self, index: usize) -> Result<(), Violation> {
        for to in 0..self.hosts.len() {
            let Life::Impostor(impostor) = &self.hosts[index].life else { return Ok(()) };
            let wanted = if impostor.manner == Trouble::SlowLoris { LORIS_CONNECTIONS } else { 1 };
            let held = impostor.peers.values().filter(|peer| **peer == to).count();
            if self.hosts[to].swarm().is_none() || self.is_cut(index, to) {
                continue;
            }
            for _ in held..wanted {
                let connection = self.network.connect(index, to);
                self.meet(index, connection, to);
                let mut address = address_of(index);
                address.set_port(50_001);
                self.feed(to, Input::Accepted { address, connection })?;
                self.pretend(index, connection);
            }
        }
        self.events.push(self.now + EVERY, Event::Intrude(index));
        Ok(())
    }

    /// Tells an impostor what happened.
    pub(super) fn imposed_on(&mut self, index: usize, input: &Input) {
        if let Input::Accepted { connection, .. } = input {
            if let Some(other) = self.network.other_end(*connection, index) {
                self.meet(index, *connection, other);
                self.pretend(index, *connection);
            }
        } else if let (Input::Closed { connection }, Life::Impostor(impostor)) = (input, &mut self.hosts[index].life) {
            impostor.peers.remove(connection);
        }
    }

    fn meet(&mut self, index: usize, connection: ConnectionId, other: usize) {
        if let Life::Impostor(impostor) = &mut self.hosts[index].life {
            impostor.peers.insert(connection, other);
        }
    }

    /// Says what it says first.
    fn pretend(&mut self, index: usize, connection: ConnectionId) {
        let Life::Impostor(Impostor { manner, .. }) = self.hosts[index].life else { return };
        let me = peer_id(index, self.hosts[index].life_number);
        let info_hash = if manner == Trouble::OtherRun { InfoHash::new([9; 20]) } else { INFO_HASH };
        if manner != Trouble::SlowLoris {
            self.send(index, connection, Parcel::Handshake(Handshake::new(info_hash, me)));
        }
        if matches!(manner, Trouble::OtherRun | Trouble::Stranger) {
            self.send(index, connection, Parcel::Message(Message::HaveAll));
            self.send(index, connection, Parcel::Message(Message::Unchoke));
        }
    }
}
