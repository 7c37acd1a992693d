//! `sides`, `[strategy.protect]` and `[strategy.size]`.

use rust_decimal::Decimal;

use super::{
    super::{
        problem::{Fault, Problem, Severity, quoted},
        raw::{RawDistances, RawStrategy},
        rule::{Sides, Size, SizeMode},
        term::{Term, Type},
        unit::Unit,
    },
    DISTANCES, Distances,
    expression::check,
    place_of,
    rules::has_stop,
    scope::{Place, Scope},
};

/// The sides; both, where the word is not one.
pub(super) fn sides(raw: &RawStrategy, problems: &mut Vec<Problem>) -> Sides {
    Sides::named(&raw.sides).unwrap_or_else(|| {
        let message = format!("{} is not a side", quoted(&raw.sides));
        let problem = Problem::error("strategy.sides", message);
        problems.push(problem.help("write \"both\", \"long\" or \"short\""));
        Sides::Both
    })
}

/// The distances of both sides.
pub(super) fn protect(
    scope: &mut Scope<'_>,
    raw: &RawStrategy,
    problems: &mut Vec<Problem>,
) -> [Distances; 2] {
    let protect = &raw.protect;
    let both = distances(scope, "strategy.protect", &protect.both, problems);
    let long = distances(scope, "strategy.protect.long", &protect.long, problems);
    let short = distances(scope, "strategy.protect.short", &protect.short, problems);
    let sides = [(&protect.long, long), (&protect.short, short)];
    let merged = sides.map(|(own, checked)| {
        let given = own.keys().map(|(_, text)| text.is_some());
        std::array::from_fn(|i| if given[i] { checked[i].clone() } else { both[i].clone() })
    });
    let dangling = |[_, _, trail, from, _]: &Distances| from.is_some() && trail.is_none();
    let table = match merged.each_ref().map(dangling) {
        [false, false] => return merged,
        [true, true] => "strategy.protect",
        [true, false] => "strategy.protect.long",
        [false, true] => "strategy.protect.short",
    };
    let problem =
        Problem::error(format!("{table}.trail-from"), "there is no `trail` that could begin");
    problems.push(problem.help("write trail = \"3 * atr(14)\""));
    merged
}

fn distances(
    scope: &mut Scope<'_>,
    table: &str,
    raw: &RawDistances,
    problems: &mut Vec<Problem>,
) -> Distances {
    let keys = raw.keys();
    assert!(keys.iter().map(|(key, _)| *key).eq(DISTANCES), "both lists have one order");
    keys.map(|(name, text)| {
        let key = format!("{table}.{name}");
        let term = check(scope, Place::Protect, (&key, text?), problems)?;
        let Some(fault) = fault_of(&term) else { return Some(term) };
        let usable = fault.severity != Severity::Error;
        problems.push(Problem::at(&key, fault));
        usable.then_some(term)
    })
}

/// Why a term is not a good distance.
fn fault_of(term: &Term) -> Option<Fault> {
    let Term { span, ty, unit, constant, .. } = term;
    if *ty == Type::Truth {
        return Some(Fault::error(*span, "this is a condition; a distance is a number"));
    }
    if constant.is_some_and(|distance| distance <= 0.0) {
        return Some(Fault::error(*span, "a distance is above 0"));
    }
    (!unit.fits(Unit::PRICE)).then(|| {
        let message = format!("a distance is a price, this is {unit}");
        Fault::warning(*span, message).help("write 2 * atr(14), or 0.02 * close")
    })
}

/// The size of a position.
pub(super) fn size(
    raw: &RawStrategy,
    (sides, protect): (Sides, &[Distances; 2]),
    problems: &mut Vec<Problem>,
) -> Option<Size> {
    let raw = &raw.size;
    let mode = raw.mode.as_deref().unwrap_or("fixed");
    let before = problems.len();
    let mut positive = |name: &str, value: Option<Decimal>, wanted: bool| {
        let key = format!("strategy.size.{name}");
        match value {
            Some(_) if !wanted => {
                let message = format!("`{name}` has no meaning in mode \"{mode}\"");
                problems.push(Problem::error(key, message));
            }
            Some(value) if value <= Decimal::ZERO => {
                problems.push(Problem::error(key, format!("`{name}` must be above 0")));
            }
            None if wanted => {
                problems.push(Problem::error(key, format!("mode \"{mode}\" needs `{name}`")));
            }
            Some(_) | None => {}
        }
        value.unwrap_or_default()
    };
    let percent = positive("percent", raw.percent, mode == "percent");
    let risk = positive("risk-pct", raw.risk_pct, mode == "risk");
    positive("max-notional", raw.max_notional, raw.max_notional.is_some());
    let mode = match mode {
        "fixed" => SizeMode::Fixed,
        "percent" => SizeMode::Percent(percent),
        "risk" => SizeMode::Risk(risk),
        other => {
            let message = format!("{} is not a way to size a position", quoted(other));
            let problem = Problem::error("strategy.size.mode", message);
            problems.push(problem.help("write \"fixed\", \"percent\" or \"risk\""));
            return None;
        }
    };
    let open = sides.each().find(|side| !has_stop(protect, place_of(*side)));
    if let (SizeMode::Risk(_), Some(side)) = (mode, open) {
        let message =
            format!("mode \"risk\" needs a stop or a trail of a {} position", side.name());
        let problem = Problem::error("strategy.size.mode", message);
        problems.push(problem.help("give one in [strategy.protect]"));
    }
    (problems.len() == before).then_some(Size { mode, max_notional: raw.max_notional })
}
