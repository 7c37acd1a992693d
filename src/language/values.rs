//! Values that have a name: prices, the clock of the slot, and what the ledger knows.

use super::term::{Exact, Unit};
use crate::domain::{
    bar::{Bar, TimedBar},
    time::{DAY_MS, SlotTs},
};

/// What the reference says of a value.
#[derive(Debug, Clone, Copy)]
pub(super) struct ValueRow {
    pub(super) name: &'static str,
    pub(super) meaning: &'static str,
    pub(super) unit: Unit,
    pub(super) exact: Exact,
}

macro_rules! values {
    ($(#[$doc:meta])* $see:vis $type:ident { $($(#[$each:meta])* $value:ident $name:literal $unit:ident $exact:ident $meaning:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        $see enum $type {
            $($(#[$each])* $value,)*
        }

        impl $type {
            /// Every one.
            pub(super) const ALL: &[Self] = &[$(Self::$value),*];

            /// Its row in the reference.
            pub(super) const fn row(self) -> ValueRow {
                match self {
                    $(Self::$value => ValueRow {
                        name: $name,
                        meaning: $meaning,
                        unit: Unit::$unit,
                        exact: Exact::$exact,
                    },)*
                }
            }

            /// The one of this name.
            pub(super) fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.row().name == name)
            }
        }
    };
}

values! {
    /// What a bar has.
    pub(super) Price {
        Open "open" PRICE Taken "first price of the bar";
        High "high" PRICE Taken "highest price of the bar";
        Low "low" PRICE Taken "lowest price of the bar";
        Close "close" PRICE Taken "last price of the bar";
        Volume "volume" VOLUME Taken "volume of the bar, in the base currency";
        Hl2 "hl2" PRICE No "(high + low) / 2";
        Hlc3 "hlc3" PRICE No "(high + low + close) / 3";
        Ohlc4 "ohlc4" PRICE No "(open + high + low + close) / 4";
    }
}

values! {
    /// The clock of the slot, UTC, at the close of its bar.
    pub(super) Clock {
        Hour "hour" PURE Whole "hour of the close, UTC, 0 to 23";
        Minute "minute" PURE Whole "minute of the close, 0 to 59";
        Weekday "weekday" PURE Whole "day of the week of the close, UTC: Monday is 1, Sunday 7";
    }
}

values! {
    /// What is known at a slot and has no history: the position, the account, the score of the model.
    pub SlotValue {
        /// The side held.
        Held "held" PURE Whole "1 in a long, -1 in a short position, 0 when flat";
        /// The entry price.
        EntryPx "entry_px" PRICE Taken "the price the position was entered at";
        /// The best price since entry.
        BestPx "best_px" PRICE Taken "the best price since entry: the highest high of a long, the lowest low of a short position";
        /// Slots since entry.
        BarsHeld "bars_held" PURE Whole "slots of the grid since the slot of the entry";
        /// Result per unit.
        Profit "profit" PRICE No "close - entry_px, in a short position entry_px - close; without fees";
        /// Result in percent.
        ProfitPct "profit_pct" PURE No "profit in percent of entry_px";
        /// Result in first stop distances.
        ProfitR "profit_r" PURE No "profit in distances of the first stop: the smaller of stop and trail at entry";
        /// Slots since the last exit.
        BarsSinceExit "bars_since_exit" PURE Whole "slots since the last position was left, at most 10000; 10000 before the first exit";
        /// Stops in a row.
        StopsInARow "stops_in_a_row" PURE Whole "positions that ended at a stop, without another end in between";
        /// The account.
        Equity "equity" PURE No "the equity of this row, in the quote currency";
        /// The model's score.
        Score "score" PURE No "the score of the model: the column in millions, so that 0.2 is a column of 200000";
        /// The score the model trades from.
        Threshold "threshold" PURE No "the score from which the model trades: what was chosen for it in training, or strategy.model.enter";
    }
}

