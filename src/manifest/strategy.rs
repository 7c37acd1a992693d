//! A strategy in a manifest: which layer it comes from, the values of its params, and what the rule language says about its texts.

use std::ops::Range;

use rust_decimal::Decimal;

use super::{
    check::{closest, list},
    layers::Layer,
    origin::{SourceKind, TextOrigin},
    params::{GivenParam, ParamSet},
    problem::{Problem, Severity},
    signals,
    tables::Sides,
    tree::{Node, Table, Value, get},
};
use crate::{
    domain::{decimal::decimal, time::Timeframe},
    language::{self, Number, RawDistances, RawParam, RawProtect, RawRule, RawSize, RawStrategy},
};

/// The folder of strategy files.
pub(super) const FOLDER: &str = "strategies/";
/// What a strategy file may hold.
const FILE_KEYS: [&str; 3] = ["manifest", "description", "strategy"];
/// Keys of [strategy] that a layer above the rules may set.
const ABOVE: [&str; 5] = ["cadence-bars", "sides", "size", "model", "params"];
/// Keys that hold expressions, in which nothing is filled.
pub(super) const TEXTS: [&str; 5] = ["let", "enter", "exit", "protect", "require"];

/// Makes a strategy whole: a layer with entry rules takes away what lies below it; one above them may set only what turns them.
pub(super) fn whole(layers: &mut [Layer], problems: &mut Vec<Problem>) {
    for layer in layers.iter().filter(|layer| is_strategy_file(layer)) {
        let foreign = layer.table.iter().filter(|(key, _)| !FILE_KEYS.contains(&key.as_str()));
        for (key, node) in foreign {
            let message = format!("`{key}` does not belong in a file of {FOLDER}");
            let help =
                format!("it holds {} only", FILE_KEYS.map(|key| format!("`{key}`")).join(", "));
            problems.push(Problem::new(&node.key, message).help(help));
        }
    }
    // What describes a strategy does not describe a job.
    for layer in layers.iter_mut().filter(|layer| layer.kind != SourceKind::Job) {
        if is_strategy_file(layer) {
            layer.table.remove("description");
        }
    }
    let rules = |layer: &Layer| {
        layer
            .table
            .get("strategy")
            .and_then(Node::as_table)
            .is_some_and(|t| t.contains_key("enter"))
    };
    let Some(own) = layers.iter().rposition(rules) else { return };
    let (below, above) = layers.split_at_mut(own);
    for layer in below {
        layer.table.remove("strategy");
    }
    let from = above[0].table["strategy"].at.file().to_owned();
    let params = get(&above[0].table, "strategy.params").and_then(Node::as_table);
    let known: Vec<String> = params.into_iter().flatten().map(|(name, _)| name.clone()).collect();
    for layer in &above[1..] {
        let table = layer.table.get("strategy").and_then(Node::as_table);
        for (key, node) in table.into_iter().flatten() {
            above_the_rules(key, node, (&from, &known), problems);
        }
    }
}

fn is_strategy_file(layer: &Layer) -> bool {
    let is_file =
        matches!(layer.kind, SourceKind::Extended | SourceKind::Profile | SourceKind::Job);
    let node = layer.table.values().next();
    is_file && node.is_some_and(|node| node.at.file().starts_with(FOLDER))
}

fn above_the_rules(
    key: &str,
    node: &Node,
    (from, known): (&str, &[String]),
    problems: &mut Vec<Problem>,
) {
    // Old keys are told by themselves.
    if OLD.iter().any(|(old, _)| *old == key) {
        return;
    }
    if !ABOVE.contains(&key) {
        let message =
            format!("`strategy.{key}` cannot be set here: the rules come whole from {from}");
        problems.push(Problem::new(&node.key, message).help(
            "change that file, or write a strategy of your own with [[strategy.enter]]; a layer above may set params.NAME.default, cadence-bars, sides, size and model.path",
        ));
        return;
    }
    let params = (key == "params").then(|| node.as_table()).flatten();
    for (name, param) in params.into_iter().flatten() {
        if !known.contains(name) {
            let names: Vec<&str> = known.iter().map(String::as_str).collect();
            let help = closest(name, &names).map_or_else(
                || format!("{from} has {}", list(&names)),
                |meant| format!("did you mean `{meant}`?"),
            );
            let message = format!("the strategy has no param `{name}`");
            problems.push(Problem::new(&param.key, message).help(help));
        }
        for (part, value) in param.as_table().into_iter().flatten() {
            if part != "default" {
                let message = format!(
                    "`strategy.params.{name}.{part}` cannot be set here: the rules come whole from {from}"
                );
                problems.push(
                    Problem::new(&value.key, message)
                        .help("only `default` may be set above the rules"),
                );
            }
        }
    }
}

