//! What every venue's answer is checked for, what can be wrong with it, and numbers as venues write them, read strictly: what is not plainly
//! a number is none.

use std::fmt::Display;

use serde_json::Value;
use thiserror::Error;

use super::page_request::PageRequest;
use crate::domain::{
    bar::{BadRow, Bar, Shown, TimedBar},
    time::{SlotTs, UtcMs},
};

/// Rows below which any share of them may be wrong: a request for one slot gets one row.
const FEW_ROWS: usize = 10;
/// Longest part of an answer that is quoted in a message, in characters.
const QUOTED_MAX: usize = 120;

/// What can be done about a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultClass {
    /// It may pass by itself: ask again, ever more slowly.
    Transient,
    /// Asked too often: no request before the pause is over.
    Throttled,
    /// Shut out for a long time: asking on makes it longer.
    Banned,
    /// The question is wrong, such as an unknown symbol, in the venue's own words: asking again cannot help.
    Config,
    /// Refused without the venue's own words, as a captive portal or a proxy refuses too: it may pass.
    Refused,
    /// The answer is not in the venue's format.
    Malformed,
}

/// Why an answer has no bars.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{why}")]
pub struct AnswerFault {
    /// What can be done about it.
    pub class: FaultClass,
    /// What was wrong, in the venue's words where it gave any.
    pub why: String,
}

impl AnswerFault {
    pub fn new(class: FaultClass, why: impl Into<String>) -> Self {
        Self { class, why: why.into() }
    }

    /// An answer in a foreign format.
    pub fn malformed(why: impl Into<String>) -> Self {
        Self::new(FaultClass::Malformed, why)
    }
}

/// The body as JSON.
pub fn json(body: &[u8]) -> Result<Value, AnswerFault> {
    serde_json::from_slice(body)
        .map_err(|error| AnswerFault::malformed(format!("not JSON ({error}): {}", quote(body))))
}

/// The beginning of a body, fit for a message.
pub fn quote(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * QUOTED_MAX)]);
    let short: String = text.escape_debug().take(QUOTED_MAX).collect();
    format!("`{short}`{}", if body.len() > QUOTED_MAX { "..." } else { "" })
}

/// What a status alone says; a venue's own words and codes come first.
pub fn fault_of_status(status: u16, body: &[u8]) -> AnswerFault {
    let class = match status {
        // A success without bars.
        200..=299 => FaultClass::Malformed,
        429 => FaultClass::Throttled,
        418 => FaultClass::Banned,
        408 | 425 | 500..=599 => FaultClass::Transient,
        _ => FaultClass::Refused,
    };
    AnswerFault::new(class, format!("HTTP {status}: {}", quote(body)))
}

/// A venue's refusal in its own format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VenueRefusal {
    /// What can be done about it; `None` for a code that we do not know.
    pub class: Option<FaultClass>,
    /// The venue's code and words.
    pub words: String,
}

impl VenueRefusal {
    /// A code, and the words that stand beside it under `key`.
    pub fn of_code(
        class: Option<FaultClass>,
        code: impl Display,
        answer: &Value,
        key: &str,
    ) -> Self {
        let said = answer.get(key).and_then(Value::as_str).unwrap_or_default();
        Self { class, words: format!("{code} {said}") }
    }
}

/// The JSON of an answer that is not a refusal. What the venue says, as `refusal` reads it, comes before what the status says.
/// An unknown refusal that came with status 200 may pass by itself.
pub fn accepted(
    status: u16,
    body: &[u8],
    refusal: impl Fn(&Value) -> Option<VenueRefusal>,
) -> Result<Value, AnswerFault> {
    let answer = json(body);
    if let Some(VenueRefusal { class, words }) = answer.as_ref().ok().and_then(refusal) {
        let fault = fault_of_status(status, words.as_bytes());
        let class = match (status, class) {
            // No code makes these two milder.
            (418 | 429, _) => fault.class,
            (_, Some(class)) => class,
            (200, None) => FaultClass::Transient,
            // Words without a code: with these statuses they are about the question. Others a gateway says in the same form.
            (400 | 404 | 422 | 451, None) => FaultClass::Config,
            (_, None) => fault.class,
        };
        return Err(AnswerFault::new(class, fault.why));
    }
    if status == 200 { answer } else { Err(fault_of_status(status, body)) }
}

