//! Round numbers along an axis.

use super::number::{by, significant};
use crate::domain::time::{DAY_MS, UtcMs};

/// A range, widened to something that can be drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// Its lower end.
    pub low: f64,
    /// Its upper end; above the lower one.
    pub high: f64,
}

impl Range {
    /// Of some numbers, with a little air; of nothing 0 to 1.
    pub fn of(numbers: impl IntoIterator<Item = f64>) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for number in numbers.into_iter().filter(|number| number.is_finite()) {
            (low, high) = (low.min(number), high.max(number));
        }
        if low > high {
            return Self { low: 0.0, high: 1.0 };
        }
        let span = high - low;
        // A line without height lies in the middle.
        let air = if span > low.abs().max(high.abs()) * 1e-12 {
            span * 0.04
        } else {
            (low.abs() * 0.01).max(f64::MIN_POSITIVE * 1e10)
        };
        Self { low: low - air, high: high + air }
    }

    /// Where a number lies, 0 at the lower end and 1 at the upper one.
    pub fn place(self, number: f64) -> f64 {
        (number - self.low) / (self.high - self.low)
    }
}

/// A tick: its number, and how it is written.
pub type Tick = (f64, String);

/// About `most` round numbers inside a range, equally far apart.
pub fn ticks(range: Range, most: usize, written: impl Fn(f64) -> String) -> Vec<Tick> {
    let raw = (range.high - range.low) / most.max(1) as f64;
    let size = libm::pow(10.0, libm::floor(libm::log10(raw)));
    let step =
        [1.0, 2.0, 5.0, 10.0].map(|times| times * size).into_iter().find(|step| *step >= raw);
    let step = step.unwrap_or(raw);
    // An end that is a tick may miss itself by a rounding.
    let from = libm::ceil(range.low / step - 1e-9);
    let tick = |n: f64| {
        let value = (from + n) * step;
        // Steps add up to almost round numbers; a zero is exact.
        let value = if value.abs() < step * 1e-9 { 0.0 } else { value };
        (value, written(value))
    };
    let last = range.high + step * 1e-9;
    (0..=most * 2).map(|n| tick(n as f64)).take_while(|(value, _)| *value <= last).collect()
}

/// Ticks of plain numbers.
pub fn plain(range: Range, most: usize) -> Vec<Tick> {
    ticks(range, most, |value| significant(value, 6))
}

/// Ticks of percentages.
pub fn percents(range: Range, most: usize) -> Vec<Tick> {
    ticks(range, most, |part| format!("{}%", significant(part * 100.0, 6)))
}

/// Steps of days and less, milliseconds.
const STEPS: [i64; 13] = [
    60_000,
    300_000,
    900_000,
    1_800_000,
    3_600_000,
    3 * 3_600_000,
    6 * 3_600_000,
    12 * 3_600_000,
    DAY_MS,
    2 * DAY_MS,
    5 * DAY_MS,
    10 * DAY_MS,
    15 * DAY_MS,
];
/// Steps of months.
const MONTHS: [i64; 6] = [1, 2, 3, 6, 12, 24];

/// Round times inside a range of milliseconds: at most `most` of them.
pub fn times(range: Range, most: usize) -> Vec<Tick> {
    let (low, high) = (range.low.max(0.0) as i64, range.high.max(0.0) as i64);
    let fits = |step: &&i64| (high - low) / **step < most as i64;
    if let Some(step) = STEPS.iter().find(fits) {
        let pattern = if *step < DAY_MS { "%m-%d %H:%M" } else { "%Y-%m-%d" };
        let first = (low + step - 1).div_euclid(*step);
        let tick = |n: i64| ((n * step) as f64, by(n * step, pattern));
        return (first..=high.div_euclid(*step)).map(tick).collect();
    }
    let month_of = |ts_ms: i64| {
        let number = |pattern: &str| by(ts_ms, pattern).parse::<i64>().unwrap_or(0);
        number("%Y") * 12 + number("%m") - 1
    };
    let (first, last) = (month_of(low), month_of(high) + 1);
    let fits = |step: &&i64| (last - first) / **step < most as i64;
    let step = MONTHS.iter().find(fits).copied().unwrap_or(60);
    (first..=last)
        .filter(|month| month % step == 0)
        .filter_map(|month| {
            let date = format!("{:04}-{:02}-01T00:00:00Z", month / 12, month % 12 + 1);
            Some(date.parse::<UtcMs>().ok()?.get())
        })
        .filter(|at| (low..=high).contains(at))
        .map(|at| (at as f64, by(at, "%Y-%m")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(ticks: &[Tick]) -> Vec<&str> {
        ticks.iter().map(|(_, text)| text.as_str()).collect()
    }

    #[test]
    fn ticks_are_round_and_inside() {
        let range = |low, high| Range { low, high };
        assert_eq!(written(&plain(range(0.0, 10.0), 5)), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(
            written(&plain(range(-0.3, 0.3), 6)),
            ["−0.3", "−0.2", "−0.1", "0", "0.1", "0.2", "0.3"]
        );
        assert_eq!(written(&percents(range(-0.07, 0.001), 4)), ["−6%", "−4%", "−2%", "0%"]);
        assert_eq!(written(&plain(range(9_990.0, 10_040.0), 3)).len(), 3);
        for scale in [1e-12, 1e-3, 1.0, 1e9] {
            let many = plain(range(1.1 * scale, 7.9 * scale), 5).len();
            assert!((3..=7).contains(&many), "{scale}: {many}");
        }
    }

    #[test]
    fn times_are_those_that_people_write() {
        let day = |n: i64| (19_000 + n) * DAY_MS;
        let of = |to: i64| times(Range { low: day(0) as f64, high: to as f64 }, 7);
        // 19,000 days after 1970 is 2022-01-08.
        assert_eq!(
            written(&of(day(6))),
            [
                "2022-01-08",
                "2022-01-09",
                "2022-01-10",
                "2022-01-11",
                "2022-01-12",
                "2022-01-13",
                "2022-01-14"
            ]
        );
        assert_eq!(written(&of(day(0) + 3_600_000))[1], "01-08 00:15");
        assert_eq!(
            written(&of(day(360))),
            ["2022-03", "2022-05", "2022-07", "2022-09", "2022-11", "2023-01"]
        );
        assert_eq!(written(&of(day(3_000)))[0], "2024-01");
        for days in [1, 3, 10, 45, 100, 400, 900, 3_000, 9_000] {
            let many = of(day(days)).len();
            assert!((2..=8).contains(&many), "{days}: {many}");
        }
    }

    #[test]
    fn a_range_can_be_drawn_whatever_is_in_it() {
        assert_eq!(Range::of([]), Range { low: 0.0, high: 1.0 });
        for numbers in [vec![0.0], vec![5.0; 3], vec![-1.0, f64::NAN, 3.0], vec![1e-12, 1.1e-12]] {
            let range = Range::of(numbers.iter().copied());
            assert!(range.low < range.high, "{numbers:?}");
            let place = range.place(numbers[0]);
            assert!((0.0..=1.0).contains(&place), "{numbers:?}: {place}");
        }
    }
}
