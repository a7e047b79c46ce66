//! Signals before a run begins: they are asked for between two steps, instead of ending the process half-way with
//! files left.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::{SigId, flag, low_level};

use super::exit::{Ending, Exit, Or};

/// Listens until it is dropped. The second signal ends the process at once.
#[derive(Debug)]
pub(super) struct Interrupt {
    came: Arc<AtomicBool>,
    number: Arc<AtomicUsize>,
    handlers: Vec<SigId>,
}

impl Interrupt {
    /// From now on SIGINT, SIGTERM and SIGHUP are noted.
    pub(super) fn listen() -> Result<Self, Ending> {
        let mut all = Self {
            came: Arc::new(AtomicBool::new(false)),
            number: Arc::new(AtomicUsize::new(0)),
            handlers: Vec::new(),
        };
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            let number = usize::try_from(signal).expect("signals are small");
            let handlers = [
                flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&all.came)),
                flag::register_usize(signal, Arc::clone(&all.number), number),
                flag::register(signal, Arc::clone(&all.came)),
            ];
            for handler in handlers {
                all.handlers.push(handler.or_unexpected("listen to signals")?);
            }
        }
        Ok(all)
    }

    /// Set when a signal came: for work that looks at it now and then.
    pub(super) fn flag(&self) -> &AtomicBool {
        &self.came
    }

    /// Ends with the signal's exit code if one came.
    pub(super) fn check(&self) -> Result<(), Ending> {
        match self.number.load(Ordering::SeqCst) {
            0 => Ok(()),
            number => {
                let exit = Exit::Signal(u8::try_from(number).expect("signals are small"));
                Err(Ending::new(exit, "interrupted: nothing was started, nothing is left behind"))
            }
        }
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        for handler in self.handlers.drain(..) {
            low_level::unregister(handler);
        }
    }
}
