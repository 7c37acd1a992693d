//! Figures of the equity curve: growth, drawdown, and the ratios of the two.

use super::confidence::{mean, mean_and_sd};
use crate::domain::time::DAY_MS;

/// Annualised figures of a shorter period would be absurd, so there are none.
pub const ANNUALISED_DAYS_MIN: f64 = 30.0;

/// Days of a year: this market never closes.
pub const YEAR_DAYS: f64 = 365.0;

/// Where a curve starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Start {
    /// The open of the first slot, milliseconds UTC.
    pub ts_ms: i64,
    /// Equity at that time, in quote currency; positive.
    pub equity: f64,
}

/// The account after one slot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Close of the slot, milliseconds UTC; increases from point to point.
    pub ts_ms: i64,
    /// Equity marked at the close, in quote currency.
    pub equity: f64,
    /// Whether a position is held after the slot.
    pub in_position: bool,
}

/// The deepest fall from a peak, per slot and marked to market. Of equally deep ones the first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drawdown {
    /// Part of the peak that was lost, 0 to 1 (more when the equity falls below zero).
    pub depth: f64,
    /// When the peak stood.
    pub peak_ts_ms: i64,
    /// When it was deepest.
    pub trough_ts_ms: i64,
    /// When the peak was reached again; `None` if not within the curve.
    pub recovered_ts_ms: Option<i64>,
}

/// Figures of one equity curve. The start is its first point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CurveStats {
    /// Slots.
    pub slots: u64,
    /// From the start to the last slot, in days of 24 hours.
    pub days: f64,
    /// Equity at the end.
    pub end_equity: f64,
    /// End minus start, in quote currency.
    pub net: f64,
    /// `net / start`, a fraction.
    pub total_return: f64,
    /// `(end / start) ^ (365 / days) - 1`; `None` under 30 days or when nothing is left.
    pub cagr: Option<f64>,
    /// `mean / sd * sqrt 365` of daily returns (sample sd, risk-free rate 0); `None` under 30 days or without spread. A return for
    /// every UTC day of the curve, of the days begun and broken off at its two ends too: together they are all of `total_return`.
    pub sharpe: Option<f64>,
    /// `mean / rms(min(r, 0)) * sqrt 365` of daily returns, the RMS over all of them; `None` under 30 days or without a losing day.
    pub sortino: Option<f64>,
    /// Sample sd of daily returns times sqrt 365; `None` under 30 days, and 0 where all returns are the same.
    pub volatility: Option<f64>,
    /// The deepest drawdown; `None` when there was none.
    pub max_drawdown: Option<Drawdown>,
    /// The longest time from a peak until it was reached again, or until the end, in milliseconds.
    pub underwater_ms_max: i64,
    /// `cagr / depth of the deepest drawdown`; `None` without either.
    pub calmar: Option<f64>,
    /// Slots in a position after the slot, by all slots; `None` without slots.
    pub exposure: Option<f64>,
}

impl CurveStats {
    /// Reads the curve once.
    pub fn of(start: Start, points: impl IntoIterator<Item = Point>) -> Self {
        let mut walk = CurveWalk::new(start);
        for point in points {
            walk.take(point);
        }
        walk.finish().0
    }
}

/// The return of one UTC day, or of the part of it that the curve has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DayReturn {
    /// When the day ended, or the curve, milliseconds UTC.
    pub end_ms: i64,
    /// A fraction of the equity at its beginning.
    pub part: f64,
}

/// A curve read point by point, by whoever does not hold all of it.
#[derive(Debug, Clone)]
pub struct CurveWalk {
    start: Start,
    slots: u64,
    slots_in_position: u64,
    last: Start,
    peak: Start,
    underwater_ms_max: i64,
    deepest: Option<Drawdown>,
    daily: DailyReturns,
}

impl CurveWalk {
    /// Before the first point.
    pub fn new(start: Start) -> Self {
        Self {
            start,
            slots: 0,
            slots_in_position: 0,
            last: start,
            peak: start,
            underwater_ms_max: 0,
            deepest: None,
            daily: DailyReturns::new(start),
        }
    }

    /// The next point.
    pub fn take(&mut self, point: Point) {
        self.slots += 1;
        self.slots_in_position += u64::from(point.in_position);
        self.daily.take(self.last.equity, point);
        let was_below = self.last.equity < self.peak.equity;
        self.last = Start { ts_ms: point.ts_ms, equity: point.equity };
        let is_below = self.last.equity < self.peak.equity;
        if was_below || is_below {
            self.underwater_ms_max = self.underwater_ms_max.max(point.ts_ms - self.peak.ts_ms);
        }
        if is_below {
            self.sink();
        } else {
            self.surface();
        }
    }