/// Adds the params of the strategy to those of the job: given with `-p`, a variable or a schedule like any other.
pub(super) fn declare(merged: &Table, problems: &mut Vec<Problem>) -> Option<Table> {
    let job = merged.get("params").and_then(Node::as_table);
    let ours = get(merged, "strategy.params").and_then(Node::as_table);
    let Some(ours) = ours else { return job.cloned() };
    let mut all = job.cloned().unwrap_or_default();
    for (name, node) in ours {
        let Some(table) = node.as_table() else { continue };
        if let Some(other) = all.get(name) {
            let message = format!(
                "the param `{name}` is declared twice, in [params] and in [strategy.params]"
            );
            let at = if other.at.is_file() { &other.key } else { &node.key };
            problems.push(Problem::new(at, message).help("rename one of them"));
            continue;
        }
        let kind = match table.get("default").map(|node| &node.value) {
            Some(Value::Integer(_)) => "integer",
            Some(_) => "float",
            None => continue,
        };
        let mut table = table.clone();
        table.remove("step");
        // A default outside of its own limits is for the check of the rules to say.
        let part = |key: &str| table.get(key).and_then(|node| number(&node.value));
        let default = part("default").map(Number::float);
        let is_inside = default.is_none_or(|default| {
            part("min").is_none_or(|min| min.float() <= default)
                && part("max").is_none_or(|max| default <= max.float())
        });
        if !is_inside {
            table.remove("min");
            table.remove("max");
        }
        table.insert("type".to_owned(), Node::new(Value::String(kind.to_owned()), &node.at));
        all.insert(name.clone(), Node { value: Value::Table(table), ..node.clone() });
    }
    Some(all)
}

/// Puts what the params were given in the place of their defaults, so that the tree says what is played.
pub(super) fn give(tree: &mut Table, params: &ParamSet) {
    // One that the job declares too is reported, and keeps its default.
    let of_job: Vec<String> = tree
        .get("params")
        .and_then(Node::as_table)
        .into_iter()
        .flatten()
        .map(|(name, _)| name.clone())
        .collect();
    let table = tree.get_mut("strategy").and_then(Node::as_table_mut);
    let declared = table.and_then(|table| table.get_mut("params")).and_then(Node::as_table_mut);
    for (name, node) in declared.into_iter().flatten().filter(|(name, _)| !of_job.contains(name)) {
        let Some(GivenParam::Value(value, at)) = params.get(name).map(|param| &param.given) else {
            continue;
        };
        let default = node.as_table_mut().and_then(|table| table.get_mut("default"));
        if let Some(default) = default {
            *default = Node { key: default.key.clone(), ..Node::new(value.clone(), at) };
        }
    }
}

/// The rules of a tree, as far as they can be read: what has the wrong type is reported elsewhere.
pub(super) fn rules(tree: &Table) -> Option<RawStrategy> {
    let table = tree.get("strategy")?.as_table()?;
    let text = |table: &Table, key: &str| table.get(key).and_then(Node::as_str).map(str::to_owned);
    let tables = |key: &str| table.get(key).map(Node::items).unwrap_or_default();
    let rule = |node: &Node| {
        let table = node.as_table()?;
        let rule = text(table, "rule")?;
        Some(RawRule { rule, side: text(table, "side"), when: text(table, "when")? })
    };
    let entries = |key: &str| table.get(key).and_then(Node::as_table).into_iter().flatten();
    Some(RawStrategy {
        cadence_bars: table
            .get("cadence-bars")
            .and_then(Node::as_integer)
            .and_then(|n| n.try_into().ok())
            .unwrap_or(1),
        sides: text(table, "sides").unwrap_or_else(|| Sides::Both.name().to_owned()),
        require: tables("require")
            .iter()
            .filter_map(|node| node.as_str().map(str::to_owned))
            .collect(),
        params: entries("params")
            .filter_map(|(name, node)| Some((name.clone(), param(node.as_table()?)?)))
            .collect(),
        lets: entries("let")
            .filter_map(|(name, node)| Some((name.clone(), node.as_str()?.to_owned())))
            .collect(),
        enter: tables("enter").iter().filter_map(rule).collect(),
        exit: tables("exit").iter().filter_map(rule).collect(),
        protect: table.get("protect").and_then(Node::as_table).map(protect).unwrap_or_default(),
        size: size(table.get("size").and_then(Node::as_table)),
        signals: entries("signals").map(|(name, _)| name.clone()).collect(),
        model: table.contains_key("model"),
    })
}

