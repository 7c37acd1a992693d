//! How good scores are: likelihood and accuracy, calibration, ranking, and how many independent answers they come to.

use std::ops::Range;

use super::label::Class;

/// Bins of equal width between 0 and 1.
pub const BINS: usize = 10;

/// Rows whose probability of an up lies in one bin.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bin {
    /// How many.
    pub rows: u64,
    /// Mean of the probabilities; 0 without rows.
    pub said: f64,
    /// How often it went up; 0 without rows.
    pub happened: f64,
}

/// The bins, and how far said and happened lie apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// From the lowest probability to the highest.
    pub bins: [Bin; BINS],
    /// Mean distance of said and happened over all rows: the expected calibration error.
    pub error: f64,
}

impl Calibration {
    /// Of probabilities and what happened; `None` without rows.
    pub fn of(probabilities: &[[f64; 3]], classes: &[Class]) -> Option<Self> {
        assert_eq!(probabilities.len(), classes.len(), "every row has a class");
        let mut bins = [Bin::default(); BINS];
        for (given, class) in probabilities.iter().zip(classes) {
            let up = given[Class::Up.place()];
            let bin = &mut bins[((up * BINS as f64) as usize).min(BINS - 1)];
            bin.rows += 1;
            bin.said += up;
            bin.happened += if *class == Class::Up { 1.0 } else { 0.0 };
        }
        let mut error = 0.0;
        for bin in bins.iter_mut().filter(|bin| bin.rows > 0) {
            error += (bin.said - bin.happened).abs();
            bin.said /= bin.rows as f64;
            bin.happened /= bin.rows as f64;
        }
        (!classes.is_empty()).then(|| Self { bins, error: error / classes.len() as f64 })
    }
}

/// No probability counts as less than this, so that one mistake cannot make a loss infinite.
const PROBABILITY_MIN: f64 = 1e-15;

/// The probabilities of the classes from their scores.
pub fn softmax(scores: [f64; 3]) -> [f64; 3] {
    let most = scores[0].max(scores[1]).max(scores[2]);
    let powers = scores.map(|score| libm::exp(score - most));
    let sum = powers[0] + powers[1] + powers[2];
    powers.map(|power| power / sum)
}

/// The mean logarithmic loss, in nats; `None` without rows.
pub fn log_loss(probabilities: &[[f64; 3]], classes: &[Class]) -> Option<f64> {
    mean(probabilities, classes, |given, class| {
        -libm::log(given[class.place()].max(PROBABILITY_MIN))
    })
}

/// How often the most probable class, of equals the first, is the right one; `None` without rows.
pub fn accuracy(probabilities: &[[f64; 3]], classes: &[Class]) -> Option<f64> {
    mean(probabilities, classes, |given, class| {
        let mut best = 0;
        for place in 1..given.len() {
            if given[place] > given[best] {
                best = place;
            }
        }
        if best == class.place() { 1.0 } else { 0.0 }
    })
}

/// How often each class occurs, each counted once more than it does, so that none is impossible.
pub fn prior(counts: [usize; 3]) -> [f64; 3] {
    let all = counts.iter().sum::<usize>() + counts.len();
    counts.map(|count| (count + 1) as f64 / all as f64)
}

fn mean(
    probabilities: &[[f64; 3]],
    classes: &[Class],
    of: impl Fn(&[f64; 3], Class) -> f64,
) -> Option<f64> {
    assert_eq!(probabilities.len(), classes.len(), "every row has a class");
    let mut sum = 0.0;
    for (given, class) in probabilities.iter().zip(classes) {
        sum += of(given, *class);
    }
    (!classes.is_empty()).then(|| sum / classes.len() as f64)
}

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

/// Of each label, the part of its window that is its own: the mean, over the slots it covers, of one part in as many labels as cover
/// that slot (average uniqueness; Lopez de Prado, Advances in Financial Machine Learning, 2018, chapter 4). Their sum is how many
/// independent labels they come to. A window has a slot at least.
pub fn own_parts(windows: &[Range<i64>]) -> Vec<f64> {
    let (Some(first), Some(end)) =
        (windows.iter().map(|w| w.start).min(), windows.iter().map(|w| w.end).max())
    else {
        return Vec::new();
    };
    let place = |slot: i64| (slot - first) as usize;
    let mut change = vec![0_i64; place(end) + 1];
    for window in windows {
        assert!(window.start < window.end, "a window has a slot");
        change[place(window.start)] += 1;
        change[place(window.end)] -= 1;
    }
    // Sums of the parts of one label, up to each slot.
    let (mut sums, mut sum, mut many) = (Vec::with_capacity(change.len()), 0.0, 0);
    for change in &change {
        sums.push(sum);
        many += change;
        sum += if many > 0 { 1.0 / many as f64 } else { 0.0 };
    }
    let own = |window: &Range<i64>| {
        (sums[place(window.end)] - sums[place(window.start)]) / (window.end - window.start) as f64
    };
    windows.iter().map(own).collect()
}

