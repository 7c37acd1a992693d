//! Calls: the number of arguments, lengths, `tf`, `signal`, and `x[n]`.

use super::{
    super::{
        bounds::Bounds,
        functions::{
            Back, Function,
            table::{Arg, Gives},
        },
        kernels::window::Length,
        op::Op,
        parse::{Expr, ExprKind},
        problem::{Fault, TextSpan, quoted},
        raw::Number,
        running::Settings,
        term::{Call, Exact, Term, Type, Unit, What},
    },
    expression::Checker,
    scope::is_value,
};
use crate::domain::time::Timeframe;

impl Checker<'_, '_> {
    /// Whether a function has as many arguments as it takes.
    fn counted(&mut self, function: Function, arguments: &[Expr], span: TextSpan) -> bool {
        let row = function.row();
        let (takes, has) = (row.args.len(), arguments.len());
        if takes == has {
            return true;
        }
        let takes = match takes {
            0 => "no arguments".to_owned(),
            1 => "1 argument".to_owned(),
            many => format!("{many} arguments"),
        };
        let message = format!("{} takes {takes}, this has {has}", row.signature());
        let example = match function {
            Function::Tf => "tf('1h', rsi(close, 14))".to_owned(),
            Function::Signal => "signal('name')".to_owned(),
            Function::Op(_) | Function::Back(_) => row.example(),
        };
        self.faults.push(Fault::error(span, message).help(format!("write {example}")));
        false
    }

    pub(super) fn arithmetic(
        &mut self,
        op: Op,
        arguments: &[Expr],
        span: TextSpan,
    ) -> Option<Term> {
        let parts = self.terms(arguments);
        self.counted(Function::Op(op), arguments, span).then_some(())?;
        let parts = parts?;
        let name = format!("`{}`", Function::Op(op).row().name);
        if op == Op::If {
            let mut fits = self.has_type(&parts[0], Type::Truth, &name);
            if parts[1].ty != parts[2].ty {
                let fault =
                    Fault::error(span, "the two values of `if` are a number and a condition");
                self.faults.push(fault.help("make both numbers, or both conditions"));
                fits = false;
            }
            return fits.then_some(()).and_then(|()| self.apply(op, parts, span));
        }
        let mut fits = true;
        for part in &parts {
            fits &= self.has_type(part, Type::Number, &name);
        }
        fits.then_some(()).and_then(|()| self.apply(op, parts, span))
    }

    /// Checks something whose past bars are looked at.
    fn with_history<T>(&mut self, of: String, check: impl FnOnce(&mut Self) -> T) -> T {
        let outer = self.history.replace(of);
        let checked = check(self);
        self.history = outer;
        checked
    }

    pub(super) fn looking_back(
        &mut self,
        back: Back,
        arguments: &[Expr],
        span: TextSpan,
    ) -> Option<Term> {
        let row = back.row();
        self.counted(Function::Back(back), arguments, span).then_some(())?;
        let name = format!("`{}`", row.name);
        let mut call = Call { back, inputs: Vec::new(), lengths: Vec::new(), factor: None };
        let mut fits = true;
        for (arg, expr) in row.args.iter().zip(arguments) {
            match arg {
                Arg::Number(_) | Arg::Condition(_) => {
                    let wanted =
                        if matches!(arg, Arg::Number(_)) { Type::Number } else { Type::Truth };
                    let input = self.with_history(name.clone(), |checker| checker.term(expr));
                    let input = input.filter(|term| self.has_type(term, wanted, &name));
                    fits &= input.is_some();
                    call.inputs.extend(input);
                }
                Arg::Length(_) => {
                    let length = self.length(expr, &name);
                    fits &= length.is_some();
                    call.lengths.extend(length);
                }
                Arg::Factor(_) => {
                    let factor = self.factor(expr, &name);
                    fits &= factor.is_some();
                    call.factor = factor;
                }
            }
        }
        fits.then_some(())?;
        self.remark(&call, span);
        self.finished(call, span)
    }

    /// A call whose arguments are good one by one.
    fn finished(&mut self, call: Call, span: TextSpan) -> Option<Term> {
        if !call.back.takes(&call.lengths) {
            let fault = match call.back {
                Back::Volatility => Fault::error(span, "the spread of one return has no meaning")
                    .help("write volatility(2) or more"),
                _ => Fault::error(span, "the fast average must be shorter than the slow one")
                    .help("write macd(close, 12, 26)"),
            };
            return self.fail(fault);
        }
        if let (true, [a, b]) = (call.back.crosses(), &call.inputs[..]) {
            self.same_unit(&a.clone(), &b.clone(), span, "compares");
        }
        let (ty, unit, exact) = match call.back.row().gives {
            Gives::Truth => (Type::Truth, Unit::PURE, Exact::Whole),
            Gives::Count => (Type::Number, Unit::PURE, Exact::Whole),
            Gives::Pure => (Type::Number, Unit::PURE, Exact::No),
            Gives::Price => (Type::Number, Unit::PRICE, Exact::No),
            Gives::PriceTaken => (Type::Number, Unit::PRICE, Exact::Taken),
            Gives::Like(input) => (Type::Number, call.inputs[input].unit, Exact::No),
            Gives::OneOf(input) => {
                (Type::Number, call.inputs[input].unit, call.inputs[input].exact)
            }
        };
        let bounds = Bounds::back(&call);
        Some(Term { span, what: What::Back(call), ty, unit, exact, bounds, constant: None })
    }

