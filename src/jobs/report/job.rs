//! The shell: finds the ledger, reads it, writes the page and its numbers.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    proved::proof,
    read::{Read, read},
    which::{ReportLedger, which},
};
use crate::{
    clock::Deadline,
    domain::{
        ids::{RunId, Tag},
        series::Series,
    },
    exit::Exit,
    jobs::{
        context::{Context, Failure, Outcome},
        ledgers::manifest_of,
    },
    manifest::{Kind, ReportJob},
    report::{
        figures::{CLOSED_TRADES, FIGURES},
        gather::Report,
        header::{Header, ProofState},
        page::page,
    },
    session::{origin::LedgerOrigin, record::read_origin},
    store::disk::Disk as _,
};

/// Runs the job.
pub fn run(context: &Context<'_>, job: &ReportJob) -> Result<Outcome, Failure> {
    if let Some(of) = &job.report.of
        && let Some(outcome) = of_search(context, of.get())?
    {
        return Ok(outcome);
    }
    let ledger = which(context, &job.report)?;
    let report = made(context, &ledger)?;
    let dir = context.layout.ledger_report_dir(ledger.kind(), &ledger.id);
    context.disk.create_dir_all(&dir)?;
    let (html, json) = (dir.join("report.html"), dir.join("report.json"));
    // On one line: a document on many lines has one for each number of its pictures.
    let mut document = serde_json::to_string(&report).expect("plain values serialise");
    document.push('\n');
    context.disk.replace(&json, context.mask.apply(&document).as_bytes())?;
    context.disk.replace(&html, context.mask.apply(&page(&report)).as_bytes())?;
    Ok(outcome(&report, &context.shown(&html), &context.shown(&json)))
}

/// The page of a sweep by its id, and of a run that made a sweep or trained a model; none of what is neither.
fn of_search(context: &Context<'_>, of: &RunId) -> Result<Option<Outcome>, Failure> {
    let bytes = context.disk.read(&context.layout.run_dir(of).join("result.json"))?;
    let result: Option<serde_json::Value> =
        bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let put_out = |key: &str| Some(result.as_ref()?["out"][key].as_str()?.to_owned());
    let kind = manifest_of(context.disk, context.layout, of);
    let kind = kind.as_ref().and_then(|manifest| manifest.get("kind")?.as_str());
    if kind == Some(Kind::Train.name()) {
        let message = format!("run {of} trained a model, but did not leave a page: run it again");
        let page = put_out("page").ok_or_else(|| Failure::new(Exit::Nothing, message))?;
        let json = put_out("report").unwrap_or_default();
        return Ok(Some(left(page, json)));
    }
    let id = put_out("sweep").unwrap_or_else(|| of.to_string());
    if context.disk.len(&context.layout.sweep_plan(&id))?.is_none() {
        return Ok(None);
    }
    let dir = context.layout.ledger_report_dir("sweep", &id);
    context.disk.create_dir_all(&dir)?;
    let (html, json) = (dir.join("report.html"), dir.join("report.json"));
    for (from, to) in
        [(context.layout.sweep_page(&id), &html), (context.layout.sweep_report(&id), &json)]
    {
        let message = format!("sweep {id} is not over: run its job again to go on");
        let bytes = context.disk.read(&from)?;
        let bytes = bytes.ok_or_else(|| Failure::new(Exit::Nothing, message))?;
        context.disk.replace(to, &bytes)?;
    }
    Ok(Some(left(context.shown(&html), context.shown(&json))))
}

/// A page that was made before.
fn left(html: String, json: String) -> Outcome {
    let text = format!("report: {html}\nnumbers: {json}\n");
    let summary = format!("the page is {html}");
    let out = BTreeMap::from([("report".to_owned(), html), ("json".to_owned(), json)]);
    Outcome { exit: Exit::Ok, summary, text, out }
}

/// The report about a ledger; nothing is written.
pub fn made(context: &Context<'_>, ledger: &ReportLedger) -> Result<Report, Failure> {
    let (tag, series) = (&ledger.tag, &ledger.series);
    let origin = read_origin(context.disk, context.layout, tag, series)?;
    let Read { gather, last, data_sha256, is_torn } =
        read(context, ledger, origin.as_ref(), Deadline::after(None))?;
    let proof = proof(context, ledger, last)?;
    let header = Header { data_sha256, is_torn, ..header(context, ledger, origin) };
    Ok(gather.finish(header, proof))
}

