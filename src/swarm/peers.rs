//! Peers: the connections past their handshakes, in order of their numbers.

use super::ConnectionId;
use super::peer::Peer;

/// The connections past their handshakes.
///
/// A sorted list: there are some tens, they are looked at all together many times for each that comes or goes, and where
/// thousands of machines share a processor's caches the way to one of them is a few steps in one place.
#[derive(Debug, Default)]
pub(super) struct Peers {
    list: Vec<(ConnectionId, Box<Peer>)>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as a map takes its keys")]
impl Peers {
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn get(&self, connection: &ConnectionId) -> Option<&Peer> {
        self.place(*connection).ok().map(|place| &*self.list[place].1)
    }

    pub(super) fn get_mut(&mut self, connection: &ConnectionId) -> Option<&mut Peer> {
        self.place(*connection).ok().map(|place| &mut *self.list[place].1)
    }

    /// Adds a connection; one of the same number is replaced.
    pub(super) fn insert(&mut self, connection: ConnectionId, peer: Peer) {
        match self.place(connection) {
            Ok(place) => *self.list[place].1 = peer,
            Err(place) => self.list.insert(place, (connection, Box::new(peer))),
        }
    }

    pub(super) fn remove(&mut self, connection: &ConnectionId) -> Option<Peer> {
        self.place(*connection).ok().map(|place| *self.list.remove(place).1)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&ConnectionId, &Peer)> {
        self.list.iter().map(|(connection, peer)| (connection, &**peer))
    }

    /// All of them once around, beginning after this one.
    pub(super) fn iter_after(&self, connection: ConnectionId) -> impl Iterator<Item = (&ConnectionId, &Peer)> {
        let first = self.list.partition_point(|(other, _)| *other <= connection);
        let (before, after) = self.list.split_at(first);
        after.iter().chain(before).map(|(connection, peer)| (connection, &**peer))
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &ConnectionId> {
        self.list.iter().map(|(connection, _)| connection)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Peer> {
        self.list.iter().map(|(_, peer)| &**peer)
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Peer> {
        self.list.iter_mut().map(|(_, peer)| &mut **peer)
    }

    fn place(&self, connection: ConnectionId) -> Result<usize, usize> {
        self.list.binary_search_by_key(&connection, |(connection, _)| *connection)
    }
}
