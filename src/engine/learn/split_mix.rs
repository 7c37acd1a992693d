//! Chance with a seed: SplitMix64, one stream per purpose, so that drawing more for one leaves the others as they were.

/// Step of the state between two numbers.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// What numbers are drawn for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The weights a network starts with.
    Weights,
    /// The order of the rows in one epoch.
    Order(u32),
    /// Which rows are looked at more closely.
    Probe,
    /// The order of labels that are mixed up on purpose.
    Mix,
}

impl Purpose {
    const fn salt(self) -> u64 {
        match self {
            Self::Weights => 1,
            Self::Probe => 2,
            Self::Mix => 3,
            Self::Order(epoch) => (1 << 32) | epoch as u64,
        }
    }
}

/// A stream of numbers (SplitMix64; Steele, Lea and Flood 2014).
#[derive(Debug, Clone)]
pub struct SplitMix(u64);

impl SplitMix {
    /// The stream of a seed for a purpose.
    pub const fn new(seed: u64, purpose: Purpose) -> Self {
        Self(mixed(mixed(seed) ^ purpose.salt().wrapping_mul(GOLDEN)))
    }

    /// The next 64 bits.
    pub const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mixed(self.0)
    }

    /// A number from 0 up to and without 1, of 24 bits: exact in `f32`.
    pub fn part(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1 << 24) as f32
    }

    /// A whole number below `most`, which is not zero. The remainder favours small numbers by less than one in 2^32 for fewer than 2^32.
    pub const fn below(&mut self, most: usize) -> usize {
        assert!(most > 0, "there is a number to draw");
        (self.bits() % most as u64) as usize
    }

    /// The numbers from 0 to `many` - 1 in random order (Fisher and Yates).
    pub fn order(&mut self, many: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..many as u32).collect();
        self.shuffle(&mut order);
        order
    }

    /// Mixes up a list.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            list.swap(last, self.below(last + 1));
        }
    }
}

const fn mixed(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_splitmix64() {
        // The first numbers of the reference implementation with the state 1234567.
        let mut chance = SplitMix(1_234_567);
        assert_eq!(
            [chance.bits(), chance.bits(), chance.bits()],
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn purposes_and_seeds_have_streams_of_their_own() {
        let first = |seed, purpose| SplitMix::new(seed, purpose).bits();
        let purposes =
            [Purpose::Weights, Purpose::Probe, Purpose::Mix, Purpose::Order(0), Purpose::Order(1)];
        let mut seen: Vec<u64> =
            purposes.iter().flat_map(|p| [first(7, *p), first(8, *p)]).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 10);
        assert_eq!(first(7, Purpose::Weights), first(7, Purpose::Weights));
    }

    #[test]
    fn an_order_holds_every_number_once_and_is_spread_evenly() {
        let mut sums = [0_u32; 5];
        for epoch in 0..4_000 {
            let mut order = SplitMix::new(3, Purpose::Order(epoch)).order(5);
            sums.iter_mut().zip(&order).for_each(|(sum, n)| *sum += n);
            order.sort_unstable();
            assert_eq!(order, [0, 1, 2, 3, 4]);
        }
        // Each place holds 2 on average; 4000 draws have a standard error of 0.0224.
        assert!(sums.iter().all(|sum| (f64::from(*sum) / 4_000.0 - 2.0).abs() < 0.1), "{sums:?}");
    }
}
