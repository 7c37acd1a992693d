//! What a model's files hold, and every way in which they are refused.

use std::collections::BTreeMap;

use safetensors::{Dtype, serialize, tensor::TensorView};

use super::*;
use crate::{
    engine::learn::{label::LabelKind, rows::FoldGrowth},
    model::card::{CardLabel, DataWindow, Folds, Metrics, Training},
};

/// Weights that are told from each other, from a seed.
fn dense(inputs: usize, outputs: usize, seed: u32) -> Dense {
    let number = |at: usize| ((at as u32 * 37 + seed * 11) % 101) as f32 / 101.0 - 0.5;
    Dense {
        inputs,
        outputs,
        weights: (0..inputs * outputs).map(number).collect(),
        bias: (0..outputs).map(number).collect(),
    }
}

fn layers() -> Vec<Dense> {
    vec![dense(2, 5, 1), dense(5, 3, 2)]
}

fn make(layers: &[Dense], about: impl FnOnce(&mut ModelCard)) -> Result<ModelFiles, PartError> {
    let features = ["rsi(close, 14)", "log_return(close, 3)"].map(|name| name.parse().unwrap());
    let normaliser = Normaliser::new(vec![50.0, 1e-5], vec![0.1, 300.0], 5.0).unwrap();
    let activation = Activation::Relu;
    ModelFiles::make(
        Made { features: &features, normaliser: &normaliser, layers, activation },
        about,
    )
}

fn files() -> ModelFiles {
    make(&layers(), |_| {}).unwrap()
}

/// The text of one file, with something else in place of the first occurrence of `from`.
fn edited(part: ModelPart, from: &str, to: &str) -> ModelFiles {
    let mut files = files();
    let text = String::from_utf8(files.bytes(part).to_vec()).unwrap();
    assert!(text.contains(from), "{from} is in {text}");
    let bytes = text.replacen(from, to, 1).into_bytes();
    match part {
        ModelPart::Card => files.card = bytes,
        ModelPart::Golden => files.golden = bytes,
        ModelPart::Weights => files.weights = bytes,
    }
    files
}

fn refused(files: &ModelFiles, says: &str) {
    let error = files.read().unwrap_err().to_string();
    assert!(error.contains(says), "{error}\nmust say: {says}");
}

#[test]
fn what_is_written_is_read_back_and_has_one_id() {
    let about = |card: &mut ModelCard| {
        card.training = Some(Training { seed: 7, device: "cpu".into(), build: "0.1.0 abc".into() });
        card.label = Some(CardLabel {
            kind: LabelKind::ForwardReturn,
            horizon_bars: 12,
            threshold_bps: Some(20.0),
            unit: None,
            upper: None,
            lower: None,
        });
        card.folds = Some(Folds {
            count: 5,
            growth: FoldGrowth::Expanding,
            train_min: 0.5,
            validation: 0.15,
            embargo_bars: 288,
        });
        card.data = Some(DataWindow {
            series: "kraken BTC/USD 5m".into(),
            first_ts_ms: 300_000,
            last_ts_ms: 600_000,
            bars: 2,
            rows: 1,
            classes: [1, 0, 0],
            sha256: "0".repeat(64),
        });
        card.metrics = Some(Metrics {
            log_loss: 1.0,
            prior_log_loss: 1.1,
            auc: None,
            accuracy: 0.5,
            calibration_error: 0.01,
            net: -3.5,
            trades: 4,
            threshold: 250_000,
        });
    };
    let (files, again) = (make(&layers(), about).unwrap(), make(&layers(), about).unwrap());
    assert_eq!(files, again);
    let read = files.read().unwrap();
    assert_eq!(read.id, again.id());
    assert_eq!(read.card.layers(), [2, 5, 3]);
    assert_eq!(read.card.label.as_ref().unwrap().horizon_bars, 12);
    assert_eq!(read.model.logits(&[50.0, 1e-5]), {
        let network = crate::engine::model::Network::new(&layers(), Activation::Relu).unwrap();
        network.logits(&[0.0, 0.0])
    });
    let other = make(&[dense(2, 5, 9), dense(5, 3, 2)], about).unwrap();
    assert_ne!(other.id(), files.id(), "other weights, another model");
    assert_ne!(self::files().id(), files.id(), "another card, another model");
}

