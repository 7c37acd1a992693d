//! What lists of checks have in common: how they are summed up and laid out, whatever is checked.

use std::fmt::Write as _;

/// One check as it is shown.
pub struct Shown<'a> {
    /// What was checked.
    pub name: &'a str,
    /// How it went.
    pub level: &'a str,
    /// What it is judged by.
    pub limit: &'a str,
    /// What was found.
    pub found: &'a str,
    /// A command that helps.
    pub next: Option<&'a str>,
}

/// One line: the worst level, how many checks there are, and the names of those that failed or warned.
pub fn summary(level: &str, checks: usize, failed: &[&str], warned: &[&str]) -> String {
    let mut text = format!("{level}: {checks} checks");
    for (what, names) in [("failed", failed), ("warned", warned)] {
        if !names.is_empty() {
            let _ = write!(text, "; {what}: {}", names.join(", "));
        }
    }
    text
}

/// One line per check in columns, and its advice below it. Levels are padded to `level_width` letters.
pub fn table(level_width: usize, checks: &[Shown<'_>]) -> String {
    let widest =
        |least, width: fn(&Shown<'_>) -> usize| checks.iter().map(width).fold(least, usize::max);
    let name = widest("check".len(), |check| check.name.chars().count());
    let limit = widest("limit".len(), |check| check.limit.chars().count());
    let mut text = String::new();
    let mut row = |[a, b, c, d]: [&str; 4]| {
        let line = format!("{a:<name$}  {b:<level_width$}  {c:<limit$}  {d}");
        let _ = writeln!(text, "{}", line.trim_end());
    };
    row(["check", "level", "limit", "found"]);
    for check in checks {
        row([check.name, check.level, check.limit, check.found]);
        if let Some(next) = check.next {
            row(["", "next:", next, ""]);
        }
    }
    text
}
