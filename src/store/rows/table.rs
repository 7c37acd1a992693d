//! CSV files of our own: numbers as text, rows written and split, a fixed header, no quotes.

use std::{io::Write, path::Path};

use rust_decimal::Decimal;

use super::signals::Timing;
use crate::{
    domain::{
        decision::{Decision, Side, TradeEvent, TradeId},
        series::Series,
        time::{SlotTs, Timeframe, UtcMs},
    },
    store::{error::StoreError, ledger::foreign},
};

/// The columns of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fields<'a, const N: usize> {
    line: &'a str,
    ends: [u16; N],
}

impl<'a, const N: usize> Fields<'a, N> {
    /// Splits a line at its commas; an error is the number of columns found.
    fn split(line: &'a str) -> Result<Self, usize> {
        let mut ends = [0_u16; N];
        let mut found = 0;
        if line.len() >= usize::from(u16::MAX) {
            return Err(line.split(',').count());
        }
        for (at, byte) in line.bytes().enumerate() {
            if byte == b',' {
                if found + 1 >= N {
                    return Err(line.split(',').count());
                }
                ends[found] = at as u16;
                found += 1;
            }
        }
        if found + 1 != N {
            return Err(found + 1);
        }
        ends[found] = line.len() as u16;
        Ok(Self { line, ends })
    }

    /// The whole line, without its newline.
    pub const fn line(&self) -> &'a str {
        self.line
    }

    /// Column `n`, from 0.
    pub fn field(&self, n: usize) -> &'a str {
        let start = if n == 0 { 0 } else { usize::from(self.ends[n - 1]) + 1 };
        &self.line[start..usize::from(self.ends[n])]
    }
}

/// A line, and where it stands.
#[derive(Debug, Clone, Copy)]
pub struct TableRow<'a, 'p, const N: usize> {
    fields: Fields<'a, N>,
    number: u64,
    path: &'p Path,
}

impl<'a, const N: usize> TableRow<'a, '_, N> {
    /// Its columns.
    pub const fn fields(&self) -> Fields<'a, N> {
        self.fields
    }

    /// Column `n`, from 0.
    pub fn field(&self, n: usize) -> &'a str {
        self.fields.field(n)
    }

    /// An error that names this line.
    pub fn damaged(&self, reason: impl Into<String>) -> StoreError {
        StoreError::damaged(self.path, self.number, reason)
    }

    fn wrong(&self, n: usize, what: &str) -> StoreError {
        let text: String = self.field(n).escape_debug().take(100).collect();
        self.damaged(format!("column {}: `{text}` is not {what}", n + 1))
    }

    /// Column `n` as a whole number.
    pub fn int(&self, n: usize) -> Result<i64, StoreError> {
        self.field(n).parse().map_err(|_| self.wrong(n, "a whole number"))
    }

    /// Column `n` as a finite number.
    pub fn float(&self, n: usize) -> Result<f64, StoreError> {
        let value = self.field(n).parse::<f64>().ok().filter(|value| value.is_finite());
        value.ok_or_else(|| self.wrong(n, "a number"))
    }

    /// Column `n` as an exact decimal.
    pub fn decimal(&self, n: usize) -> Result<Decimal, StoreError> {
        self.field(n).parse().map_err(|_| self.wrong(n, "a decimal"))
    }

    /// Column `n` as a hash.
    pub fn hash(&self, n: usize) -> Result<u64, StoreError> {
        parse_hash(self.field(n)).ok_or_else(|| self.wrong(n, "16 hex digits"))
    }

    /// Column `n` as a slot.
    pub fn slot(&self, n: usize, timeframe: Timeframe) -> Result<SlotTs, StoreError> {
        timeframe.slot(self.int(n)?).map_err(|error| self.damaged(error.to_string()))
    }

    /// Column `n` as an instant.
    pub fn instant(&self, n: usize) -> Result<UtcMs, StoreError> {
        UtcMs::new(self.int(n)?).map_err(|error| self.damaged(error.to_string()))
    }

    /// What `parse` finds in column `n`, or an error saying it is not `what`.
    pub fn one_of<T>(
        &self,
        n: usize,
        what: &str,
        parse: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<T, StoreError> {
        parse(self.field(n)).ok_or_else(|| self.wrong(n, what))
    }

    /// `None` when column `n` is empty, else what `read` makes of it.
    pub fn optional<T>(
        &self,
        n: usize,
        read: impl FnOnce(&Self, usize) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        if self.field(n).is_empty() { Ok(None) } else { read(self, n).map(Some) }
    }
}

