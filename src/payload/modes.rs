//! The mode bits of what is packed.

use super::MODE_MASK;

/// Which mode bits things get in an archive.
#[derive(Debug, Clone, Copy)]
pub(super) enum Modes {
    /// Of their own, these.
    Own(u32),
    /// The same for all: who may read may also enter directories, and execute what anybody could execute.
    Set(u32),
}

impl Modes {
    /// Those that a source is packed with.
    pub(super) const fn packed(wanted: Option<u32>) -> Self {
        match wanted {
            None => Self::Own(MODE_MASK),
            Some(mode) => Self::Set(mode & MODE_MASK),
        }
    }

    /// Those of a file.
    pub(super) const fn of_file(self, found: u32) -> u32 {
        match self {
            Self::Own(mask) => found & mask,
            Self::Set(mode) if found & 0o111 == 0 => mode & !0o111,
            Self::Set(_) => self.of_directory(found),
        }
    }

    /// Those of a directory.
    pub(super) const fn of_directory(self, found: u32) -> u32 {
        match self {
            Self::Own(mask) => found & mask,
            Self::Set(mode) => (mode & !0o111) | (mode & 0o444) >> 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_read_may_enter_and_execute() {
        for wanted in [0o750, 0o640] {
            let modes = Modes::packed(Some(wanted));
            assert_eq!(modes.of_directory(0o700), 0o750);
            assert_eq!((modes.of_file(0o600), modes.of_file(0o755)), (0o640, 0o750));
        }
        assert_eq!(Modes::packed(None).of_file(0o4755), 0o755);
    }
}