/// The list at `pointer` (RFC 6901, empty for the whole answer), where the venue's format has its rows.
pub fn rows<'v>(answer: &'v Value, pointer: &str) -> Result<&'v [Value], AnswerFault> {
    answer.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).ok_or_else(|| {
        AnswerFault::malformed(format!(
            "the list of rows is missing at `{pointer}`: {}",
            quote(answer.to_string().as_bytes())
        ))
    })
}

/// Refuses an answer about something else than was asked.
pub fn same(answer: &Value, pointer: &str, asked: &str) -> Result<(), AnswerFault> {
    match answer.pointer(pointer) {
        Some(Value::String(found)) if found == asked => Ok(()),
        found => Err(AnswerFault::malformed(format!(
            "`{pointer}` is {}, not `{asked}`",
            found.map_or_else(|| "absent".to_owned(), |found| quote(found.to_string().as_bytes()))
        ))),
    }
}

/// In which order a venue sends its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BarOrder {
    /// Ascending.
    OldestFirst,
    /// Descending.
    NewestFirst,
}

impl BarOrder {
    /// Whether row `number`, from 1, has the place of the newest one.
    fn is_newest(self, number: u32, rows: usize) -> bool {
        match self {
            Self::OldestFirst => number as usize == rows,
            Self::NewestFirst => number == 1,
        }
    }

    fn holds(self, earlier: SlotTs, later: SlotTs) -> bool {
        match self {
            Self::OldestFirst => earlier < later,
            Self::NewestFirst => earlier > later,
        }
    }
}

/// One row before it is checked: when its bar opens, and open, high, low, close, base volume.
pub struct AnswerRow<'v> {
    /// Milliseconds since 1970.
    pub open_ms: i64,
    /// Numbers, or texts that hold numbers.
    pub values: [&'v Value; 5],
}

/// What rows that came in `order` show, oldest first, nothing outside the page. Of rows with one stamp, which must be
/// neighbours, the one received last wins. `row` finds the fields; it refuses a row of another length, since then the
/// fields may have moved.
///
/// A row that is not a bar, or not in its place, is left out and named, and the others count. Where hardly a row is right, the
/// format is another one than we know, and the answer is refused as a whole.
pub fn bars<'v>(
    page: &PageRequest,
    order: BarOrder,
    rows: &'v [Value],
    row: impl Fn(&'v Value) -> Option<AnswerRow<'v>>,
) -> Result<Shown, AnswerFault> {
    let mut shown = Shown { bars: Vec::with_capacity(rows.len()), bad: Vec::new() };
    let (mut newest, mut off_grid, mut readable) = (None, 0, 0);
    // By its place the newest row is the one that is forming, of which nothing is judged, though its stamp cannot be read.
    let mut forming = None;
    for (value, number) in rows.iter().zip(1_u32..) {
        let mut leave_out = |ts: Option<SlotTs>, why: String| {
            let row = quote(value.to_string().as_bytes());
            shown.bad.push(BadRow { ts, why: format!("row {number}: {why}: {row}") });
        };
        let Some(raw) = row(value) else {
            leave_out(None, "not in the format of this venue".to_owned());
            forming = forming.or(order.is_newest(number, rows.len()).then(|| shown.bad.len() - 1));
            continue;
        };
        readable += 1;
        let ts = match slot_of(page, raw.open_ms) {
            Stamp::On(ts) => ts,
            Stamp::Off(ts, why) => {
                off_grid += 1;
                leave_out(Some(ts), why);
                continue;
            }
            Stamp::Impossible(why) => {
                leave_out(None, why);
                continue;
            }
        };
        // Some venues send rows around the page; they say nothing about those in it.
        if !page.window.contains(ts) {
            continue;
        }
        let is_again = newest == Some(ts);
        if let Some(newest) = newest.filter(|newest| !is_again && !order.holds(*newest, ts)) {
            leave_out(Some(ts), format!("out of order: {ts} after {newest}"));
            continue;
        }
        newest = Some(ts);
        if is_again && shown.bars.last().is_some_and(|last| last.ts == ts) {
            shown.bars.pop();
        }
        match bar_of(&raw) {
            Ok(bar) => shown.bars.push(TimedBar { ts, bar }),
            Err(why) => leave_out(Some(ts), why),
        }
    }
    let wrong = shown.bad.len() - off_grid;
    if let Some(first) = shown.bad.first()
        && (readable == 0 || rows.len() >= FEW_ROWS && wrong > rows.len() / 2)
    {
        return Err(AnswerFault::malformed(first.why.clone()));
    }
    forming.map(|at| shown.bad.remove(at));
    if order == BarOrder::NewestFirst {
        shown.bars.reverse();
        shown.bad.reverse();
    }
    shown.bad.retain(|row| row.ts.is_none_or(|ts| page.window.contains(ts)));
    Ok(shown)
}

