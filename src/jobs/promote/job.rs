//! The shell: reads reports and history, lets the judge speak, and changes which model is in use.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    history::{History, HistoryEvent, HistoryRow},
    judge::{LiveSettings, PromoteRule, PromoteVerdict, judge},
};
use crate::{
    domain::ids::Tag,
    exit::Exit,
    jobs::{
        context::{Context, Failure, Outcome},
        engine_setup::settings,
        models,
        train::report::TrainReport,
    },
    manifest::{Promote, PromoteJob, Trading},
    store::disk::{Disk as _, parent},
};

pub fn run(context: &Context<'_>, job: &PromoteJob) -> Result<Outcome, Failure> {
    let _lock = context.lock(&context.layout.models_lock())?;
    context.disk.clean_temps(&context.layout.models_dir())?;
    let history = history(context)?;
    // A crash may have come between the history and the file that is what it comes to.
    if let Some(model) = history.in_use() {
        point_at(context, model)?;
    }
    if job.promote.rollback {
        return rollback(context, history);
    }
    promote(context, &job.promote, &live(job.live.as_ref())?, history)
}

/// How LIVE will trade, by the market that the manifest extends.
fn live(trading: Option<&Trading>) -> Result<LiveSettings, Failure> {
    let Some((rule, trading)) =
        trading.and_then(|trading| Some((trading.model.as_ref()?, trading)))
    else {
        let message = "how LIVE will trade with the model must be known: extend profiles/market.toml and strategies/model.toml, as jobs/promote.toml does";
        return Err(Failure::new(Exit::Manifest, message));
    };
    Ok(LiveSettings { enter: rule.enter, settings: settings(trading)? })
}

