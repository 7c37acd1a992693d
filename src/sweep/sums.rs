//! What a trial keeps of its days: sums, never the days themselves, so that a trial of ten years is as small as one of ten days.

use super::stats::Sample;

/// A variance below this part of the mean square is rounding, not spread.
const SPREAD_MIN: f64 = 1e-12;

/// How the days of a window are cut into blocks: all of one length, the rest of the division left out at the old end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayBlocks {
    /// Blocks.
    pub blocks: u32,
    /// Days of each.
    pub days: u32,
    /// Days before the first block.
    pub rest: u32,
}

/// Fewest days of a block.
const BLOCK_DAYS_MIN: u32 = 10;

impl DayBlocks {
    /// Of `days` into as many blocks as were wanted, an even number; fewer where they would be shorter than ten days; none below two.
    pub fn new(days: u32, wanted: u32) -> Self {
        let most = (days / BLOCK_DAYS_MIN).min(wanted);
        let blocks = most - most % 2;
        if blocks < 2 {
            return Self { blocks: 0, days: 0, rest: days };
        }
        let length = days / blocks;
        Self { blocks, days: length, rest: days - blocks * length }
    }

    /// The block of a day.
    fn of(self, day: u32) -> Option<usize> {
        let inside = day.checked_sub(self.rest)?.checked_div(self.days)?;
        (inside < self.blocks).then_some(inside as usize)
    }
}

/// Sum and sum of squares of the returns of one block.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct BlockSum {
    /// Days.
    pub days: f64,
    /// Returns added up.
    pub sum: f64,
    /// Their squares added up.
    pub squares: f64,
}

impl BlockSum {
    /// Both together.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        let (sum, squares) = (self.sum + other.sum, self.squares + other.squares);
        Self { days: self.days + other.days, sum, squares }
    }

    /// The daily Sharpe ratio; 0 without spread.
    pub fn sharpe(self) -> f64 {
        let Self { days, sum, squares } = self;
        if days < 2.0 {
            return 0.0;
        }
        let mean = sum / days;
        let variance = (squares - days * mean * mean) / (days - 1.0);
        if variance <= SPREAD_MIN * (squares / days) {
            return 0.0;
        }
        mean / libm::sqrt(variance)
    }
}

/// The days of a trial, folded.
#[derive(Debug, Clone, PartialEq)]
pub struct DaySums {
    cut: DayBlocks,
    /// Days.
    pub days: u32,
    /// Of these, days with a return other than zero.
    pub active: u32,
    /// Sums of r, r^2, r^3, r^4.
    pub powers: [f64; 4],
    /// Sum of the squares of losing days.
    pub downside: f64,
    /// Per block.
    pub blocks: Vec<BlockSum>,
}

impl DaySums {
    /// Before the first day.
    pub fn new(cut: DayBlocks) -> Self {
        let blocks = vec![BlockSum::default(); cut.blocks as usize];
        Self { cut, days: 0, active: 0, powers: [0.0; 4], downside: 0.0, blocks }
    }

    /// The same from what a file kept of it.
    pub fn of(
        cut: DayBlocks,
        (days, active): (u32, u32),
        (powers, downside): ([f64; 4], f64),
        sums: &[[f64; 2]],
    ) -> Option<Self> {
        let block = |[sum, squares]: &[f64; 2]| BlockSum {
            days: f64::from(cut.days),
            sum: *sum,
            squares: *squares,
        };
        let blocks: Vec<BlockSum> = sums.iter().map(block).collect();
        (blocks.len() == cut.blocks as usize).then_some(Self {
            cut,
            days,
            active,
            powers,
            downside,
            blocks,
        })
    }

    /// The return of the next day.
    pub fn take(&mut self, r: f64) {
        let block = self.cut.of(self.days);
        self.days += 1;
        if let Some(block) = block {
            self.blocks[block].days += 1.0;
        }
        if r == 0.0 {
            return;
        }
        self.active += 1;
        let square = r * r;
        let powers = [r, square, square * r, square * square];
        for (sum, power) in self.powers.iter_mut().zip(powers) {
            *sum += power;
        }
        if r < 0.0 {
            self.downside += square;
        }
        if let Some(block) = block {
            self.blocks[block].sum += r;
            self.blocks[block].squares += square;
        }
    }

    /// The moments of the days; `None` below two of them, or without spread.
    pub fn sample(&self) -> Option<Sample> {
        let n = f64::from(self.days);
        if self.days < 2 {
            return None;
        }
        let [s1, s2, s3, s4] = self.powers.map(|sum| sum / n);
        let variance = s2 - s1 * s1;
        if variance <= SPREAD_MIN * s2 || !variance.is_finite() {
            return None;
        }
        let third = s3 - 3.0 * s1 * s2 + 2.0 * s1 * s1 * s1;
        let fourth = s4 - 4.0 * s1 * s3 + 6.0 * s1 * s1 * s2 - 3.0 * s1 * s1 * s1 * s1;
        Some(Sample {
            days: self.days,
            sharpe: s1 / libm::sqrt(variance * n / (n - 1.0)),
            skew: third / (variance * libm::sqrt(variance)),
            kurtosis: fourth / (variance * variance),
        })
    }

    /// Mean by the root mean square of losing days, over all days; `None` without a losing day.
    pub fn sortino(&self) -> Option<f64> {
        let n = f64::from(self.days);
        (self.downside > 0.0).then(|| self.powers[0] / n / libm::sqrt(self.downside / n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_even_long_enough_and_leave_out_the_oldest_days() {
        for (days, wanted, blocks, length, rest) in [
            (400, 16, 16, 25, 0),
            (415, 16, 16, 25, 15),
            (159, 16, 14, 11, 5),
            (25, 16, 2, 12, 1),
            (19, 16, 0, 0, 19),
            (0, 16, 0, 0, 0),
        ] {
            let cut = DayBlocks::new(days, wanted);
            assert_eq!((cut.blocks, cut.days, cut.rest), (blocks, length, rest), "{days}");
        }
        let cut = DayBlocks::new(25, 16);
        assert_eq!(
            [0, 1, 12, 13, 24, 25].map(|day| cut.of(day)),
            [None, Some(0), Some(0), Some(1), Some(1), None]
        );
    }

    #[test]
    fn days_without_spread_have_no_ratio() {
        for (r, many) in [(0.0, 300), (0.1, 300), (0.001, 7), (0.1, 1)] {
            let mut sums = DaySums::new(DayBlocks::new(many, 16));
            (0..many).for_each(|_| sums.take(r));
            assert_eq!(sums.sample(), None, "{r} {many}");
            assert_eq!(sums.active, if r == 0.0 { 0 } else { many });
            assert!(sums.blocks.iter().all(|block| block.sharpe() == 0.0));
        }
    }

    #[test]
    fn a_block_is_the_days_of_it() {
        let mut sums = DaySums::new(DayBlocks::new(21, 2));
        (0..21).for_each(|day| sums.take(f64::from(day)));
        assert_eq!(sums.blocks[0].sum, 55.0);
        assert_eq!(sums.blocks[1].sum, 155.0);
        // 1 to 10: mean 5.5, sample variance 55 / 6.
        let want = 5.5 / (55.0_f64 / 6.0).sqrt();
        assert!((sums.blocks[0].sharpe() - want).abs() < 1e-12);
        let whole = sums.blocks[0].with(sums.blocks[1]);
        assert_eq!((whole.days, whole.sum), (20.0, 210.0));
    }
}
