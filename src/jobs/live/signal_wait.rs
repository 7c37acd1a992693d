//! Waiting for the programs whose signals a strategy reads: once the bars are durable, before the slots are decided.

use super::plan::PlannedSlot;
use crate::{
    clock::Clock,
    domain::time::{SlotTs, Steady},
    engine::signals::SignalRule,
    session::live::Session,
    store::disk::Disk,
};

/// Between two looks at the files, milliseconds.
const LOOK_MS: i64 = 250;
/// Most looks in one wait: a wait of hours is looked at more rarely.
const LOOKS_MAX: i64 = 256;

/// Reads what programs wrote, and waits for the line of the newest of these slots as long as the manifest says. False where it was told
/// to stop meanwhile: then nothing should be decided, since the next start may find the line.
pub(super) fn wait_for_signals<D: Disk, C: Clock>(
    session: &mut Session<'_, D>,
    clock: &C,
    planned: &[PlannedSlot],
    stopped: &dyn Fn() -> bool,
    warn: &mut dyn FnMut(String),
) -> bool {
    let since = clock.steady();
    loop {
        session.hear().into_iter().for_each(&mut *warn);
        let signals = session.engine().core().strategy.signals();
        let up = clock.steady();
        let heard = |name: &str, ts: SlotTs| session.has_heard(name, ts);
        match wake(signals.rules(), worth_waiting(planned), heard, (since, up)) {
            None => return true,
            Some(_) if stopped() => return false,
            Some(wake) => clock.sleep_until(wake, stopped),
        }
    }
}

/// The slot whose line may still come: the newest one, when it is decided in its turn and with its bar.
fn worth_waiting(planned: &[PlannedSlot]) -> Option<SlotTs> {
    let is_in_turn =
        |one: &&PlannedSlot| one.bar.is_some() && one.degraded.is_none() && !one.caught_up;
    planned.last().filter(is_in_turn).map(|one| one.ts)
}

/// When to look again, at `up` in a wait since `since`; `None` when nothing is waited for any more.
fn wake<'a>(
    rules: impl Iterator<Item = &'a SignalRule>,
    slot: Option<SlotTs>,
    heard: impl Fn(&str, SlotTs) -> bool,
    (since, up): (Steady, Steady),
) -> Option<Steady> {
    let slot = slot?;
    let silent = rules.filter(|rule| rule.wait_ms > 0 && !heard(&rule.name, slot));
    let wait_ms = silent.map(|rule| rule.wait_ms).max()?;
    let until = since.plus_ms(wait_ms);
    let look_ms = LOOK_MS.max(wait_ms / LOOKS_MAX);
    (up < until).then(|| until.min(up.plus_ms(look_ms)))
}

#[cfg(test)]
mod tests {
    use super::{super::plan::Remark, *};
    use crate::domain::{bar::Bar, decision::Degraded, time::Timeframe};

    fn ts(n: i64) -> SlotTs {
        Timeframe::M1.slot(n * 60_000).unwrap()
    }

    #[test]
    fn it_waits_for_the_slowest_silent_program_and_no_longer() {
        let rule = |name: &str, wait_ms| SignalRule {
            name: name.to_owned(),
            max_age_ms: 60_000,
            absent_is_flat: false,
            wait_ms,
        };
        let rules = [rule("fast", 0), rule("slow", 1_000), rule("slower", 20_000)];
        let at = |silent: &[&str], passed_ms: i64| {
            let heard = |name: &str, _: SlotTs| !silent.contains(&name);
            let (since, up) = (Steady::new(5), Steady::new(5 + passed_ms));
            wake(rules.iter(), Some(ts(1)), heard, (since, up)).map(|wake| wake.since(since))
        };
        for (silent, passed_ms, want) in [
            (&["fast"][..], 0, None),
            (&["slow"], 0, Some(250)),
            (&["slow"], 900, Some(1_000)),
            (&["slow"], 1_000, None),
            (&["slow", "slower"], 1_000, Some(1_250)),
            (&["slower"], 19_999, Some(20_000)),
            (&["slower"], 20_000, None),
            (&[], 0, None),
        ] {
            assert_eq!(at(silent, passed_ms), want, "{silent:?} after {passed_ms} ms");
        }
        let hours = [rule("daily", 36_000_000)];
        let start = (Steady::new(0), Steady::new(0));
        let silent = |_: &str, _: SlotTs| false;
        let first = wake(hours.iter(), Some(ts(1)), silent, start).unwrap();
        assert_eq!(first.since(Steady::new(0)), 140_625, "a bounded number of looks");
        assert_eq!(wake(hours.iter(), None, silent, start), None);
    }

    #[test]
    fn only_a_slot_in_its_turn_is_waited_for() {
        let bar = Bar::new([1.0, 1.0, 1.0, 1.0, 1.0]).ok();
        let plain =
            PlannedSlot { ts: ts(2), bar, degraded: None, caught_up: false, remark: Remark::Plain };
        let earlier = PlannedSlot { ts: ts(1), caught_up: true, ..plain };
        assert_eq!(worth_waiting(&[earlier, plain]), Some(ts(2)));
        for other in [
            PlannedSlot { bar: None, ..plain },
            PlannedSlot { caught_up: true, ..plain },
            PlannedSlot { degraded: Some(Degraded::CatchupNoEntry), ..plain },
        ] {
            assert_eq!(worth_waiting(&[plain, other]), None);
        }
        assert_eq!(worth_waiting(&[]), None);
    }
}
