//! C19: a run that was stopped or timed out never looks like one that did its work. Record, exit code, result, step, ping and notice agree.

use std::time::Duration;

use mjolnir::{
    clock::{Stopwatch, nap},
    store::runs::{RunRecord, RunState},
};

use crate::{
    serve::fixture::{count, empty, end, runs, serve, until, until_file},
    support::{
        http::{Reply, Server},
        runner::{Call, Root},
    },
};

/// A program that says that all is well when it is told to end.
const POLITE: &str = "trap 'rm -f up; exit 0' TERM; echo $$ > up; while :; do sleep 0.05; done";

fn watch() -> Server {
    Server::start(|_, _| Reply::new("200 OK", "OK"))
}

/// A job of this program, with a watch that is told of its runs.
fn job(root: &Root, name: &str, script: &str, watch: &Server, tables: &str) {
    let url = watch.url();
    let text = format!(
        "manifest = 1\nname = '{name}'\nkind = 'exec'\n[exec]\nrun = ['sh', '-c', '''{script}''']\n\
         [heartbeat]\nurl = '{url}/u'\n{tables}\n"
    );
    root.write(&format!("jobs/{name}.toml"), &text);
}

/// How the pings of runs ended: the words after the address.
fn ends(watch: &Server) -> Vec<String> {
    let target = |target: &str| {
        let path = target.split('?').next().unwrap_or_default();
        path.trim_start_matches("/u").trim_start_matches('/').to_owned()
    };
    let told = watch.asked();
    let told = told.iter().map(|asked| target(&asked.target));
    told.filter(|word| word != "start").collect()
}

/// Everything that says how a run ended says this.
#[track_caller]
fn agree(root: &Root, run: &RunRecord, state: RunState, code: i32) {
    assert_eq!((run.state, run.exit_code), (state, Some(code)), "{run:?}");
    let result = root.read(&format!("data/runs/{}/result.json", run.run_id));
    let result: serde_json::Value = serde_json::from_str(&result).unwrap();
    assert_eq!(result["exit"], code, "{result}");
}

fn newest(root: &Root, job: &str) -> RunRecord {
    runs(root).into_iter().rfind(|run| run.job == job).expect("a run of this job")
}

#[test]
fn c19_a_run_stopped_by_hand_is_cancelled_whatever_its_program_says() {
    let table: &[(&str, &str)] = &[
        (POLITE, ""),
        // One that is expected to be told to end.
        (&POLITE.replace("exit 0", "exit 143"), "expect-exit = 143"),
        (&POLITE.replace("exit 0", "exit 7"), "expect-exit = 7"),
        ("trap '' TERM; echo $$ > up; while :; do sleep 0.05; done", "expect-exit = 137"),
    ];
    for (script, expected) in table {
        for way in ["stop file", "TERM", "INT"] {
            let (root, told) = (empty(), watch());
            job(&root, "j", script, &told, "[run]\ngrace = '1s'");
            let text = root
                .read("jobs/j.toml")
                .replace("[heartbeat]", &format!("{expected}\n[heartbeat]"));
            root.write("jobs/j.toml", &text);
            let run = root.call("run j").start();
            until_file(&root, "up");
            let code = if way == "INT" { 130 } else { 143 };
            if way == "stop file" {
                root.run("stop j --reason mistaken")
                    .code(0)
                    .prints(&["is cancelled, exit code 143"]);
            } else {
                run.signal(way);
            }
            run.end().code(code);
            let run = newest(&root, "j");
            agree(&root, &run, RunState::Cancelled, code);
            assert!(run.summary.starts_with("stopped ("), "{}", run.summary);
            assert_eq!(ends(&told), [code.to_string()], "{way}: {script}");
        }
    }
}

