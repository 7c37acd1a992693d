//! How a healthcheck ends by the convention of whoever asks: Docker knows 0 and 1, Nagios 0 to 3 and a line of status. Every failure
//! counts, also that of a manifest which cannot be read.

use std::{collections::BTreeMap, path::Path};

use crate::{
    cli::{
        args::RunArgs,
        load::{find, read_text, variables},
        output::print,
    },
    exit::Exit,
    jobs::context::{Failure, Outcome},
    manifest::{HealthExit, Manifest},
};

/// The code by which Nagios knows that nothing is known.
const UNKNOWN: Exit = Exit::Foreign(3);
const NAGIOS_MAX: u8 = 3;

/// The convention that a job follows.
pub fn of(manifest: &Manifest) -> HealthExit {
    manifest.job.common().health.map_or(HealthExit::Plain, |health| health.exit)
}

/// The convention of a job that cannot be loaded, as far as its own file and the command line tell.
pub fn guess(root: &Path, args: &RunArgs) -> HealthExit {
    let values = &args.job.values;
    let last = |pairs: &[(String, String)], name: &str| {
        pairs.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.clone())
    };
    let text = find(root, &args.job.job).ok().and_then(|(path, _)| read_text(&path).ok());
    let table = text.and_then(|text| text.parse::<toml::Table>().ok());
    let text_at = |path: &[&str]| {
        let (first, rest) = path.split_first()?;
        let value = table.as_ref()?.get(*first)?;
        rest.iter().try_fold(value, |value, key| value.get(*key))?.as_str().map(str::to_owned)
    };
    let of_param = |name: &str| {
        let variable = text_at(&["params", name, "env"]);
        let by_env = variable.and_then(|variable| variables(root).ok()?.remove(&variable));
        last(&values.params, name).or(by_env).or_else(|| text_at(&["params", name, "default"]))
    };
    let written = text_at(&["healthcheck", "exit"]);
    let named =
        written.as_deref().and_then(|text| text.strip_prefix("${params.")?.strip_suffix('}'));
    let word = last(&values.set, "healthcheck.exit").or_else(|| match (&table, named) {
        (None, _) => last(&values.params, "exit"),
        (Some(_), Some(name)) => of_param(name),
        (Some(_), None) => written.clone(),
    });
    let known = [HealthExit::Docker, HealthExit::Nagios];
    known.into_iter().find(|exit| word.as_deref() == Some(exit.name())).unwrap_or(HealthExit::Plain)
}

/// How a run ended, in the words of the convention.
pub fn put(result: Result<Outcome, Failure>, convention: HealthExit) -> Result<Outcome, Failure> {
    match (convention, result) {
        (HealthExit::Plain, result) => result,
        (HealthExit::Docker, Ok(outcome)) => {
            Ok(Outcome { exit: code(outcome.exit, convention), ..outcome })
        }
        (HealthExit::Docker, Err(failure)) => Err(Failure::new(Exit::Negative, failure.message)),
        (HealthExit::Nagios, Ok(outcome)) if outcome.exit.code() <= NAGIOS_MAX => Ok(outcome),
        (HealthExit::Nagios, Ok(Outcome { summary, text, out, .. })) => {
            let text = format!("{}{text}", line(&summary));
            Ok(Outcome { exit: UNKNOWN, summary, text, out })
        }
        (HealthExit::Nagios, Err(failure)) => {
            let text = line(&failure.message);
            let (summary, out) = (text.trim_end().to_owned(), BTreeMap::new());
            Ok(Outcome { exit: UNKNOWN, summary, text, out })
        }
    }
}

/// The code of a failure that was said already, after the line of status where one is expected.
pub fn failed(exit: Exit, why: &str, convention: HealthExit, json: bool) -> Exit {
    if convention == HealthExit::Nagios && !json {
        print(&line(why));
    }
    code(exit, convention)
}

fn code(exit: Exit, convention: HealthExit) -> Exit {
    match convention {
        HealthExit::Docker if exit != Exit::Ok => Exit::Negative,
        HealthExit::Nagios => UNKNOWN,
        HealthExit::Plain | HealthExit::Docker => exit,
    }
}

/// The line of status of something that is not known. A bar would end the line for whoever reads it.
fn line(why: &str) -> String {
    format!("UNKNOWN: {}\n", why.lines().next().unwrap_or_default().replace('|', "/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_of_any_kind_is_one_code_of_the_convention() {
        let failures =
            [Exit::Timeout, Exit::Signal(15), Exit::Bug, Exit::Io, Exit::Busy, Exit::Manifest];
        for exit in failures {
            let failure = || Err(Failure::new(exit, "late | very\nmore"));
            assert_eq!(put(failure(), HealthExit::Plain).unwrap_err().exit, exit);
            assert_eq!(put(failure(), HealthExit::Docker).unwrap_err().exit, Exit::Negative);
            let nagios = put(failure(), HealthExit::Nagios).unwrap();
            assert_eq!((nagios.exit, &*nagios.text), (UNKNOWN, "UNKNOWN: late / very\n"));
        }
    }

    #[test]
    fn a_verdict_stays_what_it_is() {
        let ended = |exit, convention| {
            let (summary, text) = ("s".to_owned(), "t".to_owned());
            let ended = put(Ok(Outcome { exit, summary, text, out: BTreeMap::new() }), convention);
            let ended = ended.unwrap();
            (ended.exit.code(), ended.text)
        };
        for code in 0..=3 {
            let exit = Exit::Foreign(code);
            assert_eq!(ended(exit, HealthExit::Nagios), (code, "t".to_owned()));
        }
        assert_eq!(ended(Exit::Ok, HealthExit::Docker).0, 0);
        assert_eq!(ended(Exit::Negative, HealthExit::Docker).0, 1);
        assert_eq!(ended(Exit::Signal(15), HealthExit::Docker).0, 1);
        let stopped = ended(Exit::Signal(15), HealthExit::Nagios);
        assert_eq!(stopped, (3, "UNKNOWN: s\nt".to_owned()));
    }
}
