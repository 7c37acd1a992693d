//! The checks of the ledger: its age, its cadence, its rows, its bars, its risk state, its proof. Pure.

use std::{fmt::Write as _, time::Duration};

use super::{
    facts::{DecisionFact, Facts, LedgerFacts, ReplayCheck},
    result::Figures,
    watch,
};
use crate::{
    checklist::{CheckItem, Level},
    domain::{
        command::CommandKind,
        decision::{RiskState, SkipReason},
        series::Series,
        time::{DAY_MS, UtcMs},
    },
    jobs::equivalence::judge::ProofVerdict,
    manifest::{HealthMode, Healthcheck, Parsed, Span},
    store::rows::signals::SlotOrigin,
};

/// What the facts are judged by.
#[derive(Debug, Clone, Copy)]
pub struct Judge<'a> {
    /// What is well.
    pub table: &'a Healthcheck,
    /// The series looked at.
    pub series: &'a Series,
    /// How strictly.
    pub mode: HealthMode,
}

/// Every check in the order people read them, and the numbers behind them.
pub fn judge(judge: &Judge<'_>, facts: &Facts) -> (Vec<CheckItem>, Figures) {
    let mut checks = vec![judge.ledger(facts), judge.decisions(facts)];
    checks.push(judge.cadence(facts));
    checks.push(judge.hindered(facts));
    checks.push(judge.raw(facts));
    checks.push(judge.fold(facts));
    checks.push(judge.risk(facts));
    checks.push(judge.eqflat(facts));
    checks.extend(watch::checks(judge, facts));
    (checks, judge.figures(facts))
}

/// Milliseconds of a span of a manifest.
pub fn ms(span: &Parsed<Span>) -> i64 {
    span.get().duration().as_millis().try_into().unwrap_or(i64::MAX)
}

/// A length of time in whole seconds, as people read it.
pub fn long(ms: i64) -> String {
    humantime::format_duration(Duration::from_secs(ms.unsigned_abs() / 1000)).to_string()
}

/// How long ago something was.
pub fn ago(now: UtcMs, then: UtcMs) -> String {
    let age_ms = now.get() - then.get();
    if age_ms < 0 { format!("{} from now", long(age_ms)) } else { format!("{} ago", long(age_ms)) }
}

