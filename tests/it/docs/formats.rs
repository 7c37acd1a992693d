//! docs/FORMATS.md against the program: every path it knows, every column and field it writes.

use std::{collections::BTreeSet, path::PathBuf};

use mjolnir::{
    domain::{ids::RunId, series::Series, signal::SIGNAL_LINE_HEADER, time::UtcMs},
    store::{
        layout::Layout,
        raw::REVISIONS_HEADER,
        rows::{
            commands::COMMANDS_HEADER,
            decisions::DECISIONS_HEADER,
            signals::{SIGNALS_HEADER, TIMING_HEADER},
            trades::TRADES_HEADER,
        },
    },
};

use super::{sources, text};
use crate::support::runner::Root;

/// A file of the document: its path, and the columns or fields in its table.
struct File {
    path: String,
    keys: Vec<String>,
    /// Keys that a document may do without, as their text says.
    optional: BTreeSet<String>,
}

fn files() -> Vec<File> {
    let text = text("docs/FORMATS.md");
    let mut all: Vec<File> = Vec::new();
    let mut is_inside = false;
    for line in text.lines() {
        if let Some(path) = line.strip_prefix("### `").and_then(|rest| rest.strip_suffix('`')) {
            all.push(File { path: path.to_owned(), keys: Vec::new(), optional: BTreeSet::new() });
            is_inside = true;
        } else if line.starts_with('#') {
            is_inside = false;
        } else if let (true, Some((key, rest))) =
            (is_inside, line.strip_prefix("| `").and_then(|rest| rest.split_once("` | ")))
        {
            let file = all.last_mut().expect("a table comes after a heading");
            file.keys.push(key.to_owned());
            if rest.contains("absent") || rest.contains("where ") {
                file.optional.insert(key.to_owned());
            }
        }
    }
    all
}

/// Whether a path has the form of a pattern, in which `<name>` is one or more characters but `/`.
fn fits(pattern: &str, path: &str) -> bool {
    let Some(rest) = pattern.strip_prefix('<') else {
        let Some(first) = pattern.chars().next() else { return path.is_empty() };
        return path
            .strip_prefix(first)
            .is_some_and(|path| fits(&pattern[first.len_utf8()..], path));
    };
    let (_, after) = rest.split_once('>').expect("a placeholder ends");
    let ends = path.char_indices().map(|(at, c)| at + c.len_utf8());
    ends.take_while(|end| !path[..*end].contains('/')).any(|end| fits(after, &path[end..]))
}

/// Whether a path is a folder above a pattern.
fn is_above(path: &str, pattern: &str) -> bool {
    let depth = path.split('/').count();
    let parts: Vec<&str> = pattern.split('/').collect();
    parts.len() > depth && fits(&parts[..depth].join("/"), path)
}

#[test]
fn patterns_fit_what_they_stand_for() {
    for (pattern, path, expected) in [
        ("a/<x>/b.csv", "a/1/b.csv", true),
        ("a/<x>/b.csv", "a//b.csv", false),
        ("a/<x>/b.csv", "a/1/2/b.csv", false),
        ("a/<x>_bt_<y>.lock", "a/one_bt_two_bt_3.lock", true),
        ("a/<x>", "a/1", true),
        ("a/b", "a/bc", false),
    ] {
        assert_eq!(fits(pattern, path), expected, "{pattern} {path}");
    }
    assert!(is_above("a/1", "a/<x>/<y>") && !is_above("a/1/2", "a/<x>/<y>"));
}

