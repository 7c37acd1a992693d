//! `golden.csv`: inputs with the outputs and scores they must give, bit by bit. Checked whenever a model is loaded.

use std::fmt::Write as _;

use crate::{
    engine::model::{CLASSES, Feature, Model, Normaliser, scored::fixed},
    language::FEATURES_MAX,
};

use super::card::{hex, unhex};

/// Rows of the file.
pub const ROWS: usize = 16;
/// Columns behind those of the features.
const ANSWERS: [&str; CLASSES + 1] = ["logit_down", "logit_flat", "logit_up", "score"];
/// Multiplier and increment of the sequence that inputs are drawn from (Knuth 1998, MMIX).
const STEP: (u64, u64) = (6_364_136_223_846_793_005, 1_442_695_040_888_963_407);

fn header(features: &[Feature]) -> String {
    // As CSV has it: a name with a comma is quoted.
    let quoted = |name: &Feature| match name.as_str() {
        name if name.contains(',') => format!("\"{name}\""),
        name => name.to_owned(),
    };
    let names = features.iter().map(quoted);
    names.chain(ANSWERS.map(str::to_owned)).collect::<Vec<_>>().join(",")
}

/// The text of the file: what a model says about inputs around its means, and beyond its clamp on either side.
pub fn encode(model: &Model, normaliser: &Normaliser) -> String {
    let mut text = format!("{}\n", header(model.features()));
    let mut chance = 1_u64;
    for row in 0..ROWS {
        let mut inputs = [0.0; FEATURES_MAX];
        let scales = normaliser.mean().iter().zip(normaliser.inv_sd());
        for (input, (mean, inv_sd)) in inputs.iter_mut().zip(scales) {
            chance = chance.wrapping_mul(STEP.0).wrapping_add(STEP.1);
            // From -4 to 4 deviations; the first rows are the means, and what is cut off above and below.
            let drawn = (chance >> 40) as f64 / f64::from(1 << 21) - 4.0;
            let beyond = 2.0 * normaliser.clamp();
            let deviations = match row {
                0 => 0.0,
                1 => beyond,
                2 => -beyond,
                _ => drawn,
            };
            *input = mean + deviations / inv_sd;
        }
        let inputs = &inputs[..model.features().len()];
        let logits = model.logits(inputs);
        for x in inputs.iter().chain(&logits) {
            let _ = write!(text, "{},", hex(*x));
        }
        let _ = writeln!(text, "{}", fixed(logits));
    }
    text
}

/// Whether a model says what the file says; the error names the first line and column that differ.
pub(super) fn check(text: &str, model: &Model) -> Result<(), String> {
    let expected = header(model.features());
    let mut lines = text.split_inclusive('\n').zip(1..);
    match lines.next() {
        Some((line, _)) if line.strip_suffix('\n') == Some(&expected) => {}
        Some(_) | None => return Err(format!("line 1: the header is not `{expected}`")),
    }
    let mut rows = 0;
    for (line, number) in lines {
        let line = line
            .strip_suffix('\n')
            .ok_or_else(|| format!("line {number}: has no end: the file was cut off"))?;
        row(line, model).map_err(|why| format!("line {number}: {why}"))?;
        rows += 1;
    }
    if rows == ROWS { Ok(()) } else { Err(format!("has {rows} rows, must have {ROWS}")) }
}

fn row(line: &str, model: &Model) -> Result<(), String> {
    let features = model.features();
    let fields: Vec<&str> = line.split(',').collect();
    if fields.len() != features.len() + ANSWERS.len() {
        let (many, must) = (fields.len(), features.len() + ANSWERS.len());
        return Err(format!("{many} columns, must be {must}"));
    }
    let number = |name: &str, text: &str| {
        let text: String = text.escape_debug().take(80).collect();
        unhex(&text).filter(|x| x.is_finite()).ok_or_else(|| {
            format!("{name} is `{text}`, not a finite number of 16 lower-case hex digits")
        })
    };
    let (inputs, answers) = fields.split_at(features.len());
    let mut values = [0.0; FEATURES_MAX];
    for ((value, text), feature) in values.iter_mut().zip(inputs).zip(features) {
        *value = number(&feature.to_string(), text)?;
    }
    let logits = model.logits(&values[..features.len()]);
    for ((name, text), logit) in ANSWERS.iter().zip(answers).zip(logits) {
        let expected = number(name, text)?;
        if expected.to_bits() != logit.to_bits() {
            return Err(format!("{name} is {} here, the model says {}", hex(expected), hex(logit)));
        }
    }
    let score = fixed(logits);
    if answers[CLASSES] != score.to_string() {
        let text: String = answers[CLASSES].escape_debug().take(80).collect();
        return Err(format!("score is `{text}` here, the model says {score}"));
    }
    Ok(())
}
