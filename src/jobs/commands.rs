//! Operator commands: appended to a tag's ledger, in order, never behind a slot that is decided already.

use std::time::Duration;

use super::{
    context::Failure,
    ledgers::{last_decided, series_of, tags},
};
use crate::{
    clock::nap,
    domain::{
        command::{Command, Order},
        ids::Tag,
        model_id::ModelId,
        time::{SlotTs, UtcMs},
    },
    exit::Exit,
    store::{
        disk::Disk,
        error::StoreError,
        layout::Layout,
        ledger,
        lock::{Gate, Inside},
        rows::commands::{COMMANDS_HEADER, parse_commands, push_command},
    },
};

/// How often, and how long apart, somebody tries to enter the gate of a tag's commands: two seconds in all.
const ENTER_TRIES: u32 = 400;
const ENTER_PAUSE: Duration = Duration::from_millis(5);

/// When a command takes effect: at the first slot that closes at or after an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// This instant.
    At(UtcMs),
    /// Now.
    Now,
    /// The first slot that is not decided yet, whatever its time: for loops on recorded bars.
    Next,
}

/// A command that was taken down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// It takes effect at the first slot that closes at or after this.
    pub at: UtcMs,
    /// The last slot that was decided then, over all series of the tag.
    pub last: Option<SlotTs>,
}

/// What an operator orders.
#[derive(Debug, Clone)]
pub struct Wish {
    /// What.
    pub order: Order,
    /// Why.
    pub reason: String,
    /// Who.
    pub who: String,
    /// When.
    pub when: When,
}

/// Takes down a command for a tag. On return it is durable, and the tag's loop will obey it.
pub fn give<D: Disk>(
    disk: &D,
    layout: &Layout,
    tag: &Tag,
    wish: Wish,
    now: UtcMs,
) -> Result<Given, Failure> {
    if disk.list(&layout.tag_dir(tag))?.is_empty() {
        let known: Vec<String> = tags(disk, layout)?.iter().map(ToString::to_string).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let message = format!("tag {tag} has no ledger that could obey; tags with one: {known}");
        return Err(Failure::new(Exit::Nothing, message));
    }
    disk.create_dir_all(&layout.commands_dir())?;
    let gate = Gate::open(&layout.commands_gate(tag))?;
    let Some(_inside) = enter(&gate)? else {
        let message = format!("the loop of tag {tag} is busy deciding many slots: try again");
        return Err(Failure::new(Exit::Busy, message));
    };
    let last = last_of_all(disk, layout, tag)?;
    let at = date(wish.when, now, last)?;
    let command = Command { at, order: wish.order, reason: wish.reason, who: wish.who };
    let at = append_command(disk, layout, tag, command, now)?;
    Ok(Given { at, last })
}

/// Takes down that a loop switches to another model at the first slot that no series of the tag has decided, and returns from when on.
pub fn switch_model<D: Disk>(
    disk: &D,
    layout: &Layout,
    tag: &Tag,
    (id, reason): (ModelId, String),
    now: UtcMs,
) -> Result<UtcMs, Failure> {
    disk.create_dir_all(&layout.commands_dir())?;
    let gate = Gate::open(&layout.commands_gate(tag))?;
    let Some(_inside) = enter(&gate)? else {
        let message = format!("another loop of tag {tag} is busy deciding many slots: try again");
        return Err(Failure::new(Exit::Busy, message));
    };
    let last = last_of_all(disk, layout, tag)?;
    let at = last.map_or(UtcMs::EPOCH, |last| last.close().plus_ms(1));
    let command = Command { at, order: Order::Model(id), reason, who: "live".to_owned() };
    Ok(append_command(disk, layout, tag, command, now)?)
}

/// The last slot that was decided, over all series of a tag.
fn last_of_all<D: Disk>(
    disk: &D,
    layout: &Layout,
    tag: &Tag,
) -> Result<Option<SlotTs>, StoreError> {
    let mut last = None;
    for series in series_of(disk, layout, tag)? {
        last = last.max(last_decided(disk, layout, tag, &series)?);
    }
    Ok(last)
}

/// Never at or before the last decided slot: a replay would obey there what the loop could not.
fn date(when: When, now: UtcMs, last: Option<SlotTs>) -> Result<UtcMs, Failure> {
    let earliest = last.map_or(UtcMs::EPOCH, |last| last.close().plus_ms(1));
    match when {
        When::Now => Ok(now.max(earliest)),
        When::Next => Ok(if last.is_some() { earliest } else { now }),
        When::At(at) if at < earliest => {
            let message = format!(
                "--at {at} is too early: slots up to {} are decided; leave --at out, or give a later time",
                earliest.plus_ms(-1)
            );
            Err(Failure::new(Exit::Usage, message))
        }
        When::At(at) => Ok(at),
    }
}

/// Enters the gate of a tag's commands; `None` when somebody else stays inside for too long.
pub fn enter(gate: &Gate) -> Result<Option<Inside<'_>>, StoreError> {
    for _ in 0..ENTER_TRIES {
        if let Some(inside) = gate.try_enter()? {
            return Ok(Some(inside));
        }
        nap(ENTER_PAUSE);
    }
    Ok(None)
}

/// Appends one command durably and returns its date: no earlier than that of the last one, since the ledger is in order.
/// The caller is inside the gate.
pub fn append_command<D: Disk>(
    disk: &D,
    layout: &Layout,
    tag: &Tag,
    command: Command,
    now: UtcMs,
) -> Result<UtcMs, StoreError> {
    disk.create_dir_all(&layout.commands_dir())?;
    let path = layout.commands(tag);
    let found = ledger::inspect(disk, &path, COMMANDS_HEADER)?;
    let last =
        if found.whole().is_empty() { None } else { parse_commands(found.whole(), &path)?.pop() };
    let at = last.map_or(command.at, |last| last.at.max(command.at));
    let (mut ledger, _) = ledger::open(disk, &found, &layout.quarantine(&path, now))?;
    let mut row = Vec::new();
    push_command(&mut row, &Command { at, ..command });
    ledger.append(&row, true)?;
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timeframe;

    #[test]
    fn a_command_is_never_dated_behind_a_decided_slot() {
        let last = Timeframe::M1.slot(600_000).unwrap();
        let ms = |ms| UtcMs::new(ms).unwrap();
        let dated = |when, now| date(when, ms(now), Some(last)).map(UtcMs::get);
        assert_eq!(dated(When::Now, 650_000), Ok(650_000));
        assert_eq!(dated(When::Now, 600_000), Ok(600_001), "the loop's clock is ahead of ours");
        assert_eq!(dated(When::Next, 9_000_000), Ok(600_001));
        assert_eq!(dated(When::At(ms(600_001)), 0), Ok(600_001));
        assert_eq!(dated(When::At(ms(600_000)), 0).unwrap_err().exit, Exit::Usage);
        assert_eq!(date(When::Next, ms(5), None).map(UtcMs::get), Ok(5));
    }
}
