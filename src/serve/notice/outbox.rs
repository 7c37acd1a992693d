//! What goes out next to one receiver: pure rules over what waits, so that an outage, a catch-up or a restart never sends a flood.

use super::ledger_event::LedgerEvent;
use crate::{
    domain::time::{Timeframe, UtcMs},
    store::runs::{NoticeState, StoredNotice},
};

/// Of more waiting notices than this one message is made.
pub const SINGLES_MAX: usize = 5;
/// An event whose slot closed so many bars and milliseconds ago is one that was caught up with.
const LATE_BARS: i64 = 3;
const LATE_MS: i64 = 5 * 60_000;
/// How long a ledger that catches up must rest before its events go out.
pub const QUIET_MS: i64 = 5_000;
/// They wait no longer than this.
const HELD_MAX_MS: i64 = 10 * 60_000;

/// What is known beside the notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxFacts {
    pub now: UtcMs,
    /// How long the ledger did not grow.
    pub rests_ms: i64,
    /// Messages that this receiver got in the last hour.
    pub sent: u32,
    /// How many it may get.
    pub most: u32,
}

/// What goes out next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextMessage {
    /// Nothing waits, or what waits has to.
    Nothing,
    /// These were on their way when a service ended: the same message again.
    Again(Vec<StoredNotice>),
    /// This one by itself.
    Single(StoredNotice),
    /// All of these as one message.
    Digest(Vec<StoredNotice>),
}

/// What goes out next of what waits, which is in the order of noting.
pub fn next_message(waiting: &[StoredNotice], facts: OutboxFacts) -> NextMessage {
    let sending = |one: &&StoredNotice| one.state == NoticeState::Sending;
    if let Some(first) = waiting.iter().find(sending) {
        let same = waiting.iter().filter(sending).filter(|one| one.batch == first.batch);
        return NextMessage::Again(same.cloned().collect());
    }
    let Some(first) = waiting.first() else { return NextMessage::Nothing };
    let is_urgent = waiting.iter().any(is_urgent);
    if facts.sent >= facts.most && !is_urgent {
        return NextMessage::Nothing;
    }
    let is_held = facts.now.get() - first.seen.get() < HELD_MAX_MS;
    let catches_up = waiting.iter().all(|one| is_late(one, facts.now));
    if catches_up && is_held && facts.rests_ms < QUIET_MS {
        return NextMessage::Nothing;
    }
    if waiting.len() > SINGLES_MAX || (is_urgent && facts.sent >= facts.most) {
        return NextMessage::Digest(waiting.to_vec());
    }
    NextMessage::Single(first.clone())
}

fn is_urgent(one: &StoredNotice) -> bool {
    LedgerEvent::of_facts(&one.notice.facts).is_some_and(|event| event.change.is_urgent())
}

/// Whether a slot was decided long after its close.
fn is_late(one: &StoredNotice, now: UtcMs) -> bool {
    let event = LedgerEvent::of_facts(&one.notice.facts);
    let bar_ms = event.and_then(|event| event.timeframe.parse().ok()).map_or(0, Timeframe::ms);
    now.get() - one.notice.at.get() > LATE_BARS * bar_ms + LATE_MS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        serve::notice::ledger_event::{LedgerChange, TradeFacts},
        store::runs::NewNotice,
    };

    const NOW: i64 = 1_700_006_400_000;

    fn at(ms: i64) -> UtcMs {
        UtcMs::new(ms).unwrap()
    }

    fn waiting(n: i64, age_ms: i64, is_risk: bool) -> StoredNotice {
        let text = |text: &str| text.to_owned();
        let trade = TradeFacts {
            trade_id: text("1"),
            side: text("long"),
            price: text("1"),
            size: text("1"),
            fee: text("0"),
            pnl: text("0"),
            reason: text("x"),
        };
        let risk =
            LedgerChange::Risk { state: text("HALTED"), before: text("ACTIVE"), why: text("x") };
        let event = LedgerEvent {
            tag: text("t"),
            exchange: text("demo"),
            symbol: text("BTC/USD"),
            timeframe: text("5m"),
            ts_ms: NOW - age_ms,
            change: if is_risk { risk } else { LedgerChange::Entry(trade) },
        };
        let notice = NewNotice {
            id: n.to_string(),
            sink: text("webhook"),
            job: text("live"),
            event: event.change.on().name().to_owned(),
            at: at(event.ts_ms),
            facts: event.facts(),
        };
        let state = NoticeState::Queued;
        StoredNotice { n, notice, seen: at(NOW - 1_000), state, batch: None }
    }

    fn shown(next: &NextMessage) -> String {
        let all = |all: &[StoredNotice]| {
            all.iter().map(|one| one.n.to_string()).collect::<Vec<_>>().join(" ")
        };
        match next {
            NextMessage::Nothing => "nothing".to_owned(),
            NextMessage::Again(again) => format!("again {}", all(again)),
            NextMessage::Single(one) => format!("single {}", one.n),
            NextMessage::Digest(many) => format!("digest {}", all(many)),
        }
    }

    #[test]
    fn few_go_out_one_by_one_many_as_a_digest_and_what_was_on_its_way_first() {
        let fresh = |n: i64| (1..=n).map(|n| waiting(n, 1_000, false)).collect::<Vec<_>>();
        let facts = OutboxFacts { now: at(NOW), rests_ms: 0, sent: 0, most: 30 };
        let next = |all: &[StoredNotice], facts| shown(&next_message(all, facts));
        assert_eq!(next(&[], facts), "nothing");
        assert_eq!(next(&fresh(1), facts), "single 1");
        assert_eq!(next(&fresh(5), facts), "single 1");
        assert_eq!(next(&fresh(6), facts), "digest 1 2 3 4 5 6");
        let full = OutboxFacts { sent: 30, ..facts };
        assert_eq!(next(&fresh(6), full), "nothing", "an hour has its bound");
        let mut urgent = fresh(2);
        urgent.push(waiting(3, 1_000, true));
        assert_eq!(next(&urgent, full), "digest 1 2 3", "but a limit that trips does not wait");
        assert_eq!(next(&urgent, facts), "single 1");
        let mut sending = fresh(7);
        for (n, batch) in [(2, "b"), (3, "a"), (4, "b")] {
            sending[n].state = NoticeState::Sending;
            sending[n].batch = Some(batch.to_owned());
        }
        assert_eq!(next(&sending, full), "again 3 5");
    }

    #[test]
    fn what_is_caught_up_with_waits_until_the_ledger_rests() {
        let old = |n: i64| (1..=n).map(|n| waiting(n, 90 * 60_000, false)).collect::<Vec<_>>();
        let facts = OutboxFacts { now: at(NOW), rests_ms: 1_000, sent: 0, most: 30 };
        let next = |all: &[StoredNotice], facts| shown(&next_message(all, facts));
        assert_eq!(next(&old(3), facts), "nothing");
        let rests = OutboxFacts { rests_ms: QUIET_MS, ..facts };
        assert_eq!(next(&old(3), rests), "single 1");
        assert_eq!(next(&old(300), rests).split(' ').count(), 301);
        let mut caught_up = old(9);
        caught_up.push(waiting(10, 1_000, false));
        assert_eq!(next(&caught_up, facts).split(' ').count(), 11, "it lives in the present again");
        let mut long = old(3);
        long[0].seen = at(NOW - HELD_MAX_MS);
        assert_eq!(next(&long, facts), "single 1", "a ledger that never rests is told of too");
    }
}
