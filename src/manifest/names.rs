//! Names of jobs are unique: records, schedules and pauses know a job by nothing else.

use std::collections::BTreeMap;

use super::{
    origin::{SourceKind, TextOrigin},
    problem::{Problem, Problems},
};

/// A manifest with the name of its job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuplicateName {
    /// Where it lies.
    pub path: String,
    /// What stands in it.
    pub text: String,
    /// What its job is called.
    pub name: String,
}

/// Finds manifests whose job has the name of one before it.
pub fn duplicate_names(manifests: &[DuplicateName]) -> Problems {
    let mut first: BTreeMap<&str, &str> = BTreeMap::new();
    let mut problems = Vec::new();
    for DuplicateName { path, text, name } in manifests {
        if let Some(other) = first.get(name.as_str()) {
            let whole = TextOrigin::whole(SourceKind::Job, path, text);
            let line = text.lines().find(|line| line.trim_start().starts_with("name"));
            let at = line.map_or_else(|| whole.sub(0..0), |line| whole.find(line));
            let message = format!("the job of {other} is called `{name}` too");
            let help = "give one of them another name: records know a job by its name";
            problems.push(Problem::new(&at, message).help(help));
        } else {
            first.insert(name, path);
        }
    }
    Problems::new(problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_of_two_jobs_with_one_name_is_refused_where_the_name_stands() {
        let job = |path: &str, text: &str, name: &str| DuplicateName {
            path: path.into(),
            text: text.into(),
            name: name.into(),
        };
        let (a, b) = ("manifest = 1\nname = \"x\"\n", "kind = 'exec'\n\nname = 'x'\n");
        let found =
            duplicate_names(&[job("a.toml", a, "x"), job("c.toml", a, "y"), job("b.toml", b, "x")]);
        let help = "(give one of them another name: records know a job by its name)";
        assert_eq!(
            found.to_string(),
            format!("b.toml:3:1: the job of a.toml is called `x` too {help}")
        );
        assert!(duplicate_names(&[job("a.toml", a, "x"), job("b.toml", a, "y")]).is_empty());
    }
}
