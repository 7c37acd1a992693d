//! Money in exact decimals: prices paid, quantities, amounts. Indicators use `f64`; what is paid never does.
//!
//! A market at 1e-9 is kept as exactly as one at 1e5. A price of a bar keeps every digit. Of what is computed, prices from
//! 100 up have eight decimals and smaller ones twelve digits; quantities from 0.005 up have eight decimals and smaller ones
//! twelve digits; amounts have eight decimals, and twelve where positions are worth less than a tenth of a unit.

use std::{
    fmt,
    num::NonZeroI64,
    ops::{Add, AddAssign, Neg, Sub},
};

use rust_decimal::{Decimal, RoundingStrategy};

use super::decimal::{
    PLACES, decimal, divide, divide_small, exact_float, exponent, float, places, product, to_even,
};

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

/// A quantity bought at a price.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stake {
    entry: Price,
    qty: Qty,
    grain: Grain,
    quick: Option<Quick>,
}

/// The same in whole numbers, for prices of so many places.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Quick {
    entry: i64,
    qty: i64,
    /// Ten to the power of those places; exact.
    scale: f64,
    /// Gain in whole numbers by this is the gain in the last place of the grain: ten to this power, and that number where it is small.
    power: u32,
    divisor: Option<NonZeroI64>,
    /// Units of [`Money`] in the last place of the grain.
    unit: i64,
}

impl Stake {
    /// A quantity bought at a price, with results of this grain.
    pub fn new(entry: Price, qty: Qty, grain: Grain) -> Self {
        Self { entry, qty, grain, quick: Quick::new(entry, qty, grain) }
    }

    /// The price it was bought at.
    pub const fn entry(self) -> Price {
        self.entry
    }

    /// The quantity.
    pub const fn qty(self) -> Qty {
        self.qty
    }

    /// Gain when the price has become this.
    pub fn gain(self, price: Price) -> Money {
        self.exactly(price.get()).unwrap_or_else(|| {
            let change = price.get().saturating_sub(self.entry.get());
            Money::rounded(product(change, self.qty.get()), self.grain)
        })
    }

    /// Gain when the price has become what this float stands for; `None` for a float that stands for no price.
    #[inline]
    pub fn gain_at(&self, price: f64) -> Option<Money> {
        let quick = self.quick.as_ref().and_then(|quick| quick.gain_at(price));
        quick.or_else(|| self.slowly(price))
    }

    #[cold]
    fn slowly(&self, price: f64) -> Option<Money> {
        decimal(price).and_then(Price::new).map(|price| self.gain(price))
    }

    /// In whole numbers, where they suffice.
    fn exactly(self, price: Decimal) -> Option<Money> {
        let entry = self.entry.get();
        let places = price.scale().max(entry.scale());
        let whole = |value: Decimal| {
            10_i128.checked_pow(places - value.scale())?.checked_mul(value.mantissa())
        };
        let change = whole(price)?.checked_sub(whole(entry)?)?;
        let gain = change.checked_mul(self.qty.get().mantissa())?;
        let (has, wants) = (places + self.qty.get().scale(), self.grain.places());
        let last_places = if has >= wants {
            divide(gain, 10_i128.checked_pow(has - wants)?)
        } else {
            gain.checked_mul(10_i128.checked_pow(wants - has)?)?
        };
        Some(Money::of_units(last_places.saturating_mul(self.grain.units())))
    }
}

impl Quick {
    /// Powers of ten up to this one are exact as floats.
    const PLACES_MAX: i32 = 22;

    fn new(entry: Price, qty: Qty, grain: Grain) -> Option<Self> {
        // Fourteen digits of the entry price, so that the price may become thirty times as high.
        let places = (14 - exponent(entry.get())).clamp(0, Self::PLACES_MAX).unsigned_abs();
        let fill = places.checked_sub(entry.get().scale())?;
        let entry = 10_i128.checked_pow(fill)?.checked_mul(entry.get().mantissa())?;
        let (qty, has) = (qty.get().mantissa(), places + qty.get().scale());
        let power = has.checked_sub(grain.places())?;
        10_i128.checked_pow(power)?;
        let divisor = 10_i64.checked_pow(power).filter(|divisor| *divisor <= i64::MAX / 2);
        let (entry, qty) = (i64::try_from(entry).ok()?, i64::try_from(qty).ok()?);
        let scale = 10_f64.powi(places as i32);
        let (divisor, unit) =
            (divisor.and_then(NonZeroI64::new), i64::try_from(grain.units()).ok()?);
        Some(Self { entry, qty, scale, power, divisor, unit })
    }

