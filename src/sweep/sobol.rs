//! Sobol points: they fill a space more evenly than chance does. Direction numbers of Joe and Kuo (2008), shifted by a seed.

use super::xoshiro::Xoshiro;

/// Bits of a coordinate.
const BITS: usize = 32;

/// Most parameters.
pub const AXES_MAX: usize = 16;

/// The stream of the generator that shifts the points.
const STREAM: u64 = 0x736F_626F_6C00;

/// Degree, coefficients and first direction numbers of the polynomials of the axes after the first.
const POLYNOMIALS: [(usize, u32, &[u32]); AXES_MAX - 1] = [
    (1, 0, &[1]),
    (2, 1, &[1, 3]),
    (3, 1, &[1, 3, 1]),
    (3, 2, &[1, 1, 1]),
    (4, 1, &[1, 1, 3, 3]),
    (4, 4, &[1, 3, 5, 13]),
    (5, 2, &[1, 1, 5, 5, 17]),
    (5, 4, &[1, 1, 5, 5, 5]),
    (5, 7, &[1, 1, 7, 11, 19]),
    (5, 11, &[1, 1, 5, 1, 1]),
    (5, 13, &[1, 1, 1, 3, 11]),
    (5, 14, &[1, 3, 5, 5, 31]),
    (6, 1, &[1, 3, 3, 9, 7, 49]),
    (6, 13, &[1, 1, 1, 15, 21, 21]),
    (6, 16, &[1, 3, 1, 13, 27, 49]),
];

/// Points of the unit cube, one after the other.
#[derive(Debug, Clone)]
pub struct Sobol {
    directions: Vec<[u32; BITS]>,
    state: Vec<u32>,
    shift: Vec<u32>,
    index: u64,
}

impl Sobol {
    /// The plain points, the first of which is the corner. `axes` is 1 to [`AXES_MAX`].
    pub fn plain(axes: usize) -> Self {
        assert!((1..=AXES_MAX).contains(&axes), "the number of axes was checked");
        let directions = (0..axes).map(directions).collect();
        Self { directions, state: vec![0; axes], shift: vec![0; axes], index: 0 }
    }

    /// The points shifted by a seed.
    pub fn new(axes: usize, seed: u64) -> Self {
        let mut chance = Xoshiro::new(seed, STREAM);
        let shift = (0..axes).map(|_| (chance.bits() >> 32) as u32).collect();
        Self { shift, ..Self::plain(axes) }
    }

    /// The next point, each coordinate from 0, with it, to 1, without it.
    pub fn point(&mut self) -> Vec<f64> {
        let scale = 1.0 / (1_u64 << BITS) as f64;
        let shifted = self.state.iter().zip(&self.shift);
        let point = shifted.map(|(x, shift)| f64::from(x ^ shift) * scale).collect();
        // Gray code: the next point differs by the direction of the lowest zero bit.
        let bit = (self.index.trailing_ones() as usize).min(BITS - 1);
        for (x, directions) in self.state.iter_mut().zip(&self.directions) {
            *x ^= directions[bit];
        }
        self.index += 1;
        point
    }
}

fn directions(axis: usize) -> [u32; BITS] {
    let Some(before) = axis.checked_sub(1) else {
        return std::array::from_fn(|bit| 1 << (BITS - 1 - bit));
    };
    let (degree, coefficients, first) = POLYNOMIALS[before];
    let mut v = [0_u32; BITS];
    for bit in 0..BITS {
        v[bit] = if bit < degree {
            first[bit] << (BITS - 1 - bit)
        } else {
            let mut x = v[bit - degree] ^ (v[bit - degree] >> degree);
            for k in 1..degree {
                if coefficients >> (degree - 1 - k) & 1 == 1 {
                    x ^= v[bit - k];
                }
            }
            x
        };
    }
    v
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_shifts_and_every_power_of_two_fills_every_axis_evenly() {
        assert_ne!(Sobol::new(3, 1).point(), Sobol::new(3, 2).point());
        let mut points = Sobol::new(AXES_MAX, 9);
        let mut seen = vec![[0_u32; 64]; AXES_MAX];
        for _ in 0..64 {
            for (axis, x) in points.point().into_iter().enumerate() {
                seen[axis][(x * 64.0) as usize] += 1;
            }
        }
        assert!(seen.iter().flatten().all(|many| *many == 1), "one in each of 64 equal parts");
    }
}
