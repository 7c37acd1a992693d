//! `runner completions`: what a shell loads to complete verbs, flags, jobs, params, profiles, tags and runs; and `runner man`.
//!
//! The script that is printed asks this program at each tab, with the variable `COMPLETE` set, so it never goes out of date.

use std::{
    ffi::{OsStr, OsString},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use clap::{CommandFactory as _, Parser as _};
use clap_complete::{
    CompletionCandidate,
    env::{Bash, CompleteEnv, EnvCompleter as _, Fish},
};

use super::{
    args::{Cli, CompletionShell, JobArgs, Verb},
    home,
    init::files,
    load::{load_declared, names, profiles, strategies},
    output::print,
    records::Records,
    refuse::tell,
};
use crate::{
    domain::{ids::Tag, time::Timeframe},
    exchange::venue::registry::Venue,
    exit::Exit,
    language,
    manifest::Declared,
    outcome::Failure,
    store::{
        layout::Layout,
        runs::{RunFilter, StepsRecord},
    },
};

/// The variable with which a shell asks what could come next.
const VARIABLE: &str = "COMPLETE";
const PROGRAM: &str = "runner";
/// How many runs are offered: the newest, as many as fit a screen.
const RUNS: u32 = 30;
/// The crate's own script for Zsh puts a blank behind `feed=`, and offers nothing at the first tab when it is a file of `fpath`.
const ZSH: &str = r#"#compdef runner
_runner_complete() {
    local line
    local -a offered open whole
    offered=("${(@f)$(_CLAP_IFS=$'\n' _CLAP_COMPLETE_INDEX=$((CURRENT - 1)) COMPLETE=zsh runner -- "${words[@]}" 2> /dev/null)}")
    for line in $offered; do
        # What has to go on is followed by no blank.
        if [[ ${line%%:*} == *[=/] ]]; then open+=("$line"); else whole+=("$line"); fi
    done
    (( $#open )) && _describe -V values open -S ''
    (( $#whole )) && _describe -V values whole
}
# In a folder of fpath this file is the body of the function _runner, which is called for the first tab too.
if [[ $funcstack[1] == _runner ]]; then _runner_complete; else compdef _runner_complete runner; fi
"#;

/// Answers a shell that asks what could come next, and ends this process then; does nothing otherwise.
pub fn answer_shell() {
    CompleteEnv::with_factory(Cli::command)
        .var(VARIABLE)
        .bin(PROGRAM)
        .completer(PROGRAM)
        .complete();
}

pub fn completions(shell: CompletionShell) -> Exit {
    let mut script = Vec::new();
    let text = &mut script;
    let made = match shell {
        CompletionShell::Bash => Bash.write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, text),
        CompletionShell::Fish => Fish.write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, text),
        CompletionShell::Zsh => text.write_all(ZSH.as_bytes()),
    };
    write_out(made, &script)
}

/// `runner man`: the manual page of the program, or of one verb.
pub fn man(verb: Option<&str>) -> Exit {
    let mut command = Cli::command();
    command.build();
    let Some(verb) = verb else {
        return page(command, &format!("{}{}", exit_status(), examples()));
    };
    let visible = |found: &&clap::Command| !found.is_hide_set() && found.get_name() != "help";
    let verbs: Vec<&str> =
        command.get_subcommands().filter(visible).map(clap::Command::get_name).collect();
    let Some(found) = command.get_subcommands().filter(visible).find(|one| one.get_name() == verb)
    else {
        let message = format!("`{verb}` is not a verb of runner; there are {}", verbs.join(" "));
        return tell(&Failure::new(Exit::Usage, message), false);
    };
    page(found.clone(), "")
}

/// The page, and what follows it.
fn page(command: clap::Command, rest: &str) -> Exit {
    let mut page = Vec::new();
    let made = clap_mangen::Man::new(command).render(&mut page);
    page.extend_from_slice(rest.as_bytes());
    write_out(made, &page)
}

/// The exit codes as a section of a manual page, in roff.
fn exit_status() -> String {
    let rows = Exit::TABLE.iter();
    let rows = rows.map(|(code, name, means)| format!(".TP\n{code} ({name})\n{means}\n"));
    format!(".SH EXIT STATUS\n{}", rows.collect::<String>())
}

/// What to type first, in roff.
fn examples() -> String {
    let lines = [
        ("runner init box", "a new box in the folder `box`"),
        ("runner run jobs/demo.toml", "made-up bars, a loop, its replay, the proof"),
        ("runner run jobs/eqflat.toml", "whether LIVE and its replay are equal"),
        ("runner man run", "the page of one verb"),
    ];
    let rows = lines.iter().map(|(typed, means)| format!(".TP\n.B {typed}\n{means}\n"));
    format!(".SH EXAMPLES\n{}", rows.collect::<String>())
}

fn write_out(made: io::Result<()>, text: &[u8]) -> Exit {
    match made {
        Ok(()) => {
            print(&String::from_utf8_lossy(text));
            Exit::Ok
        }
        Err(error) => tell(&Failure::new(Exit::Bug, error.to_string()), false),
    }
}

/// The words of the command line that is being completed.
fn words() -> Vec<OsString> {
    std::env::args_os().skip_while(|word| word != "--").skip(1).collect()
}

/// The box that is meant: what `--root` names, or the nearest one from here upwards.
fn this_box() -> Option<PathBuf> {
    let words = words();
    let given = words.iter().zip(words.iter().skip(1)).find(|(flag, _)| *flag == "--root");
    let joined =
        words.iter().find_map(|word| word.to_str()?.strip_prefix("--root=").map(PathBuf::from));
    let given = given.map(|(_, dir)| PathBuf::from(dir)).or(joined);
    home::root(given.as_deref(), &home::here().ok()?).ok()
}

fn beginning(current: &OsStr, all: Vec<String>) -> Vec<CompletionCandidate> {
    let begins = |name: &String| current.to_str().is_some_and(|typed| name.starts_with(typed));
    all.into_iter().filter(begins).map(CompletionCandidate::new).collect()
}

/// Names of jobs, and once a path was begun the manifests.
pub fn jobs(current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(root) = this_box() else { return Vec::new() };
    let jobs = names(&root);
    let paths = jobs.iter().map(|job| format!("jobs/{job}.toml"));
    let is_path = current.to_str().is_some_and(|typed| typed.contains('/'));
    beginning(current, if is_path { paths.collect() } else { jobs })
}

/// Profiles and strategies, for `-P`.
pub fn layers(current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(root) = this_box() else { return Vec::new() };
    beginning(current, [profiles(&root), strategies(&root)].concat())
}

/// `NAME=` of each param of the job that was typed before, and after the sign its choices.
pub fn params(current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(root) = this_box() else { return Vec::new() };
    let Some(job) = typed_job() else { return Vec::new() };
    let declared = load_declared(&root, &job).unwrap_or_default();
    let typed = current.to_str().unwrap_or_default();
    let choices = |name: &str| match name {
        "tag" => tags_of(&root),
        "exchange" => venues(),
        _ => {
            let param = declared.iter().find(|param| param.name == name);
            param.map(|param| param.choices.clone()).unwrap_or_default()
        }
    };
    if let Some(name) = name_before_sign() {
        return beginning(OsStr::new(typed.trim_start_matches('=')), choices(&name));
    }
    if let Some((name, _)) = typed.split_once('=') {
        let pairs = choices(name).into_iter().map(|choice| format!("{name}={choice}"));
        return beginning(current, pairs.collect());
    }
    let begins = declared.iter().filter(|param| param.name.starts_with(typed));
    let offered = |param: &Declared| {
        let help = Some(param.help.clone().into());
        CompletionCandidate::new(format!("{}=", param.name)).help(help)
    };
    begins.map(offered).collect()
}

/// The param whose value is typed, where the shell made words of a name, its `=` and its value, as Bash does.
fn name_before_sign() -> Option<String> {
    let words = words();
    let sign = match words.as_slice() {
        [.., sign] if sign == "=" => words.len() - 1,
        [.., sign, _] if sign == "=" => words.len() - 2,
        _ => return None,
    };
    words.get(sign.checked_sub(1)?)?.to_str().map(str::to_owned)
}

/// The job of the command line so far, with the profiles and strategies that were typed. What is being typed does not parse yet, so of
/// the rest only these are read.
fn typed_job() -> Option<JobArgs> {
    let words = words();
    let is_flag = |word: &OsString| {
        word.to_str().is_some_and(|word| word.starts_with('-') && !word.starts_with("--root"))
    };
    let flag = words.iter().skip(1).position(is_flag).map(|at| at + 1);
    let (first, rest) = words.split_at(flag.unwrap_or(words.len()));
    let mut job = match Cli::try_parse_from(first).ok()?.verb {
        Verb::Run(args) => args.job,
        Verb::Explain(args) => args,
        Verb::Plan(args) => args.job,
        Verb::Show(args) => JobArgs::of(args.job?),
        Verb::Why(args) => JobArgs::of(args.job.into()),
        Verb::Features(args) => JobArgs::of(args.job),
        Verb::Deploy(args) => JobArgs::of(args.job),
        _ => return None,
    };
    let mut are_layers = false;
    for word in rest.iter().filter_map(|word| word.to_str()) {
        if word.starts_with('-') {
            are_layers = word == "-P" || word == "--profile";
        } else if are_layers {
            job.values.profiles.push(word.to_owned());
        }
    }
    Some(job)
}

/// Ids of the newest runs, each with its job and what became of it; and names of jobs, of which the newest run is meant.
pub fn runs(current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(root) = this_box() else { return Vec::new() };
    let newest = RunFilter { limit: Some(RUNS), ..RunFilter::default() };
    let records = Records::open_if_any(&root).ok().flatten();
    let found = records.and_then(|records| records.list(&newest).ok()).unwrap_or_default();
    let typed = current.to_str().unwrap_or_default();
    let of_runs = found.iter().filter(|run| run.run_id.as_str().starts_with(typed)).map(|run| {
        let what = format!("{} {}", run.job, run.state.name());
        CompletionCandidate::new(run.run_id.as_str()).help(Some(what.into()))
    });
    of_runs.chain(beginning(current, names(&root))).collect()
}

/// Steps of the run that was typed before.
pub fn steps(current: &OsStr) -> Vec<CompletionCandidate> {
    let of_run = || {
        let is_run = |word: &&OsString| !word.to_string_lossy().starts_with('-');
        let word = words().iter().skip(2).find(is_run)?.to_str()?.to_owned();
        let records = Records::open_if_any(&this_box()?).ok()??;
        let run = records.find(&word).ok()?;
        StepsRecord::read(&records.disk, &records.layout, &run.run_id).ok()?
    };
    let steps = of_run().map(|record| record.steps).unwrap_or_default();
    beginning(current, steps.into_iter().map(|step| step.id).collect())
}

/// Tags that have ledgers.
pub fn tags(current: &OsStr) -> Vec<CompletionCandidate> {
    this_box().map(|root| beginning(current, tags_of(&root))).unwrap_or_default()
}

fn tags_of(root: &Path) -> Vec<String> {
    let folders = std::fs::read_dir(Layout::new(root).tags_dir()).into_iter().flatten().flatten();
    let mut tags: Vec<String> = folders
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.parse::<Tag>().is_ok())
        .collect();
    tags.sort();
    tags
}

fn venues() -> Vec<String> {
    Venue::ALL.iter().map(|venue| venue.name().to_owned()).collect()
}

/// Names of venues.
pub fn exchanges(current: &OsStr) -> Vec<CompletionCandidate> {
    beginning(current, venues())
}

/// Lengths of bars.
pub fn timeframes(current: &OsStr) -> Vec<CompletionCandidate> {
    beginning(current, Timeframe::ALL.iter().map(|timeframe| timeframe.name().to_owned()).collect())
}

/// Strategies that a new box can begin with.
pub fn shipped_strategies(current: &OsStr) -> Vec<CompletionCandidate> {
    beginning(current, files::strategies().into_iter().map(str::to_owned).collect())
}

/// Functions and values of the rule language.
pub fn functions(current: &OsStr) -> Vec<CompletionCandidate> {
    beginning(current, language::functions::words().into_iter().map(str::to_owned).collect())
}

/// Verbs, for their manual pages.
pub fn verbs(current: &OsStr) -> Vec<CompletionCandidate> {
    let command = Cli::command();
    let visible = command.get_subcommands().filter(|verb| !verb.is_hide_set());
    beginning(current, visible.map(|verb| verb.get_name().to_owned()).collect())
}
