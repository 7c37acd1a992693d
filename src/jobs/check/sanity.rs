//! Whether the settings make sense for trading: contradictions fail, what is merely odd warns. No file is read.

use rust_decimal::Decimal;

use crate::{
    checklist::{CheckItem, Level},
    domain::time::DAY_MS,
    engine::step::Core,
    jobs::{
        context::Failure,
        venue::{FirstStart, Late},
    },
    language::RawDistances,
    manifest::{CheckPart, Trading},
    setting::Dec,
};

/// Costs of one entry and exit, in basis points of the amount, above which hardly any strategy lives.
const COSTS_BPS_MAX: u32 = 100;
/// Equity a drawdown of 100 % leaves.
const WHOLE_PCT: u32 = 100;

/// All of them. `core` is the engine of these settings, or why there is none.
pub fn sanity(trading: &Trading, core: Result<Core, Failure>) -> Vec<CheckItem> {
    let mut checks = vec![account(trading), costs(trading), stop(trading)];
    checks.extend(limits(trading));
    match core {
        Ok(core) => checks.extend(lengths(trading, core.strategy.warm_up_bars())),
        Err(failure) => checks.push(check("strategy", Level::Fail, failure.message)),
    }
    checks
}

fn check(name: &'static str, level: Level, value: impl Into<String>) -> CheckItem {
    CheckItem::new(name, level, value).part(CheckPart::Sanity.name())
}

/// A check that is fine unless one of the complaints holds; the first one that holds is told.
fn first(name: &'static str, fine: String, complaints: Vec<(bool, Level, String)>) -> CheckItem {
    match complaints.into_iter().find(|(holds, ..)| *holds) {
        Some((_, level, value)) => check(name, level, value),
        None => check(name, Level::Ok, fine),
    }
}

fn account(trading: &Trading) -> CheckItem {
    let (cash, notional) = (trading.account.cash.get(), trading.account.notional.get());
    let most = trading.risk.position_max.map(Dec::get);
    let never = most.is_some_and(|most| notional > most);
    first(
        "notional",
        format!("{notional} of {cash} cash"),
        vec![
            (
                never,
                Level::Fail,
                format!(
                    "account.notional {notional} is above risk.position-max {}: no entry ever passes",
                    most.unwrap_or_default()
                ),
            ),
            (
                notional > cash,
                Level::Warn,
                format!(
                    "account.notional {notional} is more than account.cash {cash}: the account borrows"
                ),
            ),
        ],
    )
}

/// What one entry and exit cost, in basis points of the amount.
fn round_trip_bps(trading: &Trading) -> Decimal {
    (trading.fill.fee_bps.get() + trading.fill.slippage_bps.get()) * Decimal::TWO
}

/// What one entry and exit cost, in the quote currency.
fn round_trip(trading: &Trading) -> Decimal {
    trading.account.notional.get() * round_trip_bps(trading) / Decimal::from(10_000)
}

fn costs(trading: &Trading) -> CheckItem {
    let bps = round_trip_bps(trading);
    first(
        "costs",
        format!("{bps} bps for an entry and its exit"),
        vec![
            (
                trading.fill.fee_bps.get().is_zero(),
                Level::Warn,
                "fill.fee-bps is 0: results will be better than any venue allows".to_owned(),
            ),
            (
                bps >= Decimal::from(COSTS_BPS_MAX),
                Level::Warn,
                format!("{bps} bps for an entry and its exit: hardly any strategy earns that"),
            ),
        ],
    )
}

fn stop(trading: &Trading) -> CheckItem {
    let protect = &trading.rules.protect;
    let stops = |one: &RawDistances| one.stop.is_some() || one.trail.is_some();
    let is_bounded = stops(&protect.both) || (stops(&protect.long) && stops(&protect.short));
    let none =
        "no strategy.protect.stop or trail on every side: only an exit rule ends a losing trade";
    let complaints = vec![(!is_bounded, Level::Warn, none.to_owned())];
    first("stop", "a losing trade ends".to_owned(), complaints)
}

