//! Hosts by state.

use super::StateName;

/// How many hosts are in which state. They sum to the fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    by_state: [u32; StateName::ALL.len()],
}

impl Counts {
    /// How many hosts are in `state`.
    pub const fn of(&self, state: StateName) -> u32 {
        self.by_state[state as usize]
    }

    /// Hosts in any state.
    pub fn total(&self) -> u32 {
        self.by_state.iter().sum()
    }

    /// Hosts to which nothing more happens by itself.
    pub fn settled(&self) -> u32 {
        StateName::ALL.into_iter().filter(|state| state.is_settled()).map(|state| self.of(state)).sum()
    }

    /// Every state with its count, in the order of a host's life.
    pub fn iter(&self) -> impl Iterator<Item = (StateName, u32)> + '_ {
        StateName::ALL.into_iter().map(|state| (state, self.of(state)))
    }

    /// Counts one more host.
    pub fn enter(&mut self, state: StateName) {
        self.by_state[state as usize] += 1;
    }

    /// Counts one host less.
    pub fn leave(&mut self, state: StateName) {
        self.by_state[state as usize] = self.by_state[state as usize].saturating_sub(1);
    }
}
