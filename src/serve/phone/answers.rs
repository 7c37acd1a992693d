//! What is said to a phone: how the loops are, their day, why a slot was decided, what a command would do; and the command itself.

use std::{collections::BTreeMap, path::Path, time::Duration};

use super::conversation::{ASK_MAX_MS, AskStage, PhoneAsk, effect};
use crate::{
    clock::{Clock as _, SystemClock},
    domain::{
        command::{Command, in_force, line_of},
        ids::Tag,
        series::Series,
        time::{DAY_MS, UtcMs},
    },
    jobs::{
        commands::{CommandReach, CommandRequest, CommandTime, GivenCommand, give},
        context::Failure,
        equivalence::proofs::newest_proof,
        ledgers::{LedgerStanding, in_recorded_time, series_of, standing},
    },
    os::{
        process::{self, ChildResults, Spawn},
        signals::Stop,
    },
    serve::notice::{day::day, ledger_event::span},
    session::record::read_commands,
    store::{disk::RealDisk, error::StoreError, layout::Layout},
};

/// The longest `runner why` may take: it plays the ledger from its newest checkpoint.
const WHY_MAX: Duration = Duration::from_mins(1);
const GRACE: Duration = Duration::from_secs(2);

/// The files of a box.
#[derive(Debug, Clone, Copy)]
pub struct PhoneBox<'a> {
    pub root: &'a Path,
    pub disk: &'a RealDisk,
    pub layout: &'a Layout,
}

/// A failure, as it is said.
fn failed(error: &StoreError) -> String {
    format!("that cannot be read now: {error}")
}