/// The rows after the header. Bytes after the last newline are ignored; a file without a whole line has no rows.
pub fn rows<'a, 'p, const N: usize>(
    bytes: &'a [u8],
    header: &str,
    path: &'p Path,
) -> Result<
    impl Iterator<Item = Result<TableRow<'a, 'p, N>, StoreError>> + use<'a, 'p, N>,
    StoreError,
> {
    let after = match bytes.iter().position(|byte| *byte == b'\n') {
        None => &[],
        Some(end) if bytes[..end] == *header.as_bytes() => &bytes[end + 1..],
        Some(_) => return Err(foreign(path, header, bytes)),
    };
    lines(after, 2, path)
}

/// The rows of a piece of a file that begins with line `first`. Bytes after the last newline are ignored.
#[expect(clippy::naive_bytecount, reason = "only a damaged file is counted")]
pub fn lines<'a, 'p, const N: usize>(
    bytes: &'a [u8],
    first: u64,
    path: &'p Path,
) -> Result<
    impl Iterator<Item = Result<TableRow<'a, 'p, N>, StoreError>> + use<'a, 'p, N>,
    StoreError,
> {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let text = str::from_utf8(&bytes[..end]).map_err(|error| {
        let good = &bytes[..error.valid_up_to()];
        let before = good.iter().filter(|byte| **byte == b'\n').count() as u64;
        StoreError::damaged(path, first + before, "not UTF-8")
    })?;
    let lines = text.split_terminator('\n').zip(first..);
    Ok(lines.map(move |(line, number)| match Fields::split(line) {
        Ok(fields) => Ok(TableRow { fields, number, path }),
        Err(found) => {
            Err(StoreError::damaged(path, number, format!("{found} columns, expected {N}")))
        }
    }))
}

/// The columns that name the series, rendered once: `binance,BTC/USDT,5m,`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesPrefix(Vec<u8>);

impl SeriesPrefix {
    /// Of one series.
    pub fn new(series: &Series) -> Self {
        let text = format!("{},{},{},", series.exchange(), series.symbol(), series.timeframe());
        Self(text.into_bytes())
    }

    /// As text, with the comma at the end.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).expect("it was made from text")
    }
}

/// Appends one row of `decisions.csv`.
pub fn push_decision(out: &mut Vec<u8>, prefix: &SeriesPrefix, decision: &Decision) {
    out.extend_from_slice(&prefix.0);
    push_int(out, decision.ts.ts_ms());
    push_text(out, decision.action.name());
    // A reason was a text before: a row for every slot need not ask again whether it is one.
    push_bytes(out, decision.reason.as_bytes());
    push_text(out, decision.blocked_by.map_or("", |block| block.name()));
    out.push(b',');
    if let Some(score) = decision.score {
        push_int(out, score);
    }
    push_text(out, decision.position.map_or("flat", Side::name));
    out.push(b',');
    if let Some(close) = decision.close {
        push_float(out, close);
    }
    for price in [decision.entry_px, decision.stop_px] {
        out.push(b',');
        if let Some(price) = price {
            push_decimal(out, price.get());
        }
    }
    out.push(b',');
    push_decimal(out, decision.equity.get());
    push_text(out, decision.risk_state.name());
    for hash in [decision.bar_hash, decision.feat_hash, Some(decision.state_hash)] {
        out.push(b',');
        if let Some(hash) = hash {
            push_hash(out, hash);
        }
    }
    out.push(b'\n');
}

/// Appends one row of `trades.csv`.
pub fn push_trade(out: &mut Vec<u8>, prefix: &SeriesPrefix, series: &Series, trade: &TradeEvent) {
    out.extend_from_slice(&prefix.0);
    push_int(out, trade.ts.ts_ms());
    push_text(out, &TradeId::derive(series, trade.entry, trade.side).to_string());
    push_text(out, trade.event.name());
    push_text(out, trade.side.name());
    let TradeEvent { price, qty, fee, pnl, .. } = trade;
    for value in [price.get(), qty.get(), fee.get(), pnl.get()] {
        out.push(b',');
        push_decimal(out, value);
    }
    push_text(out, trade.event.reason());
    out.extend_from_slice(if trade.ambiguous { b",1\n" } else { b",0\n" });
}

