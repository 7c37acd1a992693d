//! What is worth a sentence: each with a number and a place of the page to look at. Silent where there is nothing to say.

use serde::Serialize;

use super::{
    gather::{Period, Report},
    header::ProofState,
    number::{count, fixed, gain, minute, money, percent, span},
    trade::Trade,
};
use crate::domain::time::DAY_MS;

/// Fewer trades say nothing.
const TRADES_MIN: u64 = 30;
/// From this share of the gross on, fees are worth a word.
const FEES_SHARE: f64 = 0.25;
/// From this share of the profit on, a few trades are worth a word.
const FEW_SHARE: f64 = 0.5;
/// How many are a few.
const FEW: usize = 3;
/// Days without a position that are worth a word, if they are also this part of the whole.
const IDLE_DAYS: i64 = 7;
const IDLE_SHARE: f64 = 0.2;
/// From this share of the slots on, a reason to skip is worth a word.
const SKIP_SHARE: f64 = 0.01;
/// How much worse than holding.
const POINTS_MIN: f64 = 0.01;
/// How sure a Sharpe ratio must be.
const PSR_MIN: f64 = 0.95;
/// Vetoed entries that are worth a word, as a part of all that were wanted.
const BLOCKED_SHARE: f64 = 0.1;

/// One sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The sentence.
    pub text: String,
    /// The section of the page that shows more.
    pub at: &'static str,
}

/// The sentences about a report, all figures of which are there, and all of its trades.
pub(super) fn findings(report: &Report, trades: &[Trade]) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut say = |at: &'static str, text: Option<String>| {
        found.extend(text.map(|text| Finding { text, at }));
    };
    let period = &report.period;
    if period.slots == 0 {
        say("period", Some("the ledger has no row yet: there is nothing to report".to_owned()));
        return found;
    }
    say("proof", unproved(&report.proof));
    say("period", risk(period));
    if period.decided == 0 {
        say("period", Some(never_decided(period.slots)));
    }
    for (reason, times) in &period.skipped {
        say("period", skipped(period, reason, *times));
    }
    say("trades", few_trades(trades.len() as u64, period));
    say("figures", fees(trades));
    say("trades", concentrated(trades));
    say("equity", holding(report));
    say("figures", unsure(report));
    say("trades", idle(period));
    say("period", blocked(period, trades.len() as u64));
    say("doubt", gaps(report));
    say("doubt", ambiguous(report));
    say("equity", under_water(report));
    say("trades", open(period));
    found
}

fn unproved(proof: &ProofState) -> Option<String> {
    match proof {
        ProofState::Found(found) if !found.is_same => Some(
            "the ledger does not have the bytes any more that its last proof compared".to_owned(),
        ),
        ProofState::Found(found) if !found.is_pass => Some(format!(
            "the last proof says {}{}",
            found.verdict,
            found.mismatch.as_ref().map_or_else(String::new, |place| format!(": {place}"))
        )),
        ProofState::None { .. } | ProofState::Found(_) => None,
    }
}

fn never_decided(slots: u64) -> String {
    match slots {
        1 => "the only slot was skipped: the rules were never asked".to_owned(),
        many => format!("all {} slots were skipped: the rules were never asked", count(many)),
    }
}

fn risk(period: &Period) -> Option<String> {
    let (state, since) = period.risk?;
    Some(format!("the risk state is {state} since {}", minute(since)))
}

fn skipped(period: &Period, reason: &str, times: u64) -> Option<String> {
    let share = times as f64 / period.slots as f64;
    (share >= SKIP_SHARE).then(|| {
        format!("{} of the slots were skipped: {reason} ({})", percent(share), count(times))
    })
}

fn few_trades(trades: u64, period: &Period) -> Option<String> {
    match trades {
        0 if period.open.is_some() => Some("no trade is closed yet".to_owned()),
        0 => Some("not one trade".to_owned()),
        1 => Some("one trade: too few to say anything".to_owned()),
        few if few < TRADES_MIN => Some(format!("{few} trades: too few to say anything")),
        _ => None,
    }
}

fn fees(trades: &[Trade]) -> Option<String> {
    let fees: f64 = trades.iter().map(|trade| trade.fees).sum();
    let gross: f64 = trades.iter().map(|trade| trade.pnl + trade.fees).sum();
    if trades.is_empty() || fees <= 0.0 {
        None
    } else if gross <= 0.0 {
        Some(format!(
            "the closed trades lose {} before fees, and their fees add {}",
            money(-gross),
            money(fees)
        ))
    } else if fees >= gross {
        Some(format!(
            "the fees of the closed trades, {}, eat more than all of their gross of {}",
            money(fees),
            money(gross)
        ))
    } else {
        let share = fees / gross;
        (share >= FEES_SHARE).then(|| format!("fees eat {} of gross", percent(share)))
    }
}

