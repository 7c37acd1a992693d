//! Walking forward through the rows: what is fitted where, and what each fit is worth on what follows it.

use std::{
    ops::Range,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use super::{
    evaluate::{Chosen, Predictions, always, buy_and_hold, choose, losses, trade, window_of},
    report::{FoldReport, Judged, PartNumbers, Published},
    settings::TrainSettings,
};
use crate::{
    domain::{bar::TimedBar, ids::ModelId},
    engine::{
        learn::{
            rows::{CutError, FoldRows, FoldWindows, TrainRows},
            scores::prior,
        },
        model::{Activation, CLASSES, Dense, Model, Network, Normaliser, Speaker, Timeline},
        rules::Rules,
        step::Core,
    },
    exit::Exit,
    jobs::{
        compute::{fit_process::Keeping, trainer::Trainer, worker::FitHeartbeat},
        context::{Context, Failure},
        engine_setup,
    },
    language::FEATURES_MAX,
    manifest::{ModelRule, StopFill, TrainJob},
    model::train::{FitSettings, Fitted, Samples, Task},
    setting::Dec,
};

/// Basis points in one.
const BPS: f64 = 10_000.0;

/// What does not change from fold to fold.
pub(super) struct WalkForward<'a> {
    job: &'a TrainJob,
    asked: &'a TrainSettings,
    bars: &'a [TimedBar],
    rules: Rules,
}

/// One training window with what follows it.
pub(super) struct TrainFold {
    name: String,
    fold: FoldWindows,
    /// Its rows.
    pub(super) parts: FoldRows,
    /// Fitted on its training rows.
    pub(super) normaliser: Normaliser,
}

/// A model that is ready to be published.
pub(super) struct Ready {
    /// What it was fitted to.
    pub(super) fitted: Fitted,
    /// Brings its inputs on one scale.
    pub(super) normaliser: Normaliser,
    /// What is said about it.
    pub(super) published: Published,
}

impl<'a> WalkForward<'a> {
    /// Through the rows of some bars.
    pub(super) fn new(job: &'a TrainJob, asked: &'a TrainSettings, bars: &'a [TimedBar]) -> Self {
        let rules = engine_setup::rules(&job.trading, StopFill::ThroughOpen);
        Self { job, asked, bars, rules }
    }

    /// The engine that LIVE runs with a model, which trades from a score on.
    pub(super) fn core(&self, model: &Arc<Model>, threshold: i64) -> Result<Core, Failure> {
        // Models of folds are asked here and nowhere else: they have no name.
        let unnamed = ModelId::of_digest([0; 32]);
        let speaker = Speaker { id: unnamed, model: Arc::clone(model), enter: threshold };
        let models = |_: &ModelRule| Ok(Timeline::new(speaker));
        let core = engine_setup::core(&self.job.trading, StopFill::ThroughOpen, models)?;
        if core.strategy.models().is_none() {
            let message = "[strategy.model] is missing, without which no rule can follow the model that is trained: extend strategies/model.toml";
            return Err(Failure::new(Exit::Manifest, message));
        }
        Ok(core)
    }

    /// The engine before there is a model: one that says nothing, and has the features.
    pub(super) fn blank(&self) -> Result<Core, Failure> {
        let inputs = self.asked.features.len();
        let layer = Dense {
            inputs,
            outputs: CLASSES,
            weights: vec![0.0; inputs * CLASSES],
            bias: vec![0.0; CLASSES],
        };
        let scale = Normaliser::new(vec![0.0; inputs], vec![1.0; inputs], 1.0).ok();
        let network = Network::new(&[layer], Activation::Relu).ok();
        let (scale, network) = scale.zip(network).expect("zeros and ones make a model");
        let model = Model::new(self.asked.features.clone(), scale, network)
            .map_err(|error| Failure::new(Exit::Manifest, format!("`train.features`: {error}")))?;
        let threshold = self.thresholds().iter().copied().min().unwrap_or(i64::MAX);
        self.core(&Arc::new(model), threshold)
    }

