//! How unusual a value is.

use super::{
    length::Length,
    window::{Moments, Window},
};

/// The newest input's distance from the mean of the last `n` inputs (itself included) in population standard deviations;
/// 0 when all of them are equal. Of the volume it is `volume_z`.
#[derive(Debug, Clone)]
pub struct ZScore {
    window: Window<Moments>,
}

impl ZScore {
    /// Over `n` inputs.
    pub fn new(n: Length) -> Self {
        Self { window: Window::new(n) }
    }

    /// Takes in the next input; NaN until warm, and while an unknown input is among the last `n`.
    #[inline]
    pub fn update(&mut self, x: f64) -> f64 {
        self.window.push(x).map_or(f64::NAN, |moments| score(moments, x))
    }

    /// The same for a column.
    pub fn run(&mut self, x: &[f64], out: &mut [f64]) {
        self.window.run(x, out, score);
    }
}

#[inline]
fn score(moments: Moments, x: f64) -> f64 {
    let sd = moments.population_sd();
    if sd == 0.0 { 0.0 } else { (x - moments.mean) / sd }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::kernels::sample::{bars, check, length};

    #[test]
    fn it_agrees_with_numpy() {
        // NumPy 2.4.6: (v[i] - mean) / std(ddof=0) of v[i-5..=i].
        let expected = [
            2.0645903764594755,
            -0.5085494750013018,
            -0.533254624299792,
            -0.8932166658317132,
            -0.5646468947105484,
            0.054325950864714215,
            0.5175000375014176,
            2.208860920216032,
            -0.30461514056260103,
            -0.4437794952460352,
            -0.7238774352951639,
            -0.2819253859952995,
            -0.5643387133778349,
            -0.27197229258945793,
            -0.21534774800177173,
            -1.1278284885827068,
            0.8470357258269563,
            -0.9697808268869366,
            -0.264873978843338,
        ];
        let mut z = ZScore::new(length(6));
        check(bars().map(|bar| z.update(bar.volume())), 6, &expected);
    }

    #[test]
    fn equal_volumes_are_not_unusual() {
        for n in [1, 3] {
            let mut z = ZScore::new(length(n));
            for i in 1..20 {
                let got = z.update(0.1);
                assert!(if i < n { got.is_nan() } else { got == 0.0 }, "{n} {i} {got}");
            }
        }
    }
}
