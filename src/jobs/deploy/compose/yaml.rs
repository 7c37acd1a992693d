//! A careful reader of the plain part of YAML: maps, lists and words in blocks. Whatever is more than that is a [`Node::Unsure`]
//! where it stands, or a refusal of the file; it never guesses.

/// Folders of folders that are followed.
const DEPTH_MAX: usize = 40;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// Keys and values, in their order; no key twice.
    Map(Vec<(String, Node)>),
    /// Values.
    List(Vec<Node>),
    /// A word.
    Word(String),
    /// Something this reader does not understand.
    Unsure,
}

impl Node {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Self::Map(pairs) = self else { return None };
        pairs.iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }
}

/// One line with something in it.
#[derive(Debug, Clone)]
struct Line {
    number: usize,
    indent: usize,
    text: String,
}

/// Reads a file; `Err` names the line that is not understood.
pub fn read(text: &str) -> Result<Node, String> {
    let mut lines = Vec::new();
    for (number, raw) in (1..).zip(text.lines()) {
        let bare = raw.trim_start_matches(' ');
        if bare.starts_with('\t') {
            return Err(format!("line {number} is indented by a tab"));
        }
        let text = without_comment(bare).trim_end().to_owned();
        if !text.is_empty() && text != "---" {
            lines.push(Line { number, indent: raw.len() - bare.len(), text });
        }
    }
    let mut reader = Reader { lines, at: 0 };
    let node = match reader.lines.first() {
        Some(first) => reader.block(first.indent, 0)?,
        None => return Err("it is empty".to_owned()),
    };
    reader.lines.get(reader.at).map_or(Ok(node), |line| Err(stray(line)))
}

fn stray(line: &Line) -> String {
    format!("line {} is not understood", line.number)
}

/// Up to a `#` behind a blank or at the start, outside of quotes.
fn without_comment(text: &str) -> &str {
    let (mut quote, mut before) = (None, ' ');
    for (at, c) in text.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '#' && before == ' ' => return &text[..at],
            None if (c == '"' || c == '\'') && !before.is_alphanumeric() => quote = Some(c),
            Some(_) | None => {}
        }
        before = c;
    }
    text
}

struct Reader {
    lines: Vec<Line>,
    at: usize,
}

impl Reader {
    fn peek(&self) -> Option<&Line> {
        self.lines.get(self.at)
    }

    fn block(&mut self, indent: usize, depth: usize) -> Result<Node, String> {
        let Some(first) = self.peek() else { return Ok(Node::Unsure) };
        if depth > DEPTH_MAX {
            return Err(stray(first));
        }
        if is_item(&first.text) { self.list(indent, depth) } else { self.map(indent, depth) }
    }

    fn list(&mut self, indent: usize, depth: usize) -> Result<Node, String> {
        let mut items = Vec::new();
        while let Some(line) =
            self.peek().filter(|line| line.indent == indent && is_item(&line.text))
        {
            let rest = line.text[1..].trim_start().to_owned();
            let inner = indent + line.text.len() - rest.len();
            if rest.is_empty() {
                self.at += 1;
                items.push(self.below(indent, depth)?);
            } else if split_key(&rest).is_some() || is_item(&rest) {
                // What stands behind the dash is the first line of a block of its own.
                let at = self.at;
                self.lines[at].indent = inner;
                self.lines[at].text = rest;
                items.push(self.block(inner, depth + 1)?);
            } else {
                self.at += 1;
                let node = self.value(&rest, indent);
                // A text that goes on below.
                items.push(if self.jump(indent) { Node::Unsure } else { node });
            }
        }
        Ok(Node::List(items))
    }

    fn map(&mut self, indent: usize, depth: usize) -> Result<Node, String> {
        let mut pairs: Vec<(String, Node)> = Vec::new();
        while let Some(line) = self.peek().filter(|line| line.indent == indent) {
            let Some((key, rest)) = split_key(&line.text) else { return Err(stray(line)) };
            if pairs.iter().any(|(name, _)| *name == key) {
                return Err(format!("line {} has the key `{key}` again", line.number));
            }
            self.at += 1;
            let node = if rest.is_empty() {
                self.below(indent, depth)?
            } else {
                self.value(&rest, indent)
            };
            pairs.push((key, node));
        }
        match self.peek().filter(|line| line.indent > indent) {
            Some(line) => Err(stray(line)),
            None => Ok(Node::Map(pairs)),
        }
    }

    /// What stands below a key or a dash that has nothing behind it.
    fn below(&mut self, indent: usize, depth: usize) -> Result<Node, String> {
        let next = self.peek().map(|line| (line.indent, is_item(&line.text)));
        match next {
            Some((deeper, _)) if deeper > indent => self.block(deeper, depth + 1),
            Some((same, true)) if same == indent => self.list(indent, depth + 1),
            _ => Ok(Node::Word(String::new())),
        }
    }

