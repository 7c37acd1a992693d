//! Delivers one notice: to a webhook, and to a program. Nothing it says holds an address.

use std::{collections::BTreeMap, path::Path, time::Duration};

use super::message::{Notice, body};
use crate::{
    manifest::{Hidden, Webhook, WebhookFormat},
    notify::{
        sender::{Message, Sender},
        target::NotifyTarget,
    },
    os::{
        process::{self, ChildResults, Spawn},
        signals::Stop,
    },
};

/// The longest a program may take that is told.
const COMMAND_MAX: Duration = Duration::from_secs(30);
/// Between asking it and ending it.
const GRACE: Duration = Duration::from_secs(2);
/// Longest part of its output that is repeated, in characters.
const OUTPUT_MAX: usize = 200;

/// Who is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoticeSink {
    /// An address.
    Webhook,
    /// A program.
    Command,
}

/// POSTs a notice.
pub fn webhook(hook: &Webhook, notice: &Notice, stop: &Stop) -> Result<(), String> {
    let Some(url) = &hook.url else { return Ok(()) };
    let target =
        NotifyTarget::new(url.reveal()).map_err(|error| format!("notify.webhook: {error}"))?;
    let target = match hook.format {
        WebhookFormat::Telegram => target.ending_in("sendMessage"),
        WebhookFormat::Json
        | WebhookFormat::Slack
        | WebhookFormat::Discord
        | WebhookFormat::Ntfy => target,
    };
    let made = body(notice, hook.format, hook.chat.as_ref().map(Hidden::reveal));
    let message = Message {
        content_type: made.content_type,
        headers: made.headers,
        body: made.text.into_bytes(),
    };
    let within = hook.timeout.get().duration();
    let sent = Sender::new().and_then(|s| s.post(&target, &message, within, &|| stop.asked()));
    sent.map(|_| ()).map_err(|error| format!("{}: {error}", target.host()))
}

/// Starts a program that finds the notice in its variables.
pub fn command(argv: &[String], notice: &Notice, root: &Path, stop: &Stop) -> Result<(), String> {
    let program = argv.first().cloned().unwrap_or_default();
    let wrong = |what: &str| format!("`{}` {what}", program.escape_debug());
    let runtime = process::runtime();
    let runtime = runtime.map_err(|error| wrong(&format!("was not started: {error}")))?;
    let spawn = Spawn {
        argv: argv.to_vec(),
        env: variables(notice),
        dir: root.to_owned(),
        timeout: Some(COMMAND_MAX),
        grace: GRACE,
        results: ChildResults::Kept,
    };
    // A program that left somebody behind who holds its output would be waited for without end.
    let whole = COMMAND_MAX + GRACE + GRACE;
    let ended = runtime
        .block_on(async { tokio::time::timeout(whole, process::run(&spawn, None, stop)).await })
        .map_err(|_| wrong("left programs behind that hold its output"))?
        .map_err(|error| wrong(&format!("was not started: {error}")))?;
    match ended.code {
        _ if ended.stopped => Err(wrong("was stopped, as the service ends")),
        _ if ended.timed_out => Err(wrong(&format!("took longer than {COMMAND_MAX:?}"))),
        0 => Ok(()),
        code => {
            let said: String = ended.output.trim().escape_debug().take(OUTPUT_MAX).collect();
            Err(wrong(&format!("ended with exit code {code}: {said}")))
        }
    }
}

fn variables(notice: &Notice) -> BTreeMap<String, String> {
    let run = &notice.run;
    let pairs = [
        ("MJOLNIR_EVENT", notice.event.name().to_owned()),
        ("MJOLNIR_JOB", run.job.clone()),
        ("MJOLNIR_STATE", run.state.name().to_owned()),
        ("MJOLNIR_NOTICE_RUN_ID", run.run_id.to_string()),
        ("MJOLNIR_SUMMARY", notice.summary()),
        ("MJOLNIR_TEXT", notice.text()),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
