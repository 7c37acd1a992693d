//! One expression: names found, types and kinds of number checked, params and lengths put in place.

use super::{
    super::{
        bounds::Bounds,
        functions::{Back, Function},
        op::Op,
        parse::{Expr, ExprKind, parse},
        problem::{Fault, RuleProblem, Severity, TextSpan, quoted},
        term::{Call, Exact, Term, Type, Unit, What},
        values::{Clock, Price, SlotValue},
    },
    scope::{Scope, TextPlace},
};
use crate::domain::time::Timeframe;

/// The check of one text.
pub(super) struct Checker<'a, 'b> {
    pub(super) scope: &'a mut Scope<'b>,
    pub(super) place: TextPlace,
    pub(super) faults: Vec<Fault>,
    /// Whether what is checked is an argument of something that looks back, and of what.
    pub(super) history: Option<String>,
    /// The timeframe of the bars, inside a `tf`.
    pub(super) inside: Option<Timeframe>,
}

/// Parses and checks the text of a key. What is wrong is added to `problems`.
pub(super) fn check(
    scope: &mut Scope<'_>,
    place: TextPlace,
    (key, text): (&str, &str),
    problems: &mut Vec<RuleProblem>,
) -> Option<Term> {
    match parse(text) {
        Ok(expr) => check_expr(scope, place, (key, &expr), problems),
        Err(fault) => {
            problems.push(RuleProblem::at(key, fault));
            None
        }
    }
}

/// Checks a parsed text.
pub(super) fn check_expr(
    scope: &mut Scope<'_>,
    place: TextPlace,
    (key, expr): (&str, &Expr),
    problems: &mut Vec<RuleProblem>,
) -> Option<Term> {
    let mut checker = Checker { scope, place, faults: Vec::new(), history: None, inside: None };
    let term = checker.term(expr);
    let faults = checker.faults;
    let failed = faults.iter().any(|fault| fault.severity == Severity::Error);
    problems.extend(faults.into_iter().map(|fault| RuleProblem::at(key, fault)));
    term.filter(|_| !failed)
}

/// A term without parts.
fn leaf(span: TextSpan, what: What, unit: Unit, exact: Exact) -> Term {
    let bounds = match what {
        What::Price(price) => Bounds::price(price),
        What::Clock(clock) => Bounds::clock(clock),
        _ => Bounds::ANY,
    };
    Term { span, what, ty: Type::Number, unit, exact, bounds, constant: None }
}

/// A number that is the same at every bar.
pub(super) fn constant(span: TextSpan, value: f64, exact: Exact) -> Term {
    let unit = if value == 0.0 { Unit::ANY } else { Unit::PURE };
    let (bounds, constant) = (Bounds::constant(value), Some(value));
    Term { span, what: What::Constant, ty: Type::Number, unit, exact, bounds, constant }
}

/// What to write in place of an extreme that holds the bar it is compared with.
fn extreme_before(term: &Term) -> Option<String> {
    let What::Back(call) = &term.what else { return None };
    matches!(call.back, Back::Highest | Back::Lowest)
        .then(|| format!("it holds this bar too; up to the bar before it is {term}[1]"))
}

/// Between what a number lies that is not always the same.
fn range_of(term: &Term) -> Option<String> {
    let Bounds { least, most, .. } = term.bounds;
    (term.constant.is_none() && most.is_finite())
        .then(|| format!("{term} is between {least} and {most}"))
}

impl Checker<'_, '_> {
    pub(super) fn fail(&mut self, fault: Fault) -> Option<Term> {
        self.faults.push(fault);
        None
    }

