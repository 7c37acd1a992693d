//! From texts to the plan: load the layers, give the parameters their values, fill references, check, convert.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    check::{Checker, closest, list, unknown_key},
    defaults,
    explain::Tree,
    interpolate::{Facts, Interpolator, Scope, SecretValue, collect_params, only_param},
    kinds::{File, Kind, is_common},
    layers::{Layer, Loader, TextError},
    matrix::{Chosen, MatrixItem, choose, matrix_items},
    origin::{SourceKind, TextOrigin},
    params::{self, GivenParam, ParamSet, ParamSources},
    plan::{JobParts, Manifest, plan},
    pools,
    problem::{Problem, Problems, Severity},
    rules,
    schedules::{self, Schedule},
    schema,
    secrets::{self, SecretSources},
    steps, strategy,
    tables::{Logs, ScheduleTable},
    tree::{Node, Table, Value, get, join, merge, quoted},
};
use crate::{domain::time::UtcMs, language::RawStrategy};

/// A manifest file, read by the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Path relative to the root, as messages show it. An absolute path lies outside the root and cannot extend others.
    pub path: String,
    /// What stands in it.
    pub text: String,
}

/// Facts of one run, for `${run...}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFacts {
    /// The run id.
    pub id: String,
    /// When the run started.
    pub started: UtcMs,
}

/// Everything from outside that a manifest is resolved with.
pub struct Sources<'a> {
    /// The job's own file.
    pub job: Source,
    /// Reads a file by its path relative to the root: extended files and profiles.
    pub read: &'a mut dyn FnMut(&str) -> Result<String, TextError>,
    /// Reads the file of a secret by its path as written.
    pub read_secret: &'a mut dyn FnMut(&str) -> Result<String, TextError>,
    /// The names that `-P` knows: of profiles and of strategies.
    pub names: &'a dyn Fn() -> Vec<String>,
    /// Whether a path, as written, leads to a place below the root, links followed. It need not exist.
    pub is_inside: &'a dyn Fn(&str) -> bool,
    /// The names of `-P`, left to right.
    pub profiles: &'a [String],
    /// The environment.
    pub env: &'a BTreeMap<String, String>,
    /// `-p name=value`; the last one of a name counts.
    pub params: &'a [(String, String)],
    /// What the schedule gives that runs the job; a variable beats it.
    pub scheduled: &'a [(String, String)],
    /// `--set path=value`, left to right. The value is a TOML value, or else a text.
    pub sets: &'a [(String, String)],
    /// Facts of the run.
    pub run: &'a RunFacts,
    /// Which job of a matrix is meant.
    pub item: Option<&'a str>,
}

/// A manifest with every value in place.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The plan.
    pub manifest: Manifest,
    /// What is not wrong, but probably not meant.
    pub warnings: Problems,
    /// Every value with its origin.
    pub(super) tree: Tree,
}

/// Resolves a manifest for a run: every mandatory value must be there.
pub fn resolve(sources: Sources<'_>) -> Result<Resolved, Problems> {
    let mut work = Work::prepare(sources, true)?;
    if !work.problems.is_empty() {
        return Err(Problems::new(work.problems));
    }
    work.tree.retain(|key, _| is_common(key) || work.kind.tables().any(|table| table == key));
    let plain = work.tree.iter().map(|(key, node)| (key.clone(), node.to_plain())).collect();
    // The walk along the schema accepted the tree, so these two do not fail; if they do, it is said, not hidden.
    let file: File = toml::Value::Table(plain)
        .try_into()
        .map_err(|e: toml::de::Error| work.unexpected(e.message()))?;
    let folder_of = work.tree.get("step").map_or("", |node| node.at.file()).to_owned();
    let parts = JobParts { file: &file, folder_of: &folder_of, rules: work.rules.as_ref() };
    let manifest = plan(&parts, &work.params)
        .ok_or_else(|| work.unexpected("a table of the kind is missing"))?;
    let tree = Tree { table: work.tree, params: work.params, secrets: work.secrets };
    Ok(Resolved { manifest, warnings: Problems::new(work.warnings), tree })
}

