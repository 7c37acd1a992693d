//! What grows with a ledger and what does not: restart, healthcheck, eqflat and verify of ledgers of growing length, as whole processes.
//! Prints a table: seconds and CPU seconds, CPU microseconds for each row, peak memory, and bytes of it for each row.
//! `GROWTH_ROWS=10000,100000` sets the lengths.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark makes its own files, waits, and prints its numbers"
)]

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use mjolnir::{
    clock::Stopwatch,
    domain::{
        bar::ClosedBar,
        ids::Tag,
        series::Series,
        time::{Timeframe, UtcMs, Window},
    },
    exchange::feed,
    session::reader::Files,
    store::{
        disk::RealDisk,
        layout::Layout,
        raw::RawStore,
        rows::{
            signals::{SlotOrigin, TIMING_HEADER, Timing},
            table::push_timing,
        },
    },
};

const FIRST_MS: i64 = 1_400_000_040_000;
const ROWS: [i64; 4] = [10_000, 100_000, 1_000_000, 5_000_000];
/// Bars made and stored at once.
const BARS_AT_ONCE: i64 = 200_000;
const MARKET: [&str; 4] = ["exchange=kraken", "symbol=BTC/USD", "timeframe=1m", "tag=grow"];
/// The kernel counts CPU time in hundredths of a second.
const TICKS: f64 = 100.0;