    /// The folds that are tested, oldest first, and behind them the one of the model that is published.
    pub(super) fn legs(&self, rows: &TrainRows) -> Result<Vec<TrainFold>, Failure> {
        let refused = |error: CutError| Failure::new(Exit::Data, error.to_string());
        let cut = &self.asked.cut;
        let mut folds: Vec<(String, FoldWindows)> = cut
            .folds(rows)
            .map_err(refused)?
            .into_iter()
            .zip(1..)
            .map(|(fold, number)| (format!("fold-{number}"), fold))
            .collect();
        folds.push(("last".to_owned(), cut.last(rows).map_err(refused)?));
        let leg = |(name, fold): (String, FoldWindows)| {
            let parts = cut.parts(rows, &fold, &name).map_err(refused)?;
            let of_training = parts.train.iter().map(|row| rows.inputs(*row));
            let normaliser = Normaliser::fit(of_training, self.job.train.fit.clamp);
            let normaliser = normaliser.ok_or_else(|| {
                Failure::new(Exit::Data, format!("{name}: an input is not a number"))
            })?;
            Ok(TrainFold { name, fold, parts, normaliser })
        };
        folds.into_iter().map(leg).collect()
    }

    /// Everything that is fitted: of each tested leg the baseline and the model, of the last one the model.
    pub(super) fn fits<'l>(&'l self, legs: &'l [TrainFold]) -> Vec<Fit<'l>> {
        let (last, tested) = legs.split_last().expect("there is a last leg");
        let fit =
            |leg: &'l TrainFold, settings: &'l crate::model::train::FitSettings, what: &str| Fit {
                name: format!("{}-{what}", leg.name),
                parts: &leg.parts,
                normaliser: &leg.normaliser,
                settings,
            };
        let mut fits = Vec::new();
        for leg in tested {
            fits.push(fit(leg, &self.asked.logistic, "logistic"));
            if self.has_hidden() {
                fits.push(fit(leg, &self.asked.network, "network"));
            }
        }
        fits.push(fit(last, &self.asked.network, "network"));
        fits
    }

    /// The model of some weights.
    pub(super) fn model(&self, fitted: &Fitted, normaliser: &Normaliser) -> Result<Model, Failure> {
        let broken = |error: String| Failure::new(Exit::Bug, format!("a fitted model: {error}"));
        let network = Network::new(&fitted.layers, self.asked.network.activation)
            .map_err(|error| broken(error.to_string()))?;
        Model::new(self.asked.features.clone(), normaliser.clone(), network)
            .map_err(|error| broken(error.to_string()))
    }

    /// What the fits of [`Walk::fits`] are worth: every test, and the model that is published.
    pub(super) fn tested(
        &self,
        rows: &TrainRows,
        legs: &[TrainFold],
        fitted: &[Fitted],
    ) -> Result<(Vec<FoldReport>, Ready), Failure> {
        let (last, tested) = legs.split_last().expect("there is a last leg");
        let per_leg = if self.has_hidden() { 2 } else { 1 };
        let reports = tested.iter().zip(fitted.chunks_exact(per_leg)).zip(1..);
        let reports = reports
            .map(|((leg, fitted), number)| self.report(number, rows, leg, fitted))
            .collect::<Result<_, _>>()?;
        let fitted = fitted.last().expect("there is a last fit");
        Ok((reports, self.ready(rows, last, fitted)?))
    }

    fn horizon(&self) -> u32 {
        self.asked.labelling.horizon()
    }

    /// The scores to choose from: the one that the market's settings name, where they name one, or else those that are asked for.
    fn thresholds(&self) -> &[i64] {
        match &self.job.trading.model {
            Some(ModelRule { enter: Some(pinned), .. }) => std::slice::from_ref(pinned),
            Some(_) | None => &self.job.train.thresholds,
        }
    }

    fn has_hidden(&self) -> bool {
        !self.asked.network.hidden.is_empty()
    }

