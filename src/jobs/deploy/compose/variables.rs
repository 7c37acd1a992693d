//! The variables of an `.env` file, for the program that reads a compose file.

use std::collections::BTreeMap;

use crate::{domain::dotenv, os::mask::Mask};

/// Beginnings of names that could change the program itself.
const OWN: [&str; 4] = ["LD_", "DOCKER_", "COMPOSE_", "PYTHON"];
/// Names of which it is given other values.
const FIXED: [&str; 4] = ["PATH", "HOME", "LC_ALL", "TZ"];
/// Shortest value that is covered in what a program says, in bytes.
const COVERED_MIN: usize = 4;

/// Names and values. The values may be secrets: they are used and never shown. Without a value: programs do not read it alike.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Variables {
    values: BTreeMap<String, Option<String>>,
    odd_lines: Vec<usize>,
}

impl std::fmt::Debug for Variables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} variables", self.values.len())
    }
}

impl Variables {
    /// Reads an `.env` file.
    pub fn parse(text: &[u8]) -> Self {
        let read = dotenv::read(&String::from_utf8_lossy(text));
        let values = read.entries.into_iter().map(|entry| (entry.name, entry.value)).collect();
        Self { values, odd_lines: read.odd_lines }
    }

    /// A value that compose itself goes by; nothing where it is not set or empty, an error where it is not known.
    pub fn own(&self, name: &str) -> Result<Option<&str>, String> {
        match self.values.get(name) {
            Some(None) => Err(unlike(name)),
            Some(Some(value)) => Ok(Some(value.as_str()).filter(|value| !value.is_empty())),
            None => Ok(None),
        }
    }

    /// Those that a text asks for, as the environment of a program; why not, when one of them is not known.
    pub fn asked_for(&self, text: &str) -> Result<BTreeMap<String, String>, String> {
        let asked =
            |name: &str| text.contains(&format!("${name}")) || text.contains(&format!("${{{name}"));
        let mut env = BTreeMap::new();
        for (name, value) in self.values.iter().filter(|(name, _)| asked(name)) {
            if FIXED.contains(&name.as_str()) || OWN.iter().any(|own| name.starts_with(own)) {
                return Err(format!(
                    "the file takes {name} from the .env, which compose itself goes by"
                ));
            }
            env.insert(name.clone(), value.clone().ok_or_else(|| unlike(name))?);
        }
        match self.odd_lines.first() {
            Some(line) if text.replace("$$", "").contains('$') => Err(format!(
                "line {line} of the .env is not an assignment that every program reads"
            )),
            _ => Ok(env),
        }
    }

    /// What must not be shown of what a program says.
    pub fn mask(&self) -> Mask {
        let long = |value: &&String| value.len() >= COVERED_MIN;
        Mask::new(self.values.values().flatten().filter(long).cloned())
    }
}

fn unlike(name: &str) -> String {
    format!(
        "{name} in the .env is not read alike by every program: write {name}=value, in plain letters"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_asked_for_and_known_is_given() {
        let of = |env: &str, text: &str| {
            let env = Variables::parse(env.as_bytes()).asked_for(text)?;
            Ok::<_, String>(
                env.into_iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join(" "),
            )
        };
        assert_eq!(of("LD_PRELOAD=x\nBIND=1\nOTHER=2\n", "${BIND:-x} $THE").unwrap(), "BIND=1");
        assert_eq!(of("BIND: 1\n", "plain $$BIND").unwrap_err(), unlike("BIND"));
        assert_eq!(of("words of a poet\n", "plain $$X").unwrap(), "");
        assert!(of("words of a poet\n", "${X}").unwrap_err().contains("line 1"));
        assert!(
            of("DOCKER_BIND=0.0.0.0\n", "${DOCKER_BIND:-x}").unwrap_err().contains("DOCKER_BIND")
        );
        let odd = Variables::parse(b"COMPOSE_FILE=$X\nA=hunter2\n");
        assert!(odd.own("COMPOSE_FILE").is_err() && odd.own("NONE").unwrap().is_none());
        assert_eq!(format!("{odd:?} {}", odd.mask().apply("hunter2")), "2 variables ***");
    }
}
