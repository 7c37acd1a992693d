//! What one live slot costs: from the answer of the venue to the durable decision, trade and timing rows, on a real disk.
//! Prints the median and the 99th percentile; the syncs dominate. `TMPDIR` chooses the disk.

mod plain;
#[path = "../tests/it/support/strategies.rs"]
#[expect(dead_code, reason = "it is made for tests, which need more")]
mod strategies;

use std::{cell::Cell, collections::BTreeMap, rc::Rc};

use mjolnir::{
    clock::{Clock as _, Stopwatch, VirtualClock},
    domain::{
        bar::Shown,
        series::Series,
        time::{Now, SlotTs, Timeframe, UtcMs, Window},
    },
    engine::step::Core,
    exchange::feed::{self, Feed, FeedError, ReplayFeed},
    jobs::live::{
        cycle::{DecidedSlot, Fetched, LoopContext, LoopEvent, Watcher, run},
        plan::LoopPace,
    },
    manifest::{CatchUpMode, Speed},
    session::{
        live::{Belief, CHECKPOINT_ROWS, LedgerLocation, Session},
        origin::StrategySettings,
    },
    store::{disk::RealDisk, layout::Layout, lock::LockGate, raw::RawStore},
};

const FIRST_MS: i64 = 1_700_006_400_000;
const SLOTS: i64 = 2_000;

/// A feed that notes when it answered.
struct Timed {
    feed: ReplayFeed,
    answered: Rc<Cell<Option<Stopwatch>>>,
}

impl Feed for Timed {
    fn fetch(&mut self, since: SlotTs, now: UtcMs) -> Result<Shown, FeedError> {
        let answer = self.feed.fetch(since, now);
        self.answered.set(Some(Stopwatch::start()));
        answer
    }

    fn ends(&self) -> Option<UtcMs> {
        self.feed.ends()
    }
}

/// Measures from an answer to the first slot that was decided on it.
struct Watch {
    answered: Rc<Cell<Option<Stopwatch>>>,
    slots_us: Vec<f64>,
}

impl Watcher for Watch {
    fn turn(&mut self, _: Now) {}

    fn fetched(&mut self, _: &Fetched<'_>) {}

    fn settled(&mut self, _: &DecidedSlot<'_>) {
        let took = self.answered.take().map(|watch| watch.elapsed().as_secs_f64() * 1e6);
        self.slots_us.extend(took);
    }

    fn say(&mut self, _: LoopEvent) {}
}

fn core() -> Core {
    let strategy = strategies::ema_atr([20, 50], strategies::Stops::only(14, 2.0), Timeframe::M5);
    Core { strategy, rules: plain::rules() }
}

fn main() {
    let dir = tempfile::tempdir().expect("a folder");
    let layout = Layout::new(dir.path());
    let disk = RealDisk::new(layout.data());
    let symbol = "BTC/USD".parse().expect("a symbol");
    let series = Series::new("bench".parse().expect("a name"), symbol, Timeframe::M5);
    let first = Timeframe::M5.slot(FIRST_MS).expect("on the grid");
    let window = Window::new(first.plus(-1_000), first.plus(SLOTS + 2)).expect("not empty");
    let answered = Rc::new(Cell::new(None));
    let feed = ReplayFeed::new(feed::seeded_bars(7, window), 1_000);
    let mut feed = Timed { feed, answered: Rc::clone(&answered) };
    let clock = VirtualClock::new(first.close(), Speed::Max);
    let raw = RawStore::new(&layout, &disk, &series);
    raw.prepare().expect("a folder for bars");
    let tag = "bench".parse().expect("a tag");
    let place = LedgerLocation { disk: &disk, layout: &layout, tag, series: series.clone() };
    let card = StrategySettings { settings: BTreeMap::new(), stop_fill: "through-open".to_owned() };
    let core = core();
    let pace = LoopPace {
        timeframe: Timeframe::M5,
        blocks: core.blocks(Timeframe::M5),
        settle_ms: 2_000,
        deadline_bars: 3,
        overlap_bars: 12,
        catch_up: CatchUpMode::Replay,
        catch_up_bars_max: 10_000,
        horizon_bars: 1_000,
        until: Some(first.plus(SLOTS)),
        bars_max: None,
        forced: None,
        carry_bars_max: 0,
    };
    let (mut session, _) = Session::open(
        place,
        core,
        (card, "bench"),
        Belief::Checkpoint(CHECKPOINT_ROWS),
        clock.now(),
        false,
    )
    .expect("a new ledger");
    let gate_path = dir.path().join("gate");
    let gate = LockGate::open(&gate_path).expect("a gate");
    let mut watch = Watch { answered, slots_us: Vec::new() };
    let mut on = LoopContext {
        feed: &mut feed,
        clock: &clock,
        raw,
        commands_gate: Some(&gate),
        stopped: &|| false,
        watcher: &mut watch,
        run_id: "bench".parse().expect("a run id"),
        skip_not_later: false,
    };
    run(pace, &mut session, &mut on).expect("the loop runs to its end");
    report(watch.slots_us);
}

#[expect(clippy::print_stdout, reason = "the result of a benchmark")]
fn report(mut slots_us: Vec<f64>) {
    slots_us.sort_by(f64::total_cmp);
    let at = |part: f64| slots_us[((slots_us.len() - 1) as f64 * part) as usize];
    println!(
        "slot, answer to durable rows: {} slots, p50 {:.0} us, p99 {:.0} us, max {:.0} us",
        slots_us.len(),
        at(0.5),
        at(0.99),
        at(1.0)
    );
}
