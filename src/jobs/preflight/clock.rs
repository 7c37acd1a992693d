//! Whether the clock of this machine is kept in time, and how far it is from that of another host.

use std::collections::BTreeMap;

use super::Machine;
use crate::{
    checklist::{Check, Level},
    clock::{Clock as _, SystemClock},
    exchange::client::{Client, ClientLimits, Get as _},
    jobs::{deploy::commands::CommandError, venue::JobSleeper},
    manifest::PreflightPart,
    outcome::Failure,
};

/// A date in whole seconds is half a second behind on average.
const HALF_SECOND_MS: i64 = 500;
/// What systemd leaves once it has set the clock.
const SET_BY_SYSTEMD: &str = "/run/systemd/timesync/synchronized";

/// One check of what keeps the clock, one of its distance where a host is named.
pub fn clock(machine: &Machine<'_>) -> Result<Vec<Check>, Failure> {
    let mut checks = vec![kept(machine)?];
    if let Some(url) = &machine.rules.clock_url {
        checks.push(skew(machine, url.get().as_str()));
    }
    Ok(checks)
}

/// Whether the clock is kept in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    Yes,
    No,
}

fn kept(machine: &Machine<'_>) -> Result<Check, Failure> {
    let check = |level, value: String| {
        let limit = "kept in time";
        let next = "timedatectl";
        Check::new("clock", level, value).part(PreflightPart::Clock.name()).limit(limit).next(next)
    };
    for (argv, understand) in [
        (
            &["timedatectl", "show", "-p", "NTPSynchronized", "--value"][..],
            of_systemd as fn(&str) -> _,
        ),
        (&["chronyc", "-c", "tracking"][..], of_chrony),
    ] {
        let words = argv.iter().map(|word| (*word).to_owned()).collect();
        let said = match machine.runner.local(words, machine.context.root, BTreeMap::new()) {
            Ok(said) if said.code == 0 && !said.timed_out => said,
            Ok(_) | Err(CommandError::NotStarted { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        match understand(&String::from_utf8_lossy(&said.stdout)) {
            Some(Kept::Yes) => return Ok(check(Level::Ok, format!("{} says so", argv[0]))),
            Some(Kept::No) => {
                return Ok(check(Level::Fail, format!("{} says it is not", argv[0])));
            }
            None => {}
        }
    }
    if std::path::Path::new(SET_BY_SYSTEMD).exists() {
        return Ok(check(Level::Ok, format!("{SET_BY_SYSTEMD} is there")));
    }
    Ok(check(Level::Warn, "neither timedatectl nor chronyc says".to_owned()))
}

/// `yes` or `no`.
fn of_systemd(text: &str) -> Option<Kept> {
    match text.trim() {
        "yes" => Some(Kept::Yes),
        "no" => Some(Kept::No),
        _ => None,
    }
}

/// The last of its columns is the leap status.
fn of_chrony(text: &str) -> Option<Kept> {
    match text.trim().rsplit(',').next()? {
        "Normal" | "Insert second" | "Delete second" => Some(Kept::Yes),
        "Not synchronised" => Some(Kept::No),
        _ => None,
    }
}

fn skew(machine: &Machine<'_>, url: &str) -> Check {
    let most = machine.rules.clock_skew_max.get().duration();
    let most_ms = i64::try_from(most.as_millis()).unwrap_or(i64::MAX);
    let check = |level, value: String| {
        let limit = format!("within {most_ms} ms of {url}");
        let next = format!("curl -sI {url}");
        Check::new("clock skew", level, value)
            .part(PreflightPart::Clock.name())
            .limit(limit)
            .next(next)
    };
    let clock = SystemClock;
    let waits = JobSleeper { clock: &clock, stop: &machine.context.stop };
    let limits = ClientLimits::within(machine.rules.command_timeout.get().duration());
    let asked = clock.now();
    let answer = Client::new(limits).and_then(|client| client.get(url, &waits));
    let answered = clock.now();
    match answer.map(|answer| answer.date) {
        Err(error) => check(Level::Warn, format!("it did not answer: {error}")),
        Ok(None) => check(Level::Warn, "it does not say what time it is".to_owned()),
        Ok(Some(date)) => {
            let ours_ms = i64::midpoint(asked.get(), answered.get());
            let ahead_ms = ours_ms - (date.get() + HALF_SECOND_MS);
            let side = if ahead_ms < 0 { "behind" } else { "ahead of" };
            let is_off = ahead_ms.unsigned_abs() > most_ms.unsigned_abs();
            let level = if is_off { Level::Fail } else { Level::Ok };
            check(level, format!("{} ms {side} it", ahead_ms.unsigned_abs()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_timedatectl_and_chronyc_print_is_read() {
        assert_eq!((of_systemd("yes\n"), of_systemd("no\n")), (Some(Kept::Yes), Some(Kept::No)));
        assert_eq!((of_systemd(""), of_systemd("n/a\n")), (None, None));
        let line = |leap: &str| {
            format!(
                "A9FEA97B,169.254.169.123,4,1700000000.1,0.0,0.0,0.0,1.0,0.0,0.0,0.0,0.0,16.1,{leap}\n"
            )
        };
        assert_eq!(of_chrony(&line("Normal")), Some(Kept::Yes));
        assert_eq!(of_chrony(&line("Not synchronised")), Some(Kept::No));
        assert_eq!(of_chrony("506 Cannot talk to daemon\n"), None);
    }
}
