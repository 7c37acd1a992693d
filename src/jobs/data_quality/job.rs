//! The shell: reads the rows, makes the checks, writes the report.

use polars::prelude::DataFrame;

use super::{
    against::{SeriesComparison, resample},
    bar_checks::{self, GapRules, SpikeRule},
    report::{self, Example, QualityFinding, QualityReport},
    rows::{Evidence, LoadScope, RowChecks, StoredRows, bars_of, load},
};
use crate::{
    domain::{
        bar::TimedBar,
        series::Series,
        time::{SlotTs, TimeError, Window},
    },
    exchange::venue::registry::Venue,
    exit::Exit,
    jobs::context::{Context, Failure, Outcome},
    manifest::{DataQuality, DataQualityJob, QualityCheck, QualityLevel},
    store::{
        disk::{Disk as _, parent},
        document::document,
        raw::{RawStore, Revision},
    },
};

pub fn run(context: &Context<'_>, job: &DataQualityJob) -> Result<Outcome, Failure> {
    let (series, table) = (&job.series, &job.quality);
    let scope = scope(context, job)?;
    let stored = load(context, series, scope)?;
    let rows = stored.frame.height();
    if rows == 0 && stored.unreadable.is_empty() {
        return Err(nothing(context, series));
    }
    let files = stored.files;
    let mut look = Checks { context, series, table, most: table.examples as usize, notes: vec![] };
    let (window, mut findings) = look.at(scope, stored)?;
    for finding in &mut findings {
        finding.level = table.severity.of(finding.check);
        if finding.count > 0 {
            let tag = table.tag.as_ref().map(crate::manifest::Parsed::get);
            finding.next = report::next(finding, series, tag);
        }
    }
    findings.retain(|finding| finding.level != QualityLevel::Off);
    let report =
        QualityReport::new(series.to_string(), window, (files, rows), look.notes, findings);
    let path = context.layout.quality_report(series);
    context.disk.create_dir_all(parent(&path))?;
    context.disk.replace(&path, document(&report).as_bytes())?;
    let exit = if report.passed { Exit::Ok } else { Exit::Negative };
    let shown = context.shown(&path);
    let text = format!("{}\nreport: {shown}\n", report.text());
    let counts = report.findings.iter().map(|f| (f.check.name().to_owned(), f.count.to_string()));
    let named = [("report".to_owned(), shown), ("rows".to_owned(), rows.to_string())];
    Ok(Outcome {
        exit,
        summary: report.summary(),
        text,
        out: named.into_iter().chain(counts).collect(),
    })
}

/// What the manifest asks for. Slots that are still to come are not looked at.
fn scope(context: &Context<'_>, job: &DataQualityJob) -> Result<LoadScope, Failure> {
    let timeframe = job.series.timeframe();
    let slot = |ts_ms: Option<i64>| -> Result<Option<SlotTs>, Failure> {
        let refused = |error: TimeError| Failure::new(Exit::Manifest, error.to_string());
        ts_ms.map(|ts_ms| timeframe.slot(ts_ms).map_err(refused)).transpose()
    };
    let (first, last) = (slot(job.quality.start_ts_ms)?, slot(job.quality.end_ts_ms)?);
    let last =
        last.map(|last| timeframe.last_closed(context.started).map_or(last, |now| last.min(now)));
    Ok(LoadScope { first, last })
}

fn nothing(context: &Context<'_>, series: &Series) -> Failure {
    let dir = context.shown(&context.layout.raw_dir(series));
    let message =
        format!("{dir} does not have a row of {series} to look at: import or fetch bars first");
    Failure::new(Exit::Nothing, message)
}

/// One look at one series.
struct Checks<'a, 'c> {
    context: &'a Context<'c>,
    series: &'a Series,
    table: &'a DataQuality,
    most: usize,
    notes: Vec<String>,
}

impl Checks<'_, '_> {
    /// Every check, and the window that those about slots were made in.
    fn at(
        &mut self,
        scope: LoadScope,
        stored: StoredRows,
    ) -> Result<(Option<Window>, Vec<QualityFinding>), Failure> {
        let StoredRows { frame, mut unreadable, .. } = stored;
        let revisions = self.revisions(&mut unreadable);
        let mut findings = vec![self.unreadable(unreadable)];
        findings.extend(self.row_checks(&frame).findings()?);
        let entries = self.row_checks(&frame).in_order()?;
        drop(frame);
        let timeframe = self.series.timeframe();
        let present: Vec<SlotTs> =
            entries.iter().filter_map(|entry| timeframe.slot(entry.ts_ms).ok()).collect();
        let bars = bars_of(&entries, timeframe);
        drop(entries);
        let Some(window) = window(scope, &present) else {
            self.notes.push("no row is in its place, so nothing can be said about slots".into());
            return Ok((None, findings));
        };
        findings.push(self.gaps(&present, &bars, window, &revisions));
        findings.push(bar_checks::zero_volume(&bars, self.table.zero_volume_bars, self.most));
        let rule = SpikeRule { sigmas: self.table.spike_sigmas, pct: self.table.spike_pct };
        findings.push(bar_checks::spikes(&bars, rule, self.most));
        let rate_max = self.table.revision_rate_max;
        findings.push(bar_checks::revisions(&present, &revisions, rate_max, self.most));
        findings.push(bar_checks::coverage(&present, window, self.table.coverage_min, self.most));
        findings.extend(self.against(&bars, window)?);
        Ok((Some(window), findings))
    }

