//! The steps of a pipeline: ids, needs without a circle, one thing to run each, references to outputs.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    check::closest,
    interpolate::{Fan, Interpolator, Scope},
    items::{self, EACH_MAX},
    kinds::Kind,
    layers::{TextError, relative},
    problem::Problem,
    tables::When,
    tree::{Node, Table, Value},
};

/// The id of a step, if it has one.
fn id(step: &Node) -> Option<&str> {
    step.as_table()?.get("id")?.as_str()
}

/// The ids a step needs, with their places.
fn needs(step: &Node) -> impl Iterator<Item = (&str, &Node)> {
    let list = step.as_table().and_then(|table| table.get("needs"));
    list.into_iter().flat_map(Node::items).filter_map(|node| Some((node.as_str()?, node)))
}

/// What other steps can take from each step: its keys, or `None` where only a run can tell.
pub(super) type Outs = BTreeMap<String, Option<&'static [&'static str]>>;

/// What the steps put out: a program nothing, a job what its kind does. A job whose file does not say its kind is not judged.
pub(super) fn outs(
    steps: Option<&Node>,
    read: &mut dyn FnMut(&str) -> Result<String, TextError>,
) -> Outs {
    let mut kind = |job: &Node| -> Option<Kind> {
        let text = read(&relative(job.at.file(), job.as_str()?).ok()?).ok()?;
        let file: toml::Table = toml::from_str(&text).ok()?;
        let word = file.get("kind")?.as_str()?;
        Kind::of(word)
    };
    let mut put_out = |step: &Node| match step.as_table()?.get("job") {
        Some(job) => kind(job)?.row().puts_out,
        None => Some(&[][..]),
    };
    let steps = steps.map(Node::items).into_iter().flatten();
    steps.filter_map(|step| Some((id(step)?.to_owned(), put_out(step)))).collect()
}

/// Fills the references of steps; those to outputs of other steps stay until the step starts.
pub(super) fn interpolate(steps: &mut Node, outs: &Outs, interpolator: &mut Interpolator<'_>) {
    let Value::Array(items) = &mut steps.value else { return };
    let has_items = |step: &Node| step.as_table().is_some_and(|table| table.contains_key("each"));
    let others: BTreeSet<String> = items
        .iter()
        .filter(|step| has_items(step))
        .filter_map(|step| id(step))
        .map(str::to_owned)
        .collect();
    for step in items {
        let fan = Fan { has_items: has_items(step), others: &others };
        let needs: Vec<String> = needs(step).map(|(need, _)| need.to_owned()).collect();
        let Some(table) = step.as_table_mut() else { continue };
        table.retain(|key, node| {
            let waits = matches!(key.as_str(), "params" | "run" | "inputs" | "outputs");
            let scope =
                if waits { Scope::Step { needs: &needs, outs, fan: &fan } } else { Scope::Plain };
            interpolator.node(node, scope)
        });
    }
}

/// Checks the steps against each other.
pub(super) fn check(tree: &Table, problems: &mut Vec<Problem>) {
    let Some(node) = tree.get("step") else { return };
    let steps = node.items();
    if steps.is_empty() && matches!(node.value, Value::Array(_)) {
        problems.push(Problem::new(&node.at, "the pipeline has no step").help("write a [[step]]"));
    }
    let mut first: BTreeMap<&str, &Node> = BTreeMap::new();
    for step in steps {
        if let Some(name) = id(step) {
            if first.contains_key(name) {
                let at = &step.as_table().expect("it has an id")["id"].at;
                problems.push(
                    Problem::new(at, format!("two steps are called `{name}`")).help("rename one"),
                );
            }
            first.entry(name).or_insert(step);
        }
        check_one(step, problems);
        answers_something(step, problems);
        check_items(step, tree, problems);
        check_approval(step, problems);
        check_files(step, problems);
    }
    let known: Vec<&str> = first.keys().copied().collect();
    for step in steps {
        for (need, node) in needs(step) {
            if !first.contains_key(need) {
                let help = closest(need, &known).map_or_else(
                    || format!("the steps are {}", known.join(", ")),
                    |meant| format!("did you mean `{meant}`?"),
                );
                problems.push(Problem::new(&node.at, format!("unknown step `{need}`")).help(help));
            }
        }
    }
    circles(&first, problems);
}

