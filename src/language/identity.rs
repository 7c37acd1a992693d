//! What makes a strategy this one: canonical texts, with the values of the params in place.

use super::{
    check::{DISTANCES, place_of},
    raw::Number,
    rule::{Kind, Rule, SizeMode},
    strategy::Strategy,
    term::number,
};

impl Strategy {
    /// Keys and texts. Two strategies with the same ones decide the same; comments, spaces and what nothing reads are not in them.
    pub fn identity(&self) -> Vec<(String, String)> {
        let plan = &self.0;
        let mut lines = vec![("strategy.sides".to_owned(), plan.sides.name().to_owned())];
        let mut line = |key: String, text: String| lines.push((key, text));
        for (name, value) in &plan.params {
            let text = match value {
                Number::Integer(whole) => whole.to_string(),
                Number::Float(x) => number(*x),
            };
            line(format!("strategy.params.{name}"), text);
        }
        for (name, body) in plan.lets.terms.iter().filter(|(name, _)| plan.read.contains(*name)) {
            line(format!("strategy.let.{name}"), body.to_string());
        }
        for kind in [Kind::Enter, Kind::Exit] {
            let rules = plan.rules.iter().zip(&plan.whens);
            for (place, (rule, when)) in (1..).zip(rules.filter(|(rule, _)| rule.kind == kind)) {
                let Rule { name, sides, .. } = rule;
                let key = format!("strategy.{}.{place}.{name}", kind.name());
                line(format!("{key}.side"), sides.name().to_owned());
                line(format!("{key}.when"), when.to_string());
            }
        }
        for side in plan.sides.each() {
            for (name, term) in DISTANCES.into_iter().zip(&plan.distances[place_of(side)]) {
                if let Some(term) = term {
                    line(format!("strategy.protect.{}.{name}", side.name()), term.to_string());
                }
            }
        }
        let size = &plan.size;
        let (mode, share) = match size.mode {
            SizeMode::Fixed => ("fixed", None),
            SizeMode::Percent(percent) => ("percent", Some(("percent", percent))),
            SizeMode::Risk(percent) => ("risk", Some(("risk-pct", percent))),
        };
        line("strategy.size.mode".to_owned(), mode.to_owned());
        let most = size.max_notional.map(|most| ("max-notional", most));
        for (name, value) in share.into_iter().chain(most) {
            line(format!("strategy.size.{name}"), value.normalize().to_string());
        }
        lines
    }
}
