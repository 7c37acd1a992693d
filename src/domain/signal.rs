//! What a program outside says about a slot: a side, from a time on, and why.

use thiserror::Error;

use super::time::{SlotTs, TimeError, Timeframe};

/// First line of a program's file, where it has one.
pub const SIGNAL_LINE_HEADER: &str = "ts_ms,side,reason";
/// Longest reason kept, in characters.
const REASON_MAX: usize = 200;

/// The side that a program asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalSide {
    Long,
    Short,
    Flat,
}

impl SignalSide {
    /// Every one of them.
    pub const ALL: [Self; 3] = [Self::Long, Self::Short, Self::Flat];

    /// How it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Long => "long",
            Self::Short => "short",
            Self::Flat => "flat",
        }
    }

    /// What a rule reads.
    pub const fn value(self) -> f64 {
        match self {
            Self::Long => 1.0,
            Self::Short => -1.0,
            Self::Flat => 0.0,
        }
    }

    /// The side that is written so.
    pub fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|side| side.name() == text)
    }
}

/// One line of a program: it speaks from `ts` on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalLine {
    /// The first slot it is about.
    pub ts: SlotTs,
    pub side: SignalSide,
    /// For people: one line without commas and quotes.
    pub reason: String,
}

/// Why a line of a program is not one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SignalLineError {
    /// What stands where its time should be.
    #[error("`{0}` is not a time in whole milliseconds")]
    Time(String),
    /// Its time is not a slot.
    #[error(transparent)]
    Slot(#[from] TimeError),
    /// What stands where its side should be.
    #[error("`{0}` is not long, short or flat")]
    Side(String),
}

impl SignalLine {
    /// Reads `ts_ms,side,reason`; the reason may hold commas, or be left out.
    pub fn parse(text: &str, timeframe: Timeframe) -> Result<Self, SignalLineError> {
        let shown = |text: &str| -> String { text.escape_debug().take(60).collect() };
        let mut fields = text.splitn(3, ',').map(str::trim);
        let (ts_ms, side) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        let ts_ms: i64 = ts_ms.parse().map_err(|_| SignalLineError::Time(shown(ts_ms)))?;
        let ts = timeframe.slot(ts_ms)?;
        let side = SignalSide::named(side).ok_or_else(|| SignalLineError::Side(shown(side)))?;
        let plain = |c: char| if c.is_control() || c == ',' || c == '"' { ' ' } else { c };
        let reason: String =
            fields.next().unwrap_or_default().chars().map(plain).take(REASON_MAX).collect();
        Ok(Self { ts, side, reason: reason.trim().to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_slot_a_side_and_a_reason() {
        let parse = |text: &str| {
            let line = SignalLine::parse(text, Timeframe::M5).map_err(|error| error.to_string())?;
            Ok::<_, String>((line.ts.ts_ms(), line.side.value(), line.reason))
        };
        let good = |ts, side, reason: &str| Ok((ts, side, reason.to_owned()));
        assert_eq!(parse("600000,long,above"), good(600_000, 1.0, "above"));
        assert_eq!(parse(" 600000 , short , a, \"b\"\r"), good(600_000, -1.0, "a   b"));
        assert_eq!(parse("900000,flat"), good(900_000, 0.0, ""));
        for (text, why) in [
            ("600001,long,x", "600001"),
            ("12:00,long,x", "`12:00` is not a time in whole milliseconds"),
            ("600000,up,x", "`up` is not long, short or flat"),
            ("600000,Long,x", "`Long` is not long, short or flat"),
            ("600000", "`` is not long, short or flat"),
            ("", "`` is not a time in whole milliseconds"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        let long = SignalLine::parse(&format!("600000,flat,{}", "x".repeat(500)), Timeframe::M5);
        assert_eq!(long.unwrap().reason.len(), 200);
    }
}