    /// `x[n]`.
    pub(super) fn ago(&mut self, value: &Expr, bars: &Expr, span: TextSpan) -> Option<Term> {
        let inner = self.with_history("`[n]`".to_owned(), |checker| checker.term(value));
        let bars = self.bars(bars, "`[n]`", 0);
        let (inner, bars) = (inner?, bars?);
        let (inner, before) = match inner {
            Term { what: What::Ago(deeper, before), .. } => (*deeper, before.get()),
            other => (other, 0),
        };
        let total = bars + before;
        if total > Length::MAX {
            let message = format!("this looks {total} bars back; at most {} are kept", Length::MAX);
            return self.fail(Fault::error(span, message).help("write a smaller number of bars"));
        }
        let Some(n) = Length::new(total) else { return Some(Term { span, ..inner }) };
        let Term { ty, unit, exact, bounds, .. } = inner;
        let what = What::Ago(Box::new(inner), n);
        Some(Term { span, what, ty, unit, exact, bounds, constant: None })
    }

    fn length(&mut self, expr: &Expr, of: &str) -> Option<Length> {
        self.bars(expr, of, 1).and_then(Length::new)
    }

    /// A number of bars that is known before the first one.
    fn bars(&mut self, expr: &Expr, of: &str, least: i64) -> Option<u32> {
        if expr.names().iter().any(|(name, _)| self.scope.broken.contains(*name)) {
            // What is wrong with the name is said where it is given.
            return None;
        }
        let bars = match self.whole(expr) {
            Ok(bars) => bars,
            Err(fault) => {
                self.faults.push(fault);
                return None;
            }
        };
        if (least..=i64::from(Length::MAX)).contains(&bars) {
            return u32::try_from(bars).ok();
        }
        let fault = if bars < 0 && of == "`[n]`" {
            Fault::error(expr.span, "a rule cannot see the next bar")
                .help("x[1] is the value one bar ago")
        } else {
            let shown = match (&expr.kind, bars) {
                (ExprKind::Number { value, .. }, _) => value.to_string(),
                (_, i64::MAX) => format!("{bars} or more"),
                (_, bars) => bars.to_string(),
            };
            let message = format!("{of} of {shown} bars: it must be {least} to {}", Length::MAX);
            Fault::error(expr.span, message)
                .help("write another number of bars, or change the param")
        };
        self.faults.push(fault);
        None
    }

    /// A whole number made of numbers and whole params with `+ - *`.
    fn whole(&mut self, expr: &Expr) -> Result<i64, Fault> {
        let no_whole = |why: String| {
            Fault::error(expr.span, why)
                .help("a length is made of whole numbers and whole params with + - *")
        };
        match &expr.kind {
            // A cast saturates, and whatever is so long is refused.
            ExprKind::Number { value, whole: true } => Ok(*value as i64),
            ExprKind::Name(name) => match self.scope.param(name) {
                Some(Number::Integer(value)) => Ok(value),
                Some(Number::Float(_)) => Err(no_whole(format!(
                    "`{name}` is a number with decimals, and a length is whole"
                ))),
                None if self.scope.lets.contains_key(name) => Err(no_whole(format!(
                    "`{name}` may change from bar to bar, and a length may not"
                ))),
                None if is_value(name) => {
                    Err(no_whole(format!("`{name}` changes from bar to bar")))
                }
                None => Err(self.scope.unknown_name(name, expr.span)),
            },
            ExprKind::Op(op @ (Op::Add | Op::Subtract | Op::Multiply), parts) => {
                let (a, b) = (self.whole(&parts[0])?, self.whole(&parts[1])?);
                Ok(match op {
                    Op::Add => a.saturating_add(b),
                    Op::Subtract => a.saturating_sub(b),
                    _ => a.saturating_mul(b),
                })
            }
            ExprKind::Op(Op::Negate, parts) => Ok(self.whole(&parts[0])?.saturating_neg()),
            ExprKind::Number { .. } => Err(no_whole("a length is a whole number".to_owned())),
            ExprKind::Op(..)
            | ExprKind::Bool(_)
            | ExprKind::Text(_)
            | ExprKind::Call(..)
            | ExprKind::Ago(_) => Err(no_whole("this is not a whole number".to_owned())),
        }
    }