    fn sink(&mut self) {
        let depth = (self.peak.equity - self.last.equity) / self.peak.equity;
        if self.deepest.is_none_or(|deepest| depth > deepest.depth) {
            self.deepest = Some(Drawdown {
                depth,
                peak_ts_ms: self.peak.ts_ms,
                trough_ts_ms: self.last.ts_ms,
                recovered_ts_ms: None,
            });
        }
    }

    /// The peak is reached again, or a new one.
    fn surface(&mut self) {
        if let Some(deepest) = &mut self.deepest
            && deepest.peak_ts_ms == self.peak.ts_ms
        {
            deepest.recovered_ts_ms = Some(self.last.ts_ms);
        }
        self.peak = self.last;
    }

    /// The figures, and the daily returns that they are made of.
    pub fn finish(self) -> (CurveStats, Vec<DayReturn>) {
        let start = self.start;
        let days = (self.last.ts_ms - start.ts_ms) as f64 / DAY_MS as f64;
        let long_enough = days >= ANNUALISED_DAYS_MIN;
        let growth = self.last.equity / start.equity;
        let cagr = (long_enough && growth > 0.0).then(|| libm::pow(growth, YEAR_DAYS / days) - 1.0);
        let daily = self.daily.finish(self.last);
        let parts: Vec<f64> = daily.iter().map(|day| day.part).collect();
        let returns = parts.as_slice();
        let stats = CurveStats {
            slots: self.slots,
            days,
            end_equity: self.last.equity,
            net: self.last.equity - start.equity,
            total_return: (self.last.equity - start.equity) / start.equity,
            cagr,
            sharpe: sharpe(returns).filter(|_| long_enough),
            sortino: sortino(returns).filter(|_| long_enough),
            volatility: (long_enough && returns.len() >= 2)
                .then(|| mean_and_sd(returns).map_or(0.0, |(_, sd)| sd * YEAR_DAYS.sqrt())),
            max_drawdown: self.deepest,
            underwater_ms_max: self.underwater_ms_max,
            calmar: cagr.zip(self.deepest).map(|(cagr, deepest)| cagr / deepest.depth),
            exposure: (self.slots > 0).then(|| self.slots_in_position as f64 / self.slots as f64),
        };
        (stats, daily)
    }
}

/// The annualised Sharpe ratio of daily returns; `None` without spread.
pub(super) fn sharpe(returns: &[f64]) -> Option<f64> {
    let (mean, sd) = mean_and_sd(returns)?;
    Some(mean / sd * YEAR_DAYS.sqrt())
}

fn sortino(returns: &[f64]) -> Option<f64> {
    let squares: Vec<f64> = returns.iter().map(|r| r.min(0.0) * r.min(0.0)).collect();
    let downside = mean(&squares).filter(|squares| *squares > 0.0)?.sqrt();
    Some(mean(returns)? / downside * YEAR_DAYS.sqrt())
}

/// Returns between the equities at 00:00 UTC. The first one begins at the start and the last one stops at the end, wherever in
/// the day they lie. A midnight without a slot has the equity of the slot before.
#[derive(Debug, Clone)]
struct DailyReturns {
    begun_ms: i64,
    base: f64,
    next_midnight_ms: i64,
    returns: Vec<DayReturn>,
}

impl DailyReturns {
    fn new(start: Start) -> Self {
        let next_midnight_ms = (start.ts_ms.div_euclid(DAY_MS) + 1) * DAY_MS;
        Self { begun_ms: start.ts_ms, base: start.equity, next_midnight_ms, returns: vec![] }
    }

    fn take(&mut self, last_equity: f64, point: Point) {
        while self.next_midnight_ms <= point.ts_ms {
            let at_it = self.next_midnight_ms == point.ts_ms;
            let equity = if at_it { point.equity } else { last_equity };
            self.close_day(self.next_midnight_ms, equity);
            self.next_midnight_ms += DAY_MS;
        }
    }

    /// The returns, that of the day under way at the end included.
    fn finish(mut self, last: Start) -> Vec<DayReturn> {
        if last.ts_ms > self.begun_ms.max(self.next_midnight_ms - DAY_MS) {
            self.close_day(last.ts_ms, last.equity);
        }
        self.returns
    }

