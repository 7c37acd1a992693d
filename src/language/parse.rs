//! From text to tree. Neither the length nor the nesting of a text can make it slow or break it.

use super::{
    op::Op,
    problem::{Fault, TextSpan, quoted},
    token::{Token, Tokens},
};

/// Longest text of an expression, in bytes.
pub const TEXT_MAX: usize = 4096;
/// Deepest nesting of an expression.
pub const DEPTH_MAX: usize = 64;

/// The tree of a text, or the first fault in it.
pub(super) fn parse(text: &str) -> Result<Expr, Fault> {
    if text.len() > TEXT_MAX {
        let end = text.floor_char_boundary(TEXT_MAX);
        let message = format!("the text has {} bytes; at most {TEXT_MAX} are read", text.len());
        let fault = Fault::error(TextSpan { start: end, end }, message);
        return Err(fault.help("give parts of it names in [strategy.let]"));
    }
    let mut tokens = Tokens::new(text);
    let (token, span) = tokens.next()?;
    let mut parser = Parser { tokens, token, span, depth: 0 };
    if parser.token == Token::End {
        let fault = Fault::error(parser.span, "the expression is empty");
        return Err(fault.help("write a condition such as close > ema(close, 20)"));
    }
    let expr = parser.expression(0)?;
    match parser.token {
        Token::End => Ok(expr),
        Token::Sign(close @ (")" | "]")) => {
            let open = if close == ")" { "(" } else { "[" };
            let fault = Fault::error(parser.span, "this bracket was not opened");
            Err(fault.help(format!("take it out, or write the `{open}` that it closes")))
        }
        _ => {
            let found = quoted(parser.span.of(text));
            let fault = Fault::error(parser.span, format!("{found} follows a complete expression"));
            Err(fault.help(joined_by(parser.token, text)))
        }
    }
}

/// What joins two values, where the second one looks as in another language.
fn joined_by(second: Token<'_>, text: &str) -> String {
    let lower = match second {
        Token::Name(name) => name.to_ascii_lowercase(),
        Token::Sign(",") if text.contains(|c: char| c.is_ascii_digit()) => {
            return "a number has no comma in it: write 1000 and 0.5".to_owned();
        }
        _ => String::new(),
    };
    match lower.as_str() {
        "and" | "or" => format!("write `{lower}`, in small letters"),
        "crosses_above" | "crosses_below" => {
            format!("write {lower}(a, b), with both values in the brackets")
        }
        "crosses" | "above" | "below" | "crossover" | "crossunder" => {
            "write crosses_above(a, b) or crosses_below(a, b)".to_owned()
        }
        _ => "between two values there must be an operator such as `and`, `<` or `+`".to_owned(),
    }
}

