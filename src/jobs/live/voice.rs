//! What a loop says while it works: each entry, exit, veto, command and slot without a decision, each outage and its end, and a heartbeat.
//! Pure: it returns lines, and knows no clock. What repeats is said ever more rarely, with a count.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    cycle::{DecidedSlot, Fetched, LoopEvent, LoopTrouble},
    repeats::{Lasting, Repeated, Streak, span},
};
use crate::{
    domain::{
        command::{Command, in_order_of_effect},
        decision::{
            Action, Block, Decision, Event, Reason, RiskState, Side, SkipReason, TradeEvent,
        },
        series::Series,
        time::{Now, SlotTs, Steady, UtcMs},
    },
    store::rows::signals::SlotOrigin,
};

/// Between two heartbeats, of a loop that lives as fast as people do.
const BEAT_MS: i64 = 3_600_000;
/// A venue whose newest closed bar is older than so many bars shows no new one.
pub const STALE_BARS: i64 = 2;

/// Most different troubles of one outage that are said beside their count: a text may hold a number that changes.
const REASONS_MAX: usize = 16;

/// A line for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoiceLine {
    /// How much it matters.
    pub level: VoiceLevel,
    pub text: String,
}

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VoiceLevel {
    /// An operator may want to know.
    Info,
    /// An operator should look.
    Warn,
}

fn info(text: String) -> VoiceLine {
    VoiceLine { level: VoiceLevel::Info, text }
}

fn warn(text: String) -> VoiceLine {
    VoiceLine { level: VoiceLevel::Warn, text }
}

/// How much a loop says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Every event, and a heartbeat; so many times faster than people live.
    Events {
        /// 1 in real time.
        factor: u32,
    },
    /// Recorded bars as fast as they can be decided: what happened is counted, and told at the end.
    Summary,
}

/// What the loop knows of itself before it decides anything.
#[derive(Debug, Clone)]
pub struct VoiceStart {
    pub series: Series,
    /// How much is said.
    pub detail: Detail,
    /// Whether the bars come from a venue that may be silent.
    pub is_venue: bool,
    /// Whether no ledger is written.
    pub is_dry: bool,
    /// The last decided slot.
    pub last: Option<SlotTs>,
    /// The position held.
    pub position: Option<Side>,
    pub equity: String,
    pub risk: RiskState,
}

/// What the loop says.
pub struct Voice {
    start: VoiceStart,
    /// What was decided last in this run.
    decided: Option<(Action, Reason)>,
    answered: Option<UtcMs>,
    outage: Lasting,
    /// The troubles of this outage that were said.
    reasons: BTreeSet<String>,
    troubles: BTreeMap<LoopTrouble, Lasting>,
    skips: Streak<SkipReason>,
    vetoes: Streak<Block>,
    late: Streak<()>,
    next_beat: Option<Steady>,
}

impl Voice {
    /// Of a loop that starts.
    pub fn new(start: VoiceStart) -> Self {
        Self {
            start,
            decided: None,
            answered: None,
            outage: Lasting::default(),
            reasons: BTreeSet::new(),
            troubles: BTreeMap::new(),
            skips: Streak::default(),
            vetoes: Streak::default(),
            late: Streak::default(),
            next_beat: None,
        }
    }

    /// A turn of the loop: a heartbeat, when one is due.
    pub fn turn(&mut self, now: Now) -> Option<VoiceLine> {
        let Detail::Events { factor } = self.start.detail else { return None };
        // No more than one in a minute of real time, however fast time passes.
        let step_ms = BEAT_MS * i64::from(factor.div_ceil(60));
        let next = *self.next_beat.get_or_insert(now.up.plus_ms(step_ms));
        if now.up < next {
            return None;
        }
        self.next_beat = Some(now.up.plus_ms(step_ms));
        Some(info(self.beat(now)))
    }