#[test]
fn c19_a_run_stopped_by_the_end_of_the_service_is_cancelled() {
    let (root, told) = (empty(), watch());
    job(&root, "j", POLITE, &told, "[run]\ngrace = '20s'\n[[schedule]]\non = 'start'");
    let service = serve(&root, "--drain-wait 0s").start();
    until_file(&root, "up");
    let said = end(service).code(0).stderr;
    agree(&root, &newest(&root, "j"), RunState::Cancelled, 143);
    assert_eq!(ends(&told), ["143"], "{said}");
    assert!(said.contains(": cancelled after "), "{said}");
}

#[test]
fn c19_a_run_that_makes_room_for_a_newer_slot_is_cancelled_and_ends_no_incident() {
    let (root, told) = (empty(), watch());
    let script = format!("[ -e once ] || {{ touch once; exit 1; }}; {POLITE}");
    let tables = "[notify]\non = ['failed', 'recovered']\ncommand = ['sh', '-c', 'echo $MJOLNIR_EVENT >> told']\n\
        [run]\ngrace = '20s'\n[run.retry]\nattempts = 1\n[[schedule]]\nevery = '1s'\noverlap = 'replace'";
    job(&root, "j", &script, &told, tables);
    let service = serve(&root, "--drain-wait 0s").start();
    // One that is told to end while it starts leaves no result.
    let begun =
        |run: &RunRecord| root.at(&format!("data/runs/{}/result.json", run.run_id)).exists();
    let cancelled = |run: &RunRecord| run.state == RunState::Cancelled && begun(run);
    until("two that had begun make room", || {
        runs(&root).iter().filter(|run| cancelled(run)).count() > 1
    });
    until_file(&root, "told");
    end(service).code(0);
    for run in runs(&root).iter().filter(|run| cancelled(run)) {
        agree(&root, run, RunState::Cancelled, 143);
    }
    assert_eq!(count(&root, "j", RunState::Succeeded), 0);
    let mut ended = ends(&told);
    ended.sort();
    ended.dedup();
    assert_eq!(ended, ["143", "fail"]);
    assert_eq!(root.read("told"), "failed\n", "a run that was stopped ends no incident");
}

#[test]
fn c19_a_step_whose_job_was_stopped_failed_and_what_needs_it_does_not_start() {
    for expected in ["", "expect-exit = 143"] {
        let (root, told) = (empty(), watch());
        job(&root, "train", POLITE, &told, "[run]\ngrace = '20s'");
        let pipeline = format!(
            "manifest = 1\nname = 'p'\nkind = 'pipeline'\n[heartbeat]\nurl = '{}/u'\n\
             [[step]]\nid = 'train'\njob = 'train.toml'\n{expected}\n\
             [[step]]\nid = 'promote'\nrun = ['touch', 'promoted']\nneeds = ['train']\n",
            told.url()
        );
        root.write("jobs/p.toml", &pipeline);
        let run = root.call("run p").start();
        until_file(&root, "up");
        root.run("stop train --reason mistaken").code(0);
        let ran = run.end().code(1);
        ran.prints(&[
            "step train            failed  exit 143\n",
            "step promote          skipped\n",
        ]);
        agree(&root, &newest(&root, "train"), RunState::Cancelled, 143);
        agree(&root, &newest(&root, "p"), RunState::Failed, 1);
        assert_eq!(ends(&told), ["143", "fail"]);
        assert!(!root.at("promoted").exists());
    }
}

#[test]
fn c19_a_pipeline_that_was_stopped_has_no_step_that_succeeded_meanwhile() {
    for way in ["stop file", "TERM"] {
        let root = empty();
        let polite = format!("run = ['sh', '-c', '''{POLITE}''']");
        root.write(
            "jobs/p.toml",
            &format!(
                "manifest = 1\nname = 'p'\nkind = 'pipeline'\n[run]\ngrace = '20s'\n[[step]]\nid = 'a'\n{polite}\n\
                 [[step]]\nid = 'b'\nrun = ['touch', 'b']\nneeds = ['a']\n\
                 [[step]]\nid = 'c'\nrun = ['touch', 'c']\nneeds = ['a']\nwhen = 'always'\n"
            ),
        );
        let run = root.call("run p").start();
        until_file(&root, "up");
        if way == "TERM" {
            run.signal(way);
        } else {
            drop(root.run("stop p").code(0));
        }
        run.end().code(143).prints(&[
            "step a                failed  exit 0\n",
            "step b                skipped\n",
            "step c                succeeded  exit 0\n",
        ]);
        agree(&root, &newest(&root, "p"), RunState::Cancelled, 143);
        assert!(!root.at("b").exists() && root.at("c").exists(), "what runs in any case cleans up");
    }
}

