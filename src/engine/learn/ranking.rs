//! How well scores tell ups from downs: the area under the receiver operating characteristic.

use std::ops::Range;

use super::{label::Class, overlap::own_parts};

/// The probability that an up has a higher score than a down, ties counting half, by ranks (Mann and Whitney). Flats are left out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Area {
    /// From 0 to 1; 0.5 is chance.
    pub auc: f64,
    /// Standard error under chance.
    pub error: f64,
    /// How many independent ups and downs the rows come to.
    pub rows: f64,
}

impl Area {
    /// Of scores and classes of independent rows; `None` without an up or without a down. Scores must not be NaN.
    pub fn of(scores: &[f64], classes: &[Class]) -> Option<Self> {
        let ranked = ranked(scores, classes);
        let ups = ranked.iter().filter(|(_, class)| *class == Class::Up).count() as f64;
        let downs = ranked.len() as f64 - ups;
        if ups == 0.0 || downs == 0.0 {
            return None;
        }
        let auc = (rank_sum(&ranked) - ups * (ups + 1.0) / 2.0) / (ups * downs);
        Some(Self { auc, error: chance_error(ups, downs), rows: ups + downs })
    }

    /// The same of rows whose labels look at windows of slots that may overlap: its error is that of as many independent rows as
    /// they come to. It is right for scores that hardly change within a window, and too large for others.
    pub fn of_windows(scores: &[f64], classes: &[Class], windows: &[Range<i64>]) -> Option<Self> {
        let area = Self::of(scores, classes)?;
        assert_eq!(windows.len(), classes.len(), "every row has a window");
        let is_kept = |n: &usize| classes[*n] != Class::Flat;
        let kept: Vec<usize> = (0..classes.len()).filter(is_kept).collect();
        let kept_windows: Vec<Range<i64>> = kept.iter().map(|n| windows[*n].clone()).collect();
        let (mut ups, mut downs) = (0.0, 0.0);
        for (n, own) in kept.into_iter().zip(own_parts(&kept_windows)) {
            *(if classes[n] == Class::Up { &mut ups } else { &mut downs }) += own;
        }
        Some(Self { error: chance_error(ups, downs), rows: ups + downs, ..area })
    }
}

/// Ups and downs by their scores, lowest first.
fn ranked(scores: &[f64], classes: &[Class]) -> Vec<(f64, Class)> {
    assert_eq!(scores.len(), classes.len(), "every row has a class");
    let rows = scores.iter().copied().zip(classes.iter().copied());
    let mut ranked: Vec<(f64, Class)> = rows.filter(|(_, class)| *class != Class::Flat).collect();
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
    ranked
}

/// The sum of the ranks of ups. Ranks count from 1; tied rows share their mean.
fn rank_sum(ranked: &[(f64, Class)]) -> f64 {
    let (mut sum, mut start) = (0.0, 0);
    while start < ranked.len() {
        let tied = ranked[start..].iter().take_while(|(x, _)| *x == ranked[start].0).count();
        let rank = start as f64 + f64::midpoint(tied as f64, 1.0);
        let tie = &ranked[start..start + tied];
        sum += rank * tie.iter().filter(|(_, class)| *class == Class::Up).count() as f64;
        start += tied;
    }
    sum
}

