//! Which files a job is made of: what it extends, its own text, its profiles, the `--set` arguments; lowest first.

use thiserror::Error;

use super::{
    check::closest,
    origin::{SourceKind, TextOrigin},
    parse::{ParsedFile, parse_argument, parse_file},
    problem::Problem,
    strategy::FOLDER,
    tree::{Node, Table, Value, get, quoted},
};

/// Where strategies are that a program wrote.
const SANDBOX: &str = "strategies/sandbox/";

/// Most files one job may be made of.
const FILES_MAX: usize = 64;

/// The kind of the job that a sweep plays.
const OF_A_SWEEP: &str = "backtest";
/// What a sweep does not take from the job it plays.
const OWN_KEYS: [&str; 7] =
    ["name", "kind", "description", "labels", "schedule", "heartbeat", "matrix"];

/// Most keys in the path of a `--set`.
const KEYS_MAX: usize = 16;

/// Why the text of a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TextError {
    /// What the system says.
    #[error("{0}")]
    System(String),
    #[error("it is not a regular file")]
    NotAFile,
    #[error("it is longer than {0} bytes: split it, `extends` joins several files")]
    TooLong(u64),
    #[error("it is not UTF-8 text: save it as UTF-8")]
    NotUtf8,
}

/// One file, or one `--set`, as a tree.
#[derive(Debug)]
pub(super) struct Layer {
    pub kind: SourceKind,
    pub table: Table,
}

/// Collects layers, lowest first.
pub(super) struct Loader<'a> {
    pub read: &'a mut dyn FnMut(&str) -> Result<String, TextError>,
    /// What `-P` can name.
    pub names: &'a dyn Fn() -> Vec<String>,
    pub problems: &'a mut Vec<Problem>,
    pub layers: Vec<Layer>,
    /// Values that cannot be used, in files that can.
    pub bad_values: Vec<Problem>,
    /// What `-P` named, with the first of its layers.
    pub named: Vec<(TextOrigin, usize)>,
    /// The last strategy that `-P` named.
    strategy: Option<String>,
    /// The files being read right now, to notice a circle.
    open: Vec<String>,
    files: usize,
}

impl<'a> Loader<'a> {
    /// A loader that has nothing yet.
    pub fn new(
        read: &'a mut dyn FnMut(&str) -> Result<String, TextError>,
        names: &'a dyn Fn() -> Vec<String>,
        problems: &'a mut Vec<Problem>,
    ) -> Self {
        Self {
            read,
            names,
            problems,
            layers: Vec::new(),
            bad_values: Vec::new(),
            named: Vec::new(),
            strategy: None,
            open: Vec::new(),
            files: 0,
        }
    }

    /// Adds a file with everything it extends below it.
    pub fn file(&mut self, kind: SourceKind, path: &str, text: &str) {
        self.files += 1;
        let Some(parsed) = parse_file(kind, path, text, self.problems) else { return };
        let ParsedFile { table, top, bad_values } = parsed;
        self.bad_values.extend(bad_values);
        self.check_version(&table, &top);
        self.open.push(path.to_owned());
        if let Some(job) = get(&table, "sweep.job") {
            self.below(kind, path, job);
        }
        if let Some(extends) = table.get("extends") {
            for entry in extends.items() {
                self.extend(kind, path, entry);
            }
        }
        self.open.pop();
        self.layers.push(Layer { kind, table });
    }

    /// Adds the job that a sweep plays below it: its tables and params, without what says what it is and when it runs.
    fn below(&mut self, kind: SourceKind, from: &str, job: &Node) {
        let first = self.layers.len();
        self.extend(kind, from, job);
        let of_kind = self.layers[first..].last().and_then(|layer| layer.table.get("kind"));
        if let Some(other) = of_kind.filter(|kind| kind.as_str() != Some(OF_A_SWEEP)) {
            let message =
                format!("`sweep.job` is of kind {}, and a trial is a backtest", other.shown());
            let help = format!("name a manifest of kind \"{OF_A_SWEEP}\"");
            self.problems.push(Problem::new(&job.at, message).help(help));
        }
        for layer in &mut self.layers[first..] {
            layer.table.retain(|key, _| !OWN_KEYS.contains(&key.as_str()));
        }
    }

