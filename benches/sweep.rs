//! What a sweep costs: 100 sets of two averages and a true range over 100,000 bars, against a loop written by hand in the same run, on
//! one core and as a whole command; and the memory of 100 to 10,000 sets. Prints tables.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark makes its own files, starts the program, and prints its numbers"
)]

mod plain;
#[path = "../tests/it/support/strategies.rs"]
#[expect(dead_code, reason = "it is made for tests, which need more")]
mod strategies;

use std::{
    fs,
    hint::black_box,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use mjolnir::{
    clock::Stopwatch,
    domain::{
        bar::{ClosedBar, TimedBar},
        series::Series,
        time::{DAY_MS, Timeframe, UtcMs, Window},
    },
    engine::{signals::Signals, step::Core},
    exchange::feed,
    store::{disk::RealDisk, layout::Layout, raw::RawStore},
    sweep::{
        sums::DayBlocks,
        trial::{Tape, groups, play},
    },
};
use strategies::{shipped, strategy};

/// 2020-09-14, days since 1970.
const FIRST_DAY: i64 = 18_519;
/// 100,000 bars of five minutes are 347 days and a bit.
const DAYS: i64 = 347;
const WARM_UP_DAYS: i64 = 4;
const SIDE_BY_SIDE: usize = 64;
const REPEATS: usize = 5;

fn sets() -> Vec<(u32, u32)> {
    (0..100).map(|n| (5 + n % 10 * 5, 60 + n / 10 * 10)).collect()
}

fn window(days: i64) -> Window {
    let slot = |ms: i64| Timeframe::M5.slot(ms).expect("on the grid");
    Window::new(slot(FIRST_DAY * DAY_MS + 300_000), slot((FIRST_DAY + days) * DAY_MS))
        .expect("not empty")
}

fn market(days: i64) -> Vec<TimedBar> {
    let first = Timeframe::M5.slot((FIRST_DAY - WARM_UP_DAYS) * DAY_MS).expect("on the grid");
    feed::seeded_bars(7, Window::new(first.next(), window(days).last()).expect("not empty"))
}

/// What somebody writes in an afternoon: averages, a cross, the next open, a stop, a fee, the equity of each day. No limits, no money
/// types, no holes.
fn by_hand(bars: &[TimedBar], fast: u32, slow: u32) -> f64 {
    let step = |n: u32| 2.0 / (f64::from(n) + 1.0);
    let (quick, lazy) = (step(fast), step(slow));
    let (mut fast, mut slow, mut atr, mut before) = (0.0, 0.0, 0.0, 0.0);
    let (mut cash, mut side, mut quantity, mut entry, mut stop) = (10_000.0, 0.0, 0.0, 0.0, 0.0);
    let (mut pending, mut was) = (0.0, 0.0);
    let (mut midnight, mut sums) = (10_000.0, [0.0; 4]);
    for (n, TimedBar { ts, bar }) in bars.iter().enumerate() {
        let [open, high, low, close, _] = bar.values();
        if n == 0 {
            (fast, slow, before) = (close, close, close);
        }
        if pending != 0.0 && pending != side {
            if side != 0.0 {
                cash += side * quantity * (open - entry) - quantity * open * 0.001;
            }
            (side, entry, quantity) = (pending, open, 1_000.0 / open);
            cash -= quantity * open * 0.001;
            stop = entry - side * 2.0 * atr;
        }
        pending = 0.0;
        if side != 0.0 && (side > 0.0 && low <= stop || side < 0.0 && high >= stop) {
            cash += side * quantity * (stop - entry) - quantity * stop * 0.001;
            side = 0.0;
        }
        fast += (close - fast) * quick;
        slow += (close - slow) * lazy;
        let range = high.max(before) - low.min(before);
        atr += (range - atr) / 14.0;
        before = close;
        let now = if fast > slow { 1.0 } else { -1.0 };
        if now != was && was != 0.0 {
            pending = now;
        }
        was = now;
        if ts.ts_ms() % DAY_MS == 0 {
            let equity = cash + side * quantity * (close - entry);
            let gain = (equity - midnight) / midnight;
            let square = gain * gain;
            for (sum, power) in sums.iter_mut().zip([gain, square, square * gain, square * square])
            {
                *sum += power;
            }
            midnight = equity;
        }
    }
    sums[0] / sums[1].sqrt()
}

fn cores() -> Vec<Core> {
    let one = |(fast, slow): (u32, u32)| {
        let raw = shipped("ema_atr", &[("fast", fast.into()), ("slow", slow.into())]);
        Core { strategy: strategy(&raw, Timeframe::M5), rules: plain::rules() }
    };
    sets().into_iter().map(one).collect()
}

/// The fastest of some runs, seconds.
fn best(mut work: impl FnMut()) -> f64 {
    let one = |()| {
        let watch = Stopwatch::start();
        work();
        watch.elapsed().as_secs_f64()
    };
    (0..REPEATS).map(|_| ()).map(one).fold(f64::INFINITY, f64::min)
}

fn shipped_root(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    for folder in ["jobs", "profiles", "strategies"] {
        fs::create_dir_all(root.join(folder)).expect("a folder");
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let files = fs::read_dir(shipped).expect("the shipped files").flatten();
        for file in files.filter(|file| file.path().is_file()) {
            fs::copy(file.path(), root.join(folder).join(file.file_name())).expect("a copy");
        }
    }
    root
}

fn store(root: &Path, bars: &[TimedBar]) {
    let symbol = "BTC/USD".parse().expect("a symbol");
    let series = Series::new("demo".parse().expect("a name"), symbol, Timeframe::M5);
    let layout = Layout::new(root);
    let disk = RealDisk::new(layout.data());
    let raw = RawStore::new(&layout, &disk, &series);
    raw.prepare().expect("a folder");
    let bars: Vec<ClosedBar> = bars.iter().copied().map(ClosedBar::archived).collect();
    raw.put(&bars, UtcMs::EPOCH).expect("bars are stored");
}

/// A whole command, without sweeps of before: seconds and peak memory in MB.
fn command(root: &Path, over: &str, more: &[&str]) -> (f64, f64) {
    for folder in ["sweeps", "processed", "runs", "state"] {
        fs::remove_dir_all(root.join("data").join(folder)).ok();
    }
    let watch = Stopwatch::start();
    let mut child = Command::new(env!("CARGO_BIN_EXE_runner"))
        .args(["run", "jobs/demo-sweep.toml", "-p", "exchange=demo", "timeframe=5m"])
        .args(["null-sweeps=0", "--set", "sweep.hold-out=0d", "sweep.trials=20000"])
        .arg("sweep.where=fast < slow")
        .arg(format!("sweep.over={over}"))
        .args(more)
        .arg("--root")
        .arg(root)
        .env_clear()
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut peak = 0.0_f64;
    let ended = loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kb = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
        peak = peak.max(kb.unwrap_or(0.0) / 1024.0);
        if let Some(ended) = child.try_wait().expect("it is ours") {
            break ended;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    assert!(ended.code().is_some_and(|code| code < 4), "{ended}");
    (watch.elapsed().as_secs_f64(), peak)
}

fn main() {
    let bars = market(DAYS);
    let own: Vec<TimedBar> =
        bars.iter().filter(|bar| window(DAYS).contains(bar.ts)).copied().collect();
    let bar_trials = own.len() as f64 * sets().len() as f64;
    let hand = best(|| {
        for (fast, slow) in sets() {
            black_box(by_hand(&own, fast, slow));
        }
    });
    let cores = cores();
    let loop_alone = best(|| {
        let groups = groups(cores.iter().map(|core| core.blocks(Timeframe::M5)));
        for part in groups.iter().flat_map(|group| group.chunks(SIDE_BY_SIDE)) {
            let part: Vec<&Core> = part.iter().map(|place| &cores[*place]).collect();
            let signals = vec![Signals::default(); part.len()];
            let tape = Tape {
                bars: &bars,
                window: window(DAYS),
                cut: DayBlocks::new(347, 16),
                keeps: false,
            };
            black_box(play(&part, tape, &signals, &|| false));
        }
    });
    let root = shipped_root("bench-sweep");
    store(&root, &bars);
    let hundred = "{fast={from=5,to=50,step=5},slow={from=60,to=150,step=10}}";
    let whole = best(|| {
        command(&root, hundred, &[]);
    });
    println!("{} sets over {} bars", sets().len(), own.len());
    println!("{:<28} {:>8} {:>22} {:>14}", "what", "s", "M bar-trials/s", "hand loop = 1");
    for (what, seconds) in
        [("hand loop, one core", hand), ("trials, one core", loop_alone), ("whole command", whole)]
    {
        println!(
            "{what:<28} {seconds:>8.3} {:>22.1} {:>14.2}",
            bar_trials / seconds / 1e6,
            seconds / hand
        );
    }
    println!("\n{:<28} {:>8} {:>10}", "whole command", "s", "peak MB");
    for (name, over) in [
        ("100 sets", hundred),
        ("1,000 sets", "{fast={from=5,to=50,step=5},slow={from=60,to=159,step=1}}"),
        ("10,000 sets", "{fast={from=1,to=100,step=1},slow={from=101,to=200,step=1}}"),
    ] {
        let (seconds, peak) = command(&root, over, &["sweep.to=2020-12-31"]);
        println!("{name:<28} {seconds:>8.2} {peak:>10.1}");
    }
}
