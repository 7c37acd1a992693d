//! Every function of the language: one table, from which the checks, the reference and the help come.

mod reference;
pub(super) mod table;

use table::{Arg, FunctionRow, Gives, Group};

use super::op::Op;

pub use reference::{describe, nearest, reference, words};
pub(super) use table::Back;

/// What a name with brackets can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    /// It looks back.
    Back(Back),
    /// It looks at one bar.
    Op(Op),
    /// `tf('1h', e)`.
    Tf,
    /// `signal('name')`.
    Signal,
}

/// Functions that do not exist, and why.
const ABSENT: [(&str, &str); 19] = [
    ("crossover", "use crosses_above(a, b)"),
    ("cross_over", "use crosses_above(a, b)"),
    ("crossunder", "use crosses_below(a, b)"),
    ("crosses_over", "use crosses_above(a, b)"),
    ("crosses_under", "use crosses_below(a, b)"),
    ("cross_above", "use crosses_above(a, b)"),
    ("cross_below", "use crosses_below(a, b)"),
    ("crosses", "use crosses_above(a, b) or crosses_below(a, b)"),
    ("cross", "use crosses_above(a, b) or crosses_below(a, b)"),
    ("obv", SINCE_EVER),
    ("ad", SINCE_EVER),
    ("cum", SINCE_EVER),
    ("psar", "it depends on every bar since the first one ever; use supertrend(n, k) or a trail"),
    ("pow", "write x * x, or exp(b * log(a))"),
    ("avg", "use sma(x, n)"),
    ("vwap", "use day_vwap() or vwma(close, n)"),
    ("nan", "numbers are finite; what is not known at a bar is unknown by itself"),
    ("inf", "numbers are finite; write a large one, such as 1e12"),
    ("time", "use hour, minute and weekday: the clock of the slot"),
];
const SINCE_EVER: &str = "it sums since the first bar ever, which LIVE and a backtest do not share; use mfi(n) or vwma(close, n)";

impl Function {
    /// Every one, in the order of the table.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let arithmetic = Op::FUNCTIONS.into_iter().map(Self::Op);
        Back::ALL
            .iter()
            .copied()
            .map(Self::Back)
            .chain([Self::Tf])
            .chain(arithmetic)
            .chain([Self::Signal])
    }

    /// The one of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::all().find(|function| function.row().name == name)
    }

    /// Why there is none of this name, if people look for it.
    pub(super) fn absent(name: &str) -> Option<&'static str> {
        ABSENT.iter().find(|(absent, _)| *absent == name).map(|(_, why)| *why)
    }

    /// Its row.
    pub(super) fn row(self) -> FunctionRow {
        match self {
            Self::Back(back) => back.row(),
            Self::Op(op) => op.row(),
            Self::Tf => FunctionRow {
                group: Group::Logic,
                name: "tf",
                args: &[Arg::Number("T"), Arg::Number("e")],
                gives: Gives::Like(1),
                meaning: "the value of e on the last closed bar of a longer timeframe, such as tf('1h', rsi(close, 14))",
                formula: "e on bars of T built from the series' own bars at UTC boundaries; names of [strategy.let] mean their text on bars of T",
                lag: "ratio * (lag of e + 1) + ratio - 2; ratio = T / timeframe",
                source: "usual",
                special: "unknown before the first bar of T is closed",
            },
            Self::Signal => FunctionRow {
                group: Group::Logic,
                name: "signal",
                args: &[Arg::Number("'name'")],
                gives: Gives::Count,
                meaning: "the side that a program in another language asks for: 1, -1, 0; only in `when`",
                formula: "side of the newest line that speaks, of [strategy.signals.name]",
                lag: "0",
                source: "the program",
                special: "unknown without such a line; 0 with absent = \"flat\"",
            },
        }
    }
}

impl Op {
    /// Those that are written as functions.
    const FUNCTIONS: [Self; 9] = [
        Self::If,
        Self::Min,
        Self::Max,
        Self::Abs,
        Self::Sqrt,
        Self::Log,
        Self::Exp,
        Self::Floor,
        Self::SafeDiv,
    ];

    /// Its row; of an operator, one that the reference does not show.
    fn row(self) -> FunctionRow {
        const X: &[Arg] = &[Arg::Number("x")];
        const AB: &[Arg] = &[Arg::Number("a"), Arg::Number("b")];
        let row = |name, args, gives, meaning, special| FunctionRow {
            group: Group::Arithmetic,
            name,
            args,
            gives,
            meaning,
            formula: "",
            lag: "0",
            source: "usual",
            special,
        };
        match self {
            Self::If => row(
                "if",
                &[Arg::Condition("c"), Arg::Number("a"), Arg::Number("b")],
                Gives::Like(1),
                "a where c is true, else b; both numbers or both conditions",
                "unknown where c is",
            ),
            Self::Min => row("min", AB, Gives::OneOf(0), "the smaller of two numbers", ""),
            Self::Max => row("max", AB, Gives::OneOf(0), "the larger of two numbers", ""),
            Self::Abs => row("abs", X, Gives::OneOf(0), "the number without its sign", ""),
            Self::Sqrt => row("sqrt", X, Gives::Like(0), "square root", "unknown below 0"),
            Self::Log => row("log", X, Gives::Pure, "natural logarithm", "unknown at 0 and below"),
            Self::Exp => row("exp", X, Gives::Pure, "e to the power of x", "unknown above 709"),
            Self::Floor => row("floor", X, Gives::Count, "the whole number at or below x", ""),
            Self::SafeDiv => row(
                "safe_div",
                &[Arg::Number("a"), Arg::Number("b"), Arg::Number("else")],
                Gives::Like(0),
                "a / b, or else where b is 0",
                "",
            ),
            Self::Negate | Self::Not => row("", X, Gives::Like(0), "", ""),
            Self::Add | Self::Subtract | Self::Multiply | Self::Divide => {
                row("", AB, Gives::Like(0), "", "")
            }
            Self::Less
            | Self::LessOrEqual
            | Self::Greater
            | Self::GreaterOrEqual
            | Self::Equal
            | Self::NotEqual
            | Self::And
            | Self::Or => row("", AB, Gives::Truth, "", ""),
        }
    }
}
