//! How a job was called, in words that a person can type again behind another verb.

use std::path::Path;

use crate::{cli::args::RunArgs, domain::text::quoted};

/// What a verb sets by itself.
const OF_THE_VERB: [&str; 3] = ["deploy.mode", "deploy.plan", "deploy.message"];

/// The manifest and its values; the root where it is not this folder.
pub fn call(root: &Path, args: &RunArgs) -> String {
    let job = &args.job;
    let mut words = vec![quoted(&job.job.display().to_string())];
    for profile in &job.values.profiles {
        words.extend(["-P".to_owned(), quoted(profile)]);
    }
    for (name, value) in &job.values.params {
        words.extend(["-p".to_owned(), quoted(&format!("{name}={value}"))]);
    }
    for (path, value) in
        job.values.set.iter().filter(|(path, _)| !OF_THE_VERB.contains(&path.as_str()))
    {
        words.extend(["--set".to_owned(), quoted(&format!("{path}={value}"))]);
    }
    if root != Path::new(".") {
        words.extend(["--root".to_owned(), quoted(&root.display().to_string())]);
    }
    words.join(" ")
}

/// The words behind `runner` that make a run with this id of the same arguments.
pub fn words(args: &RunArgs, id: &str) -> Vec<String> {
    let RunArgs { job, retry_of, timeout, asked, run_id: _, parent: _, attempt: _, part: _ } = args;
    let pair = |flag: &str, pairs: &[(String, String)]| {
        let one = |(name, value): &(String, String)| [flag.to_owned(), format!("{name}={value}")];
        pairs.iter().flat_map(one).collect::<Vec<_>>()
    };
    let mut words = vec!["run".to_owned(), job.job.display().to_string()];
    words.extend(["--run-id".to_owned(), id.to_owned()]);
    words.extend(job.values.profiles.iter().flat_map(|name| ["-P".to_owned(), name.clone()]));
    words.extend(pair("-p", &job.values.params));
    words.extend(pair("--set", &job.values.set));
    words.extend(pair("--scheduled", &job.scheduled));
    for (flag, value) in [("--retry-of", retry_of), ("--timeout", timeout)] {
        words.extend(value.iter().flat_map(|value| [flag.to_owned(), value.clone()]));
    }
    // In one word: texts of people may begin with a dash.
    for (flag, value) in [("--reason", &asked.reason), ("--who", &asked.who)] {
        words.extend(value.iter().map(|value| format!("{flag}={value}")));
    }
    words
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::cli::args::{AskArgs, JobArgs, ValueArgs};

    #[test]
    fn words_are_read_as_the_arguments_they_were_made_of() {
        use clap::Parser as _;

        use crate::cli::args::{Cli, Verb};
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let job = JobArgs {
            values: ValueArgs {
                profiles: vec!["a".to_owned(), "b".to_owned()],
                params: vec![pair("x", "-1"), pair("y", "a b")],
                set: vec![pair("run.grace", "1s")],
            },
            scheduled: vec![pair("z", "")],
            ..JobArgs::of(PathBuf::from("jobs/live.toml"))
        };
        let args = RunArgs {
            retry_of: Some("old".to_owned()),
            timeout: Some("5m".to_owned()),
            asked: AskArgs {
                reason: Some("--odd, \"so\"".to_owned()),
                who: Some("-ann".to_owned()),
            },
            ..RunArgs::of(job)
        };
        let words = std::iter::once("runner".to_owned()).chain(words(&args, "new"));
        let Verb::Run(read) = Cli::try_parse_from(words).unwrap().verb else { panic!("a run") };
        let expected = RunArgs { run_id: Some("new".to_owned()), ..args };
        assert_eq!(format!("{read:?}"), format!("{expected:?}"));
    }

    #[test]
    fn a_call_can_be_typed_again() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let job = JobArgs {
            values: ValueArgs {
                params: vec![pair("path", "/srv/trade"), pair("x", "it's")],
                set: vec![pair("deploy.mode", "sync"), pair("run.grace", "1 s")],
                ..ValueArgs::default()
            },
            ..JobArgs::of(PathBuf::from("jobs/deploy.toml"))
        };
        let args = RunArgs::of(job);
        let line = call(Path::new("."), &args);
        assert_eq!(
            line,
            r"jobs/deploy.toml -p path=/srv/trade -p 'x=it'\''s' --set 'run.grace=1 s'"
        );
        assert!(call(Path::new("/r"), &args).ends_with(" --root /r"));
    }
}
