//! How well probabilities fit what happened: softmax, logarithmic loss, accuracy.

use super::label::Class;

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

#[cfg(test)]
mod tests {
    use super::*;
    use Class::{Down, Flat, Up};

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
}
