//! Parameters: declared with a type, given by default, variable or `-p`, checked, and handed to `${params...}`.

use std::collections::{BTreeMap, BTreeSet};

use regex_lite::Regex;

use super::{
    check::{closest, does_not_match, list},
    interpolate::{Facts, Interpolator, Scope, as_text},
    matrix::MatrixValues,
    origin::{SourceKind, TextOrigin},
    problem::Problem,
    tree::{Node, Table, Value, quoted},
    values::{Span, Time, check_format, format_wanted},
};
use crate::domain::time::UtcMs;

/// What a parameter has been given.
#[derive(Debug, Clone)]
pub(super) enum GivenParam {
    /// A value, and where it came from.
    Value(Value, TextOrigin),
    /// Nothing, which is allowed.
    Unset,
    /// Nothing usable; it is reported already.
    Failed,
}

/// One declared parameter.
#[derive(Debug, Clone)]
pub(super) struct ParamState {
    pub given: GivenParam,
    /// Where it is declared.
    pub declared: TextOrigin,
    /// The variable that gives it.
    pub env: Option<String>,
}

impl ParamState {
    /// How to give it a value.
    pub fn advice(&self, name: &str) -> String {
        let variable = self.env.as_ref().map(|env| format!(", or set {env}")).unwrap_or_default();
        format!("give it with -p {name}=...{variable}")
    }
}

/// All declared parameters.
#[derive(Debug, Clone, Default)]
pub(super) struct ParamSet(BTreeMap<String, ParamState>);

impl ParamSet {
    /// One of them.
    pub fn get(&self, name: &str) -> Option<&ParamState> {
        self.0.get(name)
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Each with its name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ParamState)> {
        self.0.iter().map(|(name, state)| (name.as_str(), state))
    }
}

/// Where values come from, and whether missing ones are problems.
pub(super) struct ParamSources<'a> {
    pub facts: &'a Facts<'a>,
    pub args: &'a [(String, String)],
    /// What the schedule gives that runs the job.
    pub scheduled: &'a [(String, String)],
    /// What the matrix gives.
    pub matrix: &'a MatrixValues,
    /// False when the manifest is only looked at: then a missing value fails quietly.
    pub demanding: bool,
}

/// Gives every declared parameter its value.
pub(super) fn evaluate(
    declared: Option<&Table>,
    from: &ParamSources<'_>,
    problems: &mut Vec<Problem>,
) -> ParamSet {
    let mut set = ParamSet::default();
    for (name, node) in declared.into_iter().flatten() {
        let Some(table) = node.as_table() else { continue };
        let given = Evaluator { name, node, table, from, problems }.given();
        let env = table.get("env").and_then(Node::as_str).map(str::to_owned);
        set.0.insert(name.clone(), ParamState { given, declared: node.key.clone(), env });
    }
    let known: Vec<&str> = set.0.keys().map(String::as_str).collect();
    for name in from.args.iter().map(|(name, _)| name).collect::<BTreeSet<_>>() {
        if !set.0.contains_key(name) {
            let at = argument(name, from.args).expect("the name comes from there").1;
            let help = closest(name, &known).map_or_else(
                || match known.as_slice() {
                    [] => "this job declares no params; change any key with --set table.key=value"
                        .to_owned(),
                    known => format!("this job declares {}", known.join(", ")),
                },
                |meant| format!("did you mean `{meant}`?"),
            );
            problems.push(Problem::new(&at, format!("unknown param {}", quoted(name))).help(help));
        }
    }
    set
}

/// The last `-p` with this name, and its place.
fn argument<'a>(name: &str, args: &'a [(String, String)]) -> Option<(&'a str, TextOrigin)> {
    let (_, text) = args.iter().rev().find(|(n, _)| n == name)?;
    Some((text, TextOrigin::whole(SourceKind::Param, name, &format!("-p {name}={text}"))))
}

/// What a schedule gives under this name.
fn scheduled<'a>(name: &str, given: &'a [(String, String)]) -> Option<(&'a str, TextOrigin)> {
    let (_, text) = given.iter().find(|(n, _)| n == name)?;
    Some((text, TextOrigin::whole(SourceKind::Schedule, name, &format!("{name} = {text}"))))
}

struct Evaluator<'a> {
    name: &'a str,
    node: &'a Node,
    table: &'a Table,
    from: &'a ParamSources<'a>,
    problems: &'a mut Vec<Problem>,
}

