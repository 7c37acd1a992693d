//! Looks through what was appended to a ledger since the last look, and finds what people are told of. Where it got to is a place that the
//! caller keeps; a file in the place of the one that was read is read from its beginning, and what is older than the place left out.

use std::path::Path;

use super::ledger_event::{LedgerChange, LedgerEvent, TradeFacts};
use crate::{
    domain::{
        command::in_force,
        decision::{CloseReason, RiskState},
        ids::Tag,
        series::Series,
        time::UtcMs,
    },
    jobs::equivalence::proofs::{Mismatch, newest_proof},
    manifest::Job,
    session::record::read_commands,
    store::{
        disk::Disk,
        error::StoreError,
        layout::Layout,
        ledger::last_row,
        rows::{decisions::Column, trades::TRADES_HEADER},
        runs::NoticePlace,
    },
};

/// Most bytes of a ledger that are looked through at once.
const PIECE: usize = 1 << 20;

/// A ledger that somebody is told of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NoticeLedger {
    pub tag: Tag,
    pub series: Series,
}

/// An event and the name of it, which is the same whenever and by whom it is found.
pub type NamedEvent = (String, LedgerEvent);

impl NoticeLedger {
    /// The one that a job is about.
    pub fn of_job(job: &Job) -> Option<Self> {
        let (tag, series) = match job {
            Job::Live(job) => (job.live.tag.get(), &job.trading.series),
            Job::Eqflat(job) => (&job.tag, &job.trading.series),
            Job::Healthcheck(job) | Job::Heartbeat(job) => (job.health.tag.get(), &job.series),
            Job::Backtest(_)
            | Job::Equivalence(_)
            | Job::Report(_)
            | Job::Check(_)
            | Job::Sweep(_)
            | Job::Train(_)
            | Job::Fetch(_)
            | Job::Import(_)
            | Job::DataQuality(_)
            | Job::ExchangeSim(_)
            | Job::DeployCheck(_)
            | Job::Deploy(_)
            | Job::Drift(_)
            | Job::Preflight(_)
            | Job::Promote(_)
            | Job::Pipeline(_)
            | Job::Exec(_) => return None,
        };
        Some(Self { tag: tag.clone(), series: series.clone() })
    }

    /// What tells it from others: `tag/venue/BTC_USD/5m`.
    pub fn name(&self) -> String {
        let Self { tag, series } = self;
        let (venue, pair) = (series.exchange(), series.symbol().dir());
        format!("{tag}/{venue}/{pair}/{}", series.timeframe())
    }

    /// An event of it.
    pub fn event(&self, ts_ms: i64, change: LedgerChange) -> LedgerEvent {
        let Self { tag, series } = self;
        LedgerEvent {
            tag: tag.to_string(),
            exchange: series.exchange().to_string(),
            symbol: series.symbol().to_string(),
            timeframe: series.timeframe().to_string(),
            ts_ms,
            change,
        }
    }
}

/// What a look found: the lines that are new, and where the next look begins.
struct Appended {
    lines: Vec<String>,
    place: NoticePlace,
}

/// Where a look begins that was never made before: behind what is there, since that is no news.
fn first_place<D: Disk>(disk: &D, path: &Path) -> Result<NoticePlace, StoreError> {
    let beginning = NoticePlace {
        offset: 0,
        ts_ms: i64::MIN,
        mark: String::new(),
        word: RiskState::Active.name().to_owned(),
    };
    let Some(len) = disk.len(path)? else { return Ok(beginning) };
    let Some((offset, mark)) = last_row(disk, path, len)? else { return Ok(beginning) };
    let cell = |n: usize| mark.split(',').nth(n).unwrap_or_default();
    let ts_ms = cell(Column::TsMs as usize).parse().unwrap_or(i64::MIN);
    let word = cell(Column::RiskState as usize).to_owned();
    Ok(NoticePlace { offset, ts_ms, mark, word })
}

