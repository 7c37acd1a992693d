//! `runner pause`: the schedules of a job do not start it.

use std::path::Path;

use serde_json::{Value, json};

use super::{
    args::PauseArgs,
    flags,
    load::find,
    output::{plain, print, print_json},
    planned,
    records::Records,
    refuse::tell,
};
use crate::{
    clock::{Clock as _, SystemClock},
    domain::time::UtcMs,
    exit::Exit,
    jobs::context::Failure,
    store::runs::Pause,
};

/// Keeps the schedules of a job from starting it. A run that goes on is left alone.
pub fn pause(root: &Path, args: &PauseArgs, json: bool) -> Exit {
    match set(root, args) {
        Ok(all) => {
            for each in &all {
                if json {
                    print_json(&document(each));
                } else {
                    print(&said(each));
                }
            }
            Exit::Ok
        }
        Err(failure) => tell(&failure, json),
    }
}

fn document((job, pause, is_new): &(String, Pause, bool)) -> Value {
    json!({
        "schema": "mjolnir.pause/1", "job": job, "paused": true, "changed": is_new,
        "reason": pause.reason, "who": pause.who, "since_ms": pause.since.get(),
        "until_ms": pause.until.map(UtcMs::get),
    })
}

/// What was done, for people.
pub fn said((job, pause, is_new): &(String, Pause, bool)) -> String {
    let how = if *is_new { "is paused" } else { "was paused already" };
    let (reason, who, since) = (plain(&pause.reason), plain(&pause.who), pause.since);
    let end = match pause.until {
        Some(until) => format!("until {until}, or until `runner resume {job}`"),
        None => format!("until `runner resume {job}`"),
    };
    format!(
        "job {job} {how}, since {since} by {who}: {reason}\nits schedules do not start it {end}\n"
    )
}

/// One pause, or one for each job of a matrix; whether it was not paused before.
pub fn set(root: &Path, args: &PauseArgs) -> Result<Vec<(String, Pause, bool)>, Failure> {
    flags::reason(&args.reason)?;
    find(root, Path::new(&args.job))?;
    let mut jobs = planned::job_names(root, &args.job);
    if jobs.is_empty() {
        jobs.push(args.job.clone());
    }
    let records = Records::create(root)?;
    let who = flags::who(args.who.as_ref());
    let since = SystemClock.now();
    let until = args.during.map(|span| {
        let ms = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        since.plus_ms(ms)
    });
    let wanted = Pause { reason: args.reason.clone(), who, since, until };
    let mut all = Vec::new();
    for job in jobs {
        let is_new = records.store.pause(&job, &wanted)?;
        let pause = records.store.pauses()?.remove(&job).unwrap_or_else(|| wanted.clone());
        all.push((job, pause, is_new));
    }
    Ok(all)
}
