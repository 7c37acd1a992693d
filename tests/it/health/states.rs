//! One made ledger for each state a box can be in: the whole table, and the exit code in every mode and convention.

use super::fixture::{
    AT, Box, HEARD, SCHEDULER, empty, heard, masked, ms, one, one_if_any, prove_at, silent, tick,
    well,
};
use crate::{
    e2e::fixture::{EVENING, cell, decisions, eqflat, live, with_cell},
    support::{
        runner::Root,
        snapshot::{expect, is_expected},
    },
};

/// A state: its name, when it is looked at, how it is made, more arguments, and the exit codes: operator, strict, docker in
/// strict mode, nagios.
struct State {
    name: &'static str,
    at: &'static str,
    make: fn(&mut Box),
    words: &'static str,
    codes: [i32; 4],
}

const WELL: [i32; 4] = [0, 0, 0, 0];
const WARN: [i32; 4] = [0, 1, 1, 1];
const FAIL: [i32; 4] = [1, 1, 1, 2];

const fn state(name: &'static str, make: fn(&mut Box), codes: [i32; 4]) -> State {
    State { name, at: AT, make, words: "", codes }
}

/// A warning in operator mode, a failure in strict mode.
const HALTED: [i32; 4] = [0, 1, 1, 1];

const TIMING: &str = "data/processed/decisions/paper/BTC_USD/5m/timing.csv";

/// Changes the origin of the `back`th slot before the last one.
fn caught_up(root: &Root, back: usize) {
    let text = root.read(TIMING);
    root.write(TIMING, &with_cell(&text, text.lines().count() - back, 1, "catchup"));
}

fn edited(root: &Root, back: usize, column: usize, value: &str) {
    let path = decisions("paper");
    let text = root.read(&path);
    root.write(&path, &with_cell(&text, text.lines().count() - back, column, value));
}

/// A torn line that looks like a whole new row, ten minutes ahead.
fn torn(made: &mut Box) {
    let path = decisions("paper");
    let text = made.root.read(&path);
    let last = text.lines().last().unwrap();
    let newer = with_cell(last, 1, 3, "1704132600000");
    made.root.write(&path, &format!("{text}{}", newer.trim_end()));
}

/// The third hour of the afternoon without a raw store that takes bars.
fn refused_bars(made: &mut Box) {
    *made = empty();
    let root = &made.root;
    live(root, "paper", "2024-01-01T16:00:00Z").arg("--run-id").arg("live_0").run().ok();
    let drill = live(root, "paper", "2024-01-01T16:20:00Z").arg("-p").arg("force-persist-fail=1");
    drill.run().warns(&["drill: FORCE_PERSIST_FAIL is on"]);
    live(root, "paper", EVENING).arg("--run-id").arg("live_1").run().ok();
    made.hold();
}

fn halted(made: &mut Box) {
    made.release();
    let root = &made.root;
    root.call("halt --tag paper --at next --who eva --reason").arg("a drill").run().ok();
    live(root, "paper", "2024-01-01T18:05:00Z").arg("--run-id").arg("live_2").run().ok();
    root.remove(HEARD);
    tick(root, "2024-01-01T18:07:50Z");
    made.hold();
}

fn reducing(made: &mut Box) {
    made.release();
    let root = &made.root;
    root.call("reduce --tag paper --at next --who eva --reason").arg("a drill").run().ok();
    made.hold();
}

fn unlike_its_replay(made: &mut Box) {
    let root = &made.root;
    edited(root, 40, 13, "HALTED");
    root.remove("data/reports/eqflat/paper/e1/proof.json");
    root.rename("data/processed/decisions/paper_bt_e1", "data/old_decisions");
    root.rename("data/processed/trades/paper_bt_e1", "data/old_trades");
    eqflat(root, "paper", "e1").run().code(1);
    prove_at(root, "2024-01-01T17:45:00Z");
}

fn lost_lines(made: &mut Box) {
    let path = decisions("paper");
    let text = made.root.read(&path);
    let lines = text.split_inclusive('\n').enumerate();
    let kept: String = lines.filter(|(n, _)| *n != 100 && *n != 101).map(|(_, row)| row).collect();
    made.root.write(&path, &kept);
}

