//! Two texts that may be shown: without lines that could hold a secret, and without characters that would disturb a terminal.

use std::collections::BTreeSet;

use crate::jobs::deploy::{names::shown, secrets::may_tell};

/// Stands for a line that could hold a secret.
const SAME: &str = "(a line that could hold a secret)";
/// The same, where it is not what it was.
const OTHER: &str = "(a line that could hold a secret, and was changed)";
/// Longest line that is shown, in characters.
const LINE_MAX: usize = 240;

/// Both texts without such lines. Whether one of them was changed can still be told.
pub fn masked(was: &str, is: &str) -> (String, String) {
    let known: BTreeSet<&str> = was.lines().filter(|line| may_tell(line)).collect();
    let hide = |text: &str, mask: fn(&BTreeSet<&str>, &str) -> &'static str| {
        let lines = text.split_inclusive('\n').map(|line| {
            let bare = line.trim_end_matches(['\n', '\r']);
            if may_tell(bare) {
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
pub fn visible(line: &[u8]) -> String {
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
