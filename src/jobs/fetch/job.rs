//! The fetch job: asks the venue for page after page and makes each durable before it asks for the next. What an answer lacks is asked again.

use std::fmt::Write as _;

use super::plan::{FetchPlan, LackReason, Looks, PageBounds, SeenSlots};
use crate::{
    clock::SystemClock,
    domain::{
        bar::{ClosedBar, Shown},
        time::{SlotTs, Timeframe, UtcMs, Window},
    },
    engine::slot::first_at_or_after,
    exchange::{
        feed::{Feed as _, FeedError, Heard, Sleeper as _},
        remote::RemoteFeed,
        venue::{answer::FaultClass, registry::Venue},
    },
    exit::Exit,
    jobs::{
        context::{Context, Failure, Outcome},
        venue::{JobSleeper, access, remote_feed, venue_of},
    },
    manifest::{FetchJob, Time},
    store::{
        disk::RealDisk,
        raw::{PutReport, RawStore},
    },
};

/// A clock that differs less from the venue's, milliseconds, is as good as it.
const APART_MS: i64 = 2_000;
/// Answers of which the dates are believed against the clock of this machine.
const DATES: usize = 3;
/// Most questions for what a page lacks, each of which brought something.
const QUESTIONS_MAX: usize = 100;

pub fn run(context: &Context<'_>, job: &FetchJob) -> Result<Outcome, Failure> {
    let (series, table) = (&job.series, &job.fetch);
    let venue = venue_of(series.exchange())?;
    let waits = JobSleeper { clock: &SystemClock, stop: &context.stop };
    let access = access(context, table.base_url.as_ref(), &table.timeout, table.attempts);
    let mut feed = remote_feed(venue, series.symbol(), &access, &waits)?;
    let (from, to) = (table.from.get(), table.to.map(Time::get));
    let apart_ms = match to {
        Some(to) if to < waits.now() => 0,
        Some(_) | None => match apart_ms(&mut feed, (series.timeframe(), from), &waits) {
            Ok(apart_ms) => apart_ms,
            Err(_) if waits.stopped() => {
                return Ok(outcome(context, job, &FetchResult::default(), &FetchEnd::Stopped));
            }
            Err(error) => {
                return Ok(outcome(context, job, &FetchResult::default(), &refused(error)?));
            }
        },
    };
    let now = waits.now().plus_ms(apart_ms);
    let (wanted, forming) = wanted(series.timeframe(), from, to, now)?;
    let _lock = context.lock(&context.layout.raw_lock(series))?;
    let raw = RawStore::new(context.layout, context.disk, series);
    raw.prepare()?;
    let stored: Vec<SlotTs> = if table.force {
        Vec::new()
    } else {
        raw.load_window(wanted)?.iter().map(|bar| bar.ts).collect()
    };
    let spec = venue.spec();
    let bounds = PageBounds { page_bars: spec.page_bars, horizon_bars: spec.horizon_bars, forming };
    let plan = FetchPlan::new(wanted, &stored, bounds);
    let tally = FetchTally { already_there: stored.len(), ..FetchTally::default() };
    let (seen, bad) = (SeenSlots::default(), Vec::new());
    let mut filling = Filling { feed, raw, waits, apart_ms, tally, seen, bad };
    context.progress.begin(&format!("fetch {series}"), plan.pages().len() as u64);
    let ended = filling.fill(context, &plan);
    context.progress.end();
    let ended = ended?;
    let Filling { tally, seen, bad, .. } = filling;
    let is_nothing = !plan.is_empty() && tally.already_there + tally.read == 0;
    let found = FetchResult { tally, lacks: plan.lacks(tally.pages, &seen), bad, is_nothing };
    Ok(outcome(context, job, &found, &ended))
}

/// How far the venue's clock is ahead of ours, milliseconds; nothing where they agree, or where the venue does not say. Its answer to one
/// small question tells; where the clocks differ, several do.
fn apart_ms(
    feed: &mut RemoteFeed<'_>,
    (timeframe, from): (Timeframe, UtcMs),
    waits: &JobSleeper<'_, SystemClock>,
) -> Result<i64, FeedError> {
    let Some(first) = first_at_or_after(timeframe, from.get()) else { return Ok(0) };
    let Ok(page) = Window::new(first, first.next()) else { return Ok(0) };
    let mut apart_ms = 0;
    for _ in 0..DATES {
        feed.page(page, waits.now())?;
        let Some(Heard { at, .. }) = feed.heard(waits.steady()) else { return Ok(0) };
        apart_ms = at.get() - waits.now().get();
        if apart_ms.abs() < APART_MS {
            return Ok(0);
        }
    }
    let (seconds, side) = (apart_ms.abs() / 1000, if apart_ms > 0 { "behind" } else { "ahead of" });
    tracing::warn!("the clock of this machine is {seconds} s {side} the venue's, which counts");
    Ok(apart_ms)
}

