//! Money in exact decimals: prices paid, quantities, amounts. Indicators use `f64`; what is paid never does.
//!
//! A market at 1e-9 is kept as exactly as one at 1e5. A price of a bar keeps every digit. Of what is computed, prices from
//! 100 up have eight decimals and smaller ones twelve digits; quantities from 0.005 up have eight decimals and smaller ones
//! twelve digits; amounts have eight decimals, and twelve where positions are worth less than a tenth of a unit.

use std::{
    fmt,
    ops::{Add, AddAssign, Neg, Sub},
};

use rust_decimal::{Decimal, RoundingStrategy};

use super::decimal::{PLACES, decimal, divide, exact_float, float, places, product, to_even};

/// From here up, eight decimals are at least eleven digits of a price.
const AMPLE_PRICE: Decimal = Decimal::ONE_HUNDRED;
/// From here up, what eight decimals cut off a quantity is at most two millionths of it.
const AMPLE_QTY: Decimal = Decimal::from_parts(5, 0, 0, false, 3);
/// From here up, a position's results in eight decimals are good to a ten-millionth of it.
const AMPLE_NOTIONAL: Money = Money(UNITS / 10);

/// A price: positive, exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Price(Decimal);

impl Price {
    /// A positive price, as it is.
    pub fn new(value: Decimal) -> Option<Self> {
        (value > Decimal::ZERO).then(|| Self(value.normalize()))
    }

    /// A computed price, rounded to the places kept at its size, ties to even; `None` when nothing positive is left.
    pub fn computed(value: Decimal) -> Option<Self> {
        Self::new(to_even(value, places(value, AMPLE_PRICE)))
    }

    /// The price a float stands for, every digit of it.
    pub fn from_float(value: f64) -> Option<Self> {
        decimal(value).and_then(Self::new)
    }

    pub const fn get(self) -> Decimal {
        self.0
    }

    /// The nearest float, for comparison with bars.
    pub fn float(self) -> f64 {
        float(self.0)
    }

    /// A distance in the places kept at this price; `None` when it is not finite or too long for any price.
    pub fn distance(self, value: f64) -> Option<Decimal> {
        decimal(value).map(|value| to_even(value, places(self.0, AMPLE_PRICE)))
    }

    /// The computed price this far above it; below it for a negative distance. `None` when that is no price.
    pub fn moved(self, distance: Decimal) -> Option<Self> {
        self.0.checked_add(distance).and_then(Self::computed)
    }

    /// So many basis points of it.
    pub fn bps(self, bps: Decimal) -> Decimal {
        part(self.0, bps)
    }