/// Appends one row of `timing.csv`.
pub fn push_timing(out: &mut Vec<u8>, timing: &Timing) {
    push_int(out, timing.ts.ts_ms());
    push_text(out, timing.origin.name());
    out.push(b',');
    push_int(out, timing.seen_at.get());
    out.push(b',');
    push_int(out, timing.late_ms);
    push_text(out, timing.run_id.as_str());
    out.push(b'\n');
}

/// Appends a comma and a text that is known to need no quotes.
fn push_text(out: &mut Vec<u8>, text: &str) {
    push_bytes(out, text.as_bytes());
}

fn push_bytes(out: &mut Vec<u8>, text: &[u8]) {
    debug_assert!(
        !text.iter().any(|byte| matches!(byte, b'"' | b',' | b'\n' | b'\r')),
        "text of ours needs no quotes"
    );
    out.push(b',');
    out.extend_from_slice(text);
}

/// Appends an integer.
pub fn push_int(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends a finite float: shortest round-trip digits, no exponent, whole numbers without a point.
pub fn push_float(out: &mut Vec<u8>, value: f64) {
    if let Some((digits, places)) = short(value) {
        return push_digits(out, false, itoa::Buffer::new().format(digits), places);
    }
    let mut buffer = ryu::Buffer::new();
    let text = buffer.format(value);
    let plain = value.is_finite() && !text.bytes().any(|byte| byte == b'e');
    if plain {
        out.extend_from_slice(text.strip_suffix(".0").unwrap_or(text).as_bytes());
    } else {
        write!(out, "{value}").expect("writing to a vector does not fail");
    }
}

/// The digits and places of a positive float that is the nearest to a decimal of few places, as prices are. A decimal of up to fifteen
/// digits is the only one that short for its float, so the one with the fewest places is the shortest form.
fn short(value: f64) -> Option<(u64, usize)> {
    const DIGITS_END: f64 = 1e15;
    const POWERS: [f64; 9] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8];
    if value.is_nan() || value <= 0.0 {
        return None;
    }
    for (places, power) in POWERS.into_iter().enumerate() {
        let scaled = value * power;
        if scaled >= DIGITS_END {
            return None;
        }
        let digits = (scaled + 0.5) as u64;
        let rounded = digits as f64;
        // What is further from a whole number than two roundings is not one: that spares a division for most.
        if (scaled - rounded).abs() <= scaled * (2.0 * f64::EPSILON) && rounded / power == value {
            return Some((digits, places));
        }
    }
    None
}

/// Appends a decimal without trailing zeros.
pub fn push_decimal(out: &mut Vec<u8>, value: Decimal) {
    let mut digits = value.mantissa().unsigned_abs();
    let mut places = value.scale() as usize;
    let Ok(mut small) = u64::try_from(digits) else {
        while places > 0 && digits.is_multiple_of(10) {
            digits /= 10;
            places -= 1;
        }
        return push_digits(
            out,
            value.is_sign_negative(),
            itoa::Buffer::new().format(digits),
            places,
        );
    };
    while places > 0 && small.is_multiple_of(10) {
        small /= 10;
        places -= 1;
    }
    let is_negative = value.is_sign_negative() && small != 0;
    push_digits(out, is_negative, itoa::Buffer::new().format(small), places);
}

fn push_digits(out: &mut Vec<u8>, is_negative: bool, digits: &str, places: usize) {
    if is_negative {
        out.push(b'-');
    }
    if places == 0 {
        out.extend_from_slice(digits.as_bytes());
    } else if digits.len() > places {
        let (whole, part) = digits.as_bytes().split_at(digits.len() - places);
        out.extend_from_slice(whole);
        out.push(b'.');
        out.extend_from_slice(part);
    } else {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + places - digits.len(), b'0');
        out.extend_from_slice(digits.as_bytes());
    }
}