/// Checks a manifest without running it: values that only a run can give may be missing. Returns the warnings.
pub fn check(sources: Sources<'_>) -> Result<Problems, Problems> {
    let work = Work::prepare(sources, false)?;
    if work.problems.is_empty() {
        Ok(Problems::new(work.warnings))
    } else {
        Err(Problems::new(work.problems))
    }
}

/// Checks a file of strategies/ by itself, without a market: what needs the timeframe is checked with each job. Returns the warnings.
pub fn check_strategy(file: &Source) -> Result<Problems, Problems> {
    let mut problems = Vec::new();
    let mut read = |path: &str| {
        Err(TextError::System(format!("a strategy is one file: it does not extend {path}")))
    };
    let mut loader = Loader::new(&mut read, &Vec::new, &mut problems);
    loader.file(SourceKind::Job, &file.path, &file.text);
    let Loader { mut layers, bad_values, .. } = loader;
    problems.extend(bad_values);
    strategy::whole(&mut layers, &mut problems);
    let mut tree = merged(&layers);
    let at = TextOrigin::whole(SourceKind::Job, &file.path, "");
    let warnings = match tree.get_mut("strategy") {
        Some(node) => {
            let schema = schema::property(schema::root(), "strategy").expect("the schema has it");
            let pruned = BTreeMap::new();
            let before = problems.len();
            Checker { problems: &mut problems, pruned: &pruned, demands: true }
                .node(node, schema, "strategy");
            let is_odd = problems.len() > before;
            let at = node.key.clone();
            let rules = strategy::rules(&tree);
            let (wrong, told) =
                rules.map(|rules| strategy::check(&tree, &rules, is_odd, &at)).unwrap_or_default();
            problems.extend(wrong);
            told
        }
        None if problems.is_empty() => {
            let help = "write [strategy] and at least one [[strategy.enter]]";
            problems.push(Problem::new(&at, "[strategy] is missing").help(help));
            Vec::new()
        }
        None => Vec::new(),
    };
    if problems.is_empty() { Ok(Problems::new(warnings)) } else { Err(Problems::new(problems)) }
}

/// What a job is called and when it runs, before anybody gives it the values of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Timetable {
    /// The job.
    pub name: String,
    /// Its schedules.
    pub schedules: Vec<Schedule>,
    /// What its runs may leave behind.
    pub logs: Logs,
    /// The jobs of its matrix; none where it has none, and where one of them is meant.
    pub items: Vec<MatrixItem>,
}

/// Reads when a job runs: values that only a run can give may be missing.
pub fn timetable(sources: Sources<'_>) -> Result<Timetable, Problems> {
    let is_one = sources.item.is_some();
    let items = if is_one { Vec::new() } else { matrix_items(&sources.job.text) };
    let work = Work::prepare(sources, false)?;
    if !work.problems.is_empty() {
        return Err(Problems::new(work.problems));
    }
    let text = |key: &str| work.tree.get(key).and_then(Node::as_str);
    let name = text("name").unwrap_or_default().to_owned();
    let tables = work.tree.get("schedule").map(Node::items).into_iter().flatten();
    let mut schedules = Vec::new();
    for (place, node) in (1..).zip(tables) {
        let table: ScheduleTable = node
            .to_plain()
            .try_into()
            .map_err(|e: toml::de::Error| work.unexpected(e.message()))?;
        let planned = schedules::plan(place, table, &work.params);
        schedules.push(planned.ok_or_else(|| work.unexpected("a schedule is never due"))?);
    }
    let logs = work
        .tree
        .get("logs")
        .map_or_else(|| Ok(Logs::default()), |logs| logs.to_plain().try_into());
    let logs = logs.map_err(|e: toml::de::Error| work.unexpected(e.message()))?;
    Ok(Timetable { name, schedules, logs, items })
}

/// The kind that a job's own file names, whatever else is wrong with it.
pub fn kind_of(text: &str) -> Option<Kind> {
    let table: toml::Table = text.parse().ok()?;
    table.get("kind")?.as_str().and_then(Kind::of)
}

