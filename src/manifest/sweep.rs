//! What a sweep turns: which keys can be turned, the values they take, and a job with other values.

use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

use super::{
    check::{Checker, closest},
    origin::TextOrigin,
    plan::Trading,
    problem::Problem,
    schema,
    tables::{ModelRule, SweepAxis, SweepTable},
    tree::{Node, Table, Value, get, quoted},
};
use crate::language::{self, Number, RawParam, RawStrategy};

/// The keys that a sweep can turn, besides the params of the strategy: a table, or a key of one.
const TURNED: [&str; 7] = [
    "risk.",
    "account.",
    "fill.",
    "strategy.size.",
    "strategy.sides",
    "strategy.cadence-bars",
    "strategy.model.enter",
];

/// A value that a key is turned to.
#[derive(Debug, Clone, PartialEq)]
pub enum Turned {
    /// A whole number.
    Whole(i64),
    /// A number.
    Real(f64),
    /// A word.
    Text(String),
    /// `true` or `false`.
    Truth(bool),
}

impl Turned {
    /// One that a manifest writes; `None` for what no key can be turned to.
    pub fn of(value: &toml::Value) -> Option<Self> {
        Some(match value {
            toml::Value::Integer(whole) => Self::Whole(*whole),
            toml::Value::Float(x) if x.is_finite() => Self::Real(*x),
            toml::Value::String(text) => Self::Text(text.clone()),
            toml::Value::Boolean(truth) => Self::Truth(*truth),
            toml::Value::Float(_)
            | toml::Value::Datetime(_)
            | toml::Value::Array(_)
            | toml::Value::Table(_) => return None,
        })
    }

    fn node(&self) -> Node {
        let value = match self {
            Self::Whole(whole) => Value::Integer(*whole),
            Self::Real(x) => Value::Float(*x),
            Self::Text(text) => Value::String(text.clone()),
            Self::Truth(truth) => Value::Boolean(*truth),
        };
        Node::new(value, &TextOrigin::built_in())
    }

    fn json(&self) -> serde_json::Value {
        match self {
            Self::Whole(whole) => (*whole).into(),
            Self::Real(x) => (*x).into(),
            Self::Text(text) => text.as_str().into(),
            Self::Truth(truth) => (*truth).into(),
        }
    }

    fn number(&self) -> Option<Number> {
        match self {
            Self::Whole(whole) => Some(Number::Integer(*whole)),
            Self::Real(x) => Some(Number::Float(*x)),
            Self::Text(_) | Self::Truth(_) => None,
        }
    }
}

/// Why a key is not turned so.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TurnError {
    #[error("`{0}` is a list")]
    List(String),
    #[error("`{part}` of `{name}` is not a number")]
    NoNumber { part: &'static str, name: String },
    #[error("`{name}` needs `{part}`: the param does not say it itself")]
    NoPart { part: &'static str, name: String },
    #[error("`{0}` is a whole number: write its range without points")]
    NotWhole(String),
    /// Its end is before its beginning.
    #[error("`{name}` goes from {from} to {to}: the grid is empty")]
    Backwards { name: String, from: String, to: String },
    #[error("`step` of `{0}` must be above 0")]
    NoStep(String),
    #[error("`{0}` takes numbers")]
    Numbers(String),
    #[error("the strategy has no param `{0}`")]
    NoParam(String),
    #[error("`{0}`: the strategy follows no model")]
    NoModel(String),
    /// What a check of the manifest says of the value.
    #[error("{0}")]
    Refused(String),
    /// What the table says that gets the value.
    #[error("`{key}`: {why}")]
    Table { key: String, why: String },
}

/// What a range of a sweep leaves out, from the param it turns: where it begins and ends, how far its steps are, and whether it is
/// whole.
pub fn range_of(
    rules: &RawStrategy,
    name: &str,
    axis: &SweepAxis,
) -> Result<(f64, f64, Option<f64>, bool), TurnError> {
    let name = name.to_owned();
    let SweepAxis::Range(range) = axis else { return Err(TurnError::List(name)) };
    let number = |value: &toml::Value| Turned::of(value).and_then(|value| value.number());
    let own = rules.params.get(&name);
    let part = |part: &'static str, given: &Option<toml::Value>, own: Option<Number>| {
        let no_number = || TurnError::NoNumber { part, name: name.clone() };
        let given = given.as_ref().map(|value| number(value).ok_or_else(no_number));
        given.transpose().map(|given| given.or(own))
    };
    let from = part("from", &range.from, own.and_then(|own| own.min))?;
    let to = part("to", &range.to, own.and_then(|own| own.max))?;
    let step = part("step", &range.step, own.and_then(|own| own.step))?;
    let missing = |part| TurnError::NoPart { part, name: name.clone() };
    let from = from.ok_or_else(|| missing("from"))?;
    let to = to.ok_or_else(|| missing("to"))?;
    let is_whole = |number: Number| matches!(number, Number::Integer(_));
    let whole = match own {
        Some(RawParam { default, .. }) => is_whole(*default),
        None => is_whole(from) && is_whole(to) && step.is_none_or(is_whole),
    };
    if whole && [Some(from), Some(to), step].into_iter().flatten().any(|part| !is_whole(part)) {
        return Err(TurnError::NotWhole(name));
    }
    if from.float() > to.float() {
        let (from, to) = (from.float().to_string(), to.float().to_string());
        return Err(TurnError::Backwards { name, from, to });
    }
    if step.is_some_and(|step| step.float() <= 0.0) {
        return Err(TurnError::NoStep(name));
    }
    Ok((from.float(), to.float(), step.map(Number::float), whole))
}

