//! How often a sweep is wrong: random walks must not become edges, and a planted edge must be found. Seeds are fixed;
//! `MJOLNIR_SWEEP_SEEDS=100` tries more of them (`make calibrate`).

use mjolnir::{
    domain::{
        bar::{Bar, TimedBar},
        time::{DAY_MS, Timeframe, Window},
    },
    engine::{rules::Rules, signals::Signals, step::Core},
    exchange::made_up::walk_bars,
    language::RawStrategy,
    sweep::{
        market::NullMarket,
        plateau::{BestTrial, Neighbours, best},
        searches::{Search, searched},
        stats::{p_can_pass, variance},
        sums::DayBlocks,
        trial::{PlayedTrial, Score, Tape, groups, play},
        verdict::{Nulls, SweepEvidence, Winner, Word},
    },
};
use rayon::prelude::*;
use rust_decimal::Decimal;

use crate::support::{
    market::seeds,
    scripted::plain_rules,
    strategies::{shipped, strategy},
};

/// 2020-01-01 00:00 UTC.
const BEGIN_MS: i64 = 1_577_836_800_000;
const FRAME: Timeframe = Timeframe::H4;
const DAYS: i64 = 800;
const WARM_UP_DAYS: i64 = 60;
const NULL_SWEEPS: u32 = 39;
const MIN_TRADES: u32 = 30;
const FAST: [u32; 3] = [2, 3, 4];
const SLOW: [u32; 4] = [8, 12, 16, 20];

fn window() -> Window {
    let slot = |ms: i64| FRAME.slot(ms).unwrap();
    let first = BEGIN_MS + WARM_UP_DAYS * DAY_MS;
    Window::new(slot(first + FRAME.ms()), slot(first + DAYS * DAY_MS)).unwrap()
}

fn bars(seed: u64, drift: f64) -> Vec<TimedBar> {
    let all = Window::new(FRAME.slot(BEGIN_MS + FRAME.ms()).unwrap(), window().last()).unwrap();
    walk_bars(seed, all, drift)
}

/// The same market with a mean return that makes a yearly Sharpe ratio of about 1.5.
fn rising(bars: &[TimedBar]) -> Vec<TimedBar> {
    // 0.6 % an hour are 2.9 % a day: 1.5 / sqrt 365 of that, over six bars.
    let per_bar = 1.5 / 365.0_f64.sqrt() * 0.006 * 24.0_f64.sqrt() / 6.0;
    let risen = |(place, bar): (usize, &TimedBar)| {
        let by = |n: usize| (per_bar * n as f64).exp();
        let [open, high, low, close, volume] = bar.bar.values();
        let (open, close) = (open * by(place), close * by(place + 1));
        let high = (high * by(place)).max(open).max(close);
        let low = (low * by(place)).min(open).min(close);
        TimedBar { ts: bar.ts, bar: Bar::new([open, high, low, close, volume]).unwrap() }
    };
    bars.iter().enumerate().map(risen).collect()
}

fn cores(sides: &str) -> (Vec<Core>, Vec<Vec<u32>>) {
    let rules = Rules { fee_bps: Decimal::from(2), cadence_bars: 3, ..plain_rules() };
    let (mut cores, mut steps) = (Vec::new(), Vec::new());
    for (a, fast) in (0..).zip(FAST) {
        for (b, slow) in (0..).zip(SLOW) {
            let raw = shipped("ema_atr", &[("fast", fast.into()), ("slow", slow.into())]);
            let raw = RawStrategy { sides: sides.to_owned(), ..raw };
            cores.push(Core { strategy: strategy(&raw, FRAME), rules: rules.clone() });
            steps.push(vec![a, b]);
        }
    }
    (cores, steps)
}