fn param(table: &Table) -> Option<RawParam> {
    let part = |key: &str| table.get(key).and_then(|node| number(&node.value));
    let help = table.get("help").and_then(Node::as_str).map(str::to_owned);
    Some(RawParam {
        default: part("default")?,
        min: part("min"),
        max: part("max"),
        step: part("step"),
        help,
    })
}

fn number(value: &Value) -> Option<Number> {
    match value {
        Value::Integer(n) => Some(Number::Integer(*n)),
        Value::Float(x) => Some(Number::Float(*x)),
        Value::String(_)
        | Value::Boolean(_)
        | Value::Datetime(_)
        | Value::Array(_)
        | Value::Table(_)
        | Value::Failed => None,
    }
}

fn protect(table: &Table) -> RawProtect {
    let distances = |table: &Table| {
        let text = |key: &str| table.get(key).and_then(Node::as_str).map(str::to_owned);
        RawDistances {
            stop: text("stop"),
            target: text("target"),
            trail: text("trail"),
            trail_from: text("trail-from"),
            break_even_at: text("break-even-at"),
        }
    };
    let side =
        |key: &str| table.get(key).and_then(Node::as_table).map(distances).unwrap_or_default();
    RawProtect { both: distances(table), long: side("long"), short: side("short") }
}

fn size(table: Option<&Table>) -> RawSize {
    let part = |key: &str| -> Option<Decimal> { table?.get(key)?.as_float().and_then(decimal) };
    RawSize {
        mode: table.and_then(|table| table.get("mode")?.as_str().map(str::to_owned)),
        percent: part("percent"),
        risk_pct: part("risk-pct"),
        max_notional: part("max-notional"),
    }
}

/// What the language says about the rules, each at its place in the file: errors, then what is not wrong but told. Where keys are missing
/// or wrong already, only what stands inside of an expression is new.
pub(super) fn check(
    tree: &Table,
    rules: &RawStrategy,
    is_odd: bool,
    top: &TextOrigin,
) -> (Vec<Problem>, Vec<Problem>) {
    let timeframe = get(tree, "market.timeframe").and_then(Node::as_str);
    let timeframe: Option<Timeframe> = timeframe.and_then(|text| text.parse().ok());
    let found = language::check(rules, &language::Values::new(), timeframe);
    let mut split = (signals::check(tree, timeframe), Vec::new());
    for problem in found.into_iter().filter(|one| !is_odd || one.span.is_some()) {
        // What is wrong with a name is shown at the name, and not at its text.
        let is_name = problem.span.is_none() && problem.key.starts_with("strategy.let.");
        let at = place(tree, &problem.key).map_or_else(
            || top.clone(),
            |node| if is_name { node.key.clone() } else { inside(node, problem.span) },
        );
        let severity = match problem.severity {
            language::Severity::Error => Severity::Error,
            language::Severity::Warning => Severity::Warning,
            language::Severity::Note => Severity::Note,
        };
        let said = Problem::of(severity, &at, problem.message).maybe_help(problem.help);
        if severity == Severity::Error { split.0.push(said) } else { split.1.push(said) }
    }
    split
}

/// The node of a key such as `strategy.enter[0].when`, or the nearest one around it.
fn place<'t>(tree: &'t Table, key: &str) -> Option<&'t Node> {
    let mut found: Option<&Node> = None;
    for part in key.split('.') {
        let (name, index) = match part.split_once('[') {
            Some((name, rest)) => {
                (name, rest.strip_suffix(']').and_then(|n| n.parse::<usize>().ok()))
            }
            None => (part, None),
        };
        let table = found.map_or(Some(tree), Node::as_table);
        let Some(next) = table.and_then(|table| table.get(name)) else { return found };
        found = Some(next);
        if let Some(item) = index.and_then(|index| next.items().get(index)) {
            found = Some(item);
        }
    }
    found
}

