//! Whole sweeps with the real binary: what is written, what a second run does, what a kill costs, what is refused.

use mjolnir::{
    clock::nap,
    jobs::sweep::folder::{Created, create_once},
    store::disk::Disk as _,
};
use serde_json::Value;

use crate::support::{
    runner::{Call, Root},
    sim_disk::SimDisk,
    skip,
};

/// 300 days of 4 h bars, and a small grid on all but the last 20 %.
pub(super) const BARS: &str = "run made-up -p exchange=demo timeframe=4h market=edge from=2020-01-01T00:00:00Z to=2020-10-27T00:00:00Z";
pub(super) const SWEEP: &str = "run demo-sweep -p exchange=demo timeframe=4h null-sweeps=3 --set sweep.min-trades=20 sweep.over.fast=[2,3,4] sweep.over.slow=[8,12,16]";

pub(super) fn with_bars() -> Root {
    let root = Root::new();
    root.run(BARS).ok();
    root
}

pub(super) fn id(root: &Root) -> String {
    let ids: Vec<String> =
        root.list("data/sweeps").into_iter().filter(|name| name != "searches").collect();
    let [id] = &ids[..] else { panic!("{ids:?}") };
    id.clone()
}

pub(super) fn file(root: &Root, name: &str) -> String {
    root.read(&format!("data/sweeps/{}/{name}", id(root)))
}

fn document(root: &Root) -> Value {
    serde_json::from_str(&file(root, "sweep.json")).expect("a document")
}

#[test]
fn a_sweep_says_its_verdict_and_a_second_run_computes_nothing() {
    let root = with_bars();
    let first = root.run(SWEEP);
    // With three null markets p is 0.25 at best.
    assert!([1, 3].contains(&first.code), "{first}");
    let first =
        first.prints(&["verdict ", "winner ", "luck ", "null ", "hold-out", "[strategy.params]"]);
    let report = document(&root);
    assert_eq!((&report["trials"], &report["days"]), (&9.into(), &240.into()));
    assert_eq!(report["winner"]["trades"].as_u64().map(|trades| trades >= 20), Some(true));
    assert!(
        first.stdout.lines().all(|line| line.chars().count() <= 80
            || ["ledger", "page:"].iter().any(|name| line.starts_with(name))),
        "{first}"
    );
    let ledger = report["ledger"].as_str().expect("a ledger").to_owned();
    assert!(root.read(&ledger).lines().count() > 1_000, "{ledger}");
    let results = root.files(&format!("data/sweeps/{}/results", id(&root)));
    // A death between the bars and the plan, or before that.
    root.remove(&format!("data/sweeps/{}/bars.parquet", id(&root)));
    let again = root.run(SWEEP).code(first.code);
    assert!(root.at(&format!("data/sweeps/{}/bars.parquet", id(&root))).exists());
    // Whatever is played is shown.
    let played = ["trials ...", "null markets ..."].map(|what| again.stderr.contains(what));
    assert_eq!(played, [false; 2], "{again}");
    assert_eq!(again.stdout, first.stdout);
    assert_eq!(root.files(&format!("data/sweeps/{}/results", id(&root))), results);
    let page = file(&root, "sweep.html");
    assert!(page.contains("heat map") && page.contains("best of 9 useless"), "{page}");
    // The other figures of the report are those of the rows.
    let trials = file(&root, "trials.csv");
    assert_eq!(trials.lines().count(), 1 + 9 + 1);
    root.run("sweep status").ok().prints(&["over, 9 of 9 trials"]);
    root.run(&format!("sweep show {}", &id(&root)[..14])).ok().prints(&["verdict "]);
}

#[test]
fn shards_of_any_size_give_the_same_bytes() {
    let files: Vec<(String, Vec<u8>)> = ["1", "4", "64", "auto"]
        .iter()
        .map(|each| {
            let root = with_bars();
            root.run(&format!("{SWEEP} sweep.executor.per-shard={each}"));
            let packed = root.at(&format!("data/sweeps/{}/trials.parquet", id(&root)));
            (file(&root, "trials.csv"), std::fs::read(packed).expect("it was written"))
        })
        .collect();
    assert!(files[0].0.lines().count() > 9 && files.iter().all(|file| *file == files[0]));
}

