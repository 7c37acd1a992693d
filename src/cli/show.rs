//! `runner show`: a job as it would run; a run, by its id; a model, by its folder.

use std::path::Path;

use serde_json::json;

use super::{
    args::{JobArgs, ShowArgs, ShowPart},
    load::{facts, find, load, matrix_jobs},
    output::{print, print_json},
    refuse::refuse,
    show_model::show_model,
    show_run::show_run,
};
use crate::{exit::Exit, os::mask::Mask};

pub fn show(root: &Path, args: &ShowArgs, json: bool) -> Exit {
    if let Some(ShowPart::Model { dir }) = &args.part {
        return show_model(root, dir, json);
    }
    let job = args.job.clone().unwrap_or_default();
    let is_job = find(root, &job).is_ok() || !matrix_jobs(root, &job).is_empty();
    if let Some(exit) = job.to_str().filter(|_| !is_job).and_then(|word| show_run(root, word, json))
    {
        return exit;
    }
    let job = JobArgs { values: args.values.clone(), ..JobArgs::of(job) };
    match load(root, &job, &facts()) {
        Ok(loaded) => {
            let mask = Mask::new(loaded.resolved.secrets().map(str::to_owned));
            let toml = mask.apply(&loaded.resolved.to_toml());
            if json {
                print_json(&json!({ "schema": "mjolnir.show/1", "toml": toml }));
            } else {
                print(&toml);
            }
            Exit::Ok
        }
        Err(error) => refuse(error, json),
    }
}
