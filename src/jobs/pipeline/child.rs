//! What a step starts: its arguments, the id of its run, what it leaves for others, and whether it went well.

use std::{collections::BTreeMap, path::Path};

use crate::{
    domain::ids::RunId,
    exit::Exit,
    jobs::context::{Context, Failure},
    manifest::{FillError, Item, PipelineStep, Work},
    os::process::{self, ProcessEnd},
    store::disk::Disk as _,
};

/// Longest run id.
const ID_MAX: usize = 64;
/// How much of a longer one is kept; a hash of the whole follows.
const ID_KEPT: usize = 55;

/// Exit codes of a run that was asked to stop: by a hangup, an interrupt, or a termination.
const STOPPED: [i32; 3] = [129, 130, 143];

/// What the texts of a step are filled with: what other steps put out, and its item.
pub fn values(out: &BTreeMap<String, String>, item: Option<&Item>) -> BTreeMap<String, String> {
    let mut values = out.clone();
    values.extend(item.map(|item| ("each".to_owned(), item.value.clone())));
    values
}

/// The words after `runner`, or the program with its arguments.
pub fn words(
    step: &PipelineStep,
    values: &BTreeMap<String, String>,
) -> Result<Vec<String>, Failure> {
    let refused =
        |error: FillError| Failure::new(Exit::Manifest, format!("step {}: {error}", step.id));
    match &step.work {
        Work::Program(words) => {
            words.iter().map(|word| word.fill(values)).collect::<Result<_, _>>().map_err(refused)
        }
        Work::Job { path, params, profiles } => {
            let mut words = vec![path.clone()];
            words.extend(profiles.iter().flat_map(|profile| ["-P".to_owned(), profile.clone()]));
            for (name, value) in params {
                let value = value.fill(values).map_err(refused)?;
                words.extend(["-p".to_owned(), format!("{name}={value}")]);
            }
            Ok(words)
        }
    }
}

/// The whole command of a step.
pub fn argv(
    context: &Context<'_>,
    step: &PipelineStep,
    words: &[String],
    (globals, child): (&[String], &str),
) -> Result<Vec<String>, Failure> {
    let Work::Job { .. } = &step.work else { return Ok(words.to_vec()) };
    let program =
        process::own_program().map_err(|error| Failure::new(Exit::Bug, error.to_string()))?;
    let mut argv = vec![program.display().to_string(), "run".to_owned()];
    argv.extend(words.iter().take(1).cloned());
    argv.extend(globals.iter().cloned());
    argv.extend(["--run-id".to_owned(), child.to_owned()]);
    argv.extend(["--parent".to_owned(), context.run_id.to_string()]);
    argv.extend(words.iter().skip(1).cloned());
    Ok(argv)
}

/// The id of the run of a step: that of the pipeline, the step, the item, and the attempt from the second one on.
pub fn child_id(context: &Context<'_>, step: &PipelineStep, item: Option<&Item>) -> String {
    let mut id = format!("{}.{}", context.run_id, step.id);
    if let Some(item) = item {
        id = format!("{id}.{}", item.name);
    }
    if let Some(attempt) = context.resume.attempt.filter(|attempt| *attempt > 1) {
        id = format!("{id}.a{attempt}");
    }
    shortened(&id)
}

fn shortened(id: &str) -> String {
    if id.len() <= ID_MAX {
        return id.to_owned();
    }
    let hash = xxhash_rust::xxh3::xxh3_64(id.as_bytes()) as u32;
    format!("{}-{hash:08x}", &id[..ID_KEPT])
}

/// Whether a step went well.
pub fn judge(step: &PipelineStep, of: &str, ended: &ProcessEnd) -> bool {
    let (code, expected) = (ended.code, step.expect_exit);
    if ended.stopped {
        tracing::error!(step = of, code, "step was stopped");
    } else if ended.timed_out {
        tracing::error!(step = of, "step took longer than its timeout");
    } else if is_cut_job(step, code) {
        tracing::error!(step = of, code, "the job of the step was stopped or timed out");
    } else if code == expected {
        tracing::info!(step = of, code, "step ended as expected");
        return true;
    } else {
        tracing::error!(step = of, code, expected, "step failed");
    }
    false
}

/// Whether the run of a job was stopped or timed out. That is never what a step expects, whatever it says. A job that was killed
/// (137) may be: a drill kills its own process.
fn is_cut_job(step: &PipelineStep, code: i32) -> bool {
    let is_job = matches!(step.work, Work::Job { .. });
    is_job && (code == i32::from(Exit::Timeout.code()) || STOPPED.contains(&code))
}

/// What a step left for others: the `out` of its result.
pub fn outputs(context: &Context<'_>, child: &str) -> Result<BTreeMap<String, String>, Failure> {
    let Ok(run) = child.parse::<RunId>() else { return Ok(BTreeMap::new()) };
    let path = context.layout.run_dir(&run).join("result.json");
    let Some(bytes) = context.disk.read(Path::new(&path))? else { return Ok(BTreeMap::new()) };
    let result: serde_json::Value = serde_json::from_slice(&bytes)
        .map_err(|error| Failure::new(Exit::Data, format!("{}: {error}", context.shown(&path))))?;
    let out = result.get("out").and_then(serde_json::Value::as_object);
    Ok(out
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_id_is_cut_and_stays_its_own() {
        let long = |last: &str| shortened(&format!("{}.{last}", "p".repeat(70)));
        assert_eq!(shortened("p_1.step.BTC_USD"), "p_1.step.BTC_USD");
        assert!(long("a") != long("b"), "{}", long("a"));
        for id in [long("a"), long("b")] {
            assert!(id.len() <= 64 && id.parse::<RunId>().is_ok(), "{id}");
        }
    }
}
