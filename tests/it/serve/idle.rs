//! A service that has nothing to do lets the machine sleep.

use std::{fs, time::Duration};

use mjolnir::clock::{Stopwatch, nap};

use super::fixture::{empty, end, until_up};
use crate::support::runner::Running;

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
