//! What is known of a number before the first bar: between what it lies, and how far it moves when all prices move.
//!
//! The second tells a price from a distance, which have the same kind. Where every price of the market is higher by 1, a price is
//! higher by 1, a distance of two prices by 0, and `0.02 * close` by 0.02.

use super::{
    functions::Back,
    op::Op,
    term::{Call, Term, What},
    values::{Clock, Price},
};

/// What is known of a number. Where it is unknown at a bar, nothing is said of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bounds {
    pub(super) least: f64,
    pub(super) most: f64,
    /// How far it moves with all prices; `None` where that is not the same everywhere.
    pub(super) shift: Option<f64>,
}

impl Bounds {
    /// Anything.
    pub(super) const ANY: Self = Self::within(f64::NEG_INFINITY, f64::INFINITY);

    const fn within(least: f64, most: f64) -> Self {
        Self { least, most, shift: None }
    }

    /// 0 or above.
    const fn positive() -> Self {
        Self::within(0.0, f64::INFINITY)
    }

    /// A number that is always the same.
    pub(super) const fn constant(x: f64) -> Self {
        Self { least: x, most: x, shift: Some(0.0) }
    }

    const fn shifted(self, shift: f64) -> Self {
        Self { shift: Some(shift), ..self }
    }

    pub(super) const fn price(price: Price) -> Self {
        match price {
            Price::Volume => Self::positive().shifted(0.0),
            Price::Open
            | Price::High
            | Price::Low
            | Price::Close
            | Price::Hl2
            | Price::Hlc3
            | Price::Ohlc4 => Self::positive().shifted(1.0),
        }
    }

    pub(super) const fn clock(clock: Clock) -> Self {
        match clock {
            Clock::Hour => Self::within(0.0, 23.0),
            Clock::Minute => Self::within(0.0, 59.0),
            Clock::Weekday => Self::within(1.0, 7.0),
        }
    }

    /// Of a function that looks back.
    pub(super) fn back(call: &Call) -> Self {
        let x = call.inputs.first().map_or(Self::ANY, |input| input.bounds);
        match call.back {
            // An average lies among the numbers that it is made of, an extreme is one of them.
            Back::Sma
            | Back::Ema
            | Back::Wma
            | Back::Rma
            | Back::Vwma
            | Back::BbMid
            | Back::Highest
            | Back::Lowest => x,
            Back::ValueWhen => call.inputs[1].bounds,
            Back::Hma => Self { shift: x.shift, ..Self::ANY },
            Back::BbUpper => Self { most: f64::INFINITY, ..x },
            Back::BbLower => Self { least: f64::NEG_INFINITY, ..x },
            Back::Stdev => Self { shift: x.shift.map(|_| 0.0), ..Self::positive() },
            Back::Mom | Back::Macd | Back::MacdSignal | Back::MacdHist => {
                Self { shift: x.shift.map(|_| 0.0), ..Self::ANY }
            }
            Back::Tr | Back::Atr => Self::positive().shifted(0.0),
            Back::KcMid
            | Back::KcUpper
            | Back::DayOpen
            | Back::DayHigh
            | Back::DayLow
            | Back::DayVwap => Self::positive().shifted(1.0),
            Back::KcLower | Back::Supertrend => Self::ANY.shifted(1.0),
            Back::Rsi
            | Back::StochK
            | Back::StochD
            | Back::Mfi
            | Back::Adx
            | Back::PlusDi
            | Back::MinusDi => Self::within(0.0, 100.0),
            Back::Willr => Self::within(-100.0, 0.0),
            Back::Rank => Self::within(0.0, 1.0),
            Back::Corr => Self::within(-1.0, 1.0),
            Back::Natr | Back::Volatility | Back::CountOf | Back::BarsSince => Self::positive(),
            Back::Cci | Back::Roc | Back::Zscore | Back::LogReturn | Back::VolumeZ => Self::ANY,
            Back::CrossesAbove | Back::CrossesBelow | Back::Rising | Back::Falling => {
                Self::within(0.0, 1.0)
            }
        }
    }

