//! Operations on numbers of one bar: arithmetic, comparison, logic. A number that is not finite is unknown, and so is what comes of it.
//!
//! Truth is a number too: 1 true, 0 false, NaN unknown.

/// An operator or a function that looks at one bar only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Op {
    Negate,
    Add,
    Subtract,
    Multiply,
    Divide,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
    Not,
    And,
    Or,
    If,
    Min,
    Max,
    Abs,
    Sqrt,
    Log,
    Exp,
    Floor,
    SafeDiv,
}

/// A number, or the one NaN where it is not finite.
#[inline]
pub(super) fn known(x: f64) -> f64 {
    if x.is_finite() { x } else { f64::NAN }
}

/// 1 for true, 0 for false; unknown where a side of the comparison is.
#[inline]
fn truth(is_true: bool, a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { f64::from(u8::from(is_true)) }
}

impl Op {
    /// The result for arguments that are finite or NaN. Those that it does not take are ignored.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a loop over a column is compiled for one operation")]
    pub(super) fn of(self, a: f64, b: f64, c: f64) -> f64 {
        match self {
            Self::Negate => known(-a),
            Self::Add => known(a + b),
            Self::Subtract => known(a - b),
            Self::Multiply => known(a * b),
            Self::Divide => known(a / b),
            Self::Less => truth(a < b, a, b),
            Self::LessOrEqual => truth(a <= b, a, b),
            Self::Greater => truth(a > b, a, b),
            Self::GreaterOrEqual => truth(a >= b, a, b),
            Self::Equal => truth(a == b, a, b),
            Self::NotEqual => truth(a != b, a, b),
            Self::Not => known(1.0 - a),
            Self::And => and(a, b),
            Self::Or => or(a, b),
            Self::If => choose(a, b, c),
            Self::Min => lesser(a, b),
            Self::Max => greater(a, b),
            Self::Abs => known(a.abs()),
            Self::Sqrt => known(a.sqrt()),
            Self::Log => known(libm::log(a)),
            Self::Exp => known(libm::exp(a)),
            Self::Floor => known(a.floor()),
            Self::SafeDiv => {
                if b == 0.0 && !a.is_nan() {
                    c
                } else {
                    known(a / b)
                }
            }
        }
    }

    /// Its results for whole columns, as long as `out`; those that it does not take may be any.
    pub(super) fn columns(self, out: &mut [f64], [a, b, c]: [&[f64]; 3]) {
        macro_rules! each {
            ($($op:ident)*) => {
                match self {
                    $(Self::$op => for (out, ((a, b), c)) in out.iter_mut().zip(a.iter().zip(b).zip(c)) {
                        *out = Self::$op.of(*a, *b, *c);
                    })*
                }
            };
        }
        each!(Negate Add Subtract Multiply Divide Less LessOrEqual Greater GreaterOrEqual Equal NotEqual
            Not And Or If Min Max Abs Sqrt Log Exp Floor SafeDiv);
    }

    /// The sign between two operands.
    pub(super) const fn sign(self) -> Option<&'static str> {
        Some(match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::And => "and",
            Self::Or => "or",
            Self::Negate
            | Self::Not
            | Self::If
            | Self::Min
            | Self::Max
            | Self::Abs
            | Self::Sqrt => {
                return None;
            }
            Self::Log | Self::Exp | Self::Floor | Self::SafeDiv => return None,
        })
    }

    /// How strongly it binds; a function binds strongest.
    pub(super) const fn strength(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And => 2,
            Self::Not => 3,
            Self::Less
            | Self::LessOrEqual
            | Self::Greater
            | Self::GreaterOrEqual
            | Self::Equal
            | Self::NotEqual => 4,
            Self::Add | Self::Subtract => 5,
            Self::Multiply | Self::Divide => 6,
            Self::Negate => 7,
            Self::If
            | Self::Min
            | Self::Max
            | Self::Abs
            | Self::Sqrt
            | Self::Log
            | Self::Exp
            | Self::Floor
            | Self::SafeDiv => 9,
        }
    }

    /// Whether it compares two numbers.
    pub(super) const fn compares(self) -> bool {
        self.strength() == 4
    }
}

