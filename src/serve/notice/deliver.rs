//! Delivers one notice: to a webhook, and to a program. Nothing it says holds an address.

use std::{path::Path, time::Duration};

use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

use super::message::{NoticeText, body};
use crate::{
    manifest::{Email, Hidden, MailTls, Notify, Webhook, WebhookFormat},
    notify::{
        mailer::{Mail, MailPrivacy, MailRoute, send},
        sender::{Message, SendError, Sender},
        target::{NotifyTarget, TargetError},
        telegram::BotError,
    },
    os::{
        mask::Mask,
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

/// Why a notice was not delivered. No text holds any part of an address but its host.
#[derive(Debug, Error)]
pub enum NotDelivered {
    /// What the mail server, or the way to it, answered, without the name and the password it was given.
    #[error("{place}: {why}")]
    Mail { place: String, why: String },
    #[error("notify.webhook: {0}")]
    Address(TargetError),
    #[error("{host}: {why}")]
    Webhook { host: String, why: SendError },
    #[error("`{}` {why}", program.escape_debug())]
    Command { program: String, why: CommandFault },
    #[error(transparent)]
    Telegram(#[from] BotError),
}

/// Why a program did not take a notice.
#[derive(Debug, Error)]
pub enum CommandFault {
    #[error("was not started: {0}")]
    NotStarted(String),
    #[error("left programs behind that hold its output")]
    Held,
    #[error("was stopped, as the service ends")]
    Stopped,
    #[error("took longer than {0:?}")]
    TooLong(Duration),
    #[error("ended with exit code {code}: {said}")]
    Ended { code: i32, said: String },
}

/// Who is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoticeSink {
    /// An address.
    Webhook,
    /// A program.
    Command,
    /// People with a mailbox.
    Email,
}

impl NoticeSink {
    /// How records call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Command => "command",
            Self::Email => "email",
        }
    }

    /// Everybody that a job tells.
    pub fn of(notify: &Notify) -> Vec<Self> {
        let hook = notify.webhook.as_ref().is_some_and(|hook| hook.url.is_some());
        let mail = notify.email.as_ref().is_some_and(|email| !email.server.is_empty());
        let all = [
            (Self::Webhook, hook),
            (Self::Command, !notify.command.is_empty()),
            (Self::Email, mail),
        ];
        all.into_iter().filter(|(_, is_there)| *is_there).map(|(sink, _)| sink).collect()
    }

    /// Delivers a notice to this one.
    pub fn deliver(
        self,
        notify: &Notify,
        notice: &NoticeText,
        root: &Path,
        stop: &Stop,
    ) -> Result<(), NotDelivered> {
        // A reason that a person typed may have one.
        let mask = Mask::new(notify.secrets().map(str::to_owned));
        let notice = &notice.masked(&mask);
        match self {
            Self::Webhook => notify.webhook.as_ref().map_or(Ok(()), |h| webhook(h, notice, stop)),
            Self::Command => command(&notify.command, notice, root, stop),
            Self::Email => notify.email.as_ref().map_or(Ok(()), |email| mail(email, notice, &mask)),
        }
    }
}

/// Hands a notice to a mail server.
fn mail(email: &Email, notice: &NoticeText, mask: &Mask) -> Result<(), NotDelivered> {
    let (host, port) = email.place();
    let login = email.user.as_ref().zip(email.password.as_ref());
    let route = MailRoute {
        host,
        port,
        privacy: match email.tls {
            MailTls::Implicit => MailPrivacy::Implicit,
            MailTls::Starttls => MailPrivacy::StartTls,
            MailTls::None => MailPrivacy::Plain,
        },
        login: login.map(|(user, password)| (user.reveal(), password.reveal())),
        from: &email.from,
        to: email.to.split(',').map(str::trim).filter(|to| !to.is_empty()).collect(),
        timeout: email.timeout.get().duration(),
    };
    // The same letter has the same name, so that a mailbox which gets it twice shows it once.
    let id = notice.variables.get("MJOLNIR_NOTICE_ID").map_or(notice.text.as_str(), String::as_str);
    let id = format!("{:016x}", xxh3_64(id.as_bytes()));
    let letter = Mail { id: &id, subject: &notice.title, text: &notice.text };
    let sent = send(&route, letter);
    // What a server says may repeat what it was given.
    sent.map_err(|error| NotDelivered::Mail {
        place: format!("{host}:{port}"),
        why: mask.apply(&error.to_string()),
    })
}

/// POSTs a notice.
fn webhook(hook: &Webhook, notice: &NoticeText, stop: &Stop) -> Result<(), NotDelivered> {
    let Some(url) = &hook.url else { return Ok(()) };
    let target = NotifyTarget::new(url.reveal()).map_err(NotDelivered::Address)?;
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
    sent.map(|_| ()).map_err(|why| NotDelivered::Webhook { host: target.host(), why })
}

/// Starts a program that finds the notice in its variables.
fn command(
    argv: &[String],
    notice: &NoticeText,
    root: &Path,
    stop: &Stop,
) -> Result<(), NotDelivered> {
    started(argv, notice, root, stop).map_err(|why| NotDelivered::Command {
        program: argv.first().cloned().unwrap_or_default(),
        why,
    })
}

fn started(
    argv: &[String],
    notice: &NoticeText,
    root: &Path,
    stop: &Stop,
) -> Result<(), CommandFault> {
    let runtime =
        process::runtime().map_err(|error| CommandFault::NotStarted(error.to_string()))?;
    let spawn = Spawn {
        argv: argv.to_vec(),
        env: notice
            .variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect(),
        dir: root.to_owned(),
        timeout: Some(COMMAND_MAX),
        grace: GRACE,
        results: ChildResults::Kept,
    };
    // A program that left somebody behind who holds its output would be waited for without end.
    let whole = COMMAND_MAX + GRACE + GRACE;
    let ended = runtime
        .block_on(async { tokio::time::timeout(whole, process::run(&spawn, None, stop)).await })
        .map_err(|_| CommandFault::Held)?
        .map_err(|error| CommandFault::NotStarted(error.to_string()))?;
    match ended.code {
        _ if ended.stopped => Err(CommandFault::Stopped),
        _ if ended.timed_out => Err(CommandFault::TooLong(COMMAND_MAX)),
        0 => Ok(()),
        code => {
            let said: String = ended.output.trim().escape_debug().take(OUTPUT_MAX).collect();
            Err(CommandFault::Ended { code, said })
        }
    }
}
