//! What every venue's answer is checked for, and what can be wrong with it.

use serde_json::Value;
use thiserror::Error;

use super::ask::Ask;
use crate::domain::bar::{Bar, TimedBar};

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
        429 => Class::Throttled,
        418 => Class::Banned,
        408 | 500..=599 => Class::Transient,
        _ => Class::Config,
    };
    Fault::new(class, format!("HTTP {status}: {}", quote(body)))
}

/// The bars of rows in the order they came in. They are in one order, oldest or newest first; of several with one stamp the last wins.
pub fn bars<'v>(
    ask: &Ask,
    rows: &'v [Value],
    row: impl Fn(&'v Value) -> Option<RawRow<'v>>,
) -> Result<Vec<TimedBar>, Fault> {
    let mut found: Vec<TimedBar> = Vec::with_capacity(rows.len());
    for (value, number) in rows.iter().zip(1_u32..) {
        let bad = |why: String| {
            Fault::malformed(format!(
                "row {number}: {why}: {}",
                quote(value.to_string().as_bytes())
            ))
        };
        let raw = row(value).ok_or_else(|| bad("foreign format".to_owned()))?;
        let ts =
            ask.timeframe().slot_of_open(raw.open_ms).map_err(|error| bad(error.to_string()))?;
        let mut prices = [0.0; 5];
        for (price, value) in prices.iter_mut().zip(raw.values) {
            *price = number_of(value).ok_or_else(|| bad(format!("`{value}` is no number")))?;
        }
        let bar = Bar::new(prices).map_err(|error| bad(error.to_string()))?;
        found.push(TimedBar { ts, bar });
    }
    found.dedup_by(|later, earlier| {
        let same = later.ts == earlier.ts;
        if same {
            *earlier = *later;
        }
        same
    });
    if found.first().map(|bar| bar.ts) > found.last().map(|bar| bar.ts) {
        found.reverse();
    }
    if let Some(pair) = found.windows(2).find(|pair| pair[0].ts > pair[1].ts) {
        return Err(Fault::malformed(format!(
            "rows out of order: {} and {}",
            pair[0].ts, pair[1].ts
        )));
    }
    found.retain(|bar| ask.window.contains(bar.ts));
    Ok(found)
}

/// One row before it is checked: when its bar opens, and open, high, low, close, base volume.
pub struct RawRow<'v> {
    /// Milliseconds since 1970.
    pub open_ms: i64,
    /// Numbers, or texts that hold numbers.
    pub values: [&'v Value; 5],
}

/// A decimal, as a number or as a text; nothing else.
fn number_of(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text)
            if text
                .bytes()
                .next()
                .is_some_and(|byte| byte.is_ascii_digit() || b"-.".contains(&byte)) =>
        {
            text.parse().ok()
        }
        _ => None,
    }
}
