//! What the programs of a run start ends with the run, wherever it went; and as the first process of a container, nothing stays a zombie.

use std::process::{Command, Stdio};

use mjolnir::store::runs::RunState;

use crate::{
    serve::fixture::{empty, is_alive, job, runs, until, until_file},
    support::runner::Root,
};

/// Goes away into a session of its own and hides from its parent; `stubborn` takes no TERM.
fn daemon(file: &str, stubborn: bool) -> String {
    let trap = if stubborn { "trap \"\" TERM; " } else { "" };
    format!(
        "(setsid sh -c '{trap}echo $$ > {file}; while :; do sleep 0.05; done' &) ; until [ -s {file} ]; do sleep 0.05; done"
    )
}

#[test]
fn a_daemon_ends_with_its_run_by_hand_however_that_ends() {
    for stubborn in [false, true] {
        let root = empty();
        let limits = "[run]\ntimeout = '2s'\ngrace = '1s'";
        root.write(
            "jobs/t.toml",
            &job("t", &format!("{}; sleep 300", daemon("far", stubborn)), limits),
        );
        root.run("run t").code(124);
        assert!(!is_alive(&root, "far"), "timed out, stubborn {stubborn}");
        root.remove("far");
        root.write("jobs/w.toml", &job("w", &daemon("far", stubborn), "[run]\ngrace = '1s'"));
        root.run("run w").warns(&["processes left behind: "]);
        assert!(!is_alive(&root, "far"), "by itself, stubborn {stubborn}");
        root.remove("far");
        root.write(
            "jobs/s.toml",
            &job("s", &format!("{}; sleep 300", daemon("far", stubborn)), "[run]\ngrace = '1s'"),
        );
        let run = root.call("run s").start();
        until_file(&root, "far");
        run.signal("TERM");
        run.end().code(143);
        assert!(!is_alive(&root, "far"), "stopped, stubborn {stubborn}");
    }
}

#[test]
fn a_second_signal_ends_at_once_what_a_run_started_wherever_it_went() {
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        for is_pipeline in [false, true] {
            let root = empty();
            let script = format!(
                "{}; trap \"echo x > told\" TERM; echo $$ > near; while :; do sleep 0.05; done",
                daemon("far", true)
            );
            root.write("jobs/j.toml", &job("j", &script, "[run]\ngrace = '10m'"));
            let steps = "manifest = 1\nname = 'p'\nkind = 'pipeline'\n[run]\ngrace = '10m'\n[[step]]\nid = 'j'\njob = 'j.toml'\n";
            root.write("jobs/p.toml", steps);
            let run = root.call(if is_pipeline { "run p" } else { "run j" }).start();
            until_file(&root, "near");
            run.signal(signal);
            until_file(&root, "told");
            run.signal(signal);
            run.end().code(code);
            assert!(!is_alive(&root, "far") && !is_alive(&root, "near"), "{signal} {is_pipeline}");
            let states: Vec<_> = runs(&root).into_iter().map(|run| (run.job, run.state)).collect();
            let job = if is_pipeline { "p" } else { "j" };
            assert!(states.contains(&(job.to_owned(), RunState::Cancelled)), "{states:?}");
        }
    }
}

#[test]
fn a_daemon_of_a_step_ends_with_its_step_when_that_times_out_and_else_with_the_pipeline() {
    let root = empty();
    let steps = format!(
        "manifest = 1\nname = 'p'\nkind = 'pipeline'\n[run]\ngrace = '1s'\n[pipeline]\nfail-fast = false\n\
         [[step]]\nid = 'up'\nrun = ['sh', '-c', '''{}''']\n\
         [[step]]\nid = 'slow'\nrun = ['sh', '-c', '''{}; sleep 300''']\ntimeout = '2s'\nneeds = ['up']\n\
         [[step]]\nid = 'look'\nrun = ['sh', '-c', 'kill -0 $(cat server) && ! grep -q \"^State:.[^Z]\" /proc/$(cat far)/status']\nneeds = ['slow']\nwhen = 'always'\n",
        daemon("server", false),
        daemon("far", false),
    );
    root.write("jobs/p.toml", &steps);
    let ran = root.run("run p").code(1);
    ran.prints(&["step slow             failed", "step look             succeeded  exit 0\n"]);
    assert!(!is_alive(&root, "server"), "nothing outlives the pipeline");
}

