//! What the engine concluded after one slot, or why it could not; and the trade events of it.

use std::fmt;

use xxhash_rust::xxh3::xxh3_64;

use super::{
    money::{Money, Price, Qty},
    series::Series,
    time::SlotTs,
};

/// The side of a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Gains when the price rises.
    Long,
    /// Gains when the price falls.
    Short,
}

impl Side {
    /// How it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Long => "long",
            Self::Short => "short",
        }
    }

    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Long => Self::Short,
            Self::Short => Self::Long,
        }
    }
}

/// The `decision` column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Evaluated; nothing to do.
    Hold,
    /// Enter, or reverse into, a position.
    Enter(Side),
    /// Leave the position.
    Exit,
    /// Could not evaluate; the reason says why.
    Skip,
}

impl Action {
    /// How it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Enter(Side::Long) => "enter_long",
            Self::Enter(Side::Short) => "enter_short",
            Self::Exit => "exit",
            Self::Skip => "skip",
        }
    }
}

/// Why a slot could not be evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SkipReason {
    /// Fewer bars than the warm-up length since the anchor.
    NotEnoughBars,
    /// A hole among the last bars.
    CadenceFailed,
    /// A feature is NaN or infinite.
    FeaturesInvalid,
    /// The bar could not be fetched before the deadline.
    FetchFailed,
    /// The bar could not be stored before the deadline.
    PersistFailed,
    /// The venue has later bars but not this one.
    BarMissing,
    /// Missed while the loop was down, with catch-up off.
    Downtime,
    /// Missed while the loop was down; an entry was suppressed.
    CatchupNoEntry,
    /// An operator's halt, or a tripped limit that halts.
    Halted,
}

impl SkipReason {
    pub const ALL: [Self; 9] = [
        Self::NotEnoughBars,
        Self::CadenceFailed,
        Self::FeaturesInvalid,
        Self::FetchFailed,
        Self::PersistFailed,
        Self::BarMissing,
        Self::Downtime,
        Self::CatchupNoEntry,
        Self::Halted,
    ];

    /// How it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotEnoughBars => "not_enough_bars",
            Self::CadenceFailed => "cadence_failed",
            Self::FeaturesInvalid => "features_invalid",
            Self::FetchFailed => "fetch_failed",
            Self::PersistFailed => "persist_failed",
            Self::BarMissing => "bar_missing",
            Self::Downtime => "downtime",
            Self::CatchupNoEntry => "catchup_no_entry",
            Self::Halted => "halted",
        }
    }
}

/// What hindered LIVE at a slot from outside the bars. A backtest takes it as an input, so that the comparison stays exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Degraded {
    /// No answer before the deadline; the bar may be delivered late.
    FetchFailed,
    /// The raw store refused the bar; it may be delivered late.
    PersistFailed,
    /// Later bars exist, this one does not.
    BarMissing,
    /// Down at the time, catch-up off.
    Downtime,
    /// Down at the time, catch-up observes only.
    CatchupNoEntry,
}

impl Degraded {
    /// The reason that stands in the row.
    pub const fn reason(self) -> SkipReason {
        match self {
            Self::FetchFailed => SkipReason::FetchFailed,
            Self::PersistFailed => SkipReason::PersistFailed,
            Self::BarMissing => SkipReason::BarMissing,
            Self::Downtime => SkipReason::Downtime,
            Self::CatchupNoEntry => SkipReason::CatchupNoEntry,
        }
    }

    /// The cause a recorded reason stands for; `None` for reasons the engine finds by itself.
    pub fn from_reason(reason: &str) -> Option<Self> {
        [
            Self::FetchFailed,
            Self::PersistFailed,
            Self::BarMissing,
            Self::Downtime,
            Self::CatchupNoEntry,
        ]
        .into_iter()
        .find(|cause| cause.reason().name() == reason)
    }

    /// Whether the slot's bar is held back and handed in late.
    pub const fn holds_bar_back(self) -> bool {
        matches!(self, Self::FetchFailed | Self::PersistFailed)
    }
}

/// The risk states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum RiskState {
    /// Everything allowed.
    #[default]
    Active,
    /// Exits only.
    Reducing,
    /// No decisions; stops still protect.
    Halted,
}

impl RiskState {
    /// How it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Reducing => "REDUCING",
            Self::Halted => "HALTED",
        }
    }
}

