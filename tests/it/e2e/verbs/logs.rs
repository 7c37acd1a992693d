//! `runner logs`.

use std::time::Duration;

use mjolnir::{
    clock::nap,
    domain::time::UtcMs,
    store::{
        bounded_log::BoundedLog,
        runs::{RunEnd, RunState},
    },
};

use super::fixture::{alive, record, recorded, store};
use crate::support::runner::{Root, Running};

const LOG: &str = "data/runs/r1/log.jsonl";

fn line(n: u32) -> String {
    format!("{{\"timestamp\":\"t\",\"level\":\"INFO\",\"message\":\"line {n:05}\",\"n\":{n}}}\n")
}

fn finish(root: &Root, id: &str) {
    let end = RunEnd {
        state: RunState::Failed,
        exit_code: 1,
        summary: "over".into(),
        at: UtcMs::new(1_772_323_300_000).unwrap(),
    };
    store(root).2.finish(&id.parse().unwrap(), &end).unwrap();
}

/// Waits until somebody has the file open, so that nothing is written before it is read.
fn await_reader(run: &Running, name: &str) {
    for _ in 0..6_000 {
        let open = std::fs::read_dir(format!("/proc/{}/fd", run.pid())).into_iter().flatten();
        let mut links = open.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
        if links.any(|link| link.ends_with(name)) {
            return;
        }
        nap(Duration::from_millis(10));
    }
    panic!("nobody reads {name}");
}

/// Waits until somebody has read all that is in the log: what is put aside twice in the meantime would be lost to him.
fn await_read(root: &Root, run: &Running) {
    let log = root.at(LOG);
    let length = log.metadata().unwrap().len();
    let place = |fd: &str| -> Option<u64> {
        let path = |kind: &str| format!("/proc/{}/{kind}/{fd}", run.pid());
        let is_log = std::fs::read_link(path("fd")).is_ok_and(|link| link == log);
        let info = std::fs::read_to_string(path("fdinfo")).ok().filter(|_| is_log)?;
        info.lines().find_map(|line| line.strip_prefix("pos:"))?.trim().parse().ok()
    };
    for _ in 0..6_000 {
        let open = std::fs::read_dir(format!("/proc/{}/fd", run.pid())).into_iter().flatten();
        let mut names = open.flatten().map(|entry| entry.file_name().into_string().unwrap());
        if names.any(|fd| place(&fd) == Some(length)) {
            return;
        }
        nap(Duration::from_millis(10));
    }
    panic!("it is not read to its end");
}

#[test]
fn a_log_is_shown_for_people_from_both_of_its_files_or_only_its_end() {
    let root = Root::new();
    recorded(
        &root,
        &[record("r1", "a", RunState::Failed, 5), record("r0", "b", RunState::Missed, 3)],
    );
    root.write(&format!("{LOG}.1"), &line(1));
    root.write(LOG, &(line(2) + "half a li"));
    let all = "t  INFO   line 00001  n=1\nt  INFO   line 00002  n=2\nhalf a li\n";
    for word in ["", "r1", "r", "a"] {
        let ran = root.run(&format!("logs {word}"));
        if word == "r" {
            ran.code(2).says(&["`r` is the beginning of 2 runs: r1, r0", "whole id"]);
        } else {
            assert_eq!(ran.ok().stdout, all, "{word}");
        }
    }
    assert_eq!(root.run("logs r1 -n 2").ok().stdout, all[26..]);
    let json = root.run("logs r1 --json -n 2").ok().json();
    assert_eq!(json["run_id"], "r1");
    assert_eq!(json["lines"][0]["n"], 2);
    assert_eq!(json["lines"][1], "half a li");
    root.run("logs r0").code(4).says(&["run r0, which is missed, has no log"]);
    root.run("logs r1 --output").code(4).says(&["only runs of the service have one"]);
    root.run("logs live").code(4).says(&["no run of job `live` is recorded"]);
    root.run("logs nosuch").code(4).says(&["`nosuch` is neither a run nor a job"]);
    root.run("logs ../x").code(2).says(&["run id `../x` must start with"]);
}

#[test]
fn a_log_is_followed_over_rotation_until_the_run_is_over() {
    let root = Root::new();
    let lock = alive(&root, "r1", "a", 7);
    let log = BoundedLog::open(&root.at(LOG), 20_000).unwrap();
    log.append(line(0).as_bytes()).unwrap();
    let (people, raw) = (root.call("logs a -f").start(), root.call("logs r1 -f --json").start());
    for run in [&people, &raw] {
        await_reader(run, "log.jsonl");
    }
    for n in 1..400 {
        log.append(line(n).as_bytes()).unwrap();
        if n % 50 == 0 {
            for run in [&people, &raw] {
                await_read(&root, run);
            }
        }
    }
    finish(&root, "r1");
    drop(lock);
    let people = people.end().code(0).says(&["run r1 is failed, exit code 1"]);
    let shown: Vec<String> =
        people.stdout.lines().map(|line| line.split_whitespace().nth(3).unwrap().into()).collect();
    let all: Vec<String> = (0..400).map(|n| format!("{n:05}")).collect();
    assert_eq!(shown, all);
    let raw = raw.end().code(0);
    let numbers: Vec<i64> = raw
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["n"].as_i64().unwrap())
        .collect();
    assert_eq!(numbers, (0..400).collect::<Vec<i64>>());
}

#[test]
fn following_ends_when_somebody_interrupts_it_or_the_process_is_gone() {
    let root = Root::new();
    let lock = alive(&root, "r1", "a", 7);
    root.write(LOG, &line(0));
    let follow = root.call("logs r1 -f").start();
    await_reader(&follow, "log.jsonl");
    follow.signal("INT");
    follow.end().code(130).prints(&["line 00000"]);
    let follow = root.call("logs r1 -f").start();
    await_reader(&follow, "log.jsonl");
    drop(lock);
    follow.end().code(0).says(&["run r1 is lost, exit code none"]);
}

#[test]
fn what_programs_wrote_cannot_disturb_the_terminal() {
    let root = Root::new();
    let job = "manifest = 1\nname = 's'\nkind = 'exec'\n[exec]\nrun = ['true']\n";
    root.write("jobs/s.toml", job);
    root.run("run s --run-id r1").ok();
    root.write("data/runs/r1/output.log", "hello\n\u{1b}[31mred\u{7}\tend\n");
    let shown = root.run("logs r1 --output").ok();
    assert_eq!(shown.stdout, "hello\n\u{fffd}[31mred\u{fffd}\tend\n");
    let shown = root.run("logs r1 --output --json -n 1").ok();
    assert_eq!(shown.json()["lines"][0], "\u{1b}[31mred\u{7}\tend");
    let shown = root.run("logs r1 --output -f").code(0);
    assert_eq!(shown.stdout, "hello\n\u{fffd}[31mred\u{fffd}\tend\n");
}
