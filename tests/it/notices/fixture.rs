//! A notifier in a folder of its own, with the records it looks at, as the service has them.

use std::{collections::BTreeMap, time::Duration};

use mjolnir::{
    domain::time::UtcMs,
    manifest::{Manifest, RunFacts, Source, Sources, TextError, resolve},
    serve::notice::Notifier,
    store::{
        disk::RealDisk,
        layout::Layout,
        runs::{Incident, RunRecord, RunState, RunStore},
    },
};

use crate::support::runner::Root;

pub const BUILD: &str = "0.1.0-b";
/// Long enough for what must happen, and not waited for when it does.
pub const LONG: Duration = Duration::from_mins(3);

/// The manifest of the job `fetch` with these lines at its end.
pub fn manifest(lines: &str) -> Manifest {
    let text =
        format!("manifest = 1\nname = 'fetch'\nkind = 'exec'\n[exec]\nrun = ['true']\n{lines}\n");
    let sources = Sources {
        job: Source { path: "jobs/fetch.toml".to_owned(), text },
        read: &mut |_| Err(TextError::NotAFile),
        is_inside: &|_| true,
        read_secret: &mut |_| Err(TextError::NotAFile),
        names: &Vec::new,
        profiles: &[],
        env: &BTreeMap::new(),
        params: &[],
        scheduled: &[],
        sets: &[],
        run: &RunFacts { id: "x".to_owned(), started: at(0) },
        item: None,
    };
    resolve(sources).unwrap_or_else(|problems| panic!("{problems:?}")).manifest
}

/// A webhook at this address, in this format.
pub fn hook(url: &str, format: &str) -> Manifest {
    let chat = if format == "telegram" { "chat = '-100123'" } else { "" };
    manifest(&format!(
        "[notify.webhook]\nurl = '{url}'\nformat = '{format}'\ntimeout = '1m'\n{chat}"
    ))
}

pub fn at(minute: i64) -> UtcMs {
    UtcMs::new(1_700_006_400_000 + minute * 60_000).unwrap()
}

/// A run of the job that ended in this state, `minute` minutes after the beginning.
pub fn run(minute: i64, state: RunState) -> RunRecord {
    let failed = state == RunState::Failed;
    RunRecord {
        ended: Some(at(minute).plus_ms(5_500)),
        exit_code: Some(i32::from(failed)),
        summary: if failed { "no <bars> & \"no\" @everyone" } else { "done" }.to_owned(),
        due: Some(("fetch.1".to_owned(), at(minute))),
        ..RunRecord::first(
            format!("fetch_1_{minute}").parse().unwrap(),
            ("fetch", "exec"),
            state,
            at(minute),
            BUILD,
        )
    }
}

/// The records of a folder.
pub fn store(root: &Root) -> RunStore {
    let layout = Layout::new(root.path());
    RunStore::open(&RealDisk::new(layout.data()), &layout).unwrap()
}

/// Records a run and has it observed, as the service does.
pub fn observe(root: &Root, notifier: &Notifier, run: &RunRecord, manifest: &Manifest) {
    store(root).start(run).unwrap();
    notifier.observe(run, manifest).unwrap();
}

/// A notifier that knows a job.
pub fn notifier(root: &Root, manifest: &Manifest) -> Notifier {
    let notifier = Notifier::start(root.path(), BUILD).unwrap();
    notifier.learn(manifest);
    notifier
}

pub fn incidents(root: &Root) -> Vec<Incident> {
    store(root).incidents(None).unwrap()
}