#[cfg(test)]
mod tests {
    use Class::{Down, Flat, Up};
    use proptest::prelude::*;

    use super::*;
    use crate::engine::learn::split_mix::{Purpose, SplitMix};

    #[test]
    fn said_and_happened_are_compared_bin_by_bin() {
        let up = |p: f64| [1.0 - p, 0.0, p];
        let given = [up(0.25), up(0.25), up(1.0), up(0.0)];
        let classes = [Class::Up, Class::Down, Class::Up, Class::Down];
        let found = Calibration::of(&given, &classes).unwrap();
        assert_eq!(found.bins[2], Bin { rows: 2, said: 0.25, happened: 0.5 });
        assert_eq!(found.bins[9], Bin { rows: 1, said: 1.0, happened: 1.0 });
        assert_eq!(found.bins[0].rows, 1);
        assert_eq!(found.error, 0.125);
        assert_eq!(Calibration::of(&[], &[]), None);
    }

    #[test]
    fn softmax_sums_to_one_and_survives_large_scores() {
        for scores in [[0.0; 3], [1.0, 2.0, 3.0], [1e6, -1e6, 0.0]] {
            let sum: f64 = softmax(scores).iter().sum();
            assert!((sum - 1.0).abs() < 1e-15, "{scores:?}");
        }
        assert_eq!(softmax([5.0; 3]), [1.0 / 3.0; 3]);
    }

    #[test]
    fn the_loss_of_a_fair_guess_is_the_logarithm_of_three() {
        let fair = [[1.0 / 3.0; 3]; 2];
        let loss = log_loss(&fair, &[Up, Down]).unwrap();
        assert!((loss - libm::log(3.0)).abs() < 1e-15);
        let sure = log_loss(&[[0.0, 0.0, 1.0]], &[Down]).unwrap();
        assert!((34.0..35.0).contains(&sure), "{sure}");
        assert_eq!(log_loss(&[], &[]), None);
    }

    #[test]
    fn accuracy_counts_the_most_probable_class() {
        let given = [[0.5, 0.3, 0.2], [0.2, 0.3, 0.5], [0.4, 0.4, 0.2], [0.1, 0.8, 0.1]];
        assert_eq!(accuracy(&given, &[Down, Up, Flat, Up]), Some(0.5));
    }

    #[test]
    fn a_prior_leaves_nothing_impossible() {
        assert_eq!(prior([0, 0, 0]), [1.0 / 3.0; 3]);
        assert_eq!(prior([7, 0, 0]), [0.8, 0.1, 0.1]);
    }

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
            let mut chance = SplitMix::new(seed, Purpose::Probe);
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

    #[test]
    fn labels_that_share_their_slots_share_what_they_say() {
        // Slots 1 to 5 are covered by 1, 2, 2, 2, 1 labels.
        assert_eq!(own_parts(&[1..3, 2..4, 3..5, 4..6]), [0.75, 0.5, 0.5, 0.75]);
        assert_eq!(own_parts(&[1..3, 3..5, 9..11]), [1.0; 3], "side by side nothing is shared");
        assert_eq!(own_parts(&[7..9, 7..9, 7..9, 7..9]), [0.25; 4]);
        assert!(own_parts(&[]).is_empty());
        // A label of twelve slots on every slot: but for the ends, each comes to a twelfth.
        let windows: Vec<Range<i64>> = (0..1_200).map(|n| n + 1..n + 13).collect();
        let sum: f64 = own_parts(&windows).iter().sum();
        assert!((100.0..104.0).contains(&sum), "{sum}");
    }

    proptest! {
        #[test]
        fn the_sums_are_those_of_counting(windows in prop::collection::vec((0_i64..40, 1_i64..9), 0..40)) {
            let windows: Vec<Range<i64>> = windows.into_iter().map(|(at, long)| at..at + long).collect();
            let covered = |slot: i64| windows.iter().filter(|w| w.contains(&slot)).count() as f64;
            let naive = windows.iter().map(|window| {
                window.clone().map(|slot| 1.0 / covered(slot)).sum::<f64>() / (window.end - window.start) as f64
            });
            for (own, naive) in own_parts(&windows).into_iter().zip(naive) {
                prop_assert!((own - naive).abs() < 1e-9, "{own} {naive}");
            }
        }
    }
}
