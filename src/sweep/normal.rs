//! The normal distribution: its function and the inverse of it, by `libm` alone, so that every machine gives the same bits.

use std::f64::consts::{PI, SQRT_2};

/// The distribution function: the chance of a value at or below `x`.
pub fn phi(x: f64) -> f64 {
    0.5 * libm::erfc(-x / SQRT_2)
}

/// The inverse of [`phi`]: the value that a share `p` is below. Infinite at 0 and 1, unknown outside of them.
///
/// The first guess is that of Acklam, good to nine digits; two steps of Halley make it good to the last ones.
pub fn quantile(p: f64) -> f64 {
    if !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    if p == 0.0 || p == 1.0 {
        return if p == 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    // The lower half is the exact one: near 1 the digits of `1 - p` are gone.
    if p > 0.5 {
        return -quantile(1.0 - p);
    }
    let mut x = guess(p);
    for _ in 0..2 {
        let error = (phi(x) - p) * libm::sqrt(2.0 * PI) * libm::exp(x * x / 2.0);
        x -= error / (1.0 + x * error / 2.0);
    }
    x
}

/// Acklam's rational approximation, for shares up to one half.
fn guess(p: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 5] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 4] = [
        7.784_695_709_041_462e-3,
        3.224_671_290_700_398e-1,
        2.445_134_137_142_996,
        3.754_408_661_907_416,
    ];
    let of = |coefficients: &[f64], x: f64| coefficients.iter().fold(0.0, |sum, c| sum * x + c);
    if p < 0.024_25 {
        let q = libm::sqrt(-2.0 * libm::log(p));
        return of(&C, q) / (of(&D, q) * q + 1.0);
    }
    let q = p - 0.5;
    let r = q * q;
    of(&A, r) * q / (of(&B, r) * r + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edges_are_infinite_and_what_is_outside_is_unknown() {
        assert_eq!((quantile(0.0), quantile(1.0)), (f64::NEG_INFINITY, f64::INFINITY));
        assert!(quantile(-0.1).is_nan() && quantile(1.1).is_nan() && quantile(f64::NAN).is_nan());
        assert_eq!(quantile(0.5), 0.0);
    }

    #[test]
    fn the_inverse_is_the_inverse() {
        for n in 1..2000 {
            let p = f64::from(n) / 2000.0;
            assert!((phi(quantile(p)) - p).abs() < 1e-15, "{p}");
        }
    }
}
