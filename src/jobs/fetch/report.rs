//! What a fetch did, counted, and how it is told.

use std::fmt::Write as _;

use super::plan::LackReason;
use crate::{
    domain::time::Window,
    exchange::{feed::FeedError, venue::registry::Venue},
    exit::Exit,
    jobs::context::{Context, Outcome},
    manifest::FetchJob,
    store::raw::PutReport,
};

/// Runs of missing slots shown one by one; the rest is counted, and all of them are in the log.
const SHOWN_MAX: usize = 20;

/// How asking ended.
#[derive(Debug)]
pub enum FetchEnd {
    /// Every page was answered.
    Done,
    /// The job was asked to stop.
    Stopped,
    /// The venue failed.
    Failed(FeedError),
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FetchTally {
    /// Pages that were answered and stored.
    pub pages: usize,
    /// Closed bars that came and were wanted.
    pub read: usize,
    /// Of these, bars that were not there before.
    pub written: usize,
    /// Of these, bars inside what was stored.
    pub filled: usize,
    /// Bars whose value changed.
    pub replaced: usize,
    /// Bars of the window that were there, value for value or not asked for.
    pub already_there: usize,
}

impl FetchTally {
    /// Counts an answer with `read` bars that were stored.
    pub fn count(&mut self, read: usize, put: &PutReport) {
        self.read += read;
        self.written += put.written;
        self.filled += put.filled;
        self.replaced += put.replaced;
        self.already_there += put.unchanged;
    }
}

/// What came of the pages that were asked.
#[derive(Debug, Default)]
pub struct FetchResult {
    pub tally: FetchTally,
    /// What could not be got, and why.
    pub lacks: Vec<(LackReason, Window)>,
    /// Rows that are not bars, as they are named.
    pub bad: Vec<String>,
    /// Whether of the whole window not one bar is there.
    pub is_nothing: bool,
}

impl LackReason {
    fn words(self) -> &'static str {
        match self {
            Self::BeyondHorizon => "too old for the venue",
            Self::NotAnswered => "not answered",
            Self::BadRow => "the venue's row is not a bar",
            Self::NoBar => "the venue has no bar",
            Self::Unproven => "the newest bar of the venue, perhaps still forming",
        }
    }
}

/// The result of the job. Missing is what could not be got, and why.
pub fn outcome(
    context: &Context<'_>,
    job: &FetchJob,
    found: &FetchResult,
    ended: &FetchEnd,
) -> Outcome {
    let FetchResult { tally, lacks, bad, is_nothing } = found;
    let slots = |kind: LackReason| -> i64 {
        lacks.iter().filter(|(why, _)| *why == kind).map(|(_, run)| run.slots()).sum()
    };
    let beyond = slots(LackReason::BeyondHorizon);
    let omits_empty = Venue::of(job.series.exchange()).is_some_and(|v| v.spec().omits_empty);
    let is_whole = bad.is_empty()
        && beyond == 0
        && (job.fetch.accept_holes
            || ((omits_empty || slots(LackReason::NoBar) == 0)
                // The newest bar of all comes with the next fetch.
                && (job.fetch.to.is_none() || slots(LackReason::Unproven) == 0)));
    let exit = match (ended, context.stop.signal()) {
        (FetchEnd::Failed(_), _) => Exit::Unavailable,
        (FetchEnd::Stopped, Some(signal)) => Exit::Signal(signal),
        (FetchEnd::Stopped, None) => Exit::Timeout,
        (FetchEnd::Done, _) if *is_nothing => Exit::Nothing,
        (FetchEnd::Done, _) if !is_whole => Exit::Inconclusive,
        (FetchEnd::Done, _) => Exit::Ok,
    };
    let counts = [
        ("read", tally.read as i64),
        ("written", tally.written as i64),
        ("filled", tally.filled as i64),
        ("replaced", tally.replaced as i64),
        ("already_there", tally.already_there as i64),
        ("rows_left_out", bad.len() as i64),
        ("missing_bad_row", slots(LackReason::BadRow)),
        ("missing_no_bar", slots(LackReason::NoBar)),
        ("missing_unproven", slots(LackReason::Unproven)),
        ("missing_beyond_horizon", beyond),
        ("missing_not_answered", slots(LackReason::NotAnswered)),
        ("pages", tally.pages as i64),
    ];
    let missing: i64 = lacks.iter().map(|(_, run)| run.slots()).sum();
    let ending = match ended {
        FetchEnd::Done => String::new(),
        FetchEnd::Stopped => ": asked to stop".to_owned(),
        FetchEnd::Failed(error) => match error.pause_ms {
            Some(ms) => format!(": {error}; it wants to be left alone for another {} s", ms / 1000),
            None => format!(": {error}"),
        },
    };
    let left_out = match bad.len() {
        0 => String::new(),
        1 => ", 1 row left out that is not a bar".to_owned(),
        more => format!(", {more} rows left out that are not bars"),
    };
    let summary = format!(
        "{} bars read, {} written, {} filled, {} replaced, {} already there, {missing} missing{left_out}{ending}",
        tally.read, tally.written, tally.filled, tally.replaced, tally.already_there
    );
    if exit == Exit::Unavailable {
        tracing::error!("{summary}");
    }
    let mut text = String::new();
    for (name, count) in counts {
        let _ = writeln!(text, "{:<24}{count:>9}", name.replace('_', " "));
    }
    text.push_str(&left_out_lines(bad));
    text.push_str(&missing_lines(lacks));
    if beyond > 0 {
        text.push_str(&horizon_line(job));
    }
    let _ = writeln!(text, "{}", context.shown(&context.layout.raw_dir(&job.series)));
    if let Some(ending) = ending.strip_prefix(": ") {
        let _ = writeln!(text, "{ending}");
    }
    let out = counts.into_iter().map(|(key, count)| (key.to_owned(), count.to_string())).collect();
    Outcome { exit, summary, text, out }
}

fn left_out_lines(bad: &[String]) -> String {
    let shown = bad.iter().take(SHOWN_MAX).map(|row| format!("left out: {row}\n"));
    let mut text: String = shown.collect();
    if bad.len() > SHOWN_MAX {
        let _ = writeln!(
            text,
            "... and {} more rows left out, all of them in the log",
            bad.len() - SHOWN_MAX
        );
    }
    text
}

fn missing_lines(lacks: &[(LackReason, Window)]) -> String {
    let mut text = String::new();
    for (number, (why, run)) in lacks.iter().enumerate() {
        let line =
            format!("missing: {} slots from {} on: {}", run.slots(), run.first(), why.words());
        tracing::info!("{line}");
        if number < SHOWN_MAX {
            let _ = writeln!(text, "{line}");
        }
    }
    if lacks.len() > SHOWN_MAX {
        let more = lacks.len() - SHOWN_MAX;
        let _ = writeln!(text, "... and {more} more runs of missing slots, all of them in the log");
    }
    text
}

/// What to do about bars that the venue keeps no more.
fn horizon_line(job: &FetchJob) -> String {
    let exchange = job.series.exchange();
    let bars = Venue::of(exchange).and_then(|venue| venue.spec().horizon_bars).unwrap_or_default();
    format!(
        "{exchange} serves bars {bars} back and no further; bars are not built from its trades: import an archive instead, \
         with `runner run import -p path=FILE`\n"
    )
}