/// The key figures of a ledger of LIVE, as values that its loop puts out, where `trades` is the name of a file; nothing is written. A
/// failure of [`Exit::Timeout`] where the ledger is too long for the time.
pub fn key_figures(
    context: &Context<'_>,
    (tag, series): (&Tag, &Series),
    until: Deadline,
) -> Result<BTreeMap<String, String>, Failure> {
    let (tag, series, id) = (tag.clone(), series.clone(), tag.to_string());
    let ledger = ReportLedger { tag, series, id, backtest: None };
    let (tag, series) = (&ledger.tag, &ledger.series);
    let origin = read_origin(context.disk, context.layout, tag, series)?;
    let Read { gather, last, data_sha256, is_torn } =
        read(context, &ledger, origin.as_ref(), until)?;
    if last.is_none() {
        return Ok(BTreeMap::new());
    }
    let header = Header { data_sha256, is_torn, ..header(context, &ledger, origin) };
    let unproved = ProofState::None { why: String::new(), command: String::new() };
    let mut out = figures_out(&gather.finish(header, unproved));
    if let Some(trades) = out.remove("trades") {
        out.insert(CLOSED_TRADES.to_owned(), trades);
    }
    Ok(out)
}

/// The figures that have a value.
fn figures_out(report: &Report) -> BTreeMap<String, String> {
    let value = |key: &str| Some((key.to_owned(), report.figures.get(key)?.as_ref()?.to_string()));
    FIGURES.iter().filter_map(|figure| value(figure.key)).collect()
}

fn header(context: &Context<'_>, ledger: &ReportLedger, origin: Option<LedgerOrigin>) -> Header {
    let (tag, series) = (&ledger.tag, &ledger.series);
    let (card, ledger_build) = origin.map(|origin| (origin.card, origin.build)).unzip();
    let strategy_hash = card.as_ref().map(crate::session::origin::StrategySettings::strategy_hash);
    let (settings, stop_fill) = card.map(|card| (card.settings, card.stop_fill)).unzip();
    Header {
        kind: ledger.kind(),
        tag: tag.to_string(),
        runid: ledger.backtest.as_ref().map(|(_, run)| run.to_string()),
        exchange: series.exchange().to_string(),
        symbol: series.symbol().to_string(),
        quote: series.symbol().quote().to_owned(),
        timeframe: series.timeframe().to_string(),
        made_at_ms: context.started.get(),
        build: context.build.to_owned(),
        ledger_build,
        decisions: context.shown(&context.layout.decisions(tag, series)),
        trades: context.shown(&context.layout.trades(tag, series)),
        data_sha256: String::new(),
        settings: settings.unwrap_or_default(),
        stop_fill,
        strategy_hash,
        is_torn: false,
    }
}

fn outcome(report: &Report, html: &str, json: &str) -> Outcome {
    let mut text = String::new();
    let proved = match &report.proof {
        ProofState::None { command, .. } => format!("not proved: {command}"),
        ProofState::Found(found) => format!("{}, {} rows compared", found.verdict, found.rows),
    };
    let _ = writeln!(text, "{proved}");
    for finding in &report.findings {
        let _ = writeln!(text, "- {}", finding.text);
    }
    let _ = writeln!(text, "report: {html}\nnumbers: {json}");
    let slots = report.period.slots;
    let summary = format!("{slots} slots, {} findings: {html}", report.findings.len());
    let mut out = figures_out(report);
    out.insert("report".to_owned(), html.to_owned());
    out.insert("json".to_owned(), json.to_owned());
    Outcome { exit: Exit::Ok, summary, text, out }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        checklist::Drawing,
        domain::time::{Timeframe, UtcMs},
        jobs::context::{NoProgress, Resume},
        os::{mask::Mask, process::ChildResults, signals::Stop},
        session::reader::Files,
        store::{
            disk::{RealDisk, parent},
            layout::Layout,
            rows::{decisions::DECISIONS_HEADER, trades::TRADES_HEADER},
        },
    };

    #[test]
    fn figures_for_which_there_is_no_time_are_left_out() {
        let temp = tempfile::tempdir().unwrap();
        let layout = Layout::new(temp.path());
        let disk = RealDisk::new(layout.data());
        let (tag, symbol): (Tag, _) = ("paper".parse().unwrap(), "BTC/USD".parse().unwrap());
        let series = Series::new("demo".parse().unwrap(), symbol, Timeframe::H1);
        let files = Files::of(&layout, &tag, &series);
        for (path, header) in [(files.decisions, DECISIONS_HEADER), (files.trades, TRADES_HEADER)] {
            disk.create_dir_all(parent(&path)).unwrap();
            disk.replace(&path, format!("{header}\n").as_bytes()).unwrap();
        }
        let context = Context {
            root: temp.path(),
            disk: &disk,
            layout: &layout,
            run_id: "r".parse().unwrap(),
            job: "j".to_owned(),
            call: "j".to_owned(),
            mask: &Mask::new([]),
            build: "b",
            started: UtcMs::EPOCH,
            stop: Stop::default(),
            grace: Duration::ZERO,
            child_results: ChildResults::Kept,
            drawing: Drawing { colour: false, broken: false },
            progress: &NoProgress,
            resume: Resume::default(),
        };
        let within = |time| {
            key_figures(&context, (&tag, &series), Deadline::after(time)).map_err(|f| f.exit)
        };
        assert_eq!(within(None), Ok(BTreeMap::new()), "it has no rows");
        assert_eq!(within(Some(Duration::ZERO)), Err(Exit::Timeout));
    }
}