#[test]
fn columns_are_those_that_are_written() {
    let files = files();
    let raw = sources(&["src"]);
    for (end, header) in [
        ("decisions/<tag>/<BASE_QUOTE>/<tf>/decisions.csv", DECISIONS_HEADER),
        ("timing.csv", TIMING_HEADER),
        ("trades.csv", TRADES_HEADER),
        ("processed/signals/<tag>/<BASE_QUOTE>/<tf>/signals.csv", SIGNALS_HEADER),
        ("commands/<tag>.csv", COMMANDS_HEADER),
        ("data/signals/<name>.csv", SIGNAL_LINE_HEADER),
        ("revisions.csv", REVISIONS_HEADER),
        ("models/history.csv", ""),
    ] {
        let file = files.iter().find(|file| file.path.ends_with(end));
        let documented = file.unwrap_or_else(|| panic!("{end} has no section")).keys.join(",");
        if header.is_empty() {
            // The header is private to the file that writes it.
            assert!(raw.contains(&format!("HEADER: &str = \"{documented}\";")), "{documented}");
        } else {
            assert_eq!(documented, header, "{end}");
        }
    }
    let bars = files.iter().find(|file| file.path.ends_with(".parquet")).expect("its section");
    let names: Vec<String> = bars.keys.iter().map(|key| format!("\"{key}\"")).collect();
    assert!(raw.contains(&format!("COLUMNS: [&str; 6] = [{}];", names.join(", "))), "{names:?}");
}

/// Functions of the layout that give a folder, beside those that say so.
const FOLDERS: [&str; 4] = ["data", "deploy_reports", "smoke_root", "train_state"];

fn known_series() -> Series {
    Series::new("kraken".parse().unwrap(), "BTC/USD".parse().unwrap(), "5m".parse().unwrap())
}

/// Those of sweeps and models.
fn known_sweeps(layout: &Layout) -> Vec<(&'static str, PathBuf)> {
    vec![
        ("sweeps_dir", layout.sweeps_dir()),
        ("sweep_dir", layout.sweep_dir("s_1")),
        ("sweep_plan", layout.sweep_plan("s_1")),
        ("sweep_call", layout.sweep_call("s_1")),
        ("sweep_bars", layout.sweep_bars("s_1")),
        ("sweep_results_dir", layout.sweep_results_dir("s_1")),
        ("sweep_result", layout.sweep_result("s_1", "ab")),
        ("sweep_nulls_dir", layout.sweep_nulls_dir("s_1")),
        ("sweep_null", layout.sweep_null("s_1", 3)),
        ("sweep_walk_dir", layout.sweep_walk_dir("s_1")),
        ("sweep_step", layout.sweep_step("s_1", 3)),
        ("sweep_trials", layout.sweep_trials("s_1")),
        ("sweep_trials_packed", layout.sweep_trials_packed("s_1")),
        ("sweep_report", layout.sweep_report("s_1")),
        ("sweep_page", layout.sweep_page("s_1")),
        ("sweep_final", layout.sweep_final("s_1")),
        ("sweep_cancelled", layout.sweep_cancelled("s_1")),
        ("sweep_lock", layout.sweep_lock("s_1")),
        ("sweep_program", layout.sweep_program("s_1", "b")),
        ("sweep_submits_dir", layout.sweep_submits_dir("s_1")),
        ("sweep_submit", layout.sweep_submit("s_1", 3)),
        ("sweep_submitted", layout.sweep_submitted("s_1", 3)),
        ("sweep_failed_dir", layout.sweep_failed_dir("s_1")),
        ("sweep_failed", layout.sweep_failed("s_1", 3, 4)),
        ("sweep_conflicts_dir", layout.sweep_conflicts_dir("s_1")),
        ("sweep_quarantine_dir", layout.sweep_quarantine_dir("s_1")),
        ("sweep_logs_dir", layout.sweep_logs_dir("s_1")),
        ("sweep_coordinator", layout.sweep_coordinator("s_1")),
        ("searches_dir", layout.searches_dir()),
        ("search", layout.search("s_1")),
        ("searches_view", layout.searches_view()),
        ("models_dir", layout.models_dir()),
        ("model_in_use", layout.model_in_use()),
        ("model_history", layout.model_history()),
        ("models_lock", layout.models_lock()),
    ]
}

/// The same of what comparisons and pipelines leave.
fn known_of_pages(layout: &Layout) -> Vec<(&'static str, PathBuf)> {
    vec![
        ("comparison_page", layout.comparison_page("a", "b")),
        ("operate_token", layout.operate_token()),
        ("run_steps", layout.run_steps(&"r1".parse().unwrap())),
        ("step_state", layout.step_state("p", "fit.BTC_USD")),
    ]
}

