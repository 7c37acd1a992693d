//! Properties of the engine over generated markets: where a run starts, stops or is computed changes no bit of it.

use std::collections::BTreeMap;

use mjolnir::{
    domain::{
        bar::{Bar, TimedBar},
        decision::Degraded,
        series::Series,
        time::{SlotTs, Timeframe, Window},
    },
    engine::{
        rules::{Limits, Rules},
        signals::Signals,
        slot::SlotMaker,
        step::{Core, Engine},
    },
    session::replay::{AtEnd, ReplayRequest, RowBytes, render, render_reading},
    store::rows::{
        decisions::{DECISIONS_HEADER, parse_decisions},
        table::{SeriesPrefix, push_decision, push_trade},
    },
};
use proptest::prelude::*;
use rayon::ThreadPoolBuilder;
use rust_decimal::Decimal;

use crate::support::{
    market::market,
    scripted::plain_rules,
    strategies::{Stops, ema_atr, rsi_revert, shipped, strategy},
};

/// 2023-11-15 00:00 UTC.
const MIDNIGHT_MS: i64 = 1_700_006_400_000;

fn slot(n: i64) -> SlotTs {
    Timeframe::H1.slot(MIDNIGHT_MS + n * 3_600_000).expect("on the grid")
}

fn series() -> Series {
    let (venue, symbol) = ("kraken".parse(), "BTC/USD".parse());
    Series::new(venue.expect("a venue"), symbol.expect("a symbol"), Timeframe::H1)
}

fn rules() -> Rules {
    let plain = plain_rules();
    let limits = Limits { cooldown_bars: 3, trades_per_day_max: Some(4), ..plain.limits.clone() };
    Rules { fee_bps: Decimal::from(5), cadence_bars: 3, limits, ..plain }
}

fn trend() -> Core {
    let stops = Stops { atr: 3, stop: 0.7, target: Some(1.3), trail: Some(1.1) };
    Core { strategy: ema_atr([2, 5], stops, Timeframe::H1), rules: rules() }
}

fn revert() -> Core {
    let stops = Stops::only(2, 0.8);
    let strategy = rsi_revert(3, [35.0, 65.0, 50.0], stops, Timeframe::H1);
    Core { strategy, rules: rules() }
}

/// What one slot of a generated market is.
#[derive(Debug, Clone, Copy)]
enum Hour {
    /// A bar: steps of the price, in thousandths, and the cause that hinders its slot.
    Bar([i32; 3], Option<Degraded>),
    /// No bar.
    Hole,
}

fn hours(most: usize) -> impl Strategy<Value = Vec<Hour>> {
    let cause = prop_oneof![
        20 => Just(None),
        2 => Just(Some(Degraded::FetchFailed)),
        1 => Just(Some(Degraded::PersistFailed)),
        1 => Just(Some(Degraded::Downtime)),
        1 => Just(Some(Degraded::CatchupNoEntry)),
    ];
    let bar = ([-9..10_i32, 0..6_i32, 0..6_i32], cause);
    let hour = prop_oneof![
        25 => bar.prop_map(|(steps, cause)| Hour::Bar(steps, cause)),
        1 => Just(Hour::Hole),
    ];
    prop::collection::vec(hour, 60..most)
}

/// The inputs of the slots `first ..= last`; all bars before are there to warm up on.
fn inputs(hours: &[Hour], first: i64, last: i64) -> ReplayRequest {
    let mut bars = Vec::new();
    let mut degraded = BTreeMap::new();
    let mut price = 20_000.0;
    for (n, hour) in (0..=last).zip(hours) {
        let Hour::Bar([step, up, down], cause) = *hour else { continue };
        let open = price * (1.0 + f64::from(step % 3) / 2_000.0);
        price *= 1.0 + f64::from(step) / 1_000.0;
        let high = open.max(price) * (1.0 + f64::from(up) / 1_000.0);
        let low = open.min(price) * (1.0 - f64::from(down) / 1_000.0);
        let bar = Bar::new([open, high, low, price, f64::from(up + 1)]).expect("a bar");
        bars.push(TimedBar { ts: slot(n), bar });
        if let Some(cause) = cause.filter(|_| n >= first) {
            degraded.insert(slot(n).ts_ms(), cause);
        }
    }
    let window = Window::new(slot(first), slot(last)).expect("a window");
    let (commands, signals) = (Vec::new(), Signals::default());
    ReplayRequest { window, bars, degraded, commands, signals }
}

/// What a live session does: slot by slot through one engine. Continues `engine`, or starts with the warm-up bars.
struct Live {
    engine: Engine,
    maker: SlotMaker,
    bytes: [Vec<u8>; 2],
}

impl Live {
    fn start(core: &Core, inputs: &ReplayRequest) -> Self {
        let mut engine = Engine::new(core.clone(), Timeframe::H1);
        let first = inputs.window.first();
        let anchor_ms = core.blocks(Timeframe::H1).anchor_ms(first);
        let warm = inputs.bars.iter().filter(|bar| bar.ts < first && bar.ts.open_ms() >= anchor_ms);
        warm.for_each(|bar| engine.warm(bar));
        Self { engine, maker: SlotMaker::default(), bytes: [Vec::new(), Vec::new()] }
    }