/// Whether the profit hangs on a few trades.
fn concentrated(trades: &[Trade]) -> Option<String> {
    let total: f64 = trades.iter().map(|trade| trade.pnl).sum();
    if trades.len() <= FEW || total <= 0.0 {
        return None;
    }
    let mut results: Vec<f64> = trades.iter().map(|trade| trade.pnl).collect();
    results.sort_by(|a, b| b.total_cmp(a));
    let best: f64 = results[..FEW].iter().sum();
    if best >= total {
        let rest = money(total - best);
        Some(format!("without its {FEW} best trades the whole comes to {rest}"))
    } else {
        let share = best / total;
        (share >= FEW_SHARE)
            .then(|| format!("{} of the profit came from {FEW} trades", percent(share)))
    }
}

fn holding(report: &Report) -> Option<String> {
    let figure = |key: &str| report.figures.get(key).copied().flatten();
    let behind = figure("holding_return")? - figure("total_return")?;
    (behind >= POINTS_MIN).then(|| {
        let points = fixed(behind * 100.0, 0);
        let word = if points == "1" { "point" } else { "points" };
        format!("worse than holding by {points} {word}")
    })
}

fn unsure(report: &Report) -> Option<String> {
    let figure = |key: &str| report.figures.get(key).copied().flatten();
    let (sharpe, psr) = (figure("sharpe")?, figure("psr")?);
    if sharpe <= 0.0 || psr >= PSR_MIN {
        return None;
    }
    let needs = figure("track_days_min").map_or_else(String::new, |days| {
        format!(": it needs {} days, there are {}", fixed(days, 0), fixed(report.period.days, 0))
    });
    Some(format!("the chance that the true Sharpe ratio is above zero is {}{needs}", percent(psr)))
}

fn idle(period: &Period) -> Option<String> {
    let (from, to) = period.idle_ts_ms?;
    let is_long = to - from >= IDLE_DAYS * DAY_MS
        && (to - from) as f64 >= IDLE_SHARE * period.days * DAY_MS as f64;
    is_long.then(|| format!("no trade for {}, from {} on", span(to - from), minute(from)))
}

fn blocked(period: &Period, trades: u64) -> Option<String> {
    let blocked: u64 = period.blocked.values().sum();
    let (by, most) = period.blocked.iter().max_by_key(|(_, times)| **times)?;
    (blocked as f64 >= BLOCKED_SHARE * (blocked + trades) as f64).then(|| {
        let by =
            if *most == blocked { by.clone() } else { format!("{} of them {by}", count(*most)) };
        match blocked {
            1 => format!("one entry was blocked: {by}"),
            many => format!("{} entries were blocked: {by}", count(many)),
        }
    })
}

fn gaps(report: &Report) -> Option<String> {
    let doubt = &report.doubt;
    let beyond = doubt.beyond_mean?;
    let word = if doubt.gaps == 1 { "stop" } else { "stops" };
    Some(format!(
        "{} of {} {word} filled at an open beyond the level, by {} on average",
        count(doubt.gaps),
        count(doubt.stops),
        percent(beyond)
    ))
}

fn ambiguous(report: &Report) -> Option<String> {
    let doubt = &report.doubt;
    (doubt.ambiguous > 0).then(|| {
        format!(
            "stop and target lay inside one bar {} times: booked with {}, at most {}",
            count(doubt.ambiguous),
            gain(doubt.ambiguous_pnl),
            gain(doubt.ambiguous_pnl_most)
        )
    })
}

fn under_water(report: &Report) -> Option<String> {
    let fall = report.drawdowns.iter().find(|fall| fall.recovered_ts_ms.is_none())?;
    let lasts = report.period.last_ts_ms - fall.peak_ts_ms;
    let is_long = lasts >= 30 * DAY_MS
        || lasts >= DAY_MS && lasts as f64 >= 0.5 * report.period.days * DAY_MS as f64;
    is_long.then(|| format!("below its peak of {} for {}", minute(fall.peak_ts_ms), span(lasts)))
}

fn open(period: &Period) -> Option<String> {
    let (side, since) = period.open?;
    Some(format!("a {side} position is open since {}: it is in no figure of trades", minute(since)))
}
