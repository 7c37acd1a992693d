//! A line of any length in a bounded number of points: of each stretch its lowest, its highest and its last point are kept.

/// Stretches at most; each gives up to three points.
const STRETCHES_MAX: usize = 1_200;
/// The same of a line that is drawn as small as a word.
const SMALL_MAX: usize = 128;

/// Most points that a line has.
pub const POINTS_MAX: usize = 4_000;

/// One point of a line: milliseconds UTC, and the value there.
pub type PyramidPoint = (i64, f64);

#[derive(Debug, Clone, Copy, PartialEq)]
struct Stretch {
    lowest: PyramidPoint,
    highest: PyramidPoint,
    last: PyramidPoint,
}

impl Stretch {
    fn of(at: PyramidPoint) -> Self {
        Self { lowest: at, highest: at, last: at }
    }

    /// With the stretch behind it. Of equally low or high points the older one is kept.
    fn with(self, next: Self) -> Self {
        let lowest = if next.lowest.1 < self.lowest.1 { next.lowest } else { self.lowest };
        let highest = if next.highest.1 > self.highest.1 { next.highest } else { self.highest };
        Self { lowest, highest, last: next.last }
    }
}

/// A line under way.
#[derive(Debug, Clone)]
pub struct Pyramid {
    stretches_max: usize,
    first: Option<PyramidPoint>,
    /// Points of each whole stretch; doubled when there are too many stretches.
    length: usize,
    stretches: Vec<Stretch>,
    open: Option<Stretch>,
    in_open: usize,
}

impl Default for Pyramid {
    fn default() -> Self {
        Self::of(STRETCHES_MAX)
    }
}

impl Pyramid {
    /// For a line that is drawn as small as a word: there may be many of them, and they are kept.
    pub fn small() -> Self {
        Self::of(SMALL_MAX)
    }

    fn of(stretches_max: usize) -> Self {
        Self {
            stretches_max,
            first: None,
            length: 0,
            stretches: Vec::new(),
            open: None,
            in_open: 0,
        }
    }

    /// The next point, later than the one before. A value that is not finite is passed over.
    pub fn take(&mut self, ts_ms: i64, value: f64) {
        if !value.is_finite() {
            return;
        }
        let at = (ts_ms, value);
        self.length = self.length.max(1);
        self.first.get_or_insert(at);
        let point = Stretch::of(at);
        self.open = Some(self.open.map_or(point, |open| open.with(point)));
        self.in_open += 1;
        if self.in_open == self.length {
            self.stretches.extend(self.open.take());
            self.in_open = 0;
            if self.stretches.len() == self.stretches_max {
                self.fold();
            }
        }
    }

    fn fold(&mut self) {
        self.stretches = self.stretches.chunks(2).map(|pair| pair[0].with(pair[1])).collect();
        self.length *= 2;
    }

    /// The points in the order of time, at most [`POINTS_MAX`].
    pub fn points(&self) -> Vec<PyramidPoint> {
        let mut points: Vec<PyramidPoint> = self.first.into_iter().collect();
        for stretch in self.stretches.iter().chain(&self.open) {
            let (early, late) = if stretch.lowest.0 <= stretch.highest.0 {
                (stretch.lowest, stretch.highest)
            } else {
                (stretch.highest, stretch.lowest)
            };
            for at in [early, late, stretch.last] {
                if points.last().is_none_or(|last| at.0 > last.0) {
                    points.push(at);
                }
            }
        }
        points
    }
}

/// All of a line that was read before, in a bounded number of points.
pub fn thinned(line: impl IntoIterator<Item = PyramidPoint>) -> Vec<PyramidPoint> {
    let mut pyramid = Pyramid::default();
    line.into_iter().for_each(|(ts_ms, value)| pyramid.take(ts_ms, value));
    pyramid.points()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(values: impl IntoIterator<Item = f64>) -> Vec<PyramidPoint> {
        thinned((0..).zip(values))
    }

    #[test]
    fn a_short_line_is_kept_whole() {
        assert_eq!(line([]), []);
        assert_eq!(line([3.0]), [(0, 3.0)]);
        let points = line([3.0, 1.0, f64::NAN, 2.0]);
        assert_eq!(points, [(0, 3.0), (1, 1.0), (3, 2.0)]);
    }

    /// A million points with one needle up and one down, each one point wide, in a sea of small waves.
    #[test]
    fn needles_of_a_long_line_are_kept_and_its_ends() {
        let value = |n: i64| match n {
            123_456 => 500.0,
            765_432 => -500.0,
            _ => (n % 17) as f64,
        };
        for many in [2_399, 2_400, 2_401, 1_000_000] {
            let points = thinned((0..many).map(|n| (n, value(n))));
            assert!(points.len() <= POINTS_MAX, "{many}: {}", points.len());
            assert!(points.is_sorted_by(|a, b| a.0 < b.0), "{many}: in the order of time");
            assert_eq!(points[0], (0, value(0)));
            assert_eq!(points.last(), Some(&(many - 1, value(many - 1))));
            assert!(points.iter().all(|(n, at)| *at == value(*n)), "{many}: no made-up point");
        }
        let points = thinned((0..1_000_000).map(|n| (n, value(n))));
        assert!(points.contains(&(123_456, 500.0)) && points.contains(&(765_432, -500.0)));
        assert!(points.len() > 1_000, "as many as are worth it: {}", points.len());
        let mut small = Pyramid::small();
        (0..1_000_000).for_each(|n| small.take(n, value(n)));
        let points = small.points();
        assert!((100..=400).contains(&points.len()), "{}", points.len());
        assert!(points.contains(&(123_456, 500.0)) && points.contains(&(765_432, -500.0)));
    }
}