    /// The checked term of an expression; `None` after a fault.
    pub(super) fn term(&mut self, expr: &Expr) -> Option<Term> {
        let span = expr.span;
        match &expr.kind {
            ExprKind::Number { value, whole } => {
                let exact = if *whole || value.fract() == 0.0 { Exact::Whole } else { Exact::No };
                Some(constant(span, *value, exact))
            }
            ExprKind::Bool(value) => {
                let value = f64::from(u8::from(*value));
                Some(Term { ty: Type::Truth, ..constant(span, value, Exact::Whole) })
            }
            ExprKind::Text(text) => {
                let fault =
                    Fault::error(span, format!("the text {} has no value here", quoted(text)));
                self.fail(fault.help("write names and numbers without quotes; only tf('1h', ..) and signal('name') take a text"))
            }
            ExprKind::Name(name) => self.name(name, span),
            ExprKind::Op(op, parts) => self.operation(*op, parts, span),
            ExprKind::Ago(parts) => self.ago(&parts[0], &parts[1], span),
            ExprKind::Call(name, at, arguments) => self.call((name, *at), arguments, span),
        }
    }

    /// The checked terms of several, so that the faults of all are found.
    pub(super) fn terms(&mut self, exprs: &[Expr]) -> Option<Vec<Term>> {
        let terms: Vec<Option<Term>> = exprs.iter().map(|expr| self.term(expr)).collect();
        terms.into_iter().collect()
    }

    fn name(&mut self, name: &str, span: TextSpan) -> Option<Term> {
        if let Some(value) = self.scope.param(name) {
            return match self.place {
                TextPlace::Feature => self.fail(
                    Fault::error(span, format!("`{name}` is a param; features have none"))
                        .help("write the number: a model is bound to it"),
                ),
                _ => Some(constant(span, value.float(), value.exact())),
            };
        }
        if self.scope.broken.contains(name) {
            return None;
        }
        if self.place == TextPlace::Require {
            let fault = Fault::error(span, format!("{} is not a param", quoted(name)));
            return self.fail(fault.help("`require` knows the names of [strategy.params] only"));
        }
        if let Some(body) = self.scope.lets.get(name) {
            let Term { ty, unit, exact, bounds, .. } = *body;
            let what = What::Let(name.to_owned());
            let term = Term { span, what, ty, unit, exact, bounds, constant: None };
            return self.let_inside(name, span).then_some(term);
        }
        if let Some(price) = Price::named(name) {
            return Some(leaf(span, What::Price(price), price.row().unit, price.row().exact));
        }
        if let Some(clock) = Clock::named(name) {
            return Some(leaf(span, What::Clock(clock), clock.row().unit, clock.row().exact));
        }
        if let Some(value) = SlotValue::named(name) {
            let term = leaf(span, What::Slot(value), value.row().unit, value.row().exact);
            return self.may_read(value.row().name, Some(value), span).then_some(term);
        }
        let fault = self.scope.unknown_name(name, span);
        self.fail(fault)
    }

    /// Whether a name of `[strategy.let]` may be read inside a `tf`.
    fn let_inside(&mut self, name: &str, span: TextSpan) -> bool {
        let Some(timeframe) = self.inside else { return true };
        if self.scope.lets_with_tf.contains(name) {
            let message =
                format!("`{name}` has a `tf` in it, and a `tf` cannot be inside another one");
            let help = "put them side by side: tf('1h', a) and tf('4h', b)";
            self.faults.push(Fault::error(span, message).help(help));
            return false;
        }
        if self.scope.lets_with_cross.contains(name) {
            self.cross_inside(span, timeframe, None);
        }
        true
    }