fn check_one(step: &Node, problems: &mut Vec<Problem>) {
    let Some(table) = step.as_table() else { return };
    let name = id(step).unwrap_or("?");
    match (table.get("job"), table.get("run")) {
        (Some(_), Some(run)) => problems.push(
            Problem::new(&run.key, format!("step `{name}` has both `job` and `run`"))
                .help("keep one of them; two steps do two things"),
        ),
        (None, None) => problems.push(
            Problem::new(&step.at, format!("step `{name}` has nothing to run"))
                .help("write `job = \"other.toml\"` or `run = [\"program\", \"argument\"]`"),
        ),
        (Some(job), None) => {
            if let Some(Err(why)) = job.as_str().map(|path| relative(job.at.file(), path)) {
                let message = format!("the job of step `{name}`: {why}");
                problems.push(
                    Problem::new(&job.at, message).help("write a path relative to this file"),
                );
            }
        }
        (None, Some(_)) => {
            for key in ["params", "profile"] {
                if let Some(node) = table.get(key) {
                    let message =
                        format!("`{key}` has no meaning in step `{name}`, which runs a program");
                    problems.push(
                        Problem::new(&node.key, message)
                            .help("hand values over in `run`, or use `job`"),
                    );
                }
            }
        }
    }
}

/// The items of a step, and how many of them may run at once.
fn check_items(step: &Node, tree: &Table, problems: &mut Vec<Problem>) {
    let Some(table) = step.as_table() else { return };
    let name = id(step).unwrap_or("?");
    if let Some(each) = table.get("each") {
        items::check(each, &format!("`each` of step `{name}`"), problems);
        if each.items().len() > EACH_MAX {
            let message =
                format!("step `{name}` has {} items, most are {EACH_MAX}", each.items().len());
            problems.push(Problem::new(&each.at, message).help("make several steps of it"));
        }
    }
    let Some(most) = table.get("max-parallel") else { return };
    if !table.contains_key("each") {
        let message = format!("`max-parallel` has no meaning in step `{name}`, which has no items");
        let help = "take it out, or write `each`; that of all steps is in [pipeline]";
        problems.push(Problem::new(&most.key, message).help(help));
    }
    let all =
        tree.get("pipeline").and_then(Node::as_table).and_then(|table| table.get("max-parallel"));
    let all = all.map_or(Some(1), Node::as_integer);
    if let (Some(most_n), Some(all)) = (most.as_integer(), all)
        && most_n > all
    {
        let message = format!(
            "step `{name}` may run {most_n} items at once, and the pipeline {all} of anything"
        );
        let help = format!("write [pipeline] max-parallel = {most_n}, or a smaller number here");
        problems.push(Problem::new(&most.at, message).help(help));
    }
}

/// A step that is approved must be one that can be left out.
fn check_approval(step: &Node, problems: &mut Vec<Problem>) {
    let Some(table) = step.as_table() else { return };
    let Some(approve) = table.get("approve") else { return };
    let name = id(step).unwrap_or("?");
    if approve.as_str().is_some_and(|text| text.trim().is_empty() || text.contains(['\n', '\r'])) {
        let message = format!("`approve` of step `{name}` is not one line of text");
        let help = "write what is asked: whoever approves reads it";
        problems.push(Problem::new(&approve.at, message).help(help));
    }
    let always = table.get("when").filter(|when| when.as_str() == Some(When::Always.name()));
    if let Some(when) = always {
        let message = format!("step `{name}` runs in any case and waits for an approval");
        let help = "take one of the two out: what cleans up must not wait for anybody";
        problems.push(Problem::new(&when.at, message).help(help));
    }
}