    fn report(
        &self,
        fold: usize,
        rows: &TrainRows,
        leg: &TrainFold,
        fitted: &[Fitted],
    ) -> Result<FoldReport, Failure> {
        let (train, test) = (&leg.parts.train, &leg.parts.test);
        let (prior_log_loss, prior_accuracy) = always(prior(rows.counts(train)), rows, test);
        let logistic = self.judged(rows, leg, &fitted[0])?;
        let network = match fitted {
            [_, network] => self.judged(rows, leg, network)?,
            _ => logistic.clone(),
        };
        let window = window_of(&leg.fold.test, self.job.trading.series.timeframe())?;
        let fee = Dec::get(self.job.trading.fill.fee_bps);
        let fee = crate::domain::decimal::float(fee) / BPS;
        let hold_curve = buy_and_hold(self.bars, window, self.rules.notional.float(), fee);
        Ok(FoldReport {
            fold,
            train: self.part(&leg.fold.train, train)?,
            validation: self.part(&leg.fold.validation, &leg.parts.validation)?,
            test: self.part(&leg.fold.test, test)?,
            network,
            logistic,
            prior_log_loss,
            prior_accuracy,
            buy_and_hold: hold_curve.last().map_or(0.0, |last| last.1),
            hold_curve,
        })
    }

    fn judged(
        &self,
        rows: &TrainRows,
        leg: &TrainFold,
        fitted: &Fitted,
    ) -> Result<Judged, Failure> {
        let model = Arc::new(self.model(fitted, &leg.normaliser)?);
        let chosen = self.threshold(&model, &leg.fold.validation)?;
        let window = window_of(&leg.fold.test, self.job.trading.series.timeframe())?;
        let trading = trade(&self.core(&model, chosen.threshold)?, self.bars, window);
        Ok(Predictions::of(&model, rows, &leg.parts.test, self.horizon())
            .judged(fitted, chosen, trading))
    }

    /// The threshold that earns most on the validation bars.
    fn threshold(&self, model: &Arc<Model>, validation: &Range<i64>) -> Result<Chosen, Failure> {
        let window = window_of(validation, self.job.trading.series.timeframe())?;
        let core_of = |threshold| self.core(model, threshold);
        choose(self.thresholds(), core_of, self.bars, window)
    }

    fn part(&self, numbers: &Range<i64>, rows: &[usize]) -> Result<PartNumbers, Failure> {
        let window = window_of(numbers, self.job.trading.series.timeframe())?;
        let window = [window.first().ts_ms(), window.last().ts_ms()];
        Ok(PartNumbers { window, rows: rows.len() })
    }

    fn ready(&self, rows: &TrainRows, leg: &TrainFold, fitted: &Fitted) -> Result<Ready, Failure> {
        let model = Arc::new(self.model(fitted, &leg.normaliser)?);
        let chosen = self.threshold(&model, &leg.fold.validation)?;
        let published = Published {
            train: self.part(&leg.fold.train, &leg.parts.train)?,
            validation: self.part(&leg.fold.validation, &leg.parts.validation)?,
            threshold: chosen.threshold,
            tried: chosen.tried,
            best_epoch: fitted.best_epoch,
            validation_log_loss: Predictions::of(
                &model,
                rows,
                &leg.parts.validation,
                self.horizon(),
            )
            .log_loss(),
            losses: losses(fitted),
        };
        Ok(Ready { fitted: fitted.clone(), normaliser: leg.normaliser.clone(), published })
    }
}

pub(super) struct Fit<'a> {
    /// Names its checkpoint, and what people see of it.
    pub(super) name: String,
    /// The rows it learns from and stops by.
    pub(super) parts: &'a FoldRows,
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
    rows: &TrainRows,
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
    rows: &TrainRows,
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
fn samples(rows: &TrainRows, of: &[usize], normaliser: &Normaliser) -> Samples {
    let mut samples = Samples::new(rows.width());
    let mut scaled = [0.0; FEATURES_MAX];
    for row in of {
        normaliser.apply(rows.inputs(*row), &mut scaled);
        samples.push(&scaled[..rows.width()], rows.classes()[*row]);
    }
    samples
}