/// A param of a job, as it is declared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Declared {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub help: String,
    /// Its value when nothing gives another one.
    pub default: Option<String>,
    /// The variable that gives it.
    pub env: Option<String>,
    /// The values it may have; none where any may be given.
    pub choices: Vec<String>,
    /// Whether it must be given.
    pub is_required: bool,
}

/// The params of a job, those of its strategy last; the manifest may have problems.
pub fn declared(sources: Sources<'_>) -> Result<Vec<Declared>, Problems> {
    let work = Work::prepare(sources, false)?;
    let own = work.tree.get("params").and_then(Node::as_table);
    let ours = get(&work.tree, "strategy.params").and_then(Node::as_table);
    let plain = |node: &Node| node.as_str().map_or_else(|| node.shown(), str::to_owned);
    let one = |(name, node): (&String, &Node)| {
        let table = node.as_table();
        let at = |key: &str| table.and_then(|table| table.get(key));
        Declared {
            name: name.clone(),
            help: at("help").map(plain).unwrap_or_default(),
            // That of a strategy may stand for its table once it is filled in.
            default: table.map_or_else(|| Some(plain(node)), |_| at("default").map(plain)),
            env: at("env").map(plain),
            choices: at("enum").map(Node::items).into_iter().flatten().map(plain).collect(),
            is_required: at("required").is_some_and(|node| node.value == Value::Boolean(true)),
        }
    };
    Ok(own.into_iter().flatten().chain(ours.into_iter().flatten()).map(one).collect())
}

