//! `runner doctor`: what this program runs on, and whether a card can be used. Nothing is recorded, and nothing is changed.

use std::path::Path;

use super::{
    args::ValueArgs,
    check::manifest_check,
    load::{LoadError, facts, load_text, profiles},
    output::{drawing, print, print_json},
    refuse::{refuse, tell},
    without_run::without_run,
};
use crate::{
    exit::Exit,
    jobs::preflight::doctor::{Doctor, examine},
    manifest::{Job, PreflightJob},
    os::mask::Mask,
    outcome::Failure,
};

/// A job that asks about the machine and not about the box. Profiles and `--set` are laid over it.
const JOB: &str = r#"manifest = 1
name = "doctor"
kind = "preflight"

[compute]
device = "auto"

[preflight]
skip = ["folders", "owners", "ports", "env", "manifests", "git"]
require = []
want = ["rsync >= 3.1", "ssh >= 7.6", "git >= 2.25", "docker", "compose"]
"#;

/// Prints the table, or the document.
pub fn doctor(root: &Path, values: &ValueArgs, json: bool) -> Exit {
    let job = match load_text(root, "doctor", JOB, values, &facts()) {
        Ok(loaded) => loaded,
        Err(error) => return refuse(error, json),
    };
    let mask = Mask::new(job.secrets().map(str::to_owned));
    let Job::Preflight(job) = &job.manifest.job else {
        let message = "`kind` may not be set here: doctor is a preflight of its own";
        return refuse(LoadError::Unreadable(Failure::new(Exit::Usage, message)), json);
    };
    match examined(root, job, &mask) {
        Ok(doctor) if json => {
            let document = serde_json::to_value(&doctor).expect("plain values serialise");
            print_json(&document);
            doctor.exit()
        }
        Ok(doctor) => {
            print(&doctor.text(drawing()));
            doctor.exit()
        }
        Err(failure) => tell(&failure, json),
    }
}

fn examined(root: &Path, job: &PreflightJob, mask: &Mask) -> Result<Doctor, Failure> {
    without_run(root, "doctor", mask, |context| {
        examine(context, job, profiles(context.root), &|| manifest_check(context.root))
    })
}
