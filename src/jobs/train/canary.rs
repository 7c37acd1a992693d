//! The canary: from labels that were mixed up nothing can be learned. Whoever learns from them has seen the answers.

use super::walk::{Leg, Walk};
use crate::{
    engine::learn::{
        chance::{Chance, Purpose},
        label::Class,
        ranking::Area,
        rows::Rows,
    },
    exit::Exit,
    jobs::context::Failure,
    model::train::{Device, FitError, Flow, Samples, Settings, Task, fit, on_one_thread},
};

/// How many standard errors chance may be away from one half.
const ERRORS_MAX: f64 = 4.0;
/// Times the rows are seen: a leak shows at once.
const EPOCHS: u32 = 2;

/// Fits a logistic regression to the mixed-up labels of the training rows, and asks it about the mixed-up labels of the test rows.
/// `None` when the test rows have no up or no down.
pub(super) fn canary(
    walk: &Walk<'_>,
    rows: &Rows,
    leg: &Leg,
    logistic: &Settings,
) -> Result<Option<Area>, Failure> {
    let Leg { parts, normaliser, .. } = leg;
    let settings = Settings { epochs_max: EPOCHS, ..logistic.clone() };
    let mut chance = Chance::new(settings.seed, Purpose::Mix);
    let mut mixed = |of: &[usize]| -> Vec<Class> {
        let mut classes: Vec<Class> = of.iter().map(|row| rows.classes()[*row]).collect();
        chance.shuffle(&mut classes);
        classes
    };
    let [train, validation] = [&parts.train, &parts.validation].map(|of| {
        let mut samples = Samples::new(rows.width());
        let mut scaled = vec![0.0; rows.width()];
        for (row, class) in of.iter().zip(mixed(of)) {
            normaliser.apply(rows.inputs(*row), &mut scaled);
            samples.push(&scaled, class);
        }
        samples
    });
    let task = Task { train: &train, validation: &validation, settings: &settings };
    let broken = |error: FitError| Failure::new(Exit::Bug, format!("the canary: {error}"));
    let fitted = on_one_thread(|| fit(&task, &Device::Cpu, None, &mut |_| Flow::GoOn))
        .and_then(|fitted| fitted)
        .map_err(broken)?;
    let model = walk.model(&fitted, normaliser)?;
    let scores: Vec<f64> =
        parts.test.iter().map(|row| model.score(rows.inputs(*row)) as f64).collect();
    let area = Area::of(&scores, &mixed(&parts.test));
    match area {
        Some(area) if (area.auc - 0.5).abs() > ERRORS_MAX * area.error => {
            let message = format!(
                "labels that were mixed up were foreseen: AUC {:.4} is more than {ERRORS_MAX} standard errors of {:.4} from 0.5; \
                 a row knows its own answer, or rows stand in two parts",
                area.auc, area.error
            );
            Err(Failure::new(Exit::Data, message))
        }
        area => Ok(area),
    }
}