struct Work {
    kind: Kind,
    /// The start of the job's own file.
    top: TextOrigin,
    tree: Table,
    params: ParamSet,
    secrets: BTreeMap<String, SecretValue>,
    pruned: BTreeMap<String, String>,
    /// What decides, where the kind has a strategy.
    rules: Option<RawStrategy>,
    /// Whether keys of the strategy are missing or wrong.
    has_odd_rules: bool,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Work {
    fn prepare(sources: Sources<'_>, demanding: bool) -> Result<Self, Problems> {
        let Sources { job, read, read_secret, names, is_inside, profiles, env, .. } = sources;
        let Sources { params, scheduled, sets, run, item, .. } = sources;
        let mut problems = Vec::new();
        let mut loader = Loader::new(&mut *read, names, &mut problems);
        loader.file(SourceKind::Job, &job.path, &job.text);
        for name in profiles {
            loader.profile(name);
        }
        for (path, text) in sets {
            loader.set(path, text);
        }
        let Loader { mut layers, bad_values, named, .. } = loader;
        let top = layers.iter().filter(|layer| layer.kind == SourceKind::Job);
        let top = top.flat_map(|layer| layer.table.values()).next().map(|node| node.at.sub(0..0));
        // A file that could not be read would make every later message wrong.
        let Some(top) = top.filter(|_| problems.is_empty()) else {
            if problems.is_empty() {
                let at = TextOrigin::whole(SourceKind::Job, &job.path, "");
                problems
                    .push(Problem::new(&at, "the file is empty").help("start with `manifest = 1`"));
            }
            problems.extend(bad_values);
            return Err(Problems::new(problems));
        };
        problems.extend(bad_values);
        strategy::whole(&mut layers, &mut problems);
        let merged = merged(&layers);
        let Some(kind) = kind(&merged, &top, &mut problems) else {
            return Err(Problems::new(problems));
        };
        own_tables_only(&layers, kind, &mut problems);
        let steps = merged.get("step").filter(|_| kind == Kind::Pipeline);
        let outs = steps::outs(steps, read);
        let chosen = Chosen { item, demanding, args: params };
        let (end, matrix) = choose(&merged, &layers, &chosen, &mut problems);
        let mut name = merged.get("name").and_then(Node::as_str).unwrap_or_default().to_owned();
        if let Some(end) = item.and(end) {
            name = format!("{name}.{end}");
        }
        let facts = Facts { env, run, job: &name };
        let declared = strategy::declare(&merged, &mut problems);
        let givers =
            ParamSources { facts: &facts, args: params, scheduled, matrix: &matrix, demanding };
        let params_set = params::evaluate(declared.as_ref(), &givers, &mut problems);
        let declared = merged.get("secrets").and_then(Node::as_table);
        let mut vault = SecretSources { env, read: read_secret, demanding };
        let secrets = secrets::evaluate(declared, &mut vault, &mut problems);
        let mut work = Self {
            kind,
            top,
            tree: Table::new(),
            params: params_set,
            secrets,
            pruned: BTreeMap::new(),
            rules: None,
            has_odd_rules: false,
            problems,
            warnings: if demanding { Vec::new() } else { idle(&layers, &named, kind) },
        };
        work.warn_unused(&layers, &merged, params);
        work.tree = work.prune(layers);
        if !matrix.is_empty() {
            work.is_one_job(&name);
        }
        work.interpolate(&facts, &outs);
        strategy::give(&mut work.tree, &work.params);
        strategy::old_keys(&mut work.tree, &mut work.problems);
        work.walk();
        work.judge(is_inside);
        Ok(work)
    }

    /// A job of a matrix is one job like any other, once it has its values.
    fn is_one_job(&mut self, name: &str) {
        self.tree.remove("matrix");
        if let Some(node) = self.tree.get_mut("name") {
            node.value = Value::String(name.to_owned());
        }
    }

    /// Fills in what is not given, and checks what the schema cannot say.
    fn judge(&mut self, is_inside: &dyn Fn(&str) -> bool) {
        let kind = self.kind;
        defaults::fill(&mut self.tree, kind);
        rules::check(&self.tree, kind, is_inside, &mut self.problems);
        schedules::check(&self.tree, &mut self.problems);
        pools::check(&self.tree, &mut self.problems);
        rules::warn(&self.tree, &mut self.warnings);
        self.strategy();
        if kind == Kind::Pipeline {
            steps::check(&self.tree, &mut self.problems);
        }
    }

    /// Reads the rules, and has the language check them.
    fn strategy(&mut self) {
        if !self.kind.tables().any(|table| table == "strategy") {
            return;
        }
        let Some(rules) = strategy::rules(&self.tree) else { return };
        let at = self.tree.get("strategy").map_or(&self.top, |node| &node.key).clone();
        let (problems, warnings) = strategy::check(&self.tree, &rules, self.has_odd_rules, &at);
        self.problems.extend(problems);
        self.warnings.extend(warnings);
        self.rules = Some(rules);
    }

    fn unexpected(&self, message: &str) -> Problems {
        Problems::new(vec![Problem::new(
            &self.top,
            format!("the manifest cannot be read: {message}"),
        )])
    }

    fn warn_unused(&mut self, layers: &[Layer], merged: &Table, args: &[(String, String)]) {
        let used_in = |tables: &mut dyn Iterator<Item = &Table>| {
            let mut names = BTreeSet::new();
            for (key, node) in tables.flatten() {
                if key != "params" {
                    collect_params(node, &mut names);
                }
            }
            names
        };
        let mut anywhere = used_in(&mut layers.iter().map(|layer| &layer.table));
        let mut effective = used_in(&mut std::iter::once(merged));
        // The params of a strategy are read by its expressions.
        let rules = get(merged, "strategy.params").and_then(Node::as_table);
        for name in rules.into_iter().flat_map(Table::keys) {
            anywhere.insert(name.clone());
            effective.insert(name.clone());
        }
        for (name, param) in self.params.iter() {
            let given = match &param.given {
                GivenParam::Value(_, at) if args.iter().any(|(arg, _)| arg == name) => Some(at),
                GivenParam::Value(..) | GivenParam::Unset | GivenParam::Failed => None,
            };
            if !anywhere.contains(name) && param.declared.kind() == SourceKind::Job {
                self.warnings.push(
                    Problem::warning(&param.declared, format!("param `{name}` is never used"))
                        .help(format!("refer to it with ${{params.{name}}}, or take it out")),
                );
            } else if let Some(at) = given.filter(|_| !effective.contains(name)) {
                let why = if anywhere.contains(name) {
                    "a profile or --set gives the key another value"
                } else {
                    "nothing refers to it"
                };
                self.warnings.push(
                    Problem::warning(at, format!("param `{name}` has no effect: {why}"))
                        .help("leave it out"),
                );
            }
        }
    }

    /// Merges the layers without the keys whose parameter has no value, so that a lower layer's value shows through.
    fn prune(&mut self, layers: Vec<Layer>) -> Table {
        let mut merged = Table::new();
        for mut layer in layers {
            self.prune_table(&mut layer.table, "");
            merge(&mut merged, layer.table);
        }
        merged
    }

    fn prune_table(&mut self, table: &mut Table, path: &str) {
        table.retain(|key, node| {
            let path = join(path, key);
            path == "params" || path == "secrets" || self.keeps(node, &path)
        });
    }

    fn keeps(&mut self, node: &mut Node, path: &str) -> bool {
        match &mut node.value {
            Value::Table(table) => self.prune_table(table, path),
            Value::Array(items) => items.retain_mut(|item| self.keeps(item, path)),
            Value::String(text) => {
                let Some(name) = only_param(text) else { return true };
                let Some(param) = self.params.get(&name) else { return true };
                if matches!(param.given, GivenParam::Unset) {
                    self.pruned.insert(path.to_owned(), param.advice(&name));
                    return false;
                }
            }
            Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_)
            | Value::Failed => {}
        }
        true
    }