    fn beat(&self, now: Now) -> String {
        let VoiceStart { last, position, equity, risk, .. } = &self.start;
        let slot = last.map_or_else(
            || "nothing is decided".to_owned(),
            |last| {
                format!("last slot {} ({} ago)", last.close(), span(now.at.get() - last.ts_ms()))
            },
        );
        let decided = self
            .decided
            .map_or(String::new(), |(action, reason)| format!(", {} ({reason})", action.name()));
        let position = position.map_or("flat", Side::name);
        let feed = match (self.outage.met_so_far(), self.answered) {
            _ if !self.start.is_venue => "recorded".to_owned(),
            (Some(met), _) => format!("in trouble for {}", met.summary(now.up)),
            (None, Some(at)) => format!("answered {} ago", span(now.at.get() - at.get())),
            (None, None) => "not asked yet".to_owned(),
        };
        let risk = risk.name();
        format!(
            "heartbeat: {slot}{decided}, position {position}, equity {equity}, risk {risk}, feed {feed}"
        )
    }

    /// What came of a question to the feed.
    pub fn fetched(&mut self, fetched: &Fetched<'_>) -> Option<VoiceLine> {
        let Fetched { asked, newest, error, .. } = *fetched;
        if let Some(error) = error {
            let met = self.outage.met(asked.up);
            // Another trouble than before is said at once, each once in an outage.
            let is_new = self.reasons.len() < REASONS_MAX && self.reasons.insert(error.why.clone());
            let again = match (met, is_new) {
                (Some(met), _) => met.again(asked.up),
                (None, true) => String::new(),
                (None, false) => return None,
            };
            return Some(warn(format!("{error}{again}")));
        }
        self.answered = Some(asked.at);
        let timeframe = self.start.series.timeframe();
        if !self.start.is_venue {
            return None;
        }
        let age_ms = newest.map(|newest| asked.at.get() - newest.ts_ms());
        if age_ms.is_none_or(|age_ms| age_ms > STALE_BARS * timeframe.ms()) {
            let met = self.outage.met(asked.up)?;
            let shows = newest.map_or_else(
                || "shows no closed bar".to_owned(),
                |newest| format!("shows no new bar: its newest closed at {}", newest.close()),
            );
            let again = met.again(asked.up);
            return Some(warn(format!(
                "{} answers and {shows}{again}",
                self.start.series.exchange()
            )));
        }
        // It shows all there is, and nothing is left to decide.
        let is_whole = newest >= timeframe.last_closed(asked.at) && self.start.last >= newest;
        is_whole.then(|| self.well(asked.up)).flatten()
    }

    /// The venue is well: the end of an outage, if there was one.
    fn well(&mut self, up: Steady) -> Option<VoiceLine> {
        let met = self.outage.over()?;
        self.reasons.clear();
        let venue = self.start.series.exchange();
        Some(info(format!("{venue} answers again after {}", met.summary(up))))
    }

    /// What an operator should know.
    pub fn say(&mut self, word: LoopEvent, up: Steady) -> Option<VoiceLine> {
        match word {
            LoopEvent::Once(text) => Some(warn(text)),
            LoopEvent::Still(trouble, text) => {
                let met = self.troubles.entry(trouble).or_default().met(up)?;
                Some(warn(format!("{text}{}", met.again(up))))
            }
            LoopEvent::Over(trouble) => {
                let met = self.troubles.get_mut(&trouble)?.over()?;
                let what = match trouble {
                    LoopTrouble::Store => "bars are stored again",
                    LoopTrouble::Load => "bars are read again",
                    LoopTrouble::Gate => "the commands ledger is free again",
                };
                Some(info(format!("{what} after {}", met.summary(up))))
            }
        }
    }

