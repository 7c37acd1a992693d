//! A notice that says nothing but that notices arrive, and that a bot may write.

use std::{collections::BTreeMap, path::Path};

use serde_json::json;

use super::{
    deliver::{NotDelivered, NoticeSink},
    ledger_reader::NoticeLedger,
    message::NoticeText,
};
use crate::{
    clock::{Clock as _, SystemClock},
    manifest::Manifest,
    notify::telegram::TelegramBot,
    os::{machine, signals::Stop},
};

/// A receiver, and what came of a notice to it.
pub type TriedReceiver = (String, Result<(), NotDelivered>);

/// Sends it to everybody that a job tells.
pub fn try_out(root: &Path, manifest: &Manifest, build: &str) -> Vec<TriedReceiver> {
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
        // Each test is a letter of its own: a mailbox shows those of one name once.
        ("MJOLNIR_NOTICE_ID", format!("test-{}-{}", SystemClock.now().get(), std::process::id())),
    ]);
    let notice = NoticeText { title, text, document, variables, shown: ("2", "test_tube") };
    let stop = Stop::default();
    let sent = |sink: NoticeSink| {
        (sink.name().to_owned(), sink.deliver(&manifest.notify, &notice, root, &stop))
    };
    let mut all: Vec<_> = NoticeSink::of(&manifest.notify).into_iter().map(sent).collect();
    all.extend(phones(manifest, &host, &stop));
    all
}

/// Writes into each chat that may give commands for this job.
fn phones(manifest: &Manifest, host: &str, stop: &Stop) -> Vec<TriedReceiver> {
    let telegram = manifest.notify.telegram.as_ref();
    let Some((telegram, token)) = telegram.and_then(|own| Some((own, own.token.as_ref()?))) else {
        return Vec::new();
    };
    if NoticeLedger::of_job(&manifest.job).is_none() {
        return Vec::new();
    }
    let job = &manifest.name;
    let text = format!("a test: job {job} on {host} takes commands from this chat\nnext: /status");
    let bot = TelegramBot::new(&telegram.server.get().to_string(), token.reveal());
    let said = |chat: i64| {
        let bot = bot.as_ref().map_err(Clone::clone);
        let said = bot.and_then(|bot| bot.say(chat, &text, &|| stop.asked()));
        (format!("telegram {chat}"), said.map_err(NotDelivered::from))
    };
    telegram.chats.get().chats().map(said).collect()
}