impl Judge<'_> {
    /// The parameters that name this ledger to another job.
    pub fn words(&self) -> String {
        let series = self.series;
        let (exchange, symbol) = (series.exchange(), series.symbol());
        let tag = self.table.tag.get();
        format!("tag={tag} exchange={exchange} symbol={symbol} timeframe={}", series.timeframe())
    }

    /// How to see what the loop said, or how to start one.
    pub fn look(&self, facts: &Facts) -> String {
        match &facts.live_run {
            Some((run, _)) => format!("runner logs {run}"),
            None => format!("runner run jobs/live.toml -p {}", self.words()),
        }
    }

    fn late_max_ms(&self) -> i64 {
        self.table.late_max.as_ref().map_or(self.series.timeframe().ms(), ms)
    }

    /// So many bars, and the slack.
    fn bars_ms(&self, bars: u32) -> i64 {
        (i64::from(bars) * self.series.timeframe().ms()).saturating_add(ms(&self.table.slack))
    }

    fn ledger(&self, facts: &Facts) -> CheckItem {
        let check =
            |level, value: String| CheckItem::new("ledger", level, value).limit("whole, in order");
        let start = format!("runner run jobs/live.toml -p {}", self.words());
        let Some(ledger) = &facts.ledger else {
            return check(Level::Fail, "there is none".to_owned()).next(start);
        };
        let LedgerFacts { tail, damage, is_torn } = ledger;
        if let Some(damage) = damage {
            let next = format!("runner run jobs/check.toml -p {}", self.words());
            return check(Level::Fail, damage.clone()).next(next);
        }
        if tail.lines == 0 {
            return check(Level::Fail, "it has no row yet".to_owned()).next(self.look(facts));
        }
        let torn = if *is_torn { "; the torn last line does not count" } else { "" };
        check(Level::Ok, format!("{} rows{torn}", tail.lines))
    }

    fn decisions(&self, facts: &Facts) -> CheckItem {
        let Some(last) = facts.ledger.as_ref().and_then(|ledger| ledger.tail.last()) else {
            return CheckItem::skipped("decisions", "no decisions yet");
        };
        let most_ms = self.bars_ms(self.table.decision_age_bars);
        let found = aged(self, "decisions", most_ms, (last.ts.close(), facts.now));
        let is_ancient = facts.now.get() - last.ts.ts_ms() > DAY_MS;
        let mut found = found.next(self.look(facts));
        if found.level == Level::Fail && is_ancient && self.table.at.is_none() {
            found.value.push_str("; a ledger of recorded time is judged with -p at=TIME");
        }
        found
    }

    fn raw(&self, facts: &Facts) -> CheckItem {
        let series = self.series;
        let (exchange, symbol) = (series.exchange(), series.symbol());
        let next = format!(
            "runner run jobs/data-quality.toml -p exchange={exchange} symbol={symbol} timeframe={}",
            series.timeframe()
        );
        let most_ms = self.bars_ms(self.table.raw_age_bars);
        let limit = format!("within {}", long(most_ms));
        let found = match &facts.newest_bar {
            Err(error) => CheckItem::new("raw", Level::Fail, error.clone()).limit(limit),
            Ok(None) => {
                let start = format!("runner run jobs/live.toml -p {}", self.words());
                return CheckItem::new("raw", Level::Fail, "no bar yet").limit(limit).next(start);
            }
            Ok(Some(ts)) => aged(self, "raw", most_ms, (ts.close(), facts.now)),
        };
        found.next(next)
    }

    fn cadence(&self, facts: &Facts) -> CheckItem {
        let Some(ledger) = facts.ledger.as_ref().filter(|ledger| ledger.tail.last().is_some())
        else {
            return CheckItem::skipped("cadence", "no decisions yet");
        };
        let found = cadence(&ledger.tail.rows, self.late_max_ms());
        let grace = self.table.grace_bars as usize;
        let is_young = ledger.tail.is_whole() && found.from_the_first;
        let level = if found.clean >= grace || is_young { Level::Ok } else { Level::Warn };
        let young = if is_young && found.clean < grace { ", all there are" } else { "" };
        let value = format!("clean_trailing_cadence_diffs = {}{young}", found.clean);
        let limit = format!("at least {grace} slots in time");
        CheckItem::new("cadence", level, value).limit(limit).next(self.look(facts))
    }

    /// Rows that a failure of the venue or of the disk has left. They never go away, so they only warn, for a while.
    fn hindered(&self, facts: &Facts) -> CheckItem {
        let Some(ledger) = &facts.ledger else {
            return CheckItem::skipped("hindered", "no decisions yet");
        };
        let rows = &ledger.tail.rows;
        let rows = &rows[rows.len().saturating_sub(self.table.tail as usize)..];
        let of = |reason| rows.iter().filter(|row| row.skipped == Some(reason)).count();
        let (fetch, persist) = (of(SkipReason::FetchFailed), of(SkipReason::PersistFailed));
        let level = if fetch + persist == 0 { Level::Ok } else { Level::Warn };
        let value = format!("{fetch} fetch_failed, {persist} persist_failed");
        let limit = format!("none in {} rows", self.table.tail);
        CheckItem::new("hindered", level, value).limit(limit).next(self.look(facts))
    }

    fn fold(&self, facts: &Facts) -> CheckItem {
        let next = format!("runner run jobs/eqflat.toml -p {}", self.words());
        let limit = "the same to the byte";
        match &facts.fold {
            ReplayCheck::Off(why) => CheckItem::skipped("fold", *why),
            ReplayCheck::Same(value) => {
                CheckItem::new("fold", Level::Ok, value.clone()).limit(limit)
            }
            ReplayCheck::Differs(why) => {
                CheckItem::new("fold", Level::Fail, why.clone()).limit(limit).next(next)
            }
        }
    }

    fn risk(&self, facts: &Facts) -> CheckItem {
        let resume = format!("runner resume --tag {} --reason \"...\"", self.table.tag);
        let check = |level, value| CheckItem::new("risk", level, value).limit("ACTIVE");
        let order = match &facts.order {
            Err(error) => return check(Level::Fail, error.clone()),
            Ok(order) => order.as_ref(),
        };
        let Some(last) = facts.ledger.as_ref().and_then(|ledger| ledger.tail.last()) else {
            return CheckItem::skipped("risk", "no decisions yet");
        };
        let Some(state) = last.risk else {
            return check(Level::Fail, "the last row has no risk state".to_owned());
        };
        let level = match (state, self.mode) {
            _ if last.is_ruined => Level::Fail,
            (RiskState::Active, _) => Level::Ok,
            (RiskState::Halted, HealthMode::Strict) => Level::Fail,
            (RiskState::Halted | RiskState::Reducing, _) => Level::Warn,
        };
        let ruin = if last.is_ruined { " (risk:ruin)" } else { "" };
        let mut value = format!("{}{ruin}, equity {}", state.name(), last.equity);
        if let Some(order) =
            order.filter(|order| order.order != CommandKind::Resume || level != Level::Ok)
        {
            let waits = if order.at > last.ts.close() { ", from the next slot on" } else { "" };
            let (what, who, why) = (order.order, &order.who, &order.reason);
            let _ = write!(value, "; last order: {what} of {who}{waits}: {why}");
        }
        if last.is_ruined {
            // Its cash cannot be trusted to a command: `resume` would trip again at the next slot.
            return check(level, value)
                .next("runner run jobs/live.toml -p tag=ANOTHER_TAG".to_owned());
        }
        check(level, value).next(resume)
    }

    fn eqflat(&self, facts: &Facts) -> CheckItem {
        if !self.table.eqflat {
            return CheckItem::skipped("eqflat", "not asked for: healthcheck.eqflat");
        }
        let most_ms = ms(&self.table.eqflat_age_max);
        let limit = format!("PASS within {}", long(most_ms));
        let check = |level, value: String| CheckItem::new("eqflat", level, value).limit(limit);
        let again = format!("runner run jobs/eqflat.toml -p {}", self.words());
        let proof = match &facts.proof {
            Err(error) => return check(Level::Warn, error.clone()).next(again),
            Ok(None) => return check(Level::Warn, "none yet".to_owned()).next(again),
            Ok(Some(proof)) => proof,
        };
        let age_ms = facts.now.get() - proof.made.get();
        let mut value =
            format!("{} {}, {}", proof.verdict.name(), proof.run, ago(facts.now, proof.made));
        if let Some(mismatch) =
            proof.mismatch.as_ref().filter(|_| proof.verdict == ProofVerdict::Fail)
        {
            let _ = write!(value, ": {mismatch}");
        }
        match proof.verdict {
            ProofVerdict::Fail => {
                let next = format!("cat {}/report.txt", proof.dir);
                check(Level::Fail, value).next(next)
            }
            ProofVerdict::Inconclusive => check(Level::Warn, value).next(again),
            ProofVerdict::Pass | ProofVerdict::PassDataDrift if age_ms > most_ms => {
                check(Level::Warn, value).next(again)
            }
            ProofVerdict::Pass | ProofVerdict::PassDataDrift => check(Level::Ok, value),
        }
    }

    fn figures(&self, facts: &Facts) -> Figures {
        let seconds = |then: UtcMs| (facts.now.get() - then.get()).div_euclid(1000);
        let bar = facts.newest_bar.as_ref().ok().copied().flatten();
        let skew_ms = facts.heard.as_ref().and_then(|heard| heard.skew_ms);
        let raw_age_s = bar.map(|bar| seconds(bar.close()));
        let Some(ledger) = &facts.ledger else {
            return Figures { raw_age_s, skew_ms, ..Figures::default() };
        };
        let last = ledger.tail.last();
        Figures {
            rows: ledger.tail.lines,
            last_ts_ms: last.map(|row| row.ts.ts_ms()),
            decision_age_s: last.map(|row| seconds(row.ts.close())),
            raw_age_s,
            clean_trailing_cadence_diffs: cadence(&ledger.tail.rows, self.late_max_ms()).clean,
            equity: last.map(|row| row.equity.clone()),
            risk_state: last.and_then(|row| row.risk).map(RiskState::name),
            skew_ms,
        }
    }
}

