//! The tables of what a job tells the world, and of what its runs leave behind.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::setting::words;

use super::super::values::{Hidden, Parsed, Size, Span};

words! {
    /// What leads to a notice.
    NotifyOn {
        /// A run failed, panicked or was ended by a signal that this program did not send.
        Failed = "failed",
        /// A run took longer than its timeout.
        TimedOut = "timed_out",
        /// A slot was missed.
        Missed = "missed",
        /// A run vanished without a word.
        Lost = "lost",
        /// All is well again after one of these.
        Recovered = "recovered",
        /// A health check says no.
        Health = "health",
    }
}

words! {
    /// What the body of a webhook looks like.
    WebhookFormat {
        /// A document of our own, `mjolnir.notice/1`.
        Json = "json",
        /// Slack: `{"text": ...}`.
        Slack = "slack",
        /// Discord: `{"content": ...}`.
        Discord = "discord",
        /// Telegram's `sendMessage`; needs `chat`.
        Telegram = "telegram",
        /// ntfy: plain text with a title.
        Ntfy = "ntfy",
    }
}

/// Who gets a notice when a scheduled run goes wrong: one for each incident, until it is over. Without `webhook` and `command`,
/// there are no notices.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Notify {
    /// What leads to a notice.
    pub on: Vec<NotifyOn>,
    /// While an incident lasts, the notice is repeated after this long; without it, only once.
    pub repeat_every: Option<Parsed<Span>>,
    /// An address that gets a POST.
    pub webhook: Option<Webhook>,
    /// A program and its arguments. It finds the notice in the variables `MJOLNIR_EVENT`, `MJOLNIR_JOB`, `MJOLNIR_STATE`,
    /// `MJOLNIR_NOTICE_RUN_ID`, `MJOLNIR_SUMMARY` and `MJOLNIR_TEXT`.
    pub command: Vec<String>,
}

impl Default for Notify {
    fn default() -> Self {
        let on = NotifyOn::ALL.to_vec();
        Self { on, repeat_every: None, webhook: None, command: Vec::new() }
    }
}

/// An address that gets a POST.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Webhook {
    /// The address, usually `${secrets.NAME}`. It is never shown. With a secret that is absent, nothing is sent.
    pub url: Option<Hidden>,
    /// What the body looks like.
    #[serde(default = "Webhook::format")]
    pub format: WebhookFormat,
    /// The chat a Telegram bot writes to.
    pub chat: Option<Hidden>,
    /// The longest one delivery may take, its three tries together.
    #[serde(default = "Webhook::timeout")]
    pub timeout: Parsed<Span>,
}

impl Webhook {
    fn format() -> WebhookFormat {
        WebhookFormat::Json
    }

    fn timeout() -> Parsed<Span> {
        Parsed::new(Span::seconds(10))
    }
}

/// A watch outside, in the style of healthchecks.io: it gets a ping when a run starts (`/start`), when it ended well (nothing
/// after the address) and when it did not (`/fail`, or the exit code), each with `?rid=`. A ping that fails never fails the job.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Heartbeat {
    /// The address, usually `${secrets.NAME}`. It is never shown. Without it, or with a secret that is absent, nothing is sent.
    pub url: Option<Hidden>,
    /// Whether the start of a run is sent too.
    pub start: bool,
    /// How much of the end of the run's output goes along, or of its log when there is none. A smaller `Ping-Body-Limit` of
    /// the other side is kept to.
    pub log_bytes: Parsed<Size>,
    /// The longest one ping may take, its three tries together. The first one goes beside the job, the last one after it.
    pub timeout: Parsed<Span>,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self {
            url: None,
            start: true,
            log_bytes: Parsed::new(Size::of_bytes(10_000)),
            timeout: Parsed::new(Span::seconds(10)),
        }
    }
}

/// How much the runs of a job may leave behind. A run that goes on, or waits, is never taken away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Logs {
    /// The longest log, and the longest output, of one run; of what is longer the end is kept.
    pub max_size: Parsed<Size>,
    /// Records and folders older than this many days are taken away.
    #[schemars(range(min = 1))]
    pub keep_days: u32,
    /// Of more runs than this, the oldest are taken away.
    #[schemars(range(min = 1))]
    pub keep_runs: u32,
    /// Of folders larger than this together, the oldest are taken away.
    pub keep_size: Parsed<Size>,
}

impl Default for Logs {
    fn default() -> Self {
        Self {
            max_size: Parsed::new(Size::of_bytes(16 << 20)),
            keep_days: 30,
            keep_runs: 2_000,
            keep_size: Parsed::new(Size::of_bytes(1 << 30)),
        }
    }
}
