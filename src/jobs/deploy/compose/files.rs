//! Which files compose would read in a folder, and the variables of an `.env` that those files may ask for.

use std::collections::BTreeMap;

use super::NotJudged;
use crate::{domain::dotenv, os::mask::Mask};

/// Names that compose looks for by itself. Which one wins differs between its versions, so each counts.
const NAMES: [&str; 4] =
    ["docker-compose.yml", "docker-compose.yaml", "compose.yaml", "compose.yml"];
/// What it reads on top of one of these.
const OVERRIDES: [&str; 4] = [
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
    "compose.override.yml",
    "compose.override.yaml",
];
/// Variables by which it reads other files.
const ELSEWHERE: [&str; 2] = ["COMPOSE_ENV_FILES", "COMPOSE_PROJECT_DIRECTORY"];

/// What is known of the folder.
pub struct Folder<'a> {
    /// The file that the manifest names.
    pub named: &'a str,
    /// Whether a file is there, by its path.
    pub has: &'a dyn Fn(&str) -> bool,
    /// Whether a file will be there that is not here now, and was not judged.
    pub has_unknown: &'a dyn Fn(&str) -> bool,
}

/// The sets of files, each of which compose would read together.
pub fn sets(folder: &Folder<'_>, env: &Variables) -> Result<Vec<Vec<String>>, NotJudged> {
    for name in ELSEWHERE {
        if env.own(name)?.is_some() {
            return Err(NotJudged::Elsewhere(name));
        }
    }
    let mut sets = Vec::new();
    if let Some(list) = env.own("COMPOSE_FILE")? {
        let between = env.own("COMPOSE_PATH_SEPARATOR")?.unwrap_or(":");
        let files: Vec<String> = list.split(between).map(str::to_owned).collect();
        if let Some(file) = files.iter().find(|file| !(folder.has)(file)) {
            return Err(NotJudged::NotInSource(file.clone()));
        }
        sets.push(files);
    }
    let parent = folder.named.rfind('/').map_or("", |at| &folder.named[..=at]);
    let (bare, beside) = (&folder.named[parent.len()..], |name: &&str| format!("{parent}{name}"));
    let unknown =
        NAMES.iter().chain(&OVERRIDES).map(beside).find(|file| (folder.has_unknown)(file));
    if let Some(file) = unknown {
        return Err(NotJudged::OnlyThere(file));
    }
    let overrides: Vec<String> =
        OVERRIDES.iter().map(beside).filter(|file| (folder.has)(file)).collect();
    if let [one, other, ..] = &overrides[..] {
        return Err(NotJudged::TwoOverrides(one.clone(), other.clone()));
    }
    let mut names = vec![bare];
    names.extend(NAMES.iter().filter(|name| **name != bare));
    for name in names {
        let file = beside(&name);
        if (folder.has)(&file) {
            let over = overrides.iter().filter(|_| NAMES.contains(&name)).cloned();
            sets.push(std::iter::once(file).chain(over).collect());
        }
    }
    Ok(sets)
}

