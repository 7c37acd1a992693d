//! The canary: from labels that were mixed up nothing can be learned. Whoever learns from them has seen the answers.

use std::collections::BTreeMap;

use crate::{
    engine::{
        learn::{
            label::Class,
            rows::{FoldRows, TrainRows},
            scores::Area,
            split_mix::{Purpose, SplitMix},
        },
        model::{Model, Normaliser},
    },
    exit::Exit,
    jobs::context::Failure,
    model::train::{FitSettings, Fitted, Samples, Task},
};

/// How many standard errors chance may be away from one half.
const ERRORS_MAX: f64 = 4.0;
/// Times the rows are seen: a leak shows at once.
const EPOCHS: u32 = 2;

/// Fits a logistic regression to the mixed-up labels of the training rows, and asks it about those of the test rows. Labels are mixed up
/// among all rows of the parts at once: a row that stands in two of them has one answer in both. `None` when the test rows have no up or
/// no down. `fit` carries the fit out, and `model` makes of what was fitted something that can be asked.
pub(super) fn label_shuffle_check(
    rows: &TrainRows,
    (parts, normaliser): (&FoldRows, &Normaliser),
    logistic: &FitSettings,
    fit: impl FnOnce(&Task<'_>) -> Result<Fitted, Failure>,
    model: impl Fn(&Fitted, &Normaliser) -> Result<Model, Failure>,
) -> Result<Option<Area>, Failure> {
    let settings = FitSettings { epochs_max: EPOCHS, ..logistic.clone() };
    let answers = mixed_up(rows, parts, settings.seed);
    let [train, validation] = [&parts.train, &parts.validation].map(|of| {
        let mut samples = Samples::new(rows.width());
        let mut scaled = vec![0.0; rows.width()];
        for row in of {
            normaliser.apply(rows.inputs(*row), &mut scaled);
            samples.push(&scaled, answers[row]);
        }
        samples
    });
    let task = Task { train: &train, validation: &validation, settings: &settings };
    let fitted = fit(&task)?;
    let model = model(&fitted, normaliser)?;
    let scores: Vec<f64> =
        parts.test.iter().map(|row| model.score(rows.inputs(*row)) as f64).collect();
    let classes: Vec<Class> = parts.test.iter().map(|row| answers[row]).collect();
    match Area::of(&scores, &classes) {
        Some(area) if (area.auc - 0.5).abs() > ERRORS_MAX * area.error => {
            let message = format!(
                "labels that were mixed up were foreseen: AUC {:.4} is more than {ERRORS_MAX} standard errors of {:.4} from 0.5; \
                 rows stand in two parts, or the answers of a test are known to what is tested",
                area.auc, area.error
            );
            Err(Failure::new(Exit::Data, message))
        }
        area => Ok(area),
    }
}

/// An answer for each row of some parts: theirs, in another order.
fn mixed_up(rows: &TrainRows, parts: &FoldRows, seed: u64) -> BTreeMap<usize, Class> {
    let all = parts.train.iter().chain(&parts.validation).chain(&parts.test);
    let mut answers: BTreeMap<usize, Class> = all.map(|row| (*row, rows.classes()[*row])).collect();
    let mut classes: Vec<Class> = answers.values().copied().collect();
    SplitMix::new(seed, Purpose::Mix).shuffle(&mut classes);
    for (answer, class) in answers.values_mut().zip(classes) {
        *answer = class;
    }
    answers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{
            bar::{Bar, TimedBar},
            time::Timeframe,
        },
        engine::{
            anchor::FeatureRows,
            learn::label::Label,
            model::{Activation, Feature, Network},
        },
        manifest::ClassWeights,
        model::train::{Device, FitFlow, fit},
    };

    /// So many features that as few rows are told apart by them.
    const WIDTH: usize = 30;

    /// Rows whose first feature knows the answer, until answers are mixed up.
    fn rows(many: i64) -> TrainRows {
        let bar = Bar::new([1.0; 5]).unwrap();
        let slot = |n: i64| Timeframe::M5.slot(300_000 * (1 + n)).unwrap();
        let bars: Vec<TimedBar> = (0..many).map(|n| TimedBar { ts: slot(n), bar }).collect();
        let mut chance = SplitMix::new(3, Purpose::Probe);
        let values = (0..bars.len() * WIDTH).map(|_| f64::from(chance.part()) * 2.0 - 1.0);
        let features = FeatureRows::ready(WIDTH, values.collect());
        TrainRows::collect(&bars, &features, WIDTH, |place, values| {
            let class = if values[0] > 0.0 { Class::Up } else { Class::Down };
            Some(Label { class, end: bars[place].ts.plus(1) })
        })
    }

    fn sung(parts: &FoldRows) -> Result<Option<Area>, Failure> {
        let logistic = FitSettings {
            hidden: Vec::new(),
            activation: Activation::Relu,
            epochs_max: 20,
            batch: 1,
            learning_rate: 0.1,
            weight_decay: 0.0,
            patience: 20,
            improvement_min: 1e-5,
            weighting: ClassWeights::None,
            seed: 7,
        };
        let rows = rows(240);
        let scale = Normaliser::new(vec![0.0; WIDTH], vec![1.0; WIDTH], 5.0).unwrap();
        let here =
            |task: &Task<'_>| Ok(fit(task, &Device::Cpu, None, &mut |_| FitFlow::GoOn).unwrap());
        label_shuffle_check(&rows, (parts, &scale), &logistic, here, |fitted, scale| {
            let names = (2..).take(WIDTH).map(|bars| format!("rsi(close, {bars})"));
            let features: Vec<Feature> = names.map(|name| name.parse().unwrap()).collect();
            let network = Network::new(&fitted.layers, Activation::Relu).unwrap();
            Ok(Model::new(features, scale.clone(), network).unwrap())
        })
    }

    #[test]
    fn rows_that_stand_in_two_parts_are_found_and_others_are_chance() {
        let (train, validation): (Vec<usize>, Vec<usize>) =
            ((0..80).collect(), (80..160).collect());
        let test: Vec<usize> = (160..240).collect();
        let apart = FoldRows { train: train.clone(), validation, test };
        let area = sung(&apart).unwrap().unwrap();
        assert!(area.auc != 0.5 && (area.auc - 0.5).abs() < 3.0 * area.error, "{area:?}");
        let twice = FoldRows { test: train.clone(), validation: train, ..apart };
        let refused = sung(&twice).unwrap_err();
        assert_eq!(refused.exit, Exit::Data);
        assert!(refused.message.contains("rows stand in two parts"), "{}", refused.message);
    }
}
