//! A notice: what happened to which job, as two lines for people, and as a webhook gets it, in the format its receiver reads.
//! Texts of ours can address nobody there.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    domain::{text::one_line, time::UtcMs},
    jobs::ledgers::JobSubject,
    manifest::{NotifyOn, WebhookFormat},
    os::mask::Mask,
    store::runs::{RunRecord, RunState},
};

/// Longest summary, in characters.
const SUMMARY_MAX: usize = 300;

/// A notice as it goes out, whatever it is about.
#[derive(Debug, Clone, PartialEq)]
pub struct NoticeText {
    /// In a few words.
    pub title: String,
    /// All of it, for people.
    pub text: String,
    /// All of it, for programs.
    pub document: Value,
    /// The variables in which a program finds it.
    pub variables: BTreeMap<&'static str, String>,
    /// How ntfy shows it: its priority, and its tags.
    pub shown: (&'static str, &'static str),
}

impl NoticeText {
    /// Without secrets.
    pub fn masked(&self, mask: &Mask) -> Self {
        let document = mask.apply(&self.document.to_string());
        Self {
            title: mask.apply(&self.title),
            text: mask.apply(&self.text),
            // What covers a secret changes nothing of the document's form.
            document: serde_json::from_str(&document).unwrap_or_default(),
            variables: self
                .variables
                .iter()
                .map(|(name, text)| (*name, mask.apply(text)))
                .collect(),
            shown: self.shown,
        }
    }
}

/// What somebody is told of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub event: NotifyOn,
    /// The run it happened to, or the run that ended the trouble.
    pub run: RunRecord,
    /// The tag and the market that it is about.
    pub about: JobSubject,
    /// Since when there is trouble.
    pub since: UtcMs,
    /// Runs in trouble so far.
    pub times: u32,
    /// The machine.
    pub host: String,
    pub build: String,
}

impl Notice {
    /// Job, event and what it is about, in a few words.
    pub fn title(&self) -> String {
        let about = self.about.words();
        let about = if about.is_empty() { String::new() } else { format!(" ({about})") };
        let (job, host) = (format!("{}{about}", self.run.job), &self.host);
        match self.event {
            NotifyOn::Failed if self.run.state == RunState::Panicked => {
                format!("{job} hit a bug on {host}")
            }
            NotifyOn::Failed => format!("{job} failed on {host}"),
            NotifyOn::TimedOut => format!("{job} took too long on {host}"),
            NotifyOn::Missed => format!("{job} was due on {host} and did not run"),
            NotifyOn::Lost => format!("{job} ended on {host} and recorded nothing"),
            NotifyOn::Recovered => format!("{job} is well again on {host}"),
            NotifyOn::Health => format!("{job} failed its check on {host}"),
            NotifyOn::Entry
            | NotifyOn::Exit
            | NotifyOn::Stop
            | NotifyOn::Risk
            | NotifyOn::Proof
            | NotifyOn::Daily => format!("{job} ({}) on {host}", self.event.name()),
            NotifyOn::Slow => format!("{job} is slow on {host}"),
            NotifyOn::Late => format!("{job} started late on {host}"),
        }
    }

    /// As it goes out.
    pub fn put(&self) -> NoticeText {
        let run = &self.run;
        let variables = BTreeMap::from([
            ("MJOLNIR_EVENT", self.event.name().to_owned()),
            ("MJOLNIR_JOB", run.job.clone()),
            ("MJOLNIR_STATE", run.state.name().to_owned()),
            ("MJOLNIR_NOTICE_RUN_ID", run.run_id.to_string()),
            ("MJOLNIR_SUMMARY", self.summary()),
            ("MJOLNIR_TEXT", self.text()),
        ]);
        let shown = if self.event == NotifyOn::Recovered {
            ("3", "white_check_mark")
        } else if [NotifyOn::Slow, NotifyOn::Late].contains(&self.event) {
            ("3", "hourglass")
        } else {
            ("4", "warning")
        };
        let (title, text) = (self.title(), self.text());
        NoticeText { title, text, document: document(self), variables, shown }
    }

    /// What the run said of itself, on one line: the cause.
    pub fn summary(&self) -> String {
        one_line(&self.run.summary, SUMMARY_MAX)
    }

    /// What happened, since when, and what to type next.
    pub fn text(&self) -> String {
        let times = match self.times {
            1 => "once".to_owned(),
            times => format!("{times} times"),
        };
        let summary = self.summary();
        let colon = if summary.is_empty() { "" } else { ": " };
        let line = format!("{}, {times} since {}{colon}{summary}", self.title(), self.since);
        match self.event {
            NotifyOn::Recovered => {
                format!("{}; trouble {times} since {}{colon}{summary}", self.title(), self.since)
            }
            NotifyOn::Missed => format!("{line}\nnext: runner history {} --last 5", self.run.job),
            NotifyOn::Failed
            | NotifyOn::TimedOut
            | NotifyOn::Lost
            | NotifyOn::Health
            | NotifyOn::Entry
            | NotifyOn::Exit
            | NotifyOn::Stop
            | NotifyOn::Risk
            | NotifyOn::Proof
            | NotifyOn::Daily
            | NotifyOn::Slow
            | NotifyOn::Late => {
                format!("{line}\nnext: runner logs {}", self.run.run_id)
            }
        }
    }
}

/// Version of the document.
const SCHEMA: &str = "mjolnir.notice/1";
/// Longest text of a Discord message, in characters.
const DISCORD_MAX: usize = 2_000;
/// Longest text of a Telegram message, in characters.
const TELEGRAM_MAX: usize = 4_096;

/// A body with its headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    pub content_type: &'static str,
    /// Headers that go along.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub text: String,
}

/// The body of a notice; `chat` is who reads it, where the format wants to know.
pub fn body(notice: &NoticeText, format: WebhookFormat, chat: Option<&str>) -> Body {
    let text = &notice.text;
    match format {
        WebhookFormat::Json => json_body(&notice.document),
        WebhookFormat::Slack => json_body(&json!({ "text": slack(text) })),
        WebhookFormat::Discord => json_body(&json!({
            "content": first(text, DISCORD_MAX), "allowed_mentions": { "parse": [] },
        })),
        WebhookFormat::Telegram => json_body(&json!({
            "chat_id": chat.unwrap_or_default(), "text": first(text, TELEGRAM_MAX),
        })),
        WebhookFormat::Ntfy => {
            let content_type = "text/plain; charset=utf-8";
            Body { content_type, headers: ntfy(notice), text: text.clone() }
        }
    }
}

/// The notice as a document of ours.
fn document(notice: &Notice) -> Value {
    let Notice { event, run, about, since, times, host, build } = notice;
    json!({
        "schema": SCHEMA,
        "event": event.name(),
        "job": run.job,
        "kind": run.kind,
        "tag": about.tag,
        "market": about.market,
        "run_id": run.run_id.as_str(),
        "state": run.state.name(),
        "exit": run.exit_code,
        "slot": run.due.as_ref().map(|(_, slot)| UtcMs::to_string(slot)),
        "summary": notice.summary(),
        "since": since.to_string(),
        "times": times,
        "host": host,
        "build": build,
    })
}

fn json_body(value: &Value) -> Body {
    Body { content_type: "application/json", headers: Vec::new(), text: value.to_string() }
}

fn ntfy(notice: &NoticeText) -> Vec<(&'static str, String)> {
    let (priority, tags) = notice.shown;
    vec![
        ("Title", notice.title.clone()),
        ("Priority", priority.to_owned()),
        ("Tags", tags.to_owned()),
    ]
}

/// As Slack wants text that is no markup.
fn slack(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn first(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}
