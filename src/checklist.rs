//! A list of checks: what was checked, how it went, and what to type next. One type, one layout and one document for everything that
//! checks: `check`, `healthcheck`, `preflight`, `doctor`, and the findings of a deploy.

use std::fmt::Write as _;

use serde::Serialize;

use crate::domain::text::plain;

/// Most pieces of evidence that one check names; the rest is counted.
pub const EVIDENCE_MAX: usize = 10;
/// Columns of a terminal that texts are broken for.
const COLUMNS: usize = 80;
/// Longest name that the others are aligned with.
const NAME_MAX: usize = 18;
/// Least room for what was found, however long the names are.
const ROOM_MIN: usize = 24;

/// How a check went. The later ones are worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Not made, or nothing to judge.
    Skipped,
    /// As it must be.
    Ok,
    /// It works, and a person should look.
    Warn,
    /// A person must act.
    Fail,
}

impl Level {
    /// Every one of them.
    pub const ALL: [Self; 4] = [Self::Skipped, Self::Ok, Self::Warn, Self::Fail];

    /// How it is written, in texts and in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }

    /// Its colour on a terminal, beside the word.
    const fn colour(self) -> &'static str {
        match self {
            Self::Skipped => "\x1b[2m",
            Self::Ok => "\x1b[32m",
            Self::Warn => "\x1b[1;33m",
            Self::Fail => "\x1b[1;31m",
        }
    }
}

/// What ends a colour.
const PLAIN: &str = "\x1b[0m";

/// How a text is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Drawing {
    pub colour: bool,
    /// Broken into lines of 80 columns, for a terminal; a text that programs read has one line per sentence.
    pub broken: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckItem {
    /// The part of the job it belongs to, where a job has parts.
    pub part: Option<&'static str>,
    /// What was checked.
    pub name: String,
    pub level: Level,
    /// What it is judged by.
    pub limit: String,
    pub value: String,
    /// Paths, lines or names that it is about: the first few.
    pub evidence: Vec<String>,
    /// How many there are.
    pub count: usize,
    /// The command to run next: it shows more, or helps.
    pub next: Option<String>,
}

impl CheckItem {
    /// A check without a limit, evidence and advice.
    pub fn new(name: impl Into<String>, level: Level, value: impl Into<String>) -> Self {
        Self {
            part: None,
            name: name.into(),
            level,
            limit: String::new(),
            value: value.into(),
            evidence: Vec::new(),
            count: 0,
            next: None,
        }
    }

    /// A check that was not made.
    pub fn skipped(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(name, Level::Skipped, why)
    }

    /// Of a part of its job.
    pub fn part(self, part: &'static str) -> Self {
        Self { part: Some(part), ..self }
    }

    /// With what it is judged by.
    pub fn limit(self, limit: impl Into<String>) -> Self {
        Self { limit: limit.into(), ..self }
    }

    /// With the first of what it is about, and how many there are.
    pub fn evidence(mut self, mut all: Vec<String>) -> Self {
        self.count = all.len();
        all.truncate(EVIDENCE_MAX);
        self.evidence = all;
        self
    }

    /// With the command that helps, where it did not go well.
    pub fn next(mut self, command: impl Into<String>) -> Self {
        if self.level >= Level::Warn {
            self.next = Some(command.into());
        }
        self
    }

    /// No worse than a warning.
    pub fn softened(mut self) -> Self {
        self.level = self.level.min(Level::Warn);
        self
    }
}

/// Checks in the order they were made, and the worst level among them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checklist {
    /// The worst level, `ok` at least.
    pub level: Level,
    /// In the order they were made.
    pub checks: Vec<CheckItem>,
}

impl Checklist {
    /// The worst check decides.
    pub fn new(checks: Vec<CheckItem>) -> Self {
        let level = checks.iter().map(|check| check.level).fold(Level::Ok, Level::max);
        Self { level, checks }
    }

    /// The first of the worst checks, when one did not go well.
    pub fn worst(&self) -> Option<&CheckItem> {
        self.checks.iter().find(|check| check.level == self.level && check.level >= Level::Warn)
    }

    /// Names of the checks of a level.
    fn names(&self, level: Level) -> Vec<&str> {
        let of = self.checks.iter().filter(|check| check.level == level);
        of.map(|check| check.name.as_str()).collect()
    }

    /// One line: the worst level, how many checks there are, and the names of those that failed or warned.
    pub fn summary(&self) -> String {
        let mut text = format!("{}: {} checks", self.level.name(), self.checks.len());
        for (what, level) in [("failed", Level::Fail), ("warned", Level::Warn)] {
            let names = self.names(level);
            if !names.is_empty() {
                let _ = write!(text, "; {what}: {}", names.join(", "));
            }
        }
        text
    }

