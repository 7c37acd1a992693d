//! `runner sweep`: how far sweeps are, what they say, their end, and their hold-out.

use std::path::{Path, PathBuf};

use clap::Parser as _;
use serde_json::json;

use super::{
    args::{Cli, SweepPart, Verb},
    crontab::words,
    load::{LoadError, facts, load},
    output::{print, print_json},
    refuse::{refuse, tell},
    without_run::without_run,
};
use crate::{
    clock::{Clock as _, SystemClock},
    exit::Exit,
    jobs::{
        context::{Context, Failure, Resume},
        sweep::{
            cluster,
            folder::SweepFolder,
            last,
            report::SweepDoc,
            status::{SweepStatus, cancel, named, sweeps},
            workload::Workload,
        },
    },
    manifest::{Job, SweepJob},
    os::mask::Mask,
};

/// Why a verb did not do its work.
enum Refused {
    Failure(Failure),
    Load(LoadError),
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// Shows how much a sweep has to do, and how long that takes at the pace of a few of its trials. Nothing is written.
pub fn planned(root: &Path, job: &SweepJob, name: &str, json: bool) -> Exit {
    let planned = without_run(root, "sweep", &Mask::new(std::iter::empty()), |context| {
        let context = named_after(context, name);
        Workload::of(&context, job, &|| SystemClock.steady())
    });
    match planned {
        Err(failure) => tell(&failure, json),
        Ok(workload) => {
            if json {
                print_json(&serde_json::to_value(&workload).expect("plain values serialise"));
            } else {
                print(&workload.text());
            }
            Exit::Ok
        }
    }
}

/// The context of a job of this name.
fn named_after<'a>(context: &Context<'a>, name: &str) -> Context<'a> {
    Context {
        job: name.to_owned(),
        call: context.call.clone(),
        run_id: context.run_id.clone(),
        stop: context.stop.clone(),
        resume: Resume::default(),
        ..*context
    }
}

/// Does one of the verbs.
pub fn sweep(root: &Path, part: &SweepPart, json: bool) -> Exit {
    let done = match part {
        SweepPart::Status { id } => in_box(root, |context| status(context, id.as_deref(), json)),
        SweepPart::Show { id } => in_box(root, |context| show(context, id, json)),
        SweepPart::Cancel { id } => in_box(root, |context| end(context, id, json)),
        SweepPart::Final { id } => hold_out(root, id, json),
    };
    match done {
        Ok(exit) => exit,
        Err(Refused::Failure(failure)) => tell(&failure, json),
        Err(Refused::Load(error)) => refuse(error, json),
    }
}

fn in_box(
    root: &Path,
    work: impl FnOnce(&Context<'_>) -> Result<Exit, Failure>,
) -> Result<Exit, Refused> {
    Ok(without_run(root, "sweep", &Mask::new(std::iter::empty()), work)?)
}

fn status(context: &Context<'_>, id: Option<&str>, json: bool) -> Result<Exit, Failure> {
    let ids = match id {
        Some(id) => vec![named(context, id)?],
        None => sweeps(context)?,
    };
    let all: Result<Vec<SweepStatus>, Failure> =
        ids.iter().map(|id| SweepStatus::of(context, id)).collect();
    let all = all?;
    if json {
        print_json(&json!({ "schema": "mjolnir.sweep-status/1", "sweeps": all }));
    } else if all.is_empty() {
        print("this box does not have a sweep yet: runner run jobs/sweep.toml\n");
    } else {
        print(&all.iter().map(SweepStatus::text).collect::<String>());
    }
    Ok(Exit::Ok)
}

fn show(context: &Context<'_>, id: &str, json: bool) -> Result<Exit, Failure> {
    let folder = SweepFolder::new(context, &named(context, id)?);
    let Some(doc) = folder.json::<SweepDoc>(&folder.report_path())? else {
        let message = format!("{} is not over: run it again to go on", folder.id);
        return Err(Failure::new(Exit::Nothing, message));
    };
    if json {
        print_json(&serde_json::to_value(&doc).expect("plain values serialise"));
    } else {
        print(&doc.text());
    }
    Ok(Exit::Ok)
}

fn end(context: &Context<'_>, id: &str, json: bool) -> Result<Exit, Failure> {
    let id = named(context, id)?;
    cancel(context, &id)?;
    cluster::cancel(context, &SweepFolder::new(context, &id))?;
    if json {
        print_json(&json!({ "schema": "mjolnir.sweep-cancel/1", "id": id }));
    } else {
        print(&format!(
            "{id}: cancelled; what was played is kept, and running the job again goes on\n"
        ));
    }
    Ok(Exit::Ok)
}

fn hold_out(root: &Path, id: &str, json: bool) -> Result<Exit, Refused> {
    let mask = Mask::new(std::iter::empty());
    let (call, known) = without_run(root, "sweep", &mask, |context| {
        let folder = SweepFolder::new(context, &named(context, id)?);
        Ok((folder.call()?, last::known(&folder)?))
    })?;
    if let Some(known) = known {
        show_final(&known, &known.text(false), json);
        return Ok(Exit::Ok);
    }
    let job = job_of(root, &call)?;
    let answer = without_run(root, "sweep", &mask, |context| {
        let folder = SweepFolder::new(context, &named(context, id)?);
        last::play(&named_after(context, &job.1), &job.0, &folder)
    })?;
    show_final(&answer, &answer.text(true), json);
    Ok(Exit::Ok)
}

fn show_final(answer: &last::FinalDoc, text: &str, json: bool) {
    if json {
        print_json(&serde_json::to_value(answer).expect("plain values serialise"));
    } else {
        print(text);
    }
}

/// The job of a sweep and its name, as it was called.
fn job_of(root: &Path, call: &str) -> Result<(SweepJob, String), Refused> {
    let unfit = |why: String| {
        Failure::new(Exit::Data, format!("the sweep was called with `{call}`: {why}"))
    };
    let words = words(call).map_err(unfit)?;
    let words = ["runner", "run"].into_iter().map(str::to_owned).chain(words);
    let cli = Cli::try_parse_from(words).map_err(|error| unfit(error.to_string()))?;
    let Verb::Run(args) = cli.verb else {
        return Err(unfit("this does not run a job".to_owned()).into());
    };
    let root: PathBuf = root.to_owned();
    let loaded = load(&root, &args.job, &facts()).map_err(Refused::Load)?;
    let manifest = loaded.resolved.manifest;
    match manifest.job {
        Job::Sweep(job) => Ok((*job, manifest.name)),
        other => Err(unfit(format!("this is a job of kind `{}` now", other.kind().name())).into()),
    }
}