    fn extend(&mut self, kind: SourceKind, from: &str, entry: &Node) {
        let Some(written) = entry.as_str() else { return };
        let target = match relative(from, written) {
            Ok(target) => target,
            Err(why) => {
                let message = format!("cannot extend {}: {why}", quoted(written));
                self.problems.push(
                    Problem::new(&entry.at, message).help("write a path relative to this file"),
                );
                return;
            }
        };
        if let Some(start) = self.open.iter().position(|open| *open == target) {
            let mut circle = self.open[start..].to_vec();
            circle.push(target);
            let message = format!("files extend each other in a circle: {}", circle.join(" -> "));
            self.problems
                .push(Problem::new(&entry.at, message).help("take one of them out of `extends`"));
            return;
        }
        if self.files >= FILES_MAX {
            let message = format!("the job is made of more than {FILES_MAX} files");
            self.problems.push(Problem::new(&entry.at, message).help("extend fewer files"));
            return;
        }
        let below = if kind == SourceKind::Profile { kind } else { SourceKind::Extended };
        match (self.read)(&target) {
            Ok(text) => self.file(below, &target, &text),
            Err(error) => {
                let message = format!("cannot read `{target}`: {error}");
                self.problems.push(
                    Problem::new(&entry.at, message)
                        .help("`extends` takes paths relative to the file that names them"),
                );
            }
        }
    }

    /// Adds the profile of a `-P` argument.
    pub fn profile(&mut self, name: &str) {
        let at = TextOrigin::whole(SourceKind::ProfileName, name, &format!("-P {name}"));
        self.named.push((at.clone(), self.layers.len()));
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
        if !plain || name.is_empty() || name.starts_with('.') {
            let message = format!("{} is not the name of a profile", quoted(name));
            self.problems.push(
                Problem::new(&at, message)
                    .help("name a file of profiles/ or strategies/ without its .toml"),
            );
            return;
        }
        let paths = ["profiles/", FOLDER].map(|folder| format!("{folder}{name}.toml"));
        let [profile, strategy] = &paths;
        let of_box = [(self.read)(profile), (self.read)(strategy)];
        if of_box.iter().all(Result::is_err) {
            // What was written by a program comes last, so that it takes the place of nothing.
            let sandbox = format!("{SANDBOX}{name}.toml");
            if let Ok(text) = (self.read)(&sandbox) {
                self.strategy(name, &at, (&sandbox, &text));
                return;
            }
        }
        match of_box.into() {
            (Ok(_), Ok(_)) => {
                let message = format!("`{name}` is both {profile} and {strategy}");
                self.problems.push(Problem::new(&at, message).help("rename one of the two files"));
            }
            (Ok(text), Err(_)) => self.file(SourceKind::Profile, profile, &text),
            (Err(_), Ok(text)) => self.strategy(name, &at, (strategy, &text)),
            (Err(error), Err(_)) => {
                let message = format!("unknown profile `{name}`: cannot read `{profile}`: {error}");
                let known = (self.names)();
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                let help = match (closest(name, &known), &known[..]) {
                    (Some(meant), _) => format!("did you mean `{meant}`?"),
                    (None, []) => {
                        "name a file of profiles/ or strategies/ without its .toml".to_owned()
                    }
                    (None, known) => format!(
                        "name a file of profiles/ or strategies/ without its .toml: {}",
                        known.join(", ")
                    ),
                };
                self.problems.push(Problem::new(&at, message).help(help));
            }
        }
    }

    /// Adds a strategy that `-P` named. Rules come whole from one file, so those of an earlier one would have no effect.
    fn strategy(&mut self, name: &str, at: &TextOrigin, (path, text): (&str, &str)) {
        let before = self.layers.len();
        self.file(SourceKind::Profile, path, text);
        let own = self.layers[before..].last().map(|layer| &layer.table);
        if own.is_none_or(|table| get(table, "strategy.enter").is_none()) {
            return;
        }
        if let Some(earlier) = self.strategy.replace(name.to_owned()) {
            let message = format!(
                "`-P {earlier}` has no effect: `{name}` has rules too, and they come whole from one strategy"
            );
            self.problems.push(Problem::new(at, message).help("name one of the two"));
        }
    }