#[test]
fn bytes_cannot_wander_from_one_file_into_the_next() {
    let mut moved = files();
    let first = moved.golden.remove(0);
    moved.card.push(first);
    assert_ne!(moved.id(), files().id());
}

#[test]
fn a_card_is_refused_for_what_is_wrong_with_it() {
    let wrong =
        |from: &str, to: &str, says: &str| refused(&edited(ModelPart::Card, from, to), says);
    wrong("mjolnir.model/1", "mjolnir.model/2", "schema is `mjolnir.model/2`; this build reads");
    wrong("canon/1", "canon/9", "scorer is `canon/9`; this build reads `canon/1`");
    wrong("rsi(close, 14)", "sharpe_5", "`sharpe_5` is not a feature");
    wrong("\"rsi(close, 14)\", ", "", "card.toml: 1 features");
    wrong("\"relu\"", "\"gelu\"", "unknown variant `gelu`");
    wrong("activation =", "colour = 1\nactivation =", "unknown field `colour`");
    wrong("[normaliser]", "[normaliser]\nmedian = 1", "unknown field `median`");
    wrong("clamp = \"4014", "clamp = \"c014", "[normaliser]: `clamp` is -5");
    wrong("clamp = \"4014", "clamp = \"7ff8", "[normaliser]: `clamp` is NaN");
    wrong("clamp = \"4014", "clamp = \"401", "`normaliser.clamp`: `401");
    wrong("clamp = \"", "clamp = \"+", "is not a number of 16 lower-case hex digits");
    wrong("layers = [2, 5, 3]", "layers = [2, 5, 4]", "the last must be 3");
    wrong("layers = [2, 5, 3]", "layers = [3]", "the last must be 3");
    wrong("layers = [2, 5, 3]", "layers = [2, 3]", "`layer.0.weight` has the shape [5, 2]");
    wrong("layers = [2, 5, 3]", "layers = [9,9,9,9,9,9,9,3]", "has 8 widths, at most 7");
    wrong("features = [", "traits = [", "line 5: unknown field `traits`");
    wrong("scorer = \"canon/1\"\n", "", "missing field `scorer`");
    let mut binary = files();
    binary.card[0] = 0xff;
    refused(&binary, "card.toml: is not UTF-8");
    // A mean that is off by one bit is another model: the golden rows know.
    let text = String::from_utf8(files().card).unwrap();
    let at = text.find("mean = [\"").unwrap() + "mean = [\"".len() + 15;
    let digit = if &text[at..=at] == "0" { "1" } else { "0" };
    let mut moved = files();
    moved.card = format!("{}{digit}{}", &text[..at], &text[at + 1..]).into_bytes();
    refused(&moved, "golden.csv: line 2: logit_down is");
}

/// Tensors by name: type, shape, bytes.
type Tensors = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