fn and(a: f64, b: f64) -> f64 {
    // Of the truths 0 and 1 and NaN, all that is not false is the product.
    if a == 0.0 || b == 0.0 { 0.0 } else { a * b }
}

fn or(a: f64, b: f64) -> f64 {
    if a == 1.0 || b == 1.0 { 1.0 } else { a + b }
}

fn choose(condition: f64, a: f64, b: f64) -> f64 {
    if condition == 1.0 {
        a
    } else if condition == 0.0 {
        b
    } else {
        f64::NAN
    }
}

fn lesser(a: f64, b: f64) -> f64 {
    if a < b {
        a
    } else if b <= a {
        b
    } else {
        f64::NAN
    }
}

fn greater(a: f64, b: f64) -> f64 {
    if a > b {
        a
    } else if b >= a {
        b
    } else {
        f64::NAN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const U: f64 = f64::NAN;

    fn same(a: f64, b: f64) -> bool {
        a == b || (a.is_nan() && b.is_nan())
    }

    #[test]
    fn unknown_is_neither_true_nor_false() {
        for (op, a, b, expected) in [
            (Op::And, 1.0, 1.0, 1.0),
            (Op::And, 1.0, 0.0, 0.0),
            (Op::And, U, 0.0, 0.0),
            (Op::And, 0.0, U, 0.0),
            (Op::And, U, 1.0, U),
            (Op::And, U, U, U),
            (Op::Or, 0.0, 0.0, 0.0),
            (Op::Or, U, 1.0, 1.0),
            (Op::Or, 1.0, U, 1.0),
            (Op::Or, 0.0, U, U),
            (Op::Or, U, U, U),
            (Op::Not, U, 0.0, U),
            (Op::Not, 1.0, 0.0, 0.0),
            (Op::Less, U, 1.0, U),
            (Op::NotEqual, U, 1.0, U),
            (Op::NotEqual, 2.0, 1.0, 1.0),
            (Op::Min, U, 1.0, U),
            (Op::Max, 1.0, U, U),
            (Op::Min, 2.0, 1.0, 1.0),
            (Op::Max, 2.0, 1.0, 2.0),
        ] {
            assert!(same(op.of(a, b, 0.0), expected), "{op:?} {a} {b}");
        }
    }

    #[test]
    fn what_is_not_finite_is_unknown() {
        for (op, a, b) in [
            (Op::Divide, 1.0, 0.0),
            (Op::Divide, 0.0, 0.0),
            (Op::Multiply, 1e300, 1e300),
            (Op::Add, f64::MAX, f64::MAX),
            (Op::Log, 0.0, 0.0),
            (Op::Log, -1.0, 0.0),
            (Op::Sqrt, -1.0, 0.0),
            (Op::Exp, 1e9, 0.0),
        ] {
            assert_eq!(op.of(a, b, 0.0).to_bits(), f64::NAN.to_bits(), "{op:?} {a} {b}");
        }
    }

    #[test]
    fn choices_and_divisions() {
        for (op, [a, b, c], expected) in [
            (Op::If, [1.0, 5.0, U], 5.0),
            (Op::If, [0.0, U, 6.0], 6.0),
            (Op::If, [U, 5.0, 5.0], U),
            (Op::SafeDiv, [6.0, 3.0, U], 2.0),
            (Op::SafeDiv, [6.0, 0.0, 9.0], 9.0),
            (Op::SafeDiv, [U, 0.0, 9.0], U),
            (Op::SafeDiv, [1.0, U, 9.0], U),
        ] {
            assert!(same(op.of(a, b, c), expected), "{op:?} {a} {b} {c}");
        }
    }

    #[test]
    fn a_column_has_the_values_of_its_rows() {
        let (a, b, c) = ([1.0, U, -4.0], [2.0, 1.0, 0.0], [U, 0.0, 7.0]);
        for op in [Op::Add, Op::Divide, Op::And, Op::If, Op::SafeDiv, Op::Floor] {
            let mut out = [0.0; 3];
            op.columns(&mut out, [&a, &b, &c]);
            for i in 0..3 {
                assert!(same(out[i], op.of(a[i], b[i], c[i])), "{op:?}");
            }
        }
    }
}
