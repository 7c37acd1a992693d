//! Looking back: the input some bars ago, runs, counts, and the last time something was true.

use super::window::{Known, Length, SlidingWindow, Sum};

/// The input `n` bars ago, handed on as it was, known or not.
#[derive(Debug, Clone)]
pub struct Delay {
    ring: Box<[f64]>,
    at: usize,
}

impl Delay {
    /// By `n` bars.
    pub fn new(n: Length) -> Self {
        Self { ring: vec![f64::NAN; n.get() as usize].into_boxed_slice(), at: 0 }
    }

    /// Takes in the next input; NaN until warm.
    #[inline]
    pub fn update(&mut self, x: f64) -> f64 {
        let before = std::mem::replace(&mut self.ring[self.at], x);
        self.at = if self.at + 1 == self.ring.len() { 0 } else { self.at + 1 };
        before
    }

    /// The same for a column.
    pub fn run(&mut self, mut x: &[f64], mut out: &mut [f64]) {
        while !x.is_empty() {
            let many = (self.ring.len() - self.at).min(x.len());
            let ring = &mut self.ring[self.at..][..many];
            let (now, later) = x.split_at(many);
            let (before, rest) = out.split_at_mut(many);
            before.copy_from_slice(ring);
            ring.copy_from_slice(now);
            self.at = if self.at + many == self.ring.len() { 0 } else { self.at + many };
            (x, out) = (later, rest);
        }
    }
}

/// Steps in one direction, counted.
#[derive(Debug, Clone)]
struct Run {
    n: u32,
    known: Known,
    last: f64,
    steps: u32,
}

impl Run {
    fn new(n: Length) -> Self {
        Self { n: n.get(), known: Known::new(n.get() + 1), last: f64::NAN, steps: 0 }
    }

    /// 1 if each of the last `n` steps goes up, else 0.
    #[inline]
    fn update(&mut self, x: f64) -> f64 {
        let last = std::mem::replace(&mut self.last, x);
        self.steps = if x > last { (self.steps + 1).min(self.n) } else { 0 };
        if self.known.take(x) { f64::from(self.steps == self.n) } else { f64::NAN }
    }
}

/// Whether each of the last `n` inputs is above the one before it: 1 or 0.
#[derive(Debug, Clone)]
pub struct Rising(Run);

impl Rising {
    /// `n` steps, from `n + 1` inputs.
    pub fn new(n: Length) -> Self {
        Self(Run::new(n))
    }

    /// Takes in the next input; NaN until warm, and while an unknown input is among the last `n + 1`.
    #[inline]
    pub fn update(&mut self, x: f64) -> f64 {
        self.0.update(x)
    }
}

/// Whether each of the last `n` inputs is below the one before it: 1 or 0.
#[derive(Debug, Clone)]
pub struct Falling(Run);

impl Falling {
    /// `n` steps, from `n + 1` inputs.
    pub fn new(n: Length) -> Self {
        Self(Run::new(n))
    }

    /// Takes in the next input; NaN until warm, and while an unknown input is among the last `n + 1`.
    #[inline]
    pub fn update(&mut self, x: f64) -> f64 {
        self.0.update(-x)
    }
}

/// How many of the last `n` conditions are true.
#[derive(Debug, Clone)]
pub struct Count {
    window: SlidingWindow<Sum>,
}

impl Count {
    /// Of `n` conditions.
    pub fn new(n: Length) -> Self {
        Self { window: SlidingWindow::new(n) }
    }

    /// Takes in the next condition (1 true, 0 false, NaN unknown); NaN until warm, and while an unknown one is among the last `n`.
    #[inline]
    pub fn update(&mut self, c: f64) -> f64 {
        self.window.push(c).map_or(f64::NAN, |sum| sum.0)
    }
}

/// Bars since the condition was last true: 0 if it is now, `n` if it was not in the last `n` bars.
///
/// Only bars since then matter: unknown if the newest condition that is not false is unknown. Before the first one all are unknown.
#[derive(Debug, Clone)]
pub struct BarsSince {
    n: u32,
    /// Bars since the newest condition that was not false, at most `n`.
    age: u32,
    /// Whether that one was true.
    was_true: bool,
}

impl BarsSince {
    /// In the last `n` bars.
    pub fn new(n: Length) -> Self {
        Self { n: n.get(), age: 0, was_true: false }
    }

