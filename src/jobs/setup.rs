//! From the manifest's tables to the engine's rules, and to the card that names them.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::Serialize;

use super::{
    context::{Context, Failure, Outcome},
    ledger_models::{MODEL_KEY, Whose, models},
};
use crate::{
    domain::{command::Command, model_id::ModelId, money::Money},
    engine::{
        model::Timeline,
        rules::{FillAt, Limits, OnTrip, Rules, StopFill},
        step::Core,
        strategy::{
            Strategy,
            by_score::{ByScore, ByScoreParams},
            ema_atr::{EmaAtr, EmaAtrParams},
            rsi_revert::{RsiRevert, RsiRevertParams},
            stops::{Sides, StopsParams},
        },
    },
    exit::Exit,
    manifest::{self, ModelRule, Rule, Trading},
    session::{card::Card, live::all_known, record::read_origin},
};

/// The setting of a ledger's card that names the score all its models trade from.
const ENTER_KEY: &str = "strategy.model.enter";

/// A core of any strategy. [`with_core`] unwraps it once, so that nothing is dispatched per bar.
pub enum AnyCore {
    /// EMA cross with ATR stops.
    EmaAtr(Core<EmaAtr>),
    /// RSI reversion.
    RsiRevert(Core<RsiRevert>),
    /// The score of a model.
    ByScore(Core<ByScore>),
}

/// Runs an expression with the concrete core.
macro_rules! with_core {
    ($any:expr, $core:ident => $body:expr) => {
        match $any {
            $crate::jobs::setup::AnyCore::EmaAtr($core) => $body,
            $crate::jobs::setup::AnyCore::RsiRevert($core) => $body,
            $crate::jobs::setup::AnyCore::ByScore($core) => $body,
        }
    };
}
pub(crate) use with_core;

/// What a job runs with.
pub struct SetUp {
    /// The engine.
    pub core: AnyCore,
    /// Every value it depends on.
    pub card: Card,
    /// The model it follows at the end of what is known, where it follows one.
    pub model: Option<ModelId>,
}

impl SetUp {
    /// Adds the model to what a run leaves.
    pub fn noted(model: Option<ModelId>, mut outcome: Outcome) -> Outcome {
        outcome.out.extend(model.map(|id| ("model_id".to_owned(), id.to_string())));
        outcome
    }
}

/// What a manifest asks for, with the stop rule of one side. The one place where the models of a job are loaded.
pub fn set_up(
    context: &Context<'_>,
    trading: &Trading,
    stop_fill: manifest::StopFill,
    whose: Whose<'_>,
) -> Result<SetUp, Failure> {
    let trading = &as_begun(context, trading, whose)?;
    let followed = |table: &ModelRule| models(context, &trading.series, table, whose);
    let core = core(trading, stop_fill, followed)?;
    let models = match &core {
        AnyCore::EmaAtr(_) | AnyCore::RsiRevert(_) => None,
        AnyCore::ByScore(core) => Some(core.strategy.models()),
    };
    let card = card(trading, stop_fill, models.map(Timeline::begun));
    let model = models.map(Timeline::present);
    Ok(SetUp { core, card, model })
}

/// What a manifest asks for, with the score that a ledger trades from since it began, where the manifest names none: in an older
/// build the market's settings named one for all models.
fn as_begun(
    context: &Context<'_>,
    trading: &Trading,
    whose: Whose<'_>,
) -> Result<Trading, Failure> {
    let mut trading = trading.clone();
    if let (Rule::Model(table), Some(tag)) = (&mut trading.rule, whose.tag())
        && table.enter.is_none()
    {
        let origin = read_origin(context.disk, context.layout, tag, &trading.series)?;
        let written = origin.and_then(|origin| origin.card.settings.get(ENTER_KEY).cloned());
        table.enter = written.and_then(|text| text.parse().ok());
    }
    Ok(trading)
}

/// Every setting that trades depend on, by its manifest key, but the model and the score it trades from.
pub(super) fn settings(trading: &Trading) -> BTreeMap<String, String> {
    let mut settings = card(trading, manifest::StopFill::ThroughOpen, None).settings;
    settings.remove(ENTER_KEY);
    settings
}

/// Refuses commands that came after the models were loaded and that switch to another one.
pub fn still_all_known<S: Strategy>(core: &Core<S>, commands: &[Command]) -> Result<(), Failure> {
    Ok(all_known(&core.strategy, commands)?)
}

/// The engine of a manifest, with the stop rule of one side. `followed` loads models for a strategy that follows one.
pub fn core(
    trading: &Trading,
    stop_fill: manifest::StopFill,
    followed: impl FnOnce(&ModelRule) -> Result<Timeline, Failure>,
) -> Result<AnyCore, Failure> {
    let rules = rules(trading, stop_fill);
    let refused = |error: crate::engine::strategy::params::StrategyError| {
        Failure::new(Exit::Manifest, format!("strategy: {error}"))
    };
    match &trading.rule {
        Rule::EmaAtr(table) => {
            let strategy = EmaAtr::new(EmaAtrParams {
                fast: table.fast,
                slow: table.slow,
                stops: stops(&table.stops),
            });
            Ok(AnyCore::EmaAtr(Core { strategy: strategy.map_err(refused)?, rules }))
        }
        Rule::RsiRevert(table) => {
            let strategy = RsiRevert::new(RsiRevertParams {
                rsi: table.period,
                oversold: table.oversold,
                overbought: table.overbought,
                exit: table.exit,
                stops: stops(&table.stops),
            });
            Ok(AnyCore::RsiRevert(Core { strategy: strategy.map_err(refused)?, rules }))
        }
        Rule::Model(table) => {
            let params = ByScoreParams { exit: table.exit, stops: stops(&table.stops) };
            let strategy = ByScore::new(followed(table)?, params).map_err(refused)?;
            Ok(AnyCore::ByScore(Core { strategy, rules }))
        }
    }
}

