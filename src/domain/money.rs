//! Money in exact decimals: prices paid, quantities, amounts. Indicators use `f64`; what is paid never does.

use std::{
    fmt,
    ops::{Add, AddAssign, Neg, Sub},
};

use rust_decimal::{Decimal, RoundingStrategy};

/// Decimal places kept for prices and quantities.
pub const PLACES: u32 = 8;

/// The decimal a float stands for: its shortest round-trip form, to [`PLACES`] places.
/// `None` when it is not finite or does not fit.
pub fn decimal(value: f64) -> Option<Decimal> {
    /// Below this, every decimal of up to eight places is exact in the division below.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    let mut scale = 1.0;
    for places in 0..=PLACES {
        let scaled = value * scale;
        if scaled.abs() >= EXACT_MAX {
            break;
        }
        let rounded = scaled.round();
        if rounded / scale == value {
            return Some(Decimal::new(rounded as i64, places));
        }
        scale *= 10.0;
    }
    if !value.is_finite() {
        return None;
    }
    let mut buffer = ryu::Buffer::new();
    let text = buffer.format_finite(value);
    let exact = text.parse::<Decimal>().or_else(|_| Decimal::from_scientific(text)).ok()?;
    Some(exact.round_dp_with_strategy(PLACES, RoundingStrategy::MidpointNearestEven).normalize())
}

/// Hundred-millionths in one.
const UNITS: i64 = 100_000_000;

/// A float as hundred-millionths: [`decimal`], as an integer.
fn units_of(value: f64) -> Option<i128> {
    /// Below this, decimals of eight places lie further apart than floats: only one of them can be the float.
    const FAST_MAX: f64 = 33_554_432.0;
    if value > 0.0 && value < FAST_MAX {
        // Rounded by the conversion; whether it is the right one is asked by going back.
        let units = (value * UNITS as f64 + 0.5) as i64;
        if units as f64 / UNITS as f64 == value {
            return Some(i128::from(units));
        }
    }
    decimal(value).map(units)
}

/// A decimal of at most [`PLACES`] places as hundred-millionths.
fn units(value: Decimal) -> i128 {
    value.mantissa() * 10_i128.pow(PLACES - value.scale().min(PLACES))
}

/// Division, ties to even.
fn divide(value: i128, by: i64) -> i128 {
    if let Ok(small) = i64::try_from(value) {
        let (whole, rest) = (small.div_euclid(by), small.rem_euclid(by));
        let up = 2 * rest > by || (2 * rest == by && whole % 2 != 0);
        return i128::from(whole + i64::from(up));
    }
    let by = i128::from(by);
    let (whole, rest) = (value.div_euclid(by), value.rem_euclid(by));
    let up = 2 * rest > by || (2 * rest == by && whole % 2 != 0);
    whole + i128::from(up)
}

/// The nearest float to a decimal: what its digits parse to.
pub fn float(value: Decimal) -> f64 {
    let mantissa = value.mantissa();
    let scale = value.scale();
    if mantissa.unsigned_abs() < (1 << 53) && scale <= 22 {
        // Both operands are exact, so one correctly rounded division gives the nearest float.
        return mantissa as f64 / 10_f64.powi(scale as i32);
    }
    value.to_string().parse().expect("a decimal prints as a float literal")
}

/// A price: positive, exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Price(Decimal);

impl Price {
    /// A positive price, rounded to [`PLACES`] places, ties to even; `None` when nothing positive is left.
    pub fn new(value: Decimal) -> Option<Self> {
        let rounded = value.round_dp_with_strategy(PLACES, RoundingStrategy::MidpointNearestEven);
        (rounded > Decimal::ZERO).then(|| Self(rounded.normalize()))
    }

    /// The price a float stands for.
    pub fn from_float(value: f64) -> Option<Self> {
        decimal(value).and_then(Self::new)
    }

    /// The decimal.
    pub const fn get(self) -> Decimal {
        self.0
    }

    /// The nearest float, for comparison with bars.
    pub fn float(self) -> f64 {
        float(self.0)
    }

