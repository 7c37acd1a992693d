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

    /// This price times a quantity.
    pub fn times(self, qty: Qty) -> Money {
        Money(self.0 * qty.0)
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

/// An amount of the quote currency, of either sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Money(Decimal);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// An amount.
    pub const fn new(value: Decimal) -> Self {
        Self(value)
    }

    /// The decimal.
    pub const fn get(self) -> Decimal {
        self.0
    }

    /// This amount in basis points (1e-4) of itself, rounded to [`PLACES`] places, ties to even.
    pub fn bps(self, bps: Decimal) -> Self {
        Self(self.0 * bps / Decimal::from(10_000)).rounded()
    }

    /// Rounded to [`PLACES`] places, ties to even, without trailing zeros.
    pub fn rounded(self) -> Self {
        Self(
            self.0
                .round_dp_with_strategy(PLACES, RoundingStrategy::MidpointNearestEven)
                .normalize(),
        )
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
    /// Zero has no sign: `-0` must not reach a ledger.
    fn neg(self) -> Self {
        if self.0.is_zero() { Self::ZERO } else { Self(-self.0) }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
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

    proptest! {
        #[test]
        fn the_fast_path_gives_the_shortest_round_trip_form(cents in 1_i64..90_000_000_000, places in 0_u32..9) {
            let exact = Decimal::new(cents, places);
            let value: f64 = exact.to_string().parse().unwrap();
            prop_assert_eq!(decimal(value).unwrap().normalize(), exact.normalize());
            prop_assert_eq!(float(exact).to_bits(), value.to_bits());
        }
    }
}
