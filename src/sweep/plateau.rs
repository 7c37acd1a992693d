//! Which trial wins: not the highest one, but the middle of the best neighbourhood. A peak without neighbours is luck.

use std::{cmp::Ordering, collections::BTreeMap};

use super::nearest::nearest;

/// Fewest values of a neighbourhood that can win.
const VALUES_MIN: usize = 3;

/// Who is next to whom, by the indexes of trials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbours(Vec<Vec<u32>>);

impl Neighbours {
    /// On a grid: points that differ in exactly one parameter by at most `reach` steps. `steps` are the places of a point on its axes, and
    /// `is_number` says which axes have an order: texts and booleans have no neighbours. A point that is absent is no neighbour.
    pub fn grid(steps: &[Vec<u32>], is_number: &[bool], reach: u32) -> Self {
        let places: BTreeMap<&[u32], u32> = steps.iter().map(Vec::as_slice).zip(0..).collect();
        let other = |point: &[u32], axis: usize, step: u32| {
            let mut other = point.to_vec();
            other[axis] = step;
            places.get(other.as_slice()).copied()
        };
        let of = |point: &Vec<u32>| {
            let mut found = Vec::new();
            for axis in (0..point.len()).filter(|axis| is_number[*axis]) {
                let own = point[axis];
                let steps = own.saturating_sub(reach)..=own.saturating_add(reach);
                let others = steps.filter(|step| *step != own);
                found.extend(others.filter_map(|step| other(point, axis, step)));
            }
            found.sort_unstable();
            found
        };
        Self(steps.iter().map(of).collect())
    }

    /// Of points that were drawn: the `2 d` nearest by ranks, `d` being the number of parameters with an order, among those that have the
    /// same texts and booleans. Of equally near ones the first.
    pub fn drawn(values: &[Vec<Option<f64>>], words: &[Vec<String>]) -> Self {
        let axes = values.first().map_or(0, Vec::len);
        let ordered = (0..axes).filter(|axis| values.iter().all(|point| point[*axis].is_some()));
        let ranks: Vec<Vec<f64>> = ordered
            .map(|axis| ranks(&values.iter().map(|p| p[axis].unwrap_or(0.0)).collect::<Vec<_>>()))
            .collect();
        let mut alike: BTreeMap<&[String], Vec<u32>> = BTreeMap::new();
        for (at, words) in (0..).zip(words) {
            alike.entry(words).or_default().push(at);
        }
        let mut all = vec![Vec::new(); values.len()];
        for group in alike.values() {
            let point = |at: &u32| ranks.iter().map(|axis| axis[*at as usize]).collect();
            let points: Vec<Vec<f64>> = group.iter().map(point).collect();
            for (at, near) in group.iter().zip(nearest(&points, 2 * ranks.len())) {
                all[*at as usize] = near.iter().map(|other| group[*other as usize]).collect();
            }
        }
        Self(all)
    }

    /// Those of a trial.
    pub fn of(&self, trial: usize) -> &[u32] {
        &self.0[trial]
    }

    /// How many trials there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Midranks of values.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    while start < order.len() {
        let mut end = start + 1;
        while end < order.len() && values[order[end]] == values[order[start]] {
            end += 1;
        }
        for at in &order[start..end] {
            ranks[*at] = (start + end - 1) as f64 / 2.0;
        }
        start = end;
    }
    ranks
}

/// The winner, and the highest single trial.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BestTrial {
    /// The centre of the best neighbourhood.
    pub trial: usize,
    /// The median there.
    pub score: f64,
    /// The trial with the highest score of its own.
    pub highest: usize,
    /// That score.
    pub highest_score: f64,
}

/// The winner among trials: by the median of itself and its neighbours. `scores` are those of trials that have one and enough trades;
/// another one counts as worst. `None` when none can win.
pub fn best(scores: &[Option<f64>], neighbours: &Neighbours) -> Option<BestTrial> {
    let mut winner: Option<(usize, f64)> = None;
    let mut highest: Option<(usize, f64)> = None;
    let mut around = Vec::new();
    for (trial, own) in scores.iter().enumerate() {
        let Some(own) = *own else { continue };
        if highest.is_none_or(|(_, best)| own > best) {
            highest = Some((trial, own));
        }
        around.clear();
        around.push(Some(own));
        around.extend(neighbours.of(trial).iter().map(|other| scores[*other as usize]));
        if let Some(score) = median(&mut around)
            && winner.is_none_or(|(_, best)| score > best)
        {
            winner = Some((trial, score));
        }
    }
    let ((trial, score), (highest, highest_score)) = (winner?, highest?);
    Some(BestTrial { trial, score, highest, highest_score })
}