    /// What a quantity costs at this price, unrounded.
    pub fn times(self, qty: Qty) -> Decimal {
        self.0 * qty.0
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A quantity of the base currency: positive, exact, rounded down to [`PLACES`] places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Qty(Decimal);

impl Qty {
    /// A positive quantity; `None` when rounding down leaves nothing.
    pub fn new(value: Decimal) -> Option<Self> {
        let rounded = value.round_dp_with_strategy(PLACES, RoundingStrategy::ToZero);
        (rounded > Decimal::ZERO).then(|| Self(rounded.normalize()))
    }

    /// The decimal.
    pub const fn get(self) -> Decimal {
        self.0
    }
}

impl fmt::Display for Qty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// An amount of the quote currency, of either sign: a whole number of hundred-millionths. Zero has no sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Money(i128);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// An amount, rounded to [`PLACES`] places, ties to even.
    pub fn new(value: Decimal) -> Self {
        Self(units(value.round_dp_with_strategy(PLACES, RoundingStrategy::MidpointNearestEven)))
    }

    /// So many basis points (1e-4) of a value.
    pub fn bps(value: Decimal, bps: Decimal) -> Self {
        Self::new(value * bps / Decimal::from(10_000))
    }

    /// The decimal.
    pub fn get(self) -> Decimal {
        Decimal::from_i128_with_scale(self.0, PLACES)
    }

    /// The nearest float.
    pub fn float(self) -> f64 {
        // Up to 2^53 both operands are exact, and one correctly rounded division gives the nearest float.
        if self.0.unsigned_abs() < (1 << 53) {
            self.0 as f64 / UNITS as f64
        } else {
            float(self.get())
        }
    }
}

/// What a quantity gained or lost between two prices, by whole units; cheap enough for every bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stake {
    entry: i128,
    qty: i128,
}

impl Stake {
    /// A quantity bought at a price.
    pub fn new(entry: Price, qty: Qty) -> Self {
        Self { entry: units(entry.0), qty: units(qty.0) }
    }

    /// Gain when the price has become this.
    pub fn gain(self, price: Price) -> Money {
        self.gain_units(units(price.0))
    }

    /// Gain when the price has become what this float stands for; `None` for a float that stands for no price.
    pub fn gain_at(self, price: f64) -> Option<Money> {
        units_of(price).map(|units| self.gain_units(units))
    }

    fn gain_units(self, price: i128) -> Money {
        Money(divide((price - self.entry) * self.qty, UNITS))
    }
}

impl Add for Money {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Sub for Money {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Neg for Money {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.get().normalize(), f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn floats_become_the_decimals_they_are_written_as() {
        for (value, text) in [
            (0.1, "0.1"),
            (27_344.11, "27344.11"),
            (1e-8, "0.00000001"),
            (116_517.31, "116517.31"),
            (5.0, "5"),
            (0.000_012_345_678_9, "0.00001235"),
        ] {
            assert_eq!(decimal(value).unwrap().normalize().to_string(), text);
        }
        assert_eq!(decimal(f64::NAN), None);
        assert_eq!(decimal(f64::INFINITY), None);
        assert_eq!(decimal(1e300), None);
    }

    #[test]
    fn a_price_and_a_quantity_are_positive() {
        for bad in [Decimal::ZERO, Decimal::new(-1, 0), Decimal::new(1, 9)] {
            assert_eq!(Qty::new(bad), None);
            assert_eq!(Price::new(bad), None);
        }
    }

    #[test]
    fn amounts_are_rounded_to_even_and_zero_has_no_sign() {
        for (text, want) in [
            ("0.000000005", "0"),
            ("0.000000015", "0.00000002"),
            ("-0.000000005", "0"),
            ("10.50", "10.5"),
        ] {
            assert_eq!(Money::new(text.parse().unwrap()).to_string(), want, "{text}");
        }
        assert_eq!((-Money::ZERO).to_string(), "0");
        for (value, want) in [(15, 2), (25, 2), (-15, -2), (-25, -2), (26, 3), (-26, -3), (24, 2)] {
            assert_eq!(divide(value, 10), want, "{value}");
            // The same beyond what fits 64 bits.
            let far = 20 * i128::from(i64::MAX - 7);
            assert_eq!(divide(far + value, 10), far / 10 + want, "{value}");
        }
    }

    proptest! {
        #[test]
        fn a_gain_is_the_rounded_product_in_exact_decimals(
            entry in 1_i64..9_000_000_000_000, price in 1_i64..9_000_000_000_000, qty in 1_i64..9_000_000_000,
        ) {
            let (entry, price, qty) = (Decimal::new(entry, 6), Decimal::new(price, 4), Decimal::new(qty, 8));
            let stake = Stake::new(Price::new(entry).unwrap(), Qty::new(qty).unwrap());
            let want = Money::new((price - entry) * qty);
            prop_assert_eq!(stake.gain(Price::new(price).unwrap()), want);
            prop_assert_eq!(stake.gain_at(float(price)).unwrap(), want);
        }

        #[test]
        fn the_fast_path_gives_the_shortest_round_trip_form(cents in 1_i64..90_000_000_000, places in 0_u32..9) {
            let exact = Decimal::new(cents, places);
            let value: f64 = exact.to_string().parse().unwrap();
            prop_assert_eq!(decimal(value).unwrap().normalize(), exact.normalize());
            prop_assert_eq!(float(exact).to_bits(), value.to_bits());
        }
    }
}
