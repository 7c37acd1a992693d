//! How often a market was searched: the best of many searches is luckier than the best of one, whoever made them.

use super::stats::best_of;

/// Below so many trials the spread that was measured says nothing.
const TRIALS_MIN: u64 = 10;

/// One search, as far as it counts against the next one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Search {
    /// First day, days since 1970.
    pub first_day: i64,
    /// Last day.
    pub last_day: i64,
    /// Trials that no earlier search had.
    pub trials: u64,
    /// Variance of the daily ratios of its trials times its days less one; `None` of a single backtest.
    pub spread: Option<f64>,
}

/// What a window was searched for, all searches together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Searched {
    /// Trials.
    pub trials: u64,
    /// The largest spread, at most 1.
    pub spread: f64,
    /// The daily ratio that the best of them is expected to show if all are useless.
    pub luck: f64,
}

/// The luck of all searches that overlap a window of so many days. `searches` are of one series, oldest first, this one among them.
/// It is the largest luck that they ever had together: few trials count with the spread of chance, and the tenth must not lower it.
pub fn searched(searches: &[Search], (first_day, last_day): (i64, i64), days: u32) -> Searched {
    let overlaps = |search: &&Search| search.first_day <= last_day && search.last_day >= first_day;
    let mut found = Searched { trials: 0, spread: 1.0, luck: 0.0 };
    let mut largest: f64 = 0.0;
    for search in searches.iter().filter(overlaps) {
        found.trials = found.trials.saturating_add(search.trials);
        largest = largest.max(search.spread.unwrap_or(0.0));
        found.spread = if found.trials < TRIALS_MIN { 1.0 } else { largest.min(1.0) };
        let per_day = found.spread / (f64::from(days) - 1.0).max(1.0);
        found.luck = found.luck.max(libm::sqrt(per_day) * best_of(found.trials));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(days: (i64, i64), trials: u64, spread: Option<f64>) -> Search {
        Search { first_day: days.0, last_day: days.1, trials, spread }
    }

    #[test]
    fn only_what_overlaps_counts_and_the_largest_spread() {
        let all = [
            search((0, 99), 50, Some(0.2)),
            search((100, 199), 60, Some(0.7)),
            search((199, 300), 1, None),
            search((201, 300), 500, Some(0.9)),
        ];
        let found = searched(&all, (100, 199), 100);
        assert_eq!((found.trials, found.spread), (61, 0.7));
        assert!((found.luck - (0.7_f64 / 99.0).sqrt() * best_of(61)).abs() < 1e-15);
    }

    #[test]
    fn few_trials_have_the_spread_of_chance_and_one_has_no_luck() {
        let found = searched(&[search((0, 9), 9, Some(0.01))], (0, 9), 400);
        assert_eq!(found.spread, 1.0);
        let found = searched(&[search((0, 9), 1, None)], (0, 9), 400);
        assert_eq!((found.trials, found.luck), (1, 0.0));
        assert_eq!(searched(&[search((0, 9), 99, Some(7.0))], (0, 9), 400).spread, 1.0);
        assert_eq!(searched(&[], (0, 9), 1).luck, 0.0);
        assert!(searched(&[search((0, 9), 99, Some(7.0))], (0, 9), 1).luck.is_finite());
    }

    /// Whoever searches again around the winner has a smaller spread, and all the trials of before.
    #[test]
    fn refining_a_winner_never_lowers_the_luck() {
        let mut all = vec![search((0, 399), 9, Some(0.1))];
        let mut before = searched(&all, (0, 399), 400).luck;
        for (trials, spread) in [(600, 0.1), (40, 0.001), (0, 0.0), (1, 0.5), (10_000, 0.3)] {
            all.push(search((0, 399), trials, Some(spread)));
            let now = searched(&all, (0, 399), 400).luck;
            assert!(now >= before, "{now} after {before}");
            before = now;
        }
    }
}