    /// Of an operation on numbers.
    pub(super) fn of(op: Op, parts: &[Term]) -> Self {
        let at = |n: usize| parts.get(n).map_or(Self::ANY, |part| part.bounds);
        let (a, b) = (at(0), at(1));
        match op {
            Op::Negate => Self::constant(-1.0).times(a),
            Op::Add => Self { shift: both(a, b, |a, b| a + b), ..a.plus(b) },
            Op::Subtract => {
                let minus = Self::constant(-1.0).times(b);
                let sum = Self { shift: both(a, b, |a, b| a - b), ..a.plus(minus) };
                match parts {
                    [a, b] => sum.ordered(a, b),
                    _ => sum,
                }
            }
            Op::Multiply => a.times(b),
            Op::Divide => a.per(b),
            Op::Min => {
                Self { shift: same(a, b), ..Self::within(a.least.min(b.least), a.most.min(b.most)) }
            }
            Op::Max => {
                Self { shift: same(a, b), ..Self::within(a.least.max(b.least), a.most.max(b.most)) }
            }
            Op::If => b.or(at(2)),
            Op::SafeDiv => a.per(b).or(at(2)),
            Op::Abs if a.least >= 0.0 => a,
            Op::Abs => Self { shift: a.shift.filter(|shift| *shift == 0.0), ..Self::positive() },
            Op::Sqrt | Op::Exp => Self::positive(),
            Op::Floor => Self::within(a.least.floor(), a.most.floor()),
            Op::Log => Self::ANY,
            Op::Less
            | Op::LessOrEqual
            | Op::Greater
            | Op::GreaterOrEqual
            | Op::Equal
            | Op::NotEqual
            | Op::Not
            | Op::And
            | Op::Or => Self::within(0.0, 1.0),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self::within(self.least + other.least, self.most + other.most)
    }

    fn times(self, other: Self) -> Self {
        // Nothing times whatever is nothing: no number is infinite.
        let product = |a: f64, b: f64| if a == 0.0 || b == 0.0 { 0.0 } else { a * b };
        let ends =
            [self.least, self.most].map(|a| [product(a, other.least), product(a, other.most)]);
        let ends = ends.as_flattened();
        let least = ends.iter().copied().fold(f64::INFINITY, f64::min);
        let most = ends.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let shift = match (self.same(), other.same(), self.shift, other.shift) {
            (Some(factor), _, _, Some(shift)) | (_, Some(factor), Some(shift), _) => {
                Some(factor * shift)
            }
            (_, _, Some(0.0), Some(0.0)) => Some(0.0),
            _ => None,
        };
        Self { least, most, shift }
    }

    /// Of a quotient only the sign is known, unless the divisor is always the same.
    fn per(self, other: Self) -> Self {
        match other.same() {
            Some(by) if by != 0.0 => self.times(Self::constant(1.0 / by)),
            _ => {
                let shift = both(self, other, |a, b| a.abs() + b.abs()).filter(|sum| *sum == 0.0);
                let sign = |of: Self| {
                    let least = if of.least >= 0.0 { 0.0 } else { f64::NEG_INFINITY };
                    Self::within(least, if of.most <= 0.0 { 0.0 } else { f64::INFINITY })
                };
                Self { shift, ..sign(self).times(sign(other)) }
            }
        }
    }

    /// One of the two.
    fn or(self, other: Self) -> Self {
        let shift = same(self, other);
        Self { shift, ..Self::within(self.least.min(other.least), self.most.max(other.most)) }
    }

    /// Its one value.
    fn same(self) -> Option<f64> {
        (self.least == self.most).then_some(self.least)
    }

    /// Of a difference of terms of which one is never above the other.
    fn ordered(self, a: &Term, b: &Term) -> Self {
        let (below, above) = (never_above(a, b), never_above(b, a));
        let least = if above { self.least.max(0.0) } else { self.least };
        Self { least, most: if below { self.most.min(0.0) } else { self.most }, ..self }
    }
}

fn both(a: Bounds, b: Bounds, join: impl Fn(f64, f64) -> f64) -> Option<f64> {
    a.shift.zip(b.shift).map(|(a, b)| join(a, b))
}

fn same(a: Bounds, b: Bounds) -> Option<f64> {
    a.shift.filter(|shift| b.shift == Some(*shift))
}

/// Whether a number is at no bar above another, by what the two are: a low, the lowest of some numbers. A third of a sum may be rounded up
/// beyond what it is made of.
fn never_above(a: &Term, b: &Term) -> bool {
    let is_price = |term: &Term, which: Price| term.what == What::Price(which);
    let of_bar = |term: &Term| {
        use Price::{Close, High, Hl2, Low, Open};
        matches!(term.what, What::Price(Open | High | Low | Close | Hl2))
    };
    if a.what == b.what
        || is_price(a, Price::Low) && of_bar(b)
        || of_bar(a) && is_price(b, Price::High)
    {
        return true;
    }
    let extreme = |term: &'_ Term, back: Back| match &term.what {
        What::Back(call) if call.back == back => call.inputs.first().cloned(),
        _ => None,
    };
    extreme(a, Back::Lowest).is_some_and(|inner| never_above(&inner, b))
        || extreme(b, Back::Highest).is_some_and(|inner| never_above(a, &inner))
}
