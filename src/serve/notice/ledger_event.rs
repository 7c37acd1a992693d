//! What happened in a ledger, as it is kept until it arrived, and as people and programs get it: one by one, or many as a digest.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{day::DaySummary, message::NoticeText};
use crate::{
    domain::{text::one_line, time::UtcMs},
    manifest::NotifyOn,
};

/// Version of the document.
const SCHEMA: &str = "mjolnir.ledger-notice/1";
/// Most events that a digest shows one by one.
const LINES_MAX: usize = 20;
/// Longest line of a digest, in characters.
const LINE_MAX: usize = 160;

/// A position that was opened or closed: its row of `trades.csv`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TradeFacts {
    pub trade_id: String,
    pub side: String,
    pub price: String,
    pub size: String,
    pub fee: String,
    /// Of an opening minus its fee; of a closing the result after its own fee.
    pub pnl: String,
    /// The rule, or why it was closed.
    pub reason: String,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum LedgerChange {
    /// A position was opened.
    Entry(TradeFacts),
    /// It was closed, not by its stop.
    Exit(TradeFacts),
    /// It was closed by its stop.
    Stop(TradeFacts),
    /// The risk state changed.
    Risk { state: String, before: String, why: String },
    /// A proof says something else than the one before.
    Proof { verdict: String, before: Option<String>, mismatch: Option<String>, path: String },
    /// A day is over.
    Daily(DaySummary),
}

impl LedgerChange {
    /// What leads to its notice.
    pub const fn on(&self) -> NotifyOn {
        match self {
            Self::Entry(_) => NotifyOn::Entry,
            Self::Exit(_) => NotifyOn::Exit,
            Self::Stop(_) => NotifyOn::Stop,
            Self::Risk { .. } => NotifyOn::Risk,
            Self::Proof { .. } => NotifyOn::Proof,
            Self::Daily(_) => NotifyOn::Daily,
        }
    }

    /// Whether it goes out at once, whatever was sent before: somebody may have to act.
    const fn is_trade(&self) -> bool {
        matches!(self, Self::Entry(_) | Self::Exit(_) | Self::Stop(_))
    }

    /// Whether it goes before others.
    pub const fn is_urgent(&self) -> bool {
        matches!(self, Self::Risk { .. } | Self::Proof { .. })
    }
}

/// Something that happened in a ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LedgerEvent {
    pub tag: String,
    pub exchange: String,
    pub symbol: String,
    pub timeframe: String,
    /// The slot, by its close; of a proof and a day, when they were made.
    pub ts_ms: i64,
    #[serde(flatten)]
    pub change: LedgerChange,
}

/// Where and by whom a notice is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoticeHead<'a> {
    /// Names the message: who gets it twice can tell.
    pub id: &'a str,
    /// Whether it may have arrived before: the service died while it was on its way.
    pub is_again: bool,
    pub job: &'a str,
    pub host: &'a str,
    pub build: &'a str,
}

impl LedgerEvent {
    /// The event as it is kept.
    pub fn facts(&self) -> String {
        serde_json::to_string(self).expect("it has text and numbers only")
    }

    /// An event that was kept; `None` of another build.
    pub fn of_facts(facts: &str) -> Option<Self> {
        serde_json::from_str(facts).ok()
    }

    fn at(&self) -> String {
        UtcMs::new(self.ts_ms).map_or_else(|_| self.ts_ms.to_string(), |at| at.to_string())
    }

    /// What happened, in a few words.
    pub fn what(&self) -> String {
        let Self { symbol, change, .. } = self;
        match change {
            LedgerChange::Entry(TradeFacts { side, price, size, reason, .. }) => {
                format!("opened {side} {size} {symbol} at {price} ({reason})")
            }
            LedgerChange::Exit(TradeFacts { side, price, size, pnl, reason, .. }) => {
                format!("closed {side} {size} {symbol} at {price} ({reason}), result {pnl}")
            }
            LedgerChange::Stop(TradeFacts { side, price, size, pnl, reason, .. }) => {
                format!("stopped out of {side} {size} {symbol} at {price} ({reason}), result {pnl}")
            }
            LedgerChange::Risk { state, before, why } => {
                format!("risk of {symbol} is {state}, it was {before}: {why}")
            }
            LedgerChange::Proof { verdict, before, mismatch, .. } => {
                let before = before.as_ref().map_or(String::new(), |b| format!(", it was {b}"));
                let at = mismatch.as_ref().map_or(String::new(), |m| format!("; {m}"));
                format!("the proof of {symbol} says {verdict}{before}{at}")
            }
            LedgerChange::Daily(day) => format!("{symbol}: {}", day.headline()),
        }
    }

    /// The ledger and the slot.
    fn place(&self) -> String {
        let Self { tag, exchange, symbol, timeframe, .. } = self;
        format!("tag {tag}, {exchange} {symbol} {timeframe}, {}", self.at())
    }

    /// What to type to see it.
    fn next(&self) -> String {
        let (tag, at) = (&self.tag, self.at());
        match &self.change {
            LedgerChange::Entry(_)
            | LedgerChange::Exit(_)
            | LedgerChange::Stop(_)
            | LedgerChange::Risk { .. } => format!("next: runner why --tag {tag} --at {at}"),
            LedgerChange::Proof { path, .. } => format!("verify it: runner verify {path}"),
            LedgerChange::Daily(_) => report(tag),
        }
    }

