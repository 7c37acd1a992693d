//! Trade events: the opening and the closing of a position.

use std::fmt;

use xxhash_rust::xxh3::xxh3_64;

use super::{
    decision::{Reason, Side},
    money::{Money, Price, Qty},
    series::Series,
    time::SlotTs,
};

/// Names one logical trade; the same everywhere, since it is derived from the series, the entry slot and the side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TradeId(u64);

impl TradeId {
    /// The id of the trade entered at `entry` on `side`.
    pub fn derive(series: &Series, entry: SlotTs, side: Side) -> Self {
        Self(xxh3_64(format!("{series} {} {}", entry.ts_ms(), side.name()).as_bytes()))
    }
}

impl fmt::Display for TradeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Why a position was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CloseReason {
    /// The stop was touched.
    StopHit,
    /// The bar opened beyond the stop.
    StopGap,
    /// The target was touched.
    TargetHit,
    /// The strategy's exit rule.
    ExitSignal,
    /// The strategy entered the other side.
    Reversal,
    /// An operator's order.
    KillSwitch,
    /// The backtest ended.
    EndOfWindow,
}

impl CloseReason {
    pub const ALL: [Self; 7] = [
        Self::StopHit,
        Self::StopGap,
        Self::TargetHit,
        Self::ExitSignal,
        Self::Reversal,
        Self::KillSwitch,
        Self::EndOfWindow,
    ];

    /// How it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::StopHit => "stop_hit",
            Self::StopGap => "stop_gap",
            Self::TargetHit => "target_hit",
            Self::ExitSignal => "exit_signal",
            Self::Reversal => "reversal",
            Self::KillSwitch => "kill_switch",
            Self::EndOfWindow => "end_of_window",
        }
    }

    /// Whether it was a stop, at whatever price.
    pub const fn is_stop(self) -> bool {
        matches!(self, Self::StopHit | Self::StopGap)
    }
}

/// What happened to the position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Opened, by this entry rule.
    Open(Reason),
    /// Closed, for this reason.
    Close(CloseReason),
}

impl Event {
    /// The `event` column.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open(_) => "open",
            Self::Close(_) => "close",
        }
    }

    /// The `reason` column.
    pub const fn reason(&self) -> &str {
        match self {
            Self::Open(rule) => rule.as_str(),
            Self::Close(reason) => reason.name(),
        }
    }
}

/// One row of `trades.csv`, without the columns that name the series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TradeEvent {
    /// The slot whose bar it happened in.
    pub ts: SlotTs,
    /// The slot whose bar the position was entered in; with the side it names the trade.
    pub entry: SlotTs,
    pub event: Event,
    /// Side of the position.
    pub side: Side,
    /// Price paid, slippage included.
    pub price: Price,
    /// Quantity.
    pub qty: Qty,
    /// Fee of this event.
    pub fee: Money,
    /// Net result: minus the fee on opening; gross result minus the closing fee on closing.
    pub pnl: Money,
    /// Stop and target lay inside one bar; the stop was taken.
    pub ambiguous: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timeframe;

    #[test]
    fn a_trade_id_is_the_same_everywhere_and_differs_by_side_and_slot() {
        let series =
            Series::new("binance".parse().unwrap(), "BTC/USDT".parse().unwrap(), Timeframe::M5);
        let slot = Timeframe::M5.slot(1_679_270_400_000).unwrap();
        let id = TradeId::derive(&series, slot, Side::Long);
        assert_eq!(id.to_string().len(), 16);
        assert_eq!(id, TradeId::derive(&series, slot, Side::Long));
        assert_ne!(id, TradeId::derive(&series, slot, Side::Short));
        assert_ne!(id, TradeId::derive(&series, slot.next(), Side::Long));
    }
}
