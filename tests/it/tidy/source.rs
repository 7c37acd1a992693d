//! Reads Rust source just well enough to check its imports: code without comments and strings, and the paths in it.

/// The text with every comment, string and character literal blanked out, line breaks kept.
pub fn code_of(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = literal_end(&chars, at);
        if end == at {
            code.push(chars[at]);
            at += 1;
        } else {
            code.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    code
}

/// The contents of the string literals in the code, as they are written.
pub fn texts(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let (mut texts, mut at) = (Vec::new(), 0);
    while at < chars.len() {
        let end = literal_end(&chars, at);
        let literal: String = chars[at..end].iter().collect();
        let inside = literal.trim_start_matches('r').trim_matches('#');
        if let Some(inside) = inside.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            texts.push(inside.to_owned());
        }
        at = end.max(at + 1);
    }
    texts
}

/// Where the comment or literal that starts at `at` ends; `at` itself when none starts there.
fn literal_end(chars: &[char], at: usize) -> usize {
    let rest = &chars[at..];
    let starts = |text: &str| rest.iter().copied().take(text.len()).eq(text.chars());
    let after_word = at > 0 && is_word(chars[at - 1]);
    if starts("//") {
        at + rest.iter().position(|c| *c == '\n').unwrap_or(rest.len())
    } else if starts("/*") {
        at + find(rest, 2, "*/").map_or(rest.len(), |end| end + 2)
    } else if starts("\"") {
        at + quoted_end(rest, '"')
    } else if starts("r") && !after_word {
        raw_end(rest).map_or(at, |end| at + end)
    } else if starts("'\\") || (rest.first() == Some(&'\'') && rest.get(2) == Some(&'\'')) {
        at + quoted_end(rest, '\'')
    } else {
        at
    }
}

fn quoted_end(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

fn raw_end(rest: &[char]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return None;
    }
    let close = format!("\"{}", "#".repeat(hashes));
    Some(find(rest, 2 + hashes, &close).map_or(rest.len(), |end| end + close.len()))
}

fn find(rest: &[char], from: usize, text: &str) -> Option<usize> {
    (from..rest.len()).find(|at| rest[*at..].iter().copied().take(text.len()).eq(text.chars()))
}

/// Whether a character can stand in an identifier.
pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Every path in the code with at least two segments, `use` trees spread out: `use a::{b, c::d};` gives `a::b` and `a::c::d`.
/// A plain `use a;` gives `a::self`.
pub fn paths(code: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = code;
    while let Some((before, tree, after)) = next_use(rest) {
        chains(before, &mut out);
        spread("", tree, &mut out);
        rest = after;
    }
    chains(rest, &mut out);
    out
}

/// The first `use ...;` in the code, and what stands before and after it.
fn next_use(code: &str) -> Option<(&str, &str, &str)> {
    let starts = code.match_indices("use ").map(|(at, _)| at);
    let at = starts.into_iter().find(|at| !code[..*at].ends_with(is_word))?;
    let (tree, after) = code[at + 4..].split_once(';')?;
    Some((&code[..at], tree, after))
}

fn spread(prefix: &str, tree: &str, out: &mut Vec<String>) {
    for item in split_top(tree) {
        let item = item.trim();
        if let Some((head, group)) = item.split_once('{') {
            let group = group.trim_end().strip_suffix('}').unwrap_or(group);
            spread(&format!("{prefix}{}", head.trim()), group, out);
            continue;
        }
        let name = item.split(" as ").next().unwrap_or(item).trim();
        if name.is_empty() {
            continue;
        }
        let path = format!("{prefix}{name}").trim_start_matches(':').to_owned();
        out.push(if path.contains("::") { path } else { format!("{path}::self") });
    }
}

/// The parts between the commas that no brace encloses.
fn split_top(tree: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut from) = (Vec::new(), 0, 0);
    for (at, c) in tree.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&tree[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&tree[from..]);
    parts
}

fn chains(code: &str, out: &mut Vec<String>) {
    let tokens = code.split(|c: char| !is_word(c) && c != ':');
    for token in tokens {
        let chain = token.trim_matches(':');
        if chain.contains("::") {
            out.push(chain.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_no_code() {
        for (text, code) in [
            ("a // b::c\nd", "a _______\nd"),
            ("a /* b\n */ c", "a ____\n___ c"),
            ("f(\"a::b \\\" c\", x)", "f(___________, x)"),
            ("f(r#\"a\"b\"#, x)", "f(________, x)"),
            ("for<'a> &'a str", "for<'a> &'a str"),
            ("m('\"', '\\'', 'x')", "m(___, ____, ___)"),
            ("bar\"x\"", "bar___"),
        ] {
            assert_eq!(code_of(text), code.replace('_', " "), "{text}");
        }
    }

    #[test]
    fn paths_are_found_in_imports_and_in_code() {
        let code = "use std::{fs, time::{Duration, Instant as I}};\npub use serde;\nlet x: csv::Reader<crate::store::Disk> = \
                    <T as A>::go(reuse::it::<u8>(), ::csv::Writer);\nuse ::toml::de;";
        let expected = [
            "std::fs",
            "std::time::Duration",
            "std::time::Instant",
            "serde::self",
            "csv::Reader",
            "crate::store::Disk",
            "reuse::it",
            "csv::Writer",
            "toml::de",
        ];
        assert_eq!(paths(code), expected);
    }
}
