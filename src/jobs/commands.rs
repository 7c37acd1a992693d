//! Operator commands: appended to a tag's ledger, never for a slot that is decided already. One that is planned delays no other.

use std::time::Duration;

use super::{
    context::Failure,
    ledgers::{in_recorded_time, last_decided, series_of, tags},
};
use crate::{
    clock::nap,
    domain::{
        command::{Command, CommandKind, in_order_of_effect, line_of, place_of},
        ids::{ModelId, Tag},
        series::Series,
        time::{SlotTs, UtcMs},
    },
    engine::slot::first_at_or_after,
    exit::Exit,
    session::record::read_commands,
    store::{
        disk::Disk,
        error::StoreError,
        layout::Layout,
        ledger,
        lock::{Inside, LockGate},
        rows::commands::{COMMANDS_HEADER, parse_commands, push_command},
    },
};

/// How often, and how long apart, somebody tries to enter the gate of a tag's commands: two seconds in all.
const ENTER_TRIES: u32 = 400;
const ENTER_PAUSE: Duration = Duration::from_millis(5);

/// When a command takes effect: at the first slot that closes at or after an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandTime {
    /// This instant.
    At(UtcMs),
    /// Now: at the first slot that is not decided yet. For loops in real time.
    Now,
    /// The same for any loop, also one on recorded bars.
    Next,
}

/// A command that was taken down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenCommand {
    /// It takes effect at the first slot that closes at or after this.
    pub at: UtcMs,
    /// Its line in the ledger.
    pub line: u64,
    /// The last slot that was decided then, over all series of the tag.
    pub last: Option<SlotTs>,
    /// What is planned for a later time.
    pub planned: Vec<Listed>,
    /// Every series of the tag: all of them obey.
    pub reach: Vec<CommandReach>,
}

/// A series that obeys a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandReach {
    pub series: Series,
    /// The slot at which it does.
    pub from: SlotTs,
    /// The first slot that it decides without the command, where it lags behind another series of the tag.
    pub not_before: Option<SlotTs>,
}

impl CommandReach {
    pub fn line(&self) -> String {
        let Self { series, from, not_before } = self;
        let lags = not_before.map_or(String::new(), |slot| {
            format!("; it lags, and decides the slots from {slot} on without it")
        });
        format!("{series} obeys from slot {from} on{lags}")
    }
}

/// What an operator orders.
#[derive(Debug, Clone)]
pub struct CommandRequest {
    pub order: CommandKind,
    pub reason: String,
    pub who: String,
    pub when: CommandTime,
}

/// How a line of a commands ledger stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandState {
    /// Its time has yet to come.
    Planned,
    /// It took effect.
    Obeyed,
    /// It never takes effect.
    Revoked,
    /// It revokes another line.
    Revocation,
}

impl CommandState {
    /// How it is shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Obeyed => "obeyed",
            Self::Revoked => "revoked",
            Self::Revocation => "revocation",
        }
    }
}

/// A line of a commands ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its number in the file.
    pub line: u64,
    pub command: Command,
    pub standing: CommandState,
}

/// Takes down a command for a tag. On return it is durable, and the tag's loop will obey it.
pub fn give<D: Disk>(
    disk: &D,
    layout: &Layout,
    tag: &Tag,
    wish: CommandRequest,
    now: UtcMs,
) -> Result<GivenCommand, Failure> {
    known(disk, layout, tag)?;
    if wish.when == CommandTime::Now && in_recorded_time(disk, layout, tag)? {
        let order = wish.order;
        let message = format!(
            "the loop of tag {tag} lives in recorded or simulated time, where now means nothing; for its first undecided slot: \
             runner {order} --tag {tag} --at next --reason \"...\""
        );
        return Err(Failure::new(Exit::Usage, message));
    }
    disk.create_dir_all(&layout.commands_dir())?;
    let gate = LockGate::open(&layout.commands_gate(tag))?;
    let Some(_inside) = enter(&gate)? else { return Err(busy(tag)) };
    let decided = DecidedSlots::of(disk, layout, tag)?;
    let mut at = decided.date(wish.when, now)?;
    if !matches!(wish.when, CommandTime::At(_)) {
        let before = read_commands(disk, layout, tag)?;
        at = decided.behind(&before, wish.order, at, now);
    }
    let command = Command { at, order: wish.order, reason: wish.reason, who: wish.who };
    let line = append_command(disk, layout, tag, &command, now)?;
    let commands = read_commands(disk, layout, tag)?;
    let later =
        |listed: &Listed| listed.standing == CommandState::Planned && listed.command.at > at;
    let planned = standings(&commands, decided.last).into_iter().filter(later).collect();
    let reach = reach(disk, layout, tag, at)?;
    if reach.len() > 1 {
        let lines: Vec<String> = reach.iter().map(CommandReach::line).collect();
        let (order, n) = (wish.order, reach.len());
        tracing::warn!("{order} is for all {n} series of tag {tag}: {}", lines.join("; "));
    }
    Ok(GivenCommand { at, line, last: decided.last, planned, reach })
}

