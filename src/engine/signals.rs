//! The lines of programs in other languages, and what they say at a slot. Pure: all lines are known, and a slot is looked up.

use crate::domain::{
    signal::SignalSide,
    time::{SlotTs, Window},
};

/// How a signal is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalRule {
    /// Its name.
    pub name: String,
    /// How long a line speaks, from its own slot on, milliseconds.
    pub max_age_ms: i64,
    /// Whether it is flat while no line speaks; else unknown.
    pub absent_is_flat: bool,
    /// How long LIVE waits for the line of a slot, milliseconds. It decides nothing.
    pub wait_ms: i64,
}

/// The signals that a strategy reads, in its order, with the lines that are known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Signals {
    all: Vec<Known>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    rule: SignalRule,
    /// In order.
    lines: Vec<(SlotTs, SignalSide)>,
}

impl Signals {
    /// Without a line.
    pub fn new(rules: Vec<SignalRule>) -> Self {
        Self { all: rules.into_iter().map(|rule| Known { rule, lines: Vec::new() }).collect() }
    }

    /// Whether the strategy reads none.
    pub const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// How each of them is read.
    pub fn rules(&self) -> impl Iterator<Item = &SignalRule> {
        self.all.iter().map(|known| &known.rule)
    }

    /// Takes in a line. One of a signal that nothing reads says nothing here.
    ///
    /// # Panics
    /// Where it does not come after the line before.
    pub fn learn(&mut self, name: &str, ts: SlotTs, side: SignalSide) {
        let Some(known) = self.all.iter_mut().find(|known| known.rule.name == name) else { return };
        let is_later = known.lines.last().is_none_or(|(last, _)| *last < ts);
        assert!(is_later, "lines of a signal increase");
        known.lines.push((ts, side));
    }

    /// Whether a line of this slot is known.
    pub fn knows(&self, name: &str, ts: SlotTs) -> bool {
        let known = self.all.iter().find(|known| known.rule.name == name);
        known.is_some_and(|known| known.lines.binary_search_by_key(&ts, |(at, _)| *at).is_ok())
    }

    /// The lines that speak somewhere in a window, each with the name of its signal, by slot.
    pub fn within(&self, window: Window) -> Vec<(SlotTs, &str, SignalSide)> {
        let mut lines = Vec::new();
        for Known { rule, lines: all } in &self.all {
            let speaks =
                |ts: SlotTs| ts <= window.last() && rule.speaks(ts, window.first().max(ts));
            let inside = all.iter().filter(|(ts, _)| speaks(*ts));
            lines.extend(inside.map(|(ts, side)| (*ts, rule.name.as_str(), *side)));
        }
        lines.sort_by_key(|(ts, ..)| *ts);
        lines
    }

    /// What each says at a slot: 1, -1, 0, or NaN where it is unknown.
    pub fn at(&self, ts: SlotTs) -> Vec<f64> {
        self.all.iter().map(|known| known.at(ts)).collect()
    }
}

impl Known {
    fn at(&self, ts: SlotTs) -> f64 {
        let many = self.lines.partition_point(|(at, _)| *at <= ts);
        let newest = many.checked_sub(1).map(|at| self.lines[at]);
        let speaks = newest.filter(|(at, _)| self.rule.speaks(*at, ts));
        let absent = if self.rule.absent_is_flat { 0.0 } else { f64::NAN };
        speaks.map_or(absent, |(_, side)| side.value())
    }
}

impl SignalRule {
    /// Whether a line of the slot `of` speaks at a slot: it does not before its own, nor once it is as old as it may become.
    pub fn speaks(&self, of: SlotTs, at: SlotTs) -> bool {
        (0..self.max_age_ms).contains(&(at.ts_ms() - of.ts_ms()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timeframe;

    const MINUTE_MS: i64 = 60_000;

    fn ts(n: i64) -> SlotTs {
        Timeframe::M1.slot(n * MINUTE_MS).unwrap()
    }

    fn rule(name: &str, bars: i64, absent_is_flat: bool) -> SignalRule {
        SignalRule {
            name: name.to_owned(),
            max_age_ms: bars * MINUTE_MS,
            absent_is_flat,
            wait_ms: 0,
        }
    }

    fn said(signals: &Signals, slots: std::ops::RangeInclusive<i64>) -> String {
        let sign = |x: f64| match x {
            x if x.is_nan() => '?',
            x if x > 0.0 => '+',
            x if x < 0.0 => '-',
            _ => '0',
        };
        slots.flat_map(|n| signals.at(ts(n)).into_iter().map(sign)).collect()
    }

    #[test]
    fn a_line_speaks_from_its_slot_on_and_for_no_longer_than_it_may() {
        // Long from slot 3 on, short from 6, flat from 8.
        for (bars, absent_is_flat, want) in [
            (1, false, "??+??-?0?"),
            (1, true, "00+00-000"),
            (2, false, "??++?--00??"),
            (3, true, "00+++--0000"),
            (4, false, "??+++--0000?"),
        ] {
            let mut signals = Signals::new(vec![rule("robot", bars, absent_is_flat)]);
            signals.learn("robot", ts(3), SignalSide::Long);
            signals.learn("robot", ts(6), SignalSide::Short);
            signals.learn("robot", ts(8), SignalSide::Flat);
            let slots = 1..=want.len() as i64;
            assert_eq!(said(&signals, slots), want, "{bars} bars");
        }
    }

    #[test]
    fn signals_keep_their_order_and_a_foreign_line_says_nothing() {
        let mut signals = Signals::new(vec![rule("a", 1, false), rule("b", 1, true)]);
        signals.learn("b", ts(2), SignalSide::Short);
        signals.learn("c", ts(2), SignalSide::Long);
        assert_eq!(said(&signals, 2..=3), "?-?0");
        assert!(
            signals.knows("b", ts(2)) && !signals.knows("b", ts(3)) && !signals.knows("a", ts(2))
        );
        assert_eq!(Signals::default().at(ts(1)), [0.0; 0]);
    }

    #[test]
    fn of_a_window_the_lines_that_speak_inside_are_told() {
        let mut signals = Signals::new(vec![rule("a", 1, false), rule("b", 3, false)]);
        for n in [2, 3, 5, 8, 9] {
            signals.learn("a", ts(n), SignalSide::Long);
            signals.learn("b", ts(n), SignalSide::Short);
        }
        let lines = signals.within(Window::new(ts(5), ts(8)).unwrap());
        let shown: Vec<_> =
            lines.iter().map(|(at, name, _)| (at.ts_ms() / MINUTE_MS, *name)).collect();
        assert_eq!(shown, [(3, "b"), (5, "a"), (5, "b"), (8, "a"), (8, "b")]);
    }

    #[test]
    #[should_panic(expected = "lines of a signal increase")]
    fn a_line_of_the_past_is_a_bug() {
        let mut signals = Signals::new(vec![rule("a", 1, false)]);
        signals.learn("a", ts(2), SignalSide::Short);
        signals.learn("a", ts(2), SignalSide::Long);
    }
}
