//! What a training leaves: `report.json`, `report.svg`, the name of the model that was trained last, and a table on the terminal.

use std::collections::BTreeMap;

use super::{
    picture::picture,
    report::Report,
    table::{summary, table},
};
use crate::{
    exit::Exit,
    jobs::context::{Context, Failure, Outcome},
    store::{disk::Disk as _, document::document},
};

/// Writes the report. `rows_per_second` are training rows.
pub(super) fn leave(
    context: &Context<'_>,
    report: &Report,
    rows_per_second: f64,
) -> Result<Outcome, Failure> {
    let dir = context.layout.train_report_dir(&report.name, &report.model);
    context.disk.create_dir_all(&dir)?;
    let (json, svg) = (dir.join("report.json"), dir.join("report.svg"));
    let drawn = picture(report)
        .map_err(|error| Failure::new(Exit::Bug, format!("the picture of the report: {error}")))?;
    context.disk.replace(&svg, drawn.as_bytes())?;
    context.disk.replace(&json, document(report).as_bytes())?;
    let latest = context.layout.train_latest(&report.name);
    context.disk.replace(&latest, format!("{}\n", report.model).as_bytes())?;
    let (json, svg) = (context.shown(&json), context.shown(&svg));
    let (overall, published) = (&report.overall, &report.published);
    let model = context.layout.models_dir().join(&report.name).join(&report.model);
    let out = [
        ("name", report.name.clone()),
        ("model_id", report.model.clone()),
        ("model", context.shown(&model)),
        ("threshold", published.threshold.to_string()),
        ("validation_start_ts_ms", published.validation.window[0].to_string()),
        ("validation_end_ts_ms", published.validation.window[1].to_string()),
        ("report", json.clone()),
        ("picture", svg.clone()),
        ("log_loss", overall.network.log_loss.to_string()),
        ("prior_log_loss", overall.prior_log_loss.to_string()),
        ("auc", overall.network.auc.map_or_else(String::new, |auc| auc.to_string())),
        ("net", overall.network.net.to_string()),
        ("rows_per_second", format!("{rows_per_second:.0}")),
    ];
    let text = format!(
        "{}{rows_per_second:.0} training rows per second\nreport: {json}\npicture: {svg}\n",
        table(report)
    );
    let out: BTreeMap<String, String> =
        out.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    Ok(Outcome { exit: Exit::Ok, summary: summary(report), text, out })
}
