//! DriftKind drifted, as a table with the differences below it, and as a document. Lines that could hold a secret are not shown.

use std::{collections::BTreeSet, fmt::Write as _, time::Duration};

use serde::Serialize;
use serde_json::{Value, json};
use similar::TextDiff;
use thiserror::Error;

use super::compare::{DriftKind, Drifted};
use crate::{
    checklist::{Checklist, Drawing},
    jobs::deploy::{
        deployed::Deployed, git::could_be_secret, inventory::shown, programs::CommandError,
    },
    store::document::document,
};

/// Name and version of `drift.json`.
const SCHEMA: &str = "mjolnir.drift/2";
/// Most lines of the table; the document has all of them.
const ROWS_MAX: usize = 100;

/// Shown for a line that could hold a secret.
const SAME: &str = "(a line that could hold a secret)";
/// The same, where it is not what it was.
const OTHER: &str = "(a line that could hold a secret, and was changed)";
/// Longest line that is shown, in characters.
const LINE_MAX: usize = 240;

/// Lines of context around a change, as diff(1) shows them.
const CONTEXT: usize = 3;
/// The longest that one comparison may take. After it a coarser difference is shown.
const DIFF_MAX: Duration = Duration::from_secs(5);

/// What can be shown of a difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// Lines of a unified diff, and how many more there are.
    Lines(Vec<String>, usize),
    NotShown(NotShown),
}

/// Why a difference is not shown.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotShown {
    /// Its path is not UTF-8.
    #[error("its name is not text")]
    OddName,
    /// The name of the file.
    #[error("it is named like a secret")]
    SecretName,
    /// Lines of the file.
    #[error("it holds lines that look like a secret")]
    SecretLines,
    /// It was not deployed, or it is gone.
    #[error("it is on one side only")]
    OneSide,
    #[error("it is a link")]
    Link,
    /// Longer than `drift.diff-bytes-max`.
    #[error("it is larger than {0}")]
    TooLarge(String),
    /// Behind the first `drift.diff-files-max` files.
    #[error("drift.diff-files-max is {0}")]
    TooMany(u32),
    /// `deploy-check.source` is missing.
    #[error("the source it was deployed from is not here")]
    NoSource,
    /// The commit is unknown here, or has no such file.
    #[error("git has no such file of the deployed commit here")]
    NotInGit,
    /// git converts line ends, or the note was edited.
    #[error("git has other content of the deployed commit")]
    OtherInGit,
    /// Its hash is another one than in the list.
    #[error("it changed while it was looked at")]
    ChangedMeanwhile,
    /// It is binary.
    #[error("it is not text")]
    NotText,
    /// Nothing is left of the difference without the lines that are covered.
    #[error("only what is not shown differs")]
    OnlyHidden,
    /// A program did not give it.
    #[error(transparent)]
    Command(CommandError),
}

/// All that is reported.
#[derive(Debug)]
pub struct DriftReport {
    pub target: String,
    /// DriftKind was deployed last; `None` when nothing is known to be.
    pub deployed: Option<Deployed>,
    /// DriftKind is not as it was deployed, with what can be shown of it.
    pub drifted: Vec<(Drifted, Option<Difference>)>,
    /// Why the target could not be looked at.
    pub findings: Checklist,
    /// DriftKind else there is to say.
    pub notes: Vec<String>,
    /// A command to look closer.
    pub next: String,
}

/// The heads of the document.
#[derive(Debug, Serialize)]
struct Head<'a> {
    commit: &'a str,
    build: &'a str,
    deployed_at: &'a str,
}

impl DriftReport {
    fn count(&self, what: DriftKind) -> usize {
        self.drifted.iter().filter(|(one, _)| one.what == what).count()
    }

    /// Such as `1 edited, 2 stray`.
    fn counts(&self) -> String {
        let all = DriftKind::ALL.map(|what| (self.count(what), what.name()));
        let some = all.iter().filter(|(count, _)| *count > 0);
        let words: Vec<String> = some.map(|(count, name)| format!("{count} {name}")).collect();
        words.join(", ")
    }