    fn interpolate(&mut self, facts: &Facts<'_>, outs: &steps::Outs) {
        let kind = self.kind;
        let mut unheard = Vec::new();
        let mut tree = std::mem::take(&mut self.tree);
        tree.retain(|key, node| {
            if matches!(key.as_str(), "manifest" | "kind" | "extends" | "params" | "secrets") {
                return true;
            }
            let applies = is_common(key) || kind.tables().any(|table| table == key);
            let problems = if applies { &mut self.problems } else { &mut unheard };
            let mut interpolator =
                Interpolator { facts, params: &self.params, secrets: &self.secrets, problems };
            match (key.as_str(), &mut node.value) {
                ("step", _) => {
                    steps::interpolate(node, outs, &mut interpolator);
                    true
                }
                ("exec" | "heartbeat", Value::Table(table)) => {
                    table.retain(|key, node| interpolator.node(node, scope_of(key)));
                    true
                }
                ("notify", Value::Table(notify)) => {
                    notify.retain(|key, node| address(key, node, &mut interpolator));
                    true
                }
                // An expression is text of its own language: nothing is filled there.
                ("strategy", Value::Table(table)) => {
                    table.retain(|key, node| {
                        strategy::TEXTS.contains(&key.as_str())
                            || interpolator.node(node, Scope::Plain)
                    });
                    true
                }
                _ => interpolator.node(node, Scope::Plain),
            }
        });
        self.tree = tree;
    }

    /// Walks the tree along the schema, and demands the tables of the kind.
    fn walk(&mut self) {
        let root = schema::root();
        let known: Vec<&str> = schema::keys(root).collect();
        let kind = self.kind;
        for (key, node) in &mut self.tree {
            let Some(schema) = schema::property(root, key) else {
                self.problems.push(unknown_key(node, key, "", &known));
                continue;
            };
            if key == "manifest" {
                continue;
            }
            let demands = is_common(key) || kind.tables().any(|table| table == key);
            let before = self.problems.len();
            Checker { problems: &mut self.problems, pruned: &self.pruned, demands }
                .node(node, schema, key);
            self.has_odd_rules |= key == "strategy" && self.problems.len() > before;
        }
        if !self.tree.contains_key("name") {
            self.problems.push(
                Problem::new(&self.top, "`name` is missing")
                    .help("write `name = \"...\"`: what records call the job"),
            );
        }
        for table in kind.row().required {
            if !self.tree.contains_key(*table) {
                let at = self.tree.get("kind").map_or(&self.top, |node| &node.at);
                let shown = if *table == "step" { "[[step]]" } else { &format!("[{table}]") };
                let message = format!("kind \"{}\" needs {shown}", self.kind.name());
                let help = format!("write {shown}, or extend a file that has it");
                self.problems.push(Problem::new(at, message).help(help));
            }
        }
    }
}

