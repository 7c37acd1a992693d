//! The lines of a crontab: variables, and what is due when.

use std::collections::BTreeMap;

use crate::domain::{cadence::Cron, zone::Zone};

/// What the names that begin with `@` mean.
const NICKNAMES: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];
/// Words that only a shell knows.
const BUILTINS: [&str; 16] = [
    "cd", ".", "source", "export", "exec", "eval", "set", "unset", "umask", "ulimit", "if", "for",
    "while", "case", "test", "[",
];

/// Which form a crontab has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrontabForm {
    User,
    /// Of the system: each command has a user before it.
    System,
}

/// When a line is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CrontabWhen {
    /// By a cron line, with the rule for days if it needs one.
    Cron(String, Option<&'static str>),
    /// At the start of the machine.
    Boot,
}

/// A line that can be a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrontabItem {
    pub when: CrontabWhen,
    /// The time zone of the line.
    pub zone: Zone,
    /// As whom it ran.
    pub user: Option<String>,
    pub argv: Vec<String>,
    pub env: BTreeMap<String, String>,
    /// The folder it runs in.
    pub home: Option<String>,
}

/// A line with a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrontabLine {
    /// Its number, from 1.
    pub number: usize,
    pub text: String,
    /// The job in it, or why there is none.
    pub found: Result<CrontabItem, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Crontab {
    /// Its lines with commands.
    pub lines: Vec<CrontabLine>,
    /// What a person should know.
    pub hints: Vec<String>,
}

/// The home folder of a user, or of whoever has the crontab; `None` where it is not known.
pub type Homes<'a> = &'a dyn Fn(Option<&str>) -> Option<String>;

/// Reads a crontab. Its lines are meant in `zone` until one of them names another.
pub fn read(text: &str, form: CrontabForm, zone: Zone, homes: Homes<'_>) -> Crontab {
    let mut crontab = Crontab::default();
    let mut around = Around { zone: Ok(zone), env: BTreeMap::new(), home: None, homes };
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some((name, value)) = variable(line) {
            let hint = around.take(name, value);
            crontab.hints.extend(hint.map(|hint| format!("line {number}: {hint}")));
            continue;
        }
        let found = around.job(line, form);
        crontab.lines.push(CrontabLine { number, text: line.to_owned(), found });
    }
    crontab
}

/// What the lines above say.
struct Around<'a> {
    zone: Result<Zone, String>,
    env: BTreeMap<String, String>,
    home: Option<String>,
    homes: Homes<'a>,
}

impl Around<'_> {
    /// Takes a variable; returns what a person should know about it.
    fn take(&mut self, name: &str, value: &str) -> Option<String> {
        match name {
            "CRON_TZ" => {
                self.zone = value
                    .trim_start_matches(':')
                    .parse::<Zone>()
                    .map_err(|error| error.to_string());
                None
            }
            "TZ" => {
                self.env.insert(name.to_owned(), value.to_owned());
                Some(format!(
                    "TZ={value} is for the commands; when they are due, it does not change: only CRON_TZ does"
                ))
            }
            "MAILTO" | "MAILFROM" => Some(format!(
                "{name}={value}: no mail is sent; write [notify] with a webhook or a command into the jobs"
            )),
            "SHELL" => Some(format!("SHELL={value} is left out: no shell is used")),
            "RANDOM_DELAY" => {
                Some(format!("RANDOM_DELAY={value} is left out: write `jitter` into the schedules"))
            }
            "HOME" => {
                self.home = Some(value.to_owned()).filter(|home| !home.is_empty());
                self.env.insert(name.to_owned(), value.to_owned());
                None
            }
            _ => {
                self.env.insert(name.to_owned(), value.to_owned());
                let upper = name.to_uppercase();
                let secret =
                    ["KEY", "TOKEN", "SECRET", "PASS"].iter().any(|word| upper.contains(word));
                secret.then(|| {
                    format!(
                        "{name} may be a secret and is written into the jobs: move it to [secrets]"
                    )
                })
            }
        }
    }

    fn job(&self, line: &str, form: CrontabForm) -> Result<CrontabItem, String> {
        let zone = self.zone.clone()?;
        let (when, rest) = when(line)?;
        let (user, command) = match form {
            CrontabForm::User => (None, rest),
            CrontabForm::System => {
                let (user, command) =
                    fields(rest, 1).ok_or("a command is missing after the user")?;
                (user.first().map(|user| (*user).to_owned()), command)
            }
        };
        let mut env = self.env.clone();
        let argv = argv(command, &mut env)
            .map_err(|why| format!("it needs a script of its own: {why}"))?;
        // Cron starts a command in the home folder, so that a path in it may begin there.
        let home = self.home.clone().or_else(|| (self.homes)(user.as_deref()));
        Ok(CrontabItem { when, zone, user, argv, env, home })
    }
}

