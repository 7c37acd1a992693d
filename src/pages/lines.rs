//! How each loop is: one line of facts, and one verdict in words.

use serde::Serialize;

use super::{
    desk::{Desk, DeskLedger, lock},
    proofs::{self, ProofSummary},
    words::StatusSign,
};
use crate::{
    cli::table::span,
    domain::time::UtcMs,
    jobs::{context::Failure, ledgers::in_recorded_time},
    report::pyramid::{PyramidPoint, thinned},
    serve::metrics::Last,
    store::lock::is_held,
};

/// Points of a small line.
const SPARK_MAX: usize = 72;
/// A loop decides a slot some seconds after its close; this much later it is late.
const GRACE_MS: i64 = 60_000;

/// One loop.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LoopLine {
    /// Its tag.
    pub tag: String,
    /// The venue.
    pub exchange: String,
    /// The pair.
    pub symbol: String,
    /// The length of its bars.
    pub timeframe: String,
    /// Where its page is.
    pub page: String,
    /// How that is to be taken.
    pub level: StatusSign,
    /// How it is.
    pub verdict: String,
    /// Whether a process holds its ledger.
    pub is_up: bool,
    /// Its newest row.
    pub last_ts_ms: Option<i64>,
    /// `flat`, `long` or `short`.
    pub position: Option<String>,
    /// Equity at the close of that row.
    pub equity: Option<f64>,
    /// The risk state.
    pub risk_state: Option<String>,
    /// When the newest PASS was made.
    pub passed_ms: Option<i64>,
    /// What the newest proof says.
    pub proof: Option<&'static str>,
    /// The equity from the first row on, in few points.
    pub spark: Vec<PyramidPoint>,
}

/// What a verdict is made of.
#[derive(Debug, Clone, Copy)]
pub struct LoopFacts<'a> {
    /// Now.
    pub now: UtcMs,
    /// Length of its bars.
    pub bar_ms: i64,
    /// Whether a process holds its ledger.
    pub is_up: bool,
    /// Whether it lives on recorded or made-up bars.
    pub is_recorded: bool,
    /// Its newest row.
    pub last: Option<&'a Last>,
    /// What the newest proof says.
    pub proof: Option<&'a ProofSummary>,
}

/// How a loop is, the worst first.
pub fn judge(facts: &LoopFacts<'_>) -> (StatusSign, String) {
    let LoopFacts { now, bar_ms, is_up, is_recorded, last, proof } = *facts;
    let Some(last) = last else {
        return (StatusSign::Look, "nothing is decided yet".to_owned());
    };
    let late_ms = now.get() - last.ts_ms - bar_ms;
    let failed = proof.is_some_and(|proof| proof.level == StatusSign::Bad);
    let text = |text: &str| text.to_owned();
    if last.risk == "HALTED" {
        (StatusSign::Bad, text("halted: nothing is entered until `runner resume`"))
    } else if is_recorded && !is_up {
        if failed {
            (StatusSign::Bad, text("its newest proof says FAIL"))
        } else {
            (StatusSign::Idle, text("ended: it ran on recorded bars"))
        }
    } else if !is_up {
        (StatusSign::Bad, text("not running"))
    } else if !is_recorded && late_ms > GRACE_MS {
        let slots = late_ms / bar_ms + 1;
        let word = if slots == 1 { "slot" } else { "slots" };
        (
            StatusSign::Bad,
            format!("late: {slots} {word} not decided for {}", span(late_ms.unsigned_abs())),
        )
    } else if failed {
        (StatusSign::Bad, text("decides, but its newest proof says FAIL"))
    } else if last.risk == "REDUCING" {
        (StatusSign::Look, text("reducing: it only leaves positions"))
    } else if proof.is_none() {
        (StatusSign::Well, text("decides in time; not proved yet"))
    } else {
        (StatusSign::Well, text("decides in time"))
    }
}

/// Every loop, by tag and series.
pub fn lines(desk: &Desk) -> Result<Vec<LoopLine>, Failure> {
    struct Seen {
        names: [String; 3],
        last: Option<Last>,
        equity: Vec<PyramidPoint>,
    }
    let seen: Vec<Seen> = {
        let mut loops = lock(&desk.loops);
        let all = loops.look(&desk.disk, &desk.layout)?;
        let one = |one: &&crate::serve::metrics::Loop| {
            let (symbol, timeframe) = one.market();
            let timeframe = timeframe.map_or("", crate::domain::time::Timeframe::name);
            Seen {
                names: [one.tag().to_owned(), symbol.replace('/', "_"), timeframe.to_owned()],
                last: one.tally.last.clone(),
                equity: one.equity(),
            }
        };
        all.iter().map(one).collect()
    };
    let mut lines = Vec::new();
    for Seen { names: [tag, symbol, timeframe], last, equity } in seen {
        // A ledger with a header only does not say what it is of.
        let Ok(place) = desk.place([&tag, &symbol, &timeframe]) else { continue };
        lines.push(line(desk, &place, last.as_ref(), &equity)?);
    }
    Ok(lines)
}