impl PhoneBox<'_> {
    /// How the loops of some tags are, a line each.
    pub fn status(self, tags: &[Tag]) -> String {
        let mut lines = Vec::new();
        for tag in tags {
            lines.push(self.loops(tag).unwrap_or_else(|error| failed(&error)));
        }
        lines.join("\n")
    }

    fn loops(self, tag: &Tag) -> Result<String, StoreError> {
        let all = series_of(self.disk, self.layout, tag)?;
        if all.is_empty() {
            return Ok(format!("{tag}: no ledger yet"));
        }
        let now = SystemClock.now();
        let mut lines = Vec::new();
        for series in &all {
            let Some(stands) = standing(self.disk, self.layout, tag, series)? else { continue };
            let proof = newest_proof(self.disk, self.layout, tag, series)?;
            let proof = proof.map_or("no proof yet".to_owned(), |proof| {
                let age = span(now.get() - proof.made_at_ms);
                format!("proof {}, {age} old", proof.verdict().name())
            });
            lines.push(format!("{}; {proof}", line(tag, series, &stands, now)));
        }
        let commands = read_commands(self.disk, self.layout, tag)?;
        if let Some(last) = in_force(&commands, now) {
            lines.push(format!(
                "{tag}: last command {} of {}: {}",
                last.order, last.who, last.reason
            ));
        }
        Ok(lines.join("\n"))
    }

    /// The last day of some tags.
    pub fn daily(self, tags: &[Tag]) -> String {
        let all: Vec<String> =
            tags.iter().map(|tag| self.days(tag).unwrap_or_else(|error| failed(&error))).collect();
        all.join("\n")
    }

    fn days(self, tag: &Tag) -> Result<String, StoreError> {
        let now = SystemClock.now();
        let mut text = Vec::new();
        for series in series_of(self.disk, self.layout, tag)? {
            let mut to = now;
            if in_recorded_time(self.disk, self.layout, tag)?
                && let Some(stands) = standing(self.disk, self.layout, tag, &series)?
            {
                to = stands.slot.close();
            }
            let window = (to.plus_ms(-DAY_MS), to);
            if let Some(day) = day((self.disk, self.layout), (tag, &series), window, now)? {
                text.push(format!("{tag}, {series}: {}\n{}", day.headline(), day.lines()));
            }
        }
        let none = || format!("{tag}: nothing is decided yet");
        Ok(if text.is_empty() { none() } else { text.join("\n") })
    }

    /// Why the last slot of a tag was decided as it was, in the words of `runner why`.
    pub fn why(self, tag: &Tag, job: &str, stop: &Stop) -> String {
        let work = || -> Result<String, String> {
            let program = process::own_program().map_err(|error| error.to_string())?;
            let words = ["why", job, "--tag", tag.as_str(), "--last", "--root"];
            let root = self.root.display().to_string();
            let mut argv = vec![program.display().to_string()];
            argv.extend(words.into_iter().map(str::to_owned).chain([root]));
            let spawn = Spawn {
                argv,
                env: BTreeMap::from([("NO_COLOR".to_owned(), "1".to_owned())]),
                dir: self.root.to_owned(),
                timeout: Some(WHY_MAX),
                grace: GRACE,
                results: ChildResults::Kept,
            };
            let runtime = process::runtime().map_err(|error| error.to_string())?;
            // A program that left others behind who hold its output would be waited for without end.
            let whole = WHY_MAX + GRACE + GRACE;
            let run = async { tokio::time::timeout(whole, process::run(&spawn, None, stop)).await };
            let ended = runtime.block_on(run).map_err(|_| "it did not end".to_owned())?;
            let ended = ended.map_err(|error| error.to_string())?;
            if ended.timed_out {
                return Err(format!("it took longer than {WHY_MAX:?}"));
            }
            Ok(ended.output.trim().to_owned())
        };
        work().unwrap_or_else(|why| format!("why: {why}"))
    }

    /// The question that comes before a command.
    pub fn question(self, ask: &PhoneAsk) -> String {
        let PhoneAsk { command, tag, reason, code, .. } = ask;
        let does = ask.order().map_or("", effect);
        let now = tag.parse().map(|tag| self.status(&[tag])).unwrap_or_default();
        let minutes = ASK_MAX_MS / 60_000;
        format!(
            "{command} tag {tag}: {does}.\nreason: {reason}\nnow: {now}\nwithin {minutes} minutes: /yes_{code} or /no_{code}"
        )
    }

    /// How many rows the commands ledger of a question has.
    pub fn rows(self, ask: &PhoneAsk) -> Result<usize, StoreError> {
        let Ok(tag) = ask.tag.parse::<Tag>() else { return Ok(0) };
        Ok(read_commands(self.disk, self.layout, &tag)?.len())
    }

    /// Obeys a command that was confirmed, unless its row is there behind the first `rows`. Returns what is said.
    pub fn give(self, ask: &PhoneAsk, rows: usize) -> Result<String, Failure> {
        let (Ok(tag), Some(order)) = (ask.tag.parse::<Tag>(), ask.order()) else {
            return Ok("nothing was done: another build asked this".to_owned());
        };
        let commands = read_commands(self.disk, self.layout, &tag)?;
        let is_own = |(_, row): &(usize, &Command)| {
            row.order == order && row.who == ask.who && row.reason == ask.reason
        };
        let mut behind = commands.iter().enumerate().skip(rows);
        if let Some((place, row)) = behind.find(is_own) {
            let line = line_of(place);
            return Ok(format!("{order} for tag {tag} was recorded: for {}, line {line}", row.at));
        }
        let is_recorded = in_recorded_time(self.disk, self.layout, &tag)?;
        let when = if is_recorded { CommandTime::Next } else { CommandTime::Now };
        let (reason, who) = (ask.reason.clone(), ask.who.clone());
        let wish = CommandRequest { order, reason, who, when };
        let given = give(self.disk, self.layout, &tag, wish, SystemClock.now())?;
        let GivenCommand { at, line, reach, .. } = given;
        let reach: Vec<String> = reach.iter().map(CommandReach::line).collect();
        Ok(format!(
            "{order} for tag {tag} is recorded: for {at}, line {line}\n{}",
            reach.join("\n")
        ))
    }
}

/// A loop in one line.
fn line(tag: &Tag, series: &Series, stands: &LedgerStanding, now: UtcMs) -> String {
    let LedgerStanding { slot, position, equity, risk } = stands;
    let age = span(now.get() - slot.ts_ms());
    format!(
        "{tag}, {series}: {position}, equity {equity}, risk {risk}, last slot {} ({age} ago)",
        slot.close()
    )
}

/// How a question that was answered with yes ends.
pub fn done(said: &str) -> AskStage {
    AskStage::Done { said: said.to_owned() }
}