/// Every path of the layout by the name of its function.
fn known(layout: &Layout) -> Vec<(&'static str, PathBuf)> {
    let (tag, run) = ("paper".parse().unwrap(), "r1".parse::<RunId>().unwrap());
    let series = known_series();
    let mut all = vec![
        ("data", layout.data().to_owned()),
        ("raw_dir", layout.raw_dir(&series)),
        ("partition", layout.partition(&series, 19_436)),
        ("revisions", layout.revisions(&series)),
        ("raw_lock", layout.raw_lock(&series)),
        ("tags_dir", layout.tags_dir()),
        ("tags_trades_dir", layout.tags_trades_dir()),
        ("tags_signals_dir", layout.tags_signals_dir()),
        ("tag_dir", layout.tag_dir(&tag)),
        ("decisions_dir", layout.decisions_dir(&tag, &series)),
        ("decisions", layout.decisions(&tag, &series)),
        ("timing", layout.timing(&tag, &series)),
        ("origin", layout.origin(&tag, &series)),
        ("checkpoint", layout.checkpoint(&tag, &series)),
        ("decisions_lock", layout.decisions_lock(&tag, &series)),
        ("features", layout.features(&tag, &series)),
        ("watch", layout.watch(&tag, &series)),
        ("trades_dir", layout.trades_dir(&tag, &series)),
        ("trades", layout.trades(&tag, &series)),
        ("used_signals_dir", layout.used_signals_dir(&tag, &series)),
        ("used_signals", layout.used_signals(&tag, &series)),
        ("program_signal", layout.program_signal("robot")),
        ("commands_dir", layout.commands_dir()),
        ("commands", layout.commands(&tag)),
        ("commands_gate", layout.commands_gate(&tag)),
        ("runs_dir", layout.runs_dir()),
        ("runs_db", layout.runs_db()),
        ("run_dir", layout.run_dir(&run)),
        ("run_lock", layout.run_lock(&run)),
        ("run_stop", layout.run_stop(&run)),
        ("run_info", layout.run_info(&run)),
        ("run_compute_dir", layout.run_compute_dir(&run)),
        ("run_log", layout.run_log(&run)),
        ("run_output", layout.run_output(&run)),
        ("named_lock", layout.named_lock("train-x")),
        ("state_dir", layout.state_dir()),
        ("scheduler_lock", layout.scheduler_lock()),
        ("scheduler_log", layout.scheduler_log()),
        ("phone_state", layout.phone_state("4711")),
        ("scheduler_tick", layout.scheduler_tick()),
        ("train_state", layout.train_state("train")),
        ("train_report_dir", layout.train_report_dir("m", "id")),
        ("train_reports_dir", layout.train_reports_dir("m")),
        ("train_latest", layout.train_latest("m")),
        ("reports_dir", layout.reports_dir()),
        ("ledger_report_dir", layout.ledger_report_dir("live", "paper")),
        ("live_state", layout.live_state(&tag, &series)),
        ("proven", layout.proven(&tag, &series)),
        ("heartbeat_log", layout.heartbeat_log(&tag)),
        ("health_report", layout.health_report(&tag)),
        ("proofs_dir", layout.proofs_dir()),
        ("tag_proofs_dir", layout.tag_proofs_dir(&tag)),
        ("proof_dir", layout.proof_dir(&tag, &run)),
        ("quality_report", layout.quality_report(&series)),
        ("check_report", layout.check_report(&series)),
        ("deploy_reports", layout.deploy_reports(&run)),
        ("deploy_lock", layout.deploy_lock("box")),
        ("deployed_copy", layout.deployed_copy("box")),
        ("preflight_report", layout.preflight_report()),
        ("smoke_root", layout.smoke_root()),
        ("smoke_lock", layout.smoke_lock()),
        ("quarantine_dir", layout.quarantine_dir()),
        ("quarantine", layout.quarantine(&layout.commands(&tag), UtcMs::EPOCH).path(0)),
    ];
    all.extend(known_sweeps(layout));
    all
}

