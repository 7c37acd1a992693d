//! Carrying out the fits of a training: as many at once as there are threads, each on a thread of its own, with checkpoints.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use crate::{
    engine::{
        learn::{folds::Parts, rows::Rows},
        model::{FEATURES_MAX, Normaliser},
    },
    exit::Exit,
    jobs::{
        compute::{
            checkpoints::Checkpoints,
            trainer::{CPU, Trainer},
            wire::Heartbeat,
        },
        context::{Context, Failure},
    },
    model::train::{
        Device, FitError, Fitted, Flow, Samples, Settings, State, Task, fit, on_one_thread,
    },
};

/// One fit.
pub(super) struct Fit<'a> {
    /// Names its checkpoint, and what people see of it.
    pub(super) name: String,
    /// The rows it learns from and stops by.
    pub(super) parts: &'a Parts,
    /// Brings their inputs on one scale.
    pub(super) normaliser: &'a Normaliser,
    /// How it learns.
    pub(super) settings: &'a Settings,
}

/// What was fitted.
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
    (checkpoints, every): (&Checkpoints<'_, '_>, u32),
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
            let result = one((context, trainer), rows, fit, (checkpoints, every));
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
    fit_: &Fit<'_>,
    (checkpoints, every): (&Checkpoints<'_, '_>, u32),
) -> Result<(Fitted, u64), Failure> {
    let train = samples(rows, &fit_.parts.train, fit_.normaliser);
    let validation = samples(rows, &fit_.parts.validation, fit_.normaliser);
    let task = Task { train: &train, validation: &validation, settings: fit_.settings };
    let mut shown = 0;
    let mut hear = |beat: Heartbeat| {
        while shown < beat.epoch {
            shown += 1;
            let note = format!("{}: epoch {shown}, loss {:.5}", fit_.name, beat.validation);
            context.progress.advance(&note);
        }
    };
    let away = trainer.away((&fit_.name, &task), (checkpoints, every), &mut hear)?;
    if let Some((fitted, begun)) = away {
        for _ in shown..fit_.settings.epochs_max {
            context.progress.advance(&format!("{}: done", fit_.name));
        }
        let seen = (fitted.losses.len() - begun) * train.len();
        return Ok((fitted, seen as u64));
    }
    let from = checkpoints.load(&fit_.name, CPU)?;
    let begun = from.as_ref().map_or(0, |state| state.epochs() as usize);
    let mut show = |state: &State| {
        while shown < state.epochs() {
            shown += 1;
            let loss = state.losses().last().map_or(f64::NAN, |losses| losses.validation);
            context.progress.advance(&format!("{}: epoch {shown}, loss {loss:.5}", fit_.name));
        }
    };
    if let Some(state) = &from {
        tracing::info!("{}: goes on after epoch {}", fit_.name, state.epochs());
        show(state);
    }
    let mut unsaved = None;
    let mut watch = |state: &State| {
        show(state);
        let stops = context.stop.asked();
        if stops || state.epochs().is_multiple_of(every) {
            unsaved = checkpoints.save(&fit_.name, CPU, state).err();
        }
        if stops || unsaved.is_some() { Flow::Stop } else { Flow::GoOn }
    };
    let result =
        on_one_thread(|| fit(&task, &Device::Cpu, from, &mut watch)).and_then(|fitted| fitted);
    if let Some(error) = unsaved {
        return Err(error.into());
    }
    let fitted = result.map_err(|error| failed(context, &fit_.name, &error))?;
    for _ in shown..fit_.settings.epochs_max {
        context.progress.advance(&format!("{}: done", fit_.name));
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

fn failed(context: &Context<'_>, name: &str, error: &FitError) -> Failure {
    match error {
        FitError::Stopped => {
            let exit = context.stop.signal().map_or(Exit::Timeout, Exit::Signal);
            let message =
                format!("{name}: told to stop; run the job again, and it goes on from there");
            Failure::new(exit, message)
        }
        FitError::Astray(_) | FitError::NoRows { .. } => {
            Failure::new(Exit::Data, format!("{name}: {error}"))
        }
        FitError::ForeignState | FitError::Tensors(_) | FitError::Thread(_) => {
            Failure::new(Exit::Bug, format!("{name}: {error}"))
        }
    }
}