/// A limit that can block an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    /// Loss over the rolling last 24 hours. Latches.
    DailyLoss,
    /// Fall of the equity from its peak. Latches.
    Drawdown,
    /// Stops hit in a row. Latches.
    ConsecutiveStops,
    /// An operator's command. Latches.
    Operator,
    /// Entries in one UTC day. Free again the next day.
    TradesPerDay,
    /// Size of one position.
    MaxPosition,
    /// Equity of zero or less. Latches.
    Ruin,
}

/// The `blocked_by` column: who vetoed what the strategy wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Block {
    /// Too soon after a stop.
    Cooldown,
    Risk(Limit),
    /// More than the equity times the leverage.
    Cash,
    /// Less than any order is worth.
    Size,
    /// A catch-up that only observes. It vetoes the entry half of a reversal; the row must say so, or a replay would enter.
    CatchUp,
}

impl Block {
    /// How it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cooldown => "cooldown",
            Self::Risk(Limit::DailyLoss) => "risk:daily_loss",
            Self::Risk(Limit::Drawdown) => "risk:drawdown",
            Self::Risk(Limit::ConsecutiveStops) => "risk:consecutive_stops",
            Self::Risk(Limit::Operator) => "risk:operator",
            Self::Risk(Limit::TradesPerDay) => "risk:trades_per_day",
            Self::Risk(Limit::MaxPosition) => "risk:max_position",
            Self::Risk(Limit::Ruin) => "risk:ruin",
            Self::Cash => "cash",
            Self::Size => "size",
            Self::CatchUp => "catchup",
        }
    }
}

/// One row of `decisions.csv`, without the columns that name the series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decision {
    /// The slot (bar close).
    pub ts: SlotTs,
    pub action: Action,
    /// The rule that fired, or the skip reason.
    pub reason: Reason,
    /// Who vetoed it.
    pub blocked_by: Option<Block>,
    /// Score of a model strategy, in units of 1e-6.
    pub score: Option<i64>,
    /// Position after the slot.
    pub position: Option<Side>,
    /// Close of the bar; `None` without a bar.
    pub close: Option<f64>,
    /// Entry price, while in a position.
    pub entry_px: Option<Price>,
    /// Stop level, while in a position that has one.
    pub stop_px: Option<Price>,
    /// Equity, marked at the last known close.
    pub equity: Money,
    /// Risk state after the slot.
    pub risk_state: RiskState,
    /// Hash of the bars as seen; `None` without a bar.
    pub bar_hash: Option<u64>,
    /// Hash of the feature vector's bits; `None` when there is none.
    pub feat_hash: Option<u64>,
    /// Hash of the residual lifecycle state.
    pub state_hash: u64,
}

/// At most [`Reason::MAX`] bytes of text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reason {
    /// Zeros behind the text, so that the derived order is that of the texts.
    bytes: [u8; Self::MAX],
    len: u8,
}

impl Reason {
    /// The longest text, in bytes.
    pub const MAX: usize = 32;

    /// Of a text known when the program is built, at most [`Reason::MAX`] bytes.
    pub const fn new(text: &'static str) -> Self {
        match Self::of(text) {
            Some(reason) => reason,
            None => panic!("a reason has at most 32 bytes"),
        }
    }

    /// `None` where the text is too long.
    pub const fn of(text: &str) -> Option<Self> {
        let from = text.as_bytes();
        if from.len() > Self::MAX {
            return None;
        }
        let mut bytes = [0; Self::MAX];
        let mut at = 0;
        while at < from.len() {
            bytes[at] = from[at];
            at += 1;
        }
        Some(Self { bytes, len: from.len() as u8 })
    }

    /// The bytes of the text.
    pub const fn as_bytes(&self) -> &[u8] {
        self.bytes.split_at(self.len as usize).0
    }

    pub const fn as_str(&self) -> &str {
        match std::str::from_utf8(self.as_bytes()) {
            Ok(text) => text,
            Err(_) => panic!("it was copied from a text"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl PartialEq<&str> for Reason {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

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
    fn a_reason_is_its_text() {
        for text in ["", "golden", "a234567890123456789012345678901z", "müde"] {
            assert_eq!(Reason::of(text).unwrap().to_string(), text);
        }
        assert_eq!(Reason::of("a2345678901234567890123456789012z"), None);
        assert_eq!(Reason::new("no_signal"), "no_signal");
    }

    #[test]
    fn reasons_are_ordered_as_their_texts() {
        let mut reasons = ["b", "ab", "a", "aa"].map(Reason::new);
        reasons.sort();
        assert_eq!(reasons, ["a", "aa", "ab", "b"].map(Reason::new));
    }

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
