//! What is expected of tokio-cron-scheduler: a wake about once a second, and an end when it is told so.

use std::{fmt::Write as _, fs, path::Path, time::Duration};

use mjolnir::{
    clock::{Stopwatch, nap},
    serve::ticker::{NAP, Ticker},
    store::runs::RunState,
};

use super::fixture::{empty, end, job, runs, seen, serve, until, until_up};
use crate::support::runner::{Root, Running};

#[test]
fn it_wakes_about_once_a_second_and_is_not_replaced_without_need() {
    let mut wake = Ticker::start();
    let watch = Stopwatch::start();
    let mut heard = 0;
    let mut before = wake.left();
    while heard < 3 {
        wake.wait(NAP);
        let left = wake.left();
        heard += u32::from(left > before);
        before = left;
        assert!(watch.elapsed() < Duration::from_mins(1), "{heard} wakes only");
    }
    assert!(watch.elapsed() > Duration::from_secs(1), "it does not wake all the time");
    assert!(!wake.renew_when_silent());
    assert_eq!(wake.rebuilds(), 0);
}

/// A thread has the name of who started it, unless it is given one: so those of other tests are not counted.
fn name_of(thread: &Path) -> String {
    std::fs::read_to_string(thread.join("comm")).unwrap_or_default()
}

#[test]
fn it_ends_with_its_owner() {
    let threads = || {
        let all = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        all.filter(|thread| name_of(&thread.path()) == name_of(Path::new("/proc/thread-self")))
            .count()
    };
    let wakes: Vec<Ticker> = (0..20).map(|_| Ticker::start()).collect();
    let most = threads();
    drop(wakes);
    let watch = Stopwatch::start();
    while threads() + 15 > most {
        assert!(watch.elapsed() < Duration::from_mins(1), "{} of {most} threads", threads());
        nap(Duration::from_millis(50));
    }
}

/// How often the threads of a process went to sleep.
fn sleeps(service: &Running) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{}/task", service.pid())).unwrap().flatten();
    let of = |status: String| {
        let line = status.lines().find_map(|l| l.strip_prefix("voluntary_ctxt_switches:"));
        line.map_or(0, |count| count.trim().parse::<u64>().unwrap())
    };
    tasks.map(|task| of(fs::read_to_string(task.path().join("status")).unwrap_or_default())).sum()
}

#[test]
fn an_idle_service_wakes_less_than_five_times_a_second() {
    let root = empty();
    root.write(
        "jobs/j.toml",
        "manifest = 1\nname = \"j\"\nkind = \"exec\"\ndescription = \"a test\"\n\
         [exec]\nrun = [\"true\"]\n[[schedule]]\ncron = \"0 0 1 1 *\"\n",
    );
    let service = root.call("serve --listen 127.0.0.1:0").start();
    until_up(&root, &service);
    // The first minute of a service looks for what earlier ones left.
    nap(Duration::from_secs(3));
    let (watch, before) = (Stopwatch::start(), sleeps(&service));
    nap(Duration::from_secs(20));
    let a_second = (sleeps(&service) - before) as f64 / watch.elapsed().as_secs_f64();
    assert!(a_second > 0.5, "it makes its turns: {a_second}");
    assert!(a_second < 5.0, "{a_second} wake-ups a second");
    end(service).code(0);
}

/// Jobs that are due at once.
const JOBS: usize = 14;

/// A root with jobs that note when they begin and end, each of which has a slot that was not run.
fn burst(tables: &str) -> Root {
    let root = empty();
    let script = "echo + >> log; sleep 0.3; echo - >> log";
    let mut names = String::new();
    for n in 0..JOBS {
        let name = format!("j{n}");
        let text = job(
            &name,
            script,
            &format!("[run.retry]\nattempts = 1\n[[schedule]]\nevery = '1h'\n{tables}"),
        );
        root.write(&format!("jobs/{name}.toml"), &text);
        let _ = write!(names, "{name} ");
    }
    for name in names.split_whitespace() {
        seen(&root, &format!("{name}.1"), "every 3600s", 4_000);
    }
    root
}

/// The most that went on at once.
fn most_at_once(root: &Root) -> i32 {
    let (mut at_once, mut most) = (0, 0);
    for line in root.read("log").lines() {
        at_once += if line == "+" { 1 } else { -1 };
        most = most.max(at_once);
    }
    most
}

fn ran(root: &Root) -> usize {
    runs(root).iter().filter(|run| run.state == RunState::Succeeded).count()
}

#[test]
fn a_burst_starts_no_more_runs_at_once_than_may() {
    for tables in
        ["", "overlap = 'allow'", "overlap = 'queue'", "overlap = 'replace'\ncatch-up = 'all'"]
    {
        let root = burst(tables);
        let service = serve(&root, "--max-running 4").start();
        until("all ran", || ran(&root) >= JOBS);
        end(service).code(0);
        let most = most_at_once(&root);
        assert!((2..=4).contains(&most), "{tables}: {most} at once");
    }
}

#[test]
fn a_service_that_dies_in_a_burst_leaves_no_more_places_to_the_next_one() {
    for beginnings in [1, 3, 5] {
        let root = burst("");
        let service = serve(&root, "--max-running 4").start();
        until("some began", || root.read("log").matches('+').count() >= beginnings);
        service.signal("KILL");
        service.end();
        let next = serve(&root, "--max-running 4").start();
        until_up(&root, &next);
        until("all ran", || ran(&root) >= JOBS);
        end(next).code(0);
        let most = most_at_once(&root);
        assert!(most <= 4, "{most} at once after a death in the middle");
        assert_eq!(root.read("log").matches('+').count(), JOBS, "each of them once");
    }
}

/// What a process was started with.
fn trim(pid: &str) -> Option<String> {
    let all = fs::read(format!("/proc/{pid}/environ")).unwrap();
    let all = String::from_utf8_lossy(&all).into_owned();
    all.split('\0').find_map(|line| Some(line.strip_prefix("MALLOC_TRIM_THRESHOLD_=")?.to_owned()))
}

/// What big pages took goes back to the system; a job is not slowed down by that, and what a person set holds for both.
#[test]
fn the_service_gives_memory_back_and_its_jobs_do_not() {
    for (given, of_service, of_job) in
        [(None, "131072", None), (Some("65536"), "65536", Some("65536"))]
    {
        let root = empty();
        let tables = "[[schedule]]\ncron = '0 0 * * *'\noverlap = 'forbid'";
        root.write("jobs/a.toml", &job("a", "echo $PPID > pid; exec sleep 300", tables));
        seen(&root, "a.1", "0 0 * * * UTC Shift", 86_399);
        let mut call = serve(&root, "");
        if let Some(given) = given {
            call = call.env("MALLOC_TRIM_THRESHOLD_", given);
        }
        let service = call.start();
        root.await_lines("pid", 1);
        assert_eq!(trim(&service.pid().to_string()).as_deref(), Some(of_service));
        assert_eq!(trim(root.read("pid").trim()).as_deref(), of_job);
        end(service).code(0);
    }
}
