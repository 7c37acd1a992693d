//! What a webhook gets, in the format its receiver reads. Texts of ours can address nobody there.

use serde_json::{Value, json};

use super::message::Notice;
use crate::{
    domain::time::UtcMs,
    manifest::{NotifyOn, WebhookFormat},
};

/// Version of the document.
const SCHEMA: &str = "mjolnir.notice/1";
/// Longest text of a Discord message, in characters.
const DISCORD_MAX: usize = 2_000;
/// Longest text of a Telegram message, in characters.
const TELEGRAM_MAX: usize = 4_096;

/// A body with its headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// What it is.
    pub content_type: &'static str,
    /// Headers that go along.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub text: String,
}

/// The body of a notice; `chat` is who reads it, where the format wants to know.
pub fn body(notice: &Notice, format: WebhookFormat, chat: Option<&str>) -> Body {
    let text = notice.text();
    match format {
        WebhookFormat::Json => json_body(&document(notice)),
        WebhookFormat::Slack => json_body(&json!({ "text": slack(&text) })),
        WebhookFormat::Discord => json_body(&json!({
            "content": first(&text, DISCORD_MAX), "allowed_mentions": { "parse": [] },
        })),
        WebhookFormat::Telegram => json_body(&json!({
            "chat_id": chat.unwrap_or_default(), "text": first(&text, TELEGRAM_MAX),
        })),
        WebhookFormat::Ntfy => {
            Body { content_type: "text/plain; charset=utf-8", headers: ntfy(notice), text }
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

fn ntfy(notice: &Notice) -> Vec<(&'static str, String)> {
    let (priority, tags) = match notice.event {
        NotifyOn::Recovered => ("3", "white_check_mark"),
        NotifyOn::Failed
        | NotifyOn::TimedOut
        | NotifyOn::Missed
        | NotifyOn::Lost
        | NotifyOn::Health => ("4", "warning"),
    };
    vec![("Title", notice.title()), ("Priority", priority.to_owned()), ("Tags", tags.to_owned())]
}

/// As Slack wants text that is no markup.
fn slack(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn first(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}
