//! What is wrong with a strategy, and where: data, so that a check gives all of it at once.

use std::ops::Range;

/// Bytes of a text, from `start` to before `end`; both are character boundaries inside the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct TextSpan {
    pub(super) start: usize,
    pub(super) end: usize,
}

impl TextSpan {
    /// From the start of one to the end of another.
    pub(super) fn to(self, end: Self) -> Self {
        Self { start: self.start, end: end.end }
    }

    /// The text at it.
    pub(super) fn of(self, text: &str) -> &str {
        &text[self.start..self.end]
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The strategy cannot be used.
    Error,
    /// It can, and probably does not do what was meant.
    Warning,
    /// Good to know.
    Note,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleProblem {
    /// How bad it is.
    pub severity: Severity,
    /// The key in the file: `strategy.enter[0].when`.
    pub key: String,
    /// The bytes of that key's text that it is about.
    pub span: Option<Range<usize>>,
    /// What is the matter.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
    /// Whether it is a condition of `require` that these values of the params do not meet: a sweep leaves such a point out.
    pub unmet: bool,
}

/// A finding inside one text whose key is not known there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) severity: Severity,
    pub(super) span: TextSpan,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl Fault {
    /// An error.
    pub(super) fn error(span: TextSpan, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, span, message: message.into(), help: None }
    }

    /// A warning.
    pub(super) fn warning(span: TextSpan, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(span, message) }
    }

    /// With what to do about it.
    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

impl RuleProblem {
    /// An error of a whole key.
    pub(super) fn error(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            key: key.into(),
            span: None,
            message: message.into(),
            help: None,
            unmet: false,
        }
    }

    /// A finding in the text of a key.
    pub(super) fn at(key: &str, fault: Fault) -> Self {
        let Fault { severity, span, message, help } = fault;
        let span = Some(span.start..span.end);
        Self { severity, key: key.to_owned(), span, message, help, unmet: false }
    }

    /// A warning of a whole key.
    pub(super) fn warning(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(key, message) }
    }

    /// A note of a whole key.
    pub(super) fn note(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Note, ..Self::error(key, message) }
    }

    /// With what to do about it.
    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

/// A text as a message quotes it: at most 60 characters, control characters escaped.
pub(super) fn quoted(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    let mut short: String = text.chars().take(CHARS_MAX).flat_map(shown).collect();
    if text.chars().nth(CHARS_MAX).is_some() {
        short.push_str("...");
    }
    format!("`{short}`")
}

fn shown(c: char) -> impl Iterator<Item = char> {
    let escaped = c.is_control().then(|| c.escape_default());
    let plain = if c.is_control() { None } else { Some(c) };
    escaped.into_iter().flatten().chain(plain)
}

/// The known word that a wrong one was probably meant to be.
pub(super) fn meant<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    /// Longer words are not names, and comparing them costs time.
    const WORD_MAX: usize = 40;
    if word.len() > WORD_MAX {
        return None;
    }
    let lower = word.to_ascii_lowercase();
    let most = if lower.len() <= 3 { 1 } else { 2 };
    let near = |known: &'a str| {
        let close = known.len().abs_diff(lower.len()) <= most;
        let edits = close.then(|| strsim::damerau_levenshtein(&lower, known))?;
        (edits <= most && edits < lower.len()).then_some((edits, known))
    };
    known.filter_map(near).min().map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_recognised() {
        let known = ["close", "open", "ema", "rsi", "sma"];
        for (word, expected) in [
            ("clsoe", Some("close")),
            ("CLOSE", Some("close")),
            ("emma", Some("ema")),
            ("rsii", Some("rsi")),
            ("x", None),
            ("stochastic", None),
            (&"c".repeat(100_000), None),
        ] {
            assert_eq!(meant(word, known.into_iter()), expected, "{}", quoted(word));
        }
    }

    #[test]
    fn a_quoted_text_is_short_and_harmless() {
        assert_eq!(quoted("a\u{1b}[31m"), "`a\\u{1b}[31m`");
        assert_eq!(quoted(&"x".repeat(70)).len(), 65);
    }
}