/// Each limit that is set: whether it can trip at all, and whether it trips by itself.
fn limits(trading: &Trading) -> Vec<CheckItem> {
    let risk = &trading.risk;
    let (cash, costs) = (trading.account.cash.get(), round_trip(trading));
    let per_day = DAY_MS / trading.series.timeframe().ms();
    let mut checks = Vec::new();
    if let Some(most) = risk.daily_loss_max.map(Dec::get) {
        let never = format!(
            "risk.daily-loss-max {most} is not below account.cash {cash}: it can never trip in time"
        );
        let always = format!(
            "risk.daily-loss-max {most} is not above {costs}, what one trade costs: any trade trips it"
        );
        let complaints =
            vec![(most <= costs, Level::Fail, always), (most >= cash, Level::Warn, never)];
        checks.push(first("daily-loss", format!("{most} of {cash}"), complaints));
    }
    if let Some(pct) = risk.drawdown_max_pct.map(Dec::get) {
        let room = cash * pct / Decimal::ONE_HUNDRED;
        let always = format!(
            "risk.drawdown-max-pct {pct} is {room}, not above what one trade costs, {costs}: any trade trips it"
        );
        let never = format!("risk.drawdown-max-pct {pct} trips when everything is lost");
        let complaints = vec![
            (room <= costs, Level::Fail, always),
            (pct >= Decimal::from(WHOLE_PCT), Level::Warn, never),
        ];
        checks.push(first("drawdown", format!("{pct} %, {room}"), complaints));
    }
    if let Some(most) = risk.trades_per_day_max {
        let never = format!(
            "risk.trades-per-day-max {most} is not below the {per_day} slots of a day: it can never trip"
        );
        let complaints = vec![(i64::from(most) >= per_day, Level::Warn, never)];
        checks.push(first("trades-per-day", format!("{most} of {per_day} slots"), complaints));
    }
    let cooldown = i64::from(risk.cooldown_bars);
    let long = format!("risk.cooldown-bars {cooldown} is more than a day after each stop");
    let complaints = vec![(cooldown > per_day, Level::Warn, long)];
    checks.push(first("cooldown", format!("{cooldown} slots"), complaints));
    let is_bounded = risk.daily_loss_max.is_some()
        || risk.drawdown_max_pct.is_some()
        || risk.consecutive_stops_max.is_some();
    let unbounded = "no risk.daily-loss-max, drawdown-max-pct or consecutive-stops-max: nothing ends a losing run".to_owned();
    let complaints = vec![(!is_bounded, Level::Warn, unbounded)];
    checks.push(first("limits", "a losing run ends".to_owned(), complaints));
    checks
}