fn trials(cores: &[Core], bars: &[TimedBar]) -> Vec<PlayedTrial> {
    let tape = Tape { bars, window: window(), cut: DayBlocks::new(0, 0), keeps: false };
    let mut all: Vec<Option<PlayedTrial>> = vec![None; cores.len()];
    for group in groups(cores.iter().map(|core| core.blocks(FRAME))) {
        let side_by_side: Vec<&Core> = group.iter().map(|place| &cores[*place]).collect();
        let signals = vec![Signals::default(); group.len()];
        let played = play(&side_by_side, tape, &signals, &|| false).unwrap();
        for (place, played) in group.iter().zip(played) {
            all[*place] = Some(played);
        }
    }
    all.into_iter().map(Option::unwrap).collect()
}

fn winner(trials: &[PlayedTrial], neighbours: &Neighbours) -> Option<BestTrial> {
    let score =
        |trial: &PlayedTrial| trial.score(Score::Sharpe).filter(|_| trial.trades >= MIN_TRADES);
    best(&trials.iter().map(score).collect::<Vec<_>>(), neighbours)
}

/// A whole sweep, as the job makes it.
fn sweep(bars: &[TimedBar], sides: &str, seed: u64) -> Word {
    let (cores, steps) = cores(sides);
    let neighbours = Neighbours::grid(&steps, &[true, true], 1);
    let all = trials(&cores, bars);
    let best = winner(&all, &neighbours);
    let market = NullMarket::new(bars);
    let mut nulls = Nulls { searched: 0, wanted: NULL_SWEEPS, at_least: 0 };
    for k in 1..=NULL_SWEEPS {
        let Some(best) = best.filter(|_| p_can_pass(nulls.at_least, NULL_SWEEPS)) else { break };
        let null = winner(&trials(&cores, &market.null(seed, k)), &neighbours);
        nulls.searched += 1;
        nulls.at_least += u32::from(null.is_some_and(|null| null.score >= best.score));
    }
    let ratios: Vec<f64> =
        all.iter().filter_map(|trial| trial.sums.sample()).map(|sample| sample.sharpe).collect();
    let spread = variance(&ratios) * (DAYS as f64 - 1.0);
    let days = (0, DAYS - 1);
    let own = Search { first_day: days.0, last_day: days.1, trials: 12, spread: Some(spread) };
    let played = best.map(|best| &all[best.trial]);
    let evidence = SweepEvidence {
        days: DAYS as u32,
        qualified: all.iter().filter(|trial| trial.trades >= MIN_TRADES).count() as u64,
        trades_min: MIN_TRADES,
        winner: played
            .map(|played| Winner { active: played.sums.active, sample: played.sums.sample() }),
        luck: searched(&[own], days, DAYS as u32).luck,
        seen_days: 0,
        nulls,
    };
    evidence.verdict().word
}

fn edges(
    seeds: std::ops::RangeInclusive<u64>,
    market: impl Fn(u64) -> Word + Sync + Send,
) -> usize {
    let words: Vec<Word> = seeds.into_par_iter().map(market).collect();
    words.iter().filter(|word| **word == Word::EdgeLikely).count()
}

/// At most one in ten, and of a handful at most one.
#[test]
#[expect(clippy::print_stdout, reason = "the numbers of a long calibration are its result")]
fn random_walks_are_no_edges() {
    let seeds = seeds("MJOLNIR_SWEEP_SEEDS", 8);
    let many = seeds.clone().count();
    let most = (many / 10).max(1);
    let both = edges(seeds.clone(), |seed| sweep(&bars(seed, 0.0), "both", seed));
    let long = edges(seeds, |seed| sweep(&rising(&bars(seed, 0.0)), "long", seed));
    println!(
        "of {many} random walks: {both} edges on both sides, {long} long-only in a rising market"
    );
    assert!(both <= most && long <= most, "{both} and {long} of {many}");
}

#[test]
#[expect(clippy::print_stdout, reason = "the numbers of a long calibration are its result")]
fn a_planted_edge_is_found() {
    let seeds = seeds("MJOLNIR_SWEEP_SEEDS", 3);
    let many = seeds.clone().count();
    let found = edges(seeds, |seed| sweep(&bars(seed, 0.35), "both", seed));
    println!("of {many} planted edges: {found} found");
    assert!(found * 10 >= many * 9, "{found} of {many}");
}