    /// What a quantity costs at this price, unrounded.
    pub fn times(self, qty: Qty) -> Decimal {
        product(self.0, qty.0)
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A quantity of the base currency: positive, exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Qty(Decimal);

impl Qty {
    /// A positive quantity, rounded down to the places kept at its size; `None` when that leaves nothing.
    pub fn new(value: Decimal) -> Option<Self> {
        let kept = places(value, AMPLE_QTY);
        let rounded = value.round_dp_with_strategy(kept, RoundingStrategy::ToZero);
        (rounded > Decimal::ZERO).then(|| Self(rounded.normalize()))
    }

    /// What an amount buys at a price.
    pub fn bought(amount: Money, price: Price) -> Option<Self> {
        amount.get().checked_div(price.0).and_then(Self::new)
    }

    pub const fn get(self) -> Decimal {
        self.0
    }
}

impl fmt::Display for Qty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Decimal places amounts are rounded to when they are booked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grain(u32);

impl Grain {
    /// That of positions worth this much.
    pub fn of(notional: Money) -> Self {
        if notional >= AMPLE_NOTIONAL { Self(PLACES) } else { Self(Money::PLACES) }
    }

    /// Units of [`Money`] in the last of the places.
    pub(super) fn units(self) -> i128 {
        10_i128.pow(Money::PLACES - self.0)
    }

    pub(super) const fn places(self) -> u32 {
        self.0
    }
}

/// Units of [`Money`] in one.
const UNITS: i128 = 10_i128.pow(Money::PLACES);
/// Units of [`Money`] in the eighth place: most amounts are whole numbers of these.
const COARSE: i128 = 10_i128.pow(Money::PLACES - PLACES);

/// An amount of the quote currency, of either sign. Zero has no sign. What is beyond any account stays at the largest amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Money(i128);

impl Money {
    /// Most decimal places of an amount.
    pub const PLACES: u32 = 12;

    pub const ZERO: Self = Self(0);

    /// An amount, rounded to [`Money::PLACES`], ties to even.
    pub fn new(value: Decimal) -> Self {
        let rounded = to_even(value, Self::PLACES);
        Self(rounded.mantissa().saturating_mul(10_i128.pow(Self::PLACES - rounded.scale())))
    }

    pub const fn ten_thousandths(many: i128) -> Self {
        Self(many * UNITS / 10_000)
    }

    /// So many units.
    pub(super) const fn of_units(units: i128) -> Self {
        Self(units)
    }

    /// All of it as text, for [`Money::from_exact`]. [`Money::get`] rounds an amount that is too large for a decimal.
    pub fn exact(self) -> String {
        self.0.to_string()
    }

    /// The amount that [`Money::exact`] wrote.
    pub fn from_exact(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }

    /// An amount, rounded to a grain, ties to even.
    pub fn rounded(value: Decimal, grain: Grain) -> Self {
        Self::new(to_even(value, grain.0))
    }

    /// So many basis points (1e-4) of a value.
    pub fn bps(value: Decimal, bps: Decimal, grain: Grain) -> Self {
        Self::rounded(part(value, bps), grain)
    }

    /// So many times as much.
    #[must_use]
    pub fn times(self, factor: Decimal) -> Self {
        Self::new(product(self.get(), factor))
    }

    /// The decimal. An amount too large for all of its places has as many as fit.
    pub fn get(self) -> Decimal {
        let (mut units, mut places) = self.shorter();
        loop {
            match Decimal::try_from_i128_with_scale(units, places) {
                Ok(value) => return value,
                Err(_) if places > 0 => (units, places) = (divide(units, 10), places - 1),
                Err(_) if units < 0 => return Decimal::MIN,
                Err(_) => return Decimal::MAX,
            }
        }
    }

    /// The nearest float.
    pub fn float(self) -> f64 {
        let (units, places) = self.shorter();
        exact_float(units, places).unwrap_or_else(|| float(self.get()))
    }

    /// Units and their places: the eighth where that says it all.
    fn shorter(self) -> (i128, u32) {
        if let Ok(small) = i64::try_from(self.0) {
            const COARSE: i64 = 10_i64.pow(Money::PLACES - PLACES);
            let is_coarse = small % COARSE == 0;
            return if is_coarse {
                (i128::from(small / COARSE), PLACES)
            } else {
                (self.0, Self::PLACES)
            };
        }
        if self.0 % COARSE == 0 { (self.0 / COARSE, PLACES) } else { (self.0, Self::PLACES) }
    }
}

/// So many basis points of a value.
fn part(value: Decimal, bps: Decimal) -> Decimal {
    let whole = Decimal::from(10_000);
    match value.checked_mul(bps) {
        Some(times) => times / whole,
        None => product(value / whole, bps),
    }
}

impl Add for Money {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Money {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Neg for Money {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.get().normalize(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dec(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn a_price_and_a_quantity_are_positive() {
        for bad in [Decimal::ZERO, Decimal::new(-1, 0)] {
            assert_eq!(Qty::new(bad), None);
            assert_eq!(Price::new(bad), None);
            assert_eq!(Price::computed(bad), None);
        }
    }

    #[test]
    fn computed_prices_have_eight_decimals_from_a_hundred_up_and_twelve_digits_below() {
        for (text, want) in [
            ("27344.123456785", "27344.12345678"),
            ("27344.123456795", "27344.1234568"),
            ("100.0000000049", "100"),
            ("99.123456789012", "99.123456789"),
            ("0.000000001512345678901234", "0.00000000151234567890"),
            ("0.00000000000212345678901234", "0.00000000000212345678901"),
        ] {
            assert_eq!(Price::computed(dec(text)).unwrap().get(), dec(want), "{text}");
        }
    }

    #[test]
    fn small_quantities_keep_twelve_digits_and_ordinary_ones_eight_decimals() {
        for (text, want) in [
            ("666666666666.66666666666666", "666666666666.66666666"),
            ("0.036570970000001", "0.03657097"),
            ("0.00500000999", "0.005"),
            ("0.00499999999999999", "0.00499999999999"),
            ("0.0000000009999999999999999", "0.000000000999999999999"),
        ] {
            assert_eq!(Qty::new(dec(text)).unwrap().get(), dec(want), "{text}");
        }
    }

    #[test]
    fn amounts_are_rounded_to_even_and_zero_has_no_sign() {
        let (plain, fine) =
            (Grain::of(Money::new(Decimal::ONE)), Grain::of(Money::new(dec("0.09"))));
        for (text, want, fine_want) in [
            ("0.000000005", "0", "0.000000005"),
            ("0.000000015", "0.00000002", "0.000000015"),
            ("-0.000000005", "0", "-0.000000005"),
            ("0.0000000000005", "0", "0"),
            ("0.0000000000015", "0", "0.000000000002"),
            ("10.50", "10.5", "10.5"),
        ] {
            assert_eq!(Money::rounded(dec(text), plain).to_string(), want, "{text}");
            assert_eq!(Money::rounded(dec(text), fine).to_string(), fine_want, "{text}");
        }
        assert_eq!((-Money::ZERO).to_string(), "0");
    }

    #[test]
    fn amounts_beyond_any_account_keep_what_fits_and_never_overflow() {
        let huge = Money::new(dec("70000000000000000000000000.123"));
        assert_eq!(huge.get(), dec("70000000000000000000000000.123"));
        assert_eq!(Money::new(Decimal::MAX).get().trunc(), dec("170141183460469231731687303"));
        let most = Money::new(Decimal::MAX);
        assert_eq!((most + most, -(-most) - Money::ZERO), (most, most));
        assert_eq!(-most - most, Money::new(Decimal::MIN));
        assert_eq!(most.times(Decimal::MAX), most);
        assert!(Money::bps(Decimal::MAX, Decimal::from(9_999), Grain::of(most)) > Money::ZERO);
        assert!(most.float() > 1e26 && (-most).float() < -1e26);
    }
}
