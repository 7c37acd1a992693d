//! Windows of whole UTC days: what is searched, what is held out, and the steps of a walk forward.

use super::space::SearchError;

/// Days from a first to a last one, both included, counted since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Days {
    /// The first.
    pub first: i64,
    /// The last.
    pub last: i64,
}

impl Days {
    /// How many.
    pub fn len(self) -> u32 {
        u32::try_from(self.last - self.first + 1).unwrap_or(0)
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.last < self.first
    }

    /// How many of them another window has too.
    pub fn common(self, other: Self) -> u32 {
        Self { first: self.first.max(other.first), last: self.last.min(other.last) }.len()
    }
}

/// How much is held out at the end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum HoldOut {
    /// A part of all days, rounded down to whole ones.
    Percent(f64),
    /// Days.
    Days(u32),
}

/// What is searched and what is held out of it.
pub fn split(all: Days, hold_out: HoldOut) -> Result<(Days, Option<Days>), SearchError> {
    let many = all.len();
    let held = match hold_out {
        HoldOut::Percent(percent) => (f64::from(many) * percent / 100.0).floor() as u32,
        HoldOut::Days(days) => days,
    };
    if held >= many {
        return Err(SearchError::AllHeldOut { held, days: many });
    }
    let search = Days { last: all.last - i64::from(held), ..all };
    Ok((search, (held > 0).then_some(Days { first: search.last + 1, last: all.last })))
}

/// How a walk forward is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalkPlan {
    /// Days that are searched.
    pub train: u32,
    /// Days that the choice is applied to, behind them.
    pub test: u32,
    /// Days between that belong to neither.
    pub embargo: u32,
}

/// One step of a walk forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalkWindows {
    /// What is searched.
    pub train: Days,
    /// What the choice is applied to.
    pub test: Days,
}

impl WalkPlan {
    /// Its steps inside a window: test windows follow each other without a gap and without an overlap, and only whole ones count.
    pub fn steps(self, inside: Days) -> Vec<WalkWindows> {
        let [train, test, embargo] = [self.train, self.test, self.embargo].map(i64::from);
        let mut steps = Vec::new();
        let mut first = inside.first;
        while test > 0 && train > 0 && first + train + embargo + test - 1 <= inside.last {
            let begin = first + train + embargo;
            steps.push(WalkWindows {
                train: Days { first, last: first + train - 1 },
                test: Days { first: begin, last: begin + test - 1 },
            });
            first += test;
        }
        steps
    }

    /// Trades that a train window needs, of those that the whole search needs: by its part of the days, at least ten.
    pub fn trades_min(self, whole: u32, days: u32) -> u32 {
        let part = f64::from(whole) * f64::from(self.train) / f64::from(days.max(1));
        (part.ceil() as u32).max(10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Days = Days { first: 100, last: 199 };

    #[test]
    fn a_hold_out_is_the_end_and_leaves_something() {
        let days = |first, last| Days { first, last };
        assert_eq!(split(ALL, HoldOut::Percent(20.0)), Ok((days(100, 179), Some(days(180, 199)))));
        assert_eq!(split(ALL, HoldOut::Days(0)), Ok((ALL, None)));
        assert_eq!(split(ALL, HoldOut::Percent(0.9)), Ok((ALL, None)), "less than a day");
        assert_eq!(split(ALL, HoldOut::Days(99)), Ok((days(100, 100), Some(days(101, 199)))));
        let all = split(ALL, HoldOut::Percent(100.0)).unwrap_err();
        assert_eq!(all, SearchError::AllHeldOut { held: 100, days: 100 });
        assert!(split(ALL, HoldOut::Days(200)).is_err());
    }

    #[test]
    fn test_windows_follow_each_other_and_train_windows_end_before_them() {
        let walk = WalkPlan { train: 40, test: 20, embargo: 5 };
        let steps = walk.steps(ALL);
        let shown: Vec<[i64; 4]> = steps
            .iter()
            .map(|s| [s.train.first, s.train.last, s.test.first, s.test.last])
            .collect();
        assert_eq!(shown, [[100, 139, 145, 164], [120, 159, 165, 184]]);
        assert!(WalkPlan { train: 90, test: 20, embargo: 0 }.steps(ALL).is_empty());
        assert_eq!((walk.trades_min(100, 100), walk.trades_min(20, 100)), (40, 10));
    }

    #[test]
    fn common_days() {
        assert_eq!(ALL.common(Days { first: 190, last: 300 }), 10);
        assert_eq!(ALL.common(Days { first: 200, last: 300 }), 0);
    }
}