    /// A slot that was decided.
    pub fn settled(&mut self, slot: &DecidedSlot<'_>, up: Steady) -> Vec<VoiceLine> {
        let DecidedSlot { decision, origin, events, commands, before, is_answered } = *slot;
        let ts = decision.ts;
        let mut lines = Vec::new();
        if self.start.is_dry {
            lines.push(info(format!("{}, not written: this is a dry run", decided(decision))));
        }
        let Detail::Events { .. } = self.start.detail else { return lines };
        lines.extend(obeyed(commands, before, ts).map(|command| {
            let Command { order, who, reason, .. } = command;
            info(format!("slot {}: obeys {order} of {who}: {reason}", ts.close()))
        }));
        self.catch_up(origin, ts, &mut lines);
        lines.extend(events.iter().map(|event| info(filled(event))));
        self.decision(decision, &mut lines);
        if decision.risk_state != self.start.risk {
            let (new, old) = (decision.risk_state.name(), self.start.risk.name());
            let level = if decision.risk_state == RiskState::Active { info } else { warn };
            lines.push(level(format!("slot {}: risk is {new}, it was {old}", ts.close())));
        }
        if is_answered && decision.close.is_some() {
            lines.extend(self.well(up));
        }
        self.decided = Some((decision.action, decision.reason));
        self.start.last = Some(ts);
        self.start.position = decision.position;
        self.start.equity = decision.equity.to_string();
        self.start.risk = decision.risk_state;
        lines
    }

    fn catch_up(&mut self, origin: SlotOrigin, ts: SlotTs, lines: &mut Vec<VoiceLine>) {
        let (ended, now) = self.late.step((origin == SlotOrigin::Catchup).then_some(()), ts);
        if let Some(run) = ended {
            lines.push(caught_up(&run));
        }
        if now.is_some_and(|run| run.count == 1) {
            lines.push(info(format!("slot {}: it was missed; catching up from here", ts.close())));
        }
    }

    fn decision(&mut self, decision: &Decision, lines: &mut Vec<VoiceLine>) {
        let ts = decision.ts;
        let skipped =
            (decision.action == Action::Skip).then(|| skip_reason(decision.reason)).flatten();
        let (ended, now) = self.skips.step(skipped, ts);
        if let Some(run) = ended.filter(|run| run.count > 1) {
            let what = run.what.name();
            lines.push(info(format!(
                "slot {}: decided again, after {} slots {what}",
                ts.close(),
                run.count
            )));
        }
        if let Some(run) = now {
            let level = if is_hindered(run.what) { warn } else { info };
            lines.push(level(in_a_row("no decision", run.what.name(), &run, ts)));
        }
        let (_, now) = self.vetoes.step(decision.blocked_by, ts);
        if let Some(run) = now {
            let rule = decision.reason;
            lines.push(info(in_a_row(
                &format!("what {rule} wants is vetoed"),
                run.what.name(),
                &run,
                ts,
            )));
        }
        match decision.action {
            Action::Enter(_) | Action::Exit => lines.push(info(decided(decision))),
            Action::Hold | Action::Skip => {}
        }
    }

    /// What is still to be said when the loop ends.
    pub fn end(&mut self) -> Option<VoiceLine> {
        self.late.over().map(|run| caught_up(&run))
    }
}

fn caught_up(run: &Repeated<()>) -> VoiceLine {
    let (first, last) = (run.first.close(), run.first.plus(run.count as i64 - 1).close());
    let slots = if run.count == 1 { "slot" } else { "slots" };
    info(format!("caught up: {} missed {slots}, {first} to {last}", run.count))
}

fn decided(decision: &Decision) -> String {
    let Decision { ts, action, reason, equity, .. } = decision;
    format!("slot {}: {} ({reason}), equity {equity}", ts.close(), action.name())
}

fn in_a_row<K>(what: &str, why: &str, run: &Repeated<K>, ts: SlotTs) -> String {
    let row = match run.count {
        1 => String::new(),
        count => format!(", {count} slots in a row since {}", run.first.close()),
    };
    format!("slot {}: {what}: {why}{row}", ts.close())
}

/// What happened to the position.
fn filled(event: &TradeEvent) -> String {
    let TradeEvent { ts, side, price, qty, pnl, .. } = event;
    let (at, side) = (ts.close(), side.name());
    match event.event {
        Event::Open(rule) => format!("slot {at}: opened {side} {qty} at {price} ({rule})"),
        Event::Close(reason) => {
            let how = if reason.is_stop() { "stopped out of" } else { "closed" };
            let reason = reason.name();
            format!("slot {at}: {how} {side} {qty} at {price} ({reason}), result {pnl}")
        }
    }
}