    fn row_checks<'f>(&'f self, frame: &'f DataFrame) -> RowChecks<'f> {
        let (timeframe, most) = (self.series.timeframe(), self.most);
        let file = |day| self.context.shown(&self.context.layout.partition(self.series, day));
        RowChecks { frame, timeframe, most, file: Box::new(file) }
    }

    fn revisions(&self, unreadable: &mut Vec<Example>) -> Vec<Revision> {
        let raw = RawStore::new(self.context.layout, self.context.disk, self.series);
        raw.revisions().unwrap_or_else(|error| {
            let file = self.context.shown(&self.context.layout.revisions(self.series));
            unreadable.push(Example::in_file(file, error.to_string()));
            Vec::new()
        })
    }

    fn unreadable(&self, places: Vec<Example>) -> QualityFinding {
        let count = places.len() as u64;
        let examples = places.into_iter().take(self.most);
        QualityFinding::new(QualityCheck::Unreadable, "places", count, examples)
    }

    fn gaps(
        &mut self,
        present: &[SlotTs],
        bars: &[TimedBar],
        window: Window,
        revisions: &[Revision],
    ) -> QualityFinding {
        let mut evidence = Evidence::of(revisions);
        if let Some(tag) = self.table.tag.as_ref().map(crate::manifest::Parsed::get) {
            match evidence.learn(self.context, tag, self.series) {
                Ok(true) => {}
                Ok(false) => self.notes.push(format!("tag {tag} has no ledger of {}", self.series)),
                Err(error) => self.notes.push(format!("the ledger of tag {tag}: {error}")),
            }
        }
        let rules = GapRules {
            window,
            bars,
            evidence: &evidence,
            omits_empty: Venue::of(self.series.exchange())
                .is_some_and(|venue| venue.spec().omits_empty),
            outage_bars: self.table.outage_bars.into(),
        };
        rules.finding(present, self.most)
    }

    /// The comparison with another series, where one is named.
    fn against(
        &mut self,
        bars: &[TimedBar],
        window: Window,
    ) -> Result<Option<QualityFinding>, Failure> {
        let table = &self.table.against;
        if table.exchange.is_none() && table.symbol.is_none() && table.timeframe.is_none() {
            return Ok(None);
        }
        let ours = self.series;
        let timeframe = table.timeframe.as_ref().map_or(ours.timeframe(), |tf| *tf.get());
        let other = Series::new(
            table.exchange.as_ref().map_or(ours.exchange(), |name| name.get()).clone(),
            table.symbol.as_ref().map_or(ours.symbol(), |name| name.get()).clone(),
            timeframe,
        );
        let scope = LoadScope {
            first: timeframe.slot_of_open(window.first().open_ms()).ok(),
            last: timeframe.slot(window.last().ts_ms()).ok(),
        };
        let stored = load(self.context, &other, scope)?;
        if stored.frame.height() == 0 {
            self.notes.push(format!("the store does not have a row of {other} to compare with"));
        }
        if !stored.unreadable.is_empty() {
            let many = stored.unreadable.len();
            self.notes.push(format!("{many} places of {other} cannot be read: look at it first"));
        }
        let look = Checks { series: &other, notes: Vec::new(), ..*self };
        let mut others = bars_of(&look.row_checks(&stored.frame).in_order()?, timeframe);
        if timeframe != ours.timeframe() {
            others = resample(&others, ours.timeframe());
        }
        let comparison = SeriesComparison {
            tolerance_pct: table.tolerance_pct,
            with_volume: other.exchange() == ours.exchange(),
            most: self.most,
        };
        Ok(Some(comparison.finding(bars, &others)))
    }
}

/// The slots looked at: those asked for; where nothing is asked for, from the first row to the last.
fn window(scope: LoadScope, present: &[SlotTs]) -> Option<Window> {
    let first = scope.first.or(present.first().copied())?;
    let last = scope.last.or(present.last().copied())?;
    Window::new(first, last).ok()
}
