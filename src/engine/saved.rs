//! The lifecycle state as plain values, so that a process can write it down and another one go on from it.

use std::collections::VecDeque;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{
    position::{Position, PriceLevel},
    risk::Risk,
    rules::Rules,
    state::{Pending, Residue, State},
};
use crate::{
    domain::{
        decision::{Block, CloseReason, Limit, Reason, RiskState, Side},
        money::{Money, Price, Qty, Stake},
        time::{SlotTs, Timeframe},
    },
    language::Protection,
};

/// Every limit that can latch.
const LIMITS: [Limit; 7] = [
    Limit::DailyLoss,
    Limit::Drawdown,
    Limit::ConsecutiveStops,
    Limit::Operator,
    Limit::TradesPerDay,
    Limit::MaxPosition,
    Limit::Ruin,
];

/// All of a [`State`]. Numbers are text, which loses no digit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedState {
    cash: String,
    open_result: String,
    position: Option<SavedPosition>,
    pending: Option<SavedPending>,
    risk: SavedRisk,
    last_exit_ts_ms: Option<i64>,
    unasked: bool,
    stood: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedPosition {
    side: String,
    entry_ts_ms: i64,
    entry_px: String,
    qty: String,
    stop: Option<String>,
    target: Option<String>,
    trail: Option<String>,
    trail_from: Option<String>,
    break_even_at: Option<String>,
    /// The bits of these two.
    best: u64,
    first_stop: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
enum SavedPending {
    /// Side, rule, value, and the bits of the distances of stop, target, trailing stop, its beginning, and break-even.
    Enter(String, String, String, [Option<u64>; 5]),
    Exit(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedRisk {
    state: String,
    latch: Option<String>,
    stops_in_a_row: u32,
    cooldown_until_ts_ms: Option<i64>,
    flatten: bool,
    entries_day: i64,
    entries: u32,
    peak: String,
    realised: Vec<(i64, String)>,
}

impl State {
    /// The state as plain values.
    pub fn save(&self) -> SavedState {
        // What is kept to save time is not saved.
        let Self {
            cash,
            open_result,
            position,
            pending,
            risk,
            last_exit,
            unasked,
            stood,
            residue: _,
        } = self;
        SavedState {
            cash: cash.exact(),
            open_result: open_result.exact(),
            position: position.as_ref().map(Position::save),
            pending: pending.as_ref().map(Pending::save),
            risk: risk.save(),
            last_exit_ts_ms: last_exit.map(SlotTs::ts_ms),
            unasked: *unasked,
            stood: *stood,
        }
    }
}

impl SavedState {
    /// The state that was saved; `None` where a value is not one that a state of this strategy can have.
    pub fn restore(&self, timeframe: Timeframe, rules: &Rules) -> Option<State> {
        Some(State {
            cash: Money::from_exact(&self.cash)?,
            open_result: Money::from_exact(&self.open_result)?,
            position: match &self.position {
                Some(saved) => Some(saved.restore(timeframe, rules)?),
                None => None,
            },
            pending: match &self.pending {
                Some(saved) => Some(saved.restore()?),
                None => None,
            },
            risk: self.risk.restore(timeframe)?,
            last_exit: match self.last_exit_ts_ms {
                Some(ts_ms) => Some(timeframe.slot(ts_ms).ok()?),
                None => None,
            },
            unasked: self.unasked,
            stood: self.stood,
            residue: Residue::NONE,
        })
    }
}

impl Position {
    fn save(&self) -> SavedPosition {
        let level = |level: Option<PriceLevel>| level.map(|level| level.price.to_string());
        SavedPosition {
            side: self.side.name().to_owned(),
            entry_ts_ms: self.entry.ts_ms(),
            entry_px: self.entry_px().to_string(),
            qty: self.qty().to_string(),
            stop: level(self.stop),
            target: level(self.target),
            trail: self.trail.map(|distance| distance.to_string()),
            trail_from: self.trail_from.map(|distance| distance.to_string()),
            break_even_at: self.break_even_at.map(|distance| distance.to_string()),
            best: self.best.to_bits(),
            first_stop: self.first_stop.map(f64::to_bits),
        }
    }
}

impl SavedPosition {
    fn restore(&self, timeframe: Timeframe, rules: &Rules) -> Option<Position> {
        let price = |text: &str| Price::new(decimal(text)?);
        let level = |text: &Option<String>| match text {
            Some(text) => price(text).map(PriceLevel::new).map(Some),
            None => Some(None),
        };
        let distance = |text: &Option<String>| match text {
            Some(text) => decimal(text).map(Some),
            None => Some(None),
        };
        let qty = Qty::new(decimal(&self.qty)?)?;
        let stake = Stake::new(price(&self.entry_px)?, qty, rules.grain());
        Some(Position {
            side: side(&self.side)?,
            entry: timeframe.slot(self.entry_ts_ms).ok()?,
            stake,
            stop: level(&self.stop)?,
            target: level(&self.target)?,
            trail: distance(&self.trail)?,
            trail_from: distance(&self.trail_from)?,
            break_even_at: distance(&self.break_even_at)?,
            best: f64::from_bits(self.best),
            first_stop: self.first_stop.map(f64::from_bits),
        })
    }
}

impl Pending {
    fn save(&self) -> SavedPending {
        match self {
            Self::Enter { side, rule, value, protection } => {
                let Protection { stop, target, trail, trail_from, break_even_at } = *protection;
                let bits = [stop, target, trail, trail_from, break_even_at]
                    .map(|distance| distance.map(f64::to_bits));
                let [side, rule] = [side.name(), rule.as_str()].map(str::to_owned);
                SavedPending::Enter(side, rule, value.exact(), bits)
            }
            Self::Exit(reason) => SavedPending::Exit(reason.name().to_owned()),
        }
    }
}

impl SavedPending {
    fn restore(&self) -> Option<Pending> {
        match self {
            Self::Enter(name, rule, value, bits) => {
                let [stop, target, trail, trail_from, break_even_at] =
                    bits.map(|bits| bits.map(f64::from_bits));
                let protection = Protection { stop, target, trail, trail_from, break_even_at };
                let (rule, value) = (Reason::of(rule)?, Money::from_exact(value)?);
                Some(Pending::Enter { side: side(name)?, rule, value, protection })
            }
            Self::Exit(reason) => {
                let known = CloseReason::ALL.into_iter().find(|known| known.name() == reason);
                known.map(Pending::Exit)
            }
        }
    }
}

impl Risk {
    fn save(&self) -> SavedRisk {
        let realised = self.realised.iter();
        SavedRisk {
            state: self.state.name().to_owned(),
            latch: self.latch.map(|limit| Block::Risk(limit).name().to_owned()),
            stops_in_a_row: self.stops_in_a_row,
            cooldown_until_ts_ms: self.cooldown_until.map(SlotTs::ts_ms),
            flatten: self.flatten,
            entries_day: self.entries_day,
            entries: self.entries,
            peak: self.peak.exact(),
            realised: realised.map(|(ts, result)| (ts.ts_ms(), result.exact())).collect(),
        }
    }
}

impl SavedRisk {
    fn restore(&self, timeframe: Timeframe) -> Option<Risk> {
        let states = [RiskState::Active, RiskState::Reducing, RiskState::Halted];
        let slot = |ts_ms: i64| timeframe.slot(ts_ms).ok();
        let realised: Option<VecDeque<_>> = self
            .realised
            .iter()
            .map(|(ts_ms, result)| Some((slot(*ts_ms)?, Money::from_exact(result)?)))
            .collect();
        let latch = |name: &String| {
            LIMITS.into_iter().find(|limit| Block::Risk(*limit).name() == name.as_str())
        };
        Some(Risk {
            state: states.into_iter().find(|state| state.name() == self.state)?,
            latch: match &self.latch {
                Some(name) => Some(latch(name)?),
                None => None,
            },
            stops_in_a_row: self.stops_in_a_row,
            cooldown_until: match self.cooldown_until_ts_ms {
                Some(ts_ms) => Some(slot(ts_ms)?),
                None => None,
            },
            flatten: self.flatten,
            entries_day: self.entries_day,
            entries: self.entries,
            peak: Money::from_exact(&self.peak)?,
            realised: realised?,
        })
    }
}

fn decimal(text: &str) -> Option<Decimal> {
    text.parse().ok()
}

fn side(name: &str) -> Option<Side> {
    [Side::Long, Side::Short].into_iter().find(|side| side.name() == name)
}