/// The commands that take effect at a slot.
fn obeyed(
    commands: &[Command],
    before: Option<SlotTs>,
    ts: SlotTs,
) -> impl Iterator<Item = &Command> {
    let is_due =
        move |at: UtcMs| at <= ts.close() && before.is_none_or(|before| at > before.close());
    // Sorting is for those few slots at which one is due.
    let due = if commands.iter().any(|command| is_due(command.at)) {
        in_order_of_effect(commands)
    } else {
        Vec::new()
    };
    due.into_iter().map(|(_, command)| command).filter(move |command| is_due(command.at))
}

fn skip_reason(reason: Reason) -> Option<SkipReason> {
    SkipReason::ALL.into_iter().find(|known| reason == known.name())
}

/// Whether something outside the rules keeps a slot from being decided.
fn is_hindered(reason: SkipReason) -> bool {
    match reason {
        SkipReason::FetchFailed
        | SkipReason::PersistFailed
        | SkipReason::BarMissing
        | SkipReason::Downtime => true,
        SkipReason::NotEnoughBars
        | SkipReason::CadenceFailed
        | SkipReason::FeaturesInvalid
        | SkipReason::CatchupNoEntry
        | SkipReason::Halted => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{
            command::CommandKind,
            money::{Money, Price, Qty},
            time::Timeframe,
        },
        exchange::{feed::FeedError, venue::answer::FaultClass},
    };

    fn slot(n: i64) -> SlotTs {
        Timeframe::M5.slot(1_700_006_400_000).unwrap().plus(n)
    }

    fn at(n: i64, ms: i64) -> Now {
        let at = slot(n).close().plus_ms(ms);
        Now { at, up: Steady::new(at.get()) }
    }

    fn voice(detail: Detail) -> Voice {
        let series =
            Series::new("kraken".parse().unwrap(), "BTC/USD".parse().unwrap(), Timeframe::M5);
        Voice::new(VoiceStart {
            series,
            detail,
            is_venue: true,
            is_dry: false,
            last: Some(slot(0)),
            position: None,
            equity: "10000".to_owned(),
            risk: RiskState::Active,
        })
    }

    const EVENTS: Detail = Detail::Events { factor: 1 };

    fn row(n: i64, action: Action, reason: &'static str) -> Decision {
        let is_skip = action == Action::Skip;
        Decision {
            ts: slot(n),
            action,
            reason: Reason::new(reason),
            blocked_by: None,
            score: None,
            position: None,
            close: (!is_skip).then_some(1.0),
            entry_px: None,
            stop_px: None,
            equity: Money::new(10_000.into()),
            risk_state: RiskState::Active,
            bar_hash: None,
            feat_hash: None,
            state_hash: 0,
        }
    }

    fn settled(decision: &Decision, origin: SlotOrigin) -> DecidedSlot<'_> {
        let before = Some(decision.ts.plus(-1));
        let (events, commands) = (&[][..], &[][..]);
        DecidedSlot { decision, origin, events, commands, before, is_answered: true }
    }

    fn texts(lines: &[VoiceLine]) -> Vec<String> {
        let mark = |level| if level == VoiceLevel::Warn { "! " } else { "" };
        lines.iter().map(|line| format!("{}{}", mark(line.level), line.text)).collect()
    }

    /// What the voice says of a slot, without the slot.
    fn told(voice: &mut Voice, decision: &Decision, origin: SlotOrigin) -> Vec<String> {
        let up = Steady::new(decision.ts.ts_ms());
        let said = texts(&voice.settled(&settled(decision, origin), up));
        let slot = format!("slot {}: ", decision.ts.close());
        said.iter().map(|text| text.replace(&slot, "")).collect()
    }

    #[test]
    fn entries_exits_stops_and_vetoes_are_said_and_a_hold_is_not() {
        let mut voice = voice(EVENTS);
        assert!(told(&mut voice, &row(1, Action::Hold, "no_signal"), SlotOrigin::Live).is_empty());
        let enter = row(2, Action::Enter(Side::Long), "cross_up");
        assert_eq!(
            told(&mut voice, &enter, SlotOrigin::Live),
            ["enter_long (cross_up), equity 10000"]
        );
        let price = |n: i64| Price::new(n.into()).unwrap();
        let open = TradeEvent {
            ts: slot(3),
            entry: slot(3),
            event: Event::Open(Reason::new("cross_up")),
            side: Side::Long,
            price: price(100),
            qty: Qty::new(10.into()).unwrap(),
            fee: Money::new(1.into()),
            pnl: Money::new((-1).into()),
            ambiguous: false,
        };
        let stop = TradeEvent {
            event: Event::Close(crate::domain::decision::CloseReason::StopHit),
            ..open
        };
        let decision =
            Decision { risk_state: RiskState::Reducing, ..row(3, Action::Hold, "no_signal") };
        let slot3 = DecidedSlot { events: &[open, stop], ..settled(&decision, SlotOrigin::Live) };
        let at3 = format!("slot {}: ", slot(3).close());
        assert_eq!(
            texts(&voice.settled(&slot3, Steady::new(0))),
            [
                format!("{at3}opened long 10 at 100 (cross_up)"),
                format!("{at3}stopped out of long 10 at 100 (stop_hit), result -1"),
                format!("! {at3}risk is REDUCING, it was ACTIVE"),
            ]
        );
        let veto = |n| Decision {
            blocked_by: Some(Block::Cooldown),
            risk_state: RiskState::Reducing,
            ..row(n, Action::Hold, "cross_up")
        };
        let said: Vec<usize> =
            (4..12).map(|n| told(&mut voice, &veto(n), SlotOrigin::Live).len()).collect();
        assert_eq!(said, [1, 1, 0, 1, 0, 0, 0, 1], "the first, the second, the fourth, the eighth");
        let text = told(&mut voice, &veto(19), SlotOrigin::Live);
        assert!(text.is_empty(), "the ninth: {text:?}");
    }

    #[test]
    fn slots_without_a_decision_are_said_ever_more_rarely_and_so_is_their_end() {
        let mut voice = voice(EVENTS);
        let skip = |n| row(n, Action::Skip, "fetch_failed");
        let said: Vec<Vec<String>> =
            (1..=5).map(|n| told(&mut voice, &skip(n), SlotOrigin::Degraded)).collect();
        let since = slot(1).close();
        assert_eq!(said[0], ["! no decision: fetch_failed"]);
        assert_eq!(
            said[1],
            [format!("! no decision: fetch_failed, 2 slots in a row since {since}")]
        );
        assert_eq!(
            said[3],
            [format!("! no decision: fetch_failed, 4 slots in a row since {since}")]
        );
        assert!(said[2].is_empty() && said[4].is_empty());
        let end = told(&mut voice, &row(6, Action::Hold, "no_signal"), SlotOrigin::Live);
        assert_eq!(end, ["decided again, after 5 slots fetch_failed"]);
        let young = told(&mut voice, &row(7, Action::Skip, "not_enough_bars"), SlotOrigin::Live);
        assert_eq!(young, ["no decision: not_enough_bars"], "which is no trouble");
    }

    #[test]
    fn missed_slots_are_said_at_their_beginning_and_at_their_end() {
        let mut voice = voice(EVENTS);
        let hold = |n| row(n, Action::Hold, "no_signal");
        let first = told(&mut voice, &hold(1), SlotOrigin::Catchup);
        assert_eq!(first, ["it was missed; catching up from here"]);
        assert!(told(&mut voice, &hold(2), SlotOrigin::Catchup).is_empty());
        let (from, to) = (slot(1).close(), slot(2).close());
        let end = told(&mut voice, &hold(3), SlotOrigin::Live);
        assert_eq!(end, [format!("caught up: 2 missed slots, {from} to {to}")]);
        told(&mut voice, &hold(4), SlotOrigin::Catchup);
        assert!(voice.end().unwrap().text.starts_with("caught up: 1 missed slot, "));
    }

    #[test]
    fn a_command_is_said_at_the_slot_that_obeys_it() {
        let mut voice = voice(EVENTS);
        let command =
            |at: UtcMs, order| Command { at, order, reason: "a drill".into(), who: "ann".into() };
        let commands = [
            command(slot(9).close(), CommandKind::Halt),
            command(slot(1).close(), CommandKind::Reduce),
            command(slot(1).close().plus_ms(1), CommandKind::Resume),
        ];
        let obeys = |n| {
            let decision = row(n, Action::Hold, "no_signal");
            let slot = DecidedSlot { commands: &commands, ..settled(&decision, SlotOrigin::Live) };
            texts(&voice.settled(&slot, Steady::new(0)))
        };
        let said: Vec<Vec<String>> = (1..=3).map(obeys).collect();
        assert_eq!(said[0], [format!("slot {}: obeys reduce of ann: a drill", slot(1).close())]);
        assert_eq!(said[1], [format!("slot {}: obeys resume of ann: a drill", slot(2).close())]);
        assert!(said[2].is_empty());
    }

    fn asked(n: i64, ms: i64, newest: i64, error: Option<&FeedError>) -> Fetched<'_> {
        let asked = at(n, ms);
        let newest = error.is_none().then(|| slot(newest));
        Fetched { at: asked.at, asked, skew_ms: None, newest, error }
    }

    #[test]
    fn an_outage_is_one_until_a_bar_of_the_venue_is_decided() {
        let mut voice = voice(EVENTS);
        let error = FeedError {
            venue: "kraken".to_owned(),
            url: "https://x".to_owned(),
            class: FaultClass::Transient,
            why: "refused".to_owned(),
            pause_ms: None,
        };
        let fails = |voice: &mut Voice, ms| {
            voice.fetched(&asked(1, ms, 0, Some(&error))).map(|line| line.text)
        };
        assert_eq!(
            fails(&mut voice, 2_000),
            Some("kraken gave no bars: refused (https://x)".to_owned())
        );
        assert_eq!(fails(&mut voice, 30_000), None);
        let other = FeedError { why: "HTTP 511".to_owned(), ..error.clone() };
        let mut also = |ms| voice.fetched(&asked(1, ms, 0, Some(&other))).map(|line| line.text);
        assert_eq!(also(31_000), Some("kraken gave no bars: HTTP 511 (https://x)".to_owned()));
        assert_eq!(also(32_000), None, "each is said once");
        let again = "kraken gave no bars: refused (https://x); for 1m 28s, 5 tries";
        assert_eq!(fails(&mut voice, 90_000), Some(again.to_owned()));
        assert_eq!(fails(&mut voice, 150_000), None, "the next pause is twice as long");
        // It answers, but without the bar that has closed meanwhile.
        assert_eq!(voice.fetched(&asked(1, 200_000, 0, None)), None);
        assert!(voice.turn(at(1, 0)).is_none());
        assert!(voice.turn(at(13, 0)).unwrap().text.contains("in trouble for "), "an hour later");
        let decision = row(1, Action::Hold, "no_signal");
        let from_disk = DecidedSlot { is_answered: false, ..settled(&decision, SlotOrigin::Live) };
        assert!(voice.settled(&from_disk, at(1, 300_000).up).is_empty());
        let said = voice.settled(
            &settled(&row(2, Action::Hold, "no_signal"), SlotOrigin::Live),
            at(2, 32_000).up,
        );
        assert_eq!(texts(&said), ["kraken answers again after 5m 30s, 6 tries"]);
        assert_eq!(voice.fetched(&asked(2, 40_000, 2, None)), None);
    }

    #[test]
    fn an_outage_in_which_no_bar_was_missed_ends_with_an_answer_that_shows_all() {
        let mut voice = voice(EVENTS);
        let error = FeedError {
            venue: "kraken".to_owned(),
            url: "https://x".to_owned(),
            class: FaultClass::Transient,
            why: "refused".to_owned(),
            pause_ms: None,
        };
        voice.fetched(&asked(0, 10_000, 0, Some(&error)));
        let end = voice.fetched(&asked(0, 11_000, 0, None)).unwrap();
        assert_eq!(end.text, "kraken answers again after 1s, 1 try");
    }

    #[test]
    fn a_venue_that_shows_no_new_bar_for_two_bars_is_in_trouble() {
        let mut voice = voice(EVENTS);
        assert_eq!(voice.fetched(&asked(1, 2_000, 0, None)), None, "the bar may be late");
        assert_eq!(voice.fetched(&asked(2, 0, 0, None)), None);
        let line = voice.fetched(&asked(2, 2_000, 0, None)).unwrap();
        let newest = slot(0).close();
        assert_eq!(
            line,
            warn(format!("kraken answers and shows no new bar: its newest closed at {newest}"))
        );
        let recorded = &mut voice;
        recorded.start.is_venue = false;
        assert_eq!(recorded.fetched(&asked(9, 0, 0, None)), None);
    }

    #[test]
    fn what_goes_on_is_said_again_and_its_end_once() {
        let mut voice = voice(EVENTS);
        let full = |voice: &mut Voice, ms| {
            let word =
                LoopEvent::Still(LoopTrouble::Store, "bars could not be stored: full".to_owned());
            voice.say(word, Steady::new(ms)).map(|line| line.text)
        };
        assert_eq!(full(&mut voice, 0), Some("bars could not be stored: full".to_owned()));
        assert_eq!(full(&mut voice, 59_999), None);
        assert_eq!(
            full(&mut voice, 60_000),
            Some("bars could not be stored: full; for 1m, 3 tries".to_owned())
        );
        let over =
            |voice: &mut Voice| voice.say(LoopEvent::Over(LoopTrouble::Store), Steady::new(61_000));
        assert_eq!(over(&mut voice).unwrap().text, "bars are stored again after 1m 1s, 3 tries");
        assert_eq!(over(&mut voice), None);
        assert_eq!(
            voice.say(LoopEvent::Once("x".to_owned()), Steady::new(0)),
            Some(warn("x".to_owned()))
        );
    }

    #[test]
    fn a_heart_beats_once_an_hour_and_no_more_than_once_a_minute_of_people() {
        for (factor, hours) in [(1, 1), (60, 1), (61, 2), (600, 10), (15_000, 250)] {
            let mut voice = voice(Detail::Events { factor });
            let beats = (0..12 * 1_000).filter(|n| voice.turn(at(*n, 0)).is_some()).count();
            assert_eq!(beats as i64, (1_000 - 1) / hours, "{factor}x");
        }
        let mut voice = voice(EVENTS);
        voice.turn(at(0, 0));
        told(&mut voice, &row(11, Action::Hold, "no_signal"), SlotOrigin::Live);
        voice.fetched(&asked(11, 2_000, 11, None));
        let slot11 = slot(11).close();
        assert_eq!(
            voice.turn(at(12, 0)).unwrap().text,
            format!(
                "heartbeat: last slot {slot11} (5m ago), hold (no_signal), position flat, equity 10000, risk ACTIVE, feed answered 4m 58s ago"
            )
        );
    }

    #[test]
    fn recorded_bars_at_full_speed_are_silent_and_a_dry_run_says_each_decision() {
        let mut voice = voice(Detail::Summary);
        let enter = row(1, Action::Enter(Side::Short), "cross_down");
        assert!(told(&mut voice, &enter, SlotOrigin::Live).is_empty());
        assert_eq!(voice.turn(at(900, 0)), None);
        voice.start.is_dry = true;
        let said = told(&mut voice, &enter, SlotOrigin::Live);
        assert_eq!(
            said,
            ["enter_short (cross_down), equity 10000, not written: this is a dry run"]
        );
    }
}
