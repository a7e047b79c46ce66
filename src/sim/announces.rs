//! Announces: what hosts say to the tracker, and what they hear.

use std::net::SocketAddr;

use super::events::Event;
use super::host::{Host, address_of};
use super::world::{INFO_HASH, peer_id};
use super::{TrackerEnd, World};
use crate::announce::AnnounceRequest;
use crate::base::Instant;
use crate::swarm::{Announcement, Input};
use crate::tracker::{self, RequestId};

/// The tracker is where this host is.
const TRACKER_HOST: usize = 0;

impl World {
    /// An announce reaches the tracker, if anything does.
    pub(super) fn ask(&mut self, from: usize, life: u32, announcement: Announcement) {
        if self.is_cut(from, TRACKER_HOST) {
            return;
        }
        let address = address_of(from);
        let answer = if self.is_tracker_gone() { None } else { self.ask_tracker(from, life, announcement, address) };
        self.hosts[from].announced |= answer.is_some();
        let input = answer.unwrap_or_else(|| Input::AnnounceFailed { why: "connection refused".to_owned() });
        let at = self.network.to_middle(from, self.now);
        self.events.push(at, Event::Tell { to: from, life, input });
    }

    fn is_tracker_gone(&self) -> bool {
        match self.scenario.tracker_gone_after {
            Some(TrackerEnd::After(gone)) => self.now >= Instant::after(gone),
            Some(TrackerEnd::FirstAnnounces) => self.hosts.iter().all(Host::has_announced),
            None => false,
        }
    }

    fn ask_tracker(&mut self, from: usize, life: u32, said: Announcement, address: SocketAddr) -> Option<Input> {
        let request = AnnounceRequest {
            uploaded: said.uploaded,
            downloaded: said.downloaded,
            left: said.left,
            event: said.event,
            numwant: Some(said.wanted),
            zone: self.zones[from].clone(),
            ..AnnounceRequest::new(INFO_HASH, peer_id(from, life), address.port())
        };
        let announce = tracker::Input::Announce { id: RequestId(from as u64), from: address.ip(), request };
        self.tracker.handle_input(self.now, announce);
        match self.tracker.poll_output()? {
            tracker::Output::Announced { answer: Ok((response, _)), .. } => {
                let peers = response.peers.iter().map(|peer| peer.address).collect();
                Some(Input::Announced { interval: response.interval, peers })
            }
            tracker::Output::Announced { answer: Err(refusal), .. } => {
                Some(Input::AnnounceFailed { why: refusal.to_string() })
            }
            tracker::Output::Scraped { .. } => None,
        }
    }
}