/// The whole lines behind a place, without the header.
fn appended<D: Disk>(
    disk: &D,
    path: &Path,
    place: &NoticePlace,
) -> Result<Option<Appended>, StoreError> {
    let len = disk.len(path)?.unwrap_or_default();
    let mut place = place.clone();
    if place.offset > 0 && !is_behind(disk, path, len, &place)? {
        tracing::warn!(
            "notices: {} is not the file that was read before; what is older than {} in it is left out",
            path.display(),
            place.ts_ms
        );
        place.offset = 0;
        place.mark = String::new();
        RiskState::Active.name().clone_into(&mut place.word);
    }
    if len <= place.offset {
        return Ok((len == 0 && place.offset > 0).then_some(Appended { lines: Vec::new(), place }));
    }
    let bytes = disk.read_at(path, place.offset, PIECE)?;
    let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else { return Ok(None) };
    let text = String::from_utf8_lossy(&bytes[..end]);
    let header = usize::from(place.offset == 0);
    let lines: Vec<String> = text.split('\n').skip(header).map(str::to_owned).collect();
    place.offset += end as u64 + 1;
    text.rsplit('\n').next().unwrap_or_default().clone_into(&mut place.mark);
    Ok(Some(Appended { lines, place }))
}

/// Whether the line before a place is still the one that was read there.
fn is_behind<D: Disk>(
    disk: &D,
    path: &Path,
    len: u64,
    place: &NoticePlace,
) -> Result<bool, StoreError> {
    let line = place.mark.len() as u64 + 1;
    if len < place.offset || place.offset < line {
        return Ok(false);
    }
    let bytes = disk.read_at(path, place.offset - line, line as usize)?;
    Ok(bytes.strip_suffix(b"\n") == Some(place.mark.as_bytes()))
}

/// What was opened and closed since a look; `None` where nothing is new.
pub fn trades<D: Disk>(
    (disk, layout): (&D, &Layout),
    ledger: &NoticeLedger,
    before: Option<NoticePlace>,
) -> Result<Option<(Vec<NamedEvent>, NoticePlace)>, StoreError> {
    let path = layout.trades(&ledger.tag, &ledger.series);
    let Some(before) = before else {
        return Ok(Some((Vec::new(), first_place(disk, &path)?)));
    };
    let Some(Appended { lines, mut place }) = appended(disk, &path, &before)? else {
        return Ok(None);
    };
    let mut found = Vec::new();
    for line in lines {
        let Some(event) = trade(ledger, &line) else {
            tracing::warn!("notices: {}: `{}` is not a trade", path.display(), line.escape_debug());
            continue;
        };
        // Two rows may be of one slot; a row that was told of has its name.
        if event.1.ts_ms >= before.ts_ms {
            place.ts_ms = event.1.ts_ms;
            found.push(event);
        }
    }
    Ok(Some((found, place)))
}

fn trade(ledger: &NoticeLedger, line: &str) -> Option<NamedEvent> {
    let cells: Vec<&str> = line.split(',').collect();
    if cells.len() != TRADES_HEADER.split(',').count() {
        return None;
    }
    let cell = |n: usize| cells[n].to_owned();
    let facts = TradeFacts {
        trade_id: cell(4),
        side: cell(6),
        price: cell(7),
        size: cell(8),
        fee: cell(9),
        pnl: cell(10),
        reason: cell(11),
    };
    let is_stop = CloseReason::ALL.iter().any(|why| why.is_stop() && why.name() == facts.reason);
    let id = format!("{}/{}/{}", ledger.name(), facts.trade_id, cells[5]);
    let change = match cells[5] {
        "open" => LedgerChange::Entry(facts),
        "close" if is_stop => LedgerChange::Stop(facts),
        "close" => LedgerChange::Exit(facts),
        _ => return None,
    };
    Some((id, ledger.event(cells[3].parse().ok()?, change)))
}