    /// A positive number that is known before the first bar.
    fn factor(&mut self, expr: &Expr, of: &str) -> Option<f64> {
        let term = self.term(expr)?;
        if !self.has_type(&term, Type::Number, of) {
            return None;
        }
        let positive = term.constant.filter(|factor| *factor > 0.0);
        if positive.is_none() {
            let message = format!("the factor of {of} must be a positive number or param");
            self.faults.push(Fault::error(expr.span, message).help("write 2.0"));
        }
        positive
    }

    pub(super) fn tf(&mut self, arguments: &[Expr], span: TextSpan) -> Option<Term> {
        self.counted(Function::Tf, arguments, span).then_some(())?;
        if self.inside.is_some() {
            let fault = Fault::error(span, "a `tf` cannot be inside another one");
            return self.fail(fault.help("put them side by side: tf('1h', a) and tf('4h', b)"));
        }
        let timeframe = self.timeframe(&arguments[0])?;
        self.inside = Some(timeframe);
        let inner = self.with_history("`tf`".to_owned(), |checker| checker.term(&arguments[1]));
        self.inside = None;
        let inner = inner?;
        let Term { ty, unit, exact, bounds, .. } = inner;
        let what = What::Tf(timeframe, Box::new(inner));
        Some(Term { span, what, ty, unit, exact, bounds, constant: None })
    }

    fn timeframe(&mut self, expr: &Expr) -> Option<Timeframe> {
        let ExprKind::Text(text) = &expr.kind else {
            let message = "the timeframe is a text in quotes, never a param";
            self.faults.push(Fault::error(expr.span, message).help("write tf('1h', ..)"));
            return None;
        };
        let Ok(timeframe) = text.parse::<Timeframe>() else {
            let fault = Fault::error(expr.span, format!("{} is not a timeframe", quoted(text)));
            let help = "use one of 1m 3m 5m 15m 30m 1h 2h 4h 6h 8h 12h 1d";
            self.faults.push(fault.help(help));
            return None;
        };
        let unfit = self.unfit(timeframe).map(|message| {
            let base = self.scope.timeframe.unwrap_or(timeframe);
            let fits = |one: &Timeframe| *one >= base && one.ms() % base.ms() == 0;
            let names: Vec<&str> =
                Timeframe::ALL.into_iter().filter(fits).map(Timeframe::name).collect();
            let help = format!("with bars of {base}, use one of {}", names.join(" "));
            Fault::error(expr.span, message).help(help)
        });
        let fits = unfit.is_none();
        self.faults.extend(unfit);
        fits.then_some(timeframe)
    }

    /// Why bars of this timeframe cannot be made of those of the series.
    fn unfit(&self, timeframe: Timeframe) -> Option<String> {
        let base = self.scope.timeframe?;
        if timeframe < base {
            return Some(format!(
                "bars of {timeframe} are shorter than those of the series: `tf` takes {base} or longer"
            ));
        }
        let whole = timeframe.ms() % base.ms() == 0;
        (!whole).then(|| format!("a bar of {timeframe} is not made of whole bars of {base}"))
    }

    pub(super) fn signal(&mut self, arguments: &[Expr], span: TextSpan) -> Option<Term> {
        self.counted(Function::Signal, arguments, span).then_some(())?;
        let ExprKind::Text(name) = &arguments[0].kind else {
            let fault = Fault::error(arguments[0].span, "the name of a signal is a text in quotes");
            return self.fail(fault.help("write signal('name')"));
        };
        if !self.may_read("signal()", None, span) {
            return None;
        }
        if !self.scope.signals.contains(name) {
            let message = format!("{} is not a signal of this strategy", quoted(name));
            let fault = Fault::error(arguments[0].span, message);
            return self.fail(fault.help(format!("declare it: [strategy.signals.{name}]")));
        }
        let what = What::Signal(name.clone());
        Some(Term {
            span,
            what,
            ty: Type::Number,
            unit: Unit::PURE,
            exact: Exact::Whole,
            bounds: Bounds::ANY,
            constant: None,
        })
    }
}

impl Call {
    /// What its kernel is started with, on bars of a timeframe.
    pub(in crate::language) fn settings(&self, timeframe: Timeframe) -> Settings {
        const ONE: Length = Length::new(1).expect("one bar is a length");
        let at = |i: usize| self.lengths.get(i).copied().unwrap_or(ONE);
        let factor = self.factor.unwrap_or(1.0);
        Settings { lengths: [at(0), at(1), at(2)], factor, timeframe }
    }
}