fn states() -> Vec<State> {
    vec![
        state("fresh", |_| (), WELL),
        State {
            at: "2024-01-01T18:13:00Z",
            ..state("stale", |b| tick(&b.root, "2024-01-01T18:12:50Z"), FAIL)
        },
        State {
            at: "2024-01-01T18:13:00Z",
            ..state(
                "stale_and_torn",
                |b| {
                    torn(b);
                    tick(&b.root, "2024-01-01T18:12:50Z");
                },
                FAIL,
            )
        },
        state("torn", torn, WELL),
        state("cadence_broken", |b| caught_up(&b.root, 4), WARN),
        state("cadence_clean_again", |b| caught_up(&b.root, 12), WELL),
        state("persist_failed", refused_bars, WARN),
        state("corrupt_tail", |b| edited(&b.root, 0, 13, "SLEEPING"), FAIL),
        state("hole", lost_lines, FAIL),
        State { at: "2024-01-01T18:08:00Z", ..state("halted", halted, HALTED) },
        state("reduce_to_come", reducing, WELL),
        state("missing", |b| *b = empty(), FAIL),
        state("raw_stale", |b| b.root.remove("data/raw/demo/BTC_USD/5m/2024-01-01.parquet"), FAIL),
        state("eqflat_fail", unlike_its_replay, FAIL),
        state("eqflat_old", |b| prove_at(&b.root, "2024-01-01T10:00:00Z"), WARN),
        state("eqflat_none", |b| b.root.remove("data/reports/eqflat/paper/e1/proof.json"), WARN),
        state("scheduler_dead", |b| tick(&b.root, "2024-01-01T17:55:00Z"), FAIL),
        state("scheduler_silent", |b| silent(&b.root, "2024-12-30T19:00:00Z"), FAIL),
        state("scheduler_unreadable", |b| b.root.write(SCHEDULER, "{"), FAIL),
        state("no_loop", Box::release, WARN),
        state("venue_in_trouble", |b| heard(&b.root, -3_600_000, 7), WARN),
        State {
            words: "--set healthcheck.disk-free-warn=9000TiB",
            ..state("disk_low", |_| (), WARN)
        },
        State {
            words: "--set healthcheck.disk-free-warn=9000TiB healthcheck.disk-free-fail=8000TiB",
            ..state("disk_full", |_| (), FAIL)
        },
    ]
}