/// What the stamp of a row says.
enum Stamp {
    On(SlotTs),
    /// Inside this slot, and not where it opens.
    Off(SlotTs, String),
    /// No time of any market.
    Impossible(String),
}

fn slot_of(page: &PageRequest, open_ms: i64) -> Stamp {
    let timeframe = page.timeframe();
    let error = match timeframe.slot_of_open(open_ms) {
        Ok(ts) => return Stamp::On(ts),
        Err(error) => error.to_string(),
    };
    match UtcMs::new(open_ms).ok().and_then(|open| timeframe.last_closed(open)) {
        Some(before) => {
            let open = UtcMs::EPOCH.plus_ms(open_ms);
            Stamp::Off(before.next(), format!("off the grid of {timeframe}: it opens at {open}"))
        }
        None => Stamp::Impossible(error),
    }
}

fn bar_of(raw: &AnswerRow<'_>) -> Result<Bar, String> {
    let mut values = [0.0; 5];
    for (number, value) in values.iter_mut().zip(raw.values) {
        *number = decimal(value).ok_or_else(|| format!("`{value}` is not a number"))?;
    }
    Bar::new(values).map_err(|error| error.to_string())
}

/// A JSON number in any form, or a text of digits with at most one point between them: no exponent, sign of plus or blank.
pub fn decimal(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
            (is_digits(whole) && is_digits(part)).then(|| text.parse().ok())?
        }
        _ => None,
    }
}

/// A whole number that is not negative, as a number or as a text of digits.
pub fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().filter(|number| *number >= 0),
        Value::String(text) if is_digits(text) => text.parse().ok(),
        _ => None,
    }
}

/// Whole seconds, as milliseconds.
pub fn seconds(value: &Value) -> Option<i64> {
    whole(value)?.checked_mul(1000)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_status_alone_has_a_class() {
        for (status, class) in [
            (200, FaultClass::Malformed),
            (204, FaultClass::Malformed),
            (301, FaultClass::Refused),
            (400, FaultClass::Refused),
            (404, FaultClass::Refused),
            (408, FaultClass::Transient),
            (418, FaultClass::Banned),
            (429, FaultClass::Throttled),
            (451, FaultClass::Refused),
            (502, FaultClass::Transient),
            (520, FaultClass::Transient),
            (530, FaultClass::Transient),
        ] {
            assert_eq!(fault_of_status(status, b"").class, class, "{status}");
        }
    }

    #[test]
    fn numbers_are_digits_with_at_most_one_point() {
        for (text, number) in [
            ("1", 1.0),
            ("0", 0.0),
            ("-0.0", 0.0),
            ("-1.5", -1.5),
            ("007.250", 7.25),
            ("0.00000001", 1e-8),
            ("0.1000000000000000055511151231257827", 0.1),
            ("9007199254740993", 9_007_199_254_740_992.0),
        ] {
            assert_eq!(decimal(&json!(text)), Some(number), "{text}");
        }
        for text in [
            "", ".", "-", "-.5", ".5", "5.", "+1", "1e5", "1E5", "inf", "-inf", "NaN", "nan",
            "0x1", " 1", "1 ", "1\n", "1,5", "1.2.3", "1_000", "--1", "١",
        ] {
            assert_eq!(decimal(&json!(text)), None, "{text:?}");
        }
        assert_eq!(decimal(&json!(1.5e3)), Some(1500.0));
        for foreign in [json!(null), json!(true), json!([1]), json!({"a": 1})] {
            assert_eq!(decimal(&foreign), None, "{foreign}");
        }
    }

    #[test]
    fn stamps_are_whole_numbers_that_are_not_negative() {
        assert_eq!(whole(&json!(1_762_819_200)), Some(1_762_819_200));
        assert_eq!(whole(&json!("1762819200")), Some(1_762_819_200));
        assert_eq!(seconds(&json!("1762819200")), Some(1_762_819_200_000));
        for foreign in
            [json!(-1), json!(1.0), json!("-1"), json!("1.0"), json!(" 1"), json!(""), json!(null)]
        {
            assert_eq!(whole(&foreign), None, "{foreign}");
        }
        assert_eq!(seconds(&json!(i64::MAX)), None);
        assert_eq!(whole(&json!(u64::MAX)), None);
    }
}