    fn decide(&mut self, inputs: &ReplayRequest, slots: impl Iterator<Item = SlotTs>) {
        let (series, prefix) = (series(), SeriesPrefix::new(&series()));
        let known = |ts: SlotTs| {
            inputs.bars.binary_search_by_key(&ts, |bar| bar.ts).ok().map(|at| inputs.bars[at].bar)
        };
        let mut events = Vec::new();
        for ts in slots {
            let cause = inputs.degraded.get(&ts.ts_ms()).copied();
            let slot = self.maker.make(ts, known(ts), cause, known);
            events.clear();
            let decision = self.engine.step(&slot, &mut events);
            push_decision(&mut self.bytes[0], &prefix, &decision);
            for event in &events {
                push_trade(&mut self.bytes[1], &prefix, &series, event);
            }
        }
    }
}

fn live(core: &Core, inputs: &ReplayRequest) -> [Vec<u8>; 2] {
    let mut live = Live::start(core, inputs);
    live.decide(inputs, inputs.window.iter());
    live.bytes
}

fn replayed(core: &Core, inputs: &ReplayRequest) -> [Vec<u8>; 2] {
    let mut bytes = [Vec::new(), Vec::new()];
    let deliver = |rows: &RowBytes| -> Result<(), ()> {
        bytes[0].extend(rows.decisions.concat());
        bytes[1].extend_from_slice(&rows.trades);
        Ok(())
    };
    render(core, inputs, &series(), AtEnd::Keep, deliver).expect("delivery cannot fail");
    bytes
}

/// The same with bars that are read day by day; and the most that were kept at once.
fn replayed_reading(core: &Core, inputs: &ReplayRequest) -> ([Vec<u8>; 2], usize) {
    let mut bytes = [Vec::new(), Vec::new()];
    let deliver = |rows: &RowBytes| -> Result<(), ()> {
        bytes[0].extend(rows.decisions.concat());
        bytes[1].extend_from_slice(&rows.trades);
        Ok(())
    };
    let first = inputs.bars.partition_point(|bar| bar.ts < inputs.window.first());
    let (mut next, mut most) = (first + 1, 0);
    let mut begin = inputs.clone();
    begin.bars.truncate(next);
    let mut read = |ts: SlotTs, bars: &mut Vec<TimedBar>| {
        let day = |bar: &&TimedBar| bar.ts.open_day() <= ts.open_day();
        let more = inputs.bars[next..].iter().take_while(day);
        let before = bars.len();
        bars.extend(more);
        next += bars.len() - before;
        most = most.max(bars.len());
        Ok(())
    };
    render_reading(core, (&begin, Some(&mut read)), &series(), AtEnd::Keep, deliver)
        .expect("delivery cannot fail");
    assert_eq!(next, inputs.bars.len(), "every bar was read");
    (bytes, most)
}

/// Feature hashes by slot.
fn features(decisions: &[u8]) -> BTreeMap<i64, Option<u64>> {
    let bytes = [format!("{DECISIONS_HEADER}\n").as_bytes(), decisions].concat();
    let rows = parse_decisions(&bytes, &series(), "d".as_ref()).expect("good rows");
    rows.iter().map(|row| (row.ts_ms(), row.feat_hash())).collect()
}

fn check_same_bytes(core: &Core, inputs: &ReplayRequest) -> Result<(), TestCaseError> {
    let [decisions, trades] = replayed(core, inputs);
    let live = live(core, inputs);
    prop_assert_eq!(text(&live[0]), text(&decisions));
    prop_assert_eq!(text(&live[1]), text(&trades));
    for threads in [1, 5] {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        let again = pool.install(|| replayed(core, inputs));
        prop_assert!(again == [decisions.clone(), trades.clone()], "{} threads differ", threads);
    }
    let slots: Vec<i64> = features(&decisions).into_keys().collect();
    let wanted: Vec<i64> = inputs.window.iter().map(SlotTs::ts_ms).collect();
    prop_assert_eq!(slots, wanted, "one row per slot, in order");
    Ok(())
}

fn check_any_start(
    core: &Core,
    (hours, first, later, last): (&[Hour], i64, i64, i64),
) -> Result<(), TestCaseError> {
    let plain: Vec<Hour> = hours
        .iter()
        .map(|hour| match hour {
            Hour::Bar(steps, _) => Hour::Bar(*steps, None),
            Hour::Hole => Hour::Hole,
        })
        .collect();
    let whole = features(&replayed(core, &inputs(&plain, first, last))[0]);
    let part = inputs(&plain, later, last);
    for part in [replayed(core, &part), live(core, &part)] {
        for (ts_ms, hash) in features(&part[0]) {
            prop_assert_eq!(hash, whole[&ts_ms], "the features of {} moved", ts_ms);
        }
    }
    // From the anchor on, nothing older is needed.
    let anchor_ms = core.blocks(Timeframe::H1).anchor_ms(slot(later));
    let mut short = inputs(&plain, later, last);
    short.bars.retain(|bar| bar.ts.open_ms() >= anchor_ms);
    let all = inputs(&plain, later, last);
    prop_assert!(replayed(core, &short) == replayed(core, &all), "bars before the anchor count");
    Ok(())
}

