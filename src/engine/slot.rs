//! What the engine is given at one point of the grid, and how slots are made from bars and causes.

use std::collections::BTreeMap;

use super::signals::Signals;
use crate::domain::{
    bar::{Bar, TimedBar},
    command::{Command, CommandKind, in_order_of_effect, line_of, place_of},
    decision::Degraded,
    signal::SignalSide,
    time::{SlotTs, Timeframe, UtcMs},
};

/// One point of the grid with everything that is known there. Either a bar or a cause why there is none.
#[derive(Debug, Clone, PartialEq)]
pub struct Slot {
    ts: SlotTs,
    bar: Option<Bar>,
    degraded: Option<Degraded>,
    /// What few slots have.
    more: Option<Box<More>>,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct More {
    late: Vec<TimedBar>,
    orders: Vec<CommandKind>,
    signals: Vec<f64>,
}

impl Slot {
    /// One that has a bar and nothing else.
    #[inline]
    pub const fn plain(ts: SlotTs, bar: Bar) -> Self {
        Self { ts, bar: Some(bar), degraded: None, more: None }
    }

    /// Its close time.
    pub const fn ts(&self) -> SlotTs {
        self.ts
    }

    /// Its bar.
    pub const fn bar(&self) -> Option<&Bar> {
        self.bar.as_ref()
    }

    /// Bars of earlier slots, oldest first, that were held back there and are handed in now.
    pub fn late(&self) -> &[TimedBar] {
        self.more.as_ref().map_or(&[], |more| &more.late)
    }

    /// What hinders the decision from outside the bars.
    pub const fn degraded(&self) -> Option<Degraded> {
        self.degraded
    }

    /// Operator commands that take effect here, in order.
    pub fn orders(&self) -> &[CommandKind] {
        self.more.as_ref().map_or(&[], |more| &more.orders)
    }

    /// What programs say here: 1, -1, 0, or NaN, in the order of the strategy. Empty where it reads none.
    pub fn signals(&self) -> &[f64] {
        self.more.as_ref().map_or(&[], |more| &more.signals)
    }

    /// The bars this slot hands to the engine, oldest first: what `bar_hash` covers.
    pub fn bars(&self) -> impl Iterator<Item = TimedBar> + '_ {
        self.late().iter().copied().chain(self.own())
    }

    /// Its own bar, with its time.
    #[inline]
    pub fn own(&self) -> Option<TimedBar> {
        self.bar.map(|bar| TimedBar { ts: self.ts, bar })
    }
}

/// Makes slots in order: keeps back the bars of slots whose fetch or persist failed until the next slot
/// that has a bar, and hands each operator command to the first slot that closes at or after it. Commands are obeyed by their own
/// time, of equals in the order of appending: one that is planned for later delays no other.
#[derive(Debug, Clone, Default)]
pub struct SlotMaker {
    held: Vec<SlotTs>,
    commands: Vec<Command>,
    /// Those that wait for their time, by it and by their place in the ledger.
    waiting: BTreeMap<(UtcMs, usize), CommandKind>,
    signals: Signals,
}

/// Why a maker does not take a longer list of commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unlearned {
    /// One whose time is at or before that of the last slot made: a replay would obey it there.
    Late(Command),
    /// The line that is another one now, or gone, though the list only grows.
    Changed(u64),
}

impl SlotMaker {
    /// A maker that will obey `commands`, the whole ledger in the order of appending.
    pub fn new(commands: Vec<Command>) -> Self {
        let waiting = in_order_of_effect(&commands)
            .into_iter()
            .map(|(place, command)| ((command.at, place), command.order))
            .collect();
        Self { held: Vec::new(), commands, waiting, signals: Signals::default() }
    }

    /// The same with the lines of programs that are known.
    pub fn hearing(self, signals: Signals) -> Self {
        Self { signals, ..self }
    }

    /// A maker that made `last` already and keeps back the bars of `held`: the commands up to then are obeyed.
    pub fn behind(commands: Vec<Command>, last: SlotTs, held: Vec<SlotTs>) -> Self {
        let mut maker = Self { held, ..Self::new(commands) };
        maker.due(last);
        maker
    }