fn promote(
    context: &Context<'_>,
    job: &Promote,
    live: &LiveSettings,
    history: History,
) -> Result<Outcome, Failure> {
    let id = candidate(context, job)?;
    let report = report(context, &job.name, &id)?;
    let model = format!("{}/{id}", job.name);
    whole(context, &model)?;
    let in_use = history.in_use().map(|model| report_of(context, model));
    let demand = PromoteRule { metric: job.metric, by: job.by, min_folds: job.min_folds };
    let theirs = in_use.as_ref().and_then(|report| report.as_ref().ok());
    let verdict = judge(demand, &report, theirs, live);
    let mut text = numbers(job, &model, &verdict);
    let chosen = report.published.threshold;
    let enter = live.enter.unwrap_or(chosen);
    let _ = writeln!(text, "LIVE would enter from a score of {enter}; {chosen} was chosen for it");
    match (&in_use, verdict.in_use) {
        (Some(Err(why)), _) => {
            let _ = writeln!(text, "the current model cannot be compared: {}", why.message);
        }
        (Some(Ok(_)), None) => {
            text.push_str("the current model cannot be compared: it was tested on other folds\n");
        }
        (Some(Ok(_)), Some(_)) | (None, _) => {}
    }
    let out = |in_use: &str| {
        [
            ("in_use", in_use.to_owned()),
            ("candidate", verdict.candidate.to_string()),
            ("baseline", verdict.baseline.to_string()),
            ("folds_better", verdict.folds_better.to_string()),
            ("net", verdict.net.to_string()),
            ("buy_and_hold", verdict.held.to_string()),
            ("enter", enter.to_string()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    };
    if !verdict.against.is_empty() {
        let in_use = history.in_use().unwrap_or_default();
        let summary = format!("refused: {model}: {}", verdict.against.join("; "));
        let text = format!("{text}{summary}\n");
        return Ok(Outcome { exit: Exit::Negative, summary, text, out: out(in_use) });
    }
    if history.in_use() == Some(&model) {
        let summary = format!("{model} is in use already");
        let text = format!("{text}{summary}\n");
        return Ok(Outcome { exit: Exit::Ok, summary, text, out: out(&model) });
    }
    let row = HistoryRow {
        at: context.started,
        event: HistoryEvent::Promote,
        model: model.clone(),
        metric: job.metric.name().to_owned(),
        numbers: Some((verdict.candidate, verdict.baseline)),
        run: context.run_id.to_string(),
    };
    commit(context, history, &row)?;
    let summary = format!("{model} is in use now");
    let text = format!("{text}{summary}\n");
    Ok(Outcome { exit: Exit::Ok, summary, text, out: out(&model) })
}

fn rollback(context: &Context<'_>, history: History) -> Result<Outcome, Failure> {
    let (Some(left), Some(back)) = (history.in_use(), history.before()) else {
        let shown = context.shown(&context.layout.model_history());
        let summary = format!("{shown} had fewer than two models in use: none to go back to");
        let text = format!("{summary}\n");
        return Ok(Outcome { exit: Exit::Negative, summary, text, out: BTreeMap::new() });
    };
    let (left, back) = (left.to_owned(), back.to_owned());
    whole(context, &back)?;
    let row = HistoryRow {
        at: context.started,
        event: HistoryEvent::Rollback,
        model: back.clone(),
        metric: String::new(),
        numbers: None,
        run: context.run_id.to_string(),
    };
    commit(context, history, &row)?;
    let summary = format!("{back} is in use again, {left} is not");
    let text = format!("{summary}\n");
    let out = [("in_use".to_owned(), back)].into();
    Ok(Outcome { exit: Exit::Ok, summary, text, out })
}

/// The history first, then what it comes to: a crash between the two is mended by the next run.
fn commit(context: &Context<'_>, history: History, row: &HistoryRow) -> Result<(), Failure> {
    let history = history.append(row);
    context.disk.replace(&context.layout.model_history(), history.text().as_bytes())?;
    point_at(context, &row.model)
}

fn point_at(context: &Context<'_>, model: &str) -> Result<(), Failure> {
    let path = context.layout.model_in_use();
    let text = format!("{model}\n");
    if context.disk.read(&path)?.as_deref() == Some(text.as_bytes()) {
        return Ok(());
    }
    context.disk.create_dir_all(parent(&path))?;
    Ok(context.disk.replace(&path, text.as_bytes())?)
}

fn history(context: &Context<'_>) -> Result<History, Failure> {
    let path = context.layout.model_history();
    let bytes = context.disk.read(&path)?.unwrap_or_default();
    History::parse(&bytes)
        .map_err(|reason| Failure::new(Exit::Data, format!("{}: {reason}", context.shown(&path))))
}

/// The id that is asked for, or that of the model trained last.
fn candidate(context: &Context<'_>, job: &Promote) -> Result<String, Failure> {
    let id = if let Some(id) = &job.model {
        id.clone()
    } else {
        let path = context.layout.train_latest(&job.name);
        let Some(bytes) = context.disk.read(&path)? else {
            let name = &job.name;
            let message = format!(
                "no model named {name} was trained here: {} is missing; train one first",
                context.shown(&path)
            );
            return Err(Failure::new(Exit::Nothing, message));
        };
        String::from_utf8_lossy(&bytes).trim().to_owned()
    };
    // It becomes part of a path.
    let name: Tag = id.parse().map_err(|error: crate::domain::ids::NameError| {
        Failure::new(Exit::Manifest, format!("`promote.model`: {error}"))
    })?;
    Ok(name.to_string())
}

fn report(context: &Context<'_>, name: &str, id: &str) -> Result<TrainReport, Failure> {
    let path = context.layout.train_report_dir(name, id).join("report.json");
    let shown = context.shown(&path);
    let Some(bytes) = context.disk.read(&path)? else {
        let message = format!("{name}/{id} has no report: {shown} is missing; train it here first");
        return Err(Failure::new(Exit::Nothing, message));
    };
    let report = TrainReport::from_json(&bytes)
        .map_err(|reason| Failure::new(Exit::Data, format!("{shown}: {reason}")))?;
    if report.folds.is_empty() || report.name != name || report.model != id {
        let message = format!("{shown}: it is the report of another model, or has no fold");
        return Err(Failure::new(Exit::Data, message));
    }
    Ok(report)
}

/// The report of a model of the history, `name/id`.
fn report_of(context: &Context<'_>, model: &str) -> Result<TrainReport, Failure> {
    let (name, id) = parts(model)?;
    report(context, name, id)
}

/// A model comes into use only if it can be read and says about its golden rows what it must.
fn whole(context: &Context<'_>, model: &str) -> Result<(), Failure> {
    let (name, id) = parts(model)?;
    let dir = context.layout.models_dir().join(name).join(id);
    models::load(context.disk, &dir).map(drop)
}

fn parts(model: &str) -> Result<(&str, &str), Failure> {
    model.split_once('/').ok_or_else(|| {
        let message = format!("`{model}` in the history names no model: it must be name/id");
        Failure::new(Exit::Data, message)
    })
}

fn numbers(job: &Promote, model: &str, verdict: &PromoteVerdict) -> String {
    let mut text = format!("{model} by {} (higher is better here)\n", job.metric.name());
    let mut line = |who: &str, value: f64| {
        let _ = writeln!(text, "{who:<14}{value:>14.6}");
    };
    line("candidate", verdict.candidate);
    line("baseline", verdict.baseline);
    if let Some(in_use) = verdict.in_use {
        line("in use", in_use);
    }
    let _ = writeln!(text, "better in {} of {} folds", verdict.folds_better, verdict.folds);
    let PromoteVerdict { net, held, .. } = verdict;
    let _ = writeln!(
        text,
        "its trades on the test bars, through the engine of LIVE: {net:.2} after fees; flat 0.00, buy and hold {held:.2}"
    );
    text
}
