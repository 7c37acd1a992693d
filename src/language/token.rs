//! The words of an expression, and what is said about characters that do not belong there.

use super::problem::{Fault, TextSpan};
use crate::domain::time::Timeframe;

/// One word or sign.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Token<'a> {
    /// A number, and whether it is written without point and exponent.
    Number { value: f64, whole: bool },
    /// A name or a word of the language.
    Name(&'a str),
    /// A text between single quotes.
    Text(&'a str),
    /// `(`, `<=`, and the like.
    Sign(&'static str),
    /// The end of the text.
    End,
}

/// Signs of the language, longer ones first.
const SIGNS: [&str; 16] =
    ["<=", ">=", "==", "!=", "<", ">", "+", "-", "*", "/", "(", ")", "[", "]", ",", "="];

/// What people write for something else, and what it is here.
const FOREIGN: [(&str, &str); 16] = [
    ("&&", "write `and`"),
    ("||", "write `or`"),
    ("**", "write x * x: the language has no power"),
    ("<>", "write `!=`"),
    ("=>", "write `>=`"),
    ("=<", "write `<=`"),
    ("&", "write `and`"),
    ("|", "write `or`"),
    ("!", "write `not`"),
    ("^", "write x * x: the language has no power"),
    ("%", "write a - b * floor(a / b); for percent write * 0.01"),
    ("?", "write if(condition, a, b)"),
    ("\"", "write texts in single quotes: '1h'"),
    ("${", "nothing is filled in inside an expression: use a param, [strategy.params]"),
    ("$", "names have no sign before them: write close, or a name of [strategy.let]"),
    ("{", "an expression has no braces, and `${..}` is not filled in here"),
];

/// Characters that look like one of the language, what they are called, and what is meant.
const LOOK_ALIKES: [(char, &str, &str); 30] = [
    ('\u{2212}', "a minus sign of Unicode", "-"),
    ('\u{2013}', "an en dash", "-"),
    ('\u{2014}', "an em dash", "-"),
    ('\u{2010}', "a hyphen of Unicode", "-"),
    ('\u{00d7}', "a multiplication sign", "*"),
    ('\u{00b7}', "a middle dot", "*"),
    ('\u{2217}', "an asterisk operator", "*"),
    ('\u{00f7}', "a division sign", "/"),
    ('\u{2215}', "a division slash", "/"),
    ('\u{2044}', "a fraction slash", "/"),
    ('\u{2264}', "a less-or-equal sign", "<="),
    ('\u{2265}', "a greater-or-equal sign", ">="),
    ('\u{2260}', "a not-equal sign", "!="),
    ('\u{2018}', "a curly quote", "'"),
    ('\u{2019}', "a curly quote", "'"),
    ('\u{201c}', "a curly quote", "'"),
    ('\u{201d}', "a curly quote", "'"),
    ('\u{ff08}', "a wide bracket", "("),
    ('\u{ff09}', "a wide bracket", ")"),
    ('\u{ff0c}', "a wide comma", ","),
    ('\u{ff1c}', "a wide less sign", "<"),
    ('\u{ff1e}', "a wide greater sign", ">"),
    ('\u{ff1d}', "a wide equal sign", "=="),
    ('\u{ff0b}', "a wide plus sign", "+"),
    ('\u{00a0}', "a no-break space", " "),
    ('\u{2009}', "a thin space", " "),
    ('\u{202f}', "a narrow no-break space", " "),
    ('\u{3000}', "a wide space", " "),
    ('\u{200b}', "an invisible space", ""),
    ('\u{feff}', "an invisible byte order mark", ""),
];

/// Letters of other alphabets that look like one of the language.
const HOMOGLYPHS: [(char, char); 18] = [
    ('\u{430}', 'a'),
    ('\u{441}', 'c'),
    ('\u{435}', 'e'),
    ('\u{4bb}', 'h'),
    ('\u{456}', 'i'),
    ('\u{458}', 'j'),
    ('\u{43a}', 'k'),
    ('\u{43c}', 'm'),
    ('\u{43e}', 'o'),
    ('\u{440}', 'p'),
    ('\u{455}', 's'),
    ('\u{442}', 't'),
    ('\u{443}', 'y'),
    ('\u{445}', 'x'),
    ('\u{3b1}', 'a'),
    ('\u{3bf}', 'o'),
    ('\u{3c1}', 'p'),
    ('\u{3bd}', 'v'),
];

/// Reads a text word by word.
#[derive(Debug, Clone)]
pub(super) struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next word; behind the last one, [`Token::End`] for ever.
    pub(super) fn next(&mut self) -> Result<(Token<'a>, TextSpan), Fault> {
        let behind = self.at;
        self.skip_blanks();
        let start = self.at;
        let rest = &self.text[start..];
        let Some(first) = rest.chars().next() else {
            // Where the last word ends, and not behind the comments and empty lines that follow it.
            return Ok((Token::End, TextSpan { start: behind, end: behind }));
        };
        let (token, len) = if first.is_ascii_digit() {
            self.number()?
        } else if first.is_ascii_alphabetic() || first == '_' {
            let len = run(rest, |b| b.is_ascii_alphanumeric() || b == b'_');
            (Token::Name(&rest[..len]), len)
        } else if first == '\'' {
            self.quoted()?
        } else {
            self.sign(first)?
        };
        self.at = start + len;
        Ok((token, TextSpan { start, end: self.at }))
    }

    fn skip_blanks(&mut self) {
        loop {
            let rest = &self.text[self.at..];
            let blanks = run(rest, |b| b.is_ascii_whitespace());
            self.at += blanks;
            if !rest[blanks..].starts_with('#') {
                return;
            }
            self.at += run(&rest[blanks..], |b| b != b'\n');
        }
    }

    fn span(&self, len: usize) -> TextSpan {
        TextSpan { start: self.at, end: self.at + len }
    }

    fn number(&self) -> Result<(Token<'a>, usize), Fault> {
        let rest = &self.text[self.at..];
        let digits = |at: usize| run(&rest[at..], |b| b.is_ascii_digit());
        let mut len = digits(0);
        let mut whole = true;
        if rest[len..].starts_with('.') {
            let places = digits(len + 1);
            if places == 0 {
                let fault = Fault::error(self.span(len + 1), "a number does not end with a point");
                return Err(fault.help(format!("write {}.0", &rest[..len])));
            }
            len += 1 + places;
            whole = false;
        }
        if rest[len..].starts_with(['e', 'E']) {
            let sign = usize::from(rest[len + 1..].starts_with(['+', '-']));
            let exponent = digits(len + 1 + sign);
            if exponent > 0 {
                len += 1 + sign + exponent;
                whole = false;
            }
        }
        let tail = run(&rest[len..], |b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.');
        if tail > 0 {
            let word = &rest[..len + tail];
            let fault = Fault::error(self.span(len + tail), "this is neither a number nor a name");
            return Err(fault.help(if word.parse::<Timeframe>().is_ok() {
                format!("a timeframe is a text in quotes: tf('{word}', ..)")
            } else {
                "a name begins with a letter; numbers are written 12, 0.5, 1e-4".to_owned()
            }));
        }
        let value: f64 = rest[..len].parse().unwrap_or(f64::INFINITY);
        if !value.is_finite() {
            let fault = Fault::error(self.span(len), "the number is too large");
            return Err(fault.help("numbers are finite: below 1.8e308"));
        }
        Ok((Token::Number { value, whole }, len))
    }

    fn quoted(&self) -> Result<(Token<'a>, usize), Fault> {
        let inside = &self.text[self.at + 1..];
        let len = run(inside, |b| b != b'\'' && b != b'\n');
        if !inside[len..].starts_with('\'') {
            let fault = Fault::error(self.span(1), "the quote is not closed");
            return Err(fault.help("write '1h'"));
        }
        Ok((Token::Text(&inside[..len]), len + 2))
    }

    fn sign(&self, first: char) -> Result<(Token<'a>, usize), Fault> {
        let rest = &self.text[self.at..];
        let starts = |sign: &&str| rest.starts_with(*sign);
        let foreign = FOREIGN.iter().find(|(sign, _)| starts(sign) && !rest.starts_with("!="));
        if let Some((sign, help)) = foreign {
            let message = format!("`{sign}` is not a sign of this language");
            return Err(Fault::error(self.span(sign.len()), message).help(*help));
        }
        if let Some(sign) = SIGNS.iter().find(|sign| starts(sign)) {
            if *sign == "=" {
                let fault = Fault::error(self.span(1), "`=` does not compare");
                return Err(fault.help("write `==`; a name is given in [strategy.let]"));
            }
            return Ok((Token::Sign(sign), sign.len()));
        }
        let span = self.span(first.len_utf8());
        if let Some((_, called, meant)) = LOOK_ALIKES.iter().find(|(c, ..)| *c == first) {
            let help = match *meant {
                "" => "delete it".to_owned(),
                " " => "write a plain space".to_owned(),
                sign => format!("write `{sign}`"),
            };
            return Err(Fault::error(span, format!("this is {called}")).help(help));
        }
        let named = first.escape_unicode();
        let fault = match first {
            '.' if self.text[..self.at].ends_with(|c: char| c.is_alphanumeric() || c == '_') => {
                Fault::error(span, "a name has no point in it")
                    .help("functions and values have no prefix: crosses_above(a, b), not ta.crossover(a, b)")
            }
            '.' => Fault::error(span, "a number does not begin with a point").help("write 0.5"),
            ';' | ':' => Fault::error(span, format!("`{first}` is not a sign of this language"))
                .help("an expression is one formula, without statements"),
            _ if first.is_alphabetic() => {
                let message = format!("`{first}` ({named}) is not a letter of a name");
                let fault = Fault::error(span, message);
                match HOMOGLYPHS.iter().find(|(foreign, _)| *foreign == first) {
                    Some((_, latin)) => fault.help(format!(
                        "it only looks like the letter `{latin}`: type the word again"
                    )),
                    None => fault.help("names have the letters a to z, digits and `_`"),
                }
            }
            _ => {
                let shown = if first.is_ascii_graphic() {
                    format!("`{first}`")
                } else {
                    named.to_string()
                };
                let message = format!("the character {shown} has no meaning here");
                Fault::error(span, message).help(
                    "take it out: an expression has names, numbers, brackets and + - * / < <= > >= == !=",
                )
            }
        };
        Err(fault)
    }
}

/// Bytes at the start of a text that are all like this. They may be cut there: the test is about ASCII or stops at it.
fn run(text: &str, like: impl Fn(u8) -> bool) -> usize {
    text.bytes().position(|b| !like(b)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Result<Vec<(Token<'_>, TextSpan)>, Fault> {
        let mut tokens = Tokens::new(text);
        let mut found = Vec::new();
        loop {
            match tokens.next()? {
                (Token::End, _) => return Ok(found),
                other => found.push(other),
            }
        }
    }

    #[test]
    fn words_are_read_with_their_places() {
        let text = "a_1<=0.5e-1 # and what follows is `ignored` \u{e9}\n*'1h'";
        let found = all(text).unwrap();
        let texts: Vec<&str> = found.iter().map(|(_, span)| span.of(text)).collect();
        assert_eq!(texts, ["a_1", "<=", "0.5e-1", "*", "'1h'"]);
        assert_eq!(found[2].0, Token::Number { value: 0.05, whole: false });
        assert_eq!(found[4].0, Token::Text("1h"));
        assert_eq!(all("12").unwrap()[0].0, Token::Number { value: 12.0, whole: true });
    }

    #[test]
    fn the_end_is_where_the_last_word_ends() {
        for (text, end) in [("a and  # why\n\n", 5), ("  # nothing", 0), ("a", 1), ("", 0)] {
            let mut tokens = Tokens::new(text);
            let span = loop {
                if let (Token::End, span) = tokens.next().unwrap() {
                    break span;
                }
            };
            assert_eq!((span.start, span.end), (end, end), "{text:?}");
        }
    }

    #[test]
    fn look_alikes_are_named() {
        for (c, called, meant) in LOOK_ALIKES {
            let text = format!("a {c} b");
            let fault = all(&text).unwrap_err();
            assert_eq!(fault.message, format!("this is {called}"));
            assert_eq!(fault.span.of(&text), c.to_string());
            assert!(fault.help.is_some_and(|help| help.contains(meant)));
        }
        let fault = all("tf(1h, close)").unwrap_err();
        assert!(fault.help.is_some_and(|help| help.contains("tf('1h', ..)")));
        let fault = all("cl\u{43e}se > 1").unwrap_err();
        assert_eq!(fault.span.of("cl\u{43e}se > 1"), "\u{43e}");
        assert!(fault.help.is_some_and(|help| help.contains("looks like the letter `o`")));
    }
}
