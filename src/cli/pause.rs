//! `runner pause`: the schedules of a job do not start it.

use std::path::Path;

use serde_json::json;

use super::{
    args::PauseArgs,
    flags,
    load::find,
    output::{plain, print, print_json},
    planned,
    records::Records,
    view::tell,
};
use crate::{
    clock::{Clock as _, SystemClock},
    exit::Exit,
    jobs::context::Failure,
    store::runs::Pause,
};

/// Keeps the schedules of a job from starting it. A run that goes on is left alone.
pub fn pause(root: &Path, args: &PauseArgs, json: bool) -> Exit {
    match set(root, args) {
        Ok((job, pause, is_new)) => {
            let Pause { reason, who, since } = &pause;
            if json {
                print_json(&json!({
                    "schema": "mjolnir.pause/1", "job": job, "paused": true, "changed": is_new,
                    "reason": reason, "who": who, "since_ms": since.get(),
                }));
            } else {
                print(&said(&job, &pause, is_new));
            }
            Exit::Ok
        }
        Err(failure) => tell(&failure, json),
    }
}

/// What was done, for people.
pub fn said(job: &str, Pause { reason, who, since }: &Pause, is_new: bool) -> String {
    let how = if is_new { "is paused" } else { "was paused already" };
    let (reason, who) = (plain(reason), plain(who));
    format!(
        "job {job} {how}, since {since} by {who}: {reason}\nits schedules do not start it until `runner resume {job}`\n"
    )
}

/// Pauses the job; whether it was not paused before.
pub fn set(root: &Path, args: &PauseArgs) -> Result<(String, Pause, bool), Failure> {
    flags::reason(&args.reason)?;
    find(root, Path::new(&args.job))?;
    let job = planned::name(root, &args.job).unwrap_or_else(|| args.job.clone());
    let records = Records::create(root)?;
    let who = flags::who(args.who.as_ref());
    let wanted = Pause { reason: args.reason.clone(), who, since: SystemClock.now() };
    let is_new = records.store.pause(&job, &wanted)?;
    let pause = records.store.pauses()?.remove(&job).unwrap_or(wanted);
    Ok((job, pause, is_new))
}
