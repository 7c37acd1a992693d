//! `runner history`: the runs, newest first, in columns under a header; what each was about, and what it said, is on the line below.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use serde_json::{Map, Value, json};

use super::{
    args::HistoryArgs,
    next::{ENDED_PAUSES_MAX, ended_pause_json},
    output::{plain, print, print_json, say},
    records::{Records, run_json},
    refuse::tell,
    table::table,
};
use crate::{
    clock::{Clock as _, SystemClock},
    domain::time::UtcMs,
    exit::Exit,
    jobs::{context::Failure, ledgers::JobSubject},
    manifest::{Kind, Span},
    report::figures::FIGURES,
    store::runs::{FigureOrder, Pause, PauseEnd, RunFilter, RunRecord, RunState},
};

/// Columns of a page.
const WIDTH: usize = 100;

/// Times before this, given as a number, are no milliseconds since 1970: somebody forgot the unit.
const PLAUSIBLE_MS: i64 = 100_000_000_000;

/// Lists the runs.
pub fn history(root: &Path, args: &HistoryArgs, json: bool) -> Exit {
    let (runs, pauses) = match select(root, args) {
        Ok(found) => found,
        Err(failure) => return tell(&failure, json),
    };
    let exit = if runs.is_empty() { Exit::Nothing } else { Exit::Ok };
    if json {
        let runs: Vec<Value> = runs.iter().map(ListedRun::json).collect();
        let pauses: Vec<Value> = pauses.iter().map(ended_json).collect();
        print_json(&json!({ "schema": "mjolnir.history/1", "runs": runs, "pauses": pauses }));
        return exit;
    }
    if runs.is_empty() {
        say("no run that is recorded here matches");
    } else {
        print(&listed(&runs, args.sort.as_deref()));
    }
    print(&pauses.iter().map(ended_line).collect::<String>());
    exit
}

/// A pause of a job that is over.
type EndedPause = (String, Pause, PauseEnd);

fn ended_json((job, pause, end): &EndedPause) -> Value {
    let mut fields = Map::from_iter([("job".to_owned(), json!(job))]);
    fields.extend(ended_pause_json(pause, end));
    Value::Object(fields)
}

fn ended_line((job, pause, end): &EndedPause) -> String {
    let said = |who: &str, why: &str| {
        let colon = if why.is_empty() { "" } else { ": " };
        format!("by {}{colon}{}", plain(who), plain(why))
    };
    let began = said(&pause.who, &pause.reason);
    let ended = match &end.who {
        Some(who) => format!("resumed {}", said(who, &end.reason)),
        None => "it was over by itself".to_owned(),
    };
    format!("{job} was paused {} to {} {began}; {ended}\n", pause.since, end.at)
}

/// A run, with what it was about and the figures it found out.
struct ListedRun {
    run: RunRecord,
    about: JobSubject,
    figures: BTreeMap<String, f64>,
}

impl ListedRun {
    fn json(&self) -> Value {
        let mut document = run_json(&self.run);
        document["tag"] = json!(self.about.tag);
        document["market"] = json!(self.about.market);
        document["figures"] = json!(self.figures);
        document
    }
}

/// The runs, and, where a job is named, its newest pauses that are over.
fn select(root: &Path, args: &HistoryArgs) -> Result<(Vec<ListedRun>, Vec<EndedPause>), Failure> {
    let usage = |message: String| Failure::new(Exit::Usage, message);
    let state = args.state.as_deref().map(str::parse::<RunState>).transpose();
    let state = state.map_err(|error| usage(format!("--state: {error}")))?;
    let kind = args.kind.as_deref().map(kind).transpose().map_err(usage)?;
    let since = args.since.as_deref().map(since).transpose().map_err(usage)?;
    let records = Records::open(root)?;
    let figure = args.sort.as_deref().map(figure).transpose().map_err(usage)?;
    let figure = figure.map(|name| FigureOrder { name, is_rising: args.reverse });
    let limit = Some(args.last);
    let filter = RunFilter { kind, state, since, figure, limit, ..RunFilter::default() };
    let Some(job) = &args.job else {
        return Ok((about(&records, records.list(&filter)?)?, Vec::new()));
    };
    let runs = records.of_job(job, &filter)?;
    let mut pauses = Vec::new();
    for name in records.names_of(job) {
        let ended = records.store.ended_pauses(&name, ENDED_PAUSES_MAX)?;
        pauses.extend(ended.into_iter().map(|(pause, end)| (name.clone(), pause, end)));
    }
    let any = RunFilter { limit: Some(1), ..RunFilter::default() };
    if !runs.is_empty() || !pauses.is_empty() || !records.of_job(job, &any)?.is_empty() {
        return Ok((about(&records, runs)?, pauses));
    }
    let message = format!("no run of a job `{job}` is recorded: `runner list` lists the jobs");
    Err(Failure::new(Exit::Nothing, message))
}