    /// The notice of this one event.
    pub fn put(&self, head: NoticeHead<'_>) -> NoticeText {
        let what = self.what();
        let mut text = format!("{}{what}\n{}, on {}\n", again(head), self.place(), head.host);
        if let LedgerChange::Daily(day) = &self.change {
            text.push_str(&day.lines());
        }
        text.push_str(&self.next());
        let shown = match &self.change {
            LedgerChange::Entry(_) | LedgerChange::Exit(_) => ("3", "chart_with_upwards_trend"),
            LedgerChange::Stop(_) => ("3", "octagonal_sign"),
            LedgerChange::Risk { .. } | LedgerChange::Proof { .. } => ("4", "warning"),
            LedgerChange::Daily(_) => ("2", "calendar"),
        };
        let title = one_line(&format!("{what} ({})", self.tag), LINE_MAX);
        let mut document = document(head, self.change.on().name(), &text);
        if let (Some(out), Ok(Value::Object(own))) =
            (document.as_object_mut(), serde_json::to_value(self))
        {
            out.extend(own);
        }
        put(head, self.change.on().name(), (title, text), document, shown)
    }
}

fn report(tag: &str) -> String {
    format!("next: runner run jobs/report.toml -p tag={tag}")
}

fn again(head: NoticeHead<'_>) -> &'static str {
    if head.is_again { "(once more: the service ended while this was on its way)\n" } else { "" }
}

fn document(head: NoticeHead<'_>, event: &str, text: &str) -> Value {
    let NoticeHead { id, is_again, job, host, build } = head;
    json!({
        "schema": SCHEMA, "event": event, "id": id, "again": is_again, "job": job, "host": host,
        "build": build, "text": text,
    })
}

fn put(
    head: NoticeHead<'_>,
    event: &str,
    (title, text): (String, String),
    document: Value,
    shown: (&'static str, &'static str),
) -> NoticeText {
    let variables = BTreeMap::from([
        ("MJOLNIR_EVENT", event.to_owned()),
        ("MJOLNIR_JOB", head.job.to_owned()),
        ("MJOLNIR_NOTICE_ID", head.id.to_owned()),
        ("MJOLNIR_NOTICE", document.to_string()),
        ("MJOLNIR_SUMMARY", title.clone()),
        ("MJOLNIR_TEXT", text.clone()),
    ]);
    NoticeText { title, text, document, variables, shown }
}

/// One notice of many events, each with its name: how many of which kind, what the closed ones made, and the first lines, with what is not a
/// trade before the trades: of those there may be hundreds.
pub fn digest(events: &[(&str, LedgerEvent)], head: NoticeHead<'_>) -> NoticeText {
    let all = || events.iter().map(|(_, event)| event);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for event in all() {
        *counts.entry(event.change.on().name()).or_default() += 1;
    }
    let mut made = Decimal::ZERO;
    for event in all() {
        if let LedgerChange::Entry(trade) | LedgerChange::Exit(trade) | LedgerChange::Stop(trade) =
            &event.change
        {
            // Sums of one ledger's own numbers; one that cannot be read is shown in its line.
            let pnl: Decimal = trade.pnl.parse().unwrap_or_default();
            made += pnl;
        }
    }
    let counted = counts.iter().map(|(name, n)| format!("{n} {name}")).collect::<Vec<_>>();
    let counted = counted.join(", ");
    let title = format!("{} events: {counted}", events.len());
    let mut text = format!("{}{title}, result {made}, on {}\n", again(head), head.host);
    let (first, trades): (Vec<_>, Vec<_>) = all().partition(|event| !event.change.is_trade());
    for event in first.into_iter().chain(trades).take(LINES_MAX) {
        let line = format!("{} {}: {}", event.at(), event.tag, event.what());
        let _ = writeln!(text, "{}", one_line(&line, LINE_MAX));
    }
    if events.len() > LINES_MAX {
        let _ = writeln!(text, "and {} more", events.len() - LINES_MAX);
    }
    let tag = all().next().map_or("", |event| event.tag.as_str());
    text.push_str(&report(tag));
    let mut document = document(head, "digest", &text);
    document["counts"] = json!(counts);
    document["result"] = json!(made.to_string());
    document["events"] = events
        .iter()
        .map(|(id, event)| {
            let mut own = serde_json::to_value(event).unwrap_or_default();
            own["id"] = json!(id);
            own
        })
        .collect();
    let is_urgent = all().any(|event| event.change.is_urgent());
    let shown = if is_urgent { ("4", "warning") } else { ("3", "chart_with_upwards_trend") };
    put(head, "digest", (title, text), document, shown)
}

/// A time in words.
pub fn span(ms: i64) -> String {
    let whole_s = Duration::from_secs(ms.max(0).unsigned_abs() / 1000);
    humantime::format_duration(whole_s).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_shows_what_is_not_a_trade_first() {
        let event = |change| LedgerEvent {
            tag: "paper".to_owned(),
            exchange: "demo".to_owned(),
            symbol: "BTC/USD".to_owned(),
            timeframe: "5m".to_owned(),
            ts_ms: 1_704_067_200_000,
            change,
        };
        let trade = TradeFacts {
            trade_id: "00a1".to_owned(),
            side: "long".to_owned(),
            price: "100".to_owned(),
            size: "1".to_owned(),
            fee: "0".to_owned(),
            pnl: "0".to_owned(),
            reason: "cross_up".to_owned(),
        };
        let mut events: Vec<(&str, LedgerEvent)> =
            (0..30).map(|_| ("trade", event(LedgerChange::Entry(trade.clone())))).collect();
        let why = "venue looks odd".to_owned();
        let (state, before) = ("HALTED".to_owned(), "ACTIVE".to_owned());
        events.push(("halt", event(LedgerChange::Risk { state, before, why })));
        let head = NoticeHead { id: "x", is_again: false, job: "live", host: "box", build: "b" };
        let text = digest(&events, head).text;
        let second = text.lines().nth(1).unwrap_or_default();
        assert!(second.contains("HALTED") && second.contains("venue looks odd"), "{text}");
        assert!(text.contains("and 11 more"), "{text}");
    }
}
