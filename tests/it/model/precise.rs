//! Arithmetic with twice the digits, for judging what is computed with half of them.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// A number as an unevaluated sum of two (Dekker 1971): 106 bits.
#[derive(Clone, Copy, Debug)]
pub struct Pair(pub f64, pub f64);

/// The logarithm of two.
const LN_2: Pair = Pair(std::f64::consts::LN_2, 2.319_046_813_846_299_6e-17);
/// Terms of a series at most this far from zero. The last one is below 10^-36.
const TERMS: i32 = 26;
const NEAR: f64 = 0.35;

pub const ZERO: Pair = Pair(0.0, 0.0);
pub const ONE: Pair = Pair(1.0, 0.0);

impl Pair {
    /// A number of decimals, such as `-0.125`, to the last digit that there is room for.
    pub fn of(text: &str) -> Self {
        let (size, sign) = text.strip_prefix('-').map_or((text, 1.0), |size| (size, -1.0));
        let (whole, decimals) = size.split_once('.').unwrap_or((size, ""));
        let digit = |digit: char| Self::from(f64::from(digit.to_digit(10).unwrap()));
        let below = decimals.chars().rev().fold(ZERO, |sum, d| (sum + digit(d)) / 10.0.into());
        let above = whole.chars().fold(ZERO, |sum, d| sum * 10.0.into() + digit(d));
        (above + below) * sign.into()
    }

    /// The nearest number of half the digits.
    pub fn near(self) -> f64 {
        self.0 + self.1
    }

    /// How far a number is from it.
    pub fn distance(self, x: f64) -> f64 {
        (Self::from(x) - self).near().abs()
    }

    /// The product of two numbers without error; a fused multiply-add rounds once.
    fn product(a: f64, b: f64) -> Self {
        let head = a * b;
        Self(head, a.mul_add(b, -head))
    }

    fn joined(head: f64, low: f64) -> Self {
        let sum = head + low;
        Self(sum, low - (sum - head))
    }

    fn times_power_of_two(self, n: i32) -> Self {
        let power = 2.0_f64.powi(n);
        Self(self.0 * power, self.1 * power)
    }

    /// `exp(x) - 1` by its series, for what is near zero.
    fn near_exp_m1(self) -> Self {
        assert!(self.0.abs() <= NEAR, "the series is short");
        // x (1 + x/2 (1 + x/3 (1 + ...))), from the inside.
        let inner = |sum: Self, n: i32| ONE + self * sum / f64::from(n).into();
        self * (2..=TERMS).rev().fold(ONE, inner)
    }

    /// `exp(x)`: whole powers of two, and the rest by the series.
    pub fn exp(self) -> Self {
        let powers = (self.0 / LN_2.0).round();
        let rest = self - LN_2 * powers.into();
        (ONE + rest.near_exp_m1()).times_power_of_two(powers as i32)
    }

    /// The hyperbolic tangent: `(e - 1) / (e + 1)` of `e = exp(2x)`, where near zero nothing is lost in the difference.
    pub fn tanh(self) -> Self {
        let twice = self.times_power_of_two(1);
        if twice.0.abs() <= NEAR {
            let e_m1 = twice.near_exp_m1();
            return e_m1 / (e_m1 + 2.0.into());
        }
        if self.0 < 0.0 {
            return -(-self).tanh();
        }
        let e = (-twice).exp();
        (ONE - e) / (ONE + e)
    }
}

impl From<f64> for Pair {
    fn from(x: f64) -> Self {
        Self(x, 0.0)
    }
}

impl Add for Pair {
    type Output = Self;

    /// Knuth's sum without error, then what is left of it.
    fn add(self, other: Self) -> Self {
        let sum = |a: f64, b: f64| {
            let sum = a + b;
            let back = sum - a;
            (sum, (a - (sum - back)) + (b - back))
        };
        let ((head, error), (low, last)) = (sum(self.0, other.0), sum(self.1, other.1));
        let Self(head, low) = Self::joined(head, error + low);
        Self::joined(head, low + last)
    }
}

impl Neg for Pair {
    type Output = Self;

    fn neg(self) -> Self {
        Self(-self.0, -self.1)
    }
}

impl Sub for Pair {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Mul for Pair {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        let Self(head, low) = Self::product(self.0, other.0);
        Self::joined(head, low + (self.0 * other.1 + self.1 * other.0))
    }
}

impl Div for Pair {
    type Output = Self;

    /// A quotient of half the digits, twice put right by what it leaves over.
    fn div(self, other: Self) -> Self {
        let first = Self::from(self.0 / other.0);
        let left = self - other * first;
        let second = Self::from(left.0 / other.0);
        let left = left - other * second;
        first + second + Self::from(left.0 / other.0)
    }
}

/// Whether the arithmetic itself holds to 30 digits: of what it is, others have computed it.
#[test]
fn known_values_come_out_to_thirty_digits() {
    let tanh = [
        ("0.000000001", "0.0000000009999999999999999996666666666666667"),
        ("0.1", "0.09966799462495581711830508367835218"),
        ("-0.1", "-0.09966799462495581711830508367835218"),
        ("0.5", "0.4621171572600097585023184836436725"),
        ("1", "0.7615941559557648881194582826047936"),
        ("-2", "-0.9640275800758168839464137241009232"),
        ("5", "0.999909204262595131210990447534473"),
        ("15", "0.9999999999998128475406232140209232"),
    ];
    let exp = [
        ("1", "2.718281828459045235360287471352662"),
        ("0.3", "1.349858807576003103983744313328007"),
        ("-0.1", "0.9048374180359595731642490594464366"),
        ("-10", "0.00004539992976248485153559151556055061"),
    ];
    let all = tanh.map(|(x, y)| (x, Pair::of(x).tanh(), Pair::of(y)));
    let all = all.into_iter().chain(exp.map(|(x, y)| (x, Pair::of(x).exp(), Pair::of(y))));
    for (x, found, known) in all {
        let apart = ((found - known) / known).near().abs();
        assert!(apart < 1e-30, "of {x}: {found:?} is {apart:e} from {known:?}");
    }
    // What is asked of the arithmetic holds exactly where it can.
    assert_eq!((Pair::of("0.375").0, Pair::of("-12.5").0), (0.375, -12.5));
    assert_eq!((ONE / 3.0.into() * 3.0.into()).near(), 1.0);
}
