//! Carrying out the fits of a training: as many at once as there are threads, with checkpoints.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use crate::{
    engine::{
        learn::{folds::Parts, rows::Rows},
        model::Normaliser,
    },
    jobs::{
        compute::{fit_process::Keeping, trainer::Trainer, wire::FitHeartbeat},
        context::{Context, Failure},
    },
    language::FEATURES_MAX,
    model::train::{FitSettings, Fitted, Samples, Task},
};

pub(super) struct Fit<'a> {
    /// Names its checkpoint, and what people see of it.
    pub(super) name: String,
    /// The rows it learns from and stops by.
    pub(super) parts: &'a Parts,
    /// Brings their inputs on one scale.
    pub(super) normaliser: &'a Normaliser,
    pub(super) settings: &'a FitSettings,
}

pub(super) struct FittedAll {
    /// In the order of the fits.
    pub(super) fitted: Vec<Fitted>,
    /// Training rows seen in this run, each as often as it was; what an earlier run left is not counted.
    pub(super) rows_seen: u64,
}

/// Fits all of them, in any order. What they come to does not depend on how many run at once.
pub(super) fn fit_all(
    (context, trainer): (&Context<'_>, &Trainer<'_, '_>),
    rows: &Rows,
    fits: &[Fit<'_>],
    kept: Keeping<'_, '_, '_>,
) -> Result<FittedAll, Failure> {
    let epochs: u64 = fits.iter().map(|fit| u64::from(fit.settings.epochs_max)).sum();
    context.progress.begin("train", epochs);
    let (next, rows_seen) = (AtomicUsize::new(0), AtomicU64::new(0));
    let results: Mutex<Vec<Option<Result<Fitted, Failure>>>> =
        Mutex::new(fits.iter().map(|_| None).collect());
    let work = || {
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(fit) = fits.get(place) else { return };
            let result = one((context, trainer), rows, fit, kept);
            let result = result.map(|(fitted, seen)| {
                rows_seen.fetch_add(seen, Ordering::Relaxed);
                fitted
            });
            if result.is_err() {
                next.store(fits.len(), Ordering::Relaxed);
            }
            results.lock().unwrap_or_else(PoisonError::into_inner)[place] = Some(result);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..rayon::current_num_threads().min(fits.len()) {
            scope.spawn(work);
        }
    });
    context.progress.end();
    // After a failure others were not begun: they are none, and stand for nothing.
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    let fitted = results.into_iter().flatten().collect::<Result<_, _>>()?;
    Ok(FittedAll { fitted, rows_seen: rows_seen.into_inner() })
}

/// Carries out one fit; with the training rows it saw.
fn one(
    (context, trainer): (&Context<'_>, &Trainer<'_, '_>),
    rows: &Rows,
    fit: &Fit<'_>,
    kept: Keeping<'_, '_, '_>,
) -> Result<(Fitted, u64), Failure> {
    let train = samples(rows, &fit.parts.train, fit.normaliser);
    let validation = samples(rows, &fit.parts.validation, fit.normaliser);
    let task = Task { train: &train, validation: &validation, settings: fit.settings };
    let mut shown = 0;
    let mut hear = |beat: FitHeartbeat| {
        while shown < beat.epoch {
            shown += 1;
            let note = format!("{}: epoch {shown}, loss {:.5}", fit.name, beat.validation);
            context.progress.advance(&note);
        }
    };
    let (fitted, begun) = trainer.fit((&fit.name, &task), kept, &mut hear)?;
    for _ in shown..fit.settings.epochs_max {
        context.progress.advance(&format!("{}: done", fit.name));
    }
    let seen = (fitted.losses.len() - begun) * train.len();
    Ok((fitted, seen as u64))
}

/// Rows as a fit sees them.
fn samples(rows: &Rows, of: &[usize], normaliser: &Normaliser) -> Samples {
    let mut samples = Samples::new(rows.width());
    let mut scaled = [0.0; FEATURES_MAX];
    for row in of {
        normaliser.apply(rows.inputs(*row), &mut scaled);
        samples.push(&scaled[..rows.width()], rows.classes()[*row]);
    }
    samples
}
