//! `.env` files as those read them who matter: python-dotenv and compose-go. Where the two differ, or one of them refuses, nothing is
//! claimed to be known.

/// One variable of a file.
#[derive(Clone, PartialEq, Eq)]
pub struct DotenvEntry {
    /// Its name, as it is written.
    pub name: String,
    /// What both give it; `None` where they differ.
    pub value: Option<String>,
    /// Whether nothing but a comment follows the `=`: some programs take it for the value, others for nothing.
    pub is_only_comment: bool,
    /// Its line, from 1.
    pub line: usize,
}

impl std::fmt::Debug for DotenvEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A value may be a secret.
        write!(f, "{} (line {})", self.name, self.line)
    }
}

/// What a file holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dotenv {
    /// Variables in their order. Of several of one name the last one counts.
    pub entries: Vec<DotenvEntry>,
    /// Lines that are not an assignment for both. One of the two leaves such a line out, the other refuses the whole file.
    pub odd_lines: Vec<usize>,
}

/// Reads a file.
pub fn read(text: &str) -> Dotenv {
    let has_crlf = text.contains("\r\n");
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    let mut reader = Reader { rest: &text, has_crlf, line: 1, found: Dotenv::default() };
    while reader.statement() {}
    // For one of them it ends a line, for the other it does not.
    let returns = (1..).zip(text.split('\n')).filter(|(_, line)| line.contains('\r'));
    reader.found.odd_lines.extend(returns.map(|(number, _)| number));
    reader.found.odd_lines.sort_unstable();
    reader.found.odd_lines.dedup();
    reader.found
}

struct Reader<'t> {
    rest: &'t str,
    /// Whether lines end in two characters: what a value of several lines is then differs.
    has_crlf: bool,
    line: usize,
    found: Dotenv,
}

impl<'t> Reader<'t> {
    /// Takes so many bytes.
    fn take(&mut self, bytes: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }

    fn take_while(&mut self, is_it: impl Fn(char) -> bool) -> &'t str {
        self.take(self.rest.find(|c| !is_it(c)).unwrap_or(self.rest.len()))
    }

    /// One line, or more where quotes hold them together; false at the end.
    fn statement(&mut self) -> bool {
        self.take_while(|c| matches!(c, ' ' | '\t' | '\n'));
        if self.rest.is_empty() {
            return false;
        }
        if self.rest.starts_with('#') {
            self.take_while(|c| c != '\n');
            return true;
        }
        let line = self.line;
        let after = self.rest.strip_prefix("export").filter(|after| after.starts_with([' ', '\t']));
        if after.is_some() {
            self.take("export".len());
            self.take_while(is_blank);
        }
        let name = self.take_while(is_name).to_owned();
        self.take_while(is_blank);
        if name.is_empty() || !self.rest.starts_with('=') {
            // Perhaps `NAME: value`, which compose-go takes, or `'NAME'=value`, which python-dotenv takes.
            return self.odd(name, line);
        }
        self.take(1);
        self.take_while(is_blank);
        let is_only_comment = self.rest.starts_with('#');
        let value = match self.rest.chars().next() {
            Some(quote @ ('"' | '\'')) => match self.quoted(quote) {
                Some(Quoted::Alike(value)) => Some(value),
                Some(Quoted::Unlike) => None,
                None => return self.odd(name, line),
            },
            _ => self.bare(),
        };
        self.found.entries.push(DotenvEntry { name, value, is_only_comment, line });
        true
    }

    /// The rest of a line that is not an assignment. What it says of the name, if it has one, is not known.
    fn odd(&mut self, name: String, line: usize) -> bool {
        self.take_while(|c| c != '\n');
        self.found.odd_lines.push(line);
        if !name.is_empty() {
            self.found.entries.push(DotenvEntry {
                name,
                value: None,
                is_only_comment: false,
                line,
            });
        }
        true
    }

    /// A value without quotes, up to the end of the line or a comment.
    fn bare(&mut self) -> Option<String> {
        let text = self.take_while(|c| c != '\n');
        let one = text.split_once(" #").map_or(text, |(value, _)| value).trim_end();
        let blank_before = |at: &usize| text[..*at].ends_with(char::is_whitespace);
        let comment = text.match_indices('#').map(|(at, _)| at).find(blank_before);
        let other = comment.map_or(text, |at| &text[..at]).trim_end();
        // One of them fills in `$NAME`, the other only `${NAME}`.
        let is_plain = !text.starts_with('#')
            && one == other
            && !one.contains(['$', '\r'])
            && !one.contains(char::is_control);
        is_plain.then(|| one.to_owned())
    }

    /// A value in quotes, which may go over lines; `None` where the quotes do not end, or something follows them.
    fn quoted(&mut self, quote: char) -> Option<Quoted> {
        let mut escapes = false;
        let inside = &self.rest[1..];
        let end = inside.char_indices().find_map(|(at, c)| {
            let is_end = c == quote && !escapes;
            escapes = c == '\\' && !escapes;
            is_end.then_some(at)
        })?;
        let text = &inside[..end];
        if text.contains('\\') {
            // One of them may read on to a later quote.
            self.found.odd_lines.push(self.line);
        }
        let behind = inside[end + 1..].split('\n').next().unwrap_or_default();
        let follows = behind.trim_matches([' ', '\t']);
        if !follows.is_empty() && !follows.starts_with('#') {
            return None;
        }
        let is_whole = !(self.has_crlf && text.contains('\n'));
        let is_plain =
            is_whole && !text.contains(['\\', '\r']) && (quote == '\'' || !text.contains('$'));
        let value = if is_plain { Quoted::Alike(text.to_owned()) } else { Quoted::Unlike };
        self.take(end + 2 + behind.len());
        Some(value)
    }
}