#[test]
fn every_path_of_the_layout_has_a_section() {
    let files = files();
    let layout = Layout::new("r".as_ref());
    let known = [known(&layout), known_of_pages(&layout)].concat();
    for (name, path) in &known {
        let path = path.strip_prefix("r").unwrap().display().to_string();
        let is_folder = name.ends_with("_dir") || FOLDERS.contains(name);
        let has = files.iter().any(|file| {
            if is_folder { is_above(&path, &file.path) } else { fits(&file.path, &path) }
        });
        assert!(has, "docs/FORMATS.md has no section for {path} (Layout::{name})");
    }
    let source = text("src/store/layout.rs");
    let (source, _) = source.split_once("/// A family of free file names").expect("the next type");
    let written: BTreeSet<&str> = source
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub fn ")?.split(['(', '<']).next())
        .filter(|name| *name != "new")
        .collect();
    let listed: BTreeSet<&str> = known.iter().map(|(name, _)| *name).collect();
    let missing: Vec<_> = written.symmetric_difference(&listed).collect();
    assert!(
        missing.is_empty(),
        "{missing:?}: give the path a section in docs/FORMATS.md and list it here"
    );
}

/// What a file of a run holds against the table of its section.
fn problem(file: &File, path: &str, content: &str) -> Option<String> {
    let keys: BTreeSet<&str> = file.keys.iter().map(String::as_str).collect();
    if keys.is_empty() {
        return None;
    }
    let found: BTreeSet<String> = match path.rsplit_once('.')?.1 {
        "csv" => {
            let header = content.lines().next().unwrap_or_default();
            return (header != file.keys.join(",")).then(|| format!("{path}: {header}"));
        }
        "json" => {
            let document: serde_json::Value = serde_json::from_str(content).ok()?;
            document.as_object()?.keys().cloned().collect()
        }
        "toml" => content.parse::<toml::Table>().ok()?.keys().cloned().collect(),
        _ => return None,
    };
    let strange: Vec<&String> = found.iter().filter(|key| !keys.contains(key.as_str())).collect();
    let lost: Vec<&&str> = keys
        .iter()
        .filter(|key| !found.contains(**key) && !file.optional.contains(**key))
        .collect();
    (!strange.is_empty() || !lost.is_empty())
        .then(|| format!("{path}: not in docs/FORMATS.md: {strange:?}; not in the file: {lost:?}"))
}

#[test]
fn every_file_that_jobs_leave_is_documented() {
    let root = Root::new();
    root.run("run demo -p to=2024-01-01T12:00:00Z crash-after-bars=70 tag=one").warns(&["drill"]);
    let example = root.read("strategies/examples/signals.toml");
    root.write("strategies/signals.toml", &example);
    root.write("data/signals/robot.csv", &format!("{SIGNAL_LINE_HEADER}\n1704071100000,long,x\n"));
    let live = "run live -p exchange=demo feed=synthetic from=2024-01-01T00:00:00Z";
    root.run(&format!("{live} tag=robot to=2024-01-01T06:00:00Z -P signals")).ok();
    root.run("halt --tag one --reason x --at next").ok();
    let now = "at=2024-01-01T12:01:00Z";
    for job in ["healthcheck", "heartbeat"] {
        root.run(&format!("run {job} -p tag=one exchange=demo {now}"));
    }
    root.run("run data-quality -p exchange=demo symbol=BTC/USD");
    root.run("run check -p tag=one exchange=demo symbol=BTC/USD");
    root.run("run preflight");
    root.run("run demo-sweep -p exchange=demo timeframe=5m null-sweeps=1 --set sweep.from=2024-01-01 sweep.to=2024-01-02 sweep.hold-out=0d sweep.min-trades=0 sweep.over.slow=[24,27,30] sweep.over.fast=[2,3] sweep.walk-forward.train=1d sweep.walk-forward.test=1d").code(3);
    root.run("run train-demo -p to=2024-01-25T00:00:00Z folds=1 epochs-max=1").ok();
    let files = files();
    let mut seen = BTreeSet::new();
    let mut problems = Vec::new();
    for (path, content) in root.files("data") {
        let fitting: Vec<&File> = files.iter().filter(|file| fits(&file.path, &path)).collect();
        let Some(file) = fitting.first() else {
            problems.push(format!("{path} is not in docs/FORMATS.md"));
            continue;
        };
        seen.insert(file.path.as_str());
        problems.extend(problem(file, &path, &content));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(seen.len() > 30, "only {} kinds of files were left: {seen:#?}", seen.len());
}