    fn close_day(&mut self, end_ms: i64, equity: f64) {
        // Once everything is lost there is nothing to earn a return on.
        if self.base > 0.0 {
            self.returns.push(DayReturn { end_ms, part: (equity - self.base) / self.base });
        }
        self.base = equity;
    }
}

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

    const HOUR_MS: i64 = 3_600_000;
    const START: Start = Start { ts_ms: 10 * DAY_MS, equity: 100.0 };

    fn curve(equities: &[f64], every_ms: i64) -> CurveStats {
        let points = equities.iter().zip(1..).map(|(equity, i)| Point {
            ts_ms: START.ts_ms + i * every_ms,
            equity: *equity,
            in_position: i % 4 == 0,
        });
        CurveStats::of(START, points)
    }

    /// `pairs` times a day of +2 % and a day of -1 %.
    fn see_saw(pairs: usize) -> Vec<f64> {
        let mut equity = START.equity;
        let factors = [1.02, 0.99].into_iter().cycle().take(2 * pairs);
        factors.map(|factor| (equity *= factor, equity).1).collect()
    }

    #[track_caller]
    fn close(got: Option<f64>, expected: f64) {
        let got = got.expect("a figure");
        assert!((got - expected).abs() <= 1e-9 * expected.abs(), "{got}, expected {expected}");
    }

    #[test]
    fn annualised_figures_by_hand() {
        let stats = curve(&see_saw(15), DAY_MS);
        assert_eq!((stats.days, stats.slots), (30.0, 30));
        // 1.02 * 0.99 = 1.0098; 1.0098^15 = 1.157534..; to the power 365/30 less 1.
        close(Some(stats.total_return), 1.0098_f64.powi(15) - 1.0);
        close(stats.cagr, 1.0098_f64.powf(15.0 * 365.0 / 30.0) - 1.0);
        // Mean 0.005; each day 0.015 away from it, so the sample sd is 0.015 sqrt(30/29).
        close(stats.sharpe, 0.005 / (0.015 * (30.0_f64 / 29.0).sqrt()) * 365.0_f64.sqrt());
        // Half of the days lose 0.01: the RMS is 0.01 / sqrt 2.
        close(stats.sortino, 0.005 / (0.01 / 2.0_f64.sqrt()) * 365.0_f64.sqrt());
        close(stats.volatility, 0.015 * (30.0_f64 / 29.0).sqrt() * 365.0_f64.sqrt());
        close(stats.max_drawdown.map(|d| d.depth), 0.01);
        close(stats.calmar, stats.cagr.unwrap() / 0.01);
        // Slots 4, 8, .. 28 of 30.
        assert_eq!(stats.exposure, Some(7.0 / 30.0));
    }

    #[test]
    fn under_thirty_days_nothing_is_annualised() {
        let stats = curve(&see_saw(14), DAY_MS);
        assert_eq!(
            (stats.cagr, stats.sharpe, stats.sortino, stats.calmar),
            (None, None, None, None)
        );
        assert_eq!(stats.volatility, None);
        assert!(stats.max_drawdown.is_some());
    }

    #[test]
    fn without_spread_or_loss_there_are_no_ratios() {
        let resting = curve(&[100.0; 40], DAY_MS);
        assert_eq!((resting.cagr, resting.sharpe, resting.sortino), (Some(0.0), None, None));
        assert_eq!((resting.max_drawdown, resting.calmar), (None, None));
        assert_eq!(resting.volatility, Some(0.0));
        let rising: Vec<f64> = (1..=40).map(|day| 100.0 + f64::from(day)).collect();
        let rising = curve(&rising, DAY_MS);
        assert!(rising.sharpe.is_some() && rising.sortino.is_none() && rising.calmar.is_none());
        let mut lost = vec![100.0; 40];
        lost.extend([-5.0; 5]);
        let lost = curve(&lost, DAY_MS);
        assert_eq!((lost.cagr, lost.calmar), (None, None));
        assert_eq!(lost.max_drawdown.map(|d| d.depth), Some(1.05));
    }

    #[test]
    fn the_drawdown_is_the_deepest_and_the_time_under_water_the_longest() {
        // Peak 120 (hour 2), down to 90 (hour 4), back at 120 (hour 6); peak 200 (hour 7), 180 for five hours, no recovery.
        let equities =
            [110.0, 120.0, 96.0, 90.0, 119.0, 120.0, 200.0, 180.0, 190.0, 185.0, 199.0, 199.5];
        let stats = curve(&equities, HOUR_MS);
        let at = |hour: i64| START.ts_ms + hour * HOUR_MS;
        let expected = Drawdown {
            depth: 0.25,
            peak_ts_ms: at(2),
            trough_ts_ms: at(4),
            recovered_ts_ms: Some(at(6)),
        };
        assert_eq!(stats.max_drawdown, Some(expected));
        assert_eq!(stats.underwater_ms_max, 5 * HOUR_MS);
        assert_eq!((stats.net, stats.end_equity, stats.days), (99.5, 199.5, 0.5));
    }

    #[test]
    fn a_fall_from_the_start_counts_and_may_last_to_the_end() {
        let stats = curve(&[80.0, 90.0, 90.0], HOUR_MS);
        let deepest = stats.max_drawdown.unwrap();
        assert_eq!((deepest.depth, deepest.peak_ts_ms), (0.2, START.ts_ms));
        assert_eq!((deepest.recovered_ts_ms, stats.underwater_ms_max), (None, 3 * HOUR_MS));
    }

    #[test]
    fn the_time_under_water_includes_the_slot_of_the_recovery() {
        let stats = curve(&[90.0, 90.0, 90.0, 100.0, 101.0, 100.5, 100.5], HOUR_MS);
        assert_eq!(stats.underwater_ms_max, 4 * HOUR_MS);
        assert_eq!(curve(&[90.0], HOUR_MS).underwater_ms_max, HOUR_MS);
    }

    #[test]
    fn daily_returns_are_taken_at_midnight() {
        let noon = Start { ts_ms: 10 * DAY_MS + 12 * HOUR_MS, equity: 100.0 };
        let mut daily = DailyReturns::new(noon);
        let mut last = noon.equity;
        // Hours after the first midnight. Hour 48 is missing, so the midnight has the equity of hour 47.
        for (hour, equity) in
            [(-6, 90.0), (0, 110.0), (23, 50.0), (24, 121.0), (47, 60.5), (49, 70.0)]
        {
            let ts_ms = 11 * DAY_MS + hour * HOUR_MS;
            daily.take(last, Point { ts_ms, equity, in_position: false });
            last = equity;
        }
        let parts = |days: &[DayReturn]| days.iter().map(|day| day.part).collect::<Vec<_>>();
        assert_eq!(parts(&daily.returns), [0.1, 0.1, -0.5]);
        let ends: Vec<i64> = daily.returns.iter().map(|day| day.end_ms / DAY_MS).collect();
        assert_eq!(ends, [11, 12, 13]);
        // The last day is one hour old: from 60.5 at midnight to 70.
        let end = Start { ts_ms: 11 * DAY_MS + 49 * HOUR_MS, equity: last };
        let broken_off = DayReturn { end_ms: end.ts_ms, part: (70.0 - 60.5) / 60.5 };
        assert_eq!(daily.finish(end)[3..], [broken_off]);
    }

    #[test]
    fn a_curve_that_ends_at_midnight_has_no_day_under_way() {
        let noon = Start { ts_ms: 10 * DAY_MS + 12 * HOUR_MS, equity: 100.0 };
        let mut daily = DailyReturns::new(noon);
        daily.take(100.0, Point { ts_ms: 11 * DAY_MS, equity: 110.0, in_position: false });
        let whole = DayReturn { end_ms: 11 * DAY_MS, part: 0.1 };
        assert_eq!(daily.finish(Start { ts_ms: 11 * DAY_MS, equity: 110.0 }), [whole]);
        assert_eq!(DailyReturns::new(noon).finish(noon), []);
    }

    /// By hand in Python: 35 days of an hour's slots, and the first six hours of a 36th. Day n ends at 100 + n + (n % 3), and
    /// the end is 150. `statistics.mean(r) / statistics.stdev(r) * 365 ** 0.5` over 36 returns, the last one that of six hours.
    #[test]
    fn the_day_that_is_broken_off_counts_in_the_ratios() {
        let day_end = |n: i64| (100 + n + n % 3) as f64;
        let mut points: Vec<f64> = (1..=35).flat_map(|n| [day_end(n); 24]).collect();
        points.extend([150.0; 6]);
        let stats = curve(&points, HOUR_MS);
        // An equity holds from the slot that closes at midnight on.
        let ends: Vec<f64> = (1..=35).map(day_end).chain([150.0]).collect();
        let starts = std::iter::once(100.0).chain(ends.iter().copied());
        let returns: Vec<f64> =
            ends.iter().zip(starts).map(|(end, start)| end / start - 1.0).collect();
        let growth: f64 = returns.iter().map(|r| 1.0 + r).product();
        assert!((growth - 1.5).abs() < 1e-12, "the returns make up the whole of the growth");
        let mean = returns.iter().sum::<f64>() / 36.0;
        let sd = (returns.iter().map(|r| (r - mean) * (r - mean)).sum::<f64>() / 35.0).sqrt();
        assert!((stats.sharpe.unwrap() - mean / sd * 365.0_f64.sqrt()).abs() < 1e-9);
        assert!((stats.sharpe.unwrap() - 11.774_090_381_916_157).abs() < 1e-9);
    }

    #[test]
    fn no_slots_is_no_run() {
        let stats = curve(&[], HOUR_MS);
        assert_eq!((stats.slots, stats.net, stats.exposure), (0, 0.0, None));
    }

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
