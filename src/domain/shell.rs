//! Words for a shell: for lines that people type again, and for the one that ssh hands to the shell on the other side.

/// A word that every POSIX shell reads as exactly this text.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-=:".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
