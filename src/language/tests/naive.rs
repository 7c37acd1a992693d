//! A second, naive meaning of the language: trees over whole series, every name followed anew, nothing shared, nothing split.

use super::super::{functions::Back, kernels::window::Length, running::Settings};
use crate::domain::{
    bar::{Bar, TimedBar, VOLUME_MAX},
    time::{DAY_MS, Timeframe},
};

/// A number of every bar.
#[derive(Debug, Clone)]
pub(super) enum Num {
    Constant(f64),
    /// A price or a value of the clock.
    Value(&'static str),
    /// A name, by its number.
    Let(usize),
    /// A value of the ledger, by its name.
    Ledger(&'static str),
    Pair(&'static str, Box<[Num; 2]>),
    One(&'static str, Box<Num>),
    SafeDiv(Box<[Num; 3]>),
    If(Box<Cond>, Box<[Num; 2]>),
    /// A function of series of numbers.
    Call(Back, Vec<Num>, Vec<u32>),
    /// A function that counts how often a condition is true.
    Counted(Back, Box<Cond>, u32),
    When(Box<Cond>, Box<Num>, u32),
    Ago(Box<Num>, u32),
    Tf(Timeframe, Box<Num>),
}

/// A condition of every bar.
#[derive(Debug, Clone)]
pub(super) enum Cond {
    Compare(&'static str, Num, Num),
    And(Box<[Cond; 2]>),
    Or(Box<[Cond; 2]>),
    Not(Box<Cond>),
    If(Box<[Cond; 3]>),
    Cross(bool, Num, Num),
    Moves(Back, Num, u32),
    Ago(Box<Cond>, u32),
    Tf(Timeframe, Box<Cond>),
}

impl Num {
    /// The text, with every bracket.
    pub(super) fn text(&self) -> String {
        let list = |parts: &[Self]| parts.iter().map(Self::text).collect::<Vec<_>>().join(", ");
        match self {
            Self::Constant(x) => format!("{x}"),
            Self::Value(name) | Self::Ledger(name) => (*name).to_owned(),
            Self::Let(n) => format!("n{n}"),
            Self::Pair(op @ ("min" | "max"), ab) => format!("{op}({})", list(&**ab)),
            Self::Pair(op, ab) => format!("({} {op} {})", ab[0].text(), ab[1].text()),
            Self::One("-", x) => format!("(-{})", x.text()),
            Self::One(name, x) => format!("{name}({})", x.text()),
            Self::SafeDiv(parts) => format!("safe_div({})", list(&**parts)),
            Self::If(c, ab) => format!("if({}, {})", c.text(), list(&**ab)),
            Self::Call(back, inputs, lengths) => {
                let texts = inputs.iter().map(Self::text);
                let lengths = lengths.iter().map(u32::to_string);
                let factor = has_factor(*back).then(|| "2".to_owned());
                let all: Vec<String> = texts.chain(lengths).chain(factor).collect();
                format!("{}({})", back.row().name, all.join(", "))
            }
            Self::Counted(back, c, n) => format!("{}({}, {n})", back.row().name, c.text()),
            Self::When(c, x, n) => format!("value_when({}, {}, {n})", c.text(), x.text()),
            Self::Ago(x, n) => format!("({})[{n}]", x.text()),
            Self::Tf(timeframe, x) => format!("tf('{timeframe}', {})", x.text()),
        }
    }
}

impl Cond {
    /// The text, with every bracket.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Compare(op, a, b) => format!("({} {op} {})", a.text(), b.text()),
            Self::And(ab) => format!("({} and {})", ab[0].text(), ab[1].text()),
            Self::Or(ab) => format!("({} or {})", ab[0].text(), ab[1].text()),
            Self::Not(a) => format!("(not {})", a.text()),
            Self::If(abc) => {
                let [a, b, c] = &**abc;
                format!("if({}, {}, {})", a.text(), b.text(), c.text())
            }
            Self::Cross(above, a, b) => {
                let name = if *above { "crosses_above" } else { "crosses_below" };
                format!("{name}({}, {})", a.text(), b.text())
            }
            Self::Moves(back, x, n) => format!("{}({}, {n})", back.row().name, x.text()),
            Self::Ago(c, n) => format!("({})[{n}]", c.text()),
            Self::Tf(timeframe, c) => format!("tf('{timeframe}', {})", c.text()),
        }
    }
}

pub(super) fn has_factor(back: Back) -> bool {
    matches!(back, Back::BbUpper | Back::BbLower | Back::KcUpper | Back::KcLower | Back::Supertrend)
}

/// A whole series, the texts of the names, and what the ledger says at each bar.
pub(super) struct World<'a> {
    pub(super) timeframe: Timeframe,
    pub(super) bars: &'a [TimedBar],
    pub(super) lets: &'a [Num],
    pub(super) ledger: &'a dyn Fn(&str, usize) -> Option<f64>,
}

type Numbers = Vec<Option<f64>>;
type Truths = Vec<Option<bool>>;

impl World<'_> {
    /// The values of a number; `None` is unknown.
    pub(super) fn number(&self, num: &Num) -> Numbers {
        match num {
            Num::Constant(x) => vec![Some(*x); self.bars.len()],
            Num::Value(name) => self.bars.iter().map(|bar| Some(value(name, bar))).collect(),
            Num::Let(n) => self.number(&self.lets[*n]),
            Num::Ledger(name) => (0..self.bars.len()).map(|at| (self.ledger)(name, at)).collect(),
            Num::Pair(op, ab) => {
                let (a, b) = (self.number(&ab[0]), self.number(&ab[1]));
                a.into_iter().zip(b).map(|(a, b)| finite(pair(op, a?, b?))).collect()
            }
            Num::One(name, x) => {
                self.number(x).into_iter().map(|x| finite(one(name, x?))).collect()
            }
            Num::SafeDiv(parts) => {
                let [a, b, c] = parts.each_ref().map(|part| self.number(part));
                let each = |at: usize| match (a[at]?, b[at]?) {
                    (_, 0.0) => c[at],
                    (a, b) => finite(a / b),
                };
                (0..self.bars.len()).map(each).collect()
            }
            Num::If(c, ab) => {
                let (c, a, b) = (self.truth(c), self.number(&ab[0]), self.number(&ab[1]));
                (0..c.len()).map(|at| if c[at]? { a[at] } else { b[at] }).collect()
            }
            Num::Call(back, inputs, lengths) => {
                let inputs: Vec<Numbers> = inputs.iter().map(|input| self.number(input)).collect();
                self.kernel(*back, &inputs, lengths)
            }
            Num::Counted(back, c, n) => self.kernel(*back, &[as_numbers(self.truth(c))], &[*n]),
            Num::When(c, x, n) => {
                let inputs = [as_numbers(self.truth(c)), self.number(x)];
                self.kernel(Back::ValueWhen, &inputs, &[*n])
            }
            Num::Ago(x, n) => ago(&self.number(x), *n),
            Num::Tf(timeframe, x) => self.longer(*timeframe, |world| world.number(x)),
        }
    }

    /// The values of a condition; `None` is unknown.
    pub(super) fn truth(&self, cond: &Cond) -> Truths {
        match cond {
            Cond::Compare(op, a, b) => {
                let (a, b) = (self.number(a), self.number(b));
                a.into_iter().zip(b).map(|(a, b)| Some(compare(op, a?, b?))).collect()
            }
            Cond::And(ab) => {
                let [a, b] = ab.each_ref().map(|part| self.truth(part));
                a.into_iter().zip(b).map(|(a, b)| and(a, b)).collect()
            }
            Cond::Or(ab) => {
                let [a, b] = ab.each_ref().map(|part| self.truth(part));
                let not = |a: Option<bool>| a.map(|a| !a);
                a.into_iter().zip(b).map(|(a, b)| not(and(not(a), not(b)))).collect()
            }
            Cond::Not(a) => self.truth(a).into_iter().map(|a| Some(!a?)).collect(),
            Cond::If(abc) => {
                let [c, a, b] = abc.each_ref().map(|part| self.truth(part));
                (0..c.len()).map(|at| if c[at]? { a[at] } else { b[at] }).collect()
            }
            Cond::Cross(above, a, b) => {
                let (a, b) = (self.number(a), self.number(b));
                let (now, then) = if *above { (">", "<=") } else { ("<", ">=") };
                let test =
                    |op, a: &Numbers, b: &Numbers, at: usize| Some(compare(op, a[at]?, b[at]?));
                let (a_before, b_before) = (ago(&a, 1), ago(&b, 1));
                let each = |at| and(test(now, &a, &b, at), test(then, &a_before, &b_before, at));
                (0..a.len()).map(each).collect()
            }
            Cond::Moves(back, x, n) => as_truths(self.kernel(*back, &[self.number(x)], &[*n])),
            Cond::Ago(c, n) => ago(&self.truth(c), *n),
            Cond::Tf(timeframe, c) => self.longer(*timeframe, |world| world.truth(c)),
        }
    }

    fn kernel(&self, back: Back, inputs: &[Numbers], lengths: &[u32]) -> Numbers {
        let length = |at: usize| Length::new(lengths.get(at).copied().unwrap_or(1)).unwrap();
        let lengths = [length(0), length(1), length(2)];
        let settings = Settings { lengths, factor: 2.0, timeframe: self.timeframe };
        let mut running = back.start(settings).unwrap();
        let plain = |values: &Numbers| values.iter().map(|x| x.unwrap_or(f64::NAN)).collect();
        let columns: Vec<Vec<f64>> = inputs.iter().map(plain).collect();
        let column = |at: usize| columns.get(at).map_or(&[][..], |column| &column[..]);
        let mut out = vec![0.0; self.bars.len()];
        running.run([column(0), column(1)], self.bars, &mut out);
        out.into_iter().map(finite).collect()
    }

    /// Values on bars of a longer timeframe, each from the first bar on that closes at or after its end.
    fn longer<T: Copy>(
        &self,
        timeframe: Timeframe,
        values: impl Fn(&World<'_>) -> Vec<Option<T>>,
    ) -> Vec<Option<T>> {
        let mut groups: Vec<(i64, Vec<Bar>)> = Vec::new();
        for bar in self.bars {
            let start_ms = bar.ts.open_ms() / timeframe.ms() * timeframe.ms();
            match groups.last_mut() {
                Some((start, group)) if *start == start_ms => group.push(bar.bar),
                _ => groups.push((start_ms, vec![bar.bar])),
            }
        }
        let one = |(start_ms, group): &(i64, Vec<Bar>)| {
            let high = group.iter().map(Bar::high).fold(0.0, f64::max);
            let low = group.iter().map(Bar::low).fold(f64::INFINITY, f64::min);
            let volume = group.iter().map(Bar::volume).sum::<f64>().min(VOLUME_MAX);
            let (first, last) = (group[0], group[group.len() - 1]);
            let bar = Bar::new([first.open(), high, low, last.close(), volume]).unwrap();
            TimedBar { ts: timeframe.slot_of_open(*start_ms).unwrap(), bar }
        };
        let bars: Vec<TimedBar> = groups.iter().map(one).collect();
        let world = World { timeframe, bars: &bars, lets: self.lets, ledger: self.ledger };
        let values = values(&world);
        let newest = |bar: &TimedBar| {
            let closed = bars.iter().filter(|longer| longer.ts.ts_ms() <= bar.ts.ts_ms()).count();
            closed.checked_sub(1).and_then(|at| values[at])
        };
        self.bars.iter().map(newest).collect()
    }
}

fn finite(x: f64) -> Option<f64> {
    x.is_finite().then_some(x)
}

fn as_numbers(truths: Truths) -> Numbers {
    truths.into_iter().map(|truth| Some(if truth? { 1.0 } else { 0.0 })).collect()
}

fn as_truths(numbers: Numbers) -> Truths {
    numbers.into_iter().map(|x| Some(x? == 1.0)).collect()
}

fn ago<T: Copy>(values: &[Option<T>], n: u32) -> Vec<Option<T>> {
    (0..values.len()).map(|at| at.checked_sub(n as usize).and_then(|at| values[at])).collect()
}

fn and(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

fn compare(op: &str, a: f64, b: f64) -> bool {
    match op {
        "<" => a < b,
        "<=" => a <= b,
        ">" => a > b,
        ">=" => a >= b,
        "==" => a == b,
        "!=" => a != b,
        other => panic!("{other}"),
    }
}

fn pair(op: &str, a: f64, b: f64) -> f64 {
    match op {
        "+" => a + b,
        "-" => a - b,
        "*" => a * b,
        "/" => a / b,
        "min" if b <= a => b,
        "max" if b >= a => b,
        "min" | "max" => a,
        other => panic!("{other}"),
    }
}

fn one(name: &str, x: f64) -> f64 {
    match name {
        "-" => -x,
        "abs" => x.abs(),
        "sqrt" => x.sqrt(),
        "log" => libm::log(x),
        "exp" => libm::exp(x),
        "floor" => x.floor(),
        other => panic!("{other}"),
    }
}

fn value(name: &str, timed: &TimedBar) -> f64 {
    let [open, high, low, close, volume] = timed.bar.values();
    let ms = timed.ts.ts_ms();
    match name {
        "open" => open,
        "high" => high,
        "low" => low,
        "close" => close,
        "volume" => volume,
        "hl2" => 0.5 * (high + low),
        "hlc3" => (high + low + close) / 3.0,
        "ohlc4" => (open + high + low + close) / 4.0,
        "hour" => (ms / 3_600_000 % 24) as f64,
        "minute" => (ms / 60_000 % 60) as f64,
        // 1970-01-05 was a Monday.
        "weekday" => ((ms / DAY_MS - 4).rem_euclid(7) + 1) as f64,
        other => panic!("{other}"),
    }
}