/// What runs in any case has a part of the grace, and no more.
#[test]
fn c19_a_step_that_cleans_up_after_a_stop_has_no_endless_time() {
    let root = empty();
    root.write(
        "jobs/p.toml",
        &format!(
            "manifest = 1\nname = 'p'\nkind = 'pipeline'\n[run]\ngrace = '2s'\n\
             [[step]]\nid = 'a'\nrun = ['sh', '-c', '''{POLITE}''']\n\
             [[step]]\nid = 'c'\nrun = ['sleep', '300']\nneeds = ['a']\nwhen = 'always'\n"
        ),
    );
    let ran = soon(root.call("run p"), || {
        until_file(&root, "up");
        root.run("stop p").code(0);
    });
    ran.code(143);
    agree(&root, &newest(&root, "p"), RunState::Cancelled, 143);
}

#[test]
fn c19_a_run_that_timed_out_is_timed_out_whatever_its_program_says() {
    for expected in ["expect-exit = 0", "expect-exit = 124"] {
        let (root, told) = (empty(), watch());
        job(&root, "j", POLITE, &told, "[run]\ntimeout = '500ms'\ngrace = '20s'");
        root.run("run j").code(124);
        agree(&root, &newest(&root, "j"), RunState::TimedOut, 124);
        assert_eq!(ends(&told), ["124"]);
        let steps = format!(
            "manifest = 1\nname = 'p'\nkind = 'pipeline'\n[[step]]\nid = 'a'\njob = 'j.toml'\n{expected}\n"
        );
        root.write("jobs/p.toml", &steps);
        root.run("run p").code(1).prints(&["step a                failed  exit 124\n"]);
    }
}

#[test]
fn c19_a_fetch_that_was_stopped_by_hand_did_not_time_out() {
    let venue =
        Server::start(|n, asked| if n == 1 { Reply::hang() } else { Reply::made_up(asked) });
    let root = Root::new();
    let run = super::fetch::fetch(&root, &venue.url(), 1_500).start();
    venue.await_asked(2);
    root.run("stop fetch --reason mistaken").code(0).prints(&["is cancelled, exit code 143"]);
    run.end().code(143).prints(&["asked to stop"]);
    agree(&root, &newest(&root, "fetch"), RunState::Cancelled, 143);
}

/// Waits for the end of a program that must come soon.
#[track_caller]
fn soon(call: Call<'_>, ask: impl FnOnce()) -> crate::support::ran::Ran {
    let mut run = call.start();
    ask();
    let watch = Stopwatch::start();
    while !run.is_over() && watch.elapsed() < Duration::from_mins(2) {
        nap(Duration::from_millis(10));
    }
    assert!(run.is_over(), "it goes on");
    run.end()
}

#[test]
fn c19_a_run_that_is_stopped_while_it_waits_for_its_lock_is_cancelled() {
    let (root, told) = (empty(), watch());
    job(&root, "holder", POLITE, &told, "[run]\nlock = 'one'");
    job(&root, "j", "touch ran", &told, "[run]\nlock = 'one'\nlock-wait = '1h'");
    let holder = root.call("run holder").start();
    until_file(&root, "up");
    let waits = || until("it waits", || count(&root, "j", RunState::Running) == 1);
    let ran = soon(root.call("run j"), || {
        waits();
        root.run("stop j").code(0).prints(&["is cancelled, exit code 143"]);
    });
    ran.code(143);
    agree(&root, &newest(&root, "j"), RunState::Cancelled, 143);
    holder.signal("TERM");
    holder.end().code(143);
    assert!(!root.at("ran").exists());
}
