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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::cli::args::{JobArgs, ValueArgs};

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
