//! `runner show model DIR`: what is known about a model, after every check that a job makes before it uses one.

use std::path::Path;

use serde_json::json;

use super::{
    output::{plain, print, print_json},
    refuse::tell,
    table::{row, table},
};
use crate::{
    domain::{
        ids::ModelId,
        time::{Timeframe, UtcMs},
    },
    engine::{
        learn::label::{BarrierUnit, LabelKind},
        model::Model,
    },
    exit::Exit,
    jobs::{
        context::Failure,
        models::{LoadedModel, find, load, resolve},
    },
    language::Features,
    model::card::CardLabel,
    store::{
        disk::{Disk as _, RealDisk},
        layout::Layout,
    },
};

/// Models that a message names.
const KNOWN_MAX: usize = 10;

/// Bars before all that the model sees is known, on the shortest timeframe its expressions can be on.
fn warm_up(model: &Model) -> Option<u32> {
    let texts: Vec<String> = model.features().iter().map(ToString::to_string).collect();
    Features::check(&texts, Timeframe::M1).ok().map(|features| features.warm_up_bars())
}

/// Shows the model in a folder, or the one that a file such as `data/models/current` names.
pub fn show_model(root: &Path, dir: &Path, json: bool) -> Exit {
    let loaded = match read(root, dir) {
        Ok(loaded) => loaded,
        Err(failure) => return tell(&failure, json),
    };
    if json {
        let LoadedModel { id, card, dir, model } = &loaded;
        print_json(&json!({
            "schema": "mjolnir.model-card/1", "id": id.to_string(), "dir": dir.display().to_string(),
            "warm_up_bars": warm_up(model), "card": card,
        }));
    } else {
        print(&table("", &rows(&loaded)));
    }
    Exit::Ok
}

fn read(root: &Path, dir: &Path) -> Result<LoadedModel, Failure> {
    let layout = Layout::new(root);
    let disk = RealDisk::new(layout.data());
    // As it lies below the root, or below the folder of all models, or by its id alone.
    let named = [root.join(dir), layout.models_dir().join(dir)];
    for path in &named {
        if disk.look(path).is_ok_and(|entry| entry.is_some()) {
            return load(&disk, &resolve(&disk, &layout, path)?);
        }
    }
    let id = dir.to_str().and_then(|text| text.parse::<ModelId>().ok());
    if let Some(found) = id.map(|id| find(&disk, &layout, id)).transpose()?.flatten() {
        return Ok(found);
    }
    Err(unknown(&disk, &layout, dir))
}

/// Says that there is no such model, and which there are.
fn unknown(disk: &RealDisk, layout: &Layout, dir: &Path) -> Failure {
    let home = layout.models_dir();
    let list = |path: &Path| disk.list(path).unwrap_or_default();
    let names =
        list(&home).into_iter().filter(|name| disk.is_dir(&home.join(name)).unwrap_or(false));
    let models = names.flat_map(|name| {
        let ids = list(&home.join(&name));
        ids.into_iter()
            .filter(|id| id.parse::<ModelId>().is_ok())
            .map(|id| format!("{name}/{id}"))
            .collect::<Vec<_>>()
    });
    let known: Vec<String> = models.take(KNOWN_MAX).collect();
    let known = if known.is_empty() {
        "there are none: `runner run jobs/train.toml` trains one".to_owned()
    } else {
        format!("models here: {}", known.join(", "))
    };
    let message = format!(
        "`{}` is neither the folder of a model, nor a file that names one, nor the id of one; {known}",
        plain(&dir.display().to_string())
    );
    Failure::new(Exit::Data, message)
}

/// What people want to know, one thing a line. What a model from elsewhere does not say is `-`.
fn rows(loaded: &LoadedModel) -> Vec<Vec<String>> {
    let LoadedModel { id, model, card, dir } = loaded;
    let widths: Vec<String> = card.layers().iter().map(ToString::to_string).collect();
    let layers = format!("{} {}", widths.join("-"), card.activation().name());
    let or_none = |text: Option<String>| text.map_or_else(|| "-".to_owned(), |text| plain(&text));
    let label = or_none(card.label.as_ref().map(label));
    let window = card.data.as_ref().map(|data| {
        let at = |ms: i64| UtcMs::new(ms).map_or_else(|_| ms.to_string(), |at| at.to_string());
        format!(
            "{}, {} to {}, {} rows, sha256 {}",
            data.series,
            at(data.first_ts_ms),
            at(data.last_ts_ms),
            data.rows,
            data.sha256
        )
    });
    let metrics = card.metrics.as_ref().map(|metrics| {
        let auc = metrics.auc.map_or_else(|| "-".to_owned(), |auc| format!("{auc:.4}"));
        format!(
            "log loss {:.5} (class frequencies {:.5}), auc {auc}, net {:.2} in {} trades from score {}",
            metrics.log_loss, metrics.prior_log_loss, metrics.net, metrics.trades, metrics.threshold
        )
    });
    let made = card.training.as_ref();
    vec![
        row(["id", &id.to_string()]),
        row(["folder", &dir.display().to_string()]),
        row(["scorer", card.scorer()]),
        row(["features", &card.features().join("; ")]),
        row([
            "warm-up",
            &warm_up(model).map_or("unknown".to_owned(), |bars| format!("{bars} bars")),
        ]),
        row(["layers", &layers]),
        row(["label", &label]),
        row(["data", &or_none(window)]),
        row(["metrics", &or_none(metrics)]),
        row(["seed", &or_none(made.map(|made| made.seed.to_string()))]),
        row(["device", &or_none(made.map(|made| made.device.clone()))]),
        row(["build", &or_none(made.map(|made| made.build.clone()))]),
    ]
}

fn label(label: &CardLabel) -> String {
    let bars = label.horizon_bars;
    let number = |x: Option<f64>| x.map_or_else(|| "-".to_owned(), |x| x.to_string());
    match label.kind {
        LabelKind::ForwardReturn => {
            format!(
                "forward_return over {bars} bars, flat within {} bps",
                number(label.threshold_bps)
            )
        }
        LabelKind::TripleBarrier => {
            let unit = label.unit.map_or("-", BarrierUnit::name);
            let (upper, lower) = (number(label.upper), number(label.lower));
            format!("triple_barrier over {bars} bars, {upper} up, {lower} down, in {unit}")
        }
    }
}