/// The median of values of which a missing one is the worst: of an even count the lower middle; `None` of fewer than three, or where the
/// middle is missing.
fn median(values: &mut [Option<f64>]) -> Option<f64> {
    if values.len() < VALUES_MIN {
        return None;
    }
    let order = |a: &Option<f64>, b: &Option<f64>| match (a, b) {
        (Some(a), Some(b)) => a.total_cmp(b),
        (None, Some(_)) => Ordering::Less,
        (Some(_), None) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    };
    let middle = (values.len() - 1) / 2;
    *values.select_nth_unstable_by(middle, order).1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(many: u32) -> Vec<Vec<u32>> {
        (0..many).map(|at| vec![at]).collect()
    }

    #[test]
    fn a_plateau_beats_a_peak() {
        let near = Neighbours::grid(&line(7), &[true], 1);
        let scores = [0.1, 9.0, 0.1, 1.0, 1.2, 1.1, 0.0].map(Some);
        let found = best(&scores, &near).unwrap();
        assert_eq!((found.trial, found.score), (4, 1.1));
        assert_eq!((found.highest, found.highest_score), (1, 9.0));
    }

    #[test]
    fn the_edge_of_a_line_has_too_few_values_and_an_even_count_takes_the_lower_middle() {
        let near = Neighbours::grid(&line(4), &[true], 1);
        let found = best(&[9.0, 8.0, 1.0, 1.0].map(Some), &near).unwrap();
        assert_eq!((found.trial, found.score), (1, 8.0), "the end has two values");
        // Two axes: a corner has three values, an edge four, 5 4 2 1 there: 2 is the lower middle.
        let square = vec![vec![0, 0], vec![0, 1], vec![0, 2], vec![1, 1]];
        let near = Neighbours::grid(&square, &[true, true], 1);
        let found = best(&[5.0, 4.0, 2.0, 1.0].map(Some), &near).unwrap();
        assert_eq!((found.trial, found.score), (1, 2.0));
    }

    #[test]
    fn a_missing_score_is_the_worst_and_cannot_win() {
        let near = Neighbours::grid(&line(5), &[true], 1);
        assert_eq!(best(&[None; 5], &near), None);
        let found = best(&[None, Some(3.0), None, Some(1.0), Some(1.0)], &near);
        assert_eq!(found.map(|found| found.trial), Some(3), "1, 1 and a missing one");
        assert_eq!(best(&[None, Some(3.0), None, None, None], &near), None);
    }

    #[test]
    fn words_have_no_neighbours_and_holes_are_absent() {
        let steps = vec![vec![0, 0], vec![0, 1], vec![1, 0], vec![2, 0]];
        let near = Neighbours::grid(&steps, &[true, false], 1);
        assert_eq!(
            (0..4).map(|at| near.of(at).to_vec()).collect::<Vec<_>>(),
            [vec![2], vec![], vec![0, 3], vec![2]]
        );
        let near = Neighbours::grid(&steps, &[true, false], 2);
        assert_eq!(near.of(0), [2, 3]);
    }

    #[test]
    fn drawn_points_have_twice_as_many_neighbours_as_parameters_by_rank() {
        let values: Vec<Vec<Option<f64>>> =
            [1.0, 2.0, 4.0, 100.0, 5.0].iter().map(|x| vec![Some(*x)]).collect();
        let words = vec![vec![]; 5];
        let near = Neighbours::drawn(&values, &words);
        // Ranks 0 1 2 4 3: the far one is near by rank.
        assert_eq!(near.of(3), [2, 4]);
        assert_eq!(near.of(0), [1, 2]);
        assert_eq!(near.of(1), [0, 2]);
        let mut words = words;
        words[4] = vec!["long".to_owned()];
        let near = Neighbours::drawn(&values, &words);
        assert_eq!((near.of(3), near.of(4)), (&[1, 2][..], &[][..]));
    }

    #[test]
    fn ties_go_to_the_lower_index() {
        let near = Neighbours::grid(&line(5), &[true], 1);
        assert_eq!(best(&[Some(1.0); 5], &near).unwrap().trial, 1);
        let same = vec![vec![Some(1.0)]; 4];
        assert_eq!(Neighbours::drawn(&same, &vec![vec![]; 4]).of(3), [0, 1]);
    }
}