    /// Whether a value of the ledger may be read here.
    pub(super) fn may_read(
        &mut self,
        name: &str,
        value: Option<SlotValue>,
        span: TextSpan,
    ) -> bool {
        let in_entries = value.is_none_or(SlotValue::in_entries);
        let (message, help) = match (&self.history, self.place) {
            (Some(of), TextPlace::Enter | TextPlace::Exit(_)) => (
                format!("`{name}` has no history, which {of} needs"),
                "read it outside, as in bars_held > 5 and rsi(close, 14) > 70",
            ),
            (_, TextPlace::Enter) if !in_entries => (
                format!("an entry rule cannot read `{name}`: no position is open yet"),
                "entry rules read held, bars_since_exit, stops_in_a_row, equity, score, threshold and signal()",
            ),
            (None, TextPlace::Exit(protected))
                if value == Some(SlotValue::ProfitR) && !protected =>
            {
                (
                    "`profit_r` needs a stop or a trail on every side of the rule".to_owned(),
                    "give one in [strategy.protect], or use profit_pct",
                )
            }
            (None, TextPlace::Enter | TextPlace::Exit(_)) => {
                return self.is_declared(value, span);
            }
            (_, TextPlace::Let) => (
                format!("`{name}` has no history, so it cannot be read in [strategy.let]"),
                "read it in the `when` of a rule",
            ),
            (_, TextPlace::Protect) => (
                format!("`{name}` cannot be read in [strategy.protect]"),
                if value == Some(SlotValue::EntryPx) {
                    "distances are counted from the entry price: write 2 * atr(14), 0.02 * close, or close - lowest(low, 10)"
                } else {
                    "distances are made of prices, functions and params"
                },
            ),
            (_, TextPlace::Feature) => (
                format!("`{name}` cannot be a feature of a model"),
                "features are made of prices and functions",
            ),
            (_, TextPlace::Require) => (format!("`{name}` is not a param"), "use params only"),
        };
        self.faults.push(Fault::error(span, message).help(help));
        false
    }

    /// Whether there is a model where its score is read.
    fn is_declared(&mut self, value: Option<SlotValue>, span: TextSpan) -> bool {
        let (Some(value @ (SlotValue::Score | SlotValue::Threshold)), false) =
            (value, self.scope.model)
        else {
            return true;
        };
        let message = format!("`{}` needs a model, and this strategy has none", value.row().name);
        let fault = Fault::error(span, message);
        self.faults.push(fault.help("name its folder: [strategy.model] path = \"..\""));
        false
    }

    fn operation(&mut self, op: Op, parts: &[Expr], span: TextSpan) -> Option<Term> {
        let parts = self.terms(parts)?;
        let wanted = match op {
            Op::Not | Op::And | Op::Or => Type::Truth,
            _ => Type::Number,
        };
        let named = op.sign().unwrap_or(if op == Op::Not { "not" } else { "-" });
        let mut fits = true;
        for part in &parts {
            fits &= self.has_type(part, wanted, &format!("`{named}`"));
        }
        fits.then_some(())?;
        self.apply(op, parts, span)
    }

    /// An operation whose parts have the right types.
    pub(super) fn apply(&mut self, op: Op, parts: Vec<Term>, span: TextSpan) -> Option<Term> {
        let (ty, unit, exact) = self.result_of(op, &parts, span);
        let divisor = if op == Op::Divide { parts.get(1) } else { None };
        if divisor.is_some_and(|by| by.constant == Some(0.0)) {
            let fault = Fault::error(span, "this divides by 0");
            return self
                .fail(fault.help("where a divisor may be 0 at times: safe_div(a, b, else)"));
        }
        let constants: Option<Vec<f64>> = parts.iter().map(|part| part.constant).collect();
        let value = constants.map(|c| {
            let at = |i: usize| c.get(i).copied().unwrap_or_default();
            op.of(at(0), at(1), at(2))
        });
        if value.is_some_and(f64::is_nan) {
            let fault = Fault::error(span, "this is not a finite number");
            return self.fail(fault.help("it is so at every bar: change the numbers in it"));
        }
        let unit = if value == Some(0.0) { Unit::ANY } else { unit };
        let bounds = value.map_or_else(|| Bounds::of(op, &parts), Bounds::constant);
        Some(Term { span, what: What::Op(op, parts), ty, unit, exact, bounds, constant: value })
    }