impl Evaluator<'_> {
    fn given(&mut self) -> GivenParam {
        let kind = match self.table.get("type") {
            None => "string",
            Some(node) => match node.as_str() {
                Some(kind) => kind,
                None => return GivenParam::Failed,
            },
        };
        let given = self.outside(kind).or_else(|| self.by_default(kind));
        let Some(given) = given else { return self.nothing() };
        let GivenParam::Value(value, at) = given else { return GivenParam::Failed };
        match self.constraints(kind, &value) {
            Ok(()) => GivenParam::Value(value, at),
            Err((message, help)) => {
                let message = format!("param `{}` {message}", self.name);
                self.problems.push(Problem::new(&at, message).maybe_help(help));
                GivenParam::Failed
            }
        }
    }

    fn nothing(&mut self) -> GivenParam {
        let required =
            matches!(self.table.get("required"), Some(Node { value: Value::Boolean(true), .. }));
        if !self.from.demanding {
            return GivenParam::Failed;
        }
        if !required {
            return GivenParam::Unset;
        }
        let env = self.table.get("env").and_then(Node::as_str).map(str::to_owned);
        let state = ParamState { given: GivenParam::Unset, declared: self.node.key.clone(), env };
        let message = format!("param `{}` is required and has no value", self.name);
        self.problems.push(Problem::new(&self.node.key, message).help(state.advice(self.name)));
        GivenParam::Failed
    }

    /// The value of the matrix, else of `-p`, else of the variable, else of the schedule.
    fn outside(&mut self, kind: &str) -> Option<GivenParam> {
        let variable = || {
            let name = self.table.get("env").and_then(Node::as_str)?;
            let text = self.from.facts.env.get(name).filter(|text| !text.is_empty())?;
            Some((
                text.as_str(),
                TextOrigin::whole(SourceKind::Env, name, &format!("{name}={text}")),
            ))
        };
        let matrix = self.from.matrix.get(self.name);
        let (text, at) = matrix
            .map(|(text, at)| (text.as_str(), at.clone()))
            .or_else(|| argument(self.name, self.from.args))
            .or_else(variable)
            .or_else(|| scheduled(self.name, self.from.scheduled))?;
        let text = self.mapped(text);
        // A time where milliseconds are wanted.
        let time = text.parse::<UtcMs>().ok().map(UtcMs::get);
        let help = time
            .filter(|_| kind == "integer" && self.name.ends_with("-ms"))
            .map(|ms| format!("{text} is {ms} in milliseconds: give {}={ms}", self.name));
        Some(self.accept_or(read(kind, &text), at, help))
    }

    fn by_default(&mut self, kind: &str) -> Option<GivenParam> {
        let mut node = self.table.get("default")?.clone();
        let none = (ParamSet::default(), BTreeMap::new());
        let mut interpolator = Interpolator {
            facts: self.from.facts,
            params: &none.0,
            secrets: &none.1,
            problems: self.problems,
        };
        interpolator.node(&mut node, Scope::Default);
        let at = node.via.clone().unwrap_or_else(|| node.at.clone());
        let value = match (&node.value, &node.loose) {
            (Value::Failed, _) => return Some(GivenParam::Failed),
            (_, Some(text)) => read(kind, text),
            (Value::String(text), None)
                if matches!(kind, "string" | "path" | "duration" | "time") =>
            {
                read(kind, &self.mapped(text))
            }
            (Value::Datetime(text), None) if kind == "time" => read(kind, text),
            (Value::Integer(n), None) if kind == "time" => read(kind, &n.to_string()),
            (Value::Integer(_), None) if kind == "integer" => Ok(node.value.clone()),
            (Value::Integer(n), None) if kind == "float" => Ok(Value::Float(*n as f64)),
            (Value::Float(_), None) if kind == "float" => Ok(node.value.clone()),
            (Value::Boolean(_), None) if kind == "boolean" => Ok(node.value.clone()),
            _ => Err(format!("the default must be {}, found {}", wanted(kind), node.found())),
        };
        Some(self.accept(value, at))
    }

    fn accept(&mut self, value: Result<Value, String>, at: TextOrigin) -> GivenParam {
        self.accept_or(value, at, None)
    }

    fn accept_or(
        &mut self,
        value: Result<Value, String>,
        at: TextOrigin,
        help: Option<String>,
    ) -> GivenParam {
        match value {
            Ok(value) => GivenParam::Value(value, at),
            Err(message) => {
                let message = format!("param `{}`: {message}", self.name);
                self.problems.push(Problem::new(&at, message).maybe_help(help));
                GivenParam::Failed
            }
        }
    }

    /// The text another spelling stands for.
    fn mapped(&self, text: &str) -> String {
        let map = self.table.get("map").and_then(Node::as_table);
        map.and_then(|map| map.get(text)?.as_str()).unwrap_or(text).to_owned()
    }

    fn constraints(&self, kind: &str, value: &Value) -> Result<(), (String, Option<String>)> {
        let text = as_text(value);
        if let Some(accepted) = self.table.get("enum") {
            let words: Vec<String> =
                accepted.items().iter().map(|item| as_text(&item.value)).collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            if !words.contains(&text.as_str()) {
                let help = closest(&text, &words).map(|meant| format!("did you mean `{meant}`?"));
                return Err((format!("is {}, accepted are {}", quoted(&text), list(&words)), help));
            }
        }
        if let Some(pattern) = self.table.get("pattern").and_then(Node::as_str) {
            // A pattern that is no regular expression is reported where it stands.
            if Regex::new(pattern).is_ok_and(|regex| !regex.is_match(&text)) {
                return Err((does_not_match(&text, pattern), None));
            }
        }
        let size = measure(kind, value);
        let bound = |key: &str| {
            let node = self.table.get(key)?;
            Some((measure(kind, &node.value)?, as_text(&node.value)))
        };
        let (min, max) = (bound("min"), bound("max"));
        let give = match (&min, &max) {
            (Some((_, min)), Some((_, max))) => format!("give a value from {min} to {max}"),
            (Some((_, min)), None) => format!("give {min} or more"),
            (None, Some((_, max))) => format!("give {max} or less"),
            (None, None) => String::new(),
        };
        if let (Some(size), Some((min, shown))) = (size, &min)
            && size < *min
        {
            return Err((format!("is {text}, at least {shown} is accepted"), Some(give)));
        }
        if let (Some(size), Some((max, shown))) = (size, &max)
            && size > *max
        {
            return Err((format!("is {text}, at most {shown} is accepted"), Some(give)));
        }
        let factor = self.table.get("multiple-of").and_then(Node::as_integer).filter(|n| *n > 0);
        if let (Value::Integer(n), Some(factor)) = (value, factor)
            && n % factor != 0
        {
            let before = n - n.rem_euclid(factor);
            let help = format!("the nearest are {before} and {}", before.saturating_add(factor));
            return Err((format!("is {n}, which is not a multiple of {factor}"), Some(help)));
        }
        Ok(())
    }
}

