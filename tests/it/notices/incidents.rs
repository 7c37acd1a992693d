//! Incidents over restarts and deliveries that fail, with real records and real sockets.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use mjolnir::{clock::Stopwatch, domain::ids::RunId, store::runs::RunState};

use super::fixture::{LONG, hook, incidents, manifest, notifier, observe, run};
use crate::support::{
    http::{Reply, Server},
    runner::Root,
};

/// Far less than a receiver that hangs is given.
const HELD_UP: Duration = Duration::from_secs(40);

/// A receiver that works, or does not, as the switch says.
fn switched() -> (Server, Arc<AtomicBool>) {
    let works = Arc::new(AtomicBool::new(true));
    let now = Arc::clone(&works);
    let server = Server::start(move |_, _| {
        let works = now.load(Ordering::Relaxed);
        if works { Reply::new("200 OK", "ok") } else { Reply::new("503 Later", "no") }
    });
    (server, works)
}

fn events(server: &Server) -> Vec<String> {
    let event = |body: &str| {
        let parsed: serde_json::Value = serde_json::from_str(body).unwrap();
        format!("{} {}", parsed["event"].as_str().unwrap(), parsed["times"])
    };
    server.asked().iter().map(|asked| event(&asked.body)).collect()
}

#[test]
fn a_restart_neither_repeats_nor_forgets() {
    let (root, (server, _)) = (Root::new(), switched());
    let manifest = hook(&server.url(), "json");
    let observed = |minute, state| {
        let notifier = notifier(&root, &manifest);
        observe(&root, &notifier, &run(minute, state), &manifest);
        // The end of a service delivers what is owed.
        notifier.end(LONG);
    };
    observed(1, RunState::Failed);
    assert_eq!(events(&server), ["failed 1"]);
    assert!(incidents(&root)[0].told.is_some());
    observed(2, RunState::Failed);
    observed(3, RunState::TimedOut);
    notifier(&root, &manifest).end(LONG);
    assert_eq!(events(&server), ["failed 1"], "it was told before");
    assert_eq!(incidents(&root)[0].times, 3);
    observed(4, RunState::Succeeded);
    assert_eq!(events(&server)[1..], ["recovered 3"]);
    assert!(incidents(&root).is_empty());
    observed(5, RunState::Succeeded);
    observed(6, RunState::Failed);
    assert_eq!(events(&server)[2..], ["failed 1"]);
}

#[test]
fn what_was_not_delivered_is_not_told_and_the_next_service_tells_it() {
    let (root, (server, works)) = (Root::new(), switched());
    let manifest = hook(&server.url(), "json");
    works.store(false, Ordering::Relaxed);
    let first = notifier(&root, &manifest);
    observe(&root, &first, &run(1, RunState::Failed), &manifest);
    server.await_asked(3);
    first.end(LONG);
    assert_eq!(incidents(&root)[0].told, None, "nobody has it");
    assert_eq!(server.asked().len(), 3, "three tries, then a pause");

    // In trouble again, and well, while nobody can be told.
    let second = notifier(&root, &manifest);
    observe(&root, &second, &run(2, RunState::Lost), &manifest);
    observe(&root, &second, &run(3, RunState::Flaky), &manifest);
    second.end(LONG);
    let left = incidents(&root);
    assert_eq!((left.len(), left[0].told), (1, None));
    assert_eq!(left[0].over.as_ref().map(RunId::as_str), Some("fetch_1_3"));

    works.store(true, Ordering::Relaxed);
    let before = server.asked().len();
    notifier(&root, &manifest).end(LONG);
    assert_eq!(events(&server)[before..], ["lost 2", "recovered 2"]);
    assert!(incidents(&root).is_empty());
}

#[test]
fn a_receiver_that_hangs_holds_nobody_up() {
    let silent = Server::start(|_, _| Reply::hang());
    let root = Root::new();
    let manifest = hook(&silent.url(), "json");
    let notifier = notifier(&root, &manifest);
    observe(&root, &notifier, &run(1, RunState::Failed), &manifest);
    silent.await_asked(1);
    let watch = Stopwatch::start();
    for minute in 2..30 {
        observe(&root, &notifier, &run(minute, RunState::Failed), &manifest);
    }
    let observing = watch.elapsed();
    assert!(observing < HELD_UP, "{observing:?}, while one delivery takes a minute");
    notifier.end(Duration::ZERO);
    assert!(watch.elapsed() < observing + HELD_UP);
    assert_eq!((incidents(&root)[0].told, incidents(&root)[0].times), (None, 29));
}

#[test]
fn a_receiver_that_came_back_is_not_told_twice_when_another_one_fails() {
    let (root, (server, _)) = (Root::new(), switched());
    root.write("tell.sh", "test -e there || exit 1; touch told");
    let manifest = manifest(&format!(
        "[notify]\ncommand = ['sh', 'tell.sh']\n[notify.webhook]\nurl = '{}'",
        server.url()
    ));
    let notifier = notifier(&root, &manifest);
    observe(&root, &notifier, &run(1, RunState::Failed), &manifest);
    server.await_asked(1);
    root.write("there", "");
    let watch = Stopwatch::start();
    while incidents(&root)[0].told.is_none() {
        assert!(watch.elapsed() < LONG, "the program is tried again");
        mjolnir::clock::nap(Duration::from_millis(20));
    }
    assert!(root.at("told").exists());
    notifier.end(LONG);
    assert_eq!(events(&server), ["failed 1"], "the webhook has it from the first time");
}

#[test]
fn without_anybody_to_tell_incidents_are_kept_and_closed() {
    let root = Root::new();
    let manifest = manifest("");
    let notifier = notifier(&root, &manifest);
    observe(&root, &notifier, &run(1, RunState::Missed), &manifest);
    assert_eq!(incidents(&root).len(), 1);
    observe(&root, &notifier, &run(2, RunState::Succeeded), &manifest);
    assert!(incidents(&root).is_empty());
    notifier.end(LONG);
}
