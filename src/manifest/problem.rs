//! What is wrong with a manifest, where, and what to do about it; rendered with a caret under the place.

use std::{
    collections::BTreeSet,
    error::Error,
    fmt::{self, Write as _},
    ops::Range,
};

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError,
    MietteSpanContents, SourceCode, SourceSpan, SpanContents,
};

use super::origin::TextOrigin;

/// Most problems that are shown to people; of more, the number is shown.
const SHOWN_MAX: usize = 20;
/// Longest line of a file that is shown, in characters.
const LINE_MAX: usize = 400;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The manifest cannot be used.
    Error,
    /// It can, but probably does not say what was meant.
    Warning,
    /// It can, and this is good to know.
    Note,
}

impl Severity {
    /// How it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    severity: Severity,
    at: TextOrigin,
    message: String,
    help: Option<String>,
}

impl Problem {
    /// An error at a place.
    pub(super) fn new(at: &TextOrigin, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, at: at.clone(), message: message.into(), help: None }
    }

    /// Something to say at a place.
    pub(super) fn of(severity: Severity, at: &TextOrigin, message: impl Into<String>) -> Self {
        Self { severity, ..Self::new(at, message) }
    }

    /// A warning at a place.
    pub(super) fn warning(at: &TextOrigin, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::new(at, message) }
    }

    /// With advice on what to do next.
    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// With advice, if there is any.
    pub(super) fn maybe_help(self, help: Option<String>) -> Self {
        Self { help, ..self }
    }

    /// Error or warning.
    pub const fn severity(&self) -> Severity {
        self.severity
    }

    /// The file it is in, or `environment` or `command line`.
    pub fn file(&self) -> &str {
        self.at.file()
    }

    /// The whole text of that file.
    pub fn text(&self) -> &str {
        self.at.text()
    }

    /// The bytes of the text it is about.
    pub fn span(&self) -> Range<usize> {
        self.at.span()
    }

    /// Its line, from 1.
    pub fn line(&self) -> usize {
        self.at.line_column().0
    }

    /// Its column in characters, from 1.
    pub fn column(&self) -> usize {
        self.at.line_column().1
    }

    /// Where it is.
    pub const fn origin(&self) -> &TextOrigin {
        &self.at
    }

    /// What is wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    pub fn advice(&self) -> Option<&str> {
        self.help.as_deref()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, " ({help})"))
    }
}

/// How problems are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// With terminal colours.
    pub color: bool,
    /// Columns of the terminal.
    pub width: usize,
}

/// Everything that is wrong, in the order of the files and their lines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Sorted by file and place, without repetitions.
    pub(super) fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort_by(|a, b| {
            (a.at.file(), a.at.span().start).cmp(&(b.at.file(), b.at.span().start))
        });
        problems.dedup();
        Self(problems)
    }

    /// Each of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that were not said yet; `said` has them then, too.
    pub fn unsaid(&self, said: &mut BTreeSet<String>) -> Self {
        let is_new = |problem: &&Problem| said.insert(problem.to_string());
        Self(self.0.iter().filter(is_new).cloned().collect())
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// For people: each with its line and a caret.
    pub fn render(&self, style: Style) -> String {
        let theme =
            if style.color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler = GraphicalReportHandler::new_themed(theme).with_width(style.width.max(20));
        let mut out = String::new();
        for problem in self.0.iter().take(SHOWN_MAX) {
            if !out.is_empty() {
                out.push('\n');
            }
            let (report, mut shown) = (Report { problem }, String::new());
            handler.render_report(&mut shown, &report).expect("writing to a string cannot fail");
            shown.lines().for_each(|line| push_clipped(&mut out, line, style.color));
        }
        if let Some(more) = self.more() {
            let _ = writeln!(out, "\n{more}");
        }
        out
    }

    /// How many are not shown, if there are any.
    fn more(&self) -> Option<String> {
        let more = self.0.len().checked_sub(SHOWN_MAX).filter(|more| *more > 0)?;
        Some(format!("and {more} more, {} in all: fix these first", self.0.len()))
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    /// One line each: `jobs/live.toml:3:1: message (help)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.0.iter().take(SHOWN_MAX).enumerate() {
            let gap = if n == 0 { "" } else { "\n" };
            write!(f, "{gap}{problem}")?;
        }
        self.more().map_or(Ok(()), |more| write!(f, "\n{more}"))
    }
}

impl Error for Problems {}

/// A line, without the end of one that is very long, such as a list of thousands.
fn push_clipped(out: &mut String, line: &str, color: bool) {
    let end = line.char_indices().nth(LINE_MAX).map(|(at, _)| at);
    out.push_str(&line[..end.unwrap_or(line.len())]);
    if end.is_some() {
        out.push_str(if color { "\x1b[0m ..." } else { " ..." });
    }
    out.push('\n');
}

/// A problem in the form the renderer wants.
#[derive(Debug)]
struct Report<'a> {
    problem: &'a Problem,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A file without text has no line to show, and is named here.
        if self.problem.at.is_file() && self.problem.text().is_empty() {
            write!(f, "{}: ", self.problem.file())?;
        }
        f.write_str(&self.problem.message)
    }
}

/// The text with its name and, unlike the renderer's own, a column that counts characters.
impl SourceCode for Report<'_> {
    fn read_span<'b>(
        &'b self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'b> + 'b>, MietteError> {
        let read = self.problem.text().read_span(span, before, after)?;
        // Only without lines around it is this the place of the problem.
        let is_place = before == 0 && after == 0;
        let column = if is_place { self.problem.column() - 1 } else { read.column() };
        Ok(Box::new(MietteSpanContents::new_named(
            self.problem.file().to_owned(),
            read.data(),
            *read.span(),
            read.line(),
            column,
            read.line_count(),
        )))
    }
}

impl Error for Report<'_> {}

impl Diagnostic for Report<'_> {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.problem.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
            Severity::Note => miette::Severity::Advice,
        })
    }

    fn help<'h>(&'h self) -> Option<Box<dyn fmt::Display + 'h>> {
        self.problem.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        (!self.problem.text().is_empty()).then_some(self as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.problem.span();
        let span = SourceSpan::new(span.start.into(), span.len());
        Some(Box::new(std::iter::once(LabeledSpan::new_primary_with_span(None, span))))
    }
}