    /// A value on one line. Texts of several lines are jumped over.
    fn value(&mut self, text: &str, indent: usize) -> Node {
        if text.starts_with(['|', '>']) || is_open(text) {
            self.jump(indent);
            return Node::Unsure;
        }
        word(text)
    }

    /// Leaves out what is indented deeper; whether there was any.
    fn jump(&mut self, indent: usize) -> bool {
        let from = self.at;
        while self.peek().is_some_and(|line| line.indent > indent) {
            self.at += 1;
        }
        self.at > from
    }
}

/// A quoted text that does not end on its line.
fn is_open(text: &str) -> bool {
    ['"', '\''].iter().any(|quote| text.starts_with(*quote) && !text[1..].contains(*quote))
}

fn is_item(text: &str) -> bool {
    text == "-" || text.starts_with("- ")
}

/// `key: value`, or `key:`.
fn split_key(text: &str) -> Option<(String, String)> {
    for quote in ['"', '\''] {
        if let Some(rest) = text.strip_prefix(quote) {
            let (key, after) = rest.split_once(quote)?;
            let rest = after.trim_start().strip_prefix(':')?;
            return Some((key.to_owned(), rest.trim().to_owned()));
        }
    }
    if text.starts_with(['[', '{', '&', '*', '!', '?']) {
        return None;
    }
    if let Some((key, rest)) = text.split_once(": ") {
        return Some((key.trim_end().to_owned(), rest.trim().to_owned()));
    }
    text.strip_suffix(':').map(|key| (key.to_owned(), String::new()))
}

fn word(text: &str) -> Node {
    if text.starts_with('[') {
        // A list in the way of JSON is a list in the way of YAML too.
        let list: Result<Vec<String>, _> = serde_json::from_str(text);
        return list
            .map_or(Node::Unsure, |items| Node::List(items.into_iter().map(Node::Word).collect()));
    }
    for quote in ['"', '\''] {
        if let Some(rest) = text.strip_prefix(quote) {
            let inside = rest.strip_suffix(quote).filter(|inside| !inside.contains([quote, '\\']));
            return inside.map_or(Node::Unsure, |inside| Node::Word(inside.to_owned()));
        }
    }
    if text.starts_with(['{', '&', '*', '!', '%', '@', '`']) {
        return Node::Unsure;
    }
    Node::Word(text.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn blocks_are_read() {
        let text = "# head\na:\n  b: 'x y' # c\n  c:\n  - 1\n  - k: v\n    l: w\n  -  \"z\"\nd: [\"p\", \"q\"]\ne: |\n  any: thing\n  - here\nf: {x: 1}\n";
        let node = read(text).unwrap();
        let a = node.get("a").unwrap();
        assert_eq!(a.get("b"), Some(&Node::Word("x y".to_owned())));
        let Some(Node::List(items)) = a.get("c") else { panic!("{node:?}") };
        assert_eq!(items[0], Node::Word("1".to_owned()));
        assert_eq!(items[1].get("l"), Some(&Node::Word("w".to_owned())));
        assert_eq!(items[2], Node::Word("z".to_owned()));
        assert_eq!(
            node.get("d"),
            Some(&Node::List(vec![Node::Word("p".into()), Node::Word("q".into())]))
        );
        assert_eq!((node.get("e"), node.get("f")), (Some(&Node::Unsure), Some(&Node::Unsure)));
    }

    #[test]
    fn texts_of_several_lines_are_jumped_over() {
        let text =
            "a:\n- 'one\n\n  two: \"x\"'\n- plain (\n  more)\n- last\nb: \"one\n  two\"\nc: end\n";
        let node = read(text).unwrap();
        let Some(Node::List(items)) = node.get("a") else { panic!("{node:?}") };
        assert_eq!(items[..2], [Node::Unsure, Node::Unsure]);
        assert_eq!(items[2], Node::Word("last".to_owned()));
        assert_eq!(
            (node.get("b"), node.get("c")),
            (Some(&Node::Unsure), Some(&Node::Word("end".to_owned())))
        );
    }

    #[test]
    fn what_it_does_not_understand_it_refuses() {
        for bad in [
            "",
            "a: 1\na: 2\n",
            "a:\n\tb: 1\n",
            "just words\n",
            "a: 1\n   b: 2\n",
            "a: x\n  more of x\n",
        ] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "([ a-c:#'\"|\\[{&*\n\t-]{0,6}\n?){0,12}") {
            let _ = read(&text);
        }
    }
}