/// Fails what is too old, and what lies in the future: of that nobody could ever tell that it stands still.
fn aged(
    judge: &Judge<'_>,
    name: &'static str,
    most_ms: i64,
    (close, now): (UtcMs, UtcMs),
) -> CheckItem {
    let age_ms = now.get() - close.get();
    let is_ahead = age_ms < -ms(&judge.table.slack);
    let level = if is_ahead || age_ms > most_ms { Level::Fail } else { Level::Ok };
    let ahead = if is_ahead { ": this clock is behind, or it lives in another time" } else { "" };
    let value = format!("{close}, {}{ahead}", ago(now, close));
    CheckItem::new(name, level, value).limit(format!("within {}", long(most_ms)))
}

/// What the end of a ledger says about its cadence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerCadence {
    /// Trailing slots that lie exactly one timeframe behind the one before and were decided in time.
    pub clean: usize,
    /// Whether every slot of the rows looked at, from the second one on, is among them.
    pub from_the_first: bool,
}

/// Counts from the end. A last row whose time is not written yet counts neither way: it is written after the decision.
pub fn cadence(rows: &[DecisionFact], late_max_ms: i64) -> LedgerCadence {
    let rows = match rows.split_last() {
        Some((last, before)) if last.timing.is_none() => before,
        Some(_) | None => rows,
    };
    let is_clean = |pair: &&[DecisionFact]| {
        let in_time = pair[1].timing.as_ref().is_some_and(|timing| {
            timing.origin == SlotOrigin::Live && timing.late_ms <= late_max_ms
        });
        in_time && pair[1].ts.since(pair[0].ts) == 1
    };
    let clean = rows.windows(2).rev().take_while(is_clean).count();
    LedgerCadence { clean, from_the_first: clean + 1 >= rows.len() }
}

