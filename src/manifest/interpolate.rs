//! Fills the `${...}` of a tree: parameters, variables, facts of the run, secrets. Nothing is evaluated twice.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    check::closest,
    origin::{SourceKind, TextOrigin},
    params::{GivenParam, ParamSet},
    problem::Problem,
    resolve::RunFacts,
    steps::Outs,
    template::{BadReference, Reference, TemplatePiece, escape, pieces},
    tree::{Node, Table, Value},
};

/// What `${...}` may refer to.
pub(super) struct Facts<'a> {
    pub env: &'a BTreeMap<String, String>,
    pub run: &'a RunFacts,
    /// The name of the job, for `${run.job}`.
    pub job: &'a str,
}

/// A secret's value, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SecretValue {
    Known(String),
    Absent,
    /// The failure is reported already.
    Failed,
}

/// Where a text stands, which decides what it may refer to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scope<'a> {
    /// Anywhere else.
    Plain,
    /// The default of a parameter: no parameters.
    Default,
    /// A place that is never shown, such as the environment of a program: secrets too.
    Hidden,
    /// The arguments and parameters of a step: outputs of the steps it needs and its item, filled when it starts.
    Step { needs: &'a [String], outs: &'a Outs, fan: &'a Fan<'a> },
}

/// The items of steps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fan<'a> {
    /// Whether this step has items.
    pub has_items: bool,
    /// The steps that have.
    pub others: &'a BTreeSet<String>,
}

/// Fills references and reports those that cannot be filled.
pub(super) struct Interpolator<'a> {
    pub facts: &'a Facts<'a>,
    pub params: &'a ParamSet,
    pub secrets: &'a BTreeMap<String, SecretValue>,
    pub problems: &'a mut Vec<Problem>,
}

/// What a reference stands for.
enum Filled {
    Value {
        value: Value,
        via: Option<TextOrigin>,
        loose: Option<String>,
    },
    Secret(String),
    /// Filled when the step starts.
    Waiting,
    Absent,
    Failed,
}

