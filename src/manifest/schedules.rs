//! The schedules of a job: one way to be due each, ids of their own, parameters that the job knows; and the checked form.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    check::closest,
    params::{GivenParam, ParamSet},
    problem::Problem,
    tables::{Backlog, DayMatchWord, GapWord, Overlap, ScheduleTable, StartOn},
    tree::{Node, Table, Value},
    values::{Parsed, Span},
};
use crate::domain::{
    cadence::{Cadence, ClockGap, Cron, DayMatch},
    zone::Zone,
};

/// The shortest distance of `every`.
const EVERY_MIN: std::time::Duration = std::time::Duration::from_secs(1);

/// When a job runs by itself, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// What records call it, after the name of the job.
    pub id: String,
    /// What makes it due.
    pub due: Trigger,
    /// What happens when the slot before still runs.
    pub overlap: Overlap,
    /// Which slots that came while nobody looked are run after all.
    pub catch_up: Backlog,
    /// Slots older than this are not.
    pub catch_up_window: Span,
    /// Most of them, the newest ones.
    pub catch_up_max: u32,
    /// The most a start is delayed.
    pub jitter: Span,
    /// Parameters, as text.
    pub params: Vec<(String, String)>,
    /// Profiles.
    pub profiles: Vec<String>,
    /// Parameters that it needs and that have no value: while there is one, the schedule is off.
    pub lacks: Vec<String>,
}

/// What makes a job due.
#[derive(Debug, Clone, PartialEq)]
pub enum Trigger {
    /// Time.
    At(Cadence),
    /// An event.
    On(StartOn),
}

impl Trigger {
    /// A text that changes exactly when the instants change.
    pub fn fingerprint(&self) -> String {
        match self {
            Self::At(Cadence::Cron { cron, zone, gap }) => format!("{cron} {zone} {gap:?}"),
            Self::At(every @ Cadence::Every(_)) => every.to_string(),
            Self::On(event) => format!("on {}", event.name()),
        }
    }
}

