//! Whether a run that failed is tried again, and when: a pure function of how it ended.

use std::time::Duration;

use crate::{
    exit::Exit,
    manifest::{Backoff, Retry, RetryOn},
    store::runs::RunState,
};

/// Why a run failed, as far as a retry may help.
pub fn reason(state: RunState, exit_code: Option<i32>) -> Option<RetryOn> {
    let is = |exit: Exit| exit_code == Some(i32::from(exit.code()));
    match state {
        RunState::TimedOut => Some(RetryOn::Timeout),
        RunState::Panicked | RunState::Lost => Some(RetryOn::Crashed),
        RunState::SkippedPrecondition => is(Exit::Busy).then_some(RetryOn::Busy),
        RunState::Failed if is(Exit::Negative) => Some(RetryOn::Failed),
        RunState::Failed if is(Exit::Unavailable) => Some(RetryOn::Unavailable),
        RunState::Failed if is(Exit::Io) => Some(RetryOn::Io),
        RunState::Failed if is(Exit::Busy) => Some(RetryOn::Busy),
        RunState::Failed if exit_code > Some(128) => Some(RetryOn::Crashed),
        RunState::Failed
        | RunState::Queued
        | RunState::Running
        | RunState::Waiting
        | RunState::Succeeded
        | RunState::Flaky
        | RunState::Cancelled
        | RunState::Missed
        | RunState::SkippedOverlap
        | RunState::Superseded => None,
    }
}

/// An attempt that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PastAttempt {
    /// Its number, from 1.
    pub number: u32,
    /// How many of the attempts before it no longer count.
    pub forgotten: u32,
    /// How long it lasted.
    pub lasted: Duration,
}

/// Another attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextAttempt {
    /// How long until it begins.
    pub pause: Duration,
    /// How many attempts no longer count.
    pub forgotten: u32,
}

/// Whether and when there is another attempt after one that failed for this reason.
pub fn next_attempt(retry: &Retry, reason: RetryOn, attempt: PastAttempt) -> Option<NextAttempt> {
    if !retry.on.contains(&reason) {
        return None;
    }
    let long = attempt.lasted >= retry.reset_after.get().duration();
    // A number that the rules cannot reach shows that attempts were forgotten before this service started.
    let beyond = retry.attempts > 0 && attempt.number - attempt.forgotten > retry.attempts;
    let forgotten = if long || beyond { attempt.number - 1 } else { attempt.forgotten };
    let made = attempt.number - forgotten;
    if retry.attempts > 0 && made >= retry.attempts {
        return None;
    }
    let first = retry.delay.get().duration();
    let pause = match retry.backoff {
        Backoff::Fixed => first,
        Backoff::Exponential => first.saturating_mul(1 << (made - 1).min(30)),
    };
    Some(NextAttempt { pause: pause.min(retry.max_delay.get().duration()), forgotten })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Parsed, Span};

    fn attempt(number: u32, forgotten: u32, lasted_s: u64) -> PastAttempt {
        PastAttempt { number, forgotten, lasted: Duration::from_secs(lasted_s) }
    }

    fn seconds(retry: &Retry, made: PastAttempt) -> Option<u64> {
        next_attempt(retry, RetryOn::Io, made).map(|again| again.pause.as_secs())
    }

    #[test]
    fn pauses_grow_up_to_a_bound_and_attempts_are_counted() {
        let retry = Retry { attempts: 8, ..Retry::default() };
        let pauses: Vec<_> = (1..=9).map(|n| seconds(&retry, attempt(n, 0, 1))).collect();
        let expected = [2, 4, 8, 16, 32, 60, 60].map(Some);
        assert_eq!(pauses[..7], expected);
        assert_eq!(pauses[7], None, "there are eight attempts in all");
        let fixed = Retry { backoff: Backoff::Fixed, attempts: 0, ..retry };
        assert_eq!(seconds(&fixed, attempt(1_000_000, 0, 1)), Some(2), "without end");
        assert_eq!(seconds(&Retry::default(), attempt(1, 0, 1)), None, "one attempt is no retry");
    }

    #[test]
    fn a_long_attempt_starts_the_count_again() {
        let reset_after = Parsed::new(Span::seconds(10));
        let retry = Retry { attempts: 2, reset_after, ..Retry::default() };
        assert_eq!(seconds(&retry, attempt(2, 0, 9)), None);
        let found = next_attempt(&retry, RetryOn::Io, attempt(2, 0, 10)).unwrap();
        assert_eq!(found, NextAttempt { pause: Duration::from_secs(2), forgotten: 1 });
        assert_eq!(seconds(&retry, attempt(3, 1, 1)), None);
        assert_eq!(seconds(&retry, attempt(7, 0, 1)), Some(2), "counted by a service before");
    }

    #[test]
    fn only_listed_reasons_are_tried_again() {
        for (state, code, expected) in [
            (RunState::Failed, Some(1), Some(RetryOn::Failed)),
            (RunState::Failed, Some(69), Some(RetryOn::Unavailable)),
            (RunState::Failed, Some(74), Some(RetryOn::Io)),
            (RunState::Failed, Some(75), Some(RetryOn::Busy)),
            (RunState::SkippedPrecondition, Some(75), Some(RetryOn::Busy)),
            (RunState::SkippedPrecondition, None, None),
            (RunState::Failed, Some(137), Some(RetryOn::Crashed)),
            (RunState::Panicked, Some(70), Some(RetryOn::Crashed)),
            (RunState::Lost, None, Some(RetryOn::Crashed)),
            (RunState::TimedOut, Some(124), Some(RetryOn::Timeout)),
            (RunState::Failed, Some(78), None),
            (RunState::Failed, Some(65), None),
            (RunState::Cancelled, Some(143), None),
            (RunState::Succeeded, Some(0), None),
        ] {
            assert_eq!(reason(state, code), expected, "{state:?} {code:?}");
        }
        let retry = Retry { attempts: 5, ..Retry::default() };
        assert_eq!(next_attempt(&retry, RetryOn::Failed, attempt(1, 0, 1)), None);
    }
}