impl Trading {
    /// The same with another value of a param, or of a key by its path.
    pub fn turned(mut self, key: &str, value: &Turned) -> Result<Self, TurnError> {
        if !key.contains('.') {
            let number = value.number().ok_or_else(|| TurnError::Numbers(key.to_owned()))?;
            let param = self.rules.params.get_mut(key);
            let param = param.ok_or_else(|| TurnError::NoParam(key.to_owned()))?;
            param.default = match (param.default, number) {
                (Number::Float(_), Number::Integer(whole)) => Number::Float(whole as f64),
                (_, number) => number,
            };
            return Ok(self);
        }
        refused(key, value).map_or(Ok(()), |why| Err(TurnError::Refused(why)))?;
        let part = |prefix: &str| key.strip_prefix(prefix);
        if let Some(own) = part("risk.") {
            self.risk = with(&self.risk, own, value)?;
        } else if let Some(own) = part("account.") {
            self.account = with(&self.account, own, value)?;
        } else if let Some(own) = part("fill.") {
            self.fill = with(&self.fill, own, value)?;
        } else if key == "strategy.sides" {
            if let Turned::Text(text) = value {
                self.rules.sides.clone_from(text);
            }
        } else if key == "strategy.cadence-bars" {
            if let Turned::Whole(bars) = value {
                let bars = u32::try_from(*bars);
                self.cadence_bars = bars.map_err(|error| TurnError::Refused(error.to_string()))?;
                self.rules.cadence_bars = self.cadence_bars;
            }
        } else if let Some(own) = part("strategy.size.") {
            let size = &mut self.rules.size;
            let decimal = match value {
                Turned::Whole(whole) => Some((*whole).into()),
                Turned::Real(x) => crate::domain::decimal::decimal(*x),
                Turned::Text(text) => {
                    size.mode = Some(text.clone());
                    return Ok(self);
                }
                Turned::Truth(_) => None,
            };
            match own {
                "percent" => size.percent = decimal,
                "risk-pct" => size.risk_pct = decimal,
                _ => size.max_notional = decimal,
            }
        } else {
            let model = self.model.as_ref();
            let model = model.ok_or_else(|| TurnError::NoModel(key.to_owned()))?;
            self.model = Some(with::<ModelRule>(model, "enter", value)?);
        }
        Ok(self)
    }
}

/// A table with another value of one key.
fn with<T: Serialize + DeserializeOwned>(
    table: &T,
    key: &str,
    value: &Turned,
) -> Result<T, TurnError> {
    let mut json = serde_json::to_value(table).expect("plain values serialise");
    if let Some(fields) = json.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
        fields.insert(key.to_owned(), value.json());
    }
    let refused =
        |why: serde_json::Error| TurnError::Table { key: key.to_owned(), why: why.to_string() };
    serde_json::from_value(json).map_err(refused)
}

/// What is wrong with a value of a key.
fn refused(key: &str, value: &Turned) -> Option<String> {
    let is_known = TURNED
        .iter()
        .any(|known| if known.ends_with('.') { key.starts_with(known) } else { key == *known });
    let mut found = Some(schema::root());
    for part in key.split('.') {
        found = found.and_then(|schema| schema::property(schema, part));
    }
    let Some(schema) = found.filter(|_| is_known) else {
        let names: Vec<String> =
            TURNED.iter().map(|known| known.trim_end_matches('.').to_owned()).collect();
        return Some(format!(
            "`{key}` cannot be turned: a sweep turns params of the strategy, and keys of {}",
            names.join(", ")
        ));
    };
    let (mut problems, pruned) = (Vec::new(), std::collections::BTreeMap::new());
    let mut node = value.node();
    Checker { problems: &mut problems, pruned: &pruned, demands: false }
        .node(&mut node, schema, key);
    problems.first().map(|problem| problem.message().to_owned())
}

