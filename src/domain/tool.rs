//! A program that must be there, and from which version on: `rsync >= 3.1`, or just `ssh`.

use std::{fmt, str::FromStr};

use super::ids::NameError;

/// Most numbers of a version that count.
const NUMBERS_MAX: usize = 4;

/// A version: numbers that are compared one after the other. What is missing is 0.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version([u32; NUMBERS_MAX]);

impl Version {
    /// The first version that stands in a text: numbers with dots between, behind no letter but a `v`.
    pub fn find(text: &str) -> Option<Self> {
        text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.')).find_map(Self::of_word)
    }

    fn of_word(word: &str) -> Option<Self> {
        let word = word.strip_prefix('v').unwrap_or(word);
        let end = word.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(word.len());
        let number = word[..end].trim_end_matches('.');
        if number.contains('.') { number.parse().ok() } else { None }
    }
}

impl FromStr for Version {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let wrong = || NameError::new("version", text, "must be numbers with dots between");
        let mut numbers = [0; NUMBERS_MAX];
        for (at, word) in text.split('.').enumerate() {
            let number = word.parse().map_err(|_| wrong())?;
            if let Some(slot) = numbers.get_mut(at) {
                *slot = number;
            }
        }
        Ok(Self(numbers))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.0.iter().rposition(|number| *number != 0).unwrap_or(0).max(1);
        let words: Vec<String> = self.0[..=last].iter().map(u32::to_string).collect();
        f.write_str(&words.join("."))
    }
}

/// A program and the oldest version that will do. It ends up in an argument list, so its name cannot begin with a dash.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ToolNeed {
    name: String,
    least: Option<Version>,
}

impl ToolNeed {
    /// The program; `compose` stands for docker's, in either of its shapes.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The oldest version that will do; `None` is any.
    pub fn least(&self) -> Option<&Version> {
        self.least.as_ref()
    }
}

impl FromStr for ToolNeed {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (name, least) = match text.split_once(">=") {
            Some((name, least)) => (name.trim_end(), Some(least.trim_start().parse()?)),
            None => (text, None),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let good = name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(plain);
        if !good || name.len() > 64 {
            let why = "must be the name of a program, and perhaps `>= VERSION`";
            return Err(NameError::new("tool", text, why));
        }
        Ok(Self { name: name.to_owned(), least })
    }
}

impl fmt::Display for ToolNeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.least {
            Some(least) => write!(f, "{} >= {least}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_say_of_themselves() {
        for (text, version) in [
            ("git version 2.39.5", "2.39.5"),
            ("git version 2.39.5 (Apple Git-154)", "2.39.5"),
            ("rsync  version 3.2.7  protocol version 31", "3.2.7"),
            ("rsync  version v3.4.1  protocol version 32", "3.4.1"),
            ("OpenSSH_9.2p1 Debian-2+deb12u3, OpenSSL 3.0.15 3 Sep 2024", "9.2"),
            ("Docker version 20.10.24+dfsg1, build 297e128", "20.10.24"),
            ("Docker Compose version v2.29.7", "2.29.7"),
            ("docker-compose version 1.29.2, build unknown", "1.29.2"),
        ] {
            assert_eq!(Version::find(text), Some(version.parse().unwrap()), "{text}");
        }
        for text in ["", "no version", "build 12", "a.b"] {
            assert_eq!(Version::find(text), None, "{text}");
        }
    }

    #[test]
    fn versions_are_compared_by_their_numbers() {
        let version = |text: &str| text.parse::<Version>().unwrap();
        assert!(version("3.10") > version("3.9") && version("3.1") == version("3.1.0"));
        assert!(version("10") > version("9.9.9"));
        for text in ["3.10", "2.0", "2.39.5"] {
            assert_eq!(version(text).to_string(), text);
        }
        for bad in ["", "x", "3..1", "3.1p1", "-3"] {
            assert!(bad.parse::<Version>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_need_is_a_name_and_perhaps_a_version() {
        for (text, shown) in
            [("ssh", "ssh"), ("rsync >= 3.1", "rsync >= 3.1"), ("git>=2.25.0", "git >= 2.25")]
        {
            let need: ToolNeed = text.parse().unwrap();
            assert_eq!(need.to_string(), shown);
            assert_eq!(shown.parse::<ToolNeed>().unwrap(), need);
        }
        for bad in ["", "-rf", "a b", "../x", "/bin/x", "x > 1", "x >= y", "a;b", ">= 1.0"] {
            assert!(bad.parse::<ToolNeed>().is_err(), "{bad}");
        }
    }
}
