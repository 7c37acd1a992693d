//! A box where all is well at one instant, and what the job says about it.

use mjolnir::{
    domain::time::UtcMs,
    store::lock::{Lock, Owner},
};
use serde_json::{Value as Json, json};

use crate::{
    e2e::fixture::{EVENING, eqflat, live, proof},
    support::{
        ran::Ran,
        runner::{Call, Root},
    },
};

/// Three minutes after the last decision.
pub const AT: &str = "2024-01-01T18:03:00Z";
/// Ten seconds before that.
pub const TICK: &str = "2024-01-01T18:02:50Z";
pub const SCHEDULER: &str = "data/state/scheduler.json";
pub const HEARD: &str = "data/state/live/paper/BTC_USD/5m.json";

/// A box and the loop that holds its ledger.
pub struct Box {
    pub root: Root,
    held: Option<Lock>,
}

pub fn ms(at: &str) -> i64 {
    at.parse::<UtcMs>().unwrap().get()
}

/// Decided up to the evening, proved half an hour before, with a scheduler and a venue that answers.
pub fn well() -> Box {
    let root = Root::new();
    live(&root, "paper", EVENING).arg("--run-id").arg("live_1").run().ok();
    eqflat(&root, "paper", "e1").run().ok();
    prove_at(&root, "2024-01-01T17:30:00Z");
    tick(&root, TICK);
    heard(&root, 120, 0);
    let mut made = Box::of(root);
    made.hold();
    made
}

/// A box where nothing ever ran.
pub fn empty() -> Box {
    Box::of(Root::new())
}

/// Dates the proof `e1`.
pub fn prove_at(root: &Root, at: &str) {
    let mut text: Json = serde_json::from_str(&root.read(&proof("paper", "e1"))).unwrap();
    text["made_at_ms"] = json!(ms(at));
    root.write(&proof("paper", "e1"), &text.to_string());
}

/// The scheduler service looked at its clock then.
pub fn tick(root: &Root, at: &str) {
    let document = json!({ "schema": "mjolnir.scheduler/1", "pid": 1, "tick_ms": ms(at) });
    root.write(SCHEDULER, &document.to_string());
}

/// The same with a schedule that a wrong clock had decide its slots up to `upto`.
pub fn silent(root: &Root, upto: &str) {
    let timed = json!({ "schedule": "j.1", "next_ms": ms(upto) + 60_000, "decided_ms": ms(upto) });
    let event =
        json!({ "schedule": "k.1", "next_ms": null, "decided_ms": ms(upto) + 9_000_000_000_i64 });
    let document = json!({
        "schema": "mjolnir.scheduler/1", "pid": 1, "tick_ms": ms(TICK), "schedules": [timed, event],
    });
    root.write(SCHEDULER, &document.to_string());
}

/// What the loop heard three seconds after its last slot.
pub fn heard(root: &Root, skew_ms: i64, failed: u32) {
    let trouble = (failed > 0).then_some("kraken gave no bars: HTTP 500 (https://x/OHLC)");
    let document = json!({
        "schema": "mjolnir.live/1", "run_id": "live_1", "at_ms": ms("2024-01-01T18:00:03Z"), "skew_ms": skew_ms,
        "answered_ms": ms("2024-01-01T18:00:03Z"), "failed_in_a_row": failed, "trouble": trouble,
    });
    root.write(HEARD, &document.to_string());
}

impl Box {
    pub fn of(root: Root) -> Self {
        Self { root, held: None }
    }

    /// Another box with the same files, held too.
    pub fn copy(&self) -> Self {
        let mut other = Self::of(Root::new());
        let from = self.root.path().display();
        other.root.shell(&format!("cp -r {from}/data .")).code(0);
        other.hold();
        other
    }

    /// Somebody holds the ledger.
    pub fn hold(&mut self) {
        let owner = Owner {
            pid: 1,
            run_id: "live_1".parse().unwrap(),
            job: "live".to_owned(),
            since: UtcMs::EPOCH,
        };
        let path = self.root.at("data/processed/decisions/paper/BTC_USD/5m/.writer.lock");
        self.held = Some(Lock::take(&path, &owner).unwrap());
    }

    pub fn release(&mut self) {
        self.held = None;
    }

    pub fn check(&self, at: &str, words: &str) -> Call<'_> {
        let of = "run healthcheck -p tag=paper exchange=demo";
        self.root.call(&format!("{of} at={at} {words}"))
    }

    /// The document.
    pub fn document(&self, at: &str) -> Json {
        self.check(at, "json=1").run().json()
    }
}

/// What free space there is depends on the machine.
pub fn masked(ran: &Ran) -> String {
    let line = |line: &str| match line.strip_suffix(" MiB") {
        Some(front) if line.contains("  disk-free  ") => {
            let front = front.trim_end_matches(|c: char| c.is_ascii_digit());
            format!("{front}N MiB\n")
        }
        Some(_) | None => format!("{line}\n"),
    };
    let text: String = ran.stdout.lines().map(line).collect();
    let mut parts = text.split(" MiB\"");
    let mut out = parts.next().unwrap().to_owned();
    for part in parts {
        let front = out.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        out.truncate(front);
        out.push_str("N MiB\"");
        out.push_str(part);
    }
    out
}

/// One check of a document.
pub fn one<'a>(document: &'a Json, name: &str) -> &'a Json {
    let all = document["checks"].as_array().unwrap_or_else(|| panic!("no checks: {document}"));
    all.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("{name}: {document}"))
}

/// The same, when it was made.
pub fn one_if_any<'a>(document: &'a Json, name: &str) -> Option<&'a Json> {
    document["checks"].as_array()?.iter().find(|check| check["name"] == name)
}