    pub fn summary(&self) -> String {
        if !self.findings.checks.is_empty() {
            let names: Vec<&str> =
                self.findings.checks.iter().map(|one| one.name.as_str()).collect();
            return format!("the target could not be looked at: {}", names.join(", "));
        }
        let Some(deployed) = &self.deployed else {
            return "no deploy to this target is known".to_owned();
        };
        let short = deployed.commit.get(..12).unwrap_or_default();
        match self.drifted.as_slice() {
            [] => format!("no drift: it is {short} as deployed at {}", deployed.at),
            [(first, _), rest @ ..] => {
                let more = if rest.is_empty() {
                    String::new()
                } else {
                    format!(" and {} more", rest.len())
                };
                let name = first.name();
                format!("drift from {short}: {}; {name}{more}", self.counts())
            }
        }
    }

    /// The table, and the differences below it.
    pub fn text(&self, drawing: Drawing) -> String {
        let mut text = format!("{}: {}\n\n", self.target, self.summary());
        text.push_str(&self.findings.text(drawing));
        for (one, _) in self.drifted.iter().take(ROWS_MAX) {
            let _ = writeln!(text, "{:<12} {}: {}", one.what.name(), one.name(), one.described());
        }
        if let more @ 1.. = self.drifted.len().saturating_sub(ROWS_MAX) {
            let _ = writeln!(text, "{:<12} and {more} more", "");
        }
        if !self.drifted.is_empty() {
            let _ = writeln!(text, "{:<12} next: {}", "", self.next);
        }
        for (one, difference) in &self.drifted {
            let name = one.name();
            match difference {
                Some(Difference::Lines(lines, more)) => {
                    let _ = writeln!(text, "\n--- deployed {name}\n+++ there    {name}");
                    for line in lines {
                        let _ = writeln!(text, "{line}");
                    }
                    if *more > 0 {
                        let _ = writeln!(text, "({more} more lines)");
                    }
                }
                Some(Difference::NotShown(why)) => {
                    let _ = writeln!(text, "\n{name}: the difference is not shown: {why}");
                }
                None => {}
            }
        }
        for note in &self.notes {
            let _ = writeln!(text, "note: {note}");
        }
        text
    }

    /// The text of `drift.json`.
    pub fn to_json(&self) -> String {
        let head = self.deployed.as_ref().map(|deployed| Head {
            commit: &deployed.commit,
            build: &deployed.build,
            deployed_at: &deployed.at,
        });
        let counts: serde_json::Map<String, Value> = DriftKind::ALL
            .iter()
            .map(|what| (what.name().to_owned(), json!(self.count(*what))))
            .collect();
        let drifted: Vec<Value> = self.drifted.iter().map(row).collect();
        let report = json!({
            "schema": SCHEMA, "target": self.target, "deployed": head, "counts": counts, "drifted": drifted,
            "checks": self.findings.checks, "notes": self.notes,
        });
        document(&report)
    }
}

fn row((one, difference): &(Drifted, Option<Difference>)) -> Value {
    let mut row = json!({
        "path": one.name(), "what": one.what, "was": one.was, "now": one.now, "files_inside": one.inside,
    });
    match difference {
        Some(Difference::Lines(lines, more)) => {
            row["diff"] = json!(lines);
            row["diff_lines_cut"] = json!(more);
        }
        Some(Difference::NotShown(why)) => row["diff_not_shown"] = json!(why.to_string()),
        None => {}
    }
    row
}

/// The lines of a unified diff of two texts, without lines that could hold a secret.
pub fn unified(was: &str, is: &str) -> Vec<String> {
    let (was, is) = masked(was, is);
    // Lines end at a line feed alone, as git has it: a lone return is part of a line, and is shown.
    let lines = |text| str::split_inclusive(text, '\n').collect::<Vec<&str>>();
    let (was, is) = (lines(&was), lines(&is));
    let mut config = TextDiff::configure();
    config.timeout(DIFF_MAX).newline_terminated(true);
    let diff = config.diff_slices(&was, &is);
    let text = diff.unified_diff().context_radius(CONTEXT).to_string();
    let lines = text.strip_suffix('\n').unwrap_or(&text).split('\n');
    lines.filter(|line| !line.is_empty()).map(|line| visible(line.as_bytes())).collect()
}

