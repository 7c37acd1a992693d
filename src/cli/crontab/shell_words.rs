//! The words of a command line, as a shell would split it, when nothing in it needs a shell.

/// One word. `name` is how many bytes of it stand before an `=` as the name of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShellWord {
    /// The word, without its quotes.
    pub text: String,
    /// The length of the name, if it gives a value to a variable.
    pub name: Option<usize>,
}

/// Splits a command. The error says what needs a shell.
pub fn split(command: &str) -> Result<Vec<ShellWord>, String> {
    let mut splitter = Splitter { rest: command.chars().peekable(), words: Vec::new(), word: None };
    while let Some(c) = splitter.rest.next() {
        splitter.take(c)?;
    }
    splitter.end();
    Ok(splitter.words)
}

struct Splitter<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    words: Vec<ShellWord>,
    word: Option<ShellWord>,
}

impl Splitter<'_> {
    fn take(&mut self, c: char) -> Result<(), String> {
        let is_first = self.word.is_none();
        match c {
            ' ' | '\t' => self.end(),
            '\'' => self.single()?,
            '"' => self.double()?,
            '\\' => {
                let next = self.rest.next().ok_or("it ends with a backslash")?;
                self.push(next);
            }
            '{' if self.rest.peek() == Some(&'}') => self.push(c),
            '~' | '#' | '!' if !is_first => self.push(c),
            _ => match needs(c) {
                Some(why) => return Err(format!("`{c}` {why}")),
                None if c.is_control() => return Err("it has control characters".to_owned()),
                None => self.push(c),
            },
        }
        if c == '='
            && let Some(word) = &mut self.word
            && word.name.is_none()
        {
            let before = &word.text[..word.text.len() - 1];
            word.name = is_name(before).then_some(before.len());
        }
        Ok(())
    }

    fn push(&mut self, c: char) {
        self.word.get_or_insert_with(|| ShellWord { text: String::new(), name: None }).text.push(c);
    }

    fn end(&mut self) {
        self.words.extend(self.word.take());
    }

    fn single(&mut self) -> Result<(), String> {
        self.word.get_or_insert_with(|| ShellWord { text: String::new(), name: None });
        loop {
            match self.rest.next() {
                Some('\'') => return Ok(()),
                Some(c) => self.push(c),
                None => return Err("a `'` is not closed".to_owned()),
            }
        }
    }

    fn double(&mut self) -> Result<(), String> {
        self.word.get_or_insert_with(|| ShellWord { text: String::new(), name: None });
        loop {
            match self.rest.next() {
                Some('"') => return Ok(()),
                Some(c @ ('$' | '`')) => {
                    return Err(format!("`{c}` {}", needs(c).unwrap_or_default()));
                }
                Some('\\') if self.rest.peek().is_some_and(|next| "$`\"\\".contains(*next)) => {
                    if let Some(next) = self.rest.next() {
                        self.push(next);
                    }
                }
                Some(c) => self.push(c),
                None => return Err("a `\"` is not closed".to_owned()),
            }
        }
    }
}

/// Why a character outside quotes needs a shell.
fn needs(c: char) -> Option<&'static str> {
    Some(match c {
        '|' | ';' => "joins programs",
        '&' => "joins programs, or sends one to the background",
        '<' | '>' => {
            "redirects; if it only silences the output, take it out: each run keeps its own"
        }
        '(' | ')' | '!' => "is the syntax of a shell",
        '$' => "means a variable or the output of a program",
        '`' => "means the output of a program",
        '*' | '?' | '[' => "means the names of files",
        '{' => "means several words",
        '~' => "means the home folder: write it out",
        '#' => "begins a comment: take it out",
        _ => return None,
    })
}

/// Whether this is the name of a variable.
pub fn is_name(text: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    text.starts_with(is_letter) && text.chars().all(|c| is_letter(c) || c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(command: &str) -> Vec<String> {
        split(command).unwrap().into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn plain_words_and_quotes_are_split_as_a_shell_does() {
        for (command, expected) in [
            ("/bin/a  -x\ty", &["/bin/a", "-x", "y"][..]),
            ("a 'b c' \"d e\" f\\ g", &["a", "b c", "d e", "f g"]),
            ("a 'b\"$c' \"d'\\\"e\" ''", &["a", "b\"$c", "d'\"e", ""]),
            ("a --x='1 2'3", &["a", "--x=1 23"]),
            ("find . -exec {} + a~ b#c", &["find", ".", "-exec", "{}", "+", "a~", "b#c"]),
            ("a \"\\d\" '$(x)'", &["a", "\\d", "$(x)"]),
            ("", &[]),
        ] {
            assert_eq!(words(command), expected, "{command}");
        }
    }

    #[test]
    fn what_needs_a_shell_is_refused_with_the_reason() {
        for (command, why) in [
            ("a | b", "`|` joins programs"),
            ("a && b", "`&` joins programs"),
            ("a; b", "`;` joins programs"),
            ("a > /dev/null 2>&1", "`>` redirects"),
            ("a $HOME", "`$` means a variable"),
            ("a \"$HOME\"", "`$` means a variable"),
            ("a `date`", "the output of a program"),
            ("a *.csv", "the names of files"),
            ("a file?", "the names of files"),
            ("a {b,c}", "several words"),
            ("~/bin/a", "home folder"),
            ("a # why", "comment"),
            ("(a)", "syntax of a shell"),
            ("a 'b", "not closed"),
            ("a \"b", "not closed"),
            ("a \\", "backslash"),
        ] {
            let error = split(command).unwrap_err();
            assert!(error.contains(why), "{command}: {error}");
        }
    }

    #[test]
    fn a_variable_before_the_program_is_told_from_other_words() {
        let names: Vec<Option<usize>> =
            split("A_1=x 'B'=y c=d=e 1A=x --f=g").unwrap().iter().map(|word| word.name).collect();
        assert_eq!(names, [Some(3), Some(1), Some(1), None, None]);
    }
}
