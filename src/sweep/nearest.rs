//! The nearest of many points, by squares, without looking at all of them: a tree of boxes, in which only those are opened that may hold
//! a nearer point than what is found already.

/// Points of a box that is not cut again.
const LEAF_MAX: usize = 12;

/// Of every point the `many` nearest others, by the sum of squares of the differences, of equally near ones those with the lower
/// index; in the order of their indexes. The points have equally many coordinates, all of them finite.
pub fn nearest(points: &[Vec<f64>], many: usize) -> Vec<Vec<u32>> {
    let tree = BoxTree::new(points);
    let mut found = Found::default();
    let mut all = Vec::with_capacity(points.len());
    for (at, own) in (0..).zip(points) {
        found.start(at, many);
        if many > 0 {
            tree.look(0, own, &mut found);
        }
        let mut near: Vec<u32> = found.near.iter().map(|(_, other)| *other).collect();
        near.sort_unstable();
        all.push(near);
    }
    all
}

/// What is found for one point so far.
#[derive(Default)]
struct Found {
    at: u32,
    many: usize,
    /// From near to far.
    near: Vec<(f64, u32)>,
}

impl Found {
    fn start(&mut self, at: u32, many: usize) {
        (self.at, self.many) = (at, many);
        self.near.clear();
    }

    /// Whether something so far away, with no lower index than this, may still be one of the nearest.
    fn wants(&self, square: f64, index: u32) -> bool {
        self.near.len() < self.many || self.near.last().is_some_and(|last| (square, index) < *last)
    }

    fn take(&mut self, square: f64, index: u32) {
        if index == self.at || !self.wants(square, index) {
            return;
        }
        let place = self.near.partition_point(|one| *one < (square, index));
        self.near.insert(place, (square, index));
        self.near.truncate(self.many);
    }
}

/// Points in boxes: the root is the first, and a box that is cut names its two parts.
struct BoxTree<'a> {
    points: &'a [Vec<f64>],
    /// Indexes of points, those of a box side by side.
    order: Vec<u32>,
    boxes: Vec<PointBox>,
}

struct PointBox {
    /// From where to where its points go, per coordinate.
    ends: Vec<[f64; 2]>,
    /// Its part of the order.
    part: std::ops::Range<usize>,
    /// The lowest index in it.
    lowest: u32,
    /// The box after its first part; the first part is the next box. None of one that is not cut.
    second: Option<usize>,
}

impl<'a> BoxTree<'a> {
    fn new(points: &'a [Vec<f64>]) -> Self {
        let order = (0..).take(points.len()).collect();
        let mut tree = Self { points, order, boxes: Vec::new() };
        tree.cut(0..points.len());
        tree
    }

    fn cut(&mut self, part: std::ops::Range<usize>) {
        let Self { points, order, boxes } = self;
        let own = &mut order[part.clone()];
        let axes = points.first().map_or(0, Vec::len);
        let mut ends = vec![[f64::INFINITY, f64::NEG_INFINITY]; axes];
        for index in own.iter() {
            for (end, x) in ends.iter_mut().zip(&points[*index as usize]) {
                *end = [end[0].min(*x), end[1].max(*x)];
            }
        }
        let wide = |axis: &usize| ends[*axis][1] - ends[*axis][0];
        let widest = (0..axes).max_by(|a, b| wide(a).total_cmp(&wide(b)));
        let lowest = own.iter().copied().min().unwrap_or(u32::MAX);
        let axis = widest.filter(|axis| own.len() > LEAF_MAX && wide(axis) > 0.0);
        let place = boxes.len();
        boxes.push(PointBox { ends, part: part.clone(), lowest, second: None });
        let Some(axis) = axis else { return };
        let middle = own.len() / 2;
        let x = |index: &u32| points[*index as usize][axis];
        own.select_nth_unstable_by(middle, |a, b| x(a).total_cmp(&x(b)).then(a.cmp(b)));
        let middle = part.start + middle;
        self.cut(part.start..middle);
        self.boxes[place].second = Some(self.boxes.len());
        self.cut(middle..part.end);
    }

    fn look(&self, place: usize, own: &[f64], found: &mut Found) {
        let PointBox { part, second, .. } = &self.boxes[place];
        let Some(second) = *second else {
            for index in &self.order[part.clone()] {
                found.take(square(own, &self.points[*index as usize]), *index);
            }
            return;
        };
        let mut halves = [place + 1, second].map(|half| (self.away(half, own), half));
        halves.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (away, half) in halves {
            if found.wants(away, self.boxes[half].lowest) {
                self.look(half, own, found);
            }
        }
    }

    /// How far away the nearest place of a box is. A sum of the same terms as [`square`] has, each at most as large, in the same order: no
    /// rounding makes it larger.
    fn away(&self, place: usize, own: &[f64]) -> f64 {
        let outside = |(x, [low, high]): (&f64, &[f64; 2])| {
            let far = (low - x).max(x - high).max(0.0);
            far * far
        };
        own.iter().zip(&self.boxes[place].ends).map(outside).sum()
    }
}

fn square(a: &[f64], b: &[f64]) -> f64 {
    let one = |(a, b): (&f64, &f64)| (a - b) * (a - b);
    a.iter().zip(b).map(one).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All of them, sorted.
    fn naive(points: &[Vec<f64>], many: usize) -> Vec<Vec<u32>> {
        let of = |at: usize| {
            let others = (0..points.len()).filter(|other| *other != at);
            let mut all: Vec<(f64, u32)> =
                others.map(|other| (square(&points[at], &points[other]), other as u32)).collect();
            all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            let mut near: Vec<u32> = all.into_iter().take(many).map(|(_, other)| other).collect();
            near.sort_unstable();
            near
        };
        (0..points.len()).map(of).collect()
    }

    proptest! {
        #[test]
        fn the_nearest_are_those_of_all_of_them(
            (axes, points) in (1_usize..6).prop_flat_map(|axes| {
                // Few values, so that many are equally near, or many.
                let value = prop_oneof![(0_u32..4).prop_map(f64::from), 0.0..100.0_f64];
                let point = prop::collection::vec(value, axes);
                (Just(axes), prop::collection::vec(point, 0..160))
            }),
        ) {
            for many in [0, 1, 2 * axes, 200] {
                prop_assert_eq!(nearest(&points, many), naive(&points, many));
            }
        }
    }

    #[test]
    fn points_in_one_place_have_their_lowest_indexes() {
        let same = vec![vec![1.0, 2.0]; 40];
        assert_eq!(nearest(&same, 3), naive(&same, 3));
        assert_eq!(nearest(&same, 2)[39], [0, 1]);
    }
}
