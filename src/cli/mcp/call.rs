//! One call of a tool: its arguments are read, and its verb runs as a process of its own, whose answer is the result.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    sandbox,
    tools::{Deed, Form, Tool, ToolArg},
};
use crate::{
    cli::{
        args::{JobArgs, ValueArgs},
        load::{LoadError, facts, load},
    },
    exit::Exit,
    manifest::Kind,
    os::{
        process::{self, ChildResults, Knows, Spawn},
        process_tree::{EndSignal, ProcessTag},
        signals::Stop,
        supervise::{WatchedEnd, WatchedSpawn, watch},
    },
};

/// Most bytes of an answer.
const ANSWER_MAX: usize = 1 << 20;
/// The longest that a verb may look.
const LOOK_MAX: Duration = Duration::from_mins(2);
/// The longest that a job may run.
const RUN_MAX: Duration = Duration::from_hours(6);
/// What a job has to end when its call is cancelled.
const GRACE: Duration = Duration::from_secs(10);
/// Between two looks at whether a call is cancelled.
const LOOK: Duration = Duration::from_millis(100);
/// Makes each call known by a number of its own.
static CALLS: AtomicU64 = AtomicU64::new(0);
/// Lines of messages that go along with a failure.
const SAID_MAX: usize = 20;
/// How a verb ends that has answered.
const ANSWERS: [Exit; 3] = [Exit::Ok, Exit::Inconclusive, Exit::Nothing];
/// The same of a job that gives a verdict.
const VERDICTS: [Exit; 4] = [Exit::Ok, Exit::Inconclusive, Exit::Nothing, Exit::Negative];
/// Longest word of an argument, in bytes.
const WORD_MAX: usize = 1_000;

/// Calls a tool. What goes wrong is a result too: the client reads why.
pub fn call(root: &Path, tool: &Tool, arguments: &Value, stop: &Stop) -> Value {
    match done(root, tool, arguments, stop) {
        Ok(text) => json!({ "content": [{ "type": "text", "text": text }], "isError": false }),
        Err(why) => json!({ "content": [{ "type": "text", "text": why }], "isError": true }),
    }
}

fn done(root: &Path, tool: &Tool, arguments: &Value, stop: &Stop) -> Result<String, String> {
    let given = Given::read(tool, arguments)?;
    match tool.deed {
        Deed::ReadStrategy => sandbox::read(root, given.text("name")),
        Deed::WriteStrategy => {
            let path = sandbox::write(root, given.text("name"), given.text("text"))?;
            let name = given.text("name");
            Ok(format!("{path} is written: give `{name}` among the profiles of a backtest"))
        }
        Deed::Look("check") if !given.text("strategy").is_empty() => {
            let path = sandbox::path_of(root, given.text("strategy"))?;
            let path = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            verb(root, &["check".to_owned(), path], &ANSWERS, (LOOK_MAX, stop))
        }
        Deed::Look(word) => {
            let mut words = vec![word.to_owned()];
            words.extend(given.words);
            verb(root, &words, &ANSWERS, (LOOK_MAX, stop))
        }
        Deed::Run(kind) => {
            let job = given.values.get("job").cloned().unwrap_or_else(|| kind.to_owned());
            is_of(root, &job, kind, &given)?;
            let mut words = vec!["run".to_owned(), job];
            words.extend(given.words.into_iter().filter(|word| word.starts_with("--")));
            // That a search shows no edge is its result, not a failure of it.
            let well = if kind == Kind::Sweep.name() { &VERDICTS[..] } else { &ANSWERS };
            verb(root, &words, well, (RUN_MAX, stop))
        }
    }
}

/// What a call was given.
#[derive(Default)]
struct Given {
    /// Its words for the command line.
    words: Vec<String>,
    /// Its texts by name.
    values: BTreeMap<String, String>,
    profiles: Vec<String>,
    params: Vec<(String, String)>,
}

impl Given {
    fn read(tool: &Tool, arguments: &Value) -> Result<Self, String> {
        let Value::Object(arguments) = arguments else {
            return Err("the arguments are not an object".to_owned());
        };
        let known: Vec<&str> = tool.args.iter().map(|arg| arg.name).collect();
        if let Some(other) = arguments.keys().find(|key| !known.contains(&key.as_str())) {
            let has = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(format!("unknown argument `{}`: there are {has}", other.escape_debug()));
        }
        let mut given = Self::default();
        for arg in tool.args {
            match arguments.get(arg.name) {
                Some(value) if !value.is_null() => given.take(arg, value)?,
                _ if arg.is_required => return Err(format!("`{}` is missing", arg.name)),
                _ => {}
            }
        }
        Ok(given)
    }

