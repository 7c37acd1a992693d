//! A trial is an ordinary run without its rows: the same state, the same trades, the same equity after every day, to the last digit.

use std::collections::BTreeMap;

use mjolnir::{
    domain::{
        bar::TimedBar,
        decision::{Decision, TradeEvent},
        time::{DAY_MS, Timeframe, Window},
    },
    engine::{
        metrics::{
            curve::{CurveStats, Point, Start},
            trades::TradeStats,
        },
        rules::{FillAt, Limits, OnTrip, Rules},
        signals::Signals,
        state::State,
        step::Core,
        strategy::Strategy,
    },
    session::replay::{AtEnd, Batch, ReplayRequest, replay},
    setting::Dec,
    sweep::{
        sums::{DayBlocks, DaySums},
        trial::{PlayedTrial, Score, Tape, groups, play},
    },
};
use proptest::prelude::*;
use rust_decimal::Decimal;

use crate::support::{
    market::market,
    scripted::plain_rules,
    strategies::{shipped, strategy},
};

/// 2023-11-15 00:00 UTC.
const MIDNIGHT_MS: i64 = 1_700_006_400_000;
const FRAME: Timeframe = Timeframe::H1;

/// A run with a ledger.
struct Ordinary {
    state: State,
    decisions: Vec<Decision>,
    trades: Vec<TradeEvent>,
}

fn ordinary(core: &Core, bars: &[TimedBar], window: Window) -> Ordinary {
    let inputs = ReplayRequest {
        window,
        bars: bars.to_vec(),
        degraded: BTreeMap::new(),
        commands: Vec::new(),
        signals: Signals::default(),
    };
    let (mut decisions, mut trades) = (Vec::new(), Vec::new());
    let state = replay(core, &inputs, AtEnd::Close, |batch: &Batch| {
        decisions.extend_from_slice(&batch.decisions);
        trades.extend_from_slice(&batch.trades);
        Ok::<(), ()>(())
    });
    Ordinary { state: state.unwrap(), decisions, trades }
}

/// Holes, some of them long, so that features are unknown and cadence fails.
fn with_holes(bars: Vec<TimedBar>, holes: &[(usize, usize)]) -> Vec<TimedBar> {
    let mut kept = bars;
    for (at, long) in holes {
        let at = at % kept.len();
        kept.drain(at..(at + long).min(kept.len()));
    }
    kept
}

fn rules(kind: u32) -> Rules {
    let plain = plain_rules();
    let limits = match kind % 3 {
        0 => Limits { cooldown_bars: 5, trades_per_day_max: Some(2), ..plain.limits.clone() },
        1 => Limits {
            daily_loss_max: Some(Dec::new(Decimal::from(30))),
            consecutive_stops_max: Some(3),
            on_trip: OnTrip::Halt,
            ..plain.limits.clone()
        },
        _ => Limits { drawdown_max_pct: Some(Dec::new(Decimal::from(1))), ..plain.limits.clone() },
    };
    let fill_at = if kind.is_multiple_of(2) { FillAt::NextOpen } else { FillAt::Close };
    let (fee_bps, slippage_bps) = (Decimal::from(kind % 12), Decimal::from(kind % 5));
    Rules { fill_at, fee_bps, slippage_bps, cadence_bars: 3, limits, ..plain }
}

/// One of the strategies that are shipped, with numbers of its own.
fn rule_set(kind: usize, n: u32) -> Strategy {
    let n = f64::from(n);
    let crossing = || shipped("ema_atr", &[("fast", 2.0 + n % 5.0), ("slow", 8.0 + n)]);
    let text = |text: &str| Some(text.to_owned());
    let raw = match kind % 7 {
        0 => crossing(),
        1 => shipped("rsi_revert", &[("period", 3.0 + n)]),
        2 => shipped("golden", &[("fast", 5.0 + n % 3.0), ("slow", 20.0 + n)]),
        3 => shipped("donchian", &[("entry_bars", 6.0 + n), ("exit_bars", 4.0)]),
        4 => shipped("bollinger_revert", &[("n", 10.0 + n)]),
        // Stops that move, at once and later, and a target.
        5 => {
            let mut raw = crossing();
            raw.protect.both.trail = text("3 * atr(14)");
            raw.protect.both.target = text("5 * atr(14)");
            raw
        }
        _ => {
            let mut raw = crossing();
            raw.protect.both.trail = text("2 * atr(14)");
            raw.protect.both.trail_from = text("3 * atr(14)");
            raw.protect.both.break_even_at = text("1.5 * atr(14)");
            raw
        }
    };
    strategy(&raw, FRAME)
}

/// The returns of days from the rows of a ledger.
fn days(run: &Ordinary, cash: f64, cut: DayBlocks) -> (Vec<f64>, DaySums) {
    let (mut equities, mut sums, mut base) = (Vec::new(), DaySums::new(cut), cash);
    for row in run.decisions.iter().filter(|row| row.ts.ts_ms() % DAY_MS == 0) {
        let equity = row.equity.float();
        sums.take(if base > 0.0 { (equity - base) / base } else { 0.0 });
        equities.push(equity);
        base = equity;
    }
    (equities, sums)
}