fn chance_error(ups: f64, downs: f64) -> f64 {
    ((ups + downs + 1.0) / (12.0 * ups * downs)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::learn::chance::{Chance, Purpose};
    use Class::{Down, Flat, Up};

    fn auc(scores: &[f64], classes: &[Class]) -> Option<f64> {
        Area::of(scores, classes).map(|area| area.auc)
    }

    #[test]
    fn the_area_counts_pairs_in_order_and_ties_half() {
        assert_eq!(auc(&[0.1, 0.2, 0.3, 0.4], &[Down, Down, Up, Up]), Some(1.0));
        assert_eq!(auc(&[0.4, 0.3, 0.2, 0.1], &[Down, Down, Up, Up]), Some(0.0));
        assert_eq!(auc(&[0.5, 0.5, 0.5, 0.5], &[Down, Up, Down, Up]), Some(0.5));
        // Pairs: (1, 2) 1, (1, 3) 1, (2, 2) half, (2, 3) 1.
        assert_eq!(auc(&[1.0, 2.0, 2.0, 3.0], &[Down, Down, Up, Up]), Some(0.875));
        assert_eq!(auc(&[1.0, 9.0, 2.0], &[Down, Flat, Up]), Some(1.0), "flats are left out");
        assert_eq!(auc(&[1.0, 2.0], &[Up, Flat]), None);
        assert_eq!(auc(&[-0.0, 0.0], &[Up, Down]), Some(0.5), "both zeros are one value");
    }

    #[test]
    fn overlapping_labels_count_as_what_they_come_to() {
        // Of four rows one is flat. The windows of the others cover slots 1 to 4 with 1, 2, 2, 1 labels: 3/4, 1/2 and 3/4.
        let (scores, classes) = ([1.0, 2.0, 3.0, 4.0], [Up, Flat, Down, Up]);
        let area = Area::of_windows(&scores, &classes, &[1..3, 1..5, 2..4, 3..5]).unwrap();
        assert_eq!((area.auc, area.rows), (0.5, 2.0));
        let (ups, downs) = (1.5_f64, 0.5_f64);
        assert_eq!(area.error, (3.0 / (12.0 * ups * downs)).sqrt());
        let apart = [1..2, 2..3, 3..4, 4..5];
        let area = Area::of_windows(&scores, &classes, &apart).unwrap();
        assert_eq!(Some(area), Area::of(&scores, &classes), "nothing is shared");
    }

    /// Random walks, a score that looks back over twelve bars, and labels that look ahead over twelve: nothing can be foreseen, so
    /// that an area lies two standard errors from chance once in twenty. As if rows were independent, it did every second time.
    #[test]
    fn noise_is_rarely_two_errors_from_chance() {
        const WALKS: u64 = 300;
        let (mut counted, mut as_if_independent) = (0, 0);
        for seed in 0..WALKS {
            let mut chance = Chance::new(seed, Purpose::Probe);
            let mut walk = vec![0.0];
            for _ in 0..2_000 {
                // A sum of uniform numbers is near enough to a normal one.
                let step: f32 = (0..6).map(|_| chance.part()).sum::<f32>() - 3.0;
                walk.push(walk[walk.len() - 1] + f64::from(step));
            }
            let rows: Vec<usize> = (12..walk.len() - 12).collect();
            let scores: Vec<f64> = rows.iter().map(|n| walk[*n] - walk[n - 12]).collect();
            let class = |n: &usize| match walk[n + 12] - walk[*n] {
                ahead if ahead > 0.5 => Up,
                ahead if ahead < -0.5 => Down,
                _ => Flat,
            };
            let classes: Vec<Class> = rows.iter().map(class).collect();
            let windows: Vec<Range<i64>> =
                rows.iter().map(|n| *n as i64 + 1..*n as i64 + 13).collect();
            let far = |area: Area| usize::from((area.auc - 0.5).abs() > 2.0 * area.error);
            counted += far(Area::of_windows(&scores, &classes, &windows).unwrap());
            as_if_independent += far(Area::of(&scores, &classes).unwrap());
        }
        assert!(counted <= WALKS as usize / 20, "{counted} of {WALKS}");
        assert!(as_if_independent > WALKS as usize * 2 / 5, "{as_if_independent} of {WALKS}");
    }

    #[test]
    fn the_order_of_the_rows_does_not_matter() {
        let scores = [3.0, 1.0, 2.0, 2.0];
        let classes = [Up, Down, Up, Down];
        assert_eq!(auc(&scores, &classes), Some(0.875));
    }
}