/// `NAME=VALUE`, blanks around the `=` and quotes around the value taken off.
fn variable(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let quoted = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    let value = quoted('"').or_else(|| quoted('\'')).unwrap_or(value);
    is_name(name).then_some((name, value))
}

fn when(line: &str) -> Result<(CrontabWhen, &str), String> {
    if line.starts_with('@') {
        let (words, rest) = fields(line, 1).ok_or("a command is missing")?;
        let word = words.first().copied().unwrap_or_default();
        if word == "@reboot" {
            return Ok((CrontabWhen::Boot, rest));
        }
        let cron = NICKNAMES.iter().find(|(name, _)| *name == word).map(|(_, cron)| *cron);
        let cron = cron.ok_or_else(|| format!("`{word}` is not known here"))?;
        return Ok((CrontabWhen::Cron(cron.to_owned(), None), rest));
    }
    let (words, rest) =
        fields(line, 5).ok_or("it is not a variable, and not five fields and a command")?;
    if let Some(field) = words.iter().find(|field| !is_known(field)) {
        return Err(format!("cron does not know `{field}`"));
    }
    let text = words.join(" ");
    let cron: Cron =
        text.parse().map_err(|error: crate::domain::cadence::CronError| error.to_string())?;
    // Cron joins the two days with `and` when one of the fields begins with a star, such as `*/2`.
    let has_star = [2, 4].iter().any(|n| words.get(*n).is_some_and(|field| field.starts_with('*')));
    let days = cron.is_ambiguous().then_some(if has_star { "and" } else { "or" });
    Ok((CrontabWhen::Cron(text, days), rest))
}

/// Whether cron knows what a field is made of: lists of stars, numbers and names, with ranges and steps.
fn is_known(field: &str) -> bool {
    let is_part = |part: &str| {
        let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let is_name = part.len() == 3 && part.bytes().all(|byte| byte.is_ascii_alphabetic());
        part == "*" || is_number || is_name
    };
    field.split([',', '-', '/']).all(is_part)
}

/// The first `n` fields and what follows them, which is not empty.
fn fields(line: &str, n: usize) -> Option<(Vec<&str>, &str)> {
    let (mut words, mut rest) = (Vec::new(), line.trim_start());
    for _ in 0..n {
        let (word, after) = rest.split_once([' ', '\t'])?;
        words.push(word);
        rest = after.trim_start();
    }
    (!rest.is_empty()).then_some((words, rest))
}

/// Program and arguments; variables before the program go to the others.
fn argv(command: &str, env: &mut BTreeMap<String, String>) -> Result<Vec<String>, String> {
    let command = without_percent(command)?;
    let mut words = split(&command)?.into_iter().peekable();
    while let Some(word) = words.next_if(|word| word.name.is_some()) {
        let (name, value) = word.text.split_at(word.name.unwrap_or_default());
        env.insert(name.to_owned(), value[1..].to_owned());
    }
    let argv: Vec<String> = words.map(|word| word.text).collect();
    let program = argv.first().ok_or("no program in it")?;
    if BUILTINS.contains(&program.as_str()) {
        return Err(format!("`{program}` is part of a shell, not a program"));
    }
    Ok(argv)
}

/// Cron makes `%` the end of the command and feeds it the rest; `\%` is the sign itself.
fn without_percent(command: &str) -> Result<String, String> {
    let mut text = String::new();
    let mut rest = command.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' if rest.next_if_eq(&'%').is_some() => text.push('%'),
            '%' => return Err("`%` ends the command and feeds it the rest".to_owned()),
            _ => text.push(c),
        }
    }
    Ok(text)
}

/// One word. `name` is how many bytes of it stand before an `=` as the name of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShellWord {
    /// The word, without its quotes.
    pub text: String,
    /// The length of the name, if it gives a value to a variable.
    pub name: Option<usize>,
}