/// Stops after any slot; the next process folds the rows so far and goes on.
fn check_restart(core: &Core, inputs: &ReplayRequest, stop: i64) -> Result<(), TestCaseError> {
    let whole = live(core, inputs);
    let (first, last) = (inputs.window.first(), inputs.window.last());
    let stop = first.plus(stop.rem_euclid(inputs.window.slots())).min(last);
    let upto = Window::new(first, stop).expect("a window");
    // The next process has only what is recorded: the bars and causes up to the stop.
    let mut known = inputs.clone();
    known.bars.retain(|bar| bar.ts <= stop);
    known.degraded.retain(|ts_ms, _| *ts_ms <= stop.ts_ms());
    let mut next = Live::start(core, &known);
    next.decide(&known, upto.iter());
    next.decide(inputs, inputs.window.iter().filter(|ts| *ts > stop));
    prop_assert_eq!(text(&next.bytes[0]), text(&whole[0]));
    prop_assert_eq!(text(&next.bytes[1]), text(&whole[1]));
    Ok(())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn c12_bars_that_are_read_as_they_come_lead_to_the_same_bytes() {
    let hour = |n: i32| match n {
        _ if n % 97 == 0 || (20_000..20_400).contains(&n) => Hour::Hole,
        _ => {
            let cause = (n % 1_013 == 0).then_some(Degraded::FetchFailed);
            Hour::Bar([n * 7 % 19 - 9, n % 6, n * 5 % 6], cause)
        }
    };
    let hours: Vec<Hour> = (0..40_000).map(hour).collect();
    let whole = inputs(&hours, 300, hours.len() as i64 - 1);
    for core in [trend(), revert()] {
        let (read, most) = replayed_reading(&core, &whole);
        assert!(read == replayed(&core, &whole));
        assert!(most < 20_000, "{most} of {} bars were kept", whole.bars.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn c5_c12_slot_by_slot_and_by_blocks_on_any_threads_are_the_same_bytes(
        hours in hours(400),
        first in 0..50_i64,
    ) {
        let last = hours.len() as i64 - 1;
        check_same_bytes(&trend(), &inputs(&hours, first, last))?;
        check_same_bytes(&revert(), &inputs(&hours, first, last))?;
    }

    #[test]
    fn c6_a_feature_does_not_know_where_the_run_started(
        hours in hours(300),
        first in 0..30_i64,
        gap in 0..200_i64,
    ) {
        let last = hours.len() as i64 - 1;
        let later = (first + gap).min(last);
        check_any_start(&trend(), (&hours, first, later, last))?;
        check_any_start(&revert(), (&hours, first, later, last))?;
    }

    #[test]
    fn c7_a_restart_after_any_slot_changes_nothing(
        hours in hours(200),
        first in 0..50_i64,
        stop in 0..200_i64,
    ) {
        let last = hours.len() as i64 - 1;
        check_restart(&trend(), &inputs(&hours, first, last), stop)?;
        check_restart(&revert(), &inputs(&hours, first, last), stop)?;
    }

    #[test]
    fn c11_warm_up_bars_change_no_state_and_leave_no_row(hours in hours(150)) {
        let last = hours.len() as i64 - 1;
        let all = inputs(&hours, last, last);
        let mut engine = Engine::new(trend(), Timeframe::H1);
        let before = engine.state().clone();
        all.bars.iter().for_each(|bar| engine.warm(bar));
        prop_assert_eq!(engine.state(), &before);
        let [decisions, trades] = live(&trend(), &all);
        prop_assert_eq!(text(&decisions).lines().count(), 1);
        prop_assert!(trades.is_empty());
    }
}

/// Of everything that is shipped without a model, on a plain market.
#[test]
fn all_features_are_finite_when_the_warm_up_ends() {
    for name in ["ema_atr", "rsi_revert", "donchian", "golden", "bollinger_revert"] {
        let strategy = strategy(&shipped(name, &[]), Timeframe::M5);
        let (bars, features) = (i64::from(strategy.warm_up_bars()), strategy.features());
        let to_ms = MIDNIGHT_MS + bars * Timeframe::M5.ms();
        let market = market(Timeframe::M5, MIDNIGHT_MS + Timeframe::M5.ms(), to_ms);
        let (mut run, mut values) = (features.start(), vec![0.0; features.width()]);
        assert_eq!(market.len() as i64, bars);
        for bar in &market {
            run.update(bar, &mut values);
        }
        assert!(values.iter().all(|value| value.is_finite()), "{name}: {values:?}");
    }
}
