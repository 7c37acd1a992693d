//! How well scores tell ups from downs: the area under the receiver operating characteristic.

use super::label::Class;

/// The probability that an up has a higher score than a down, ties counting half, by ranks (Mann and Whitney). Flats are left out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Area {
    /// From 0 to 1; 0.5 is chance.
    pub auc: f64,
    /// Standard error under chance.
    pub error: f64,
}

impl Area {
    /// Of scores and classes; `None` without an up or without a down. Scores must not be NaN.
    pub fn of(scores: &[f64], classes: &[Class]) -> Option<Self> {
        assert_eq!(scores.len(), classes.len(), "every row has a class");
        let mut ranked: Vec<(f64, Class)> = scores
            .iter()
            .copied()
            .zip(classes.iter().copied())
            .filter(|(_, class)| *class != Class::Flat)
            .collect();
        ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
        let ups = ranked.iter().filter(|(_, class)| *class == Class::Up).count() as f64;
        let downs = ranked.len() as f64 - ups;
        if ups == 0.0 || downs == 0.0 {
            return None;
        }
        let mut rank_sum = 0.0;
        let mut start = 0;
        while start < ranked.len() {
            let tied = ranked[start..].iter().take_while(|(x, _)| *x == ranked[start].0).count();
            // Ranks count from 1; tied rows share their mean.
            let rank = start as f64 + f64::midpoint(tied as f64, 1.0);
            let tie = &ranked[start..start + tied];
            rank_sum += rank * tie.iter().filter(|(_, class)| *class == Class::Up).count() as f64;
            start += tied;
        }
        let auc = (rank_sum - ups * (ups + 1.0) / 2.0) / (ups * downs);
        let error = ((ups + downs + 1.0) / (12.0 * ups * downs)).sqrt();
        Some(Self { auc, error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
    fn the_order_of_the_rows_does_not_matter() {
        let scores = [3.0, 1.0, 2.0, 2.0];
        let classes = [Up, Down, Up, Down];
        assert_eq!(auc(&scores, &classes), Some(0.875));
    }
}