/// More null markets and more points are another sweep, whose old trials are not played again.
#[test]
fn trials_of_another_sweep_are_taken_over() {
    let root = with_bars();
    root.run(SWEEP);
    let old = file(&root, "trials.csv");
    let more = SWEEP.replace("null-sweeps=3", "null-sweeps=4").replace("[8,12,16]", "[8,12,16,20]");
    root.run(&more);
    let ids = root.list("data/sweeps").into_iter().filter(|name| name != "searches");
    let results = |id: &String| root.files(&format!("data/sweeps/{id}/results"));
    let all: Vec<(String, String)> = ids.collect::<Vec<_>>().iter().flat_map(results).collect();
    let key = |line: &str| line.split(',').nth(1).map(str::to_owned);
    let keys: Vec<String> = old.lines().skip(1).take(9).filter_map(key).collect();
    let taken = |(_, text): &&(String, String)| {
        keys.iter().all(|key| text.contains(key)) && text.lines().count() == 11
    };
    assert_eq!(all.iter().filter(taken).count(), 1, "nine rows in one file: {all:?}");
    // What both searches tried counts once.
    let view = root.read("data/sweeps/searches/searches.csv");
    let column = |name: &str| {
        let at = view.lines().next().and_then(|head| head.split(',').position(|one| one == name));
        let cell = |line: &str| line.split(',').nth(at.expect("a column"))?.parse::<u64>().ok();
        view.lines().skip(1).filter_map(cell).collect::<Vec<_>>()
    };
    assert_eq!((column("trials"), column("new")), (vec![9, 12], vec![9, 3]), "{view}");
    let counted = root.list("data/sweeps").into_iter().filter_map(|id| {
        let report = root.at(&format!("data/sweeps/{id}/sweep.json"));
        let report: Value = serde_json::from_slice(&std::fs::read(report).ok()?).ok()?;
        report["luck"]["trials"].as_u64()
    });
    let mut counted: Vec<u64> = counted.collect();
    counted.sort_unstable();
    assert_eq!(counted, [9, 12], "9 and 3 new ones, and not 21");
}

#[test]
fn no_trial_reads_the_hold_out() {
    let sweep = |root: &Root| {
        root.run(SWEEP);
        (id(root), file(root, "trials.csv"))
    };
    let root = with_bars();
    // Other prices on the days that are held out.
    root.run("run made-up -p exchange=demo timeframe=4h market=walk seed=8 from=2020-08-29T00:04:00Z to=2020-10-27T00:00:00Z").ok();
    assert_eq!(sweep(&root), sweep(&with_bars()));
    // The last day of the search counts.
    let root = with_bars();
    root.run("run made-up -p exchange=demo timeframe=4h market=walk seed=8 from=2020-08-27T12:00:00Z to=2020-08-27T16:00:00Z").ok();
    assert_ne!(sweep(&root).1, sweep(&with_bars()).1);
}

/// Each step chooses by its train days alone: other prices on the days behind them change what the choice earns, and no choice.
#[test]
fn no_step_of_a_walk_forward_reads_its_test_days_or_the_embargo_before_it_chooses() {
    let walk = |root: &Root| {
        let set = "sweep.walk-forward={train=\"90d\",test=\"30d\",embargo=\"5d\"}";
        root.call(SWEEP).arg(set).run();
        let steps = root.files(&format!("data/sweeps/{}/walk", id(root))).into_iter();
        let steps = steps.map(|(_, text)| serde_json::from_str(&text).expect("a document"));
        steps.collect::<Vec<Value>>()
    };
    let before = walk(&with_bars());
    let root = with_bars();
    // From the first day behind the last train window on.
    root.run("run made-up -p exchange=demo timeframe=4h market=walk seed=8 from=2020-06-29T00:04:00Z to=2020-08-28T00:00:00Z").ok();
    let after = walk(&root);
    let windows = |steps: &[Value]| {
        let day =
            |step: &Value, name: &str, at: usize| step[name][at].as_i64().expect("a day") - 18_262;
        let one = |step: &Value| {
            [
                day(step, "train", 0),
                day(step, "train", 1),
                day(step, "test", 0),
                day(step, "test", 1),
            ]
        };
        steps.iter().map(one).collect::<Vec<_>>()
    };
    // Days since 2020-01-01, of which 180 is the first one with other prices.
    let expected =
        [[0, 89, 95, 124], [30, 119, 125, 154], [60, 149, 155, 184], [90, 179, 185, 214]];
    assert_eq!((windows(&before), windows(&after)), (expected.to_vec(), expected.to_vec()));
    for (one, other) in before.iter().zip(&after) {
        assert!(one["train_sharpe"].is_number(), "{one}");
        for name in ["choice", "train_sharpe"] {
            assert_eq!(one[name], other[name], "{name} of {}", one["train"]);
        }
    }
    assert_eq!(before[..2], after[..2]);
    assert_ne!(before[3]["days"], after[3]["days"], "the test days were played");
}

