//! What every venue's answer is checked for, and what can be wrong with it.

use std::fmt::Display;

use serde_json::Value;
use thiserror::Error;

use super::{ask::Ask, number::decimal};
use crate::domain::{
    bar::{Bar, TimedBar},
    time::SlotTs,
};

/// Longest part of an answer that is quoted in a message, in characters.
const QUOTED_MAX: usize = 120;

/// What can be done about a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// It may pass by itself: ask again, ever more slowly.
    Transient,
    /// Asked too often: no request before the pause is over.
    Throttled,
    /// Shut out for a long time: asking on makes it longer.
    Banned,
    /// The question is wrong, such as an unknown symbol: asking again cannot help.
    Config,
    /// The answer is not in the venue's format, or its bars are impossible.
    Malformed,
}

/// Why an answer has no bars.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{why}")]
pub struct Fault {
    /// What can be done about it.
    pub class: Class,
    /// What was wrong, in the venue's words where it gave any.
    pub why: String,
}

impl Fault {
    /// A fault.
    pub fn new(class: Class, why: impl Into<String>) -> Self {
        Self { class, why: why.into() }
    }

    /// An answer in a foreign format.
    pub fn malformed(why: impl Into<String>) -> Self {
        Self::new(Class::Malformed, why)
    }
}

/// The body as JSON.
pub fn json(body: &[u8]) -> Result<Value, Fault> {
    serde_json::from_slice(body)
        .map_err(|error| Fault::malformed(format!("no JSON ({error}): {}", quote(body))))
}

/// The beginning of a body, fit for a message.
pub fn quote(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * QUOTED_MAX)]);
    let short: String = text.escape_debug().take(QUOTED_MAX).collect();
    format!("`{short}`{}", if body.len() > QUOTED_MAX { "..." } else { "" })
}

/// What a status alone says; a venue's own words and codes come first.
pub fn fault_of_status(status: u16, body: &[u8]) -> Fault {
    let class = match status {
        // A success without bars.
        200..=299 => Class::Malformed,
        429 => Class::Throttled,
        418 => Class::Banned,
        408 | 425 | 500..=599 => Class::Transient,
        _ => Class::Config,
    };
    Fault::new(class, format!("HTTP {status}: {}", quote(body)))
}

/// A venue's refusal in its own format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What can be done about it; `None` for a code that we do not know.
    pub class: Option<Class>,
    /// The venue's code and words.
    pub words: String,
}

impl Refusal {
    /// A code, and the words that stand beside it under `key`.
    pub fn told(class: Option<Class>, code: impl Display, answer: &Value, key: &str) -> Self {
        let said = answer.get(key).and_then(Value::as_str).unwrap_or_default();
        Self { class, words: format!("{code} {said}") }
    }
}

/// The JSON of an answer that is no refusal. What the venue says, as `refusal` reads it, comes before what the status says.
/// An unknown refusal that came with status 200 may pass by itself.
pub fn accepted(
    status: u16,
    body: &[u8],
    refusal: impl Fn(&Value) -> Option<Refusal>,
) -> Result<Value, Fault> {
    let answer = json(body);
    if let Some(Refusal { class, words }) = answer.as_ref().ok().and_then(refusal) {
        let fault = fault_of_status(status, words.as_bytes());
        let class = match (status, class) {
            // No code makes these two milder.
            (418 | 429, _) => fault.class,
            (_, Some(class)) => class,
            (200, None) => Class::Transient,
            (_, None) => fault.class,
        };
        return Err(Fault::new(class, fault.why));
    }
    if status == 200 { answer } else { Err(fault_of_status(status, body)) }
}

/// The list at `pointer` (RFC 6901, empty for the whole answer), where the venue's format has its rows.
pub fn rows<'v>(answer: &'v Value, pointer: &str) -> Result<&'v [Value], Fault> {
    answer.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).ok_or_else(|| {
        Fault::malformed(format!(
            "no list of rows at `{pointer}`: {}",
            quote(answer.to_string().as_bytes())
        ))
    })
}

/// Refuses an answer about something else than was asked.
pub fn same(answer: &Value, pointer: &str, asked: &str) -> Result<(), Fault> {
    match answer.pointer(pointer) {
        Some(Value::String(told)) if told == asked => Ok(()),
        told => Err(Fault::malformed(format!(
            "`{pointer}` is {}, not `{asked}`",
            told.map_or_else(|| "absent".to_owned(), |told| quote(told.to_string().as_bytes()))
        ))),
    }
}

/// In which order a venue sends its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Ascending.
    OldestFirst,
    /// Descending.
    NewestFirst,
}

impl Order {
    fn holds(self, earlier: SlotTs, later: SlotTs) -> bool {
        match self {
            Self::OldestFirst => earlier < later,
            Self::NewestFirst => earlier > later,
        }
    }
}

/// One row before it is checked: when its bar opens, and open, high, low, close, base volume.
pub struct RawRow<'v> {
    /// Milliseconds since 1970.
    pub open_ms: i64,
    /// Numbers, or texts that hold numbers.
    pub values: [&'v Value; 5],
}

/// The bars of rows that came in `order`, oldest first, none outside the page. Of rows with one stamp, which must be
/// neighbours, the one received last wins. `row` finds the fields; it refuses a row of another length, since then the
/// fields may have moved.
pub fn bars<'v>(
    ask: &Ask,
    order: Order,
    rows: &'v [Value],
    row: impl Fn(&'v Value) -> Option<RawRow<'v>>,
) -> Result<Vec<TimedBar>, Fault> {
    let mut found: Vec<TimedBar> = Vec::with_capacity(rows.len());
    for (value, number) in rows.iter().zip(1_u32..) {
        let bad = |why: String| {
            let row = quote(value.to_string().as_bytes());
            Fault::malformed(format!("row {number}: {why}: {row}"))
        };
        let raw = row(value).ok_or_else(|| bad("not in the format of this venue".to_owned()))?;
        let bar = timed(ask, &raw).map_err(bad)?;
        match found.last_mut() {
            Some(last) if last.ts == bar.ts => *last = bar,
            Some(last) if !order.holds(last.ts, bar.ts) => {
                return Err(bad(format!("out of order: {} after {}", bar.ts, last.ts)));
            }
            _ => found.push(bar),
        }
    }
    if order == Order::NewestFirst {
        found.reverse();
    }
    found.retain(|bar| ask.window.contains(bar.ts));
    Ok(found)
}

fn timed(ask: &Ask, raw: &RawRow<'_>) -> Result<TimedBar, String> {
    let ts = ask.timeframe().slot_of_open(raw.open_ms).map_err(|error| error.to_string())?;
    let mut values = [0.0; 5];
    for (number, value) in values.iter_mut().zip(raw.values) {
        *number = decimal(value).ok_or_else(|| format!("`{value}` is no number"))?;
    }
    let bar = Bar::new(values).map_err(|error| error.to_string())?;
    Ok(TimedBar { ts, bar })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_alone_has_a_class() {
        for (status, class) in [
            (200, Class::Malformed),
            (204, Class::Malformed),
            (301, Class::Config),
            (400, Class::Config),
            (404, Class::Config),
            (408, Class::Transient),
            (418, Class::Banned),
            (429, Class::Throttled),
            (451, Class::Config),
            (502, Class::Transient),
            (520, Class::Transient),
            (530, Class::Transient),
        ] {
            assert_eq!(fault_of_status(status, b"").class, class, "{status}");
        }
    }
}