fn start(root: &Path, args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_runner"))
        .args(args)
        .arg("--root")
        .arg(root)
        .env_clear()
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

/// CPU seconds and peak memory in MB of a process that is there, or has ended and was not waited for.
fn used(child: &Child) -> (f64, f64) {
    let proc = PathBuf::from(format!("/proc/{}", child.id()));
    let stat = fs::read_to_string(proc.join("stat")).unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: f64 = fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    let status = fs::read_to_string(proc.join("status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kb = peak.and_then(|text| text.trim().trim_end_matches(" kB").parse::<f64>().ok());
    (ticks / TICKS, kb.unwrap_or(f64::NAN) / 1024.0)
}

/// Runs to the end. Memory is looked at while it runs: it is gone when the process is.
fn whole(root: &Path, what: &str, rows: i64, args: &[&str]) {
    let watch = Stopwatch::start();
    let mut child = start(root, args);
    let mut stderr = child.stderr.take().expect("it is a pipe");
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        stderr.read_to_string(&mut text).map(|_| text)
    });
    let mut peak = 0.0_f64;
    let (mut cpu, status) = loop {
        let (cpu, memory) = used(&child);
        peak = peak.max(memory);
        if let Some(status) = child.try_wait().expect("it is ours") {
            break (cpu, status);
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let wall = watch.elapsed().as_secs_f64();
    cpu = cpu.max(0.0);
    let text = reader.join().expect("it reads").expect("text");
    assert!(status.code().is_some_and(|code| code < 2), "{what}: {text}");
    print(rows, what, wall, (cpu, peak));
}

/// One line of the table.
fn print(rows: i64, what: &str, wall: f64, (cpu, peak): (f64, f64)) {
    let (cpu_us, bytes) = (cpu * 1e6 / rows as f64, peak * f64::from(1 << 20) / rows as f64);
    println!(
        "{rows:>9}  {what:<26} {wall:>8.2} {cpu:>8.2} {cpu_us:>10.2} {peak:>8.1} {bytes:>10.1}"
    );
}

/// The first line of the newest run's log that has the words; `None` where the loop ends without it.
fn logged(root: &Path, child: &mut Child, words: &str) -> Option<String> {
    loop {
        let ended = child.try_wait().expect("it is ours").is_some();
        let runs = fs::read_dir(root.join("data/runs")).into_iter().flatten().flatten();
        let newest = runs.map(|run| run.path()).filter(|run| run.is_dir()).max();
        let log = newest.map(|run| fs::read_to_string(run.join("log.jsonl")).unwrap_or_default());
        let line = log.iter().flat_map(|log| log.lines()).find(|line| line.contains(words));
        if ended || line.is_some() {
            return line.map(str::to_owned);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Starts the loop in front of a venue that is not there, until its ledger is folded; then, until the rest is proved.
fn restart(root: &Path, rows: i64) {
    fs::remove_dir_all(root.join("data/runs")).ok();
    let watch = Stopwatch::start();
    let mut args = vec!["run", "jobs/live.toml", "-p", "feed=http", "base-url=http://127.0.0.1:9"];
    args.extend(MARKET);
    let mut child = start(root, &args);
    let told = |what: &str, child: &Child| {
        print(rows, what, watch.elapsed().as_secs_f64(), used(child));
    };
    let folded = logged(root, &mut child, "rows folded").expect("the loop folds its ledger");
    let behind = folded.contains("behind a checkpoint");
    told(if behind { "restart behind checkpoint" } else { "restart, every row" }, &child);
    if behind {
        logged(root, &mut child, "before the checkpoint are proved").expect("the rest is proved");
        told("  and its proof", &child);
    }
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
}

/// A root with the shipped jobs, stored bars and a LIVE ledger of so many rows.
fn prepare(rows: i64) -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-growth-{rows}"));
    if root.join("ready").is_file() {
        return root;
    }
    for folder in ["jobs", "profiles", "strategies"] {
        fs::create_dir_all(root.join(folder)).expect("a folder");
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let files = fs::read_dir(shipped).expect("the shipped files").flatten();
        for file in files.filter(|file| file.path().is_file()) {
            fs::copy(file.path(), root.join(folder).join(file.file_name())).expect("a copy");
        }
    }
    let symbol = "BTC/USD".parse().expect("a symbol");
    let series = Series::new("kraken".parse().expect("a name"), symbol, Timeframe::M1);
    let layout = Layout::new(&root);
    let disk = RealDisk::new(layout.data());
    let raw = RawStore::new(&layout, &disk, &series);
    raw.prepare().expect("a folder");
    let first = Timeframe::M1.slot(FIRST_MS).expect("on the grid");
    let all = feed::seeded_bars(7, Window::new(first, first.plus(rows - 1)).expect("not empty"));
    for part in all.chunks(BARS_AT_ONCE as usize) {
        let bars: Vec<ClosedBar> = part.iter().copied().map(ClosedBar::archived).collect();
        raw.put(&bars, UtcMs::EPOCH).expect("bars are stored");
    }
    let mut args = vec!["run", "jobs/backtest.toml", "-p", "runid=seed"];
    args.extend(MARKET);
    whole(&root, "backtest", rows, &args);
    let files = |tag: &str| Files::of(&layout, &tag.parse::<Tag>().expect("a tag"), &series);
    let (from, to) = (files("grow_bt_seed"), files("grow"));
    for (from, to) in [(&from.decisions, &to.decisions), (&from.trades, &to.trades)] {
        fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
        fs::copy(from, to).expect("a copy");
    }
    let origin = |path: &Path| path.with_file_name("origin.json");
    fs::copy(origin(&from.decisions), origin(&to.decisions)).expect("a copy");
    let mut timing = format!("{TIMING_HEADER}\n").into_bytes();
    for n in 0..rows {
        let ts = first.plus(n);
        let (seen_at, run_id) = (ts.close().plus_ms(2_100), "live_1".parse().expect("an id"));
        let row = Timing { ts, origin: SlotOrigin::Live, seen_at, late_ms: 2_100, run_id };
        push_timing(&mut timing, &row);
    }
    fs::write(&to.timing, timing).expect("a file");
    fs::write(root.join("ready"), "").expect("a mark");
    root
}

fn main() {
    let told = std::env::var("GROWTH_ROWS").unwrap_or_default();
    let told: Vec<i64> = told.split(',').filter_map(|rows| rows.parse().ok()).collect();
    println!(
        "{:>9}  {:<26} {:>8} {:>8} {:>10} {:>8} {:>10}",
        "rows", "what", "wall s", "cpu s", "cpu us/row", "peak MB", "bytes/row"
    );
    for rows in if told.is_empty() { ROWS.to_vec() } else { told } {
        let root = prepare(rows);
        // Stamps of files that were written a moment ago are not relied on.
        std::thread::sleep(Duration::from_millis(2_100));
        let job = |job: &'static str, more: &[&'static str]| {
            let mut args = vec!["run", job, "-p"];
            args.extend(MARKET);
            args.extend(more);
            args
        };
        whole(&root, "healthcheck", rows, &job("jobs/healthcheck.toml", &[]));
        let proven = root.join("data/state/proven");
        fs::remove_dir_all(&proven).ok();
        let replace = ["runid=bench", "--set", "backtest.on-existing=replace"];
        whole(&root, "eqflat, every row", rows, &job("jobs/eqflat.toml", &replace));
        whole(&root, "eqflat, nothing new", rows, &job("jobs/eqflat.toml", &replace));
        let proof = root.join("data/reports/eqflat/grow/bench/proof.json");
        whole(&root, "verify", rows, &["verify", &proof.display().to_string()]);
        let checkpoint = root.join("data/processed/decisions/grow/BTC_USD/1m/checkpoint.json");
        fs::remove_file(&checkpoint).ok();
        restart(&root, rows);
        restart(&root, rows);
    }
}