/// The checked form of a schedule; `place` counts from 1, `given` are the values of the job without those of the schedule.
pub(super) fn plan(place: usize, table: ScheduleTable, given: &ParamSet) -> Option<Schedule> {
    let due = match (&table.cron, &table.every, table.on) {
        (Some(cron), None, None) => {
            let gap = match table.gap {
                Some(GapWord::Skip) => ClockGap::Skip,
                Some(GapWord::Shift) | None => ClockGap::Shift,
            };
            let cron = with_days(cron.get(), table.day_match)?;
            Trigger::At(Cadence::Cron {
                cron,
                zone: table.timezone.map_or(Zone::UTC, Parsed::into_inner),
                gap,
            })
        }
        (None, Some(every), None) => Trigger::At(Cadence::Every(every.get().duration())),
        (None, None, Some(event)) => Trigger::On(event),
        _ => return None,
    };
    let text = |value: &toml::Value| match value {
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let has_value = |name: &String| {
        let state = given.get(name);
        state.is_some_and(|state| matches!(state.given, GivenParam::Value(..)))
            || table.params.contains_key(name)
    };
    Some(Schedule {
        lacks: table.needs.iter().filter(|name| !has_value(name)).cloned().collect(),
        id: table.id.unwrap_or_else(|| place.to_string()),
        due,
        overlap: table.overlap,
        catch_up: table.catch_up,
        catch_up_window: table.catch_up_window.into_inner(),
        catch_up_max: table.catch_up_max,
        jitter: table.jitter.into_inner(),
        params: table.params.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
        profiles: table.profile,
    })
}

fn with_days(cron: &Cron, days: Option<DayMatchWord>) -> Option<Cron> {
    let days = match days {
        Some(DayMatchWord::And) => DayMatch::And,
        Some(DayMatchWord::Or) | None => DayMatch::Or,
    };
    cron.matching(days).ok()
}

/// Checks the schedules of a job.
pub(super) fn check(tree: &Table, problems: &mut Vec<Problem>) {
    let Some(node) = tree.get("schedule") else { return };
    let declared = tree.get("params").and_then(Node::as_table);
    let known: Vec<&str> = declared.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    let mut ids = BTreeSet::new();
    for (place, schedule) in (1..).zip(node.items()) {
        let Some(table) = schedule.as_table() else { continue };
        let id = table.get("id").and_then(Node::as_str);
        let id = id.map_or_else(|| place.to_string(), str::to_owned);
        if !ids.insert(id.clone()) {
            let at = table.get("id").map_or(&schedule.at, |id| &id.at);
            let message = format!("two schedules are called `{id}`");
            problems.push(Problem::new(at, message).help("give one of them another `id`"));
        }
        one_way(&id, schedule, table, problems);
        time(table, problems);
        let params = table.get("params").and_then(Node::as_table).into_iter().flatten();
        let gives = params.map(|(name, node)| ("gives", name.as_str(), &node.key));
        let items = table.get("needs").map(Node::items).into_iter().flatten();
        let needs = items.filter_map(|node| Some(("needs", node.as_str()?, &node.at)));
        for (does, name, at) in gives.chain(needs) {
            if !known.contains(&name) {
                let help = closest(name, &known).map_or_else(
                    || format!("declare it: [params.{name}]"),
                    |meant| format!("did you mean `{meant}`?"),
                );
                let message = format!("schedule `{id}` {does} the unknown param `{name}`");
                problems.push(Problem::new(at, message).help(help));
            }
        }
    }
}

fn one_way(id: &str, schedule: &Node, table: &Table, problems: &mut Vec<Problem>) {
    let ways: BTreeMap<&str, &Node> = ["cron", "every", "on"]
        .into_iter()
        .filter_map(|key| Some((key, table.get(key)?)))
        .collect();
    if ways.is_empty() {
        let message = format!("schedule `{id}` is never due");
        let help = "write `cron = \"17 * * * *\"`, `every = \"10m\"` or `on = \"start\"`";
        problems.push(Problem::new(&schedule.at, message).help(help));
    } else if ways.len() > 1 {
        let keys: Vec<String> = ways.keys().map(|key| format!("`{key}`")).collect();
        let message = format!("schedule `{id}` has {}", keys.join(" and "));
        let at = ways.values().next_back().map_or(&schedule.at, |node| &node.key);
        problems
            .push(Problem::new(at, message).help("keep one of them; write another [[schedule]]"));
    }
    if !ways.contains_key("cron") && !ways.is_empty() {
        for key in ["timezone", "day-match", "gap"] {
            if let Some(node) = table.get(key).filter(|node| node.at.is_file()) {
                let message = format!("`{key}` has no meaning without `cron`");
                problems.push(Problem::new(&node.key, message).help("take it out"));
            }
        }
    }
}

fn time(table: &Table, problems: &mut Vec<Problem>) {
    if let Some(node) = table.get("every")
        && let Some(Ok(every)) = node.as_str().map(str::parse::<Span>)
        && every.duration() < EVERY_MIN
    {
        let message = format!("`every` is {every}, at least 1s is accepted");
        problems.push(Problem::new(&node.at, message).help("write a longer time"));
    }
    let Some(node) = table.get("cron") else { return };
    let Some(Ok(cron)) = node.as_str().map(str::parse::<Cron>) else { return };
    let days = table.get("day-match").and_then(Node::as_str);
    if cron.is_ambiguous() && days.is_none() && !is_failed(table.get("day-match")) {
        let message = format!("cron `{cron}` restricts both the day of the month and of the week");
        let help =
            "say which: `day-match = \"or\"` (either, as cron does) or `day-match = \"and\"`";
        problems.push(Problem::new(&node.at, message).help(help));
    }
    if days == Some(DayMatchWord::And.name())
        && let Err(error) = cron.matching(DayMatch::And)
    {
        problems.push(Problem::new(&node.at, error.to_string()).help("change one of the two days"));
    }
}

fn is_failed(node: Option<&Node>) -> bool {
    node.is_some_and(|node| node.value == Value::Failed)
}