impl Interpolator<'_> {
    /// Fills every text of a table; keys whose whole value is absent are taken out.
    pub fn table(&mut self, table: &mut Table, scope: Scope<'_>) {
        table.retain(|_, node| self.node(node, scope));
    }

    /// Fills one value; false when it is absent.
    pub fn node(&mut self, node: &mut Node, scope: Scope<'_>) -> bool {
        match &mut node.value {
            Value::Table(table) => self.table(table, scope),
            Value::Array(items) => items.retain_mut(|item| self.node(item, scope)),
            Value::String(text) => {
                if text.contains('$') {
                    let text = std::mem::take(text);
                    return self.text(node, &text, scope);
                }
                node.template = matches!(scope, Scope::Step { .. });
            }
            Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_)
            | Value::Failed => {}
        }
        true
    }

    fn text(&mut self, node: &mut Node, text: &str, scope: Scope<'_>) -> bool {
        let (parts, bad) = pieces(text);
        let failed = !bad.is_empty();
        for BadReference { written, message, help } in bad {
            self.problems.push(Problem::new(&node.at.find(&written), message).help(help));
        }
        if failed {
            node.value = Value::Failed;
            return true;
        }
        if let [TemplatePiece::Reference(reference, written)] = parts.as_slice() {
            return self.whole(node, reference, written, scope);
        }
        self.joined(node, &parts, scope);
        true
    }

    /// A text that is one reference takes the type of what it refers to.
    fn whole(
        &mut self,
        node: &mut Node,
        reference: &Reference,
        written: &str,
        scope: Scope<'_>,
    ) -> bool {
        let step = matches!(scope, Scope::Step { .. });
        match self.fill(reference, written, &node.at, scope) {
            Filled::Value { value, via, loose } => {
                node.value = match value {
                    Value::String(text) if step => Value::String(escape(&text)),
                    value => value,
                };
                node.via = via;
                node.loose = loose.filter(|_| !step);
            }
            Filled::Secret(value) => {
                node.value = Value::String(value);
                node.secret = true;
            }
            Filled::Waiting => node.value = Value::String(written.to_owned()),
            Filled::Absent => return false,
            Filled::Failed => node.value = Value::Failed,
        }
        node.template = step;
        true
    }

    /// A text with several parts stays a text.
    fn joined(&mut self, node: &mut Node, parts: &[TemplatePiece], scope: Scope<'_>) {
        let step = matches!(scope, Scope::Step { .. });
        let plain = |text: &str| if step { escape(text) } else { text.to_owned() };
        let (mut out, mut failed) = (String::new(), false);
        for part in parts {
            let (reference, written) = match part {
                TemplatePiece::Literal(literal) => {
                    out.push_str(&plain(literal));
                    continue;
                }
                TemplatePiece::Reference(reference, written) => (reference, written),
            };
            match self.fill(reference, written, &node.at, scope) {
                Filled::Value { value, .. } => out.push_str(&plain(&as_text(&value))),
                Filled::Secret(value) => {
                    out.push_str(&value);
                    node.secret = true;
                }
                Filled::Waiting => out.push_str(written),
                Filled::Failed => failed = true,
                Filled::Absent => {
                    let message = format!("`{written}` has no value, and is inside a longer text");
                    let help = "give it a value or a default; a key is left out only when its whole value is absent";
                    self.problems.push(Problem::new(&node.at.find(written), message).help(help));
                    failed = true;
                }
            }
        }
        node.value = if failed { Value::Failed } else { Value::String(out) };
        node.template = step;
    }

    fn fill(
        &mut self,
        reference: &Reference,
        written: &str,
        at: &TextOrigin,
        scope: Scope<'_>,
    ) -> Filled {
        let text =
            |text: String| Filled::Value { value: Value::String(text), via: None, loose: None };
        match reference {
            Reference::Param(name) => self.param(name, written, at, scope),
            Reference::RunId => text(self.facts.run.id.clone()),
            Reference::RunJob => text(self.facts.job.to_owned()),
            Reference::RunStarted(None) => text(self.facts.run.started.to_string()),
            Reference::RunStarted(Some(pattern)) => text(self.facts.run.started.format(pattern)),
            Reference::Env { name, default } => {
                let set = self.facts.env.get(name).filter(|value| !value.is_empty());
                match set.or(default.as_ref()) {
                    Some(value) => Filled::Value {
                        value: Value::String(value.clone()),
                        via: set
                            .map(|v| TextOrigin::whole(SourceKind::Env, name, &format!("{name}={v}"))),
                        loose: Some(value.clone()),
                    },
                    None => self.fail(
                        Problem::new(&at.find(written), format!("the variable {name} is not set"))
                            .help(format!("set it, or write a default: ${{env.{name}:-...}}")),
                    ),
                }
            }
            Reference::Secret(name) => self.secret(name, written, at, scope),
            Reference::Step { id, path } => self.step((id, path), written, at, scope),
            Reference::Each => match scope {
                Scope::Step { fan, .. } if fan.has_items => Filled::Waiting,
                _ => self.fail(
                    Problem::new(&at.find(written), format!("`{written}` may not stand here"))
                        .help("it is the item of a step that has `each = [...]`, in its `params`, `run`, `inputs` and `outputs`"),
                ),
            },
        }
    }

    fn fail(&mut self, problem: Problem) -> Filled {
        self.problems.push(problem);
        Filled::Failed
    }

    fn param(&mut self, name: &str, written: &str, at: &TextOrigin, scope: Scope<'_>) -> Filled {
        if matches!(scope, Scope::Default) {
            let message = format!("`{written}` is in the default of a parameter");
            return self.fail(
                Problem::new(&at.find(written), message)
                    .help("a default may refer to ${run...} and ${env...} only"),
            );
        }
        let Some(param) = self.params.get(name) else {
            let known: Vec<&str> = self.params.names().collect();
            let help = closest(name, &known).map_or_else(
                || format!("declare it: [params.{name}]"),
                |meant| format!("did you mean `{meant}`?"),
            );
            let message = format!("unknown param `{name}`");
            return self.fail(Problem::new(&at.find(written), message).help(help));
        };
        match &param.given {
            GivenParam::Value(value, via) => {
                Filled::Value { value: value.clone(), via: Some(via.clone()), loose: None }
            }
            GivenParam::Unset => Filled::Absent,
            GivenParam::Failed => Filled::Failed,
        }
    }

    fn secret(&mut self, name: &str, written: &str, at: &TextOrigin, scope: Scope<'_>) -> Filled {
        if !matches!(scope, Scope::Hidden) {
            let message = format!("`{written}` may not stand here, where it would be shown");
            return self.fail(
                Problem::new(&at.find(written), message)
                    .help("secrets may stand in [exec] env, as the `url` of [heartbeat], and for what [notify] sends with"),
            );
        }
        match self.secrets.get(name) {
            Some(SecretValue::Known(value)) => Filled::Secret(value.clone()),
            Some(SecretValue::Absent) => Filled::Absent,
            Some(SecretValue::Failed) => Filled::Failed,
            None => {
                let known: Vec<&str> = self.secrets.keys().map(String::as_str).collect();
                let help = closest(name, &known).map_or_else(
                    || format!("declare it: [secrets.{name}]"),
                    |meant| format!("did you mean `{meant}`?"),
                );
                let message = format!("unknown secret `{name}`");
                self.fail(Problem::new(&at.find(written), message).help(help))
            }
        }
    }

    fn step(
        &mut self,
        (id, path): (&str, &str),
        written: &str,
        at: &TextOrigin,
        scope: Scope<'_>,
    ) -> Filled {
        let Scope::Step { needs, outs, fan } = scope else {
            let message = format!("`{written}` may not stand here");
            return self.fail(
                Problem::new(&at.find(written), message)
                    .help("outputs of steps are known only in `params` and `run` of a [[step]]"),
            );
        };
        let Some(put_out) = outs.get(id) else {
            let known: Vec<&str> = outs.keys().map(String::as_str).collect();
            let help = closest(id, &known).map_or_else(
                || format!("the steps are {}", known.join(", ")),
                |meant| format!("did you mean `{meant}`?"),
            );
            let message = format!("unknown step `{id}`");
            return self.fail(Problem::new(&at.find(written), message).help(help));
        };
        if !needs.iter().any(|need| need == id) {
            let message =
                format!("this step does not need `{id}`, so its outputs may not be there");
            return self.fail(
                Problem::new(&at.find(written), message).help(format!("add \"{id}\" to `needs`")),
            );
        }
        if fan.others.contains(id) {
            let message =
                format!("step `{id}` has items, and `{written}` does not say of which one");
            let help = "take it out: what items put out is in steps.json of the run";
            return self.fail(Problem::new(&at.find(written), message).help(help));
        }
        let key = path.rsplit('.').next().unwrap_or_default();
        if let Some(keys) = put_out.filter(|keys| !keys.contains(&key)) {
            let message =
                format!("`{written}` can never be filled: step `{id}` does not put out `{key}`");
            let help = match (keys, closest(key, keys)) {
                ([], _) => {
                    "only some kinds of jobs put values out, a program never does: take it out"
                        .to_owned()
                }
                (_, Some(meant)) => format!("did you mean `{meant}`?"),
                (keys, None) => format!("it puts out {}", keys.join(", ")),
            };
            return self.fail(Problem::new(&at.find(written), message).help(help));
        }
        Filled::Waiting
    }
}

