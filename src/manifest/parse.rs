//! One text to one tree: size and characters, TOML syntax, numbers that are numbers.

use std::sync::Arc;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    origin::{SourceKind, Text, TextOrigin, clean, is_forbidden},
    problem::Problem,
    syntax,
    tree::{Node, Table, Value},
};

/// Largest manifest file accepted, in bytes.
pub(super) const FILE_BYTES_MAX: usize = 64 * 1024;

/// One file that was read.
pub(super) struct ParsedFile {
    /// Its tables.
    pub table: Table,
    /// The start of its text.
    pub top: TextOrigin,
    /// Values that cannot be used. The rest of the file is as good as without them.
    pub bad_values: Vec<Problem>,
}

/// Reads one file. `None` when its syntax is broken; the problems say where.
pub(super) fn parse_file(
    kind: SourceKind,
    path: &str,
    raw: &str,
    problems: &mut Vec<Problem>,
) -> Option<ParsedFile> {
    if raw.len() > FILE_BYTES_MAX {
        let at = TextOrigin::whole(kind, path, "");
        let message =
            format!("the file has {} bytes, at most {FILE_BYTES_MAX} are read", raw.len());
        problems.push(Problem::new(&at, message).help(
            "split it: `extends` joins several files; one expression has at most 4096 bytes, so give parts of it names in [strategy.let]",
        ));
        return None;
    }
    let mut text = String::with_capacity(raw.len());
    let mut forbidden = Vec::new();
    let mut rest = raw.chars().peekable();
    while let Some(c) = rest.next() {
        // A carriage return is half of a line end, and alone it would write over what was shown.
        let is_alone = c == '\r' && rest.peek() != Some(&'\n');
        if is_forbidden(c) || is_alone {
            forbidden.push((text.len()..text.len() + 3, c));
            text.push('\u{fffd}');
        } else {
            text.push(c);
        }
    }
    let text = Arc::new(Text { kind, name: clean(path), content: text });
    for (span, c) in &forbidden {
        let what = if c.is_control() { "control" } else { "bidirectional" };
        let message = format!("{what} character U+{:04X}", u32::from(*c));
        problems
            .push(Problem::new(&TextOrigin::at(&text, span.clone()), message).help(
                "delete it, or write it as an escape such as \\u0007 inside a quoted string",
            ));
    }
    let (table, errors) = DeTable::parse_recoverable(&text.content);
    let broken = !errors.is_empty() || !forbidden.is_empty();
    for error in errors {
        let (span, message) = (error.span().unwrap_or_default(), error.message().trim());
        let advice = syntax::advice(&text.content, &span, message);
        let at = TextOrigin::at(&text, span);
        problems.push(Problem::new(&at, message.replace('\n', "; ")).maybe_help(advice));
    }
    if broken {
        return None;
    }
    let mut bad_values = Vec::new();
    let table = Reader { text: &text, problems: &mut bad_values }.table(table.into_inner());
    Some(ParsedFile { table, top: TextOrigin::at(&text, 0..0), bad_values })
}

/// Reads the value of a `--set`: a TOML value, or else the text itself.
pub(super) fn parse_argument(text: &str) -> Value {
    let Ok(value) = DeValue::parse(text) else { return Value::String(text.to_owned()) };
    let source =
        Arc::new(Text { kind: SourceKind::Set, name: String::new(), content: text.to_owned() });
    let mut problems = Vec::new();
    let node = Reader { text: &source, problems: &mut problems }.node(None, value);
    if problems.is_empty() { node.value } else { Value::String(text.to_owned()) }
}

struct Reader<'a> {
    text: &'a Arc<Text>,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    fn table(&mut self, table: DeTable<'_>) -> Table {
        let mut out = Table::new();
        for (key, value) in table {
            let key_at = TextOrigin::at(self.text, key.span());
            out.insert(key.into_inner().into_owned(), self.node(Some(key_at), value));
        }
        out
    }

    fn node(&mut self, key: Option<TextOrigin>, value: Spanned<DeValue<'_>>) -> Node {
        let at = TextOrigin::at(self.text, value.span());
        let value = match value.into_inner() {
            DeValue::String(text) => Value::String(text.into_owned()),
            DeValue::Boolean(b) => Value::Boolean(b),
            DeValue::Datetime(time) => Value::Datetime(time.to_string()),
            DeValue::Integer(n) => {
                let parsed = i64::from_str_radix(n.as_str(), n.radix()).map(Value::Integer);
                parsed.unwrap_or_else(|_| self.refuse(&at, "the integer does not fit 64 bits"))
            }
            DeValue::Float(x) => match x.as_str().parse::<f64>() {
                Ok(x) if x.is_finite() => Value::Float(x),
                Ok(_) | Err(_) => {
                    self.refuse(&at, "`nan`, `inf` and numbers beyond the range are not accepted")
                }
            },
            DeValue::Array(items) => {
                Value::Array(items.into_iter().map(|item| self.node(None, item)).collect())
            }
            DeValue::Table(table) => Value::Table(self.table(table)),
        };
        let mut node = Node::new(value, &at);
        node.key = key.unwrap_or(at);
        node
    }

    fn refuse(&mut self, at: &TextOrigin, message: &str) -> Value {
        self.problems.push(Problem::new(at, message).help("write a finite number"));
        Value::Failed
    }
}
