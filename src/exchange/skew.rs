//! How far a venue's clock is ahead of ours, from the `Date` of its answers: whole seconds, and now and then wrong.

use std::collections::VecDeque;

use crate::domain::time::UtcMs;

/// Samples that are kept.
const KEPT: usize = 5;
/// Samples below which nothing is said.
const ENOUGH: usize = 3;
/// A date in whole seconds lies half a second back on average.
const HALF_SECOND_MS: i64 = 500;

/// The last few samples.
#[derive(Debug, Clone, Default)]
pub struct Skew(VecDeque<i64>);

impl Skew {
    /// An answer dated `date` to a request sent at `asked` that was there at `answered`, both by our clock.
    pub fn add(&mut self, date: UtcMs, asked: UtcMs, answered: UtcMs) {
        let ours_ms = i64::midpoint(asked.get(), answered.get());
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(date.get() + HALF_SECOND_MS - ours_ms);
    }

    /// Their time minus ours, milliseconds: the median of the samples, once there are enough of them.
    pub fn ms(&self) -> Option<i64> {
        if self.0.len() < ENOUGH {
            return None;
        }
        let mut sorted: Vec<i64> = self.0.iter().copied().collect();
        sorted.sort_unstable();
        let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        Some(i64::midpoint(low, high))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> UtcMs {
        UtcMs::new(1_700_000_000_000 + ms).unwrap()
    }

    #[test]
    fn one_wrong_date_changes_nothing_and_old_samples_are_forgotten() {
        let mut skew = Skew::default();
        for _ in 0..2 {
            skew.add(at(9_000), at(2_400), at(2_600));
            assert_eq!(skew.ms(), None);
        }
        skew.add(UtcMs::EPOCH, at(2_400), at(2_600));
        assert_eq!(skew.ms(), Some(7_000), "9.5 s there, 2.5 s here");
        for _ in 0..4 {
            skew.add(at(2_000), at(2_000), at(3_000));
        }
        assert_eq!(skew.ms(), Some(0));
    }

    #[test]
    fn half_the_round_trip_is_taken_out() {
        let mut skew = Skew::default();
        for _ in 0..4 {
            skew.add(at(10_000), at(8_000), at(12_000));
        }
        assert_eq!(skew.ms(), Some(500));
    }
}