/// Beginnings of names that could change the program itself.
const OWN: [&str; 4] = ["LD_", "DOCKER_", "COMPOSE_", "PYTHON"];
/// Names of which it is given other values.
const FIXED: [&str; 4] = ["PATH", "HOME", "LC_ALL", "TZ"];
/// Shortest value that is covered in what a program says, in bytes: shorter ones would cover parts of its words.
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

    /// A value that compose itself goes by; `None` where it is not set or empty.
    fn own(&self, name: &str) -> Result<Option<&str>, NotJudged> {
        match self.values.get(name) {
            Some(None) => Err(NotJudged::ReadDifferently(name.to_owned())),
            Some(Some(value)) => Ok(Some(value.as_str()).filter(|value| !value.is_empty())),
            None => Ok(None),
        }
    }

    /// Those that a text asks for, as the environment of a program.
    pub fn asked_for(&self, text: &str) -> Result<BTreeMap<String, String>, NotJudged> {
        let asked =
            |name: &str| text.contains(&format!("${name}")) || text.contains(&format!("${{{name}"));
        let mut env = BTreeMap::new();
        for (name, value) in self.values.iter().filter(|(name, _)| asked(name)) {
            if FIXED.contains(&name.as_str()) || OWN.iter().any(|own| name.starts_with(own)) {
                return Err(NotJudged::OfCompose(name.clone()));
            }
            let value = value.clone();
            let value = value.ok_or_else(|| NotJudged::ReadDifferently(name.clone()))?;
            env.insert(name.clone(), value);
        }
        match self.odd_lines.first() {
            Some(line) if text.replace("$$", "").contains('$') => Err(NotJudged::OddLine(*line)),
            _ => Ok(env),
        }
    }

    /// What must not be shown of what a program says.
    pub fn mask(&self) -> Mask {
        let long = |value: &&String| value.len() >= COVERED_MIN;
        Mask::new(self.values.values().flatten().filter(long).cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(named: &str, here: &[&str], only_there: &[&str], env: &str) -> Result<String, String> {
        let has = |file: &str| here.contains(&file);
        let has_unknown = |file: &str| only_there.contains(&file);
        let folder = Folder { named, has: &has, has_unknown: &has_unknown };
        let sets =
            sets(&folder, &Variables::parse(env.as_bytes())).map_err(|why| why.to_string())?;
        Ok(sets.iter().map(|set| set.join("+")).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn every_file_that_compose_would_read_counts() {
        let usual = "docker-compose.yml";
        for (named, here, env, found) in [
            (usual, &[][..], "", ""),
            (usual, &[usual], "", "docker-compose.yml"),
            (usual, &["compose.yaml"], "", "compose.yaml"),
            (usual, &[usual, "compose.yml"], "", "docker-compose.yml compose.yml"),
            (
                usual,
                &[usual, "docker-compose.override.yml"],
                "",
                "docker-compose.yml+docker-compose.override.yml",
            ),
            ("box.yml", &["box.yml", "compose.override.yml"], "", "box.yml"),
            ("ops/compose.yml", &["ops/compose.yml", usual], "", "ops/compose.yml"),
            (usual, &["a.yml", "b.yml"], "COMPOSE_FILE=a.yml:b.yml", "a.yml+b.yml"),
            (
                usual,
                &[usual, "a.yml"],
                "COMPOSE_PATH_SEPARATOR=;\nCOMPOSE_FILE=docker-compose.yml;a.yml",
                "docker-compose.yml+a.yml docker-compose.yml",
            ),
            (usual, &[usual], "COMPOSE_FILE=\n", "docker-compose.yml"),
        ] {
            assert_eq!(of(named, here, &[], env).unwrap(), found, "{named} {here:?} {env}");
        }
    }

    #[test]
    fn what_cannot_be_told_is_an_error() {
        let usual = "docker-compose.yml";
        for (here, only_there, env, why) in [
            (
                &[usual][..],
                &[][..],
                "COMPOSE_FILE=other.yml",
                "`other.yml`, which is not in the source",
            ),
            (
                &[usual],
                &[],
                "COMPOSE_FILE: other.yml",
                "COMPOSE_FILE in the .env is not read alike",
            ),
            (&[usual], &[], "COMPOSE_ENV_FILES=a", "leads elsewhere"),
            (&[usual], &["docker-compose.override.yml"], "", "override.yml is there and not in"),
            (&[usual], &["compose.yaml"], "", "compose.yaml is there and not in the source"),
            (&[usual, OVERRIDES[0], OVERRIDES[2]], &[], "", "are both there"),
        ] {
            let said = of(usual, here, only_there, env).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn only_what_is_asked_for_and_known_is_given() {
        let of = |env: &str, text: &str| {
            let env = Variables::parse(env.as_bytes()).asked_for(text);
            let env = env.map_err(|why| why.to_string())?;
            Ok::<_, String>(
                env.into_iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join(" "),
            )
        };
        assert_eq!(of("LD_PRELOAD=x\nBIND=1\nOTHER=2\n", "${BIND:-x} $THE").unwrap(), "BIND=1");
        assert!(
            of("BIND: 1\n", "plain $$BIND").unwrap_err().contains("BIND in the .env is not read")
        );
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
