//! The program as operators run it: a backtest of 1,000,000 bars from daily partitions, eqflat over 100,000 LIVE rows,
//! one live slot, and the commands that must feel instant. Wall time of the real process, data prepared outside the clock.

mod model;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mjolnir::{
    domain::{
        bar::ClosedBar,
        series::Series,
        time::{Timeframe, UtcMs, Window},
    },
    exchange::feed,
    jobs::models,
    store::{disk::RealDisk, layout::Layout, raw::RawStore},
};

const FIRST_MS: i64 = 1_400_000_100_000;
const BACKTEST_BARS: i64 = 1_000_000;
const LIVE_ROWS: i64 = 100_000;

#[expect(clippy::disallowed_methods, reason = "a benchmark starts the program as a shell would")]
fn runner(root: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_runner"))
        .args(args)
        .arg("--root")
        .arg(root)
        .env_clear()
        .output()
        .expect("the program starts")
}

fn done(output: &Output) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
}

/// A root with the shipped jobs and profiles, kept between benchmarks.
fn root(name: &str) -> (PathBuf, bool) {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-{name}"));
    let ready = root.join("ready").is_file();
    for folder in ["jobs", "profiles"] {
        fs::create_dir_all(root.join(folder)).expect("a folder");
        for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder))
            .expect("the shipped files")
        {
            let file = file.expect("an entry");
            fs::copy(file.path(), root.join(folder).join(file.file_name())).expect("a copy");
        }
    }
    (root, ready)
}

fn backtest(c: &mut Criterion) {
    let (root, ready) = root("backtest");
    let first = Timeframe::M5.slot(FIRST_MS).expect("on the grid");
    if !ready {
        let window = Window::new(first, first.plus(BACKTEST_BARS - 1)).expect("not empty");
        let bars: Vec<ClosedBar> =
            feed::seeded_bars(7, window).into_iter().map(ClosedBar::archived).collect();
        let series = Series::new(
            "demo".parse().expect("a name"),
            "BTC/USD".parse().expect("a symbol"),
            Timeframe::M5,
        );
        let layout = Layout::new(&root);
        let disk = RealDisk::new(layout.data());
        let raw = RawStore::new(&layout, &disk, &series);
        raw.prepare().expect("a folder");
        raw.put(&bars, UtcMs::EPOCH).expect("bars are stored");
        fs::File::create(root.join("ready")).expect("a mark");
    }
    let mut group = c.benchmark_group("end_to_end");
    group.sample_size(10).throughput(Throughput::Elements(BACKTEST_BARS.unsigned_abs()));
    group.bench_function("backtest_1m_bars", |b| {
        b.iter(|| {
            let args = [
                "run",
                "jobs/backtest.toml",
                "-p",
                "exchange=demo",
                "runid=bench",
                "--set",
                "backtest.on-existing=replace",
            ];
            done(&runner(&root, &args));
        });
    });
    let layout = Layout::new(&root);
    let home = layout.models_dir().join("bench");
    let id = models::write(&RealDisk::new(layout.data()), &home, &model::files()).expect("a model");
    let path = format!("strategy.model.path=data/models/bench/{id}");
    group.bench_function("backtest_model_1m_bars", |b| {
        b.iter(|| {
            let args = [
                "run",
                "jobs/backtest-model.toml",
                "-p",
                "exchange=demo",
                "runid=bench",
                "--set",
                "backtest.on-existing=replace",
                "--set",
                &path,
            ];
            done(&runner(&root, &args));
        });
    });
    group.finish();
}

fn eqflat(c: &mut Criterion) {
    let (root, ready) = root("eqflat");
    let market = ["exchange=demo", "symbol=BTC/USD", "timeframe=5m"];
    if !ready {
        let to =
            format!("to={}", UtcMs::EPOCH.plus_ms(FIRST_MS + (LIVE_ROWS - 1) * Timeframe::M5.ms()));
        let from = format!("from={}", UtcMs::EPOCH.plus_ms(FIRST_MS));
        let mut args = vec!["run", "jobs/live.toml", "-p", "feed=synthetic", &from, &to];
        args.extend(market);
        done(&runner(&root, &args));
        fs::File::create(root.join("ready")).expect("a mark");
    }
    let mut group = c.benchmark_group("end_to_end");
    group.sample_size(10).throughput(Throughput::Elements(LIVE_ROWS.unsigned_abs()));
    group.bench_function("eqflat_100k_rows", |b| {
        b.iter(|| {
            let mut args = vec!["run", "jobs/eqflat.toml", "-p", "runid=bench"];
            args.extend(market);
            args.extend(["--set", "backtest.on-existing=replace"]);
            done(&runner(&root, &args));
        });
    });
    group.finish();
}

#[expect(clippy::disallowed_methods, reason = "a benchmark starts the program as a shell would")]
fn version() -> Output {
    Command::new(env!("CARGO_BIN_EXE_runner"))
        .arg("--version")
        .output()
        .expect("the program starts")
}

fn commands(c: &mut Criterion) {
    let (root, _) = root("commands");
    let mut group = c.benchmark_group("commands");
    group.bench_function("version", |b| b.iter(|| done(&version())));
    group.bench_function("check_jobs", |b| b.iter(|| done(&runner(&root, &["check", "jobs"]))));
    group.finish();
}

criterion_group!(benches, commands, backtest, eqflat);
criterion_main!(benches);
