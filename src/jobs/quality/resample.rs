//! Bars of a short timeframe put together to those of a longer one, as a venue does it.

use crate::domain::{
    bar::{Bar, TimedBar},
    time::Timeframe,
};

/// Volumes are summed in units of 1e-8, in which venues count: a sum of floats is off in one bucket of six.
const UNITS: f64 = 1e8;

/// The complete buckets: first open, highest high, lowest low, last close, and the volumes summed exactly and divided once.
pub fn resample(bars: &[TimedBar], to: Timeframe) -> Vec<TimedBar> {
    let bucket = |bar: &TimedBar| bar.ts.open_ms().div_euclid(to.ms());
    bars.chunk_by(|a, b| bucket(a) == bucket(b)).filter_map(|part| whole(part, to)).collect()
}

fn whole(part: &[TimedBar], to: Timeframe) -> Option<TimedBar> {
    let (first, last) = (part.first()?, part.last()?);
    let wanted = to.ms() / first.ts.timeframe().ms();
    if part.len() as i64 != wanted {
        return None;
    }
    let high = part.iter().map(|bar| bar.bar.high()).fold(f64::MIN, f64::max);
    let low = part.iter().map(|bar| bar.bar.low()).fold(f64::MAX, f64::min);
    let units: i128 = part.iter().map(|bar| (bar.bar.volume() * UNITS).round() as i128).sum();
    let volume = units as f64 / UNITS;
    let ts = to.slot_of_open(first.ts.open_ms()).ok()?;
    let bar = Bar::new([first.bar.open(), high, low, last.bar.close(), volume]).ok()?;
    Some(TimedBar { ts, bar })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(n: i64, values: [f64; 5]) -> TimedBar {
        let ts = Timeframe::M1.slot(n * 60_000).unwrap();
        TimedBar { ts, bar: Bar::new(values).unwrap() }
    }

    #[test]
    fn five_minutes_make_one_bar_and_volumes_add_up_exactly() {
        // As floats these volumes add up to 0.6000000000000001.
        let volumes = [0.1, 0.1, 0.1, 0.1, 0.2];
        assert!(volumes.iter().sum::<f64>() > 0.6);
        let bars: Vec<_> = volumes
            .iter()
            .zip([5.0, 9.0, 2.0, 6.0, 7.0])
            .zip(1..)
            .map(|((volume, close), n)| minute(n, [4.0 + n as f64, 9.5, 1.5, close, *volume]))
            .collect();
        let made = resample(&bars, Timeframe::M5);
        assert_eq!(made.len(), 1);
        assert_eq!(made[0].ts.ts_ms(), 300_000);
        assert_eq!(made[0].bar.values(), [5.0, 9.5, 1.5, 7.0, 0.6]);
    }

    #[test]
    fn buckets_with_a_hole_or_cut_at_an_end_are_left_out() {
        let flat = |n| minute(n, [1.0, 1.0, 1.0, 1.0, 1.0]);
        let slots: Vec<i64> = [4, 5].into_iter().chain(6..=10).chain([11, 12, 14, 15]).collect();
        let bars: Vec<_> = slots.into_iter().map(flat).collect();
        let made: Vec<_> =
            resample(&bars, Timeframe::M5).iter().map(|bar| bar.ts.ts_ms()).collect();
        assert_eq!(made, [600_000]);
    }
}