    #[inline]
    fn gain_at(&self, price: f64) -> Option<Money> {
        /// Below this, whole numbers lie further apart than floats: only one of them can be the float.
        const FAST_MAX: f64 = 3.355_443_2e15;
        let scaled = price * self.scale;
        if !(scaled > 0.0 && scaled < FAST_MAX) {
            return None;
        }
        // Rounded by the conversion; whether it is the right one is asked by going back.
        let whole = (scaled + 0.5) as i64;
        if whole as f64 / self.scale != price {
            return None;
        }
        let change = whole - self.entry;
        let unit = i128::from(self.unit);
        let small = change.checked_mul(self.qty).zip(self.divisor);
        Some(Money::of_units(if let Some((gain, divisor)) = small {
            i128::from(divide_small(gain, divisor)) * unit
        } else {
            let gain = i128::from(change) * i128::from(self.qty);
            divide(gain, 10_i128.pow(self.power)).saturating_mul(unit)
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::decimal::float;

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

    fn grain(notional: i64) -> Grain {
        Grain::of(Money::new(Decimal::new(notional, 2)))
    }

    /// Worked out with Python's `decimal` at 60 digits, ROUND_HALF_EVEN:
    /// `((price - entry) * qty).quantize(Decimal("1e-8"))`, and `1e-12` for the last column.
    #[test]
    fn gains_are_those_of_an_independent_arithmetic() {
        for (entry, price, qty, want, fine) in [
            ("27344.11", "27400.5", "0.03657097", "2.062237", "2.0622369983"),
            (
                "0.000000001512",
                "0.00000000152",
                "661375661375.66137566",
                "5.29100529",
                "5.291005291005",
            ),
            ("0.000000000001", "0.0000000000012345", "1000000000000000", "234.5", "234.5"),
            (
                "900000000000.5",
                "1000000000000",
                "0.00000000111111111111",
                "111.11111111",
                "111.111111110444",
            ),
            (
                "0.00000009",
                "0.0000000805",
                "11111111111.11111111",
                "-105.55555556",
                "-105.555555555556",
            ),
        ] {
            let read = |text: &str| text.parse::<Decimal>().unwrap();
            let (entry, price) =
                (Price::new(read(entry)).unwrap(), Price::new(read(price)).unwrap());
            let qty = Qty::new(read(qty)).unwrap();
            for (grain, want) in [(grain(100_000), want), (grain(1), fine)] {
                let stake = Stake::new(entry, qty, grain);
                let gain = stake.gain(price).get().normalize();
                assert_eq!(gain, read(want), "{entry} {price}");
                assert_eq!(
                    stake.gain_at(price.float()),
                    Some(stake.gain(price)),
                    "{entry} {price}"
                );
            }
        }
    }

    #[test]
    fn the_largest_change_there_can_be_is_a_number() {
        let price = |text: &str| Price::new(text.parse().unwrap()).unwrap();
        let (low, high) = (price("0.000000000001"), price("2000000000000"));
        let qty = Qty::bought(Money::new(Decimal::from(1_000_000_000)), low).unwrap();
        let stake = Stake::new(low, qty, grain(100_000));
        assert!(stake.gain(high) > Money::new(Decimal::from(1_000_000_000)));
        assert_eq!(stake.gain_at(2e12), Some(stake.gain(high)));
    }

    proptest! {
        #[test]
        fn a_gain_is_the_rounded_product_in_exact_decimals(
            entry in 1_i64..9_000_000_000_000, price in 1_i64..9_000_000_000_000, qty in 1_i64..9_000_000_000,
        ) {
            let (entry, price, qty) = (Decimal::new(entry, 6), Decimal::new(price, 4), Decimal::new(qty, 8));
            let stake = Stake::new(Price::new(entry).unwrap(), Qty::new(qty).unwrap(), grain(100_000));
            let qty = Qty::new(qty).unwrap().get();
            let want = Money::rounded((price - entry) * qty, grain(100_000));
            prop_assert_eq!(stake.gain(Price::new(price).unwrap()), want);
            prop_assert_eq!(stake.gain_at(float(price)).unwrap(), want);
        }

        /// Any price of the range, against any other, for any amount: never a panic, and both ways the same.
        #[test]
        fn no_price_and_no_amount_overflow(
            entry in 1.0_f64..10.0, high in -12_i32..12, price in 1.0_f64..10.0, low in -12_i32..12,
            amount in 1.0_f64..10.0, size in -12_i32..20,
        ) {
            let at = |value: f64, power: i32| value * 10_f64.powi(power);
            let (entry, price) = (at(entry, high).min(1e12), at(price, low).min(1e12));
            let amount = Money::new(decimal(at(amount, size)).unwrap());
            let entry = Price::from_float(entry).unwrap();
            let Some(qty) = Qty::bought(amount, entry) else { return Ok(()) };
            let stake = Stake::new(entry, qty, Grain::of(amount));
            let gain = stake.gain(Price::from_float(price).unwrap());
            prop_assert_eq!(stake.gain_at(price), Some(gain));
            prop_assert_eq!(gain > Money::ZERO, price > entry.float() && gain != Money::ZERO);
            // The loss of what was bought is at most what was paid for it, rounded.
            prop_assert!(-gain <= amount + Money::ten_thousandths(1));
            let worth = Price::from_float(price).unwrap().times(qty);
            prop_assert!(Money::bps(worth, Decimal::from(10_000), Grain::of(amount)) >= Money::ZERO);
        }
    }
}