/// A scalar as it stands inside a longer text.
pub(super) fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) | Value::Datetime(text) => text.clone(),
        Value::Integer(n) => n.to_string(),
        Value::Float(x) => toml::Value::Float(*x).to_string(),
        Value::Boolean(b) => b.to_string(),
        Value::Array(_) | Value::Table(_) | Value::Failed => String::new(),
    }
}

/// The parameter a text consists of, if it is exactly one reference to one.
pub(super) fn only_param(text: &str) -> Option<String> {
    if !text.starts_with("${params.") {
        return None;
    }
    match pieces(text).0.as_slice() {
        [TemplatePiece::Reference(Reference::Param(name), written)] if written == text => {
            Some(name.clone())
        }
        _ => None,
    }
}

/// Adds the names of all parameters that a tree refers to.
pub(super) fn collect_params(node: &Node, names: &mut BTreeSet<String>) {
    match &node.value {
        Value::Table(table) => table.values().for_each(|child| collect_params(child, names)),
        Value::Array(items) => items.iter().for_each(|child| collect_params(child, names)),
        Value::String(text) if text.contains("${params.") => {
            for piece in pieces(text).0 {
                if let TemplatePiece::Reference(Reference::Param(name), _) = piece {
                    names.insert(name);
                }
            }
        }
        Value::String(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_)
        | Value::Failed => {}
    }
}