/// The rules of a manifest, with the stop rule of one side.
pub(super) fn rules(trading: &Trading, stop_fill: manifest::StopFill) -> Rules {
    let Trading { fill, account, risk, cadence_bars, .. } = trading;
    Rules {
        fill_at: match fill.at {
            manifest::FillAt::NextOpen => FillAt::NextOpen,
            manifest::FillAt::Close => FillAt::Close,
        },
        stop_fill: match stop_fill {
            manifest::StopFill::AtStop => StopFill::AtStop,
            manifest::StopFill::ThroughOpen => StopFill::ThroughOpen,
        },
        fee_bps: fill.fee_bps.get(),
        slippage_bps: fill.slippage_bps.get(),
        cash: Money::new(account.cash.get()),
        notional: Money::new(account.notional.get()),
        leverage: account.leverage.map_or(Decimal::ONE, manifest::Dec::get),
        cadence_bars: *cadence_bars,
        limits: Limits {
            cooldown_bars: risk.cooldown_bars,
            daily_loss: risk.daily_loss_max.map(|most| Money::new(most.get())),
            drawdown_pct: risk.drawdown_max_pct.map(manifest::Dec::get),
            consecutive_stops: risk.consecutive_stops_max,
            trades_per_day: risk.trades_per_day_max,
            position: risk.position_max.map(|most| Money::new(most.get())),
            on_trip: match risk.on_trip {
                manifest::OnTrip::Reduce => OnTrip::Reduce,
                manifest::OnTrip::Halt => OnTrip::Halt,
            },
        },
    }
}

fn stops(table: &manifest::Stops) -> StopsParams {
    let manifest::Stops { atr, stop_atr, target_atr, trail_atr, sides } = *table;
    let sides = match sides {
        manifest::Sides::Both => Sides::Both,
        manifest::Sides::Long => Sides::Long,
        manifest::Sides::Short => Sides::Short,
    };
    StopsParams { atr, stop_atr, target_atr, trail_atr, sides }
}

/// Every value the engine depends on, by its manifest key; of a model its id, wherever it lies.
fn card(trading: &Trading, stop_fill: manifest::StopFill, model: Option<ModelId>) -> Card {
    let mut settings = BTreeMap::new();
    let kind = match &trading.rule {
        Rule::EmaAtr(table) => {
            flatten("strategy.ema-atr", table, &mut settings);
            "ema_atr"
        }
        Rule::RsiRevert(table) => {
            flatten("strategy.rsi-revert", table, &mut settings);
            "rsi_revert"
        }
        Rule::Model(table) => {
            flatten("strategy.model", table, &mut settings);
            settings.remove("strategy.model.path");
            "model"
        }
    };
    settings.extend(model.map(|id| (MODEL_KEY.to_owned(), id.to_string())));
    settings.insert("strategy.kind".to_owned(), kind.to_owned());
    settings.insert("strategy.cadence-bars".to_owned(), trading.cadence_bars.to_string());
    flatten("fill", &trading.fill, &mut settings);
    flatten("account", &trading.account, &mut settings);
    flatten("risk", &trading.risk, &mut settings);
    Card { settings, stop_fill: stop_fill.name().to_owned() }
}

fn flatten(prefix: &str, table: &impl Serialize, settings: &mut BTreeMap<String, String>) {
    let value = serde_json::to_value(table).expect("a table of plain values serialises");
    let fields = value.as_object().into_iter().flatten();
    for (key, value) in fields.filter(|(_, value)| !value.is_null()) {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        settings.insert(format!("{prefix}.{key}"), text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{series::Series, time::Timeframe},
        manifest::{Account, Fill, Risk, Stops},
    };

    fn trading(stops: Stops) -> Trading {
        let symbol = "BTC/USD".parse().unwrap();
        Trading {
            series: Series::new("demo".parse().unwrap(), symbol, Timeframe::M5),
            cadence_bars: 12,
            rule: Rule::EmaAtr(manifest::EmaAtr { stops, ..manifest::EmaAtr::default() }),
            fill: Fill::default(),
            account: Account::default(),
            risk: Risk::default(),
        }
    }

    /// Names and values that stand in `origin.json` of ledgers that exist: another text is another strategy.
    #[test]
    fn the_card_names_stops_as_it_always_did() {
        let trading = trading(Stops { target_atr: Some(3.0), ..Stops::default() });
        let settings = card(&trading, manifest::StopFill::ThroughOpen, None).settings;
        let strategy = settings.iter().filter_map(|(key, value)| {
            Some(format!("{}={value}", key.strip_prefix("strategy.ema-atr.")?))
        });
        let want = ["atr=14", "fast=20", "sides=both", "slow=50", "stop-atr=2.0", "target-atr=3.0"];
        assert_eq!(strategy.collect::<Vec<_>>(), want);
    }

    #[test]
    fn the_stops_that_are_written_are_those_that_are_set() {
        let (target_atr, trail_atr, sides) = (Some(3.0), Some(1.5), manifest::Sides::Short);
        let written = trading(Stops { atr: 7, stop_atr: 2.5, target_atr, trail_atr, sides });
        let core = core(&written, manifest::StopFill::AtStop, |_| panic!("no model is followed"));
        let Ok(AnyCore::EmaAtr(core)) = core else { panic!("another strategy") };
        let stops =
            StopsParams { atr: 7, stop_atr: 2.5, target_atr, trail_atr, sides: Sides::Short };
        let same = EmaAtr::new(EmaAtrParams { fast: 20, slow: 50, stops });
        assert_eq!(Ok(core.strategy), same);
    }
}
