//! Many slots at once: no more runs go on than may, also when the service dies in the middle and another one takes over.

use std::fmt::Write as _;

use mjolnir::store::runs::RunState;

use super::fixture::{empty, end, job, runs, seen, serve, until, until_up};
use crate::support::runner::Root;

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