fn check(core: &Core, trial: &PlayedTrial, bars: &[TimedBar], window: Window, cut: DayBlocks) {
    let run = ordinary(core, bars, window);
    let cash = core.rules.cash.float();
    assert_eq!(run.state, trial.state);
    assert_eq!(run.trades, trial.events);
    let (equities, sums) = days(&run, cash, cut);
    assert_eq!(equities, trial.days);
    assert_eq!(sums, trial.sums);
    let blocked = run.decisions.iter().filter_map(|row| row.blocked_by);
    // A ruined account says so at every slot of a ledger.
    if !trial.is_ruined {
        let mut vetoes = BTreeMap::new();
        blocked.for_each(|block| *vetoes.entry(block).or_default() += 1);
        assert_eq!(vetoes, trial.vetoes);
    }
    let start = Start { ts_ms: window.first().open_ms(), equity: cash };
    let point = |row: &Decision| Point {
        ts_ms: row.ts.ts_ms(),
        equity: row.equity.float(),
        in_position: row.position.is_some(),
    };
    let curve = CurveStats::of(start, run.decisions.iter().map(point));
    let trades = TradeStats::of(&run.trades, |_| None);
    assert_eq!(curve.net, trial.net);
    assert_eq!(curve.max_drawdown.map_or(0.0, |deepest| deepest.depth), trial.drawdown);
    assert_eq!((trades.trades, trades.ambiguous), (trial.trades.into(), trial.ambiguous.into()));
    let near = |ours: Option<f64>, theirs: Option<f64>| match (ours, theirs) {
        (Some(ours), Some(theirs)) => (ours - theirs).abs() <= 1e-6 * theirs.abs().max(1e-6),
        (ours, theirs) => ours.is_none() && theirs.is_none(),
    };
    if !trial.is_ruined {
        let year = 365.0_f64.sqrt();
        let yearly = |by| trial.score(by).map(|score| score * year);
        assert!(near(yearly(Score::Sharpe), curve.sharpe));
        assert!(near(yearly(Score::Sortino), curve.sortino));
        assert!(near(trial.score(Score::Calmar), curve.calmar));
        assert!(near(trial.score(Score::ProfitFactor), trades.profit_factor));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_trial_is_an_ordinary_run_to_the_last_digit(
        kinds in prop::collection::vec((0_usize..7, 0_u32..40, 0_u32..60), 1..7),
        holes in prop::collection::vec((0_usize..2000, 1_usize..30), 0..8),
        skip in 0_i64..40,
        many in 31_i64..60,
    ) {
        let first = MIDNIGHT_MS + skip * DAY_MS;
        let bars = market(FRAME, MIDNIGHT_MS - 60 * DAY_MS, first + many * DAY_MS);
        let bars = with_holes(bars, &holes);
        let slot = |ms: i64| FRAME.slot(ms).unwrap();
        let window = Window::new(slot(first + FRAME.ms()), slot(first + many * DAY_MS)).unwrap();
        let cut = DayBlocks::new(many as u32, 4);
        let cores: Vec<Core> = kinds
            .iter()
            .map(|(kind, n, how)| Core { strategy: rule_set(*kind, *n), rules: rules(*how) })
            .collect();
        let tape = Tape { bars: &bars, window, cut, keeps: true };
        let mut played = 0;
        for group in groups(cores.iter().map(|core| core.blocks(FRAME))) {
            let side_by_side: Vec<&Core> = group.iter().map(|place| &cores[*place]).collect();
            let signals = vec![Signals::default(); group.len()];
            let trials = play(&side_by_side, tape, &signals, &|| false).unwrap();
            for (core, trial) in side_by_side.iter().zip(&trials) {
                check(core, trial, &bars, window, cut);
                played += 1;
            }
            // What is not kept changes nothing else.
            let plain = play(&side_by_side, Tape { keeps: false, ..tape }, &signals, &|| false);
            for (plain, kept) in plain.unwrap().into_iter().zip(trials) {
                prop_assert_eq!(plain, PlayedTrial { days: vec![], events: vec![], ..kept });
            }
        }
        prop_assert_eq!(played, kinds.len());
    }
}

#[test]
fn a_trial_that_is_asked_to_stop_gives_nothing() {
    let bars = market(FRAME, MIDNIGHT_MS - 60 * DAY_MS, MIDNIGHT_MS + 40 * DAY_MS);
    let slot = |ms: i64| FRAME.slot(ms).unwrap();
    let window =
        Window::new(slot(MIDNIGHT_MS + FRAME.ms()), slot(MIDNIGHT_MS + 40 * DAY_MS)).unwrap();
    let core = Core { strategy: rule_set(0, 5), rules: rules(0) };
    let tape = Tape { bars: &bars, window, cut: DayBlocks::new(40, 4), keeps: false };
    let asked = std::cell::Cell::new(0);
    let stops = || {
        asked.set(asked.get() + 1);
        asked.get() > 3
    };
    assert_eq!(play(&[&core], tape, &[Signals::default()], &stops), None);
    assert_eq!(asked.get(), 4, "it looks between blocks");
}