/// Fills one key of [notify], whose webhook has an address.
fn address(key: &str, node: &mut Node, interpolator: &mut Interpolator<'_>) -> bool {
    let ("webhook" | "email" | "telegram", Value::Table(webhook)) = (key, &mut node.value) else {
        return interpolator.node(node, Scope::Plain);
    };
    webhook.retain(|key, node| interpolator.node(node, scope_of(key)));
    true
}

/// Secrets are for the environment of a program, whose arguments can be seen by others, and for the addresses of watchers.
fn scope_of(key: &str) -> Scope<'static> {
    let is_hidden = matches!(key, "env" | "url" | "chat" | "user" | "password" | "token");
    if is_hidden { Scope::Hidden } else { Scope::Plain }
}

fn merged(layers: &[Layer]) -> Table {
    let mut out = Table::new();
    for layer in layers {
        merge(&mut out, layer.table.clone());
    }
    out
}

fn kind(merged: &Table, top: &TextOrigin, problems: &mut Vec<Problem>) -> Option<Kind> {
    let words: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    let Some(node) = merged.get("kind") else {
        let help = format!("write `kind = ...`, one of {}", list(&words));
        problems.push(Problem::new(top, "`kind` is missing").help(help));
        return None;
    };
    let Some(word) = node.as_str() else {
        let message = format!("`kind` must be a string, found {}", node.found());
        problems.push(Problem::new(&node.at, message).help(format!("one of {}", list(&words))));
        return None;
    };
    let found = Kind::of(word);
    if found.is_none() {
        let help = closest(word, &words).map_or_else(
            || format!("the kinds are {}", list(&words)),
            |meant| format!("did you mean `{meant}`?"),
        );
        problems.push(Problem::new(&node.at, format!("unknown kind {}", quoted(word))).help(help));
    }
    found
}

/// The job's own file, and `--set`, may hold only tables of the kind; shared files may hold others.
fn own_tables_only(layers: &[Layer], kind: Kind, problems: &mut Vec<Problem>) {
    let own = |layer: &&Layer| matches!(layer.kind, SourceKind::Job | SourceKind::Set);
    for (key, node) in layers.iter().filter(own).flat_map(|layer| &layer.table) {
        let of_some_kind = Kind::ALL.iter().any(|kind| kind.tables().any(|table| table == key));
        if of_some_kind && !kind.tables().any(|table| table == key) {
            let message = format!("[{key}] has no meaning in a job of kind \"{}\"", kind.name());
            let tables: Vec<String> = kind.tables().map(|t| format!("[{t}]")).collect();
            let help = format!("take it out; this kind has {}", tables.join(" "));
            problems.push(Problem::new(&node.key, message).help(help));
        }
    }
}

/// A note for each `-P` that gives this kind nothing to read. A pipeline gives its profiles to every step, so only a check says it.
fn idle(layers: &[Layer], named: &[(TextOrigin, usize)], kind: Kind) -> Vec<Problem> {
    let is_foreign = |key: &str| {
        let of = |kind: Kind| kind.tables().any(|table| table == key);
        Kind::ALL.iter().any(|other| of(*other)) && !of(kind)
    };
    let says_nothing = |key: &str| matches!(key, "manifest" | "description" | "extends");
    let mut notes = Vec::new();
    for (n, (at, first)) in named.iter().enumerate() {
        let last = named.get(n + 1).map_or(layers.len(), |(_, next)| *next);
        let own = layers[*first..last].iter().filter(|layer| layer.kind == SourceKind::Profile);
        let keys: BTreeSet<&str> =
            own.flat_map(|layer| layer.table.keys()).map(String::as_str).collect();
        let foreign: Vec<String> =
            keys.iter().filter(|key| is_foreign(key)).map(|key| format!("[{key}]")).collect();
        if foreign.is_empty() || !keys.iter().all(|key| is_foreign(key) || says_nothing(key)) {
            continue;
        }
        let message = format!(
            "this has no effect: a job of kind \"{}\" does not read {}",
            kind.name(),
            foreign.join(" ")
        );
        notes.push(Problem::of(Severity::Note, at, message).help("leave it out"));
    }
    notes
}