    fn result_of(&mut self, op: Op, parts: &[Term], span: TextSpan) -> (Type, Unit, Exact) {
        let first = &parts[0];
        let second = parts.get(1).unwrap_or(first);
        let (unit, other) = (first.unit, second.unit);
        let whole = match first.exact.or(second.exact) {
            Exact::Whole => Exact::Whole,
            Exact::Taken | Exact::No => Exact::No,
        };
        match op {
            Op::Not | Op::And | Op::Or => (Type::Truth, Unit::PURE, Exact::Whole),
            Op::Negate | Op::Abs => (Type::Number, unit, first.exact),
            Op::Add | Op::Subtract => {
                self.same_unit(
                    first,
                    second,
                    span,
                    if op == Op::Add { "adds" } else { "subtracts" },
                );
                (Type::Number, unit.or(other), whole)
            }
            Op::Multiply => (Type::Number, unit.times(other), whole),
            Op::Divide => (Type::Number, unit.per(other), Exact::No),
            Op::Min | Op::Max => {
                self.same_unit(first, second, span, "compares");
                (Type::Number, unit.or(other), first.exact.or(second.exact))
            }
            Op::If => {
                let (a, b) = (second, parts.get(2).unwrap_or(second));
                self.same_unit(a, b, span, "chooses between");
                (a.ty, a.unit.or(b.unit), a.exact.or(b.exact))
            }
            Op::SafeDiv => {
                let unit = unit.per(other);
                if let Some(otherwise) = parts.get(2).filter(|part| !part.unit.fits(unit)) {
                    let message =
                        format!("the quotient is {unit}, `{otherwise}` is {}", otherwise.unit);
                    self.faults.push(Fault::warning(otherwise.span, message));
                }
                (Type::Number, unit, Exact::No)
            }
            Op::Sqrt => (Type::Number, unit.root(), Exact::No),
            Op::Log | Op::Exp | Op::Floor => {
                if !unit.fits(Unit::PURE) {
                    let name = if op == Op::Log {
                        "log"
                    } else if op == Op::Exp {
                        "exp"
                    } else {
                        "floor"
                    };
                    let message = format!("`{name}` of {unit} depends on the level of the market");
                    let fault = Fault::warning(span, message);
                    self.faults.push(fault.help("divide by another one first: close / open"));
                }
                (Type::Number, Unit::PURE, if op == Op::Floor { Exact::Whole } else { Exact::No })
            }
            Op::Less | Op::LessOrEqual | Op::Greater | Op::GreaterOrEqual => {
                self.same_unit(first, second, span, "compares");
                self.can_be_true(op, (first, second), span);
                (Type::Truth, Unit::PURE, Exact::Whole)
            }
            Op::Equal | Op::NotEqual => {
                self.same_unit(first, second, span, "compares");
                self.can_be_true(op, (first, second), span);
                self.exactly(first, second, span);
                (Type::Truth, Unit::PURE, Exact::Whole)
            }
        }
    }

    /// Warns of a comparison that is true at no bar, such as that of a close with the highest high of bars that it is one of.
    fn can_be_true(&mut self, op: Op, (a, b): (&Term, &Term), span: TextSpan) {
        // Two numbers that were written down, or given as params, are a switch.
        if a.constant.is_some() && b.constant.is_some() {
            return;
        }
        let (a, b) = (self.body_of(a), self.body_of(b));
        let difference = Bounds::of(Op::Subtract, &[a.clone(), b.clone()]);
        let Bounds { least, most, shift: _ } = difference;
        let is_never = match op {
            Op::Less => least >= 0.0,
            Op::LessOrEqual => least > 0.0,
            Op::Greater => most <= 0.0,
            Op::GreaterOrEqual => most < 0.0,
            Op::Equal => least > 0.0 || most < 0.0,
            _ => false,
        };
        if !is_never {
            return;
        }
        let help = extreme_before(&a)
            .or_else(|| extreme_before(&b))
            .or_else(|| range_of(&a))
            .or_else(|| range_of(&b))
            .unwrap_or_else(|| format!("compare {a} with something else"));
        self.faults.push(Fault::warning(span, "this is true at no bar").help(help));
    }