    /// Replaces the commands by a longer list that begins with the known ones and goes on after `last`, the last slot made.
    pub fn learn(&mut self, commands: Vec<Command>, last: Option<SlotTs>) -> Result<(), Unlearned> {
        let known = self.commands.len();
        let same = |(ours, theirs): &(&Command, &Command)| ours == theirs;
        let kept = self.commands.iter().zip(&commands).take_while(same).count();
        if kept < known {
            return Err(Unlearned::Changed(line_of(kept)));
        }
        let too_late = |command: &&Command| last.is_some_and(|last| command.at <= last.close());
        if let Some(late) = commands[known..].iter().find(too_late) {
            return Err(Unlearned::Late(late.clone()));
        }
        for (place, command) in commands.iter().enumerate().skip(known) {
            match command.order {
                // It has the time of what it revokes, which therefore still waits.
                CommandKind::Revoke(line) => {
                    place_of(line).and_then(|place| self.waiting.remove(&(command.at, place)));
                }
                CommandKind::Halt
                | CommandKind::Reduce
                | CommandKind::Resume
                | CommandKind::Flatten
                | CommandKind::Model(_) => {
                    self.waiting.insert((command.at, place), command.order);
                }
            }
        }
        self.commands = commands;
        Ok(())
    }

    /// The commands it knows, obeyed or not.
    pub fn commands(&self) -> &[Command] {
        &self.commands
    }

    /// The lines of programs that it knows.
    pub fn signals(&self) -> &Signals {
        &self.signals
    }

    /// Takes in a line of a program, before the slot it is made for.
    pub fn hear(&mut self, name: &str, ts: SlotTs, side: SignalSide) {
        self.signals.learn(name, ts, side);
    }

    /// Slots whose bars are held back.
    pub fn held(&self) -> &[SlotTs] {
        &self.held
    }

    /// The next slot. `bar` is what is known of it now; `late` looks up the bar of a held slot when it can be handed in.
    #[inline]
    pub fn make(
        &mut self,
        ts: SlotTs,
        bar: Option<Bar>,
        degraded: Option<Degraded>,
        late: impl Fn(SlotTs) -> Option<Bar>,
    ) -> Slot {
        match bar {
            Some(bar) if degraded.is_none() && self.has_nothing_else() => Slot::plain(ts, bar),
            bar => self.make_any(ts, bar, degraded, late),
        }
    }

    /// Whether the next slot has its bar and nothing else, as most slots.
    #[inline]
    pub fn has_nothing_else(&self) -> bool {
        self.held.is_empty() && self.waiting.is_empty() && self.signals.is_empty()
    }

    #[cold]
    fn make_any(
        &mut self,
        ts: SlotTs,
        bar: Option<Bar>,
        degraded: Option<Degraded>,
        late: impl Fn(SlotTs) -> Option<Bar>,
    ) -> Slot {
        let mut more =
            More { late: Vec::new(), orders: self.due(ts), signals: self.signals.at(ts) };
        let (bar, degraded) = if degraded.is_some_and(Degraded::holds_bar_back) {
            self.held.push(ts);
            (None, degraded)
        } else if bar.is_none() {
            (None, Some(Degraded::BarMissing))
        } else {
            let held = self.held.drain(..);
            more.late = held.filter_map(|ts| late(ts).map(|bar| TimedBar { ts, bar })).collect();
            (bar, degraded.filter(|cause| *cause != Degraded::BarMissing))
        };
        let more = (more != More::default()).then(|| Box::new(more));
        Slot { ts, bar, degraded, more }
    }

    fn due(&mut self, ts: SlotTs) -> Vec<CommandKind> {
        let later = match self.waiting.first_key_value() {
            Some(((at, _), _)) if *at <= ts.close() => {
                self.waiting.split_off(&(ts.close().plus_ms(1), 0))
            }
            Some(_) | None => return Vec::new(),
        };
        std::mem::replace(&mut self.waiting, later).into_values().collect()
    }
}