fn figure(text: &str) -> Result<String, String> {
    if FIGURES.iter().any(|figure| figure.key == text) {
        return Ok(text.to_owned());
    }
    let known: Vec<&str> = FIGURES.iter().map(|figure| figure.key).collect();
    Err(format!("--sort: `{}` is not a figure; the figures are {}", plain(text), known.join(", ")))
}

fn kind(text: &str) -> Result<String, String> {
    if Kind::ALL.iter().any(|kind| kind.name() == text) {
        return Ok(text.to_owned());
    }
    let known: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    Err(format!("--kind: `{}` is not a kind; the kinds are {}", plain(text), known.join(", ")))
}

fn since(text: &str) -> Result<UtcMs, String> {
    if let Ok(span) = text.parse::<Span>() {
        let ms = i64::try_from(span.duration().as_millis()).unwrap_or(i64::MAX);
        return Ok(SystemClock.now().plus_ms(-ms));
    }
    let wanted = "write a time such as 2026-03-01T00:00:00Z, or how long ago such as 24h";
    match text.parse::<UtcMs>() {
        Ok(at) if at.get() < PLAUSIBLE_MS && !text.contains('T') => {
            Err(format!("--since: `{}` has no unit: {wanted}", plain(text)))
        }
        Ok(at) => Ok(at),
        Err(_) => Err(format!("--since: `{}` is not a time: {wanted}", plain(text))),
    }
}

/// Each run with what it was about and found out.
fn about(records: &Records, runs: Vec<RunRecord>) -> Result<Vec<ListedRun>, Failure> {
    let about = |run: RunRecord| {
        let about = JobSubject::of_run(&records.disk, &records.layout, &run.run_id);
        let figures = records.store.figures(&run.run_id)?;
        Ok(ListedRun { run, about, figures })
    };
    runs.into_iter().map(about).collect()
}

/// A line in columns for each run, and a line below it of what it was about and what it said, no wider than a page.
fn listed(runs: &[ListedRun], sort: Option<&str>) -> String {
    let mut head = ["START", "STATE", "EXIT", "TOOK", "RUN"].map(str::to_owned).to_vec();
    head.extend(sort.map(str::to_uppercase));
    let rows: Vec<Vec<String>> =
        std::iter::once(head).chain(runs.iter().map(|one| cells(one, sort))).collect();
    let columns = table("", &rows);
    let mut lines = columns.lines();
    let mut text = lines.next().map_or(String::new(), |head| format!("{head}\n"));
    for (line, ListedRun { run, about, .. }) in lines.zip(runs) {
        let _ = writeln!(text, "{line}");
        let about = about.words();
        let about = if about.is_empty() { String::new() } else { format!(" ({about})") };
        let said = plain(&run.summary);
        let colon = if said.is_empty() { "" } else { ": " };
        let _ = writeln!(text, "  {}", cut(&format!("{}{about}{colon}{said}", run.job)));
    }
    text
}

/// The beginning of a text that fits behind two blanks.
fn cut(text: &str) -> String {
    let most = WIDTH - 2;
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most - 3).collect();
    format!("{}...", kept.trim_end())
}

/// Start, state, exit code, duration, run id, and the figure that is sorted by.
fn cells(ListedRun { run, figures, .. }: &ListedRun, sort: Option<&str>) -> Vec<String> {
    let took = run.ended.map_or("-".to_owned(), |ended| {
        format!("{:.1}s", (ended.get() - run.started.get()) as f64 / 1000.0)
    });
    let code = run.exit_code.map_or("-".to_owned(), |code| code.to_string());
    let start = run.started.format("%Y-%m-%dT%H:%M:%SZ");
    let mut cells = vec![start, run.state.name().to_owned(), code, took, run.run_id.to_string()];
    let figure =
        |name: &str| figures.get(name).map_or("-".to_owned(), |value| format!("{value:.4}"));
    cells.extend(sort.map(figure));
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_time_or_an_age_with_a_unit() {
        assert_eq!(since("2026-03-01T00:00:00Z").unwrap().get(), 1_772_323_200_000);
        assert_eq!(since("1772323200000").unwrap().get(), 1_772_323_200_000);
        assert!(since("24h").unwrap() < SystemClock.now().plus_ms(-86_000_000));
        assert!(since("24").unwrap_err().contains("`24` has no unit"));
        for wrong in ["yesterday", "", "-1h", "2026-03-01"] {
            assert!(since(wrong).is_err(), "{wrong}");
        }
    }
}