#[test]
fn a_sweep_that_is_killed_goes_on() {
    let undisturbed = with_bars();
    let code = undisturbed.run(SWEEP).code;
    let root = with_bars();
    let slow = "sweep.executor.per-shard=1";
    let running = root.call(&format!("{SWEEP} {slow}")).start();
    let some = || {
        let ids = root.list("data/sweeps");
        let id = ids.iter().find(|name| *name != "searches");
        id.is_some_and(|id| root.list(&format!("data/sweeps/{id}/results")).len() >= 2)
    };
    let mut left = 20_000;
    while !some() && left > 0 {
        nap(std::time::Duration::from_millis(1));
        left -= 1;
    }
    running.signal("KILL");
    running.end();
    let before: Vec<(String, String)> = root
        .files(&format!("data/sweeps/{}/results", id(&root)))
        .into_iter()
        .filter(|(name, _)| name.strip_suffix(".csv").is_some())
        .collect();
    // A row that was torn is played again.
    let (torn, text) = &before[0];
    root.write(torn, &text[..text.len() / 2]);
    root.run(&format!("{SWEEP} {slow}")).says(&["is not whole"]).code(code);
    for (name, text) in &before {
        assert_eq!(root.read(name), *text, "{name}");
    }
    assert_eq!(file(&root, "trials.csv"), file(&undisturbed, "trials.csv"));
    let verdict = |root: &Root| document(root)["verdict"].clone();
    assert_eq!(verdict(&root), verdict(&undisturbed));
}

#[test]
fn the_hold_out_is_played_once_and_a_cancelled_sweep_goes_on() {
    let root = with_bars();
    root.run("sweep final x").code(4).says(&["does not exist"]);
    let code = root.run(SWEEP).code;
    let id = id(&root);
    let first =
        root.run(&format!("sweep final {id}")).ok().prints(&["hold-out", "sharpe", "search"]);
    let answer = file(&root, "final.json");
    // Even with other bars there now.
    root.run("run made-up -p exchange=demo timeframe=4h market=walk seed=8 from=2020-09-29T00:00:00Z to=2020-10-27T00:00:00Z").ok();
    let again = root.run(&format!("sweep final {id}")).ok().prints(&["played before"]);
    assert!(again.stdout.ends_with(&first.stdout));
    assert_eq!(file(&root, "final.json"), answer);
    root.run(&format!("sweep cancel {id}")).ok().prints(&["cancelled"]);
    root.run("sweep status").ok().prints(&["cancelled, 9 of 9"]);
    root.run(SWEEP).code(code);
    root.run("sweep status").ok().prints(&["over, 9 of 9"]);
}

#[test]
fn searches_add_up_and_luck_never_shrinks() {
    let root = with_bars();
    root.run(SWEEP);
    let luck = |root: &Root| document(root)["luck"].clone();
    let alone = luck(&root);
    assert_eq!(alone["trials"], 9);
    root.run("run backtest -p tag=t runid=one exchange=demo timeframe=4h fast=5 slow=9").ok();
    root.run("run backtest -p tag=t runid=two exchange=demo timeframe=4h fast=5 slow=9").ok();
    root.run(SWEEP);
    let more = luck(&root);
    assert_eq!(more["trials"], 10, "the same backtest twice counts once");
    assert!(more["sr0_daily"].as_f64() >= alone["sr0_daily"].as_f64());
    let view = root.read("data/sweeps/searches/searches.csv");
    assert_eq!(view.lines().count(), 3, "{view}");
}

/// A result that contradicts what is played: neither is lost.
#[test]
fn another_result_of_the_same_trials_ends_with_70_and_both_are_kept() {
    let root = with_bars();
    root.run(SWEEP);
    let path = format!("data/sweeps/{}/trials.csv", id(&root));
    let other = root.read(&path).replacen(",0.", ",1.", 1);
    root.write(&path, &other);
    root.run(SWEEP).code(70).says(&["two runs of the same trial", "conflicts"]);
    assert_eq!(root.read(&path), other);
    assert_eq!(root.list(&format!("data/sweeps/{}/conflicts", id(&root))).len(), 1);
}