/// Reads a text from outside as a value of a type.
fn read(kind: &str, text: &str) -> Result<Value, String> {
    let wrong = || format!("must be {}, found {}", wanted(kind), quoted(text));
    match kind {
        "integer" => text.trim().parse().map(Value::Integer).map_err(|_| wrong()),
        "float" => {
            let number = text.trim().parse::<f64>().ok().filter(|x| x.is_finite());
            number.map(Value::Float).ok_or_else(wrong)
        }
        "boolean" => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" => Ok(Value::Boolean(true)),
            "false" | "0" | "no" => Ok(Value::Boolean(false)),
            _ => Err(wrong()),
        },
        "duration" | "time" => {
            check_format(kind, text).unwrap_or(Ok(()))?;
            Ok(Value::String(text.to_owned()))
        }
        _ => Ok(Value::String(text.to_owned())),
    }
}

fn wanted(kind: &str) -> &'static str {
    match kind {
        "integer" => "an integer",
        "float" => "a number",
        "boolean" => "true, false, 1, 0, yes or no",
        other => format_wanted(other).unwrap_or("a string"),
    }
}

/// The size of a value, for `min` and `max`: a number, or milliseconds.
fn measure(kind: &str, value: &Value) -> Option<f64> {
    match (kind, value) {
        ("integer" | "float" | "time", Value::Integer(n)) => Some(*n as f64),
        ("float", Value::Float(x)) => Some(*x),
        ("duration", Value::String(text)) => {
            Some(text.parse::<Span>().ok()?.duration().as_secs_f64() * 1000.0)
        }
        (Time::FORMAT, Value::String(text) | Value::Datetime(text)) => {
            Some(text.parse::<UtcMs>().ok()?.get() as f64)
        }
        _ => None,
    }
}
