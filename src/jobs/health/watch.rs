//! The checks around the ledger: its loop, its venue, the clock, the scheduler, the disk. Pure.

use std::fmt::Write as _;

use super::{
    facts::{Facts, Followed},
    judge::{Judge, ago, long, ms},
};
use crate::{
    checklist::{CheckItem, Level},
    domain::time::UtcMs,
    jobs::live::voice::STALE_BARS,
    manifest::SchedulerWatch,
};

/// Questions without an answer, one after the other, above which somebody should look.
const FAILED_MAX: u32 = 2;

pub fn checks(judge: &Judge<'_>, facts: &Facts) -> Vec<CheckItem> {
    let mut checks = vec![
        writer(judge, facts),
        live_run(judge, facts),
        feed(judge, facts),
        clock_skew(judge, facts),
        scheduler(judge, facts),
        disk_free(judge, facts),
    ];
    checks.extend(facts.model.as_ref().map(|followed| model(judge, facts, followed)));
    checks.extend(drill(facts));
    checks
}

/// A lock that is held says that a loop is there, not that it moves: the age of the decisions says that.
fn writer(judge: &Judge<'_>, facts: &Facts) -> CheckItem {
    let (level, value) = if facts.is_held {
        (Level::Ok, "held by a loop")
    } else {
        (Level::Warn, "not held: no loop is at work")
    };
    // In recorded or simulated time a loop has to be started as it was: with its source, or its venue and speed.
    let next = if facts.is_recorded {
        "runner history live --last 5".to_owned()
    } else {
        format!("runner run jobs/live.toml -p {}", judge.words())
    };
    CheckItem::new("writer-lock", level, value).limit("held").next(next)
}

/// A loop that was started for a drill, or to look only, does not do its work.
fn drill(facts: &Facts) -> Option<CheckItem> {
    let on = &facts.drills;
    let next = match &facts.live_run {
        Some((run, _)) => format!("runner stop {run}"),
        None => "runner stop live".to_owned(),
    };
    let check = || CheckItem::new("drill", Level::Warn, on.join("; ")).limit("none").next(next);
    (!on.is_empty()).then(check)
}

fn live_run(judge: &Judge<'_>, facts: &Facts) -> CheckItem {
    let Some((run, state)) = &facts.live_run else {
        return CheckItem::skipped("live-run", "no live run is recorded");
    };
    let Some(state) = state else {
        return CheckItem::skipped("live-run", format!("run {run} has no record"));
    };
    let level = if state.went_wrong() { Level::Warn } else { Level::Ok };
    let value = format!("{} ({run})", state.name());
    CheckItem::new("live-run", level, value).limit("not failed").next(judge.look(facts))
}

/// A loop looks at its start for the model in use, and goes on with the one it found. That is no fault: this only warns.
fn model(judge: &Judge<'_>, facts: &Facts, Followed { present, in_use }: &Followed) -> CheckItem {
    let check =
        |level, value: String| CheckItem::new("model", level, value).limit("the one in use");
    let in_use = match in_use {
        Ok(in_use) if in_use.id == *present => return check(Level::Ok, present.to_string()),
        Ok(in_use) => in_use,
        Err(why) => {
            let value = format!("deciding with {present}; cannot read the current model: {why}");
            return check(Level::Warn, value).next("cat data/models/current");
        }
    };
    let (id, unfit) = (in_use.id, in_use.unfit.as_ref());
    let since = in_use.since.map_or(String::new(), |at| format!(" since {at}"));
    let value = format!("{present} speaks, another model is in use{since}, {id}");
    if let Some(why) = unfit {
        let value = format!("{value}; this ledger cannot follow it: {why}");
        return check(Level::Warn, value).next("runner run jobs/promote.toml -p rollback=true");
    }
    let next = match &facts.live_run {
        Some((run, _)) if facts.is_held => format!("runner stop {run}"),
        Some(_) | None => format!("runner run jobs/live-model.toml -p {}", judge.words()),
    };
    check(Level::Warn, format!("{value}: start the loop again to follow it")).next(next)
}