/// The changes of the risk state since a look; `None` where nothing is new.
pub fn risks<D: Disk>(
    (disk, layout): (&D, &Layout),
    ledger: &NoticeLedger,
    before: Option<NoticePlace>,
) -> Result<Option<(Vec<NamedEvent>, NoticePlace)>, StoreError> {
    let path = layout.decisions(&ledger.tag, &ledger.series);
    let Some(before) = before else {
        return Ok(Some((Vec::new(), first_place(disk, &path)?)));
    };
    let Some(Appended { lines, mut place }) = appended(disk, &path, &before)? else {
        return Ok(None);
    };
    let mut found = Vec::new();
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        let cell = |column: Column| cells.get(column as usize).copied().unwrap_or_default();
        let (Ok(ts_ms), true) =
            (cell(Column::TsMs).parse::<i64>(), cells.len() == Column::ALL.len())
        else {
            tracing::warn!("notices: {}: a line is not a row", path.display());
            continue;
        };
        let state = cell(Column::RiskState).to_owned();
        if state != place.word && ts_ms > before.ts_ms {
            let why = by_command((disk, layout), ledger, ts_ms)?
                .unwrap_or_else(|| by_limit(cell(Column::BlockedBy), cell(Column::Equity)));
            let change = LedgerChange::Risk { state: state.clone(), before: place.word, why };
            found.push((format!("{}/risk/{ts_ms}", ledger.name()), ledger.event(ts_ms, change)));
        }
        place.word = state;
        place.ts_ms = place.ts_ms.max(ts_ms);
    }
    Ok(Some((found, place)))
}

/// A limit that tripped: the row has its name only where it kept an entry away; `runner why` always has it.
fn by_limit(blocked_by: &str, equity: &str) -> String {
    if blocked_by.is_empty() {
        format!("a limit tripped, at equity {equity}")
    } else {
        format!("{blocked_by}, at equity {equity}")
    }
}

/// The command that took effect at a slot, in words.
fn by_command<D: Disk>(
    (disk, layout): (&D, &Layout),
    NoticeLedger { tag, series }: &NoticeLedger,
    ts_ms: i64,
) -> Result<Option<String>, StoreError> {
    let Ok(at) = UtcMs::new(ts_ms) else { return Ok(None) };
    let commands = read_commands(disk, layout, tag)?;
    let newest = in_force(&commands, at);
    let newest = newest.filter(|one| one.at.get() > ts_ms - series.timeframe().ms());
    Ok(newest.map(|one| format!("{} of {}: {}", one.order, one.who, one.reason)))
}