/// A place inside the text of a node.
fn inside(node: &Node, span: Option<Range<usize>>) -> TextOrigin {
    let (Some(span), Some(text)) = (span, node.as_str()) else {
        // What has no text of its own is shown by its name.
        return if node.as_str().is_some() { node.at.clone() } else { node.key.clone() };
    };
    let written = node.at.snippet();
    // A value that an argument gives is not quoted.
    let plain = || written.find(text).filter(|_| !text.is_empty());
    let places = written_at(written, text).or_else(|| {
        plain().map(|start| (start..start + text.len()).map(|at| at..at + 1).collect())
    });
    let start = node.at.span().start;
    let found = places.and_then(|places| {
        let (first, last) = (places.get(span.start), places.get(span.end.max(1) - 1));
        Some(match (span.is_empty(), first, last) {
            (false, Some(first), Some(last)) => first.start..last.end,
            // The end of the text, or an empty one.
            (true, _, Some(last)) if span.end > 0 => last.end..last.end,
            (true, Some(first), _) => first.start..first.start,
            _ => return None,
        })
    });
    found.map_or_else(|| node.at.clone(), |at| node.at.sub(start + at.start..start + at.end))
}

/// Where each byte of a text is in the TOML string that it was written as, with escapes and folded lines; `None` where it is not one.
fn written_at(written: &str, text: &str) -> Option<Vec<Range<usize>>> {
    let quotes = ["\"\"\"", "'''", "\"", "'"];
    let quote = quotes.into_iter().find(|quote| written.starts_with(quote))?;
    let end = written.len().checked_sub(quote.len()).filter(|end| *end >= quote.len())?;
    let is_basic = quote.starts_with('"');
    let mut at = quote.len();
    if quote.len() == 3 {
        let rest = &written[at..end];
        let newline = ["\r\n", "\n"].into_iter().find(|newline| rest.starts_with(newline));
        at += newline.map_or(0, str::len);
    }
    let (mut places, mut wanted) = (Vec::with_capacity(text.len()), text.chars());
    while at < end {
        let rest = &written[at..end];
        let first = rest.chars().next()?;
        let (c, len) = match first {
            '\\' if is_basic => match escaped(rest)? {
                (Some(c), len) => (c, len),
                (None, len) => {
                    at += len;
                    continue;
                }
            },
            '\r' if rest.starts_with("\r\n") && !wanted.as_str().starts_with('\r') => ('\n', 2),
            c => (c, c.len_utf8()),
        };
        if wanted.next()? != c {
            return None;
        }
        if len == c.len_utf8() {
            places.extend((at..at + len).map(|byte| byte..byte + 1));
        } else {
            places.extend(std::iter::repeat_n(at..at + len, c.len_utf8()));
        }
        at += len;
    }
    wanted.next().is_none().then_some(places)
}

/// What an escape at the start of a text means, and how long it is; `None` in the first place for a folded line.
fn escaped(rest: &str) -> Option<(Option<char>, usize)> {
    let hex = |digits: usize| {
        let code = u32::from_str_radix(rest.get(2..2 + digits)?, 16).ok()?;
        Some((Some(char::from_u32(code)?), 2 + digits))
    };
    let plain = |c| Some((Some(c), 2));
    match rest.chars().nth(1)? {
        'n' => plain('\n'),
        't' => plain('\t'),
        'r' => plain('\r'),
        'b' => plain('\u{8}'),
        'f' => plain('\u{c}'),
        'e' => plain('\u{1b}'),
        c @ ('"' | '\\') => plain(c),
        'x' => hex(2),
        'u' => hex(4),
        'U' => hex(8),
        _ => {
            let blanks = rest[1..].find(|c: char| !c.is_ascii_whitespace());
            Some((None, 1 + blanks.unwrap_or(rest.len() - 1)))
        }
    }
}

/// Keys of [strategy] from before strategies were text, and what is in their place.
const OLD: [(&str, &str); 3] = [
    ("kind", "a strategy is a file of rules"),
    ("ema-atr", "its numbers are params of strategies/ema_atr.toml"),
    ("rsi-revert", "its numbers are params of strategies/rsi_revert.toml"),
];

/// Tells of old keys.
pub(super) fn old_keys(tree: &mut Table, problems: &mut Vec<Problem>) {
    let Some(table) = tree.get_mut("strategy").and_then(Node::as_table_mut) else { return };
    for (key, why) in OLD {
        let Some(node) = table.remove(key) else { continue };
        let file = match node.as_str() {
            Some("model") => "model",
            Some("rsi_revert") => "rsi_revert",
            None if key == "rsi-revert" => "rsi_revert",
            Some(_) | None => "ema_atr",
        };
        let help = format!(
            "extend \"../strategies/{file}.toml\", or run with -P {file}; change a param with -p NAME=VALUE or [strategy.params]"
        );
        let message = format!("`strategy.{key}` is not a key any more: {why}");
        problems.push(Problem::new(&node.key, message).help(help));
    }
}