    /// The level, the name and what was found of each check; below it what it is about, what it is judged by, and what to type next,
    /// where it did not go well.
    pub fn text(&self, drawing: Drawing) -> String {
        let widest =
            |width: fn(&CheckItem) -> usize| self.checks.iter().map(width).max().unwrap_or(0);
        let level_width = widest(|check| check.level.name().len());
        let name_width = widest(|check| check.name.chars().count()).min(NAME_MAX);
        let indent = level_width + name_width + 4;
        let room =
            if drawing.broken { COLUMNS.saturating_sub(indent).max(ROOM_MIN) } else { usize::MAX };
        let mut text = String::new();
        for check in &self.checks {
            let CheckItem { name, level, limit, value, evidence, count, next, .. } = check;
            let word = level.name();
            let gap = " ".repeat(level_width - word.len());
            let level_text = if drawing.colour {
                format!("{}{word}{PLAIN}{gap}", level.colour())
            } else {
                format!("{word}{gap}")
            };
            let mut lines = lines_of(value, room);
            let is_bad = *level >= Level::Warn;
            lines.extend(evidence.iter().map(|one| plain(one)));
            if let more @ 1.. = count.saturating_sub(evidence.len()) {
                lines.push(format!("and {more} more"));
            }
            if is_bad && !limit.is_empty() {
                lines.extend(labelled("wanted: ", limit, room));
            }
            // A command is never broken: it is to be copied.
            lines.extend(next.iter().map(|next| format!("next:   {}", plain(next))));
            let mut lines = lines.into_iter();
            let first = lines.next().unwrap_or_default();
            let head = format!("{level_text}  {:<name_width$}  {first}", plain(name));
            let _ = writeln!(text, "{}", head.trim_end());
            for line in lines {
                let _ = writeln!(text, "{:indent$}{line}", "");
            }
        }
        text
    }
}

/// A label before a text, and its further lines below the text.
fn labelled(label: &str, text: &str, room: usize) -> Vec<String> {
    let inside = lines_of(text, room.saturating_sub(label.len()).max(ROOM_MIN / 2));
    let blank = " ".repeat(label.len());
    let line =
        |(n, line): (usize, String)| format!("{}{line}", if n == 0 { label } else { &blank });
    inside.into_iter().enumerate().map(line).collect()
}

/// The lines of a text, each broken at blanks where it is longer than the room.
fn lines_of(text: &str, room: usize) -> Vec<String> {
    text.lines().flat_map(|line| broken(&plain(line), room)).collect()
}

/// A word that is longer than the room gets a line of its own, and is not broken.
fn broken(line: &str, room: usize) -> Vec<String> {
    if line.chars().count() <= room {
        return vec![line.to_owned()];
    }
    let (mut lines, mut now, mut width) = (Vec::new(), String::new(), 0);
    for word in line.split_whitespace() {
        let size = word.chars().count();
        if width > 0 && width + 1 + size > room {
            lines.push(std::mem::take(&mut now));
            width = 0;
        }
        if width > 0 {
            now.push(' ');
            width += 1;
        }
        now.push_str(word);
        width += size;
    }
    lines.push(now);
    lines
}

/// A text without the colours of [`Checklist::text`].
pub fn without_colour(text: &str) -> String {
    let colours = Level::ALL.map(Level::colour);
    let mut plain = text.replace(PLAIN, "");
    for colour in colours {
        plain = plain.replace(colour, "");
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> Checklist {
        let found =
            "2024-01-01T18:00:00Z, 13m ago; a ledger of recorded time is judged with -p at=TIME";
        Checklist::new(vec![
            CheckItem::new("ledger", Level::Ok, "218 rows").limit("whole, in order").next("never shown"),
            CheckItem::new("decisions", Level::Fail, found)
                .limit("within 12m")
                .next("runner logs live_20240101_180000_000_4242 --a-command-is-longer-than-a-line-and-is-not-broken"),
            CheckItem::new("owners", Level::Warn, "of another\x1b[2J user")
                .evidence((0..12).map(|n| format!("file {n}")).collect()),
            CheckItem::skipped("fold", "not asked for"),
        ])
    }

    #[test]
    fn a_list_is_laid_out_in_columns() {
        let text = list().text(Drawing::default());
        let expected = "\
ok       ledger     218 rows
fail     decisions  2024-01-01T18:00:00Z, 13m ago; a ledger of recorded time is judged with -p at=TIME
                    wanted: within 12m
                    next:   runner logs live_20240101_180000_000_4242 --a-command-is-longer-than-a-line-and-is-not-broken
warn     owners     of another\u{fffd}[2J user
                    file 0
                    file 1
                    file 2
                    file 3
                    file 4
                    file 5
                    file 6
                    file 7
                    file 8
                    file 9
                    and 2 more
skipped  fold       not asked for
";
        assert_eq!(text, expected);
        assert_eq!(list().summary(), "fail: 4 checks; failed: decisions; warned: owners");
        assert_eq!(list().worst().unwrap().name, "decisions");
    }

    #[test]
    fn a_terminal_gets_short_lines_and_colours_beside_words() {
        let drawn = list().text(Drawing { colour: true, broken: true });
        assert!(drawn.contains("\x1b[1;31mfail\x1b[0m     decisions  2024"), "{drawn}");
        let plain = without_colour(&drawn);
        assert_eq!(plain, list().text(Drawing { colour: false, broken: true }));
        let long: Vec<&str> = plain.lines().filter(|line| line.chars().count() > 80).collect();
        assert!(
            matches!(long[..], [next] if next.trim().starts_with("next:   runner logs")),
            "{long:?}"
        );
        assert!(
            plain.contains("a ledger of recorded time is\n                    judged with"),
            "{plain}"
        );
    }

    #[test]
    fn the_worst_level_decides() {
        let of = |levels: &[Level]| {
            Checklist::new(levels.iter().map(|level| CheckItem::new("x", *level, "")).collect())
                .level
        };
        assert_eq!(of(&[]), Level::Ok);
        assert_eq!(of(&[Level::Skipped]), Level::Ok);
        assert_eq!(of(&[Level::Ok, Level::Fail, Level::Warn]), Level::Fail);
        assert_eq!(CheckItem::new("x", Level::Fail, "").softened().level, Level::Warn);
        assert_eq!(CheckItem::skipped("x", "").softened().level, Level::Skipped);
    }
}
