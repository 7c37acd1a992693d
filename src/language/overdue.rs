//! Exits that are events. A cross that came and went while the rules were not asked is still to be seen: the one series is beyond
//! the other.

use super::{
    bounds::Bounds,
    check::{Checked, CheckedRule, Lets},
    functions::Back,
    op::Op,
    problem::Problem,
    reach::Reach,
    rule::Kind,
    term::{Call, Term, Type, What},
    unit::{Exact, Unit},
};

/// The states that the crosses of exit rules lead to, with the places of the rules.
pub(super) fn states(rules: &[CheckedRule], lets: &Lets) -> Vec<(usize, Term)> {
    let exits = rules.iter().enumerate().filter(|(_, rule)| rule.rule.kind == Kind::Exit);
    exits.filter_map(|(at, rule)| state(&rule.when, lets).map(|state| (at, state))).collect()
}

/// The state a condition leads to, if it is a cross of two series, alone or with others in an `or`.
fn state(when: &Term, lets: &Lets) -> Option<Term> {
    match &when.what {
        What::Let(name) => state(&lets.terms[name], lets),
        What::Op(Op::Or, parts) => match (state(&parts[0], lets), state(&parts[1], lets)) {
            (Some(a), Some(b)) => Some(truth(Op::Or, vec![a, b])),
            (a, b) => a.or(b),
        },
        What::Back(Call { back, inputs, .. }) => {
            let op = match back {
                Back::CrossesAbove => Op::Greater,
                Back::CrossesBelow => Op::Less,
                _ => return None,
            };
            // Above or below a number is where a series is most of the time, without an event.
            let moves = inputs.iter().all(|input| input.constant.is_none());
            moves.then(|| truth(op, inputs.clone()))
        }
        What::Constant
        | What::Price(_)
        | What::Clock(_)
        | What::Slot(_)
        | What::Signal(_)
        | What::Op(..)
        | What::Ago(..)
        | What::Tf(..) => None,
    }
}

/// A condition made of these.
pub(super) fn truth(op: Op, parts: Vec<Term>) -> Term {
    let span = parts[0].span;
    let (unit, exact) = (Unit::PURE, Exact::Whole);
    let bounds = Bounds::of(op, &parts);
    Term { span, what: What::Op(op, parts), ty: Type::Truth, unit, exact, bounds, constant: None }
}

/// Says where a cross is hidden in a name, so that its series are not in the vector.
pub(super) fn remark(checked: &Checked, reach: &Reach, problems: &mut Vec<Problem>) {
    let features: Vec<String> = reach.features.iter().map(Term::to_string).collect();
    for (at, state) in states(&checked.rules, &checked.lets) {
        let mut hidden = None;
        state.visit(&mut |term| {
            if term.looks_back() && !features.contains(&term.to_string()) {
                hidden = Some(term.to_string());
            }
            !matches!(term.what, What::Tf(..))
        });
        if let Some(hidden) = hidden {
            let rule = &checked.rules[at];
            let message = format!(
                "a cross of `{hidden}` that passes while bars are missing is not made up for"
            );
            let help = "write the cross in the rule, or give both of its series names";
            problems.push(Problem::note(rule.key.clone(), message).help(help));
        }
    }
}
