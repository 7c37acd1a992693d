//! The deepest drawdowns of a curve that is read point by point.

use super::curve::{Drawdown, Start};

/// Looks for the deepest falls from a peak, each from its peak to its recovery.
#[derive(Debug, Clone)]
pub struct Drawdowns {
    most: usize,
    peak: Start,
    current: Option<Drawdown>,
    /// Deepest first; of equally deep ones the older first.
    found: Vec<Drawdown>,
}

impl Drawdowns {
    /// Of a curve with this start; `most` of them are kept.
    pub fn new(start: Start, most: usize) -> Self {
        Self { most, peak: start, current: None, found: Vec::new() }
    }

    /// The next point. Returns how far it is below the peak, 0 to 1 and more.
    pub fn take(&mut self, ts_ms: i64, equity: f64) -> f64 {
        if equity >= self.peak.equity {
            if let Some(over) = self.current.take() {
                self.keep(Drawdown { recovered_ts_ms: Some(ts_ms), ..over });
            }
            self.peak = Start { ts_ms, equity };
            return 0.0;
        }
        let depth = (self.peak.equity - equity) / self.peak.equity;
        let peak_ts_ms = self.peak.ts_ms;
        let fresh = Drawdown { depth, peak_ts_ms, trough_ts_ms: ts_ms, recovered_ts_ms: None };
        let current = self.current.get_or_insert(fresh);
        if depth > current.depth {
            *current = fresh;
        }
        depth
    }

    /// The deepest ones, deepest first.
    pub fn finish(mut self) -> Vec<Drawdown> {
        if let Some(current) = self.current.take() {
            self.keep(current);
        }
        self.found
    }

    fn keep(&mut self, over: Drawdown) {
        let at = self.found.partition_point(|other| other.depth >= over.depth);
        self.found.insert(at, over);
        self.found.truncate(self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: 100, 120, 90 (a quarter below 120), 120, 114 (a twentieth), 130, 65 (half), 104 (a fifth, still the same fall).
    #[test]
    fn falls_are_told_apart_and_the_deepest_come_first() {
        let mut falls = Drawdowns::new(Start { ts_ms: 0, equity: 100.0 }, 2);
        let equities = [120.0, 90.0, 120.0, 114.0, 130.0, 65.0, 104.0];
        let depths: Vec<f64> =
            (1..).zip(equities).map(|(ts_ms, equity)| falls.take(ts_ms, equity)).collect();
        assert_eq!(depths, [0.0, 0.25, 0.0, 0.05, 0.0, 0.5, 0.2]);
        let half = Drawdown { depth: 0.5, peak_ts_ms: 5, trough_ts_ms: 6, recovered_ts_ms: None };
        let quarter =
            Drawdown { depth: 0.25, peak_ts_ms: 1, trough_ts_ms: 2, recovered_ts_ms: Some(3) };
        assert_eq!(falls.current, Some(half));
        assert_eq!(falls.finish(), [half, quarter], "the twentieth is one too many");
    }

    #[test]
    fn of_equally_deep_falls_the_older_comes_first() {
        let mut falls = Drawdowns::new(Start { ts_ms: 0, equity: 100.0 }, 5);
        [50.0, 100.0, 50.0, 100.0].iter().zip(1..).for_each(|(equity, ts_ms)| {
            falls.take(ts_ms, *equity);
        });
        let peaks: Vec<i64> = falls.finish().iter().map(|fall| fall.peak_ts_ms).collect();
        assert_eq!(peaks, [0, 2]);
        assert!(Drawdowns::new(Start { ts_ms: 0, equity: 100.0 }, 5).finish().is_empty());
    }
}
