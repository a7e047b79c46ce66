//! Which hosts pass the filter, the whole fleet at once: found once a frame, for every part of the screen.

use super::filter::Subject;
use super::model::Model;

/// The hosts of the displayed fleet that pass the filter.
#[derive(Debug)]
pub(super) struct Hits {
    /// One each, in the order of the plan; `None` where there is no filter to pass.
    passing: Option<Vec<bool>>,
    count: usize,
}

impl Hits {
    /// Looks at every host.
    pub(super) fn of(model: &Model) -> Self {
        let rollout = model.shown();
        if model.filter.is_empty() {
            return Self { passing: None, count: rollout.hosts().len() };
        }
        // Side by side with the plan: to look each name up takes longer than to match it.
        let hosts = rollout.hosts().iter().zip(&rollout.plan().hosts);
        let passing: Vec<bool> = hosts
            .map(|(record, planned)| {
                let labels = model.setup.labels.of(record.id);
                let marked = model.marks.contains(&record.id);
                model.filter.matches(&Subject { record, name: &planned.name, labels, marked })
            })
            .collect();
        let count = passing.iter().filter(|passes| **passes).count();
        Self { passing: Some(passing), count }
    }

    /// Whether the host with this index in the fleet passes.
    pub(super) fn has(&self, index: usize) -> bool {
        self.passing.as_ref().is_none_or(|passing| passing.get(index).is_some_and(|passes| *passes))
    }

    /// How many pass.
    pub(super) const fn count(&self) -> usize {
        self.count
    }
}