/// The programs of Slurm are not there: said at once, and the sweep goes on locally with what it has.
#[test]
fn a_cluster_that_is_not_there_is_said_and_loses_nothing() {
    let root = with_bars();
    let cluster = SWEEP.replace(" --set", " -P slurm --set");
    // Where its programs are here, they reach no controller. A file that does not exist costs them a minute for each call.
    let conf = [
        "ClusterName=none",
        "SlurmctldHost=localhost(127.0.0.1)",
        "SlurmctldPort=1",
        "SlurmctldTimeout=1",
        "MessageTimeout=1",
    ];
    root.write("slurm.conf", &conf.join("\n"));
    let conf = root.path().join("slurm.conf").display().to_string();
    let away = || root.call(&cluster).env("SLURM_CONF", &conf).run();
    let ran = away().code(69);
    let said = ["the cluster does not answer: ", "start `scontrol`: "];
    assert!(said.iter().any(|said| ran.stderr.contains(said)), "{ran}");
    assert!(root.list(&format!("data/sweeps/{}/submits", id(&root))).is_empty());
    let code = root.run(SWEEP).code;
    // What is complete needs no cluster.
    away().code(code);
    root.run(&format!("{cluster} sweep.executor.extra=[\"qos\"]"))
        .code(78)
        .says(&["not an option"]);
    root.run("shard --plan data/plan.json --submit 1 --index 0").code(2).says(&["not the plan"]);
}

#[test]
fn a_changed_plan_is_refused() {
    let root = with_bars();
    root.run(SWEEP);
    let path = format!("data/sweeps/{}/plan.json", id(&root));
    root.write(&path, &root.read(&path).replace("\"min_trades\": 20", "\"min_trades\": 2"));
    root.run(SWEEP).code(65).says(&["was changed"]);
}

#[test]
fn what_cannot_be_searched_is_said_with_its_exit_code() {
    let root = with_bars();
    let plain = "run demo-sweep -p exchange=demo timeframe=4h --set";
    for (set, code, said) in [
        ("sweep.over.fasst=[2,3]", 78, "has no param `fasst`"),
        ("sweep.over.fast=[]", 78, "`fast` has no value: the grid is empty"),
        ("sweep.over.fast.from=11", 78, "the grid is empty"),
        ("sweep.over.fast.from=-3", 78, "below its `min`"),
        ("sweep.over.fast=[2.5]", 78, "is a whole number"),
        ("sweep.over.fast=[[2]]", 78, "is not a number"),
        ("sweep.over.fast.to=100000", 78, "above its `max`"),
        ("sweep.over.stop_atr={from=1,to=90,step=0.001}", 78, "points before `where`"),
        ("sweep.trials=3", 78, "sweep.trials is 3"),
        ("sweep.from=2020-05-01 sweep.to=2020-04-01", 78, "which is after"),
        ("sweep.from=2020-5-1", 78, "is not a day"),
        ("sweep.hold-out=100%", 78, "nothing is left to search"),
        ("sweep.hold-out=9000d", 78, "nothing is left to search"),
        ("sweep.hold-out=half", 78, "is not a hold-out"),
        (
            "sweep.walk-forward={train=\"29d\",test=\"9d\"}",
            78,
            "below 30 days no trial has a score",
        ),
        ("sweep.walk-forward={train=\"200d\",test=\"41d\"}", 78, "do not fit into the 240 days"),
        ("sweep.executor.per-shard=0", 78, "at least 1"),
        ("sweep.executor.per-shard=some", 78, "a whole number above 0"),
        ("sweep.where=fasst>2", 78, "fasst"),
        ("sweep.where=fast>slow", 78, "forbids all"),
        ("sweep.job=live.toml", 78, "cannot be set from the command line"),
        ("sweep.from=2030-01-01 sweep.to=2030-12-31", 4, "does not have a bar"),
        ("market.symbol=ETH/USD", 4, "import or fetch them first"),
        ("backtest.start-ts-ms=1577836800000", 78, "plays whole days"),
        ("sweep.min-trades=100000 sweep.doubt.null-sweeps=0", 3, ""),
    ] {
        // A value of a table is one word here.
        let ran = set.split(' ').fold(root.call(plain), Call::arg).run();
        assert_eq!(ran.code, code, "{set}: {ran}");
        ran.says(&[said]);
    }
    let never =
        root.run("run demo-sweep -p exchange=demo timeframe=4h --set sweep.min-trades=100000");
    never.code(3).prints(&["TOO SHORT", "no trial has 100000 trades"]);
    let keys = root.run(&format!(
        "{plain} sweep.over.fast=[2,3] sweep.over.slow=[8,12] sweep.doubt.null-sweeps=0"
    ));
    keys.says(&[""]);
    root.call(&format!("{plain} sweep.doubt.null-sweeps=0 sweep.trials=20 sweep.method=random")).arg("sweep.over={fast=[2,3,4],\"risk.cooldown-bars\"=[0,6],\"strategy.sides\"=[\"long\",\"both\"]}").run().prints(&["risk.cooldown-bars", "strategy.sides"]);
}

