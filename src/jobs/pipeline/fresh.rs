//! Whether a step has to run at all: a digest of everything it is made of, and of what it left.

use std::{
    collections::BTreeMap,
    path::{Component, Path},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    clock::{Clock as _, SystemClock},
    exit::Exit,
    jobs::context::{Context, Failure},
    manifest::{PipelineStep, Template, Work},
    os::{
        process::{self, ChildResults, Knows, Spawn},
        supervise::{WatchedEnd, WatchedSpawn, watch},
    },
    store::{
        digest::{RunningDigest, sha256_of},
        disk::{Disk as _, EntryKind, parent},
        document::document,
    },
};

/// Version of the document.
const SCHEMA: &str = "mjolnir.step/1";
/// Most files below one input or output.
const FILES_MAX: usize = 20_000;
/// Folders are not nested deeper than this.
const DEPTH_MAX: u32 = 16;
/// The longest that reading the values of a job may take.
const EXPLAIN_MAX: Duration = Duration::from_mins(1);
/// Most bytes of the values of a job.
const EXPLAINED_MAX: usize = 4 << 20;

/// What a step is made of, as a digest, and what it is to leave.
#[derive(Debug, Clone)]
pub struct StepRecipe {
    pub hash: String,
    /// Where it is remembered: the step, with its item behind a dot.
    task: String,
    outputs: Vec<String>,
}

/// What is remembered of a step that succeeded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StepMemory {
    schema: String,
    hash: String,
    /// The digest of each output.
    outputs: BTreeMap<String, String>,
    /// The run that did the work.
    pub run_id: String,
    made_ms: i64,
    /// What it put out.
    pub out: BTreeMap<String, String>,
}

/// What a step is made of; `None` where it has no inputs, and so always runs.
pub async fn recipe(
    context: &Context<'_>,
    step: &PipelineStep,
    words: &[String],
    (values, item): (&BTreeMap<String, String>, Option<&str>),
) -> Result<Option<StepRecipe>, Failure> {
    if step.inputs.is_empty() {
        return Ok(None);
    }
    let mut running = RunningDigest::default();
    let mut add = |part: &str| {
        running.add(part.len().to_string().as_bytes());
        running.add(b":");
        running.add(part.as_bytes());
    };
    add(context.build);
    add(&step.expect_exit.to_string());
    for word in words {
        add(word);
    }
    if let Work::Job { .. } = &step.work {
        add(&explained(context, words).await?);
    }
    for input in filled(step, &step.inputs, values)? {
        let digest = digest_of(context, &input)?.ok_or_else(|| {
            let message = format!("step {}: the input `{input}` does not exist", step.id);
            Failure::new(Exit::Nothing, message)
        })?;
        add(&input);
        add(&digest);
    }
    let task = item.map_or_else(|| step.id.clone(), |item| format!("{}.{item}", step.id));
    let outputs = filled(step, &step.outputs, values)?;
    Ok(Some(StepRecipe { hash: running.digest(), task, outputs }))
}

/// The run that left what this step would make, if nothing has changed since.
pub fn up_to_date(
    context: &Context<'_>,
    recipe: &StepRecipe,
) -> Result<Option<StepMemory>, Failure> {
    let path = context.layout.step_state(&context.job, &recipe.task);
    let Some(bytes) = context.disk.read(&path)? else { return Ok(None) };
    // What cannot be read is made again.
    let Ok(memory) = serde_json::from_slice::<StepMemory>(&bytes) else { return Ok(None) };
    if memory.schema != SCHEMA || memory.hash != recipe.hash {
        return Ok(None);
    }
    for output in &recipe.outputs {
        let now = digest_of(context, output)?;
        if now.is_none() || memory.outputs.get(output) != now.as_ref() {
            return Ok(None);
        }
    }
    Ok(Some(memory))
}

/// Remembers a step that succeeded; a failure when it did not leave what it is to leave.
pub fn remember(
    context: &Context<'_>,
    recipe: &StepRecipe,
    out: &BTreeMap<String, String>,
) -> Result<(), Failure> {
    let mut outputs = BTreeMap::new();
    for output in &recipe.outputs {
        let digest = digest_of(context, output)?.ok_or_else(|| {
            Failure::new(Exit::Nothing, format!("it did not leave its output `{output}`"))
        })?;
        outputs.insert(output.clone(), digest);
    }
    let memory = StepMemory {
        schema: SCHEMA.to_owned(),
        hash: recipe.hash.clone(),
        outputs,
        run_id: context.run_id.to_string(),
        made_ms: SystemClock.now().get(),
        out: out.clone(),
    };
    let path = context.layout.step_state(&context.job, &recipe.task);
    context.disk.create_dir_all(parent(&path))?;
    Ok(context.disk.replace(&path, document(&memory).as_bytes())?)
}