    fn take(&mut self, arg: &ToolArg, value: &Value) -> Result<(), String> {
        let name = arg.name;
        let wrong = |what: &str| format!("`{name}` is not {what}");
        match arg.form {
            Form::Text => {
                let text = value.as_str().ok_or_else(|| wrong("a text"))?;
                self.values.insert(name.to_owned(), text.to_owned());
            }
            Form::Word => {
                let text = word(name, value.as_str().ok_or_else(|| wrong("a text"))?)?;
                self.values.insert(name.to_owned(), text.clone());
                self.words.push(text);
            }
            Form::Flag => {
                let text = word(name, value.as_str().ok_or_else(|| wrong("a text"))?)?;
                self.words.push(format!("--{name}={text}"));
            }
            Form::Count => {
                let count = value.as_u64().ok_or_else(|| wrong("a whole number"))?;
                self.words.push(format!("--{name}={count}"));
            }
            Form::Profiles => {
                for profile in value.as_array().ok_or_else(|| wrong("a list"))? {
                    let text = profile.as_str().ok_or_else(|| wrong("a list of texts"))?;
                    let text = word(name, text)?;
                    self.words.push(format!("--profile={text}"));
                    self.profiles.push(text);
                }
            }
            Form::Params => {
                for (param, value) in value.as_object().ok_or_else(|| wrong("an object"))? {
                    let value = match value {
                        Value::String(text) => text.clone(),
                        Value::Number(number) => number.to_string(),
                        Value::Bool(is) => is.to_string(),
                        Value::Null | Value::Array(_) | Value::Object(_) => {
                            return Err(format!(
                                "the param `{}` is not one value",
                                param.escape_debug()
                            ));
                        }
                    };
                    let (param, value) = (plain(name, param)?, plain(name, &value)?);
                    self.words.push(format!("--param={param}={value}"));
                    self.params.push((param, value));
                }
            }
        }
        Ok(())
    }

    fn text(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }
}

/// A word of a command line that is neither a flag nor a path.
fn word(name: &str, text: &str) -> Result<String, String> {
    let text = plain(name, text)?;
    let is_path = text.contains(['/', '\\']) && name != "at";
    if text.is_empty() || text.starts_with('-') || is_path {
        return Err(format!("`{name}` is not a name: `{}`", text.escape_debug()));
    }
    Ok(text)
}

fn plain(name: &str, text: &str) -> Result<String, String> {
    if text.len() > WORD_MAX || text.chars().any(char::is_control) {
        return Err(format!(
            "`{name}` holds control characters, or is longer than {WORD_MAX} bytes"
        ));
    }
    Ok(text.to_owned())
}

/// Refuses a job of another kind, whatever a profile makes of it.
fn is_of(root: &Path, job: &str, kind: &str, given: &Given) -> Result<(), String> {
    let (profiles, params) = (given.profiles.clone(), given.params.clone());
    let values = ValueArgs { profiles, params, set: Vec::new() };
    let args = JobArgs { values, ..JobArgs::of(job.into()) };
    let loaded = load(root, &args, &facts()).map_err(|error| match error {
        LoadError::Problems(problems) => problems.to_string(),
        LoadError::Unreadable(failure) => failure.message,
    })?;
    let found = loaded.resolved.manifest.job.kind().name();
    if found == kind {
        return Ok(());
    }
    Err(format!("job `{job}` is of kind {found}: this tool runs jobs of kind {kind} only"))
}

/// Asks a second time when a call is stopped: a run that is asked twice records that and ends at once. It is never over.
async fn hurry(tag: &ProcessTag, stop: &Stop) {
    loop {
        pause(LOOK).await;
        if stop.asked() {
            pause(LOOK * 5).await;
            tag.hit(EndSignal::Term);
            std::future::pending::<()>().await;
        }
    }
}

async fn pause(time: Duration) {
    let _ = tokio::time::timeout(time, std::future::pending::<()>()).await;
}

/// Runs a verb of this program and gives what it prints; an error holds its exit code and what it says as well.
fn verb(
    root: &Path,
    words: &[String],
    well: &[Exit],
    (most, stop): (Duration, &Stop),
) -> Result<String, String> {
    let program = process::own_program().map_err(|error| error.to_string())?;
    let mut argv = vec![program.display().to_string(), "--root".to_owned()];
    argv.extend([root.display().to_string(), "--json".to_owned()]);
    argv.extend(words.iter().cloned());
    let number = CALLS.fetch_add(1, Ordering::Relaxed);
    let tag = ProcessTag::of_run(root, &format!("mcp-{}-{number}", std::process::id()));
    let spawn = Spawn {
        argv,
        env: tag.variables(),
        dir: root.to_owned(),
        timeout: Some(most),
        grace: GRACE,
        results: ChildResults::Kept,
    };
    let watched = WatchedSpawn { spawn, knows: Knows::All, silence: None, most: ANSWER_MAX };
    let runtime = process::runtime().map_err(|error| error.to_string())?;
    let mut heard = |_: &str| {};
    let seen = runtime
        .block_on(async {
            tokio::select! {
                biased;
                seen = watch(&watched, stop, &mut heard) => seen,
                () = hurry(&tag, stop) => Err(std::io::Error::other("it is never over")),
            }
        })
        .map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&seen.stderr);
    let lines: Vec<&str> = said.lines().collect();
    let last = lines[lines.len().saturating_sub(SAID_MAX)..].join("\n");
    let text = String::from_utf8_lossy(&seen.stdout).into_owned();
    let is_well = well.iter().any(|exit| i32::from(exit.code()) == seen.code);
    match seen.gone {
        WatchedEnd::Left(_) if seen.stdout.len() >= ANSWER_MAX => {
            Err(format!("the answer is longer than {ANSWER_MAX} bytes: ask for less"))
        }
        WatchedEnd::Left(_) if is_well && seen.code == 0 => Ok(text),
        WatchedEnd::Left(_) if is_well => Ok(format!("{text}\nexit code {}\n{last}", seen.code)),
        WatchedEnd::Left(_) => Err(format!("{text}\nexit code {}\n{last}", seen.code)),
        WatchedEnd::TimedOut => Err(format!("it took longer than {most:?} and was stopped")),
        WatchedEnd::Stopped => Err("the call was cancelled".to_owned()),
        WatchedEnd::Silent | WatchedEnd::Unkillable => Err("it could not be ended".to_owned()),
    }
}