/// A value in quotes.
enum Quoted {
    /// Both read this.
    Alike(String),
    /// They read different things.
    Unlike,
}

const fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

const fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What both programs give, tried with python-dotenv 0.21 and 1.2, and read in compose-go 2.
    #[test]
    fn what_both_read_alike_is_known() {
        for (text, value) in [
            ("A=0.0.0.0\n", Some("0.0.0.0")),
            ("\u{feff}A=1", Some("1")),
            ("export\tA = 1 \r\n", Some("1")),
            ("A='1 # 2' # c\n", Some("1 # 2")),
            ("A=\"x\nA=127.0.0.1\n\"\n", Some("x\nA=127.0.0.1\n")),
            ("A=1#2 # c\n", Some("1#2")),
            ("A=\"\" # none\n", Some("")),
            ("A=\n", Some("")),
            ("A=1\nA=2\n", Some("2")),
            ("A=a\"b'c\n", Some("a\"b'c")),
            // From here on they differ.
            ("A: 1\n", None),
            ("A=\"a\r\nb\"\r\n", None),
            ("A= # fill me in\n", None),
            ("A=1\t# c\n", None),
            ("A=$B\n", None),
            ("A=\"${B}\"\n", None),
            ("A=\"a\\nb\"\n", None),
            ("A=\"a\n", None),
            ("A='a' b\n", None),
            ("A\n", None),
        ] {
            let found = read(text);
            let last = found.entries.last().unwrap_or_else(|| panic!("{text:?}"));
            assert_eq!((last.name.as_str(), last.value.as_deref()), ("A", value), "{text:?}");
        }
        let found = read("'A'=1\n\n# c\nB=1\nno assignment\n");
        assert_eq!((found.odd_lines, found.entries.len()), (vec![1, 5], 2));
        assert_eq!(read("N=\"a\nb\"\nx y\n").odd_lines, [3]);
        assert_eq!(read("A=\"a\\\\\"\nB=\"x\"\n").odd_lines, [1]);
        assert_eq!(read("C=1\nA=1\rB=2\n").odd_lines, [2]);
        assert!(!format!("{:?}", read("A=hunter2")).contains("hunter2"));
    }
}
