//! Where the box is: the folder that `--root` names, or else the nearest one from here upwards; and `--help` of a job, which needs it.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use clap::{Parser as _, error::ErrorKind};

use super::{
    args::{Cli, JobArgs, Verb},
    load::load_declared,
    output::{plain, print},
    table::table,
};
use crate::{exit::Exit, jobs::context::Failure, manifest::Declared};

/// Folders of which one lies beside `jobs/` in a box.
const BESIDE: [&str; 3] = ["profiles", "strategies", "data"];

/// The arguments of this process. Where they ask for help with a job, its params are listed behind what every job takes.
pub fn arguments() -> Cli {
    let given: Vec<OsString> = std::env::args_os().collect();
    match Cli::try_parse_from(&given) {
        Ok(cli) => cli,
        Err(error) if error.kind() == ErrorKind::DisplayHelp => {
            // A closed pipe is not an error: the reader has seen enough.
            let _ = error.print();
            print(&help_of_job(&given).unwrap_or_default());
            std::process::exit(0);
        }
        Err(error) => error.exit(),
    }
}

/// The params of the job that the arguments name beside `--help`.
fn help_of_job(given: &[OsString]) -> Option<String> {
    let asks = |word: &OsString| word == "--help" || word == "-h";
    let cli = Cli::try_parse_from(given.iter().filter(|word| !asks(word))).ok()?;
    let job = match cli.verb {
        Verb::Run(args) => args.job,
        Verb::Explain(args) => args,
        Verb::Plan(args) => args.job,
        _ => return None,
    };
    let root = root(cli.root.as_deref(), &here().ok()?).ok()?;
    Some(params(&root, &job))
}

fn params(root: &Path, job: &JobArgs) -> String {
    let name = plain(&job.job.display().to_string());
    let Ok(all) = load_declared(root, job) else {
        return format!("\nThe params of {name} cannot be read: `runner check` says why\n");
    };
    if all.is_empty() {
        return format!("\n{name} has no params: change any key with --set table.key=value\n");
    }
    let head = ["PARAM", "DEFAULT", "VARIABLE", "MEANING"].map(str::to_owned).to_vec();
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(all.iter().map(row)).collect();
    format!("\nParams of {name}, given with -p NAME=VALUE:\n{}", table("  ", &rows))
}

fn row(param: &Declared) -> Vec<String> {
    let Declared { name, help, default, env, choices, is_required } = param;
    let none = if *is_required { "must be given" } else { "-" };
    let default = default.clone().unwrap_or_else(|| none.to_owned());
    let variable = env.clone().unwrap_or_else(|| "-".to_owned());
    let choices =
        if choices.is_empty() { String::new() } else { format!(" ({})", choices.join(", ")) };
    [name.clone(), default, variable, format!("{help}{choices}")].map(|text| plain(&text)).to_vec()
}

/// The folder that this process works in.
pub fn here() -> std::io::Result<PathBuf> {
    std::path::absolute(".")
}

/// The folder of the box: as given, or the nearest one from here upwards.
pub fn root(given: Option<&Path>, here: &Path) -> Result<PathBuf, Failure> {
    if let Some(given) = given {
        return Ok(given.to_owned());
    }
    match here.ancestors().find(|folder| is_box(folder)) {
        // What people type again needs no --root where they are.
        Some(folder) if folder == here => Ok(PathBuf::from(".")),
        Some(folder) => Ok(folder.to_owned()),
        None => Err(Failure::new(
            Exit::Usage,
            format!(
                "{} is not in a box, and --root is not given. A box is a folder with jobs/ beside profiles/, strategies/ or data/. Go into \
                 one, or name it with --root DIR, or make one: runner init DIR",
                here.display()
            ),
        )),
    }
}

fn is_box(folder: &Path) -> bool {
    folder.join("jobs").is_dir() && BESIDE.iter().any(|name| folder.join(name).is_dir())
}

/// Whether a verb has a meaning outside of a box.
pub fn is_for_a_box(verb: &Verb) -> bool {
    !matches!(
        verb,
        Verb::Init(_)
            | Verb::Schema { .. }
            | Verb::Reference
            | Verb::Functions { .. }
            | Verb::Doctor(_)
            | Verb::ImportCrontab(_)
            | Verb::Completions { .. }
            | Verb::Man { .. }
            | Verb::Shard(_)
            | Verb::Fit { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::disk::{Disk as _, RealDisk};

    #[test]
    fn the_nearest_box_from_here_upwards_is_meant() {
        let temp = tempfile::tempdir().unwrap();
        let at = |inside: &str| temp.path().join(inside);
        for folder in ["box/jobs", "box/data/runs", "box/in/jobs", "box/in/profiles/deep"] {
            RealDisk::new(temp.path()).create_dir_all(&at(folder)).unwrap();
        }
        assert_eq!(root(None, &at("box")), Ok(PathBuf::from(".")));
        assert_eq!(root(None, &at("box/data/runs")), Ok(at("box")));
        assert_eq!(root(None, &at("box/in/profiles/deep")), Ok(at("box/in")));
        assert_eq!(root(Some(Path::new("x")), &at("box")), Ok(PathBuf::from("x")));
        let refused = root(None, temp.path()).unwrap_err();
        assert_eq!(refused.exit, Exit::Usage);
        assert!(refused.message.contains("A box is a folder with jobs/"), "{}", refused.message);
    }
}