#[test]
fn every_state_is_told_as_it_is() {
    let model = well();
    let mut wrong = Vec::new();
    for State { name, at, make, words, codes } in states() {
        let mut made = model.copy();
        make(&mut made);
        let table = made.check(at, words).run();
        if !is_expected("healthcheck", name, &masked(&table)) {
            wrong.push(format!("{name} is told otherwise: {table}"));
        }
        let strict = made.check(at, &format!("mode=strict {words}")).run();
        let docker = made.check(at, &format!("exit=docker mode=strict {words}")).run();
        let nagios = made.check(at, &format!("exit=nagios {words}")).run();
        let found = [table.code, strict.code, docker.code, nagios.code];
        let line = nagios.stdout.lines().next().unwrap_or_default();
        let word = ["OK: ", "WARNING: ", "CRITICAL: "][codes[3] as usize];
        if found != codes || !line.starts_with(word) || !line.contains(" | ") {
            wrong.push(format!("{name} ends with {found:?}, not {codes:?}: {line}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_document_has_everything_the_table_has() {
    let made = well();
    let ran = made.check(AT, "json=1").run().ok();
    expect("healthcheck", "fresh.json", &masked(&ran));
    let left: serde_json::Value =
        serde_json::from_str(&made.root.read("data/reports/health/paper/health.json")).unwrap();
    assert_eq!(left["checks"].as_array().unwrap().len(), 14, "the report is the document");
    let whole = made.check(AT, "--json").run().ok().json();
    assert_eq!(whole["report"]["schema"], "mjolnir.health/2");
    assert_eq!(whole["report"]["figures"], left["figures"]);
}

#[test]
fn strict_folds_the_ledger_and_fails_a_halt() {
    let mut made = well();
    let strict = made.check(AT, "mode=strict").run().ok();
    expect("healthcheck", "fresh_strict", &masked(&strict));
    // A row that no comparison has seen yet.
    edited(&made.root, 30, 12, "9999");
    made.check(AT, "").run().ok();
    let folded = made.check(AT, "fold=true json=1").run().code(1).json();
    let fold = one(&folded, "fold");
    let value = fold["value"].as_str().unwrap();
    assert!(value.contains("decisions.csv:") && value.contains("column equity"), "{value}");
    made = well();
    halted(&mut made);
    let at = "2024-01-01T18:08:00Z";
    let strict = made.check(at, "mode=strict json=1").run().code(1).json();
    assert_eq!([&one(&strict, "risk")["level"], &strict["level"]], ["fail", "fail"]);
    assert_eq!(one(&made.document(at), "risk")["level"], "warn");
}

#[test]
fn a_ledger_of_another_time_is_called_what_it_is() {
    let made = well();
    let of = "run healthcheck -p tag=paper exchange=demo";
    let said = made.root.run(&format!("{of} json=1")).code(1).json();
    let value = one(&said, "decisions")["value"].as_str().unwrap().to_owned();
    assert!(value.starts_with("2024-01-01T18:00:00Z, "), "{value}");
    assert!(
        value.ends_with(" ago; a ledger of recorded time is judged with -p at=TIME"),
        "{value}"
    );
    // As of an instant in its midst, later rows do not exist.
    let noon = made.document("2024-01-01T12:01:00Z");
    assert_eq!(noon["figures"]["last_ts_ms"], 1_704_110_400_000_i64, "{noon}");
    assert_eq!(one(&noon, "decisions")["value"], "2024-01-01T12:00:00Z, 1m ago");
    assert_eq!(one(&noon, "raw")["value"], "2024-01-01T12:00:00Z, 1m ago");
    assert_eq!(one(&noon, "eqflat")["value"], "none yet");
    // A ledger of the future could stand still for years and look fresh.
    let times = "from=2150-01-01T00:00:00Z to=2150-01-01T06:00:00Z";
    made.root.run(&format!("run live -p tag=later exchange=other feed=synthetic {times}")).ok();
    let later = made.root.run("run healthcheck -p tag=later exchange=other json=1").code(1).json();
    let value = one(&later, "decisions")["value"].as_str().unwrap();
    assert!(
        value.ends_with("from now: this clock is behind, or it lives in another time"),
        "{value}"
    );
}

#[test]
fn a_young_ledger_is_well_and_a_late_slot_is_not_in_time() {
    let root = Root::new();
    let times = "from=2024-01-01T03:00:00Z to=2024-01-01T03:20:00Z";
    root.run(&format!("run live -p tag=paper exchange=demo feed=synthetic {times}")).ok();
    let found = Box::of(root).document("2024-01-01T03:21:00Z");
    let cadence = one(&found, "cadence");
    assert_eq!([&cadence["level"], &cadence["limit"]], ["ok", "at least 12 slots in time"]);
    assert!(cadence["value"].as_str().unwrap().ends_with(", all there are"), "{cadence}");
    // In its place, marked live, and late by more than a bar.
    let made = well();
    let text = made.root.read(TIMING);
    let last = text.lines().count();
    assert_eq!(cell(&text, last, 1), "live");
    made.root.write(TIMING, &with_cell(&text, last - 2, 3, "300001"));
    let figures = &made.document(AT)["figures"];
    assert_eq!(figures["clean_trailing_cadence_diffs"], 2);
    // A crash between a decision and its time: the last slot counts neither way.
    let torn: String = text.split_inclusive('\n').take(last - 1).collect();
    made.root.write(TIMING, &torn);
    assert_eq!(one(&made.document(AT), "cadence")["level"], "ok");
}

#[test]
fn what_cannot_be_read_is_unknown() {
    let made = empty();
    // A folder where the ledger should be: no ledger, and no answer either.
    made.root.write("data/processed/decisions/paper/BTC_USD/5m/decisions.csv/x", "");
    made.check(AT, "").run().code(74).says(&["decisions.csv"]);
    made.check(AT, "exit=docker").run().code(1).says(&["decisions.csv"]);
    made.check(AT, "exit=nagios").run().code(3).prints(&["UNKNOWN: read "]);
    let says = "`healthcheck.fold` is true, and [strategy] is missing";
    made.root.write("jobs/bare.toml", "manifest = 1\nname = \"bare\"\nkind = \"healthcheck\"\n[market]\nexchange = \"demo\"\nsymbol = \"BTC/USD\"\ntimeframe = \"5m\"\n[healthcheck]\ntag = \"paper\"\nfold = true\n");
    made.root.run("run bare").code(78).says(&[says]);
    made.root.run("run heartbeat --set healthcheck.mode=strict").code(78).says(&["is always"]);
    made.check(AT, "--set healthcheck.disk-free-fail=2GiB").run().code(78).says(&["above"]);
}

/// Docker knows 0 and 1, Nagios 0 to 3 and a line of status: whatever goes wrong, also before the job begins.
#[test]
fn every_failure_keeps_to_the_convention_that_is_asked_for() {
    let root = Root::new();
    root.write(
        "jobs/broken.toml",
        "manifest = 1\nname = \"broken\"\nkind = \"healthcheck\"\n[healthcheck\n",
    );
    root.write("jobs/own.toml", "manifest = 1\nname = \"own\"\nkind = \"healthcheck\"\n[healthcheck]\nexit = \"nagios\"\ntga = \"x\"\n");
    root.write("data/runs/taken/x", "");
    for words in [
        "healthcheck -p tag=bad/tag",
        "healthcheck -p nosuch=1",
        "healthcheck -p mode=loose",
        "healthcheck --timeout soon",
        "healthcheck --run-id bad/id",
        "healthcheck -P nosuch",
        "healthcheck --set run.disk-free-min=1000TiB",
        "healthcheck --set run.memory-max=1MiB",
        "heartbeat -p tag=bad/tag",
        "broken -p x=1",
        "no-such-job -p x=1",
    ] {
        let (job, more) = words.split_once(' ').unwrap();
        let more = if let Some(more) = more.strip_prefix("-p ") {
            format!("-p {more} ")
        } else {
            format!("{more} -p ")
        };
        let heart = job == "heartbeat";
        let of = |exit: &str| {
            let set = if heart { " --set healthcheck.exit=" } else { "exit=" };
            format!("run {job} {more}{set}{exit}")
        };
        let plain = root.run(&of("plain"));
        assert!(plain.code > 3 || plain.code == 2, "{plain}");
        root.run(&of("docker")).code(1);
        let nagios = root.run(&of("nagios")).code(3);
        let first = nagios.stdout.lines().next().unwrap_or_default();
        assert!(first.starts_with("UNKNOWN: ") && !first.contains('|'), "{nagios}");
    }
    assert!(root.run("run own").code(3).stdout.starts_with("UNKNOWN: jobs/own.toml:"));
    // Another kind of job has no such convention.
    root.write("jobs/e.toml", "manifest = 1\nname = \"e\"\nkind = \"exec\"\n[params.exit]\n[exec]\nrun = [\"false\"]\n[exec.env]\nX = \"${params.exit}\"\n");
    root.run("run e -p exit=nagios").code(1);
}

#[test]
fn a_drill_is_told_as_long_as_its_loop_is_up() {
    let mut made = well();
    let manifest = "data/runs/live_1/manifest.toml";
    let text = made.root.read(manifest);
    let drill = text
        .replace("dry-run = false", "dry-run = true")
        .replace("force-fetch-fail = false", "force-fetch-fail = true");
    assert_ne!(drill, text);
    assert!(one_if_any(&made.document(AT), "drill").is_none());
    made.root.write(manifest, &drill);
    let document = made.document(AT);
    let told = one(&document, "drill");
    assert_eq!(told["level"], "warn");
    let value = told["value"].as_str().unwrap();
    assert_eq!(value, "FORCE_FETCH_FAIL: every fetch fails; DRY_RUN: no ledger is written");
    assert_eq!(told["next"], "runner stop live_1");
    made.release();
    assert!(one_if_any(&made.document(AT), "drill").is_none(), "it is not up any more");
}

#[test]
fn a_venue_that_answers_without_a_new_bar_is_a_warning() {
    let made = well();
    let at = ms("2024-01-01T18:00:03Z");
    for (newest, level) in [
        ("2024-01-01T18:00:00Z", "ok"),
        ("2024-01-01T17:55:00Z", "ok"),
        ("2024-01-01T17:50:00Z", "warn"),
    ] {
        let document = serde_json::json!({
            "schema": "mjolnir.live/1", "run_id": "live_1", "at_ms": at, "skew_ms": 0, "answered_ms": at,
            "failed_in_a_row": 0, "trouble": null, "newest_ms": ms(newest),
        });
        made.root.write(HEARD, &document.to_string());
        let document = made.document(AT);
        let feed = one(&document, "feed");
        assert_eq!(feed["level"], level, "{newest}: {feed}");
        let stale = format!("without a new bar since {newest}");
        assert_eq!(feed["value"].as_str().unwrap().contains(&stale), level == "warn", "{feed}");
    }
}