/// Every value that the job of a step would run with.
async fn explained(context: &Context<'_>, words: &[String]) -> Result<String, Failure> {
    let program =
        process::own_program().map_err(|error| Failure::new(Exit::Bug, error.to_string()))?;
    let mut argv = vec![program.display().to_string(), "--root".to_owned()];
    argv.extend([context.root.display().to_string(), "--json".to_owned(), "explain".to_owned()]);
    argv.extend(words.iter().cloned());
    let spawn = Spawn {
        argv,
        env: BTreeMap::new(),
        dir: context.root.to_owned(),
        timeout: Some(EXPLAIN_MAX),
        grace: Duration::ZERO,
        results: ChildResults::Kept,
    };
    let watched = WatchedSpawn { spawn, knows: Knows::All, silence: None, most: EXPLAINED_MAX };
    let seen = watch(&watched, &context.stop, &mut |_| {})
        .await
        .map_err(|error| Failure::new(Exit::Io, format!("runner explain: {error}")))?;
    if seen.code == 0 && matches!(seen.gone, WatchedEnd::Left(_)) && !seen.cut {
        return Ok(String::from_utf8_lossy(&seen.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&seen.stderr);
    let said = said.lines().next().unwrap_or_default();
    let job = words.first().map_or("", String::as_str);
    Err(Failure::new(Exit::Manifest, format!("the values of {job} cannot be read: {said}")))
}

fn filled(
    step: &PipelineStep,
    paths: &[Template],
    values: &BTreeMap<String, String>,
) -> Result<Vec<String>, Failure> {
    let refused = |why: String| Failure::new(Exit::Manifest, format!("step {}: {why}", step.id));
    let mut filled = Vec::new();
    for path in paths {
        let path = path.fill(values).map_err(|error| refused(error.to_string()))?;
        let is_below =
            Path::new(&path).components().all(|part| matches!(part, Component::Normal(_)));
        if path.is_empty() || !is_below {
            return Err(refused(format!("`{path}` is not a path below the root")));
        }
        filled.push(path);
    }
    Ok(filled)
}

/// The digest of a file, or of all files in a folder with their names; `None` where there is neither. Files whose names begin with a
/// dot, and locks, are not part of it.
fn digest_of(context: &Context<'_>, written: &str) -> Result<Option<String>, Failure> {
    let path = context.root.join(written);
    inside(context, &path, written)?;
    let mut files = Vec::new();
    if context.disk.is_dir(&path)? {
        walk(context, &path, &mut files, 0)?;
    } else if let Some(len) = context.disk.len(&path)? {
        return Ok(Some(sha256_of(context.disk, &path, len)?.1));
    } else {
        return Ok(None);
    }
    let mut running = RunningDigest::default();
    for file in files {
        let len = context.disk.len(&file)?.unwrap_or_default();
        let (_, digest) = sha256_of(context.disk, &file, len)?;
        let name = file.strip_prefix(&path).unwrap_or(&file).display().to_string();
        running.add(format!("{digest} {name}\n").as_bytes());
    }
    Ok(Some(running.digest()))
}

fn walk(
    context: &Context<'_>,
    dir: &Path,
    files: &mut Vec<std::path::PathBuf>,
    depth: u32,
) -> Result<(), Failure> {
    for name in context.disk.list(dir)? {
        if name.starts_with('.') || Path::new(&name).extension().is_some_and(|end| end == "lock") {
            continue;
        }
        let path = dir.join(name);
        match context.disk.look(&path)?.map(|found| found.kind) {
            Some(EntryKind::Dir) if depth < DEPTH_MAX => walk(context, &path, files, depth + 1)?,
            Some(EntryKind::File) => files.push(path),
            Some(EntryKind::Dir | EntryKind::Link) | None => {
                let message = format!(
                    "{} is a link, or nested too deep: name files of its own",
                    context.shown(&path)
                );
                return Err(Failure::new(Exit::Data, message));
            }
        }
        if files.len() > FILES_MAX {
            let message = format!(
                "{} has more than {FILES_MAX} files: name a smaller folder",
                context.shown(dir)
            );
            return Err(Failure::new(Exit::Data, message));
        }
    }
    Ok(())
}

/// Refuses a path that leads out of the root. `data` itself may be a link to another disk.
fn inside(context: &Context<'_>, path: &Path, written: &str) -> Result<(), Failure> {
    let Ok(real) = path.canonicalize() else { return Ok(()) };
    let homes = [context.root.to_owned(), context.layout.data().to_owned()];
    if homes.iter().filter_map(|home| home.canonicalize().ok()).any(|home| real.starts_with(home)) {
        return Ok(());
    }
    let message = format!("`{written}` leads out of the root, to {}", real.display());
    Err(Failure::new(Exit::Manifest, message))
}