    /// Adds one `--set path=value`.
    pub fn set(&mut self, path: &str, text: &str) {
        let at = TextOrigin::whole(SourceKind::Set, path, &format!("--set {path}={text}"));
        let keys: Vec<&str> = path.split('.').collect();
        if keys.len() > KEYS_MAX || keys.iter().any(|key| key.is_empty()) {
            let message = format!("{} is not the path of a key", quoted(path));
            self.problems.push(
                Problem::new(&at, message)
                    .help("write --set table.key=value, such as --set live.seed=3"),
            );
            return;
        }
        if matches!(keys[0], "extends" | "manifest") || path == "sweep.job" {
            let message = format!("`{path}` cannot be set from the command line");
            self.problems
                .push(Problem::new(&at, message).help("change the file, or use a profile"));
            return;
        }
        let mut node = Node::new(parse_argument(text), &at);
        place(&mut node, &at);
        if !matches!(node.value, Value::Table(_) | Value::Array(_) | Value::String(_)) {
            node.loose = Some(text.to_owned());
        }
        let table = keys.iter().rev().fold(None, |inner: Option<Table>, key| {
            let child = inner.map_or_else(|| node.clone(), |t| Node::new(Value::Table(t), &at));
            Some(Table::from([((*key).to_owned(), child)]))
        });
        self.layers.push(Layer { kind: SourceKind::Set, table: table.unwrap_or_default() });
    }

    fn check_version(&mut self, table: &Table, top: &TextOrigin) {
        let problem = match table.get("manifest") {
            Some(node) if node.as_integer() == Some(1) => return,
            Some(node) => {
                let message = format!("`manifest` must be the integer 1, found {}", node.found());
                Problem::new(&node.at, message).help("this program reads version 1 only")
            }
            None => {
                Problem::new(top, "`manifest = 1` is missing").help("write it as the first line")
            }
        };
        self.problems.push(problem);
    }
}

/// Gives a value and everything in it one place.
fn place(node: &mut Node, at: &TextOrigin) {
    node.key = at.clone();
    node.at = at.clone();
    match &mut node.value {
        Value::Table(table) => table.values_mut().for_each(|child| place(child, at)),
        Value::Array(items) => items.iter_mut().for_each(|child| place(child, at)),
        Value::String(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_)
        | Value::Failed => {}
    }
}

/// A path written in the file `from`, relative to the root; it may not leave the root.
pub(super) fn relative(from: &str, written: &str) -> Result<String, &'static str> {
    if written.is_empty() {
        return Err("the path is empty");
    }
    if written.starts_with('/') || written.contains('\\') || written.contains(':') {
        return Err("the path must be relative, with forward slashes");
    }
    if from.starts_with('/') {
        return Err("this file is outside the root, so it cannot name others");
    }
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(written.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                if parts.pop().is_none() {
                    return Err("the path leaves the root");
                }
            }
            part => parts.push(part),
        }
    }
    if parts.is_empty() { Err("the path names no file") } else { Ok(parts.join("/")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_file_and_stay_inside_the_root() {
        for (from, written, path) in [
            ("jobs/live.toml", "../profiles/base.toml", Ok("profiles/base.toml")),
            ("jobs/live.toml", "./x.toml", Ok("jobs/x.toml")),
            ("live.toml", "x.toml", Ok("x.toml")),
            ("jobs/live.toml", "../../x.toml", Err("the path leaves the root")),
            (
                "jobs/live.toml",
                "/etc/passwd",
                Err("the path must be relative, with forward slashes"),
            ),
            ("jobs/live.toml", "", Err("the path is empty")),
            ("jobs/live.toml", "..", Err("the path names no file")),
            (
                "/tmp/x.toml",
                "y.toml",
                Err("this file is outside the root, so it cannot name others"),
            ),
        ] {
            assert_eq!(relative(from, written), path.map(str::to_owned), "{from} {written}");
        }
    }
}
