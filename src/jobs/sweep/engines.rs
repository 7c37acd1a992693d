//! The engines of trials. They are made once to plan, and again each time some of them are played: all engines of ten thousand trials at once
//! would be more than the bars of years.

use std::collections::BTreeMap;

use super::plan::{SettingsDigest, turned};
use crate::{
    engine::{anchor::Blocks, model::Timeline, signals::Signals, step::Core},
    exit::Exit,
    jobs::{
        context::{Context, Failure},
        engine_setup::{EngineSetup, core, engine_setup_with},
        models::{ModelSource, models},
    },
    manifest::{ModelRule, SweepJob, Trading},
    session::signals::read_programs,
    sweep::space::{AxisValue, SweepSpace},
};

/// Makes the engine of any of some trials, and knows what all of them need.
pub struct Engines<'p> {
    job: &'p SweepJob,
    values: &'p [Vec<AxisValue>],
    space: &'p SweepSpace,
    /// How each cuts time.
    blocks: Vec<Blocks>,
    /// Every model that is followed; each is read once.
    models: BTreeMap<ModelRule, Timeline>,
    /// The lines of programs, by the signals that are read; each is read once.
    signals: Vec<Signals>,
    /// Hash of the strategy of the first one.
    strategy: String,
}

impl<'p> Engines<'p> {
    /// Of these points. `each` is given what the settings of a trial come to.
    pub fn new(
        context: &Context<'_>,
        job: &'p SweepJob,
        (space, values): (&'p SweepSpace, &'p [Vec<AxisValue>]),
        mut each: impl FnMut(&Blocks, SettingsDigest),
    ) -> Result<Self, Failure> {
        let (blocks, models, signals) = (Vec::new(), BTreeMap::new(), Vec::new());
        let mut all = Self { job, values, space, blocks, models, signals, strategy: String::new() };
        for values in all.values {
            let EngineSetup { core, card, .. } = all.first_time(context, values)?;
            if all.blocks.is_empty() {
                all.strategy = card.strategy_hash();
            }
            let blocks = core.blocks(job.trading.series.timeframe());
            each(&blocks, SettingsDigest::of(&card));
            all.blocks.push(blocks);
            all.hear(context, core.strategy.signals())?;
        }
        Ok(all)
    }

    fn first_time(
        &mut self,
        context: &Context<'_>,
        values: &[AxisValue],
    ) -> Result<EngineSetup, Failure> {
        let Self { job, space, models: known, .. } = self;
        let trading = turned(&job.trading, &space.names, values)
            .map_err(|message| Failure::new(Exit::Manifest, message))?;
        let followed = |table: &ModelRule| {
            if let Some(timeline) = known.get(table) {
                return Ok(timeline.clone());
            }
            let timeline = models(context, &trading.series, table, ModelSource::Named)?;
            known.insert(table.clone(), timeline.clone());
            Ok(timeline)
        };
        engine_setup_with(&trading, job.stop_fill, followed).map_err(|failure| {
            let pairs = space.names.iter().zip(values);
            let shown: Vec<String> =
                pairs.map(|(name, value)| format!("{name} = {value}")).collect();
            Failure { message: format!("{}: {}", shown.join(", "), failure.message), ..failure }
        })
    }

    /// Reads the lines of signals that no trial before read.
    fn hear(&mut self, context: &Context<'_>, own: &Signals) -> Result<(), Failure> {
        if self.signals.iter().any(|read| read.rules().eq(own.rules())) {
            return Ok(());
        }
        let timeframe = self.job.trading.series.timeframe();
        let (read, said) = read_programs(context.disk, context.layout, own, timeframe)?;
        for text in said {
            tracing::warn!("{text}");
        }
        self.signals.push(read);
        Ok(())
    }

    /// How many trials there are.
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Leaves the first ones only.
    pub fn truncate(&mut self, many: usize) {
        self.values = &self.values[..many.min(self.values.len())];
        self.blocks.truncate(many);
    }

    /// The engine of the first trial.
    pub fn first(&self) -> Option<Core> {
        (!self.blocks.is_empty()).then(|| self.core(0))
    }

    /// Hash of the strategy of the first trial.
    pub fn strategy(&self) -> &str {
        &self.strategy
    }

    /// How a trial cuts time.
    pub fn blocks(&self, at: usize) -> Blocks {
        self.blocks[at]
    }

    /// The engine of a trial, with every value it depends on.
    pub fn setup(&self, at: usize) -> EngineSetup {
        let setup = engine_setup_with(&self.trading(at), self.job.stop_fill, |table| {
            Ok(self.followed(table))
        });
        setup.expect("it was made before")
    }

    /// The engine of a trial.
    pub fn core(&self, at: usize) -> Core {
        let core = core(&self.trading(at), self.job.stop_fill, |table| Ok(self.followed(table)));
        core.expect("it was made before")
    }

    fn trading(&self, at: usize) -> Trading {
        let trading = turned(&self.job.trading, &self.space.names, &self.values[at]);
        trading.expect("it was turned before")
    }

    fn followed(&self, table: &ModelRule) -> Timeline {
        self.models.get(table).expect("it was read before").clone()
    }

    /// The signals of an engine, with their lines.
    pub fn signals(&self, core: &Core) -> Signals {
        let own = core.strategy.signals();
        let read = self.signals.iter().find(|read| read.rules().eq(own.rules()));
        read.expect("it was read before").clone()
    }
}