/// One loop of them.
pub fn line_of(desk: &Desk, place: &DeskLedger) -> Result<LoopLine, Failure> {
    let page = place.path();
    if let Some(line) = lines(desk)?.into_iter().find(|line| line.page == page) {
        return Ok(line);
    }
    // A replay is not among the loops.
    let standing =
        crate::jobs::ledgers::standing(&desk.disk, &desk.layout, &place.tag, &place.series)?;
    let last = standing.map(|s| Last {
        ts_ms: s.slot.ts_ms(),
        equity: s.equity.parse().unwrap_or(f64::NAN),
        position: s.position,
        risk: s.risk,
    });
    let line = line(desk, place, last.as_ref(), &[])?;
    Ok(LoopLine { level: StatusSign::Idle, verdict: "a replay".to_owned(), ..line })
}

fn line(
    desk: &Desk,
    place: &DeskLedger,
    last: Option<&Last>,
    equity: &[PyramidPoint],
) -> Result<LoopLine, Failure> {
    let DeskLedger { tag, series } = place;
    let proofs = proofs::of_place(desk, place)?;
    let is_up = is_held(&desk.layout.decisions_lock(tag, series));
    let (level, verdict) = judge(&LoopFacts {
        now: desk.now(),
        bar_ms: series.timeframe().ms(),
        is_up,
        is_recorded: in_recorded_time(&desk.disk, &desk.layout, tag)?,
        last,
        proof: proofs.first(),
    });
    Ok(LoopLine {
        tag: tag.to_string(),
        exchange: series.exchange().to_string(),
        symbol: series.symbol().to_string(),
        timeframe: series.timeframe().to_string(),
        page: place.path(),
        level,
        verdict,
        is_up,
        last_ts_ms: last.map(|last| last.ts_ms),
        position: last.map(|last| last.position.clone()),
        equity: last.map(|last| last.equity),
        risk_state: last.map(|last| last.risk.clone()),
        passed_ms: proofs
            .iter()
            .find(|one| one.level == StatusSign::Well)
            .map(|one| one.made_at_ms),
        proof: proofs.first().map(|one| one.verdict),
        spark: sparse(equity),
    })
}

/// Few points of a line, its ends among them.
fn sparse(line: &[PyramidPoint]) -> Vec<PyramidPoint> {
    let line = thinned(line.iter().copied());
    let step = line.len().div_ceil(SPARK_MAX).max(1);
    let mut out: Vec<PyramidPoint> = line.iter().step_by(step).copied().collect();
    if out.last() != line.last() {
        out.extend(line.last());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_is_said_first() {
        let proof = |level| ProofSummary {
            verdict: "X",
            level,
            tag: String::new(),
            runid: String::new(),
            series: Default::default(),
            window_ts_ms: None,
            rows: 0,
            trades: 0,
            mismatch: None,
            made_at_ms: 0,
            path: String::new(),
        };
        let (pass, fail) = (proof(StatusSign::Well), proof(StatusSign::Bad));
        let last =
            |risk: &str| Last { ts_ms: 0, equity: 1.0, position: "flat".into(), risk: risk.into() };
        let (active, reducing, halted) = (last("ACTIVE"), last("REDUCING"), last("HALTED"));
        let bar_ms = 300_000;
        let facts = |ms: i64, is_up: bool, last, proof| LoopFacts {
            now: UtcMs::new(ms).unwrap(),
            bar_ms,
            is_up,
            is_recorded: false,
            last,
            proof,
        };
        for (facts, level, words) in [
            (facts(0, true, None, None), StatusSign::Look, "nothing is decided"),
            (facts(300_000, true, Some(&active), Some(&pass)), StatusSign::Well, "decides in time"),
            (facts(360_000, true, Some(&active), None), StatusSign::Well, "not proved yet"),
            (
                facts(361_000, true, Some(&active), Some(&pass)),
                StatusSign::Bad,
                "late: 1 slot not decided for 1m 1s",
            ),
            (facts(1_300_000, true, Some(&active), Some(&pass)), StatusSign::Bad, "late: 4 slots"),
            (
                facts(300_000, true, Some(&active), Some(&fail)),
                StatusSign::Bad,
                "newest proof says FAIL",
            ),
            (facts(300_000, true, Some(&reducing), Some(&pass)), StatusSign::Look, "reducing"),
            (facts(300_000, true, Some(&halted), Some(&fail)), StatusSign::Bad, "halted"),
            (facts(300_000, false, Some(&active), Some(&pass)), StatusSign::Bad, "not running"),
            (
                LoopFacts {
                    is_recorded: true,
                    ..facts(9_000_000, false, Some(&active), Some(&pass))
                },
                StatusSign::Idle,
                "ended",
            ),
            (
                LoopFacts {
                    is_recorded: true,
                    ..facts(9_000_000, true, Some(&active), Some(&pass))
                },
                StatusSign::Well,
                "decides",
            ),
        ] {
            let (found, said) = judge(&facts);
            assert!(found == level && said.contains(words), "{facts:?}: {said}");
        }
    }

    #[test]
    fn a_small_line_has_few_points_and_its_ends() {
        let line: Vec<PyramidPoint> = (0..10_000).map(|n| (n, (n % 7) as f64)).collect();
        let few = sparse(&line);
        assert!(few.len() <= SPARK_MAX + 1, "{}", few.len());
        assert_eq!((few[0], *few.last().unwrap()), (line[0], line[9_999]));
        assert_eq!(sparse(&[]), []);
    }
}
