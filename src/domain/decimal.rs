//! Exact decimals: the one a float stands for, the float nearest to one, and how many places are kept of a value.

use std::num::NonZeroI64;

use rust_decimal::{Decimal, RoundingStrategy};

/// Decimal places that are always kept.
pub(super) const PLACES: u32 = 8;
/// Digits that are kept of values that [`PLACES`] would leave too few of, from the first that is not zero.
const DIGITS: i32 = 12;
/// Most decimal places there can be.
const PLACES_MAX: u32 = Decimal::MAX_SCALE;

/// The decimal a float stands for: its shortest round-trip form, every digit of it.
/// `None` when it is not finite or does not fit; what lies behind the 28th place is rounded.
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
    let (digits, exponent) = shortest(value);
    let exact = if exponent >= 0 {
        let whole = 10_i128.checked_pow(exponent.unsigned_abs())?.checked_mul(digits)?;
        Decimal::try_from_i128_with_scale(whole, 0).ok()?
    } else if exponent.unsigned_abs() <= PLACES_MAX {
        Decimal::try_from_i128_with_scale(digits, exponent.unsigned_abs()).ok()?
    } else {
        let beyond = 10_i128.checked_pow(exponent.unsigned_abs() - PLACES_MAX);
        let kept = beyond.map_or(0, |beyond| divide(digits, beyond));
        Decimal::try_from_i128_with_scale(kept, PLACES_MAX).ok()?
    };
    Some(exact.normalize())
}