#[test]
fn a_sweep_plays_a_backtest_and_takes_its_params() {
    let root = with_bars();
    let text = root.read("jobs/demo-sweep.toml");
    root.write("jobs/other.toml", &text.replace("backtest.toml", "live.toml"));
    root.run("check jobs/other.toml").code(78).says(&["a trial is a backtest"]);
    root.write("jobs/other.toml", &text.replace("backtest.toml", "nothing.toml"));
    root.run("check jobs/other.toml").code(78).says(&["cannot read `jobs/nothing.toml`"]);
    root.run("run demo-sweep -p exchanges=demo").code(78).says(&["unknown param", "exchange"]);
}

#[test]
fn a_plan_says_how_much_there_is_to_do() {
    let root = with_bars();
    let plan = SWEEP.replacen("run", "plan", 1);
    root.run(&plan).ok().prints(&["9 trials", "bar-trials", "at most"]);
    assert!(root.list("data/sweeps").is_empty(), "nothing is written");
}

/// `trials.parquet` as pandas and pyarrow read it, against `trials.csv` as Python reads that.
#[test]
fn other_programs_read_every_trial_with_its_types() {
    let Some(python) = skip::python("pandas and pyarrow") else { return };
    let root = with_bars();
    let over = "sweep.over={fast=[2,3],slow=[8],stop_atr=[1.5,2],\"risk.cooldown-bars\"=[0,6],\"strategy.sides\"=[\"long\",\"both\"]}";
    let plain = "run demo-sweep -p exchange=demo timeframe=4h null-sweeps=0 --set";
    let ran = root.call(plain).arg(over).arg("sweep.min-trades=20").run();
    assert!([1, 3].contains(&ran.code), "{ran}");
    let script = "import csv, sys
import pandas as pd, pyarrow.parquet as pq
lines = open('trials.csv').read().splitlines()[:-1]
head, *rows = csv.reader(lines)
table = pq.read_table('trials.parquet')
types = {field.name: str(field.type) for field in table.schema}
wanted = dict.fromkeys(head, 'double')
wanted.update(dict.fromkeys(['index', 'fast', 'slow', 'risk.cooldown-bars', 'trades', 'days', 'active_days', 'cut_trades',
    'ambiguous', 'halted_slots'], 'int64'), key='string', ruined='bool', vetoes='string')
wanted.update({'strategy.sides': 'string', 'stop_atr': 'double'})
wanted.update(block_sums='list<element: double not null>', block_squares='list<element: double not null>')
del wanted['blocks']
assert types == wanted, (types, wanted)
frame = pd.read_parquet('trials.parquet')
assert len(frame) == len(rows) == 16 and list(frame['index']) == list(range(16))
for line, (_, ours) in zip(rows, frame.iterrows()):
    for name, text in zip(head, line):
        if name == 'blocks':
            blocks = [part.split(':') for part in text.split()]
            assert [float(a) for a, _ in blocks] == list(ours['block_sums']) and len(blocks) > 2
            assert [float(b) for _, b in blocks] == list(ours['block_squares'])
        elif types[name] == 'string':
            assert ours[name] == text.strip('\"'), (name, ours[name], text)
        elif types[name] == 'bool':
            assert str(ours[name]).lower() == text
        elif text == '':
            assert pd.isna(ours[name]), name
        else:
            assert ours[name] == float(text), (name, ours[name], text)
assert set(frame['strategy.sides']) == {'long', 'both'} and set(frame['stop_atr']) == {1.5, 2.0}
";
    let dir = format!("data/sweeps/{}", id(&root));
    root.write(&format!("{dir}/read.py"), script);
    root.shell(&format!("cd {dir} && '{python}' read.py")).code(0);
}

/// On a file system without second names nothing is created, and nothing unfinished stays.
#[test]
fn a_file_that_cannot_get_its_name_leaves_nothing_behind() {
    let root = std::path::Path::new("/box");
    let disk = SimDisk::new(root);
    disk.create_dir_all(&root.join("results")).expect("a folder");
    let path = root.join("results/a.csv");
    // The disk of the simulator does not know links.
    let error = create_once(&disk, &path, b"rows\n").expect_err("it has no links");
    assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
    assert!(disk.files().iter().all(|file| !file.starts_with(root.join("results"))), "{error}");
    // One that is there is compared without a link.
    disk.plant(&path, b"rows\n");
    assert_eq!(create_once(&disk, &path, b"rows\n").expect("it is read"), Created::Before);
    assert_eq!(create_once(&disk, &path, b"other\n").expect("it is read"), Created::Differs);
}
