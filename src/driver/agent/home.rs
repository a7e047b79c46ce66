//! The run an agent works for, and where its release lands.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustix::fs::Mode;

use super::delivery::{self, Site};
use super::folder::RunFolder;
use crate::control::{HelloOrder, Holder, RunId};
use crate::release::Claim;

/// Known after the first order.
pub(super) struct Home {
    run: RunId,
    destination: PathBuf,
    holder: String,
    umask: Mode,
    claim: Arc<OnceLock<Claim>>,
}

impl Home {
    /// That of a run; `umask` is the mode bits that folders of releases do not get.
    pub(super) fn new(order: &HelloOrder, destination: PathBuf, umask: Mode) -> Self {
        let HelloOrder { run, holder: Holder { operator, from, since, why }, .. } = order;
        let holder = format!("run {run} of {operator}, from {from} since {since}: {why}");
        Self { run: run.clone(), destination, holder, umask, claim: Arc::default() }
    }

    /// The folder releases land in.
    pub(super) fn destination(&self) -> &Path {
        &self.destination
    }

    /// Where things are; `packed` is what was packed here.
    pub(super) fn site(&self, packed: Option<PathBuf>) -> Site {
        Site {
            claim: Arc::clone(&self.claim),
            destination: self.destination.clone(),
            run: self.run.clone(),
            holder: self.holder.clone(),
            umask: self.umask,
            packed,
        }
    }

    /// Removes what this run left here, and with the partial payload what killed runs left of the same; says what is
    /// still there.
    pub(super) fn leave(self, folder: RunFolder, discard_partial: bool) -> Vec<String> {
        let mut ended = Vec::new();
        let mut partial = Vec::new();
        if discard_partial {
            partial = folder.remembered();
            ended = folder.abandoned();
        }
        let site = self.site(None);
        let runs: Vec<_> = ended.iter().map(|(run, _)| run.clone()).chain([self.run]).collect();
        let mut left_behind = delivery::clean(&site, &runs, &partial);
        left_behind.extend(ended.into_iter().map(|(_, folder)| folder).chain([folder]).filter_map(RunFolder::remove));
        left_behind.sort();
        left_behind.dedup();
        left_behind
    }
}
