//! The Bot API of Telegram, as far as commands from a phone need it: new messages by long polling, and answers. The token is part of every
//! address, so no address is ever shown.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error as ThisError;

use crate::{
    domain::time::UtcMs,
    net::{Connections, HttpClient, HttpError},
};

/// How long the server keeps a question for messages open.
pub const POLL_S: u64 = 25;
/// Longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Longest wait for an answer, from the request to its last byte.
const ANSWER_MAX: Duration = Duration::from_secs(POLL_S + 15);
/// The same, as a message says it.
const ANSWER_WORDS: &str = "the limit is 40s";
/// Between two looks at whether a request is given up. A poll is waited for all day long.
const LOOK: Duration = Duration::from_secs(1);
/// Longest answer, in bytes.
const BYTES_MAX: usize = 4 << 20;
/// Longest text of a message, in characters.
pub const TEXT_MAX: usize = 4_096;

/// A message of somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhoneMessage {
    pub chat: i64,
    /// Who wrote it; in a group not the chat.
    pub from: i64,
    /// When, by Telegram's clock.
    pub sent: UtcMs,
    pub text: String,
}

/// Something that happened, of which messages with a text matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhoneUpdate {
    pub id: i64,
    pub message: Option<PhoneMessage>,
}

/// What is new, and what Telegram's clock says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhoneUpdates {
    pub all: Vec<PhoneUpdate>,
    pub now: Option<UtcMs>,
}

/// Why the server did not do it.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub enum BotError {
    #[error(transparent)]
    Broken(HttpError),
    #[error("it asks to be left alone for {0:?}")]
    Busy(Duration),
    #[error("it does not know the token")]
    Token,
    #[error("another program reads the messages of this bot, or a webhook is set: only one may")]
    Conflict,
    #[error("the answer was {0}: {1}")]
    Refused(u16, String),
    #[error("this machine cannot send: {0}")]
    NoClient(String),
    #[error("given up")]
    GivenUp,
}