fn with_tensors(change: impl FnOnce(&mut Tensors)) -> ModelFiles {
    let mut files = files();
    let mut tensors: Tensors = safetensors::SafeTensors::deserialize(&files.weights)
        .unwrap()
        .iter()
        .map(|(name, view)| {
            (name.to_owned(), (view.dtype(), view.shape().to_vec(), view.data().to_vec()))
        })
        .collect();
    change(&mut tensors);
    let views = tensors.iter().map(|(name, (dtype, shape, bytes))| {
        (name.as_str(), TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    files.weights = serialize(views, None).unwrap();
    files
}

#[test]
fn weights_are_refused_for_what_is_wrong_with_them() {
    assert_eq!(with_tensors(|_| {}), files());
    let set = |at: usize, x: f32| {
        with_tensors(|tensors| {
            let bytes = &mut tensors.get_mut("layer.0.weight").unwrap().2;
            bytes[at * 4..at * 4 + 4].copy_from_slice(&x.to_le_bytes());
        })
    };
    refused(&set(3, f32::NAN), "model.safetensors: tensor `layer.0.weight`: number 3 is NaN");
    refused(&set(0, f32::INFINITY), "`layer.0.weight`: number 0 is inf");
    refused(&set(2, 0.123), "golden.csv: line");
    let extra = with_tensors(|tensors| {
        tensors.insert("optimizer".into(), (Dtype::F32, vec![1], vec![0; 4]));
    });
    refused(&extra, "has a tensor `optimizer` that no layer");
    let missing = with_tensors(|tensors| {
        tensors.remove("layer.1.bias");
    });
    refused(&missing, "has no tensor `layer.1.bias`");
    let halves = with_tensors(|tensors| {
        tensors.insert("layer.1.bias".into(), (Dtype::F16, vec![3], vec![0; 6]));
    });
    refused(&halves, "`layer.1.bias` is of type F16, must be F32");
    let turned = with_tensors(|tensors| {
        tensors.get_mut("layer.0.weight").unwrap().1.reverse();
    });
    refused(&turned, "`layer.0.weight` has the shape [2, 5], must be [5, 2]");
    for cut in [0, 7, 8, 60, files().weights.len() - 1] {
        let mut torn = files();
        torn.weights.truncate(cut);
        refused(&torn, "model.safetensors: is not a whole safetensors file");
    }
    let mut longer = files();
    longer.weights.push(0);
    refused(&longer, "model.safetensors: is not a whole safetensors file");
}

#[test]
fn golden_rows_are_refused_for_what_is_wrong_with_them() {
    let lines: Vec<String> =
        String::from_utf8(files().golden).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), ROWS_AND_HEADER);
    assert_eq!(
        lines[0],
        "\"rsi(close, 14)\",\"log_return(close, 3)\",logit_down,logit_flat,logit_up,score"
    );
    let with = |change: &dyn Fn(&mut Vec<String>)| {
        let mut lines = lines.clone();
        change(&mut lines);
        let mut files = files();
        files.golden =
            lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect::<String>().into();
        files
    };
    let field = |row: usize, column: usize, text: &str| {
        with(&|lines| {
            let mut fields: Vec<&str> = lines[row].split(',').collect();
            fields[column] = text;
            lines[row] = fields.join(",");
        })
    };
    let bit_off = |row: usize, column: usize| {
        let bits = lines[row].split(',').nth(column).unwrap();
        let bits = u64::from_str_radix(bits, 16).unwrap() ^ 1;
        field(row, column, &format!("{bits:016x}"))
    };
    refused(&bit_off(16, 4), "golden.csv: line 17: logit_up is");
    refused(&bit_off(2, 2), "golden.csv: line 3: logit_down is");
    refused(&field(5, 5, "1"), "line 6: score is `1` here, the model says");
    refused(
        &field(5, 0, "7ff0000000000000"),
        "line 6: rsi(close, 14) is `7ff0000000000000`, not a finite",
    );
    refused(&field(5, 1, "0.5"), "line 6: log_return(close, 3) is `0.5`, not a finite number");
    refused(
        &with(&|lines| {
            lines.pop();
        }),
        "golden.csv: has 15 rows, must have 16",
    );
    refused(&with(&|lines| lines.push(lines[3].clone())), "has 17 rows");
    refused(&with(&|lines| lines.truncate(1)), "has 0 rows");
    refused(
        &with(&|lines| {
            lines.remove(0);
        }),
        "line 1: the header is not `\"rsi(close, 14)\",\"log_return(close, 3)\",",
    );
    refused(&with(&|lines| lines[4].push_str(",1")), "line 5: 7 columns, must be 6");
    let mut torn = files();
    torn.golden.pop();
    refused(&torn, "line 17: has no end");
}

const ROWS_AND_HEADER: usize = golden::ROWS + 1;

#[test]
fn what_makes_no_model_is_not_written() {
    let error = make(&[dense(3, 3, 1)], |_| {}).unwrap_err();
    assert!(error.to_string().contains("a network for 3"), "{error}");
    let mut astray = layers();
    astray[1].bias[0] = f32::NAN;
    let error = make(&astray, |_| {}).unwrap_err();
    assert!(error.to_string().contains("layer 1: a weight or bias is NaN"), "{error}");
}
