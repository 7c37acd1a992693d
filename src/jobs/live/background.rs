//! The rows before a checkpoint, proved again while the loop goes on. A contradiction ends the loop.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use crate::{
    engine::step::Core,
    session::{
        card::Card,
        checkpoint::Checkpoint,
        error::SessionError,
        fold::Folded,
        live::{Place, prove_before},
    },
    store::disk::Disk,
};

/// The proof and what came of it.
#[derive(Debug, Default)]
pub struct Background {
    is_over: AtomicBool,
    contradicts: AtomicBool,
    found: Mutex<Option<SessionError>>,
}

impl Background {
    /// Plays the rows before the checkpoint again. Returns when it is done, soon after [`Background::end`], or when it is asked to stop.
    pub fn run<D: Disk>(
        &self,
        place: &Place<'_, D>,
        (core, card): (&Core, &Card),
        checkpoint: &Checkpoint,
        told: &(dyn Fn() -> bool + Sync),
    ) {
        let stop = || self.is_over.load(Ordering::Relaxed) || told();
        let rows = checkpoint.rows();
        let proved = prove_before(place, core, card, checkpoint, &stop)
            // The loop may have stored bars between two reads; what is really wrong is wrong twice.
            .or_else(|_| prove_before(place, core, card, checkpoint, &stop));
        match proved {
            Ok(Folded::Whole) => tracing::info!("the {rows} rows before the checkpoint are proved"),
            Ok(Folded::Stopped) => tracing::info!(
                "the loop ended before the {rows} rows before the checkpoint were proved again: \
                 the next start, `runner run jobs/check.toml` and eqflat prove them"
            ),
            Err(error) => {
                *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                self.contradicts.store(true, Ordering::Release);
            }
        }
    }

    /// Whether a row came out otherwise than it was written.
    pub fn contradicts(&self) -> bool {
        self.contradicts.load(Ordering::Acquire)
    }

    /// The loop is over: what is not proved yet is left.
    pub fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// What came of it: the contradiction, if one was found.
    pub fn into_result(self) -> Result<(), SessionError> {
        match self.found.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}
