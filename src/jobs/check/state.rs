//! Whether the LIVE ledger follows from its bars: every recorded row is made again and must be equal to the byte.

use crate::{
    checklist::{CheckItem, Level},
    domain::ids::Tag,
    engine::step::Core,
    jobs::{
        context::{Context, Failure},
        engine_setup::{EngineSetup, engine_setup},
        models::ModelSource,
    },
    manifest::{CheckJob, CheckPart, Parsed, StopFill},
    session::{
        error::SessionError,
        live::{Belief, Session},
        origin::{LedgerOrigin, StrategySettings},
        reader::{Extent, Files, RowFinder},
        record::{read_commands, read_origin},
    },
    store::{
        ledger,
        rows::{decisions::DECISIONS_HEADER, signals::TIMING_HEADER, trades::TRADES_HEADER},
    },
};

/// All of them. Nothing is locked: LIVE may be at work meanwhile.
#[expect(clippy::unnecessary_wraps, reason = "every part of a check is a function of this shape")]
pub fn state(context: &Context<'_>, job: &CheckJob) -> Result<Vec<CheckItem>, Failure> {
    let Some(tag) = job.check.tag.as_ref().map(Parsed::get) else {
        return Ok(vec![check("ledger", Level::Warn, "no check.tag, so no ledger was looked at")]);
    };
    let mut checks = vec![commands(context, tag), torn(context, job, tag)];
    let series = &job.trading.series;
    let origin = match read_origin(context.disk, context.layout, tag, series) {
        Ok(Some(origin)) => origin,
        Ok(None) => {
            checks.push(no_origin(context, job, tag));
            return Ok(checks);
        }
        Err(error) => {
            checks.push(check("ledger", Level::Fail, error.to_string()));
            return Ok(checks);
        }
    };
    // LIVE's own stop rule stands in its certificate; the rest of the settings is this manifest's and must be the same.
    let stop_fill = StopFill::ALL.iter().find(|rule| rule.name() == origin.card.stop_fill);
    let Some(stop_fill) = stop_fill.copied() else {
        let text = format!("origin.json: `{}` is not a stop rule", origin.card.stop_fill);
        checks.push(check("ledger", Level::Fail, text));
        return Ok(checks);
    };
    let EngineSetup { core, card, model: _ } =
        match engine_setup(context, &job.trading, stop_fill, ModelSource::Ledger(tag)) {
            Ok(set_up) => set_up,
            Err(failure) => {
                checks.push(check("ledger", Level::Fail, failure.message));
                return Ok(checks);
            }
        };
    // LIVE may have written between two reads; what is really wrong is wrong twice.
    let proof =
        prove(context, job, tag, &core, &card).or_else(|_| prove(context, job, tag, &core, &card));
    let (level, text) = match proof {
        Ok(rows) => (Level::Ok, rows),
        Err(error) => (Level::Fail, error.to_string()),
    };
    let ledger = format!(
        "tag={tag} exchange={} symbol={} timeframe={}",
        series.exchange(),
        series.symbol(),
        series.timeframe()
    );
    checks.push(
        check("ledger", level, text).next(format!("runner run jobs/eqflat.toml -p {ledger}")),
    );
    checks.push(build(context, &origin));
    Ok(checks)
}

fn check(name: &'static str, level: Level, value: impl Into<String>) -> CheckItem {
    CheckItem::new(name, level, value).part(CheckPart::State.name())
}

fn commands(context: &Context<'_>, tag: &Tag) -> CheckItem {
    match read_commands(context.disk, context.layout, tag) {
        Ok(commands) => check("commands", Level::Ok, format!("{} of {tag}", commands.len())),
        Err(error) => check("commands", Level::Fail, error.to_string()),
    }
}

/// A torn tail is what a crash leaves; the next start cuts it.
fn torn(context: &Context<'_>, job: &CheckJob, tag: &Tag) -> CheckItem {
    let (layout, series) = (context.layout, &job.trading.series);
    let files = [
        (layout.decisions(tag, series), DECISIONS_HEADER),
        (layout.trades(tag, series), TRADES_HEADER),
        (layout.timing(tag, series), TIMING_HEADER),
    ];
    let mut torn = Vec::new();
    for (path, header) in files {
        match ledger::inspect(context.disk, &path, header) {
            Ok(found) if found.is_torn() => torn.push(context.shown(&path)),
            Ok(_) => {}
            Err(error) => return check("torn-tail", Level::Fail, error.to_string()),
        }
    }
    if torn.is_empty() {
        return check("torn-tail", Level::Ok, "none");
    }
    let text = format!("{}: the next start of LIVE cuts and keeps it", torn.join(", "));
    check("torn-tail", Level::Warn, text)
}

fn no_origin(context: &Context<'_>, job: &CheckJob, tag: &Tag) -> CheckItem {
    let series = &job.trading.series;
    let files = Files::of(context.layout, tag, series);
    let extent = Extent::of(context.disk, &files).ok().flatten();
    // Of what cannot be read nobody can say that it has no row.
    let is_empty = extent.is_none_or(|extent| {
        matches!(RowFinder::new(context.disk, &files, series, extent), Ok(None))
    });
    if !is_empty {
        let missing = SessionError::NoOrigin(context.layout.origin(tag, series));
        return check("ledger", Level::Fail, missing.to_string());
    }
    let text = format!("tag {tag} does not have a decision of {series} yet");
    let next = format!("runner run jobs/live.toml -p tag={tag}");
    check("ledger", Level::Warn, text).next(next)
}

/// Folds the whole ledger through the engine, as every start of LIVE does, and writes nothing.
fn prove(
    context: &Context<'_>,
    job: &CheckJob,
    tag: &Tag,
    core: &Core,
    card: &StrategySettings,
) -> Result<String, SessionError> {
    let series = &job.trading.series;
    let place = context.place(tag, series);
    let card = (card.clone(), context.build);
    let (session, recovered) =
        Session::open(place, core.clone(), card, Belief::Nothing, context.started, true)?;
    let last = session.last().map_or("none".to_owned(), |last| last.to_string());
    let (rows, trades) = (recovered.rows, session.recorded_trades());
    Ok(format!("{rows} rows and {trades} trade rows proved, the last one is {last}"))
}

fn build(context: &Context<'_>, origin: &LedgerOrigin) -> CheckItem {
    let (ours, theirs) = (context.build, &origin.build);
    if ours == theirs {
        return check("build", Level::Ok, ours);
    }
    check("build", Level::Warn, format!("{theirs} began the ledger, this is {ours}"))
}