/// Warm-up and cadence against the timeframe, and against how far back the venue answers.
fn lengths(trading: &Trading, warm_up_bars: u32) -> Vec<CheckItem> {
    let timeframe = trading.series.timeframe();
    let days = |bars: u32| (f64::from(bars) * timeframe.ms() as f64) / DAY_MS as f64;
    let start = FirstStart::new(&trading.series, warm_up_bars, None);
    let warm_up = match start.late() {
        Some(Late { message, command }) => check("warm-up", Level::Warn, message).next(command),
        None => check("warm-up", Level::Ok, start.needs()),
    };
    let cadence = trading.cadence_bars;
    let blind = format!("strategy.cadence-bars {cadence}: a hole in the bars goes unnoticed");
    let long =
        format!("one missing bar stops decisions for {cadence} slots, {:.1} days", days(cadence));
    let complaints =
        vec![(cadence < 2, Level::Warn, blind), (days(cadence) > 1.0, Level::Warn, long)];
    vec![warm_up, first("cadence", format!("{cadence} slots without a hole"), complaints)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{series::Series, time::Timeframe},
        jobs::engine_setup,
        language::{RawDistances, RawProtect, RawRule, RawStrategy},
        manifest::{Account, Fill, Limits, StopFill},
    };

    fn trading() -> Trading {
        let series =
            Series::new("demo".parse().unwrap(), "BTC/USD".parse().unwrap(), Timeframe::M5);
        Trading {
            series,
            cadence_bars: 12,
            rules: rules(|_| {}),
            model: None,
            signals: std::collections::BTreeMap::new(),
            fill: Fill::default(),
            account: Account::default(),
            risk: Limits { daily_loss_max: Some(Dec::whole(300)), ..Limits::default() },
        }
    }

    fn checks_of(trading: &Trading) -> Vec<CheckItem> {
        let core =
            engine_setup::core(trading, StopFill::ThroughOpen, |_| panic!("no model is followed"));
        sanity(trading, core)
    }

    fn rules(change: impl FnOnce(&mut RawStrategy)) -> RawStrategy {
        let enter = RawRule {
            rule: "up".to_owned(),
            side: Some("long".to_owned()),
            when: "crosses_above(ema(close, 20), ema(close, 50))".to_owned(),
        };
        let stop = RawDistances { stop: Some("2 * atr(14)".to_owned()), ..RawDistances::default() };
        let mut raw = RawStrategy {
            cadence_bars: 12,
            sides: "both".to_owned(),
            enter: vec![enter],
            protect: RawProtect { both: stop, ..RawProtect::default() },
            ..RawStrategy::default()
        };
        change(&mut raw);
        raw
    }

    #[test]
    fn sane_settings_pass() {
        let checks = checks_of(&trading());
        assert!(checks.iter().all(|check| check.level == Level::Ok), "{checks:?}");
        assert_eq!(checks.len(), 8);
    }

    #[test]
    fn every_odd_setting_warns_and_every_contradiction_fails() {
        type Change = fn(&mut Trading);
        let cases: [(&str, Level, Change); 16] = [
            ("notional", Level::Fail, |t| t.risk.position_max = Some(Dec::whole(999))),
            ("notional", Level::Warn, |t| t.account.notional = Dec::whole(10_001)),
            ("costs", Level::Warn, |t| t.fill.fee_bps = Dec::whole(0)),
            ("costs", Level::Warn, |t| t.fill.slippage_bps = Dec::whole(40)),
            ("stop", Level::Warn, |t| t.rules = rules(|raw| raw.protect.both.stop = None)),
            ("strategy", Level::Fail, |t| {
                t.rules = rules(|raw| raw.enter[0].when = "clos > 1".to_owned());
            }),
            // 1000 at 10 bps in and 10 bps out cost 2.
            ("daily-loss", Level::Fail, |t| t.risk.daily_loss_max = Some(Dec::whole(2))),
            ("daily-loss", Level::Warn, |t| t.risk.daily_loss_max = Some(Dec::whole(10_000))),
            ("drawdown", Level::Fail, |t| {
                t.account.cash = Dec::whole(1_000);
                t.account.notional = Dec::whole(1_000);
                t.fill.fee_bps = Dec::whole(50);
                t.risk.drawdown_max_pct = Some(Dec::whole(1));
            }),
            ("drawdown", Level::Warn, |t| t.risk.drawdown_max_pct = Some(Dec::whole(100))),
            ("trades-per-day", Level::Warn, |t| t.risk.trades_per_day_max = Some(288)),
            ("cooldown", Level::Warn, |t| t.risk.cooldown_bars = 289),
            ("warm-up", Level::Warn, |t| {
                t.series = Series::new(
                    "kraken".parse().unwrap(),
                    "BTC/USD".parse().unwrap(),
                    Timeframe::M5,
                );
                t.rules = rules(|raw| raw.enter[0].when = "close > sma(close, 720)".to_owned());
            }),
            ("limits", Level::Warn, |t| t.risk.daily_loss_max = None),
            ("cadence", Level::Warn, |t| t.cadence_bars = 1),
            ("cadence", Level::Warn, |t| t.cadence_bars = 289),
        ];
        for (name, level, change) in cases {
            let mut trading = trading();
            change(&mut trading);
            let checks = checks_of(&trading);
            let found = checks.iter().find(|check| check.name == name).unwrap();
            assert_eq!(found.level, level, "{name}: {}", found.value);
        }
    }

    #[test]
    fn the_value_before_each_edge_is_fine() {
        type Change = fn(&mut Trading);
        let cases: [(&str, Change); 7] = [
            ("notional", |t| t.risk.position_max = Some(Dec::whole(1_000))),
            ("notional", |t| t.account.notional = Dec::whole(10_000)),
            ("daily-loss", |t| t.risk.daily_loss_max = Some(Dec::whole(3))),
            ("drawdown", |t| t.risk.drawdown_max_pct = Some(Dec::whole(99))),
            ("trades-per-day", |t| t.risk.trades_per_day_max = Some(287)),
            ("cooldown", |t| t.risk.cooldown_bars = 288),
            ("cadence", |t| t.cadence_bars = 288),
        ];
        for (name, change) in cases {
            let mut trading = trading();
            change(&mut trading);
            let checks = checks_of(&trading);
            let found = checks.iter().find(|check| check.name == name).unwrap();
            assert_eq!(found.level, Level::Ok, "{name}: {}", found.value);
        }
    }
}
