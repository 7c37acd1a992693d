//! Texts and times as pages show them: safe, short, in UTC.

use std::fmt::Write as _;

use maud::{Markup, html};

use crate::{
    cli::table::span,
    domain::{text::steers, time::UtcMs},
    report::number::by,
    store::runs::{RunRecord, RunState, StepState},
};

/// Most characters of a text that came from outside; a longer one is cut.
pub const TEXT_MAX: usize = 2_000;

/// A text from outside that can be shown: without characters that move what is around them or steer a terminal, and not too long.
pub fn safe(text: &str) -> String {
    let mut out = String::new();
    for (n, c) in text.chars().enumerate() {
        if n == TEXT_MAX {
            let _ = write!(out, "… ({} bytes in all)", text.len());
            break;
        }
        let breaks = matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}');
        out.push(if steers(c) || breaks { '\u{fffd}' } else { c });
    }
    out
}

/// A text of several lines that can be shown.
pub fn safe_lines(text: &str) -> String {
    text.lines().map(safe).collect::<Vec<_>>().join("\n")
}

/// An instant: UTC, to the second where that says something; the script adds the local time on hover.
pub fn time(at_ms: i64) -> Markup {
    let pattern = if at_ms % 60_000 == 0 { "%Y-%m-%d %H:%M" } else { "%Y-%m-%d %H:%M:%S" };
    html! { time datetime=(by(at_ms, "%Y-%m-%dT%H:%M:%SZ")) { (by(at_ms, pattern)) } }
}

/// The time since an instant, or until then, with the instant itself for who wants it.
pub fn ago(at_ms: i64, now: UtcMs) -> Markup {
    let away = now.get() - at_ms;
    let text = span(away.unsigned_abs());
    html! {
        time datetime=(by(at_ms, "%Y-%m-%dT%H:%M:%SZ")) {
            @if away < 0 { "in " (text) } @else { (text) " ago" }
        }
    }
}

/// How a thing is, for a sign in front of words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StatusSign {
    /// As it should be.
    Well,
    /// Nothing is expected of it.
    Idle,
    /// Worth a look.
    Look,
    /// Wrong.
    Bad,
}

impl StatusSign {
    /// The class and the sign. The sign says the same as the colour.
    pub fn sign(self) -> (&'static str, &'static str) {
        match self {
            Self::Well => ("well", "✓"),
            Self::Idle => ("idle", "–"),
            Self::Look => ("look", "!"),
            Self::Bad => ("bad", "✕"),
        }
    }
}

/// Words with their sign.
pub fn verdict(level: StatusSign, words: &str) -> Markup {
    let (class, sign) = level.sign();
    html! { span.verdict.(class) { span.sign aria-hidden="true" { (sign) } (words) } }
}

/// How a run stands, as a level.
pub fn level_of(state: RunState) -> StatusSign {
    match state {
        RunState::Succeeded | RunState::Flaky => StatusSign::Well,
        RunState::Queued | RunState::Running => StatusSign::Idle,
        RunState::Waiting
        | RunState::Cancelled
        | RunState::SkippedOverlap
        | RunState::Superseded
        | RunState::SkippedPrecondition => StatusSign::Look,
        RunState::Failed
        | RunState::TimedOut
        | RunState::Panicked
        | RunState::Missed
        | RunState::Lost => StatusSign::Bad,
    }
}

/// The state of a run in words.
pub fn state(state: RunState) -> Markup {
    let (class, sign) = match state {
        RunState::Running => ("going", "▸"),
        RunState::Queued => ("idle", "…"),
        RunState::Waiting => ("look", "?"),
        other => level_of(other).sign(),
    };
    html! { span.verdict.(class) { span.sign aria-hidden="true" { (sign) } (state.name().replace('_', " ")) } }
}

/// The state of a step in words.
pub fn step_state(state: StepState) -> Markup {
    let (class, sign) = match state {
        StepState::Running => ("going", "▸"),
        StepState::Asking => ("look", "?"),
        StepState::Succeeded | StepState::UpToDate | StepState::Kept => StatusSign::Well.sign(),
        StepState::Failed => StatusSign::Bad.sign(),
        StepState::Waiting | StepState::Skipped | StepState::Left => StatusSign::Idle.sign(),
    };
    html! { span.verdict.(class) { span.sign aria-hidden="true" { (sign) } (state.name().replace('_', " ")) } }
}

/// How long a run took, or goes on.
pub fn took(run: &RunRecord, now: UtcMs) -> String {
    let until = match (run.ended, run.state) {
        // One that was lost ended some time before that was found.
        (_, RunState::Lost) => return "–".to_owned(),
        (Some(ended), _) => ended,
        (None, RunState::Running) => now,
        (None, _) => return "–".to_owned(),
    };
    let ms = (until.get() - run.started.get()).max(0).unsigned_abs();
    if ms < 10_000 { format!("{:.1}s", ms as f64 / 1_000.0) } else { span(ms) }
}

/// Bytes in the largest unit that fits.
pub fn bytes(many: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = many as f64;
    let mut unit = 0;
    while value >= 1_024.0 && unit + 1 < units.len() {
        value /= 1_024.0;
        unit += 1;
    }
    let places = usize::from(unit > 0 && value < 100.0);
    format!("{value:.places$}\u{202f}{}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_is_shown_as_a_mark_and_what_is_long_is_cut() {
        assert_eq!(safe("plain\ttext é 漢"), "plain\ttext é 漢");
        assert_eq!(
            safe("a\u{1b}[31mb\u{202e}c\u{2066}d\0"),
            "a\u{fffd}[31mb\u{fffd}c\u{fffd}d\u{fffd}"
        );
        let cut = safe(&"x".repeat(10_000_000));
        assert!(cut.ends_with("x… (10000000 bytes in all)") && cut.chars().count() < 2_100);
        assert_eq!(safe_lines("a\r\nb\u{7}\n"), "a\nb\u{fffd}");
    }

    #[test]
    fn sizes_have_units() {
        for (many, text) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_536, "1.5 KiB"),
            (5 << 30, "5.0 GiB"),
            (512 << 20, "512 MiB"),
        ] {
            assert_eq!(bytes(many).replace('\u{202f}', " "), text);
        }
    }
}