/// Who obeys a command of this date, and from when on.
fn reach<D: Disk>(
    disk: &D,
    layout: &Layout,
    tag: &Tag,
    at: UtcMs,
) -> Result<Vec<CommandReach>, StoreError> {
    let mut all = Vec::new();
    for series in series_of(disk, layout, tag)? {
        let Some(from) = first_at_or_after(series.timeframe(), at.get()) else { continue };
        let next = last_decided(disk, layout, tag, &series)?.map(SlotTs::next);
        all.push(CommandReach { series, from, not_before: next.filter(|next| *next < from) });
    }
    Ok(all)
}

/// Takes down that the planned command on a line never takes effect.
pub fn revoke<D: Disk>(
    disk: &D,
    layout: &Layout,
    tag: &Tag,
    (line, reason, who): (u64, String, String),
    now: UtcMs,
) -> Result<Listed, Failure> {
    known(disk, layout, tag)?;
    disk.create_dir_all(&layout.commands_dir())?;
    let gate = LockGate::open(&layout.commands_gate(tag))?;
    let Some(_inside) = enter(&gate)? else { return Err(busy(tag)) };
    let last = DecidedSlots::of(disk, layout, tag)?.last;
    let all = standings(&read_commands(disk, layout, tag)?, last);
    let list = format!("runner commands --tag {tag} --all");
    let Some(found) = place_of(line).and_then(|place| all.into_iter().nth(place)) else {
        let message = format!("line {line} is not a command of tag {tag}; to see them: {list}");
        return Err(Failure::new(Exit::Nothing, message));
    };
    let Command { at, order, .. } = &found.command;
    let refused = |why: &str| {
        let message = format!("line {line}, {order} for {at}, {why}; to see them: {list}");
        Err(Failure::new(Exit::Negative, message))
    };
    match (found.standing, order.is_stance()) {
        (CommandState::Planned, true) => {}
        (CommandState::Obeyed, _) => {
            return refused("took effect and cannot be revoked: give the command that undoes it");
        }
        (CommandState::Revoked, _) => return refused("is revoked already"),
        (CommandState::Revocation, _) | (CommandState::Planned, false) => {
            return refused("cannot be revoked: only halt, reduce, resume and flatten can");
        }
    }
    let command = Command { at: *at, order: CommandKind::Revoke(line), reason, who };
    append_command(disk, layout, tag, &command, now)?;
    Ok(Listed { standing: CommandState::Revoked, ..found })
}

/// Every line of a tag's commands, in the order of appending, and how it stands.
pub fn listed<D: Disk>(disk: &D, layout: &Layout, tag: &Tag) -> Result<Vec<Listed>, Failure> {
    known(disk, layout, tag)?;
    let last = DecidedSlots::of(disk, layout, tag)?.last;
    Ok(standings(&read_commands(disk, layout, tag)?, last))
}

fn standings(commands: &[Command], last: Option<SlotTs>) -> Vec<Listed> {
    let effective: Vec<usize> =
        in_order_of_effect(commands).into_iter().map(|(place, _)| place).collect();
    let standing = |place: usize, command: &Command| {
        if matches!(command.order, CommandKind::Revoke(_)) {
            CommandState::Revocation
        } else if !effective.contains(&place) {
            CommandState::Revoked
        } else if last.is_some_and(|last| command.at <= last.close()) {
            CommandState::Obeyed
        } else {
            CommandState::Planned
        }
    };
    let line = |(place, command): (usize, &Command)| Listed {
        line: line_of(place),
        command: command.clone(),
        standing: standing(place, command),
    };
    commands.iter().enumerate().map(line).collect()
}

/// Refuses a tag without a ledger.
fn known<D: Disk>(disk: &D, layout: &Layout, tag: &Tag) -> Result<(), Failure> {
    if !disk.list(&layout.tag_dir(tag))?.is_empty() {
        return Ok(());
    }
    let known: Vec<String> = tags(disk, layout)?.iter().map(ToString::to_string).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    let message = format!("tag {tag} has no ledger that could obey; tags with one: {known}");
    Err(Failure::new(Exit::Nothing, message))
}