/// Appends 16 hex digits.
pub fn push_hash(out: &mut Vec<u8>, hash: u64) {
    let mut text = [0_u8; 16];
    text[..8].copy_from_slice(&hex_digits(hash >> 32));
    text[8..].copy_from_slice(&hex_digits(hash & 0xffff_ffff));
    out.extend_from_slice(&text);
}

/// The eight digits of 32 bits, all at once: every row has three hashes.
const fn hex_digits(bits: u64) -> [u8; 8] {
    // Each nibble moves into a byte of its own.
    let mut nibbles = (bits | bits << 16) & 0x0000_ffff_0000_ffff;
    nibbles = (nibbles | nibbles << 8) & 0x00ff_00ff_00ff_00ff;
    nibbles = (nibbles | nibbles << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    // 1 in each byte above 9, where the letters begin.
    let letters = ((nibbles + 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101;
    let gap = (b'a' - b'0' - 10) as u64;
    (nibbles + 0x3030_3030_3030_3030 + letters * gap).to_be_bytes()
}

/// Reads back 16 hex digits, in exactly the form they are written.
pub fn parse_hash(text: &str) -> Option<u64> {
    let written = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (text.len() == 16 && text.bytes().all(written))
        .then(|| u64::from_str_radix(text, 16).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<[String; 3]>, String> {
        rows::<3>(bytes, "a,b,c", Path::new("f"))
            .and_then(|rows| {
                rows.map(|row| row.map(|row| std::array::from_fn(|n| row.field(n).to_owned())))
                    .collect()
            })
            .map_err(|error| error.to_string())
    }

    #[test]
    fn whole_lines_are_rows_and_the_rest_is_ignored() {
        assert_eq!(read(b"").unwrap().len(), 0);
        assert_eq!(read(b"a,b,c").unwrap().len(), 0);
        assert_eq!(read(b"a,b,c\n1,,3\n4,5").unwrap(), [["1", "", "3"].map(String::from)]);
        assert_eq!(read(b"a,b,c\n,,\n").unwrap(), [["", "", ""].map(String::from)]);
    }

    #[test]
    fn errors_name_the_line() {
        for (bytes, message) in [
            (&b"a,b\n"[..], "f:1: foreign header `a,b`, expected `a,b,c`"),
            (b"a,b,c\n1,2,3\n1,2\n", "f:3: 2 columns, expected 3"),
            (b"a,b,c\n1,2,3,4\n", "f:2: 4 columns, expected 3"),
            (b"a,b,c\n\n", "f:2: 1 columns, expected 3"),
            (b"a,b,c\n1,2,\xff\n", "f:2: not UTF-8"),
        ] {
            assert_eq!(read(bytes).unwrap_err(), message);
        }
    }

    fn text(push: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        push(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn floats_are_short_and_have_no_exponent() {
        for (value, expected) in [
            (27_344.11, "27344.11"),
            (5.0, "5"),
            (0.1, "0.1"),
            (1e-7, "0.0000001"),
            (1e21, "1000000000000000000000"),
            (0.0, "0"),
            (1e15, "1000000000000000"),
            (f64::from_bits(0x4304_D250_FD1F_7612), "732593102515906.2"),
        ] {
            assert_eq!(text(|out| push_float(out, value)), expected);
        }
    }

    proptest! {
        #[test]
        fn floats_come_back_in_the_shortest_form(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let written = text(|out| push_float(out, value));
            // Of two forms equally short and equally near, `{}` may choose the other one.
            prop_assert_eq!(written.len(), format!("{value}").len());
            prop_assert!(!written.contains(['e', 'E']));
            prop_assert_eq!(written.parse::<f64>().unwrap().to_bits(), bits);
        }

        #[test]
        fn decimals_print_as_their_normal_form(mantissa in -(1_i128 << 90)..(1_i128 << 90), small: i64, scale in 0_u32..=28) {
            for mantissa in [mantissa, i128::from(small), i128::from(small % 1000), 0] {
                let value = Decimal::from_i128_with_scale(mantissa, scale);
                prop_assert_eq!(text(|out| push_decimal(out, value)), value.normalize().to_string());
            }
        }

        #[test]
        fn hashes_come_back(hash: u64) {
            let written = text(|out| push_hash(out, hash));
            prop_assert_eq!(&written, &format!("{hash:016x}"));
            prop_assert_eq!(parse_hash(&written), Some(hash));
        }
    }
}