    /// Takes in the next condition (1 true, 0 false, NaN unknown).
    #[inline]
    pub fn update(&mut self, c: f64) -> f64 {
        if c == 0.0 {
            self.age = (self.age + 1).min(self.n);
        } else {
            (self.age, self.was_true) = (0, !c.is_nan());
        }
        if self.was_true || self.age == self.n { f64::from(self.age) } else { f64::NAN }
    }
}

/// The input at the bar at which the condition was last true, of the last `n` bars; unknown without one.
///
/// Only bars since then matter: unknown if the newest condition that is not false is unknown.
#[derive(Debug, Clone)]
pub struct ValueWhen {
    n: u32,
    /// Bars since the newest condition that was not false, at most `n`.
    age: u32,
    /// The input at that bar; NaN if the condition was unknown.
    value: f64,
}

impl ValueWhen {
    /// In the last `n` bars.
    pub fn new(n: Length) -> Self {
        Self { n: n.get(), age: 0, value: f64::NAN }
    }

    /// Takes in the next condition (1 true, 0 false, NaN unknown) and the input at its bar.
    #[inline]
    pub fn update(&mut self, c: f64, x: f64) -> f64 {
        if c == 0.0 {
            self.age = (self.age + 1).min(self.n);
        } else {
            (self.age, self.value) = (0, if c.is_nan() { f64::NAN } else { x });
        }
        if self.age < self.n { self.value } else { f64::NAN }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::kernels::sample::length;

    const U: f64 = f64::NAN;

    /// Equal, an unknown one to an unknown one.
    fn same(got: &[f64], expected: &[f64]) {
        let equal = |(a, b): (&f64, &f64)| a == b || a.is_nan() && b.is_nan();
        assert!(got.iter().zip(expected).all(equal), "{got:?}, expected {expected:?}");
    }

    #[test]
    fn a_delay_hands_on_what_it_got() {
        let mut delay = Delay::new(length(2));
        let got = [1.0, U, 3.0, f64::INFINITY, 5.0, 6.0].map(|x| delay.update(x));
        same(&got, &[U, U, 1.0, U, 3.0, f64::INFINITY]);
    }

    #[test]
    fn a_run_is_strict_and_needs_all_its_inputs() {
        let inputs = [1.0, 2.0, 3.0, 3.0, 4.0, 5.0, U, 6.0, 7.0, 8.0, 7.0, 6.0];
        let (mut rising, mut falling) = (Rising::new(length(2)), Falling::new(length(2)));
        let up = [U, U, 1.0, 0.0, 0.0, 1.0, U, U, U, 1.0, 0.0, 0.0];
        let down = [U, U, 0.0, 0.0, 0.0, 0.0, U, U, U, 0.0, 0.0, 1.0];
        same(&inputs.map(|x| rising.update(x)), &up);
        same(&inputs.map(|x| falling.update(x)), &down);
    }

    #[test]
    fn what_is_true_is_counted() {
        let mut count = Count::new(length(3));
        let got = [1.0, 0.0, 1.0, 1.0, 1.0, U, 0.0, 0.0, 0.0].map(|c| count.update(c));
        same(&got, &[U, U, 2.0, 2.0, 3.0, U, U, U, 0.0]);
    }

    #[test]
    fn the_newest_condition_that_is_not_false_decides() {
        let conditions = [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, U, 0.0, 1.0, U, 0.0, 0.0, 0.0];
        let (mut since, mut when) = (BarsSince::new(length(3)), ValueWhen::new(length(3)));
        let bars = [U, U, 3.0, 0.0, 1.0, 2.0, 3.0, 3.0, U, U, 0.0, U, U, U, 3.0];
        let values = [U, U, U, 3.0, 3.0, 3.0, U, U, U, U, 10.0, U, U, U, U];
        same(&conditions.map(|c| since.update(c)), &bars);
        let mut i = -1.0;
        let got = conditions.map(|c| {
            i += 1.0;
            when.update(c, i)
        });
        same(&got, &values);
    }

    #[test]
    fn a_condition_that_is_true_before_the_warm_up_ends_is_known() {
        let (mut since, mut when) = (BarsSince::new(length(9)), ValueWhen::new(length(9)));
        same(&[0.0, 1.0, 0.0].map(|c| since.update(c)), &[U, 0.0, 1.0]);
        same(&[0.0, 1.0, 0.0].map(|c| when.update(c, 7.0)), &[U, 7.0, 7.0]);
    }
}
