//! How often the best of one half of the days is below the middle of the other half: the probability of backtest overfitting, by
//! combinatorially symmetric cross-validation. After Bailey, Borwein, López de Prado and Zhu (2017).

use super::{sums::BlockSum, xoshiro::Xoshiro};

/// Most trials that take part; of more, so many are drawn.
pub const TRIALS_MAX: usize = 5_000;

/// The stream of the generator that draws them.
const STREAM: u64 = 0x7062_6F00;

/// What the cross-validation found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Overfitting {
    /// The share of splits in which the best of one half was at or below the middle of the other.
    pub share: f64,
    /// Splits.
    pub splits: u32,
    /// Blocks of days.
    pub blocks: u32,
    /// Trials that took part.
    pub trials: u32,
}

/// Over the sums per block of every trial, all of one length; `None` below two blocks or two trials.
pub fn overfitting(trials: &[&[BlockSum]], seed: u64) -> Option<Overfitting> {
    let drawn: Vec<&[BlockSum]> = if trials.len() > TRIALS_MAX {
        let places = Xoshiro::new(seed, STREAM).places(TRIALS_MAX, trials.len());
        places.into_iter().map(|place| trials[place]).collect()
    } else {
        trials.to_vec()
    };
    let blocks = drawn.first().map_or(0, |one| one.len());
    if drawn.len() < 2 || blocks < 2 || blocks % 2 == 1 {
        return None;
    }
    let of_block = |at: usize| drawn.iter().map(|trial| trial[at]).collect::<Vec<BlockSum>>();
    let by_block: Vec<Vec<BlockSum>> = (0..blocks).map(of_block).collect();
    let (mut below, mut splits) = (0_u32, 0_u32);
    let mut halves = [Half::new(drawn.len()), Half::new(drawn.len())];
    for mask in firsts(blocks) {
        halves.iter_mut().for_each(Half::clear);
        for (at, sums) in by_block.iter().enumerate() {
            halves[usize::from(mask >> at & 1 == 0)].add(sums);
        }
        halves.iter_mut().for_each(Half::work_out);
        let [one, other] = &halves;
        splits += 2;
        below += u32::from(is_below(&one.ratios, &other.ratios));
        below += u32::from(is_below(&other.ratios, &one.ratios));
    }
    Some(Overfitting {
        share: f64::from(below) / f64::from(splits),
        splits,
        blocks: blocks as u32,
        trials: drawn.len() as u32,
    })
}

/// Half of the blocks, of all trials: sums side by side, so that several are added at once.
struct Half {
    days: Vec<f64>,
    sums: Vec<f64>,
    squares: Vec<f64>,
    ratios: Vec<f64>,
}

impl Half {
    fn new(trials: usize) -> Self {
        let room = || vec![0.0; trials];
        Self { days: room(), sums: room(), squares: room(), ratios: room() }
    }

    fn clear(&mut self) {
        for sums in [&mut self.days, &mut self.sums, &mut self.squares] {
            sums.fill(0.0);
        }
    }

    /// Adds a block of each trial.
    fn add(&mut self, blocks: &[BlockSum]) {
        let sums = self.days.iter_mut().zip(&mut self.sums).zip(&mut self.squares);
        for (((days, sum), squares), block) in sums.zip(blocks) {
            *days += block.days;
            *sum += block.sum;
            *squares += block.squares;
        }
    }

    fn work_out(&mut self) {
        let sums = self.days.iter().zip(&self.sums).zip(&self.squares);
        for (((days, sum), squares), ratio) in sums.zip(&mut self.ratios) {
            *ratio = BlockSum { days: *days, sum: *sum, squares: *squares }.sharpe();
        }
    }
}

/// Whether the best of the one half has a midrank in the other that is at or below the middle. Of equals the first is the best.
fn is_below(inside: &[f64], outside: &[f64]) -> bool {
    let mut best = 0;
    for (at, x) in inside.iter().enumerate() {
        if *x > inside[best] {
            best = at;
        }
    }
    let own = outside[best];
    let less = outside.iter().filter(|x| **x < own).count();
    let same = outside.iter().filter(|x| **x == own).count();
    // Twice the midrank, by twice its largest value and one.
    2 * less + same < outside.len() + 1
}

/// Every choice of half of the blocks that has the first one: each of the others is what one of these leaves.
fn firsts(blocks: usize) -> impl Iterator<Item = u32> {
    (0_u32..1 << blocks)
        .filter(move |mask| mask & 1 == 1 && mask.count_ones() as usize * 2 == blocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(sums: &[f64]) -> Vec<BlockSum> {
        // Two days per block: half of the sum plus and minus one.
        let block = |sum: &f64| BlockSum { days: 2.0, sum: *sum, squares: sum * sum / 2.0 + 2.0 };
        sums.iter().map(block).collect()
    }

    #[test]
    fn a_trial_that_is_always_best_is_never_below() {
        let trials = [blocks(&[3.0; 4]), blocks(&[1.0; 4]), blocks(&[0.5; 4]), blocks(&[0.2; 4])];
        let trials: Vec<&[BlockSum]> = trials.iter().map(Vec::as_slice).collect();
        let found = overfitting(&trials, 7).unwrap();
        assert_eq!((found.share, found.splits, found.blocks, found.trials), (0.0, 6, 4, 4));
    }

    #[test]
    fn what_wins_in_one_half_only_is_overfitted() {
        let trials = [blocks(&[4.0, -4.0]), blocks(&[-4.0, 4.0]), blocks(&[0.1, 0.1])];
        let trials: Vec<&[BlockSum]> = trials.iter().map(Vec::as_slice).collect();
        assert_eq!(overfitting(&trials, 7).unwrap().share, 1.0);
    }

    #[test]
    fn equals_share_their_rank_and_the_middle_counts_as_below() {
        let same = blocks(&[1.0, 1.0]);
        let trials: Vec<&[BlockSum]> = vec![&same; 3];
        // Midrank 2 of 3: w = 0.5.
        assert_eq!(overfitting(&trials, 7).unwrap().share, 1.0);
    }

    #[test]
    fn who_shares_the_first_place_is_above_the_middle() {
        let trials = [blocks(&[3.0, 1.0]), blocks(&[1.0, 1.0]), blocks(&[0.5, 0.2])];
        let trials: Vec<&[BlockSum]> = trials.iter().map(Vec::as_slice).collect();
        // Of the second half the midrank of the best one is 2.5 of 3: w = 0.625.
        assert_eq!(overfitting(&trials, 7).unwrap().share, 0.0);
    }

    #[test]
    fn too_little_is_nothing() {
        let one = blocks(&[1.0, 2.0]);
        assert_eq!(overfitting(&[&one], 7), None);
        let short = blocks(&[1.0]);
        assert_eq!(overfitting(&[&short, &short], 7), None);
    }
}