/// The first slot at or after an instant.
pub fn first_at_or_after(timeframe: Timeframe, ms: i64) -> Option<SlotTs> {
    let tf = timeframe.ms();
    timeframe.slot((ms + tf - 1).div_euclid(tf) * tf).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ts(n: i64) -> SlotTs {
        Timeframe::M1.slot(n * 60_000).unwrap()
    }

    fn bar(price: f64) -> Bar {
        Bar::new([price, price, price, price, 1.0]).unwrap()
    }

    #[test]
    fn a_held_bar_is_handed_in_with_the_next_bar_and_in_order() {
        let mut maker = SlotMaker::default();
        let known = |at: SlotTs| (at != ts(2)).then(|| bar(at.ts_ms() as f64));
        let failed = maker.make(ts(1), Some(bar(1.0)), Some(Degraded::FetchFailed), known);
        assert_eq!((failed.bar(), failed.degraded()), (None, Some(Degraded::FetchFailed)));
        maker.make(ts(2), None, Some(Degraded::PersistFailed), known);
        let missing = maker.make(ts(3), None, None, known);
        assert_eq!(missing.degraded(), Some(Degraded::BarMissing));
        assert_eq!(maker.held(), [ts(1), ts(2)]);
        let whole = maker.make(ts(4), Some(bar(4.0)), None, known);
        let got: Vec<_> = whole.bars().map(|b| b.ts).collect();
        assert_eq!(got, [ts(1), ts(4)], "the bar of slot 2 never came");
        assert!(maker.held().is_empty());
    }

    fn at(ms: i64, order: CommandKind) -> Command {
        let at = UtcMs::new(ms).unwrap();
        Command { at, order, reason: String::new(), who: String::new() }
    }

    fn orders(maker: &mut SlotMaker, n: i64) -> Vec<CommandKind> {
        maker.make(ts(n), None, None, |_| None).orders().to_vec()
    }

    #[test]
    fn of_commands_of_one_instant_the_last_one_appended_comes_last() {
        for list in
            [[CommandKind::Halt, CommandKind::Resume], [CommandKind::Resume, CommandKind::Halt]]
        {
            let ledger: Vec<Command> = list.iter().map(|order| at(30_000, *order)).collect();
            assert_eq!(orders(&mut SlotMaker::new(ledger.clone()), 1), list, "a replay");
            let mut live = SlotMaker::default();
            live.learn(ledger[..1].to_vec(), None).unwrap();
            live.learn(ledger, None).unwrap();
            assert_eq!(orders(&mut live, 1), list, "a loop that learns them one by one");
        }
    }

    #[test]
    fn a_command_takes_effect_once_at_the_first_slot_that_closes_at_or_after_it() {
        let mut maker =
            SlotMaker::new(vec![at(60_000, CommandKind::Halt), at(60_001, CommandKind::Halt)]);
        let counts = [1, 2, 3].map(|n| orders(&mut maker, n).len());
        assert_eq!(counts, [1, 1, 0]);
    }

    #[test]
    fn c17_a_planned_command_delays_no_other_and_equals_keep_their_order() {
        use CommandKind::{Flatten, Halt, Reduce, Resume};
        let mut list = vec![at(240_000, Halt), at(60_000, Reduce), at(60_000, Resume)];
        let mut maker = SlotMaker::new(list.clone());
        assert_eq!(orders(&mut maker, 1), [Reduce, Resume]);
        list.push(at(60_001, Flatten));
        maker.learn(list.clone(), Some(ts(1))).unwrap();
        assert_eq!(orders(&mut maker, 2), [Flatten], "next week's halt is on the line before it");
        list.push(at(240_000, CommandKind::Revoke(2)));
        maker.learn(list.clone(), Some(ts(2))).unwrap();
        assert_eq!([3, 4, 5].map(|n| orders(&mut maker, n).len()), [0; 3], "it was revoked");
        assert_eq!(orders(&mut SlotMaker::new(list), 9), [Reduce, Resume, Flatten]);
    }

    #[test]
    fn a_ledger_that_changed_or_a_command_of_the_past_is_not_taken() {
        let (halt, late) = (at(90_000, CommandKind::Halt), at(60_000, CommandKind::Resume));
        let mut maker = SlotMaker::new(vec![halt.clone()]);
        maker.make(ts(1), None, None, |_| None);
        let mut learn = |list: &[Command]| maker.learn(list.to_vec(), Some(ts(1)));
        assert_eq!(learn(&[]), Err(Unlearned::Changed(2)));
        assert_eq!(learn(std::slice::from_ref(&late)), Err(Unlearned::Changed(2)));
        assert_eq!(learn(&[halt.clone(), late.clone()]), Err(Unlearned::Late(late)));
        learn(&[halt.clone(), at(60_001, CommandKind::Halt)]).unwrap();
        assert_eq!(learn(&[halt]), Err(Unlearned::Changed(3)));
    }

    /// What an operator does before a slot is decided: a command so many half slots after the last decided one, or the revocation
    /// of one that is planned, chosen by a number.
    #[derive(Debug, Clone)]
    enum Deed {
        Give(CommandKind, i64),
        Revoke(usize),
    }

    fn deeds() -> impl Strategy<Value = Vec<Vec<Deed>>> {
        let order = prop::sample::select(CommandKind::ALL.to_vec());
        let halves = prop_oneof![3 => 0_i64..2, 2 => 0_i64..12, 1 => Just(1000)];
        let deed = prop_oneof![
            4 => (order, halves).prop_map(|(order, halves)| Deed::Give(order, halves)),
            1 => (0_usize..8).prop_map(Deed::Revoke),
        ];
        prop::collection::vec(prop::collection::vec(deed, 0..3), 1..12)
    }

    /// The rule as DESIGN says it, without anything that is kept between slots: of the whole ledger, what is not revoked and lies
    /// after the slot before, up to this one; by time, then by line.
    fn naive(ledger: &[Command], n: i64) -> Vec<CommandKind> {
        let mut due = Vec::new();
        for (place, command) in ledger.iter().enumerate() {
            let revoked = ledger.iter().any(|c| c.order == CommandKind::Revoke(place as u64 + 2));
            let is_due =
                (n == 1 || command.at.get() > (n - 1) * 60_000) && command.at.get() <= n * 60_000;
            if is_due && !revoked && !matches!(command.order, CommandKind::Revoke(_)) {
                due.push((command.at.get(), place, command.order));
            }
        }
        due.sort_by_key(|(at, place, _)| (*at, *place));
        due.into_iter().map(|(.., order)| order).collect()
    }

    /// As it was before: obeyed in the order of appending, and none before the one appended before it.
    fn as_it_was(ledger: &[Command]) -> Vec<Command> {
        let mut latest = UtcMs::EPOCH;
        let redated = |command: &Command| {
            latest = latest.max(command.at);
            Command { at: latest, ..command.clone() }
        };
        ledger.iter().map(redated).collect()
    }

    proptest! {
        #[test]
        fn c17_commands_take_effect_by_their_own_time_in_any_interleaving(deeds in deeds()) {
            let (mut maker, mut ledger) = (SlotMaker::default(), Vec::<Command>::new());
            let mut obeyed = Vec::new();
            for (before, n) in deeds.iter().zip(1..) {
                for deed in before {
                    match deed {
                        Deed::Give(order, halves) => {
                            ledger.push(at((n - 1) * 60_000 + 1 + halves * 30_000, *order));
                        }
                        Deed::Revoke(which) => {
                            let planned: Vec<(usize, UtcMs)> = in_order_of_effect(&ledger)
                                .into_iter()
                                .filter(|(_, c)| c.at.get() > (n - 1) * 60_000)
                                .map(|(place, c)| (place, c.at))
                                .collect();
                            if let Some((place, when)) = planned.get(*which) {
                                ledger.push(at(when.get(), CommandKind::Revoke(line_of(*place))));
                            }
                        }
                    }
                }
                maker.learn(ledger.clone(), (n > 1).then(|| ts(n - 1))).unwrap();
                let now = orders(&mut maker, n);
                // What was given without a time, at the instant after the last slot, is obeyed here.
                let plain = before.iter().filter(|deed| matches!(deed, Deed::Give(_, 0))).count();
                let revoked = before.iter().filter(|deed| matches!(deed, Deed::Revoke(_))).count();
                prop_assert!(now.len() + revoked >= plain, "slot {}", n);
                obeyed.push(now);
            }
            let (mut again, mut folded) = (SlotMaker::new(ledger.clone()), Vec::new());
            for (now, n) in obeyed.iter().zip(1..) {
                folded.push(orders(&mut again, n));
                prop_assert_eq!(now, &naive(&ledger, n), "slot {}", n);
            }
            prop_assert_eq!(obeyed, folded, "a replay knows the whole ledger from the start");
        }

        #[test]
        fn a_ledger_of_an_older_build_is_obeyed_as_it_was(deeds in deeds()) {
            let given = deeds.iter().flatten().filter_map(|deed| match deed {
                Deed::Give(order, halves) => Some(at(halves * 30_000, *order)),
                Deed::Revoke(_) => None,
            });
            let ledger = as_it_was(&given.collect::<Vec<_>>());
            let mut maker = SlotMaker::new(ledger.clone());
            let mut rest = &ledger[..];
            for n in 1..12 {
                let due = rest.iter().take_while(|command| command.at <= ts(n).close()).count();
                let want: Vec<CommandKind> = rest[..due].iter().map(|command| command.order).collect();
                rest = &rest[due..];
                prop_assert_eq!(orders(&mut maker, n), want);
            }
        }
    }

    #[test]
    fn c17_the_rule_of_an_older_build_fails_the_property() {
        let list = [at(240_000, CommandKind::Halt), at(60_001, CommandKind::Flatten)];
        let mut maker = SlotMaker::new(as_it_was(&list));
        assert_ne!(orders(&mut maker, 2), naive(&list, 2), "the flatten would be put off");
    }
}
