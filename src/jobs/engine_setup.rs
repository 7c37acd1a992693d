//! From the manifest's tables to the engine's rules, and to the card that names them.

use std::{collections::BTreeMap, time::Duration};

use rust_decimal::Decimal;
use serde::Serialize;

use super::{
    context::{Context, Failure, Outcome},
    models::{MODEL_KEY, ModelSource, models},
};
use crate::{
    domain::{command::Command, ids::ModelId},
    engine::{
        model::Timeline,
        rules::{Rules, StopFill},
        signals::{SignalRule, Signals},
        step::Core,
        strategy::Strategy,
    },
    exit::Exit,
    language,
    manifest::{self, ModelRule, Trading},
    session::{live::all_known, origin::StrategySettings},
    setting::Dec,
};

/// What a job runs with.
pub struct EngineSetup {
    /// The engine.
    pub core: Core,
    /// Every value it depends on.
    pub card: StrategySettings,
    /// The model it follows at the end of what is known, where it follows one.
    pub model: Option<ModelId>,
}

impl EngineSetup {
    /// Adds the model to what a run leaves.
    pub fn noted(model: Option<ModelId>, mut outcome: Outcome) -> Outcome {
        outcome.out.extend(model.map(|id| ("model_id".to_owned(), id.to_string())));
        outcome
    }
}

/// What a manifest asks for, with the stop rule of one side. The one place where the models of a job are loaded.
pub fn engine_setup(
    context: &Context<'_>,
    trading: &Trading,
    stop_fill: StopFill,
    whose: ModelSource<'_>,
) -> Result<EngineSetup, Failure> {
    engine_setup_with(trading, stop_fill, |table| models(context, &trading.series, table, whose))
}

/// The same, with the models that `followed` gives.
pub(super) fn engine_setup_with(
    trading: &Trading,
    stop_fill: StopFill,
    followed: impl FnOnce(&ModelRule) -> Result<Timeline, Failure>,
) -> Result<EngineSetup, Failure> {
    let core = core(trading, stop_fill, followed)?;
    let models = core.strategy.models();
    let (begun, model) = (models.map(Timeline::first), models.map(Timeline::present));
    let card = card(trading, stop_fill, core.strategy.rules(), begun);
    Ok(EngineSetup { core, card, model })
}

/// Every setting that trades depend on, by its manifest key, but the model and the score it trades from.
pub(super) fn settings(trading: &Trading) -> Result<BTreeMap<String, String>, Failure> {
    let rules = program(trading, &[])?;
    let mut settings = card(trading, StopFill::ThroughOpen, &rules, None).settings;
    settings.remove(ENTER_KEY);
    Ok(settings)
}

/// Refuses commands that came after the models were loaded and that switch to another one.
pub fn still_all_known(core: &Core, commands: &[Command]) -> Result<(), Failure> {
    Ok(all_known(&core.strategy, commands)?)
}

/// The engine of a manifest, with the stop rule of one side. `followed` loads models for rules that follow one.
pub fn core(
    trading: &Trading,
    stop_fill: StopFill,
    followed: impl FnOnce(&ModelRule) -> Result<Timeline, Failure>,
) -> Result<Core, Failure> {
    let models = trading.model.as_ref().map(followed).transpose()?;
    let seen = models.iter().flat_map(Timeline::features).map(ToString::to_string);
    let program = program(trading, &seen.collect::<Vec<_>>())?;
    let signals = Signals::new(signals(trading, &program));
    let strategy = Strategy::new(program, models).hearing(signals);
    Ok(Core { strategy, rules: rules(trading, stop_fill) })
}

/// How the signals are read that the rules read, in their order.
fn signals(trading: &Trading, program: &language::CheckedStrategy) -> Vec<SignalRule> {
    let ms = |span: manifest::Span| i64::try_from(span.duration().as_millis()).unwrap_or(i64::MAX);
    let bar_ms = trading.series.timeframe().ms();
    let rule = |name: &String| {
        let table = trading.signals.get(name).cloned().unwrap_or_default();
        SignalRule {
            name: name.clone(),
            max_age_ms: table.max_age.map_or(bar_ms, |age| ms(*age.get())),
            absent_is_flat: match table.absent {
                Some(manifest::SignalAbsent::Flat) => true,
                None => false,
            },
            wait_ms: ms(*table.wait.get()),
        }
    };
    program.signals().iter().map(rule).collect()
}

/// The rules of a manifest, which see the features of a model first.
fn program(trading: &Trading, seen: &[String]) -> Result<language::CheckedStrategy, Failure> {
    let values = language::Values::new();
    let timeframe = trading.series.timeframe();
    let program = language::CheckedStrategy::new(&trading.rules, &values, timeframe, seen);
    program.map_err(|problems| {
        let errors = problems.iter().filter(|found| found.severity == language::Severity::Error);
        let told: Vec<String> =
            errors.map(|found| format!("`{}`: {}", found.key, found.message)).collect();
        Failure::new(Exit::Manifest, format!("strategy: {}", told.join("; ")))
    })
}

/// The rules of a manifest, with the stop rule of one side.
pub(super) fn rules(trading: &Trading, stop_fill: StopFill) -> Rules {
    let Trading { fill, account, risk, cadence_bars, .. } = trading;
    Rules {
        fill_at: fill.at,
        stop_fill,
        fee_bps: fill.fee_bps.get(),
        slippage_bps: fill.slippage_bps.get(),
        cash: account.cash.money(),
        notional: account.notional.money(),
        leverage: account.leverage.map_or(Decimal::ONE, Dec::get),
        cadence_bars: *cadence_bars,
        limits: risk.clone(),
    }
}

/// The setting of a card that names the score a model trades from, where the manifest does.
const ENTER_KEY: &str = "strategy.model.enter";

/// Every value the engine depends on, by its manifest key; of a model its id, wherever it lies.
fn card(
    trading: &Trading,
    stop_fill: StopFill,
    rules: &language::CheckedStrategy,
    model: Option<ModelId>,
) -> StrategySettings {
    let mut settings: BTreeMap<String, String> = rules.identity().into_iter().collect();
    settings.extend(model.map(|id| (MODEL_KEY.to_owned(), id.to_string())));
    let enter = trading.model.as_ref().and_then(|table| table.enter);
    settings.extend(enter.map(|enter| (ENTER_KEY.to_owned(), enter.to_string())));
    settings.insert("strategy.cadence-bars".to_owned(), trading.cadence_bars.to_string());
    // How long LIVE waits for a line decides nothing: the line that it used is an input of the proof.
    for SignalRule { name, max_age_ms, absent_is_flat, wait_ms: _ } in signals(trading, rules) {
        let key = |part: &str| format!("strategy.signals.{name}.{part}");
        let age = Duration::from_millis(max_age_ms.unsigned_abs());
        settings.insert(key("max-age"), humantime::format_duration(age).to_string());
        settings.extend(absent_is_flat.then(|| (key("absent"), "flat".to_owned())));
    }
    flatten("fill", &trading.fill, &mut settings);
    flatten("account", &trading.account, &mut settings);
    flatten("risk", &trading.risk, &mut settings);
    StrategySettings { settings, stop_fill: stop_fill.name().to_owned() }
}

fn flatten(prefix: &str, table: &impl Serialize, settings: &mut BTreeMap<String, String>) {
    let value = serde_json::to_value(table).expect("a table of plain values serialises");
    let fields = value.as_object().into_iter().flatten();
    for (key, value) in fields.filter(|(_, value)| !value.is_null()) {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        settings.insert(format!("{prefix}.{key}"), text);
    }
}
