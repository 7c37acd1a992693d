//! Whether programs are there, and new enough. They are looked for where everything else is started from.

use std::collections::BTreeMap;

use super::{
    job::Look,
    result::{Checked, Level},
};
use crate::{
    domain::tool::{ToolNeed, Version},
    exit::Exit,
    jobs::{context::Failure, deploy::argv},
    manifest::PreflightPart,
};

/// What a program says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    /// It cannot be started, or does not know the question.
    Nothing,
    /// It answered.
    Text(String),
}

/// One check for each program that is named.
pub fn tools(look: &Look<'_>) -> Result<Vec<Checked>, Failure> {
    let (require, want) = (&look.rules.require, &look.rules.want);
    let needs = require.iter().map(|need| (need, Level::Fail));
    let needs = needs.chain(want.iter().map(|need| (need, Level::Warn)));
    needs.map(|(need, bad)| Ok(judge(need.get(), bad, &said(look, need.get())?))).collect()
}

/// How a program is asked for its version; more than one way where it has several shapes.
fn questions(name: &str) -> Vec<Vec<String>> {
    let words = |text: &[&str]| text.iter().map(|word| (*word).to_owned()).collect();
    match name {
        "compose" => {
            vec![words(&["docker", "compose", "version"]), words(&["docker-compose", "--version"])]
        }
        "ssh" => vec![words(&["ssh", "-V"])],
        name => vec![words(&[name, "--version"])],
    }
}

fn said(look: &Look<'_>, need: &ToolNeed) -> Result<Said, Failure> {
    for argv in questions(need.name()) {
        match look.hands.here(argv, look.context.root, BTreeMap::new()) {
            Ok(said) if said.code == 0 && !said.timed_out => {
                let text = [said.stdout, b"\n".to_vec(), said.stderr].concat();
                let text = String::from_utf8_lossy(&text).into_owned();
                // A docker without compose may end with 0 and show its help.
                if need.name() != "compose" || text.to_lowercase().contains("version") {
                    return Ok(Said::Text(text));
                }
            }
            Ok(_) => {}
            Err(failure) if failure.exit == Exit::Negative => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(Said::Nothing)
}

fn judge(need: &ToolNeed, bad: Level, said: &Said) -> Checked {
    let (level, value) = match said {
        Said::Nothing => (bad, format!("it is not in {}, or does not start", argv::PATH)),
        Said::Text(text) => match (Version::find(text), need.least()) {
            (Some(found), Some(least)) if found < *least => (bad, format!("{found} is too old")),
            (None, Some(_)) => (bad, "it does not say its version".to_owned()),
            (Some(found), _) => (Level::Ok, found.to_string()),
            (None, None) => (Level::Ok, "it is there".to_owned()),
        },
    };
    let next = questions(need.name()).first().map(|words| words.join(" ")).unwrap_or_default();
    let name = format!("tool {}", need.name());
    Checked::new(PreflightPart::Tools, name, level, need.to_string(), value).next(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_is_absent_too_old_or_good() {
        let text = |text: &str| Said::Text(text.to_owned());
        for (need, said, level) in [
            ("rsync >= 3.1", Said::Nothing, Level::Fail),
            ("rsync >= 3.1", text("rsync  version 3.0.9  protocol"), Level::Fail),
            ("rsync >= 3.1", text("rsync  version 3.1.0  protocol"), Level::Ok),
            ("rsync >= 3.1", text("what?"), Level::Fail),
            ("rsync", text("what?"), Level::Ok),
        ] {
            assert_eq!(judge(&need.parse().unwrap(), Level::Fail, &said).level, level, "{need}");
        }
    }
}
