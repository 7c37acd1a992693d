//! The services of compose files, as the compose program itself reads them. Where there is none, they are not judged.

use std::{collections::BTreeMap, path::Path};

use super::{config::from_config, printed::from_printed, service::Service, variables::Variables};
use crate::jobs::deploy::{
    argv,
    hands::{Hands, good},
};

/// Every service counts, whatever profile it needs.
const ALL_PROFILES: (&str, &str) = ("COMPOSE_PROFILES", "*");
/// The programs, and how each is asked. The second may be of version 1, which knows no JSON.
const PROGRAMS: [(&[&str], &[&str]); 2] =
    [(&["docker", "compose"], &["config", "--format", "json"]), (&["docker-compose"], &["config"])];

/// Where compose takes the variables from that a file asks for.
pub enum Env<'a> {
    /// From the `.env` beside the files, which it reads by its own rules.
    Beside,
    /// From what was read elsewhere.
    Given {
        /// The variables.
        variables: &'a Variables,
        /// All text that may ask for one.
        text: &'a str,
        /// A folder with an `.env` that sets nothing.
        empty: &'a Path,
    },
}

/// The services of files in a folder that compose reads together, every value in place; or why they are not judged.
pub fn services(
    hands: &Hands<'_>,
    (dir, files): (&Path, &[String]),
    env: &Env<'_>,
) -> Result<Vec<Service>, String> {
    let named: Vec<&str> = files.iter().flat_map(|file| ["-f", file.as_str()]).collect();
    let (mut given, mask, ways) = match env {
        Env::Beside => (BTreeMap::new(), Variables::default().mask(), vec![Vec::new()]),
        Env::Given { variables, text, empty } => {
            let elsewhere = vec!["--project-directory".to_owned(), empty.display().to_string()];
            let none = vec!["--env-file".to_owned(), empty.join(".env").display().to_string()];
            // In the empty folder a file of variables for a container is looked for that the source lacks; where a file extends
            // another one, that is looked for there too, in vain, and the second way finds it.
            (variables.asked_for(text)?, variables.mask(), vec![elsewhere, none])
        }
    };
    given.insert(ALL_PROFILES.0.to_owned(), ALL_PROFILES.1.to_owned());
    let mut complaints = Vec::new();
    for (program, verb) in PROGRAMS.into_iter().filter(|(program, _)| exists(program[0])) {
        for before in &ways {
            let before: Vec<&str> = before.iter().map(String::as_str).collect();
            let words = [program, &before, &named, verb].concat();
            match ask(hands, dir, &words, &given).and_then(|document| understood(&document)) {
                Ok(services) => return Ok(services),
                Err(why) => complaints.push(mask.apply(&why)),
            }
        }
    }
    Err(match complaints.pop() {
        Some(why) => format!("not judged: {why}"),
        None => {
            "not judged: neither `docker compose` nor `docker-compose` is here: install one of them"
                .to_owned()
        }
    })
}

fn ask(
    hands: &Hands<'_>,
    dir: &Path,
    words: &[&str],
    env: &BTreeMap<String, String>,
) -> Result<Vec<u8>, String> {
    let argv = words.iter().map(|word| (*word).to_owned()).collect();
    let said = hands.here(argv, dir, env.clone()).map_err(|failure| failure.message)?;
    good(&words[..2].join(" "), said).map_err(|complaint| complaint.message)
}

/// JSON of version 2, or YAML of version 1. A docker without compose may end with 0 and say nothing.
fn understood(document: &[u8]) -> Result<Vec<Service>, String> {
    from_config(document).or_else(|_| from_printed(&String::from_utf8_lossy(document)))
}

fn exists(program: &str) -> bool {
    argv::PATH.split(':').any(|dir| Path::new(dir).join(program).exists())
}