struct Parser<'a> {
    tokens: Tokens<'a>,
    /// The word that is read next, and its place.
    token: Token<'a>,
    span: TextSpan,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn advance(&mut self) -> Result<(Token<'a>, TextSpan), Fault> {
        let (token, span) = self.tokens.next()?;
        let before = std::mem::replace(&mut self.token, token);
        Ok((before, std::mem::replace(&mut self.span, span)))
    }

    fn expect(&mut self, sign: &'static str, what: &str) -> Result<TextSpan, Fault> {
        if self.token == Token::Sign(sign) {
            return Ok(self.advance()?.1);
        }
        let help = match what {
            "`)`" => "write the `)` where the bracket ends",
            "`,` or `)`" => "write `,` before the next value, or `)` behind the last one",
            _ => "write `]` behind the number of bars",
        };
        Err(Fault::error(self.span, format!("{what} is missing here")).help(help))
    }

    /// Goes one level deeper, if there is room.
    fn deeper(&mut self) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > DEPTH_MAX { Err(too_deep(self.span)) } else { Ok(()) }
    }

    fn node(span: TextSpan, kind: ExprKind) -> Result<Expr, Fault> {
        let expr = Expr::new(span, kind);
        if expr.depth > DEPTH_MAX { Err(too_deep(span)) } else { Ok(expr) }
    }

    /// Operators that bind at least this strongly, and their operands.
    fn expression(&mut self, strength: u8) -> Result<Expr, Fault> {
        let mut left = self.operand(strength)?;
        while let Some(op) = self.operator().filter(|op| op.strength() >= strength) {
            if matches!(op, Op::And | Op::Or) {
                left = self.chain(op, left)?;
                continue;
            }
            self.advance()?;
            let right = self.expression(op.strength() + 1)?;
            left = Self::pair(op, left, right)?;
            if op.compares() && self.operator().is_some_and(Op::compares) {
                let fault = Fault::error(self.span, "comparisons do not form a chain");
                return Err(fault.help("write a < b and b < c"));
            }
        }
        Ok(left)
    }

    /// Conditions joined by one word, however many.
    fn chain(&mut self, op: Op, first: Expr) -> Result<Expr, Fault> {
        let mut terms = vec![first];
        while self.operator() == Some(op) {
            self.advance()?;
            terms.push(self.expression(op.strength() + 1)?);
        }
        let deepest = terms.iter().enumerate().map(|(at, term)| {
            // Of the tree that leans to the left, in which the first two terms lie deepest.
            term.depth + (terms.len() - at.max(1))
        });
        if deepest.max().unwrap_or(0) <= DEPTH_MAX {
            let mut terms = terms.into_iter();
            let first = terms.next().expect("the first one is there");
            return terms.try_fold(first, |left, right| Self::pair(op, left, right));
        }
        // A long list is not nested deeply: whatever the brackets, the value is the same.
        while terms.len() > 1 {
            let mut pairs = Vec::with_capacity(terms.len().div_ceil(2));
            let mut rest = terms.into_iter();
            while let Some(left) = rest.next() {
                pairs.push(match rest.next() {
                    Some(right) => Self::pair(op, left, right)?,
                    None => left,
                });
            }
            terms = pairs;
        }
        Ok(terms.pop().expect("the first one is there"))
    }

    fn pair(op: Op, left: Expr, right: Expr) -> Result<Expr, Fault> {
        let span = left.span.to(right.span);
        Self::node(span, ExprKind::Op(op, vec![left, right]))
    }

    /// The operator between two operands that is read next.
    fn operator(&self) -> Option<Op> {
        match self.token {
            Token::Sign("+") => Some(Op::Add),
            Token::Sign("-") => Some(Op::Subtract),
            Token::Sign("*") => Some(Op::Multiply),
            Token::Sign("/") => Some(Op::Divide),
            Token::Sign("<") => Some(Op::Less),
            Token::Sign("<=") => Some(Op::LessOrEqual),
            Token::Sign(">") => Some(Op::Greater),
            Token::Sign(">=") => Some(Op::GreaterOrEqual),
            Token::Sign("==") => Some(Op::Equal),
            Token::Sign("!=") => Some(Op::NotEqual),
            Token::Name("and") => Some(Op::And),
            Token::Name("or") => Some(Op::Or),
            Token::Sign(_)
            | Token::Name(_)
            | Token::Text(_)
            | Token::Number { .. }
            | Token::End => None,
        }
    }

    fn operand(&mut self, strength: u8) -> Result<Expr, Fault> {
        let span = self.span;
        let op = match self.token {
            Token::Name("not") if strength > Op::Not.strength() => {
                let fault = Fault::error(span, "`not` binds less than the operator before it");
                return Err(fault.help("write it in brackets: (not a)"));
            }
            Token::Name("not") => Op::Not,
            Token::Sign("-") => Op::Negate,
            _ => return self.ago(),
        };
        self.advance()?;
        self.deeper()?;
        let inner = self.expression(op.strength())?;
        self.depth -= 1;
        Self::node(span.to(inner.span), ExprKind::Op(op, vec![inner]))
    }

    /// A value, perhaps that of some bars ago.
    fn ago(&mut self) -> Result<Expr, Fault> {
        let mut value = self.value()?;
        while self.token == Token::Sign("[") {
            self.advance()?;
            self.deeper()?;
            let bars = self.expression(0)?;
            self.depth -= 1;
            let end = self.expect("]", "the `]` of close[1]")?;
            let span = value.span.to(end);
            value = Self::node(span, ExprKind::Ago(Box::new([value, bars])))?;
        }
        Ok(value)
    }

    fn value(&mut self) -> Result<Expr, Fault> {
        let kind = match self.token {
            Token::Number { value, whole } => ExprKind::Number { value, whole },
            Token::Text(text) => ExprKind::Text(text.to_owned()),
            Token::Name("true") => ExprKind::Bool(true),
            Token::Name("false") => ExprKind::Bool(false),
            Token::Name(word @ ("and" | "or")) => {
                let message = format!("`{word}` needs a condition on its left");
                let fault = Fault::error(self.span, message);
                return Err(fault.help(format!("write one: close > open {word} volume > 0")));
            }
            Token::Name(name) => return self.name(name),
            Token::Sign("(") => return self.brackets(),
            Token::Sign(sign) => {
                let message = format!("a value is missing here: `{sign}` is not one");
                let fault = Fault::error(self.span, message);
                return Err(fault.help("write a name, a number or a call, such as rsi(close, 14)"));
            }
            Token::End => {
                let fault = Fault::error(self.span, "the expression ends too early");
                return Err(fault.help("a value is missing at the end"));
            }
        };
        let (_, span) = self.advance()?;
        Self::node(span, kind)
    }

    fn brackets(&mut self) -> Result<Expr, Fault> {
        let (_, open) = self.advance()?;
        self.deeper()?;
        let mut inner = self.expression(0)?;
        self.depth -= 1;
        let close = self.expect(")", "`)`")?;
        inner.span = open.to(close);
        Ok(inner)
    }

    fn name(&mut self, name: &str) -> Result<Expr, Fault> {
        let (_, span) = self.advance()?;
        if self.token != Token::Sign("(") {
            return Self::node(span, ExprKind::Name(name.to_owned()));
        }
        self.advance()?;
        self.deeper()?;
        let mut arguments = Vec::new();
        if self.token != Token::Sign(")") {
            arguments.push(self.expression(0)?);
            while self.token == Token::Sign(",") {
                self.advance()?;
                arguments.push(self.expression(0)?);
            }
        }
        self.depth -= 1;
        let end = self.expect(")", "`,` or `)`")?;
        Self::node(span.to(end), ExprKind::Call(name.to_owned(), span, arguments))
    }
}