/// Checks [sweep] against the strategy that it turns.
pub(super) fn check(tree: &Table, problems: &mut Vec<Problem>) {
    let Some(node) = tree.get("sweep") else { return };
    // What has the wrong type is reported already.
    let Ok(sweep) = node.to_plain().try_into::<SweepTable>() else { return };
    let at = |path: &str| get(tree, path).unwrap_or(node).at.clone();
    if let (Some(from), Some(to)) = (sweep.from, sweep.to)
        && from > to
    {
        let message = format!("`sweep.from` is {from}, which is after `sweep.to`, {to}");
        problems.push(Problem::new(&at("sweep.to"), message).help("the last day counts too"));
    }
    let is_given = |node: &Node| !matches!(node.value, Value::Failed);
    for key in ["start-ts-ms", "end-ts-ms", "from", "to"].map(|key| format!("backtest.{key}")) {
        let key = key.as_str();
        if get(tree, key).is_some_and(is_given) {
            let message = format!("`{key}` has no meaning in a sweep, which plays whole days");
            problems.push(Problem::new(&at(key), message).help("give sweep.from and sweep.to"));
        }
    }
    if sweep.doubt.cscv_blocks % 2 == 1 {
        let message =
            format!("`sweep.doubt.cscv-blocks` is {}, which is odd", sweep.doubt.cscv_blocks);
        let help = "half of the blocks are compared with the other half";
        problems.push(Problem::new(&at("sweep.doubt.cscv-blocks"), message).help(help));
    }
    if let Some(walk) = sweep.walk_forward {
        for (key, days) in [("train", walk.train), ("test", walk.test)] {
            if days.get().get() == 0 {
                let key = format!("sweep.walk-forward.{key}");
                problems.push(
                    Problem::new(&at(&key), format!("`{key}` has no day")).help("write 120d"),
                );
            }
        }
    }
    for word in sweep.executor.extra.iter().filter(|word| !word.starts_with('-')) {
        let key = "sweep.executor.extra";
        let message = format!("`{key}` has {}, which is not an option", quoted(word));
        problems.push(Problem::new(&at(key), message).help("write `--qos=low`, as one word"));
    }
    if sweep.over.is_empty() {
        let help = "write [sweep.over] with a param of the strategy: fast = { from = 5, to = 60, step = 5 }";
        let message = "`sweep.over` names no parameter: the grid is empty".to_owned();
        problems.push(Problem::new(&at("sweep.over"), message).help(help));
    }
    let Some(rules) = super::strategy::rules(tree) else { return };
    let over = node.as_table().and_then(|table| table.get("over")).and_then(Node::as_table);
    for (name, axis) in &sweep.over {
        let at = over.and_then(|over| over.get(name)).map_or(&node.at, |node| &node.key);
        if let Some((message, help)) = axis_problem(&rules, name, axis) {
            problems.push(Problem::new(at, message).maybe_help(help));
        }
    }
    if let Some(text) = &sweep.r#where {
        let alone = RawStrategy {
            params: rules.params.clone(),
            require: vec![text.clone()],
            ..RawStrategy::default()
        };
        if let Err(problem) = language::allows(&alone, &std::collections::BTreeMap::new()) {
            let message = format!("`sweep.where`: {}", problem.message);
            problems.push(Problem::new(&at("sweep.where"), message).maybe_help(problem.help));
        }
    }
}

/// What is wrong with the values of one parameter.
fn axis_problem(
    rules: &RawStrategy,
    name: &str,
    axis: &SweepAxis,
) -> Option<(String, Option<String>)> {
    let is_param = rules.params.contains_key(name);
    if !is_param && !name.contains('.') {
        let known: Vec<&str> = rules.params.keys().map(String::as_str).collect();
        let help = closest(name, &known).map_or_else(
            || format!("its params are {}; other keys are written in quotes, such as \"risk.cooldown-bars\"", known.join(", ")),
            |meant| format!("did you mean `{meant}`?"),
        );
        return Some((format!("the strategy has no param `{name}`"), Some(help)));
    }
    let ends: Vec<Turned> = match axis {
        SweepAxis::List(values) if values.is_empty() => {
            return Some((format!("`{name}` has no value: the grid is empty"), None));
        }
        SweepAxis::List(values) => {
            let all: Option<Vec<Turned>> = values.iter().map(Turned::of).collect();
            match all {
                Some(all) => all,
                None => {
                    return Some((
                        format!("a value of `{name}` is not a number, a text or true or false"),
                        None,
                    ));
                }
            }
        }
        SweepAxis::Range(_) => match range_of(rules, name, axis) {
            Err(error) => return Some((error.to_string(), None)),
            Ok((from, to, _, true)) => vec![Turned::Whole(from as i64), Turned::Whole(to as i64)],
            Ok((from, to, _, false)) => vec![Turned::Real(from), Turned::Real(to)],
        },
    };
    for value in &ends {
        let problem = match rules.params.get(name) {
            Some(param) => outside(name, param, value),
            None => refused(name, value),
        };
        if let Some(message) = problem {
            return Some((message, None));
        }
    }
    None
}

/// Why a param does not take a value.
fn outside(name: &str, param: &RawParam, value: &Turned) -> Option<String> {
    let Some(number) = value.number() else { return Some(format!("`{name}` takes numbers")) };
    if matches!((param.default, number), (Number::Integer(_), Number::Float(_))) {
        return Some(format!(
            "`{name}` is a whole number: {} is not",
            quoted(&number.float().to_string())
        ));
    }
    let x = number.float();
    let below = param.min.filter(|min| x < min.float()).map(|min| ("below", "min", min));
    let above = param.max.filter(|max| x > max.float()).map(|max| ("above", "max", max));
    let (side, limit, bound) = below.or(above)?;
    Some(format!("`{name}` would be {x}, which is {side} its `{limit}`, {}", bound.float()))
}