/// The slots between `from` and `to`, both included, that are over at `now`, and the slot after them.
fn wanted(
    timeframe: Timeframe,
    from: UtcMs,
    to: Option<UtcMs>,
    now: UtcMs,
) -> Result<(Window, SlotTs), Failure> {
    let nothing = || {
        let to = to.unwrap_or(now);
        let message =
            format!("no bar of {timeframe} closes between {from} and {to} that is over at {now}");
        Failure::new(Exit::Nothing, message)
    };
    let over = timeframe.last_closed(now).ok_or_else(nothing)?;
    let last = timeframe.last_closed(to.unwrap_or(now)).ok_or_else(nothing)?.min(over);
    let first = first_at_or_after(timeframe, from.get()).ok_or_else(nothing)?;
    let window = Window::new(first, last).map_err(|_| nothing())?;
    Ok((window, over.next()))
}

struct Filling<'w, 'd> {
    feed: RemoteFeed<'w>,
    raw: RawStore<'d, RealDisk>,
    waits: JobSleeper<'w, SystemClock>,
    /// How far the venue's clock is ahead of ours, milliseconds.
    apart_ms: i64,
    tally: FetchTally,
    seen: SeenSlots,
    /// Rows that are not bars, as they are named.
    bad: Vec<String>,
}

impl Filling<'_, '_> {
    /// Page after page, each durable before the next one is asked for.
    fn fill(&mut self, context: &Context<'_>, plan: &FetchPlan) -> Result<FetchEnd, Failure> {
        for page in plan.pages() {
            if self.waits.stopped() {
                return Ok(FetchEnd::Stopped);
            }
            match self.whole(plan, *page)? {
                Ok(()) => {}
                Err(_) if self.waits.stopped() => return Ok(FetchEnd::Stopped),
                Err(error) => return refused(error),
            }
            self.tally.pages += 1;
            context.progress.advance(&page.first().close().to_string());
        }
        Ok(FetchEnd::Done)
    }

    /// One page, and what its answer lacks: an answer that ends early, or leaves out what is there, is no proof of holes. What came before
    /// a question failed is stored.
    fn whole(&mut self, plan: &FetchPlan, page: Window) -> Result<Result<(), FeedError>, Failure> {
        let (mut question, mut looks) = (page, Looks::default());
        for n in 0..QUESTIONS_MAX {
            let answer = match self.page(question) {
                Ok(answer) => answer,
                Err(error) => return Ok(Err(error)),
            };
            let bars = answer.bars.iter().map(|bar| bar.ts);
            let rows: Vec<SlotTs> =
                bars.chain(answer.bad.iter().filter_map(|row| row.ts)).collect();
            let ends = rows.iter().min().copied().zip(rows.iter().max().copied());
            let is_news = self.take(plan, (page, n > 0), answer)?;
            looks.answered(question, ends, is_news);
            let Some(rest) = plan.rest(page, &self.seen, &looks) else { break };
            question = rest;
        }
        Ok(Ok(()))
    }

    /// Stores what is new and wanted in an answer, which may be one to a question that was asked before; whether there was something.
    fn take(
        &mut self,
        plan: &FetchPlan,
        (page, is_again): (Window, bool),
        answer: Shown,
    ) -> Result<bool, Failure> {
        let mut closed = self.seen.closed(answer);
        closed.bars.retain(|bar| plan.wants(bar.ts()) && !self.seen.got.contains(&bar.ts()));
        let put = self.raw.put(&closed.bars, self.waits.now())?;
        self.seen.got.extend(closed.bars.iter().map(ClosedBar::ts));
        self.tally.count(closed.bars.len(), &put);
        let mut is_news = !closed.bars.is_empty();
        for row in closed.bad {
            // A row without a slot could be any of them.
            if row.ts.is_some_and(|ts| !plan.wants(ts) || self.seen.got.contains(&ts)) {
                continue;
            }
            if is_again && row.ts.is_none_or(|ts| self.seen.bad.contains(&ts)) {
                continue;
            }
            tracing::warn!("page from {}: {}", page.first(), row.why);
            is_news |= row.ts.is_some_and(|ts| self.seen.bad.insert(ts));
            self.bad.push(format!("page from {}: {}", page.first(), row.why));
        }
        Ok(is_news)
    }

    /// An answer. One with rows that are not bars is asked for once more before that is believed.
    fn page(&mut self, page: Window) -> Result<Shown, FeedError> {
        let now = self.waits.now().plus_ms(self.apart_ms);
        let answer = self.feed.page(page, now)?;
        if answer.bad.is_empty() {
            return Ok(answer);
        }
        self.feed.page(page, now)
    }
}

/// A question that is wrong is not a failure of the venue.
fn refused(error: FeedError) -> Result<FetchEnd, Failure> {
    match error.class {
        FaultClass::Config => Err(Failure::new(Exit::Manifest, error.to_string())),
        FaultClass::Refused
        | FaultClass::Transient
        | FaultClass::Throttled
        | FaultClass::Banned
        | FaultClass::Malformed => Ok(FetchEnd::Failed(error)),
    }
}

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