/// The digits of the shortest form of a finite float, and the power of ten they are multiplied by.
fn shortest(value: f64) -> (i128, i32) {
    let mut buffer = ryu::Buffer::new();
    let text = buffer.format_finite(value);
    let (number, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let exponent: i32 = exponent.parse().expect("an exponent is a whole number");
    let digits = format!("{whole}{part}").parse().expect("at most 17 digits and their zeros");
    (digits, exponent - i32::try_from(part.len()).expect("a short text"))
}

/// The nearest float to a decimal: what its digits parse to.
pub fn float(value: Decimal) -> f64 {
    exact_float(value.mantissa(), value.scale())
        .unwrap_or_else(|| value.to_string().parse().expect("a decimal prints as a float literal"))
}

/// Powers of ten that a float holds exactly.
const EXACT_POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// The nearest float to `units / 10^places`, where both operands are exact: one correctly rounded division gives it.
pub(super) fn exact_float(units: i128, places: u32) -> Option<f64> {
    // A whole number of 64 bits is one instruction, one of 128 a call.
    let units = i64::try_from(units).ok().filter(|units| units.unsigned_abs() < 1 << 53)?;
    EXACT_POWERS.get(places as usize).map(|power| units as f64 / power)
}

/// The power of ten of the first digit: 2 for 345, -3 for 0.00678. Of zero, 0.
pub(super) fn exponent(value: Decimal) -> i32 {
    let digits = value.mantissa().unsigned_abs().checked_ilog10().unwrap_or_default();
    digits as i32 - value.scale() as i32
}

/// Places kept of a value: eight from `ample` up, and below it twelve digits, however small it is.
pub(super) fn places(value: Decimal, ample: Decimal) -> u32 {
    if value >= ample {
        return PLACES;
    }
    let wanted = DIGITS - 1 - exponent(value);
    u32::try_from(wanted).unwrap_or_default().clamp(PLACES, PLACES_MAX)
}

/// Rounded to so many places, ties to even.
pub(super) fn to_even(value: Decimal, places: u32) -> Decimal {
    value.round_dp_with_strategy(places, RoundingStrategy::MidpointNearestEven)
}

/// A product, or the largest decimal of its sign where it does not fit.
pub(super) fn product(a: Decimal, b: Decimal) -> Decimal {
    let is_negative = a.is_sign_negative() != b.is_sign_negative();
    a.checked_mul(b).unwrap_or(if is_negative { Decimal::MIN } else { Decimal::MAX })
}

/// Division of whole numbers, ties to even. The divisor is positive.
pub(super) fn divide(value: i128, by: i128) -> i128 {
    if let (Ok(value), Ok(by)) = (i64::try_from(value), i64::try_from(by))
        && by <= i64::MAX / 2
        && let Some(by) = NonZeroI64::new(by)
    {
        return i128::from(divide_small(value, by));
    }
    divide_large(value, by)
}

/// The same where both are small. The divisor is at most half of the largest number.
#[inline]
pub(super) fn divide_small(value: i64, by: NonZeroI64) -> i64 {
    let by = by.get();
    // The rest has the sign of the value, and what is rounded away from zero goes further the same way.
    let (whole, twice) = (value / by, 2 * (value % by).abs());
    // Half of all values are rounded away, in no order that a branch could learn.
    let away = i64::from(twice > by) | (i64::from(twice == by) & whole & 1);
    whole + away * (value >> 63 | 1)
}

fn divide_large(value: i128, by: i128) -> i128 {
    let (whole, rest) = (value.div_euclid(by), value.rem_euclid(by));
    let other = by - rest;
    let up = rest > other || (rest == other && whole % 2 != 0);
    whole + i128::from(up)
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
            (0.000_012_345_678_9, "0.0000123456789"),
            (1.512e-9, "0.000000001512"),
            (1.234_567_890_123_456_7e-12, "0.0000000000012345678901234567"),
            (-2.5e-20, "-0.000000000000000000025"),
            (1e22, "10000000000000000000000"),
            (1e-28, "0.0000000000000000000000000001"),
            (1e-29, "0"),
            (1e-300, "0"),
        ] {
            assert_eq!(decimal(value).unwrap().normalize().to_string(), text);
        }
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e29, 1e300] {
            assert_eq!(decimal(bad), None, "{bad}");
        }
    }

    #[test]
    fn places_are_eight_where_there_are_digits_enough_and_twelve_digits_below() {
        let ample = Decimal::ONE_HUNDRED;
        for (text, want) in [
            ("1000000000000", 8),
            ("27344.11", 8),
            ("100", 8),
            ("99.99", 10),
            ("1", 11),
            ("0.5", 12),
            ("0.0000000015", 20),
            ("0.000000000001", 23),
            ("0.0000000000000000000000000001", 28),
            ("0", 11),
        ] {
            assert_eq!(places(text.parse().unwrap(), ample), want, "{text}");
        }
    }

    #[test]
    fn division_rounds_to_even_at_any_size() {
        for (value, want) in [(15, 2), (25, 2), (-15, -2), (-25, -2), (26, 3), (-26, -3), (24, 2)] {
            assert_eq!(divide(value, 10), want, "{value}");
            // The same beyond what fits 64 bits.
            let far = 20 * i128::from(i64::MAX - 7);
            assert_eq!(divide(far + value, 10), far / 10 + want, "{value}");
            let by = 10_i128.pow(30);
            assert_eq!(divide(value * (by / 10), by), want, "{value}");
        }
        assert_eq!(divide(i128::MAX, 10_i128.pow(38)), 2);
        assert_eq!(divide(i128::MIN, 10_i128.pow(38)), -2);
    }

    proptest! {
        #[test]
        fn small_numbers_are_divided_as_large_ones(value: i64, small in -100_i64..100, by in 1_i64..1_000, large in 1..=i64::MAX / 2) {
            for (value, by) in [(value, by), (small, by), (value, large), (small, large)] {
                let got = divide_small(value, NonZeroI64::new(by).unwrap());
                prop_assert_eq!(i128::from(got), divide_large(i128::from(value), i128::from(by)), "{} {}", value, by);
            }
        }

        /// The decimal is the text that stands in the `close` column, and that text is the float.
        #[test]
        fn every_float_of_a_market_comes_back(digits in 1_i64..100_000_000_000_000_000, places in 5_u32..28) {
            let value: f64 = Decimal::new(digits, places).to_string().parse().unwrap();
            let exact = decimal(value).unwrap();
            if value >= 1e-11 {
                prop_assert_eq!(float(exact).to_bits(), value.to_bits());
            }
            let mut buffer = ryu::Buffer::new();
            let text = buffer.format(value);
            let written = if text.contains('e') { Decimal::from_scientific(text) } else { text.parse() };
            prop_assert_eq!(exact, written.unwrap());
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
