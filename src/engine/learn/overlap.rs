//! How many independent answers some labels come to whose windows overlap: the labels of neighbouring rows are nearly the same one.

use std::ops::Range;

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
    use proptest::prelude::*;

    use super::*;

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
