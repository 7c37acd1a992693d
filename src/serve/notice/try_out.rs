//! A notice that says nothing but that notices arrive.

use std::{collections::BTreeMap, path::Path};

use serde_json::json;

use super::{deliver::NoticeSink, message::NoticeText};
use crate::{
    manifest::Manifest,
    os::{machine, signals::Stop},
};

/// Sends it to everybody that a job tells; what came of each.
pub fn try_out(root: &Path, manifest: &Manifest, build: &str) -> Vec<(String, Result<(), String>)> {
    let (job, host) = (&manifest.name, machine::name());
    let title = format!("a test: notices of job {job} on {host} arrive");
    let text = format!("{title}\nnext: runner explain {job}");
    let document = json!({
        "schema": "mjolnir.ledger-notice/1", "event": "test", "job": job, "host": host, "build": build, "text": text,
    });
    let variables = BTreeMap::from([
        ("MJOLNIR_EVENT", "test".to_owned()),
        ("MJOLNIR_JOB", job.clone()),
        ("MJOLNIR_SUMMARY", title.clone()),
        ("MJOLNIR_TEXT", text.clone()),
    ]);
    let notice = NoticeText { title, text, document, variables, shown: ("2", "test_tube") };
    let stop = Stop::default();
    let sent = |sink: NoticeSink| {
        (sink.name().to_owned(), sink.deliver(&manifest.notify, &notice, root, &stop))
    };
    NoticeSink::of(&manifest.notify).into_iter().map(sent).collect()
}