/// A program as the first process of a space of its own. `None` where this machine allows no such space.
#[expect(clippy::print_stderr, reason = "a test says why it is skipped")]
#[expect(clippy::disallowed_methods, reason = "the program is started inside of another one")]
fn first(root: &Root, args: &str) -> Option<std::process::Child> {
    let space = |words: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--mount-proc", "--kill-child"]).args(words);
        command.current_dir(root.path()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    if !space(&["true"]).status().is_ok_and(|status| status.success()) {
        eprintln!("skipped: unshare cannot make a space of processes here");
        return None;
    }
    let words: Vec<&str> = args.split(' ').collect();
    let program = [&[env!("CARGO_BIN_EXE_runner")], &words[..]].concat();
    Some(space(&program).spawn().unwrap())
}

/// The children of a process, and how many of them are zombies.
fn children(of: u32) -> (usize, usize) {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let stats = entries.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    let states: Vec<String> = stats
        .filter_map(|stat| {
            let (_, rest) = stat.rsplit_once(')')?;
            let mut fields = rest.split_whitespace();
            let (state, parent) = (fields.next()?, fields.next()?);
            (parent == of.to_string()).then(|| state.to_owned())
        })
        .collect();
    (states.len(), states.iter().filter(|state| *state == "Z").count())
}

/// Looks at the first process for as long as orphans come to it, until so many have ended.
fn no_zombies_stay(root: &Root, mut outer: std::process::Child, orphans: usize) {
    let pid = || {
        let path = format!("/proc/{0}/task/{0}/children", outer.id());
        std::fs::read_to_string(path).unwrap_or_default().trim().parse::<u32>().ok()
    };
    until("it is there", || pid().is_some());
    let inner = pid().unwrap();
    until("orphans ended", || root.read("ended").lines().count() >= orphans);
    until("every orphan was waited for", || children(inner).1 == 0);
    outer.kill().unwrap();
    outer.wait().unwrap();
}

/// Leaves a process behind that ends soon and says so.
const ORPHAN: &str = "(setsid sh -c 'sleep 0.2; echo x >> ended' &)";

#[test]
fn a_service_that_is_the_first_process_leaves_no_zombie() {
    let root = empty();
    // Orphans that the service does not end itself, since they do not say of which run they are.
    let script = ORPHAN.replace("setsid", "setsid env -i PATH=$PATH");
    root.write("jobs/o.toml", &job("o", &script, "[[schedule]]\nevery = '1s'"));
    let Some(outer) = first(&root, "serve --no-listen") else { return };
    no_zombies_stay(&root, outer, 3);
}

#[test]
fn a_run_that_is_the_first_process_leaves_no_zombie_and_knows_how_its_program_ended() {
    let root = empty();
    let many = format!("{}; sleep 300", [ORPHAN; 5].join("; "));
    root.write("jobs/o.toml", &job("o", &many, ""));
    let Some(outer) = first(&root, "run o") else { return };
    no_zombies_stay(&root, outer, 5);
    let root = empty();
    root.write(
        "jobs/o.toml",
        &job("o", &format!("{}; exit 3", [ORPHAN; 20].join("; ")), "[run]\ngrace = '5s'"),
    );
    let text = root.read("jobs/o.toml").replace("[exec]", "[exec]\nexpect-exit = 3");
    root.write("jobs/o.toml", &text);
    let mut outer = first(&root, "run o").unwrap();
    assert_eq!(outer.wait().unwrap().code(), Some(0), "its own child is waited for by the run");
}
