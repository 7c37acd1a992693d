//! `runner resume`: schedules start a job again, or a loop goes on.

use std::path::Path;

use serde_json::json;

use super::{
    args::{CommandArgs, ResumeArgs},
    commands::give_command,
    flags,
    load::variables,
    output::{plain, print, print_json},
    records::Records,
    refuse::tell,
};
use crate::{
    clock::{Clock as _, SystemClock},
    domain::command::CommandKind,
    exit::Exit,
    jobs::context::Failure,
    store::runs::PauseEnd,
};

/// Lets the schedules of a job start it again, or a loop go on.
pub fn resume(root: &Path, args: &ResumeArgs, json: bool) -> Exit {
    let usage = |message: &str| tell(&Failure::new(Exit::Usage, message), json);
    let Some(job) = &args.job else {
        let Some(reason) = &args.reason else {
            return usage("--reason is missing: say why, others will read it");
        };
        let is_named = match variables(root) {
            Ok(known) => args.tag.is_some() || known.contains_key(flags::DATA_TAG),
            Err(failure) => return tell(&failure, json),
        };
        if !is_named {
            return usage(
                "resume what? give the name of a paused job; or, for a loop, give --tag, or set DATA_TAG",
            );
        }
        let args = CommandArgs {
            tag: args.tag.clone(),
            reason: reason.clone(),
            who: args.who.clone(),
            at: args.at.clone(),
        };
        return give_command(root, CommandKind::Resume, &args, json);
    };
    if args.tag.is_some() {
        return usage(
            "give the name of a paused job, or --tag for a loop, but not both: they are two different things",
        );
    }
    if args.at.is_some() {
        return usage("--at has no meaning for a job: its schedules start it again from now on");
    }
    match lift(root, job, (args.reason.as_deref(), args.who.as_ref())) {
        Ok((jobs, end)) => {
            for job in jobs {
                if json {
                    print_json(&json!({
                        "schema": "mjolnir.pause/1", "job": job, "paused": false, "changed": true,
                        "reason": end.reason, "who": end.who,
                    }));
                } else {
                    print(&said(&job, &end));
                }
            }
            Exit::Ok
        }
        Err(failure) => tell(&failure, json),
    }
}

/// What was done, for people.
pub fn said(job: &str, end: &PauseEnd) -> String {
    let who = end.who.as_deref().map_or_else(String::new, |who| format!(" by {}", plain(who)));
    let colon = if end.reason.is_empty() { "" } else { ": " };
    let reason = plain(&end.reason);
    format!("job {job} is resumed{who}{colon}{reason}\nits schedules start it again\n")
}

/// Takes the pauses of a job away, and returns those that were paused, several of a matrix, with what is kept of their end.
pub fn lift(
    root: &Path,
    word: &str,
    (reason, who): (Option<&str>, Option<&String>),
) -> Result<(Vec<String>, PauseEnd), Failure> {
    let Some(records) = Records::open_if_any(root)? else {
        return Err(Failure::new(Exit::Nothing, format!("job `{}` is not paused", plain(word))));
    };
    let end = PauseEnd {
        at: SystemClock.now(),
        who: Some(flags::who(who)),
        reason: reason.unwrap_or_default().trim().to_owned(),
    };
    let mut lifted = Vec::new();
    for job in records.names_of(word) {
        if records.store.unpause(&job, &end)? {
            lifted.push(job);
        }
    }
    if !lifted.is_empty() {
        return Ok((lifted, end));
    }
    let paused: Vec<String> = records.store.paused(SystemClock.now())?.into_keys().collect();
    let paused = if paused.is_empty() { "none".to_owned() } else { paused.join(", ") };
    let message = format!("job `{}` is not paused; jobs that are: {paused}", plain(word));
    Err(Failure::new(Exit::Nothing, message))
}
