//! Keys and passwords that would be sent: by the names of files, and by their lines. Values are never shown.

/// Longest file whose content is looked at, in bytes. Keys are short; what is longer is data.
pub const LOOKED_AT_MAX: u64 = 4 << 20;
/// Shortest value that can be a key, in bytes: shorter words of a text often follow `token:`.
const KEY_MIN: usize = 20;
/// Bits of a letter, on average, from which on a value looks random. English words have less than 3.5, keys of base 64 about 4.5.
const BITS_MIN: f64 = 3.5;
/// Parts of names that have secrets as values.
const SECRET_NAMES: [&str; 6] = ["key", "secret", "token", "passw", "pwd", "credential"];
/// Words that make a line one that could hold a secret.
const MENTIONS: [&str; 8] =
    ["secret", "token", "passw", "pwd", "credential", "bearer", "authorization", "apikey"];
/// How the first line of a private key ends.
const PRIVATE: &str = "PRIVATE KEY-----";
/// Ends of names of files that hold keys.
const NAMES: [&str; 6] = [".pem", ".key", ".kdbx", ".p12", ".pfx", ".jks"];

/// Whether the name of a file says that it holds secrets.
pub fn is_secret_name(path: &[u8]) -> bool {
    let name = String::from_utf8_lossy(super::inventory::last(path)).to_ascii_lowercase();
    let is_id = name.starts_with("id_") && !name.contains('.');
    let is_env = name == ".env" || name.starts_with(".env.") && !name.ends_with(".example");
    let kept = name.strip_prefix("credentials");
    let is_kept = kept.is_some_and(|end| end.is_empty() || end.starts_with('.') && end != ".rs");
    is_id || is_env || is_kept || NAMES.iter().any(|end| name.ends_with(end))
}

/// The lines, from 1, that hold what looks like a secret.
pub fn secret_lines(content: &[u8]) -> Vec<usize> {
    // Pictures and programs are no text.
    if content.iter().take(8192).any(|byte| *byte == 0) {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(content);
    let lines = (1..).zip(text.lines());
    lines.filter(|(_, line)| is_private_key(line) || has_secret(line)).map(|(n, _)| n).collect()
}

/// Whether a line could hold a secret. A wider net than [`secret_lines`], for lines that would be shown to people: better one
/// line too few than one too many.
pub fn could_be_secret(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    let named = MENTIONS.iter().any(|word| lower.contains(word)) || gives_key(&lower);
    named || is_private_key(line) || has_login(&lower) || line.split(outside).any(is_random_word)
}

/// A name with `key` in it, `=` or `:`, and anything.
fn gives_key(line: &str) -> bool {
    line.match_indices(['=', ':']).any(|(at, _)| {
        let name = line[..at].trim_end_matches([' ', '"', '\'', ':']);
        let last = name.rsplit(|c: char| !(c.is_alphanumeric() || "_-.".contains(c))).next();
        last.is_some_and(|name| name.contains("key")) && !value(&line[at + 1..]).is_empty()
    })
}

/// An address with a user or a password in it.
fn has_login(line: &str) -> bool {
    line.split("://").skip(1).any(|rest| {
        let end = rest.find(|c: char| c.is_whitespace() || "/'\"".contains(c));
        rest[..end.unwrap_or(rest.len())].contains('@')
    })
}

fn outside(c: char) -> bool {
    !(c.is_ascii_alphanumeric() || "+/=".contains(c))
}

/// A word by itself that looks random, and is not a path.
fn is_random_word(word: &str) -> bool {
    looks_random(word) && word.matches('/').count() * 8 <= word.len()
}

fn is_private_key(line: &str) -> bool {
    line.find("-----BEGIN ").is_some_and(|at| line[at..].contains(PRIVATE))
}

/// The name of a secret, `=` or `:`, and a value that looks random.
fn has_secret(line: &str) -> bool {
    line.match_indices(['=', ':']).any(|(at, _)| {
        let name: String = line[..at].to_ascii_lowercase();
        let name = name.trim_end_matches([' ', '"', '\'', ':']);
        let last = name.rsplit(|c: char| !(c.is_alphanumeric() || "_-.".contains(c))).next();
        let is_secret =
            last.is_some_and(|name| SECRET_NAMES.iter().any(|part| name.contains(part)));
        is_secret && looks_random(value(&line[at + 1..]))
    })
}

/// The first word, without quotes.
fn value(text: &str) -> &str {
    let text = text.trim_start_matches([' ', '"', '\'', '=', '>']);
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "+/_-=.".contains(c)));
    &text[..end.unwrap_or(text.len())]
}

fn looks_random(value: &str) -> bool {
    let mixed =
        value.bytes().any(|b| b.is_ascii_digit()) && value.bytes().any(|b| b.is_ascii_alphabetic());
    value.len() >= KEY_MIN && mixed && bits(value) >= BITS_MIN
}

/// Bits of a letter, on average.
fn bits(value: &str) -> f64 {
    let mut counts = std::collections::BTreeMap::<u8, u32>::new();
    value.bytes().for_each(|byte| *counts.entry(byte).or_default() += 1);
    let all = value.len() as f64;
    let share = |count: &u32| f64::from(*count) / all;
    counts.values().map(|count| -share(count) * share(count).log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets() {
        for path in [
            "a/.env",
            ".env.prod",
            "x.pem",
            "id_rsa",
            "k/id_ed25519",
            "a.key",
            "credentials.json",
            "v.KDBX",
        ] {
            assert!(is_secret_name(path.as_bytes()), "{path}");
        }
        for path in
            ["ids.rs", "id_map.py", ".env.example", "keys.rs", "credentials.rs", "env", "monkey"]
        {
            assert!(!is_secret_name(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn lines_with_secrets() {
        let drawn = ["q9Zt3", "Lm4Xc", "V8nB2", "kR7wP"].concat();
        let begin = format!("-----BEGIN OPENSSH {PRIVATE}");
        for line in [
            format!("API_SECRET={drawn}"),
            format!("  \"apiKey\": \"{drawn}\","),
            format!("token: {drawn}"),
            format!("let password = '{drawn}';"),
            begin,
        ] {
            assert_eq!(secret_lines(format!("x\n{line}\n").as_bytes()), [2], "{line}");
        }
        for line in [
            "API_SECRET=".to_owned(),
            "API_SECRET=${API_SECRET}".to_owned(),
            "secret = read_the_secret_from_the_vault()".to_owned(),
            format!("hash = \"{drawn}\""),
            "key = \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaa1\"".to_owned(),
        ] {
            assert!(secret_lines(line.as_bytes()).is_empty(), "{line}");
        }
        assert!(secret_lines(format!("\0token={drawn}").as_bytes()).is_empty());
    }

    #[test]
    fn lines_that_are_better_not_shown() {
        let drawn = ["q9Zt3", "Lm4Xc", "V8nB2", "kR7wP"].concat();
        for line in [
            "PASSWORD=x".to_owned(),
            "curl --password x".to_owned(),
            "api_key: 'x'".to_owned(),
            "  \"signing-key\": \"x\",".to_owned(),
            "Authorization: Basic eA==".to_owned(),
            "url = http://me:x@host/".to_owned(),
            drawn,
        ] {
            assert!(could_be_secret(&line), "{line}");
        }
        for line in [
            "print(1)",
            "for key in rows:",
            "fn get(key: &str)",
            "let path = \"tests/it/support/sim_disk2.rs\";",
            "see https://example.org/a@b",
            "",
        ] {
            assert!(!could_be_secret(line), "{line}");
        }
    }
}
