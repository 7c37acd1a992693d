//! Chance from a seed: xoshiro256++, written here, so that no library and no release of one changes what a seed means.

/// A stream of numbers.
#[derive(Debug, Clone)]
pub struct Xoshiro([u64; 4]);

impl Xoshiro {
    /// The stream of a seed and a number; other numbers give streams that have nothing in common.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut state = seed ^ mixed(stream.wrapping_add(0x9E37_79B9_7F4A_7C15));
        let mut next = || {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            mixed(state)
        };
        Self([next(), next(), next(), next()])
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.0;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// A fair coin.
    pub fn coin(&mut self) -> bool {
        self.bits() >> 63 == 1
    }

    /// From 0, with it, to 1, without it.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// A whole number below `many`, which is not zero. The shares are equal to one part in 2^64.
    pub fn below(&mut self, many: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(many)) >> 64) as u64
    }

    /// `many` of the places `0..of`, each once, in rising order.
    pub fn places(&mut self, many: usize, of: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..of).collect();
        let many = many.min(of);
        for at in 0..many {
            let other = at + self.below((of - at) as u64) as usize;
            all.swap(at, other);
        }
        all.truncate(many);
        all.sort_unstable();
        all
    }
}

/// The last step of SplitMix64.
const fn mixed(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By the reference code of xoshiro256++ (Blackman and Vigna), from the state 1, 2, 3, 4.
    #[test]
    fn the_stream_is_that_of_the_reference() {
        let mut chance = Xoshiro([1, 2, 3, 4]);
        let got: [u64; 5] = std::array::from_fn(|_| chance.bits());
        let want = [
            41_943_041,
            58_720_359,
            3_588_806_011_781_223,
            3_591_011_842_654_386,
            9_228_616_714_210_784_205,
        ];
        assert_eq!(got, want);
    }

    #[test]
    fn coins_are_fair_and_streams_differ() {
        let mut chance = Xoshiro::new(7, 0);
        let heads = (0..100_000).filter(|_| chance.coin()).count();
        assert!((49_000..51_000).contains(&heads), "{heads}");
        let first = |stream| Xoshiro::new(7, stream).bits();
        assert_ne!(first(0), first(1));
        assert_ne!(Xoshiro::new(7, 0).bits(), Xoshiro::new(8, 0).bits());
    }

    #[test]
    fn places_are_each_once_and_in_order() {
        let mut chance = Xoshiro::new(3, 1);
        for many in [0, 1, 5, 10, 12] {
            let places = chance.places(many, 10);
            assert_eq!(places.len(), many.min(10));
            assert!(
                places.windows(2).all(|pair| pair[0] < pair[1]) && places.iter().all(|p| *p < 10)
            );
        }
        let sum: f64 = (0..10_000).map(|_| chance.unit()).sum();
        assert!((sum / 10_000.0 - 0.5).abs() < 0.02);
    }
}