impl Price {
    /// Its value in a bar.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a loop over a column is compiled for one price")]
    pub(super) fn of(self, bar: &Bar) -> f64 {
        match self {
            Self::Open => bar.open(),
            Self::High => bar.high(),
            Self::Low => bar.low(),
            Self::Close => bar.close(),
            Self::Volume => bar.volume(),
            Self::Hl2 => f64::midpoint(bar.high(), bar.low()),
            Self::Hlc3 => (bar.high() + bar.low() + bar.close()) / 3.0,
            Self::Ohlc4 => (bar.open() + bar.high() + bar.low() + bar.close()) / 4.0,
        }
    }
}

impl Price {
    /// Its values in bars.
    pub(super) fn column(self, bars: &[TimedBar], out: &mut [f64]) {
        macro_rules! each {
            ($($price:ident)*) => {
                match self {
                    $(Self::$price => for (out, bar) in out.iter_mut().zip(bars) {
                        *out = Self::$price.of(&bar.bar);
                    })*
                }
            };
        }
        each!(Open High Low Close Volume Hl2 Hlc3 Ohlc4);
    }
}

impl Clock {
    /// Its value at a slot.
    #[inline(always)]
    pub(super) fn of(self, ts: SlotTs) -> f64 {
        const DAY: u64 = DAY_MS.unsigned_abs();
        const MINUTE: u64 = 60_000;
        // A slot is behind 1970.
        let ms = ts.ts_ms().unsigned_abs();
        let value = match self {
            Self::Hour => ms % DAY / (60 * MINUTE),
            Self::Minute => ms / MINUTE % 60,
            // 1970-01-01 was a Thursday.
            Self::Weekday => (ms / DAY + 3) % 7 + 1,
        };
        // The conversion of so small a number is one instruction.
        f64::from(value as u32)
    }

    /// Its values at the closes of bars.
    pub(super) fn column(self, bars: &[TimedBar], out: &mut [f64]) {
        macro_rules! each {
            ($($clock:ident)*) => {
                match self {
                    $(Self::$clock => for (out, bar) in out.iter_mut().zip(bars) {
                        *out = Self::$clock.of(bar.ts);
                    })*
                }
            };
        }
        each!(Hour Minute Weekday);
    }
}

impl SlotValue {
    /// Whether an entry rule may read it: without a position the others have no value.
    pub(super) const fn in_entries(self) -> bool {
        match self {
            Self::Held
            | Self::BarsSinceExit
            | Self::StopsInARow
            | Self::Equity
            | Self::Score
            | Self::Threshold => true,
            Self::EntryPx
            | Self::BestPx
            | Self::BarsHeld
            | Self::Profit
            | Self::ProfitPct
            | Self::ProfitR => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::{Timeframe, UtcMs};

    #[test]
    fn the_clock_is_that_of_the_close() {
        for (time, expected) in [
            ("2024-01-01T00:05:00Z", [0.0, 5.0, 1.0]),
            ("2024-01-07T23:55:00Z", [23.0, 55.0, 7.0]),
            ("2024-01-08T00:00:00Z", [0.0, 0.0, 1.0]),
        ] {
            let ts = Timeframe::M5.slot(time.parse::<UtcMs>().unwrap().get()).unwrap();
            assert_eq!([Clock::Hour, Clock::Minute, Clock::Weekday].map(|c| c.of(ts)), expected);
        }
    }

    #[test]
    fn prices_are_those_of_the_bar() {
        let bar = Bar::new([2.0, 6.0, 1.0, 5.0, 9.0]).unwrap();
        let got: Vec<f64> = Price::ALL.iter().map(|price| price.of(&bar)).collect();
        assert_eq!(got, [2.0, 6.0, 1.0, 5.0, 9.0, 3.5, 4.0, 3.5]);
        assert_eq!(Price::named("hlc3"), Some(Price::Hlc3));
        assert_eq!(Price::named("hlc"), None);
    }
}