/// Inputs and outputs come together, and nothing is both.
fn check_files(step: &Node, problems: &mut Vec<Problem>) {
    let Some(table) = step.as_table() else { return };
    let name = id(step).unwrap_or("?");
    for (one, other) in [("inputs", "outputs"), ("outputs", "inputs")] {
        let Some(node) = table.get(one) else { continue };
        if node.items().is_empty() && matches!(node.value, Value::Array(_)) {
            let message = format!("`{one}` of step `{name}` is empty");
            problems.push(Problem::new(&node.at, message).help("name a file or a folder"));
        }
        if !table.contains_key(other) {
            let message = format!("step `{name}` has `{one}` and no `{other}`");
            let help =
                "write both: without them it is not known whether what it makes is there still";
            problems.push(Problem::new(&node.key, message).help(help));
        }
        for path in node.items() {
            let Some(text) = path.as_str() else { continue };
            let part = |part: &str| part == ".." || part.is_empty() || part == ".";
            let why = if text.contains('*') {
                "a pattern is not a path"
            } else if text.trim_end_matches('/').split('/').any(part) {
                "it is not a path below the root"
            } else {
                continue;
            };
            let message = format!("`{one}` of step `{name}`: `{text}`: {why}");
            let help = "name a file, or a folder, of which all files count";
            problems.push(Problem::new(&path.at, message).help(help));
        }
    }
    let texts = |key: &str| {
        let list = table.get(key).into_iter().flat_map(Node::items);
        list.filter_map(|node| Some((node.as_str()?.trim_end_matches('/'), node)))
    };
    for (output, node) in texts("outputs") {
        let within = |input: &str| output == input || output.starts_with(&format!("{input}/"));
        if let Some((input, _)) = texts("inputs").find(|(input, _)| within(input)) {
            let message =
                format!("the output `{output}` of step `{name}` is part of its input `{input}`");
            let help = "then it is never up to date: let it write somewhere else";
            problems.push(Problem::new(&node.at, message).help(help));
        }
    }
}

/// A step that answers a failure must have steps before it that can fail.
fn answers_something(step: &Node, problems: &mut Vec<Problem>) {
    let when = step.as_table().and_then(|table| table.get("when"));
    let answers = when.filter(|when| when.as_str() == Some(When::Failure.name()));
    if let Some(when) = answers.filter(|_| needs(step).next().is_none()) {
        let name = id(step).unwrap_or("?");
        let message =
            format!("step `{name}` waits for a failure and needs no step: it can never run");
        let help = "write in `needs` which steps it answers; the last one of a chain is enough";
        problems.push(Problem::new(&when.at, message).help(help));
    }
}

/// Reports every circle of needs once, at the need that closes it.
fn circles(steps: &BTreeMap<&str, &Node>, problems: &mut Vec<Problem>) {
    let mut done: BTreeSet<&str> = BTreeSet::new();
    for start in steps.keys() {
        let mut path: Vec<&str> = Vec::new();
        visit(start, steps, &mut path, &mut done, problems);
    }
}

fn visit<'t>(
    name: &'t str,
    steps: &BTreeMap<&'t str, &'t Node>,
    path: &mut Vec<&'t str>,
    done: &mut BTreeSet<&'t str>,
    problems: &mut Vec<Problem>,
) {
    if done.contains(name) {
        return;
    }
    path.push(name);
    for (need, node) in steps.get(name).copied().into_iter().flat_map(needs) {
        if let Some(at) = path.iter().position(|open| *open == need) {
            let mut circle = path[at..].to_vec();
            circle.push(need);
            let message = format!("steps need each other in a circle: {}", circle.join(" -> "));
            problems.push(Problem::new(&node.at, message).help("take one of the needs out"));
        } else if path.len() < 1000 {
            visit(need, steps, path, done, problems);
        }
    }
    path.pop();
    done.insert(name);
}
