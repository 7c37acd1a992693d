//! The tree every layer is read into: TOML values, each with the place it came from.

use std::collections::BTreeMap;

use super::origin::{SourceKind, TextOrigin, clean};

/// A table: keys in alphabetical order.
pub(super) type Table = BTreeMap<String, Node>;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    String(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    /// A TOML date or time, as it was written.
    Datetime(String),
    Array(Vec<Node>),
    Table(Table),
    /// A reference that failed; the failure is reported already, so nothing else is said about it.
    Failed,
}

/// One value and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub value: Value,
    /// Where its key stands.
    pub key: TextOrigin,
    /// Where its value stands.
    pub at: TextOrigin,
    /// Where a parameter that gave the value got it from.
    pub via: Option<TextOrigin>,
    /// Never shown.
    pub secret: bool,
    /// The text of a value that arrived without a type; it may still take the type that is wanted.
    pub loose: Option<String>,
    /// A text whose references are filled when the step starts.
    pub template: bool,
}

impl Node {
    /// A value whose key and value stand at one place.
    pub fn new(value: Value, at: &TextOrigin) -> Self {
        Self {
            value,
            key: at.clone(),
            at: at.clone(),
            via: None,
            secret: false,
            loose: None,
            template: false,
        }
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The integer, if it is one.
    pub fn as_integer(&self) -> Option<i64> {
        match self.value {
            Value::Integer(n) => Some(n),
            _ => None,
        }
    }

    /// The number, whole or not.
    pub fn as_float(&self) -> Option<f64> {
        match self.value {
            Value::Integer(n) => Some(n as f64),
            Value::Float(x) => Some(x),
            _ => None,
        }
    }

    /// The table, if it is one.
    pub fn as_table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The table, if it is one, to change it.
    pub fn as_table_mut(&mut self) -> Option<&mut Table> {
        match &mut self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The elements of an array; nothing for anything else.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::Array(items) => items,
            _ => &[],
        }
    }

    /// The origin as `explain` prints it.
    pub fn origin(&self) -> String {
        match &self.via {
            Some(via) => format!("{via} (through {})", self.at),
            None => self.at.to_string(),
        }
    }

    /// `the string "x"`, `the integer 5`: what a message says was found.
    pub fn found(&self) -> String {
        if self.secret {
            return "a secret".to_owned();
        }
        match &self.value {
            Value::String(text) => format!("the string {}", quoted(text)),
            Value::Integer(n) => format!("the integer {n}"),
            Value::Float(x) => format!("the number {x}"),
            Value::Boolean(b) => format!("the boolean {b}"),
            Value::Datetime(text) => format!("the time {text}"),
            Value::Array(_) => "an array".to_owned(),
            Value::Table(_) => "a table".to_owned(),
            Value::Failed => "a failed reference".to_owned(),
        }
    }

    /// The value as TOML, masked when it is secret.
    pub fn shown(&self) -> String {
        self.to_toml(&|text, _| text.to_owned()).to_string()
    }

    /// The value for the typed structs: secrets revealed, times as text.
    pub fn to_plain(&self) -> toml::Value {
        match &self.value {
            Value::Array(items) => toml::Value::Array(items.iter().map(Self::to_plain).collect()),
            Value::Table(table) => toml::Value::Table(
                table.iter().map(|(key, node)| (key.clone(), node.to_plain())).collect(),
            ),
            scalar => scalar.scalar(),
        }
    }

    /// The value for a reader: secrets masked, texts passed through `text`.
    pub fn to_toml(&self, text: &dyn Fn(&str, &Self) -> String) -> toml::Value {
        if self.secret {
            return toml::Value::String("***".to_owned());
        }
        match &self.value {
            Value::String(value) => toml::Value::String(text(value, self)),
            Value::Array(items) => {
                toml::Value::Array(items.iter().map(|item| item.to_toml(text)).collect())
            }
            Value::Table(table) => toml::Value::Table(
                table.iter().map(|(key, node)| (key.clone(), node.to_toml(text))).collect(),
            ),
            scalar => scalar.scalar(),
        }
    }
}

impl Value {
    fn scalar(&self) -> toml::Value {
        match self {
            Self::String(text) | Self::Datetime(text) => toml::Value::String(text.clone()),
            Self::Integer(n) => toml::Value::Integer(*n),
            Self::Float(x) => toml::Value::Float(*x),
            Self::Boolean(b) => toml::Value::Boolean(*b),
            Self::Failed | Self::Array(_) | Self::Table(_) => toml::Value::String(String::new()),
        }
    }
}

/// Puts a higher layer over a lower one: tables merge, everything else replaces.
pub(super) fn merge(base: &mut Table, over: Table) {
    for (key, mut node) in over {
        let Some(below) = base.get_mut(&key) else {
            base.insert(key, node);
            continue;
        };
        match (&mut below.value, &mut node.value) {
            (Value::Table(lower), Value::Table(higher)) => {
                merge(lower, std::mem::take(higher));
                // What is missing in a table is looked for in the job's own file first.
                if below.at.kind() != SourceKind::Job {
                    below.key = node.key;
                    below.at = node.at;
                }
            }
            _ => *below = node,
        }
    }
}

/// The node at a dotted path of keys; `None` where a part is missing or no table.
pub(super) fn get<'t>(table: &'t Table, path: &str) -> Option<&'t Node> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(a, b)| (a, Some(b)));
    let node = table.get(first)?;
    rest.map_or(Some(node), |rest| get(node.as_table()?, rest))
}

/// A path and one more key.
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// A text for a message: quoted, cleaned, cut when long.
pub(super) fn quoted(text: &str) -> String {
    const SHOWN_MAX: usize = 60;
    let cleaned = clean(text);
    let cut: String = cleaned.chars().take(SHOWN_MAX).collect();
    let dots = if cut.len() < cleaned.len() { "..." } else { "" };
    format!("{:?}", format!("{cut}{dots}"))
}