/// Splits a command. The error says what needs a shell.
pub(super) fn split(command: &str) -> Result<Vec<ShellWord>, String> {
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

    fn found(line: &str) -> Result<CrontabItem, String> {
        read(line, CrontabForm::User, Zone::UTC, &|_| None).lines.remove(0).found
    }

    #[test]
    fn lines_become_jobs() {
        let job = found("17 3 * * MON-FRI A=b /usr/bin/backup --all '1 2'").unwrap();
        assert_eq!(job.when, CrontabWhen::Cron("17 3 * * MON-FRI".into(), None));
        assert_eq!(job.argv, ["/usr/bin/backup", "--all", "1 2"]);
        assert_eq!(job.env.get("A").map(String::as_str), Some("b"));
        let job =
            found("*/10 * * * * /bin/bash -lc 'cd ~/trade && make heartbeat >> log 2>&1'").unwrap();
        assert_eq!(job.argv, ["/bin/bash", "-lc", "cd ~/trade && make heartbeat >> log 2>&1"]);
        assert_eq!(found("@reboot a").unwrap().when, CrontabWhen::Boot);
        assert_eq!(found("@daily a").unwrap().when, CrontabWhen::Cron("0 0 * * *".into(), None));
        assert_eq!(found("* * * * * a 100\\%").unwrap().argv, ["a", "100%"]);
    }

    #[test]
    fn two_restricted_days_are_joined_as_cron_joins_them() {
        for (line, days) in [
            ("0 0 13 * FRI a", Some("or")),
            ("0 0 */2 * FRI a", Some("and")),
            ("0 0 13 * */2 a", Some("and")),
            ("0 0 13 * * a", None),
        ] {
            let CrontabWhen::Cron(_, found) = found(line).unwrap().when else { panic!("{line}") };
            assert_eq!(found, days, "{line}");
        }
    }

    #[test]
    fn lines_that_cannot_be_jobs_say_why() {
        for (line, why) in [
            ("* * * * * a % b", "`%` ends the command"),
            ("* * * * * cd /x", "part of a shell"),
            ("* * * * * A=b", "no program"),
            ("61 * * * * a", "not a valid minute"),
            ("0 0 30 2 * a", "never fires"),
            ("* * L * * a", "cron does not know `L`"),
            ("1,,2 * * * * a", "cron does not know `1,,2`"),
            ("-1 * * * * a", "cron does not know `-1`"),
            ("* * * *", "not five fields"),
            ("@fortnightly a", "not known"),
            ("@Daily a", "not known"),
            ("@reboot", "command is missing"),
        ] {
            let error = found(line).unwrap_err();
            assert!(error.contains(why), "{line}: {error}");
        }
    }

    #[test]
    fn variables_hold_for_the_lines_below_them() {
        let text = "0 1 * * * first\n# no\nCRON_TZ=Europe/Berlin\nMAILTO = ops@example.org\nPATH='/bin:/x y'\n\
                    API_TOKEN=abc\n0 2 * * * second\nCRON_TZ=Mars/Base\n0 3 * * * third\n";
        let crontab = read(text, CrontabForm::User, Zone::UTC, &|_| None);
        let [first, second, third] = &crontab.lines[..] else { panic!("{crontab:?}") };
        let (one, two) = (first.found.clone().unwrap(), second.found.clone().unwrap());
        assert_eq!((one.zone, one.env.len()), (Zone::UTC, 0));
        assert_eq!(two.zone.to_string(), "Europe/Berlin");
        assert_eq!(two.env.get("PATH").map(String::as_str), Some("/bin:/x y"));
        assert!(third.found.clone().unwrap_err().contains("`Mars/Base` is not a time zone"));
        assert_eq!([first.number, second.number, third.number], [1, 7, 9]);
        assert_eq!(crontab.hints.len(), 2, "{:?}", crontab.hints);
        assert!(crontab.hints[0].contains("[notify]") && crontab.hints[1].contains("[secrets]"));
    }

    #[test]
    fn tz_is_for_the_command_and_a_command_starts_at_home() {
        let home = |user: Option<&str>| match user {
            None => Some("/srv/me".to_owned()),
            Some("root") => Some("/root".to_owned()),
            Some(_) => None,
        };
        let text = "TZ=America/New_York\n0 9 * * * bin/a\nHOME=/srv\n0 9 * * * bin/b\n";
        let crontab = read(text, CrontabForm::User, Zone::UTC, &home);
        let of = |n: usize| crontab.lines[n].found.clone().unwrap();
        assert_eq!((of(0).zone, of(0).home.as_deref()), (Zone::UTC, Some("/srv/me")));
        assert_eq!(of(0).env.get("TZ").map(String::as_str), Some("America/New_York"));
        assert_eq!(of(1).home.as_deref(), Some("/srv"));
        assert!(crontab.hints[0].contains("only CRON_TZ does"), "{:?}", crontab.hints);
        let text = "0 9 * * * root bin/a\n0 9 * * * ann bin/b\n";
        let crontab = read(text, CrontabForm::System, Zone::UTC, &home);
        let of = |n: usize| crontab.lines[n].found.clone().unwrap().home;
        assert_eq!((of(0).as_deref(), of(1)), (Some("/root"), None));
    }

    #[test]
    fn the_system_has_a_user_before_the_command() {
        let crontab = read(
            "0 1 * * *\troot  /bin/a b\n0 2 * * * alone\n",
            CrontabForm::System,
            Zone::UTC,
            &|_| None,
        );
        let job = crontab.lines[0].found.clone().unwrap();
        assert_eq!((job.user.as_deref(), job.argv.len()), (Some("root"), 2));
        assert!(crontab.lines[1].found.clone().unwrap_err().contains("after the user"));
    }

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
