//! What another folder can call fails with a type: a caller can ask a type what happened, and its words are in one place.

use super::{
    production_files,
    source::{code_of, is_word},
    split_tests,
};

/// The code from an item's keyword to its body or its end, which a bracket does not hide.
fn signature(code: &str) -> &str {
    let mut depth = 0_u32;
    let end = code.find(|c: char| {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && matches!(c, '{' | ';')
    });
    &code[..end.unwrap_or(code.len())]
}

/// The text between the bracket before `code` and the one that closes it, cut at its own commas.
fn arguments(code: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut from, mut before) = (Vec::new(), 0_u32, 0, ' ');
    for (at, c) in code.char_indices() {
        match c {
            // The arrow of a closure does not close anything.
            '>' if before == '-' => {}
            '<' | '(' | '[' => depth += 1,
            '>' | ')' | ']' if depth == 0 => {
                parts.push(code[from..at].trim());
                return parts;
            }
            '>' | ')' | ']' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(code[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
        before = c;
    }
    parts
}

/// Whether a signature has a result whose error is a text.
fn fails_with_text(signature: &str) -> bool {
    signature.split("Result<").skip(1).any(|after| matches!(arguments(after)[..], [_, "String"]))
}

/// The rest of the code from each place where a word begins, with what is before it in its item.
fn items<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    code.match_indices(word).filter_map(move |(at, _)| {
        let (before, rest) = code.split_at(at);
        let begins = before.rfind(['{', '}', ';', ']']).map_or(0, |end| end + 1);
        (!before.ends_with(is_word)).then_some((&before[begins..], rest))
    })
}

fn is_shown(before: &str) -> bool {
    let word = before.trim_start();
    word.starts_with("pub") && !word.starts_with("pub(super)")
}

/// The body of an item, from its first brace to the one that closes it.
fn body(rest: &str) -> &str {
    let start = rest.find('{').unwrap_or(rest.len());
    let mut depth = 0_u32;
    let end = rest[start..].find(|c: char| {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    &rest[start..end.map_or(rest.len(), |end| start + end)]
}

fn name(rest: &str) -> String {
    let word = rest.split_whitespace().nth(1).unwrap_or_default();
    word.chars().take_while(|c| is_word(*c)).collect()
}

/// The functions and types of a file that other folders see and that fail with a text.
fn text_errors(text: &str) -> Vec<String> {
    let (production, _) = split_tests(text);
    let code = code_of(production);
    let is_text = |(_, rest): &(&str, &str)| fails_with_text(signature(rest));
    let shown = |word| items(&code, word).filter(|(before, _)| is_shown(before)).filter(is_text);
    let mut found: Vec<String> =
        shown("fn ").chain(shown("type ")).map(|(_, rest)| name(rest)).collect();
    for (_, rest) in items(&code, "trait ").filter(|(before, _)| is_shown(before)) {
        let body = body(rest);
        found.extend(items(body, "fn ").filter(is_text).map(|(_, rest)| name(rest)));
    }
    for item in ["type Err = String;", "type Error = String;"] {
        found.extend(code.contains(item).then(|| item.to_owned()));
    }
    found
}

#[test]
fn no_folder_fails_with_a_text() {
    let files = production_files();
    let lines: Vec<String> = files
        .iter()
        .flat_map(|(path, text)| {
            text_errors(text).into_iter().map(move |name| format!("{path}: {name}"))
        })
        .collect();
    assert!(
        lines.is_empty(),
        "give these an error type, or show them to their own folder only, with `pub(super)`:\n{}",
        lines.join("\n")
    );
}

#[test]
fn a_planted_text_error_is_found() {
    let found = [
        "pub fn f(a: [u8; 2]) -> Result<u8, String> {}",
        "pub(crate) async fn f(\n    a: u8,\n) -> Result<BTreeMap<String, u8>, String>\nwhere\n    A: B,\n{}",
        "impl A {\n    #[must_use]\n    pub const fn f(self) -> Result<(), String> {}\n}",
        "pub fn f() -> Vec<(u8, Result<(), String>)> {}",
        "pub fn f(read: &mut dyn FnMut(&str) -> Result<u8, String>) {}",
        "pub type Read<'a> = &'a dyn Fn() -> Result<(u8, Box<dyn Fn(u8) -> u8>), String>;",
        "pub trait A {\n    fn e(&self) {}\n    fn f(&self) -> std::result::Result<(), String>;\n}",
        "impl FromStr for A {\n    type Err = String;\n}",
    ];
    for code in found {
        assert_eq!(text_errors(&format!("//! Summary.\n{code}\n")).len(), 1, "{code}");
    }
    let fine = [
        "fn f() -> Result<u8, String> {}",
        "pub(super) fn f() -> Result<u8, String> {}",
        "pub fn f() -> Result<String, Failure> {}",
        "pub fn f() -> Result<BTreeMap<String, String>, Failure> {}",
        "pub fn f() -> u8 {\n    let g = |a: u8| -> Result<u8, String> { Ok(a) };\n}",
        "// pub fn f() -> Result<u8, String>\npub fn f() {}",
        "trait A {\n    fn f() -> Result<u8, String>;\n}",
        "pub fn f() {}\n\n#[cfg(test)]\nmod tests {\n    pub fn f() -> Result<u8, String> {}\n}",
    ];
    for code in fine {
        assert!(text_errors(&format!("//! Summary.\n{code}\n")).is_empty(), "{code}");
    }
}