impl BotError {
    /// How long the server wants to be left alone.
    pub const fn pause(&self) -> Option<Duration> {
        match self {
            Self::Busy(pause) => Some(*pause),
            Self::Broken(_)
            | Self::Token
            | Self::Conflict
            | Self::Refused(..)
            | Self::NoClient(_)
            | Self::GivenUp => None,
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    ok: bool,
    #[serde(default)]
    result: Value,
    #[serde(default)]
    description: String,
    parameters: Option<AnswerParameters>,
}

#[derive(Deserialize)]
struct AnswerParameters {
    retry_after: Option<u64>,
}

/// A bot.
pub struct TelegramBot {
    client: HttpClient,
    /// The address before the name of a method; it holds the token.
    base: String,
}

impl TelegramBot {
    /// Of a token, at a server.
    pub fn new(server: &str, token: &str) -> Result<Self, BotError> {
        let connections = Connections {
            connect: CONNECT_MAX,
            total: Some(ANSWER_MAX),
            kept: Some(Duration::from_mins(1)),
        };
        let client = HttpClient::new(connections);
        let client = client.map_err(|error| BotError::NoClient(error.root))?;
        Ok(Self { client, base: format!("{}/bot{token}/", server.trim_end_matches('/')) })
    }

    /// Waits for what is new from an update on; without one for everything that was not taken yet.
    pub fn updates(
        &self,
        offset: Option<i64>,
        given_up: &dyn Fn() -> bool,
    ) -> Result<PhoneUpdates, BotError> {
        let mut body = json!({ "timeout": POLL_S, "allowed_updates": ["message"] });
        if let Some(offset) = offset {
            body["offset"] = offset.into();
        }
        let (result, now) = self.ask("getUpdates", &body, given_up)?;
        let all = result.as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(PhoneUpdates { all: all.iter().filter_map(update).collect(), now })
    }

    /// Writes into a chat.
    pub fn say(&self, chat: i64, text: &str, given_up: &dyn Fn() -> bool) -> Result<(), BotError> {
        let text: String = text.chars().take(TEXT_MAX).collect();
        let body = json!({
            "chat_id": chat, "text": text, "link_preview_options": { "is_disabled": true },
        });
        self.ask("sendMessage", &body, given_up).map(|_| ())
    }

    fn ask(
        &self,
        method: &str,
        body: &Value,
        given_up: &dyn Fn() -> bool,
    ) -> Result<(Value, Option<UtcMs>), BotError> {
        let done = self.client.wait_looking(self.once(method, body), LOOK, given_up);
        done.unwrap_or(Err(BotError::GivenUp))
    }

    async fn once(&self, method: &str, body: &Value) -> Result<(Value, Option<UtcMs>), BotError> {
        let broken = |error: reqwest::Error| BotError::Broken(HttpError::of(&error, ANSWER_WORDS));
        let request = self.client.http().post(format!("{}{method}", self.base));
        let request = request.header("content-type", "application/json").body(body.to_string());
        let mut response = request.send().await.map_err(broken)?;
        let status = response.status().as_u16();
        let date = response.headers().get("date").and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| httpdate::parse_http_date(date).ok());
        let since = date.and_then(|date| date.duration_since(std::time::UNIX_EPOCH).ok());
        let now = since.and_then(|since| UtcMs::new(since.as_millis() as i64).ok());
        let mut bytes = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(broken)? {
            bytes.extend_from_slice(&piece);
            if bytes.len() > BYTES_MAX {
                return Err(BotError::Refused(status, "more than anybody can read".to_owned()));
            }
        }
        let answer: Option<Answer> = serde_json::from_slice(&bytes).ok();
        match (status, answer) {
            (200, Some(Answer { ok: true, result, .. })) => Ok((result, now)),
            (429, answer) => {
                let wanted = answer.and_then(|answer| answer.parameters?.retry_after);
                Err(BotError::Busy(Duration::from_secs(wanted.unwrap_or(30).clamp(1, 3_600))))
            }
            (401 | 404, _) => Err(BotError::Token),
            (409, _) => Err(BotError::Conflict),
            (status, answer) => {
                let why = answer.map(|answer| answer.description).unwrap_or_default();
                let why: String = why.chars().filter(|c| !c.is_control()).take(200).collect();
                let why =
                    if why.is_empty() { "it is not an answer of the Bot API".into() } else { why };
                Err(BotError::Refused(status, why))
            }
        }
    }
}

/// An update; `None` for what has no number. One that is not a message with a text only counts.
fn update(value: &Value) -> Option<PhoneUpdate> {
    let id = value["update_id"].as_i64()?;
    let message = &value["message"];
    let read = || {
        let chat = message["chat"]["id"].as_i64()?;
        Some(PhoneMessage {
            chat,
            from: message["from"]["id"].as_i64().unwrap_or(chat),
            sent: UtcMs::new(message["date"].as_i64()?.checked_mul(1_000)?).ok()?,
            text: message["text"].as_str()?.to_owned(),
        })
    };
    Some(PhoneUpdate { id, message: read() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_message_with_a_text_only_counts() {
        let whole = json!({
            "update_id": 7,
            "message": { "message_id": 1, "date": 1_700_000_000, "chat": { "id": -100_123, "type": "group" },
                         "from": { "id": 5, "is_bot": false }, "text": "/status" },
        });
        let read = update(&whole).unwrap();
        assert_eq!(read.id, 7);
        let message = read.message.unwrap();
        assert_eq!((message.chat, message.from, message.text.as_str()), (-100_123, 5, "/status"));
        assert_eq!(message.sent.get(), 1_700_000_000_000);
        for odd in [
            json!({ "update_id": 8, "edited_message": whole["message"] }),
            json!({ "update_id": 8, "message": { "date": 1, "chat": { "id": 5 }, "sticker": {} } }),
            json!({ "update_id": 8, "message": { "date": i64::MAX, "chat": { "id": 5 }, "text": "/halt" } }),
            json!({ "update_id": 8, "message": "no" }),
        ] {
            assert_eq!(update(&odd), Some(PhoneUpdate { id: 8, message: None }), "{odd}");
        }
        assert_eq!(update(&json!({ "update_id": "8" })), None);
    }
}
