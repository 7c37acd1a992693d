//! What the engine is given at one point of the grid, and how slots are made from bars and causes.

use crate::domain::{
    bar::{Bar, TimedBar},
    command::{Command, Order},
    decision::Degraded,
    time::{SlotTs, Timeframe},
};

/// One point of the grid with everything that is known there. Either a bar or a cause why there is none.
#[derive(Debug, Clone, PartialEq)]
pub struct Slot {
    ts: SlotTs,
    bar: Option<Bar>,
    late: Vec<TimedBar>,
    degraded: Option<Degraded>,
    orders: Vec<Order>,
}

impl Slot {
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
        &self.late
    }

    /// What hinders the decision from outside the bars.
    pub const fn degraded(&self) -> Option<Degraded> {
        self.degraded
    }

    /// Operator commands that take effect here, in order.
    pub fn orders(&self) -> &[Order] {
        &self.orders
    }

    /// The bars this slot hands to the engine, oldest first: what `bar_hash` covers.
    pub fn bars(&self) -> impl Iterator<Item = TimedBar> + '_ {
        self.late.iter().copied().chain(self.own())
    }

    /// Its own bar, with its time.
    pub fn own(&self) -> Option<TimedBar> {
        self.bar.map(|bar| TimedBar { ts: self.ts, bar })
    }
}

/// Makes slots in order: keeps back the bars of slots whose fetch or persist failed until the next slot
/// that has a bar, and hands each operator command to the first slot that closes at or after it.
#[derive(Debug, Clone, Default)]
pub struct SlotMaker {
    held: Vec<SlotTs>,
    commands: Vec<Command>,
    obeyed: usize,
}

impl SlotMaker {
    /// A maker that will obey `commands`, which are in order of their instants.
    pub fn new(commands: Vec<Command>) -> Self {
        Self { held: Vec::new(), commands, obeyed: 0 }
    }

    /// Replaces the commands by a longer list that begins with the obeyed ones and goes on after `last`, the last slot made.
    /// A command that should have been obeyed at or before `last` is refused and given back: a replay would obey it there.
    pub fn learn(&mut self, commands: Vec<Command>, last: Option<SlotTs>) -> Result<(), Command> {
        let obeyed = &self.commands[..self.obeyed];
        let fresh = commands.get(self.obeyed..).filter(|_| commands.starts_with(obeyed));
        let too_late = |command: &&Command| last.is_some_and(|last| command.at <= last.close());
        match fresh {
            Some(fresh) => match fresh.iter().find(too_late) {
                Some(late) => return Err(late.clone()),
                None => self.commands = commands,
            },
            None => panic!("the commands ledger only grows"),
        }
        Ok(())
    }

    /// The commands it knows, obeyed or not.
    pub fn commands(&self) -> &[Command] {
        &self.commands
    }

    /// Slots whose bars are held back.
    pub fn held(&self) -> &[SlotTs] {
        &self.held
    }

    /// The next slot. `bar` is what is known of it now; `late` looks up the bar of a held slot when it can be handed in.
    pub fn make(
        &mut self,
        ts: SlotTs,
        bar: Option<Bar>,
        degraded: Option<Degraded>,
        late: impl Fn(SlotTs) -> Option<Bar>,
    ) -> Slot {
        let orders = self.due(ts);
        if degraded.is_some_and(Degraded::holds_bar_back) {
            self.held.push(ts);
            return Slot { ts, bar: None, late: Vec::new(), degraded, orders };
        }
        let Some(bar) = bar else {
            let degraded = Some(Degraded::BarMissing);
            return Slot { ts, bar: None, late: Vec::new(), degraded, orders };
        };
        let late =
            self.held.drain(..).filter_map(|ts| late(ts).map(|bar| TimedBar { ts, bar })).collect();
        let degraded = degraded.filter(|cause| *cause != Degraded::BarMissing);
        Slot { ts, bar: Some(bar), late, degraded, orders }
    }

    fn due(&mut self, ts: SlotTs) -> Vec<Order> {
        let fresh = &self.commands[self.obeyed..];
        let due = fresh.iter().take_while(|command| command.at <= ts.close()).count();
        self.obeyed += due;
        fresh[..due].iter().map(|command| command.order).collect()
    }
}

/// The first slot at or after an instant.
pub fn first_at_or_after(timeframe: Timeframe, ms: i64) -> Option<SlotTs> {
    let tf = timeframe.ms();
    timeframe.slot((ms + tf - 1).div_euclid(tf) * tf).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::UtcMs;

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

    #[test]
    fn a_command_takes_effect_once_at_the_first_slot_that_closes_at_or_after_it() {
        let at = |ms| Command {
            at: UtcMs::new(ms).unwrap(),
            order: Order::Halt,
            reason: String::new(),
            who: String::new(),
        };
        let mut maker = SlotMaker::new(vec![at(60_000), at(60_001)]);
        let orders = |slot: Slot| slot.orders().len();
        assert_eq!(orders(maker.make(ts(1), None, None, |_| None)), 1);
        assert_eq!(orders(maker.make(ts(2), None, None, |_| None)), 1);
        assert_eq!(orders(maker.make(ts(3), None, None, |_| None)), 0);
    }
}