fn too_deep(span: TextSpan) -> Fault {
    let fault = Fault::error(span, format!("the expression is nested deeper than {DEPTH_MAX}"));
    fault.help("give parts of it names in [strategy.let]")
}

/// One node, and the bytes it was written with.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Expr {
    pub(super) span: TextSpan,
    pub(super) kind: ExprKind,
    /// Levels below and with it.
    pub(super) depth: usize,
}

/// What it is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ExprKind {
    /// A number, and whether it is written without point and exponent.
    Number { value: f64, whole: bool },
    /// `true` or `false`.
    Bool(bool),
    /// A text in quotes; only `tf` and `signal` take one.
    Text(String),
    /// A name without brackets.
    Name(String),
    /// An operator and its operands.
    Op(Op, Vec<Expr>),
    /// `x[n]`.
    Ago(Box<[Expr; 2]>),
    /// A name with arguments, and the place of the name.
    Call(String, TextSpan, Vec<Expr>),
}

impl Expr {
    pub(super) fn new(span: TextSpan, kind: ExprKind) -> Self {
        let depth = 1 + Self::parts(&kind).iter().map(|part| part.depth).max().unwrap_or(0);
        Self { span, kind, depth }
    }

    /// The nodes directly below.
    pub(super) fn below(&self) -> &[Self] {
        Self::parts(&self.kind)
    }

