//! What a quantity gains or loses between two prices: exact at any scale, and cheap enough for every bar.

use std::num::NonZeroI64;

use rust_decimal::Decimal;

use super::{
    decimal::{decimal, divide, divide_small, exponent, product},
    money::{Grain, Money, Price, Qty},
};

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