    /// The text behind a name of `[strategy.let]`; any other term as it is.
    fn body_of(&self, term: &Term) -> Term {
        let mut term = term;
        while let What::Let(name) = &term.what {
            match self.scope.lets.get(name) {
                Some(body) => term = body,
                None => break,
            }
        }
        term.clone()
    }

    fn exactly(&mut self, a: &Term, b: &Term, span: TextSpan) {
        if a.exact != b.exact || a.exact == Exact::No {
            let message = "calculated numbers are hardly ever equal: every digit counts";
            let help = "compare with < or >, or abs(a - b) with a small number";
            self.faults.push(Fault::warning(span, message).help(help));
        }
    }

    /// Warns where two numbers are of different kinds.
    pub(super) fn same_unit(&mut self, a: &Term, b: &Term, span: TextSpan, does: &str) {
        if a.unit.fits(b.unit) {
            return;
        }
        let message = format!("this {does} two kinds of number: {} and {}", a.unit, b.unit);
        let help = "divide one of them by a number of its kind, such as close or atr(14)";
        self.faults.push(Fault::warning(span, message).help(help));
    }

    /// Whether a term has the type that `needed_by` takes.
    pub(super) fn has_type(&mut self, term: &Term, wanted: Type, needed_by: &str) -> bool {
        if term.ty == wanted {
            return true;
        }
        let text = quoted(&term.to_string());
        let fault = match wanted {
            Type::Number => Fault::error(
                term.span,
                format!("{text} is a condition; {needed_by} takes a number"),
            )
            .help("make a number of it: if(condition, 1, 0)"),
            Type::Truth => Fault::error(
                term.span,
                format!("{text} is a number; {needed_by} takes a condition"),
            )
            .help("compare it with something: x > 0"),
        };
        self.faults.push(fault);
        false
    }

    /// A cross on bars of a longer timeframe stays true until the next of them is closed.
    pub(super) fn cross_inside(
        &mut self,
        span: TextSpan,
        timeframe: Timeframe,
        cross: Option<&Call>,
    ) {
        let message = format!("this cross stays true until the next bar of {timeframe} is closed");
        let of = |side: &Term| match side.constant {
            Some(_) => side.to_string(),
            None => format!("tf('{timeframe}', {side})"),
        };
        let (name, sides) = match cross {
            Some(call) => (call.back.row().name, call.inputs.iter().map(of).collect::<Vec<_>>()),
            None => {
                ("crosses_above", ["a", "b"].map(|x| format!("tf('{timeframe}', {x})")).to_vec())
            }
        };
        let help = format!("for one bar only write {name}({}), outside of `tf`", sides.join(", "));
        self.faults.push(Fault::warning(span, message).help(help));
    }

    /// Findings of one function that have nothing to do with its arguments.
    pub(super) fn remark(&mut self, call: &Call, span: TextSpan) {
        if let (true, Some(timeframe)) = (call.back.crosses(), self.inside) {
            self.cross_inside(span, timeframe, Some(call));
        }
        if call.back == Back::Supertrend {
            let message = "supertrend depends on the first bar it saw: LIVE and a backtest agree on it, a chart may not";
            self.faults.push(Fault { severity: Severity::Note, ..Fault::error(span, message) });
        }
    }

    fn call(
        &mut self,
        (name, at): (&str, TextSpan),
        arguments: &[Expr],
        span: TextSpan,
    ) -> Option<Term> {
        let Some(function) = Function::named(name) else {
            let fault = self.scope.unknown_function(name, at);
            return self.fail(fault);
        };
        if self.place == TextPlace::Require && !matches!(function, Function::Op(_)) {
            let fault = Fault::error(at, format!("`{name}` looks at bars"));
            return self.fail(fault.help("`require` compares params: fast < slow"));
        }
        match function {
            Function::Op(op) => self.arithmetic(op, arguments, span),
            Function::Back(back) => self.looking_back(back, arguments, span),
            Function::Tf => self.tf(arguments, span),
            Function::Signal => self.signal(arguments, span),
        }
    }
}