fn busy(tag: &Tag) -> Failure {
    let message = format!("the loop of tag {tag} is busy deciding many slots: try again");
    Failure::new(Exit::Busy, message)
}

/// Takes down that a loop switches to another model at the first slot that no series of the tag has decided, and not before the
/// switch it comes behind. Returns from when on.
pub fn switch_model<D: Disk>(
    disk: &D,
    layout: &Layout,
    tag: &Tag,
    (id, reason, behind): (ModelId, String, UtcMs),
    now: UtcMs,
) -> Result<UtcMs, Failure> {
    disk.create_dir_all(&layout.commands_dir())?;
    let gate = LockGate::open(&layout.commands_gate(tag))?;
    let Some(_inside) = enter(&gate)? else { return Err(busy(tag)) };
    let at = DecidedSlots::of(disk, layout, tag)?.earliest().max(behind);
    let command = Command { at, order: CommandKind::Model(id), reason, who: "live".to_owned() };
    append_command(disk, layout, tag, &command, now)?;
    Ok(at)
}

/// How far the ledgers of a tag are decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecidedSlots {
    /// The last slot, over all series.
    pub last: Option<SlotTs>,
    /// The first close, over all series, of a slot that a command dated as early as possible takes effect at.
    next: Option<UtcMs>,
}

impl DecidedSlots {
    pub fn of<D: Disk>(disk: &D, layout: &Layout, tag: &Tag) -> Result<Self, StoreError> {
        let all = series_of(disk, layout, tag)?;
        let mut last = None;
        for series in &all {
            last = last.max(last_decided(disk, layout, tag, series)?);
        }
        let next = last.and_then(|last: SlotTs| {
            let first = |tf| first_at_or_after(tf, last.ts_ms() + 1).map(SlotTs::close);
            all.iter().filter_map(|series| first(series.timeframe())).min()
        });
        Ok(Self { last, next })
    }

    /// The earliest date of a command. At or before a decided slot, a replay would obey it where the loop could not.
    pub fn earliest(&self) -> UtcMs {
        self.last.map_or(UtcMs::EPOCH, |last| last.close().plus_ms(1))
    }

    /// An instant that the first undecided slot closes at or after, as late as that may be.
    pub fn first(&self) -> UtcMs {
        self.next.unwrap_or(self.earliest())
    }

    /// The date of a command. Without a time it is one at which the first undecided slot obeys it, whatever the clock says; the
    /// present instant, where that comes to the same.
    fn date(&self, when: CommandTime, now: UtcMs) -> Result<UtcMs, Failure> {
        let earliest = self.earliest();
        match when {
            CommandTime::Now => Ok(now.clamp(earliest, self.first())),
            CommandTime::Next => Ok(earliest),
            CommandTime::At(at) if at < earliest => {
                let message = format!(
                    "--at {at} is too early: slots up to {} are decided; leave --at out, or give a later time",
                    earliest.plus_ms(-1)
                );
                Err(Failure::new(Exit::Usage, message))
            }
            CommandTime::At(at) => Ok(at),
        }
    }

    /// The date of a command for now or next, behind those of the same slot that were given before it, whatever the clocks said then:
    /// of two that contradict each other the later one holds. It also comes behind what is planned inside that slot, but a resume
    /// does not: a planned halt is not undone by it.
    fn behind(&self, before: &[Command], order: CommandKind, at: UtcMs, now: UtcMs) -> UtcMs {
        let slot = self.first().max(at);
        let until = if order == CommandKind::Resume { slot.min(now.max(at)) } else { slot };
        let dates = in_order_of_effect(before).into_iter().map(|(_, command)| command.at);
        dates.filter(|date| *date <= until).fold(at, UtcMs::max)
    }
}

/// Enters the gate of a tag's commands; `None` when somebody else stays inside for too long.
pub fn enter(gate: &LockGate) -> Result<Option<Inside<'_>>, StoreError> {
    for _ in 0..ENTER_TRIES {
        if let Some(inside) = gate.try_enter()? {
            return Ok(Some(inside));
        }
        nap(ENTER_PAUSE);
    }
    Ok(None)
}