/// The newest proof, where it says something else than the one before it.
pub fn proof<D: Disk>(
    (disk, layout): (&D, &Layout),
    ledger: &NoticeLedger,
    before: Option<NoticePlace>,
) -> Result<Option<(Vec<NamedEvent>, NoticePlace)>, StoreError> {
    let newest = newest_proof(disk, layout, &ledger.tag, &ledger.series)?;
    let is_first = before.is_none();
    let before = before.unwrap_or(NoticePlace {
        offset: 0,
        ts_ms: i64::MIN,
        mark: String::new(),
        word: String::new(),
    });
    let Some(newest) = newest.filter(|proof| proof.made_at_ms > before.ts_ms) else {
        return Ok(is_first.then_some((Vec::new(), before)));
    };
    let verdict = newest.verdict().name().to_owned();
    let ts_ms = newest.made_at_ms;
    let place = NoticePlace { ts_ms, word: verdict.clone(), ..before.clone() };
    if is_first || verdict == before.word {
        return Ok(Some((Vec::new(), place)));
    }
    let run = &newest.runid;
    let path = run.parse().map(|run| layout.proof_dir(&ledger.tag, &run).join("proof.json"));
    let root = layout.data().parent().unwrap_or(layout.data());
    let path = path.map(|path| path.strip_prefix(root).unwrap_or(&path).display().to_string());
    let change = LedgerChange::Proof {
        verdict,
        before: Some(before.word).filter(|word| !word.is_empty()),
        mismatch: newest.mismatch.as_ref().map(Mismatch::place),
        path: path.unwrap_or_default(),
    };
    let id = format!("{}/proof/{run}", ledger.name());
    Ok(Some((vec![(id, ledger.event(ts_ms, change))], place)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::disk::RealDisk;

    const HEADER: &str = TRADES_HEADER;

    fn row(ts: i64, id: &str, event: &str, reason: &str) -> String {
        format!("demo,BTC/USD,5m,{ts},{id},{event},long,100.5,2,0.1,-1.5,{reason},0\n")
    }

    struct Case {
        temp: tempfile::TempDir,
        place: Option<NoticePlace>,
    }

    impl Case {
        fn new() -> Self {
            Self { temp: tempfile::tempdir().unwrap(), place: None }
        }

        fn ledger() -> NoticeLedger {
            let series = Series::new(
                "demo".parse().unwrap(),
                "BTC/USD".parse().unwrap(),
                "5m".parse().unwrap(),
            );
            NoticeLedger { tag: "paper".parse().unwrap(), series }
        }

        #[expect(clippy::disallowed_methods, reason = "the test writes what is read")]
        fn write(&self, text: &str) {
            let layout = Layout::new(self.temp.path());
            let path = layout.trades(&Self::ledger().tag, &Self::ledger().series);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        /// Looks, and keeps the place as the records do.
        fn look(&mut self) -> String {
            let layout = Layout::new(self.temp.path());
            let disk = RealDisk::new(layout.data());
            let found = trades((&disk, &layout), &Self::ledger(), self.place.clone()).unwrap();
            let Some((events, place)) = found else { return "nothing".to_owned() };
            self.place = Some(place);
            let names = events.iter().map(|(id, event)| {
                let id = id.strip_prefix("paper/demo/BTC_USD/5m/").unwrap();
                format!("{}:{id}", event.change.on().name())
            });
            names.collect::<Vec<_>>().join(" ")
        }
    }

    #[test]
    fn every_row_is_found_once_and_only_when_it_is_whole() {
        let mut case = Case::new();
        assert_eq!(case.look(), "", "no ledger yet: all of it will be news");
        let (a, b) = (row(300_000, "a", "open", "cross"), row(600_000, "a", "close", "stop_gap"));
        case.write(&format!("{HEADER}\n"));
        assert_eq!(case.look(), "");
        case.write(&format!("{HEADER}\n{a}{}", &b[..30]));
        assert_eq!(case.look(), "entry:a/open");
        assert_eq!(case.look(), "nothing");
        let c = row(600_000, "c", "open", "cross");
        case.write(&format!("{HEADER}\n{a}{b}{c}"));
        assert_eq!(case.look(), "stop:a/close entry:c/open", "two of one slot");
        let d = row(900_000, "c", "close", "exit_signal");
        case.write(&format!("{HEADER}\n{a}{b}{c}not,a,trade\n{d}"));
        assert_eq!(case.look(), "exit:c/close");
    }

    #[test]
    fn what_was_there_at_the_first_look_is_not_news() {
        let mut case = Case::new();
        let (a, b) = (row(300_000, "a", "open", "x"), row(600_000, "a", "close", "target_hit"));
        case.write(&format!("{HEADER}\n{a}"));
        assert_eq!(case.look(), "");
        case.write(&format!("{HEADER}\n{a}{b}"));
        assert_eq!(case.look(), "exit:a/close");
    }

    #[test]
    fn a_file_in_the_place_of_the_one_that_was_read_is_read_from_where_it_is_newer() {
        let mut case = Case::new();
        case.look();
        let (a, b) = (row(300_000, "a", "open", "x"), row(600_000, "a", "close", "target_hit"));
        case.write(&format!("{HEADER}\n{a}{b}"));
        assert_eq!(case.look(), "entry:a/open exit:a/close");
        // A power cut took the last row; the loop decides it again, and the records know its name.
        case.write(&format!("{HEADER}\n{a}"));
        assert_eq!(case.look(), "");
        case.write(&format!("{HEADER}\n{a}{b}"));
        assert_eq!(case.look(), "exit:a/close");
        let (c, d) = (row(600_000, "c", "open", "x"), row(900_000, "c", "close", "reversal"));
        case.write(&format!("{HEADER}\n{c}{d}"));
        assert_eq!(case.look(), "entry:c/open exit:c/close", "another ledger");
    }
}
