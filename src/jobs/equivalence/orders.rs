//! What a FAIL leads to: the tag is told to reduce, once, until an operator has answered.

use super::proof::{Mismatch, Proof};
use crate::{
    domain::{
        command::{Command, Order, in_force},
        ids::Tag,
    },
    jobs::{
        commands::{Decided, When, Wish, give},
        context::{Context, Failure},
    },
    session::record::read_commands,
};

/// Who gives the order.
const WHO: &str = "eqflat";

/// Gives the order, unless one is in force that still waits for an operator; what is planned for later does not count. Says in one line what was done. The verdict stands
/// whatever comes of it.
pub fn reduce(context: &Context<'_>, tag: &Tag, proof: &Proof) -> String {
    match order(context, tag, proof) {
        Ok(line) => line,
        Err(failure) => {
            tracing::warn!("tag {tag} did not get the command to reduce: {}", failure.message);
            format!("no order was given: {}", failure.message)
        }
    }
}

fn order(context: &Context<'_>, tag: &Tag, proof: &Proof) -> Result<String, Failure> {
    let (disk, layout) = (context.disk, context.layout);
    let commands = read_commands(disk, layout, tag)?;
    let acknowledge = format!("runner resume --tag {tag} --reason \"...\"");
    let decided = Decided::of(disk, layout, tag)?;
    if let Some(open) = in_force(&commands, decided.first()).filter(|last| is_open(last)) {
        let Command { order, at, who, .. } = open;
        return Ok(format!(
            "no order was given: {order} of {who}, given at {at}, is in force; to end it: {acknowledge}"
        ));
    }
    let first = proof.mismatch.as_ref().map_or(String::new(), Mismatch::place);
    // At the first slot that is not decided yet: the loop may live in recorded time.
    let wish = Wish {
        order: Order::Reduce,
        reason: format!("{} FAIL: {first}", proof.runid),
        who: WHO.to_owned(),
        when: When::Next,
    };
    give(disk, layout, tag, wish, context.started)?;
    tracing::warn!("tag {tag} got the command to reduce: no entries until `resume`");
    Ok(format!("order: reduce for tag {tag} from its next slot on; to end it: {acknowledge}"))
}

/// Whether nobody has answered it yet.
fn is_open(command: &Command) -> bool {
    match command.order {
        Order::Halt | Order::Reduce | Order::Flatten => true,
        Order::Resume | Order::Model(_) | Order::Revoke(_) => false,
    }
}