/// Both texts without lines that could hold a secret. Whether such a line was changed is still seen.
fn masked(was: &str, is: &str) -> (String, String) {
    let known: BTreeSet<&str> = was.lines().filter(|line| could_be_secret(line)).collect();
    let hide = |text: &str, mask: fn(&BTreeSet<&str>, &str) -> &'static str| {
        let lines = text.split_inclusive('\n').map(|line| {
            let bare = line.trim_end_matches(['\n', '\r']);
            if could_be_secret(bare) {
                format!("{}{}", mask(&known, bare), &line[bare.len()..])
            } else {
                line.to_owned()
            }
        });
        lines.collect::<String>()
    };
    let is = hide(is, |known, line| if known.contains(line) { SAME } else { OTHER });
    (hide(was, |_, _| SAME), is)
}

/// A line as people get to see it: what would move a cursor or turn the direction of writing is escaped, long ones are cut.
fn visible(line: &[u8]) -> String {
    let pieces: Vec<String> = line.split(|byte| *byte == b'\t').map(shown).collect();
    let mut text = String::new();
    for c in pieces.join("\t").chars() {
        if turns(c) {
            text.extend(c.escape_unicode());
        } else {
            text.push(c);
        }
    }
    let more = text.chars().count().saturating_sub(LINE_MAX);
    if more == 0 {
        return text;
    }
    let start: String = text.chars().take(LINE_MAX).collect();
    format!("{start} ({more} more characters)")
}

/// Characters without a shape that change how others are shown.
fn turns(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_could_hold_a_secret_are_gone_and_a_change_of_them_is_not() {
        let (was, is) =
            masked("a = 1\nPASSWORD=one\ntoken: x\r\n", "a = 2\nPASSWORD=two\ntoken: x\r\n");
        assert_eq!(was, format!("a = 1\n{SAME}\n{SAME}\r\n"));
        assert_eq!(is, format!("a = 2\n{OTHER}\n{SAME}\r\n"));
        assert_eq!(masked("", "no end"), (String::new(), "no end".to_owned()));
    }

    #[test]
    fn a_difference_is_what_diff_prints() {
        let was = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n";
        let is = was.replace("2\n", "two\n").replace("10\n", "ten");
        // Printed by `diff -u` for these two texts.
        let expected = [
            "@@ -1,5 +1,5 @@",
            " 1",
            "-2",
            "+two",
            " 3",
            " 4",
            " 5",
            "@@ -7,4 +7,4 @@",
            " 7",
            " 8",
            " 9",
            "-10",
            "+ten",
            "\\ No newline at end of file",
        ];
        assert_eq!(unified(was, &is), expected);
        assert_eq!(unified("a\n", "b\n"), ["@@ -1 +1 @@", "-a", "+b"]);
        assert_eq!(unified("", "b\n"), ["@@ -0,0 +1 @@", "+b"]);
        assert_eq!(unified("a\rb\n", "a\rc\n"), ["@@ -1 +1 @@", "-a\\#015b", "+a\\#015c"]);
        let hidden = unified("token: one\n", "token: two\n");
        assert!(!hidden.concat().contains("one") && hidden.len() == 3, "{hidden:?}");
        assert!(unified("same\n", "same\n").is_empty());
    }

    #[test]
    fn what_would_disturb_a_terminal_is_escaped() {
        for (line, text) in [
            (&b"+\tx = 1"[..], "+\tx = 1"),
            (b"-a\x1b[2Jb\x07", "-a\\#033[2Jb\\#007"),
            (b"+\xff", "+\\#377"),
            (b"+x\r", "+x\\#015"),
            ("+a\u{202e}b".as_bytes(), "+a\\u{202e}b"),
        ] {
            assert_eq!(visible(line), text);
        }
        let long = visible("x".repeat(300).as_bytes());
        assert!(long.ends_with(" (60 more characters)"), "{long}");
    }
}
