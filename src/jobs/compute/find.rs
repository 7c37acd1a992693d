//! Where the program lies that uses the card, and how it is started.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    jobs::context::Context,
    manifest::Compute,
    os::{
        process::{Knows, Results, Spawn, own_program},
        supervise::Watch,
    },
};

/// Between asking a worker to end and ending it: it has nothing to put away.
pub(super) const GRACE: Duration = Duration::from_secs(2);
/// A complaint is for people: its words, not the way to them.
pub(super) const NO_BACKTRACES: [&str; 2] = ["RUST_BACKTRACE", "RUST_LIB_BACKTRACE"];
/// Most bytes that are kept of what it says.
pub(super) const SAID_MAX: usize = 1 << 20;

/// The worker with some arguments, in the root. It gets the environment of this process, in which the libraries of the card are named.
pub(super) fn worker(
    context: &Context<'_>,
    compute: &Compute,
    arguments: &[&str],
    (timeout, silence): (Option<Duration>, Option<Duration>),
) -> Watch {
    let words = arguments.iter().map(|word| (*word).to_owned());
    let argv = std::iter::once(program(context, &compute.worker)).chain(words).collect();
    let spawn = Spawn {
        argv,
        env: BTreeMap::from(NO_BACKTRACES.map(|name| (name.to_owned(), "0".to_owned()))),
        dir: context.root.to_owned(),
        timeout,
        grace: GRACE,
        results: Results::Kept,
    };
    Watch { spawn, knows: Knows::All, silence, most: SAID_MAX }
}

/// A path is relative to the root. A bare name is looked for beside this program, then in PATH.
fn program(context: &Context<'_>, name: &str) -> String {
    if name.contains('/') {
        return context.path(name).display().to_string();
    }
    let beside = own_program().ok().and_then(|own| Some(own.parent()?.join(name)));
    match beside.filter(|path| path.is_file()) {
        Some(path) => path.display().to_string(),
        None => name.to_owned(),
    }
}
