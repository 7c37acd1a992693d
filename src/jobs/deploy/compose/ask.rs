//! The services of a compose file: as docker says or, where it says nothing, as a careful reader of the file says.

use std::path::Path;

use super::{config::from_config, reader::from_file, service::Service, variables::Variables};
use crate::jobs::deploy::{
    argv,
    hands::{Hands, good},
};

/// Every service counts, whatever profile it needs.
const ALL_PROFILES: (&str, &str) = ("COMPOSE_PROFILES", "*");

/// The services of `file` in `dir` on this machine, whose content is `text`, under these variables and no others.
pub fn services(
    hands: &Hands<'_>,
    (dir, file): (&Path, &str),
    text: &str,
    variables: &Variables,
) -> Result<Vec<Service>, String> {
    let ask = |words: &[&str]| {
        let argv = words.iter().map(|word| (*word).to_owned()).collect();
        let mut env = variables.asked_for(text);
        env.insert(ALL_PROFILES.0.to_owned(), ALL_PROFILES.1.to_owned());
        let said = hands.here(argv, dir, env).ok()?;
        good("docker compose config", said).ok()
    };
    let none = ["--env-file", "/dev/null", "-f", file, "config", "--format", "json"];
    for program in [&["docker", "compose"][..], &["docker-compose"]] {
        let document = exists(program[0]).then(|| ask(&[program, &none].concat())).flatten();
        // A docker without compose may end with 0 and say nothing.
        if let Some(Ok(services)) = document.map(|document| from_config(&document)) {
            return Ok(services);
        }
    }
    // Version 1 knows no JSON, and takes variables from a file of the project's folder. What it prints has every value in place.
    let empty = hands.dir().display().to_string();
    let old = ["docker-compose", "--project-directory", &empty, "-f", file, "config"];
    let plain = exists("docker-compose").then(|| ask(&old)).flatten();
    let plain = plain.and_then(|bytes| String::from_utf8(bytes).ok());
    if let Some(Ok(services)) = plain.map(|plain| from_file(&plain, &Variables::default())) {
        return Ok(services);
    }
    from_file(text, variables)
}

fn exists(program: &str) -> bool {
    argv::PATH.split(':').any(|dir| Path::new(dir).join(program).exists())
}
