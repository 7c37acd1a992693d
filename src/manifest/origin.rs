//! Where a value comes from: a place in a file, a variable, an argument, or the built-in default.

use std::{fmt, ops::Range, sync::Arc};

use crate::domain::text::steers;

/// What kind of text a value stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceKind {
    /// No text: the built-in default.
    Default,
    /// A file that another one extends.
    Extended,
    /// The job's own file.
    Job,
    /// A file given with `-P`.
    Profile,
    /// An environment variable.
    Env,
    /// A parameter that a schedule gives.
    Schedule,
    /// A `-p name=value` argument.
    Param,
    /// A `--set path=value` argument.
    Set,
    /// A `-P name` argument.
    ProfileName,
}

/// A text with a name, cleaned of characters that could disturb a terminal.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub kind: SourceKind,
    /// Path of a file, name of a variable or a parameter, path of a `--set`.
    pub name: String,
    pub content: String,
}

/// A place in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextOrigin {
    text: Arc<Text>,
    span: Range<usize>,
}

impl TextOrigin {
    /// The built-in default.
    pub(super) fn built_in() -> Self {
        Self::whole(SourceKind::Default, "default", "")
    }

    /// All of a text that is no file.
    pub(super) fn whole(kind: SourceKind, name: &str, text: &str) -> Self {
        let text = clean(text);
        let span = 0..text.len();
        Self { text: Arc::new(Text { kind, name: clean(name), content: text }), span }
    }

    /// A place in a file.
    pub(super) fn at(text: &Arc<Text>, span: Range<usize>) -> Self {
        let end = span.end.min(text.content.len());
        Self { text: Arc::clone(text), span: span.start.min(end)..end }
    }

    /// The same text, another place.
    pub(super) fn sub(&self, span: Range<usize>) -> Self {
        Self::at(&self.text, span)
    }

    /// The part of this place that reads `needle`, or all of it.
    pub(super) fn find(&self, needle: &str) -> Self {
        match self.snippet().find(needle) {
            Some(at) => self.sub(self.span.start + at..self.span.start + at + needle.len()),
            None => self.clone(),
        }
    }

    /// What stands at this place.
    pub(super) fn snippet(&self) -> &str {
        self.text.content.get(self.span.clone()).unwrap_or_default()
    }

    /// What kind of text it is.
    pub fn kind(&self) -> SourceKind {
        self.text.kind
    }

    /// The path of the file, or `environment`, `command line`, `built-in default`.
    pub fn file(&self) -> &str {
        match self.text.kind {
            SourceKind::Extended | SourceKind::Job | SourceKind::Profile => &self.text.name,
            SourceKind::Env => "environment",
            SourceKind::Param | SourceKind::Set | SourceKind::ProfileName => "command line",
            SourceKind::Schedule => "schedule",
            SourceKind::Default => "built-in default",
        }
    }

    /// The whole text the place lies in.
    pub fn text(&self) -> &str {
        &self.text.content
    }

    /// The bytes of [`Self::text`] it covers.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Line and column, both from 1; the column counts characters.
    pub fn line_column(&self) -> (usize, usize) {
        let before = self.text.content.get(..self.span.start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// Whether it lies in a file.
    pub(super) fn is_file(&self) -> bool {
        matches!(self.kind(), SourceKind::Extended | SourceKind::Job | SourceKind::Profile)
    }
}

impl fmt::Display for TextOrigin {
    /// `jobs/eqflat.toml:23:1`, `env DATA_TAG`, `-p tag`, `--set live.tag`, `default`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.text.name;
        match self.text.kind {
            SourceKind::Default => f.write_str("default"),
            SourceKind::Extended | SourceKind::Job | SourceKind::Profile => {
                let (line, column) = self.line_column();
                write!(f, "{name}:{line}:{column}")
            }
            SourceKind::Env => write!(f, "env {name}"),
            SourceKind::Schedule => write!(f, "schedule {name}"),
            SourceKind::Param => write!(f, "-p {name}"),
            SourceKind::Set => write!(f, "--set {name}"),
            SourceKind::ProfileName => write!(f, "-P {name}"),
        }
    }
}

/// Whether a character has no place in a manifest: it could disturb a terminal or deceive a reader, and does not end a line.
pub(super) fn is_forbidden(c: char) -> bool {
    steers(c) && !matches!(c, '\n' | '\r')
}

/// The text with every forbidden character replaced.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|c| if is_forbidden(c) { '\u{fffd}' } else { c }).collect()
}
