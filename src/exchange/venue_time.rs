//! What time it is at a venue, from the `Date` of its answers: whole seconds, and now and then wrong. Kept against the steady
//! clock, so that nothing that happens to the clock of this machine changes it.

use std::collections::VecDeque;

use super::feed::Heard;
use crate::domain::time::{Now, Steady, Timeframe, UtcMs};

/// Samples that are kept.
const KEPT: usize = 5;
/// Samples from which on one wrong date changes nothing.
const ENOUGH: usize = 3;
/// A date in whole seconds is half a second late on average.
const HALF_SECOND_MS: i64 = 500;

/// The last few samples: the time there when the steady clock showed zero, milliseconds since 1970.
#[derive(Debug, Clone, Default)]
pub struct VenueTime(VecDeque<i64>);

impl VenueTime {
    /// An answer dated `date` to a request sent at `asked` that was there at `answered`.
    pub fn add(&mut self, date: UtcMs, asked: Steady, answered: Steady) {
        let half_ms = answered.since(asked) / 2;
        let up_ms = asked.plus_ms(half_ms).since(Steady::default());
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(date.get() + HALF_SECOND_MS - up_ms);
    }

    /// What time it is there at `up`: the median of the samples, or the newest one while there are too few for that.
    pub fn at(&self, up: Steady) -> Option<Heard> {
        let is_sure = self.0.len() >= ENOUGH;
        let zero_ms = if is_sure { median(&self.0) } else { *self.0.back()? };
        let at = UtcMs::EPOCH.plus_ms(zero_ms.saturating_add(up.since(Steady::default())));
        Some(Heard { at, is_sure })
    }

    /// How far the time there is ahead of `now`, milliseconds, when another slot is forming there, and that for more than
    /// `least_ms`: then a question by `now` was the wrong one.
    pub fn contradicts(&self, now: Now, timeframe: Timeframe, least_ms: i64) -> Option<i64> {
        let there = self.at(now.up)?.at;
        let apart_ms = there.get() - now.at.get();
        let is_other = timeframe.last_closed(there) != timeframe.last_closed(now.at);
        (is_other && apart_ms.abs() > least_ms).then_some(apart_ms)
    }
}

fn median(samples: &VecDeque<i64>) -> i64 {
    let mut sorted: Vec<i64> = samples.iter().copied().collect();
    sorted.sort_unstable();
    i64::midpoint(sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> UtcMs {
        UtcMs::new(1_700_000_000_000 + ms).unwrap()
    }

    fn heard(time: &VenueTime, up_ms: i64) -> Option<(i64, bool)> {
        let heard = time.at(Steady::new(up_ms))?;
        Some((heard.at.get() - at(0).get(), heard.is_sure))
    }

    #[test]
    fn one_date_is_followed_and_three_are_believed() {
        let (mut time, up) = (VenueTime::default(), Steady::new);
        assert_eq!(heard(&time, 0), None);
        time.add(at(9_000), up(2_400), up(2_600));
        assert_eq!(heard(&time, 2_500), Some((9_500, false)));
        assert_eq!(heard(&time, 12_500), Some((19_500, false)), "time goes on");
        time.add(UtcMs::EPOCH, up(2_400), up(2_600));
        time.add(at(9_000), up(2_400), up(2_600));
        assert_eq!(heard(&time, 2_500), Some((9_500, true)), "one wrong date changes nothing");
        for _ in 0..3 {
            time.add(at(2_000), up(2_000), up(3_000));
        }
        assert_eq!(heard(&time, 2_500), Some((2_500, true)), "old samples are forgotten");
    }

    #[test]
    fn half_the_round_trip_is_taken_out() {
        let (mut time, up) = (VenueTime::default(), Steady::new);
        for _ in 0..4 {
            time.add(at(10_000), up(8_000), up(12_000));
        }
        assert_eq!(heard(&time, 12_000), Some((12_500, true)));
    }

    #[test]
    fn a_question_by_a_wrong_clock_is_noticed_when_another_slot_is_forming() {
        let (mut time, up) = (VenueTime::default(), Steady::new(5_000));
        // A minute begins 40 s before the time in the answer.
        let wrong = |time: &VenueTime, ms: i64| {
            time.contradicts(Now { at: at(ms), up }, Timeframe::M1, 2_000)
        };
        assert_eq!(wrong(&time, 0), None);
        time.add(at(20_000), up, up);
        assert_eq!(wrong(&time, -19_000), None, "the same minute");
        assert_eq!(wrong(&time, -20_500), Some(41_000));
        assert_eq!(wrong(&time, 39_999), None);
        assert_eq!(wrong(&time, 80_500), Some(-60_000));
        assert_eq!(time.contradicts(Now { at: at(80_500), up }, Timeframe::M1, 60_000), None);
    }
}
