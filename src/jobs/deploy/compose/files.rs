//! Which files compose would read in a folder: the one that is named, those of the usual names with their overrides, and those of
//! `COMPOSE_FILE`.

use super::variables::Variables;

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

/// The sets of files, each of which compose would read together; why that is not known.
pub fn sets(folder: &Folder<'_>, env: &Variables) -> Result<Vec<Vec<String>>, String> {
    for name in ELSEWHERE {
        if env.own(name)?.is_some() {
            return Err(format!("{name} in the .env leads elsewhere"));
        }
    }
    let mut sets = Vec::new();
    if let Some(list) = env.own("COMPOSE_FILE")? {
        let between = env.own("COMPOSE_PATH_SEPARATOR")?.unwrap_or(":");
        let files: Vec<String> = list.split(between).map(str::to_owned).collect();
        if let Some(file) = files.iter().find(|file| !(folder.has)(file)) {
            return Err(format!(
                "COMPOSE_FILE in the .env names `{file}`, which is not in the source"
            ));
        }
        sets.push(files);
    }
    let parent = folder.named.rfind('/').map_or("", |at| &folder.named[..=at]);
    let (bare, beside) = (&folder.named[parent.len()..], |name: &&str| format!("{parent}{name}"));
    let unknown =
        NAMES.iter().chain(&OVERRIDES).map(beside).find(|file| (folder.has_unknown)(file));
    if let Some(file) = unknown {
        return Err(format!("{file} is there and not in the source, and compose would read it"));
    }
    let overrides: Vec<String> =
        OVERRIDES.iter().map(beside).filter(|file| (folder.has)(file)).collect();
    if let [one, other, ..] = &overrides[..] {
        return Err(format!("{one} and {other} are both there: take one away"));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn of(named: &str, here: &[&str], only_there: &[&str], env: &str) -> Result<String, String> {
        let has = |file: &str| here.contains(&file);
        let has_unknown = |file: &str| only_there.contains(&file);
        let folder = Folder { named, has: &has, has_unknown: &has_unknown };
        let sets = sets(&folder, &Variables::parse(env.as_bytes()))?;
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
}