fn feed(judge: &Judge<'_>, facts: &Facts) -> CheckItem {
    let Some(heard) = &facts.heard else {
        return CheckItem::skipped("feed", "no loop on a venue has reported");
    };
    let answered = heard.answered_ms.map(|ms| UtcMs::EPOCH.plus_ms(ms));
    let mut value = answered
        .map_or("never answered".to_owned(), |at| format!("answered {}", ago(facts.now, at)));
    let failed = heard.failed_in_a_row;
    if failed > 0 {
        let why = heard.trouble.as_deref().unwrap_or("the cause is unknown");
        let _ = write!(value, ", {failed} questions failed since: {why}");
    }
    let level = if failed > FAILED_MAX { Level::Warn } else { Level::Ok };
    // An answer without what has closed since is none.
    let most_ms = STALE_BARS * judge.series.timeframe().ms();
    let stale = heard.newest_ms.filter(|newest_ms| {
        heard.answered_ms.is_some_and(|answered_ms| answered_ms - newest_ms > most_ms)
    });
    if let Some(newest_ms) = stale {
        let newest = UtcMs::EPOCH.plus_ms(newest_ms);
        let _ = write!(value, ", without a new bar since {newest}");
        let limit = format!("a new bar within {STALE_BARS} bars");
        return CheckItem::new("feed", Level::Warn, value).limit(limit).next(judge.look(facts));
    }
    let limit = format!("at most {FAILED_MAX} failures in a row");
    CheckItem::new("feed", level, value).limit(limit).next(judge.look(facts))
}

fn clock_skew(judge: &Judge<'_>, facts: &Facts) -> CheckItem {
    let Some(skew_ms) = facts.heard.as_ref().and_then(|heard| heard.skew_ms) else {
        return CheckItem::skipped("clock-skew", "no venue has answered with its time");
    };
    let most_ms = ms(&judge.table.clock_skew_max);
    let side = if skew_ms > 0 { "behind" } else { "ahead of" };
    let value = format!("{} ms {side} the venue's clock", skew_ms.unsigned_abs());
    let is_off = skew_ms.unsigned_abs() > most_ms.unsigned_abs();
    let level = if is_off { Level::Warn } else { Level::Ok };
    CheckItem::new("clock-skew", level, value)
        .limit(format!("within {most_ms} ms"))
        .next("timedatectl")
}

fn scheduler(judge: &Judge<'_>, facts: &Facts) -> CheckItem {
    let most_ms = ms(&judge.table.scheduler_age_max);
    let limit = format!("within {}", long(most_ms));
    let check = |level, value: String| {
        CheckItem::new("scheduler", level, value).limit(limit).next("runner serve")
    };
    let tick = match (judge.table.scheduler, &facts.tick) {
        (SchedulerWatch::Off, _) => return CheckItem::skipped("scheduler", "not expected here"),
        (_, Err(error)) => return check(Level::Fail, error.clone()),
        (SchedulerWatch::Auto, Ok(None)) => {
            return CheckItem::skipped("scheduler", "none has run here");
        }
        (SchedulerWatch::Required, Ok(None)) => {
            return check(Level::Fail, "none has run here".to_owned());
        }
        (_, Ok(Some(tick))) => *tick,
    };
    if let Some(ahead) = facts.silent {
        let next = "runner rewind --reason \"the clock was wrong\"";
        return check(Level::Fail, ahead.to_string()).next(next);
    }
    let age_ms = facts.now.get() - tick.get();
    let level = if age_ms > most_ms {
        Level::Fail
    } else if age_ms < -most_ms {
        Level::Warn
    } else {
        Level::Ok
    };
    check(level, format!("looked at its clock {}", ago(facts.now, tick)))
}

fn disk_free(judge: &Judge<'_>, facts: &Facts) -> CheckItem {
    let (warn, fail) = (judge.table.disk_free_warn.get(), judge.table.disk_free_fail.get());
    let check = |level, value: String| {
        CheckItem::new("disk-free", level, value)
            .limit(format!("{warn}, and {fail} to fail"))
            .next("du -sh data/*")
    };
    match &facts.free {
        Err(error) => check(Level::Fail, error.clone()),
        Ok((room, place)) => {
            let level = if room.bytes < fail.bytes() {
                Level::Fail
            } else if room.bytes < warn.bytes() {
                Level::Warn
            } else {
                Level::Ok
            };
            let place = place.as_ref().map_or_else(String::new, |place| format!(" in {place}"));
            check(level, format!("{} MiB{place}", room.bytes >> 20))
        }
    }
}