    fn parts(kind: &ExprKind) -> &[Self] {
        match kind {
            ExprKind::Number { .. } | ExprKind::Bool(_) | ExprKind::Text(_) | ExprKind::Name(_) => {
                &[]
            }
            ExprKind::Op(_, parts) | ExprKind::Call(_, _, parts) => parts,
            ExprKind::Ago(parts) => &**parts,
        }
    }

    /// How many nodes it has.
    pub(super) fn nodes(&self) -> usize {
        1 + self.below().iter().map(Self::nodes).sum::<usize>()
    }

    /// Every name without brackets in it, with its place, from left to right.
    pub(super) fn names(&self) -> Vec<(&str, TextSpan)> {
        let mut found = Vec::new();
        self.collect_names(&mut found);
        found
    }

    fn collect_names<'a>(&'a self, found: &mut Vec<(&'a str, TextSpan)>) {
        if let ExprKind::Name(name) = &self.kind {
            found.push((name, self.span));
        }
        for part in self.below() {
            part.collect_names(found);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The tree with every bracket written.
    fn shape(expr: &Expr) -> String {
        let list = |parts: &[Expr]| parts.iter().map(shape).collect::<Vec<_>>();
        match &expr.kind {
            ExprKind::Number { value, .. } => value.to_string(),
            ExprKind::Bool(value) => value.to_string(),
            ExprKind::Text(text) => format!("'{text}'"),
            ExprKind::Name(name) => name.clone(),
            ExprKind::Op(op, parts) => match op.sign() {
                Some(sign) => format!("({})", list(parts).join(&format!(" {sign} "))),
                None => format!("{op:?}({})", list(parts).join(" ")).to_lowercase(),
            },
            ExprKind::Ago(parts) => format!("{}[{}]", shape(&parts[0]), shape(&parts[1])),
            ExprKind::Call(name, _, parts) => format!("{name}({})", list(parts).join(", ")),
        }
    }

    #[test]
    fn operators_bind_as_the_document_says() {
        for (text, expected) in [
            ("a or b and c", "(a or (b and c))"),
            ("not a < b and c", "(not((a < b)) and c)"),
            ("not not a", "not(not(a))"),
            ("a + b * c - d / e", "((a + (b * c)) - (d / e))"),
            ("a - b - c", "((a - b) - c)"),
            ("-x[1]", "negate(x[1])"),
            ("-a * b", "(negate(a) * b)"),
            ("2 * -a", "(2 * negate(a))"),
            ("x[1][2 + n]", "x[1][(2 + n)]"),
            ("(a + b)[3]", "(a + b)[3]"),
            ("if(a > 1, b, -1e-4)", "if((a > 1), b, negate(0.0001))"),
            ("tf('1h', close) > f() # why\n", "(tf('1h', close) > f())"),
            ("true == false", "(true == false)"),
        ] {
            assert_eq!(shape(&parse(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn a_long_list_of_conditions_is_not_deep() {
        for word in ["and", "or"] {
            // The longest list that a text can hold.
            let terms = 1 + (TEXT_MAX - 1) / (word.len() + 3);
            let text = vec!["a"; terms].join(&format!(" {word} "));
            let tree = parse(&text).unwrap();
            assert_eq!((tree.nodes(), tree.span.of(&text)), (2 * terms - 1, text.as_str()));
            assert!(tree.depth <= 11, "{}", tree.depth);
            let names: Vec<usize> = tree.names().iter().map(|(_, at)| at.start).collect();
            assert!(names.len() == terms && names.is_sorted(), "each once, in their order");
        }
        // What fits leans to the left, as it always did: the text of a strategy stays what it was.
        let of = |terms: usize| parse(&vec!["a"; terms].join(" or ")).unwrap();
        assert_eq!((of(64).depth, of(65).depth), (64, 8));
        assert_eq!(shape(&of(4)), "(((a or a) or a) or a)");
        let mixed = parse(&vec!["(a < b or c)"; 100].join(" and ")).unwrap();
        assert_eq!((mixed.nodes(), mixed.depth), (599, 10));
        let bracketed = parse(&shape(&of(500))).unwrap();
        assert_eq!(shape(&bracketed), shape(&of(500)), "its canonical text has the same tree");
    }

    #[test]
    fn a_fault_has_its_place() {
        for (text, at, message) in [
            ("a < b < c", "<", "chain"),
            ("a b", "b", "complete expression"),
            ("(a", "", "`)` is missing here"),
            ("a)", ")", "not opened"),
            ("a]", "]", "not opened"),
            ("${HOME}", "${", "`${` is not a sign"),
            ("a $ b", "$", "`$` is not a sign"),
            ("a @ b", "@", "the character `@` has no meaning"),
            ("a \u{1f600}", "\u{1f600}", "has no meaning"),
            ("f(a,", "", "too early"),
            ("f(a b)", "b", "`,` or `)` is missing"),
            ("x[1", "", "`]`"),
            ("a + not b", "not", "binds less"),
            ("and b", "and", "on its left"),
            ("a = b", "=", "does not compare"),
            ("a && b", "&&", "not a sign"),
            ("a && b", "&&", "not a sign"),
            ("!a", "!", "not a sign"),
            ("3..4", "3.", "point"),
            ("12d", "12d", "neither a number nor a name"),
            ("1e999", "1e999", "too large"),
            ("tf('1h, close)", "'", "not closed"),
            ("", "", "empty"),
            ("# only this", "", "empty"),
            ("a + \u{e9}", "\u{e9}", "not a letter"),
            ("a * * b", "*", "a value is missing"),
            ("a ** b", "**", "not a sign"),
        ] {
            let fault = parse(text).unwrap_err();
            assert!(fault.message.contains(message), "{text}: {}", fault.message);
            assert_eq!(fault.span.of(text), at, "{text}");
            assert!(fault.help.is_some(), "what to write in place of {text}");
        }
    }

    #[test]
    fn what_is_too_long_or_too_deep_is_refused() {
        let deep =
            |n: usize, open: &str, close: &str| format!("{}a{}", open.repeat(n), close.repeat(n));
        for text in [
            "x".repeat(65_536),
            "\u{e9}".repeat(3_000),
            deep(1_000, "(", ")"),
            deep(65, "(", ")"),
            deep(65, "f(", ")"),
            deep(65, "-", ""),
            deep(65, "not ", ""),
            deep(65, "", "[1]"),
            deep(65, "", " + a"),
            deep(65, "a[", "]"),
        ] {
            let fault = parse(&text).unwrap_err();
            assert!(fault.help.unwrap().contains("names"), "{}", fault.message);
        }
        for text in [deep(60, "(", ")"), deep(60, "-", ""), deep(60, "", " + a")] {
            parse(&text).unwrap();
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in "\\PC{0,60}|[-a-z0-9+*/()\\[\\],.<>=!'# \n\u{2212}\u{e9}]{0,80}") {
            if let Err(fault) = parse(&text) {
                prop_assert!(fault.span.start <= fault.span.end);
                prop_assert!(text.get(fault.span.start..fault.span.end).is_some());
            }
        }

        #[test]
        fn no_mixture_of_words_breaks_it(
            words in prop::collection::vec(prop::sample::select(vec![
                "a", "12", "0.5", "not ", "and ", " or ", "(", ")", "[", "]", ",", "-", "*", "<", "==", "f(", "'1h'", "if(",
                "# x\n", "\u{2264}", "true ",
            ]), 0..200),
        ) {
            let text = words.concat();
            if let Err(fault) = parse(&text) {
                prop_assert!(text.get(fault.span.start..fault.span.end).is_some());
            }
        }
    }
}