#[cfg(test)]
mod tests {
    use super::{super::facts::SlotTiming, *};
    use crate::domain::time::{Timeframe, UtcMs};

    /// Slots by their number, origin and how late: `5L` in time, `5C` caught up, `5D` degraded, `5?` unknown, `5S` slow.
    fn rows(text: &str) -> Vec<DecisionFact> {
        let row = |word: &str| {
            let (n, how) = word.split_at(word.len() - 1);
            let ts = Timeframe::M1.slot(60_000 * n.parse::<i64>().unwrap()).unwrap();
            let stamp = |origin, late_ms| {
                let run_id = "live_1".parse().unwrap();
                Some(SlotTiming { origin, seen_at: UtcMs::EPOCH, late_ms, run_id })
            };
            let timing = match how {
                "L" => stamp(SlotOrigin::Live, 2_000),
                "S" => stamp(SlotOrigin::Live, 60_001),
                "C" => stamp(SlotOrigin::Catchup, 2_000),
                "D" => stamp(SlotOrigin::Degraded, 2_000),
                _ => None,
            };
            DecisionFact {
                ts,
                skipped: None,
                equity: String::new(),
                risk: None,
                is_ruined: false,
                timing,
            }
        };
        text.split_whitespace().map(row).collect()
    }

    #[test]
    fn only_slots_in_their_place_and_in_time_count() {
        for (text, clean, from_the_first) in [
            ("", 0, true),
            ("1L", 0, true),
            ("1C", 0, true),
            ("1L 2L 3L", 2, true),
            ("1C 2L 3L", 2, true),
            ("1L 2C 3C 4L 5L", 2, false),
            ("1L 2L 3D 4L", 1, false),
            ("1L 2L 3L 4C", 0, false),
            ("1L 2S 3L", 1, false),
            ("1L 2L 4L 5L", 1, false),
            ("1L 2L 2L 3L", 1, false),
            ("1L 2L 3L 4?", 2, true),
            ("1L 2? 3L 4L", 2, false),
            ("1L 2? 3?", 0, false),
        ] {
            assert_eq!(
                cadence(&rows(text), 60_000),
                LedgerCadence { clean, from_the_first },
                "{text}"
            );
        }
    }
}