/// Appends one command durably, as it is, and returns its line. The caller is inside the gate.
pub fn append_command<D: Disk>(
    disk: &D,
    layout: &Layout,
    tag: &Tag,
    command: &Command,
    now: UtcMs,
) -> Result<u64, StoreError> {
    disk.create_dir_all(&layout.commands_dir())?;
    let path = layout.commands(tag);
    let found = ledger::inspect(disk, &path, COMMANDS_HEADER)?;
    let before = match found.whole() {
        0 => 0,
        whole => parse_commands(&disk.read_at(&path, 0, whole as usize)?, &path)?.len(),
    };
    let (mut ledger, _) = ledger::open(disk, &found, &layout.quarantine(&path, now))?;
    let mut row = Vec::new();
    push_command(&mut row, command);
    ledger.append(&row, true)?;
    Ok(line_of(before))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timeframe;

    fn ms(ms: i64) -> UtcMs {
        UtcMs::new(ms).unwrap()
    }

    #[test]
    fn c17_a_command_without_a_time_is_for_the_first_undecided_slot_and_never_behind_a_decided_one()
    {
        let last = Timeframe::M1.slot(600_000).ok();
        let decided = DecidedSlots { last, next: Some(ms(660_000)) };
        let dated = |when, now| decided.date(when, ms(now)).map(UtcMs::get);
        assert_eq!(dated(CommandTime::Now, 650_000), Ok(650_000));
        assert_eq!(
            dated(CommandTime::Now, 600_000),
            Ok(600_001),
            "the loop's clock is ahead of ours"
        );
        assert_eq!(
            dated(CommandTime::Now, 9_000_000),
            Ok(660_000),
            "the loop is behind: it catches up"
        );
        assert_eq!(dated(CommandTime::Next, 9_000_000), Ok(600_001));
        assert_eq!(dated(CommandTime::At(ms(600_001)), 0), Ok(600_001));
        assert_eq!(dated(CommandTime::At(ms(600_000)), 0).unwrap_err().exit, Exit::Usage);
        let fresh = DecidedSlots { last: None, next: None };
        for when in [CommandTime::Now, CommandTime::Next] {
            assert_eq!(fresh.date(when, ms(5)), Ok(UtcMs::EPOCH), "the first row may be older");
        }
    }

    #[test]
    fn of_the_commands_of_one_slot_the_last_one_given_comes_last_whatever_the_clocks_said() {
        let last = Timeframe::M1.slot(600_000).ok();
        let decided = DecidedSlots { last, next: Some(ms(660_000)) };
        let given = |before: &[(i64, CommandKind)], order, when, now| {
            let command = |&(at, order): &(i64, CommandKind)| Command {
                at: ms(at),
                order,
                reason: String::new(),
                who: String::new(),
            };
            let before: Vec<Command> = before.iter().map(command).collect();
            let at = decided.date(when, ms(now)).unwrap();
            decided.behind(&before, order, at, ms(now)).get()
        };
        let (halt, resume) = (CommandKind::Halt, CommandKind::Resume);
        assert_eq!(given(&[(630_000, resume)], halt, CommandTime::Now, 640_000), 640_000);
        assert_eq!(
            given(&[(630_000, resume)], halt, CommandTime::Now, 610_000),
            630_000,
            "set back"
        );
        assert_eq!(given(&[(630_000, resume)], halt, CommandTime::Next, 640_000), 630_000);
        assert_eq!(given(&[(630_000, halt)], resume, CommandTime::Next, 640_000), 630_000);
        assert_eq!(
            given(&[(650_000, resume)], halt, CommandTime::Now, 640_000),
            650_000,
            "planned"
        );
        assert_eq!(
            given(&[(650_000, halt)], resume, CommandTime::Now, 640_000),
            640_000,
            "it stays"
        );
        assert_eq!(
            given(&[(660_001, resume)], halt, CommandTime::Now, 640_000),
            640_000,
            "the next slot"
        );
        assert_eq!(
            given(&[(500_000, resume)], halt, CommandTime::Next, 640_000),
            600_001,
            "obeyed"
        );
    }

    #[test]
    fn how_a_line_stands() {
        let command =
            |at, order| Command { at: ms(at), order, reason: String::new(), who: String::new() };
        let all = [
            command(900_000, CommandKind::Halt),
            command(600_000, CommandKind::Reduce),
            command(600_001, CommandKind::Resume),
            command(900_000, CommandKind::Revoke(2)),
        ];
        let found = standings(&all, Timeframe::M1.slot(600_000).ok());
        let found: Vec<_> = found.iter().map(|one| (one.line, one.standing.name())).collect();
        assert_eq!(found, [(2, "revoked"), (3, "obeyed"), (4, "planned"), (5, "revocation")]);
    }
}
