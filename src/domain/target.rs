//! Where a deploy goes, what proves that it is the right machine, and what it leaves alone there.

use std::{fmt, str::FromStr};

use super::ids::{NameError, check_name};

/// Longest text of any of these, in characters.
const LENGTH_MAX: usize = 255;
/// How the text of a key's fingerprint begins, and how long the rest is: 32 bytes in base 64, without padding.
const FINGERPRINT: (&str, usize) = ("SHA256:", 43);

macro_rules! word {
    ($(#[$doc:meta])* $type:ident, $what:literal, $fault:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $type(String);

        impl $type {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                let fault: fn(&str) -> Option<&'static str> = $fault;
                let long = (text.len() > LENGTH_MAX).then_some("is longer than 255 characters");
                match long.or_else(|| fault(text)) {
                    Some(why) => Err(NameError::new($what, text, why)),
                    None => Ok(Self(text.to_owned())),
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

word!(
    /// A host name or an IPv4 address, e.g. `old-box.lan`.
    Host,
    "host",
    |text| (!plain(text, ".-_"))
        .then_some("must begin with a letter or a digit and hold only these, `.`, `-` and `_`")
);
word!(
    /// A user on the target, e.g. `trader`.
    UserName,
    "user",
    |text| (!plain(text.trim_start_matches('_'), ".-_"))
        .then_some("must begin with a letter, a digit or `_` and hold only these, `.` and `-`")
);
word!(
    /// The folder on the target: an absolute path without blanks, `..` and the like.
    TargetPath,
    "path",
    path_fault
);
word!(
    /// The fingerprint of a host key as `ssh-keygen -l` shows it: `SHA256:` and 43 characters.
    HostKey,
    "host key",
    |text| {
        let base64 = |c: char| c.is_ascii_alphanumeric() || "+/".contains(c);
        let rest = text.strip_prefix(FINGERPRINT.0).unwrap_or_default();
        let whole = rest.len() == FINGERPRINT.1 && rest.chars().all(base64);
        (!whole).then_some("is not a fingerprint such as SHA256: and 43 characters, as `ssh-keygen -l` shows it")
    }
);
word!(
    /// What `/etc/machine-id` says on a machine: 32 hexadecimal digits.
    MachineId,
    "machine id",
    |text| {
        let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        (text.len() != 32 || !text.chars().all(hex))
            .then_some("must be the 32 hexadecimal digits of /etc/machine-id")
    }
);
word!(
    /// The name of what is deployed, as the marker on the target bears it, e.g. `mjolnir`.
    Project,
    "project",
    |text| check_name("project", text)
        .is_err()
        .then_some("must be a name of letters, digits, `_`, `-` and `.`")
);
word!(
    /// A file inside the source tree, relative to it.
    InsidePath,
    "path",
    |text| if text.starts_with('/') {
        Some("must be relative to the source")
    } else {
        parts_fault(text)
    }
);

/// Begins with a letter or digit, and holds nothing but these and `more`.
fn plain(text: &str, more: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
}

fn path_fault(text: &str) -> Option<&'static str> {
    text.strip_prefix('/').map_or(Some("must be absolute"), parts_fault)
}

fn parts_fault(text: &str) -> Option<&'static str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if !text.chars().all(plain) {
        return Some("may hold only letters, digits, `/`, `.`, `_` and `-`");
    }
    if text.ends_with('/') || text.is_empty() {
        return Some("must not end in a slash");
    }
    let bad = |part: &str| part.is_empty() || part == "." || part == ".." || part.starts_with('-');
    text.split('/')
        .any(bad)
        .then_some("must not hold `..`, `.`, `//` or a name that begins with a dash")
}

/// A pattern from the top of the tree, e.g. `/data` or `/.env.*`: the file, folder or link of that name, and all below it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AnchoredPattern(String);

/// A pattern for a name anywhere in the tree, e.g. `*.pyc`; with a slash at its end, e.g. `__pycache__/`, for folders only.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FloatingPattern(String);

/// What stands at a path, as far as patterns care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatternPlace {
    Folder,
    Other,
}

impl AnchoredPattern {
    /// The text, as rsync gets it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it matches the path, or a folder the path lies in. The path is relative, without a slash at its end.
    pub fn covers(&self, path: &[u8]) -> bool {
        let mut parts = path.split(|byte| *byte == b'/');
        let mut wanted = self.0[1..].split('/');
        wanted.all(|wanted| parts.next().is_some_and(|part| fits(wanted.as_bytes(), part)))
    }

    /// The path without its first slash, when no `*` stands in it.
    pub fn literal(&self) -> Option<&str> {
        (!self.0.contains('*')).then(|| &self.0[1..])
    }
}

impl FloatingPattern {
    /// The text, as rsync gets it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it matches the path, or a folder the path lies in.
    pub fn covers(&self, path: &[u8], place: PatternPlace) -> bool {
        let (name, folders_only) = match self.0.strip_suffix('/') {
            Some(name) => (name, true),
            None => (self.0.as_str(), false),
        };
        let parts: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
        let is_folder = |n: usize| n + 1 < parts.len() || place == PatternPlace::Folder;
        let fitting = parts.iter().enumerate().filter(|(_, part)| fits(name.as_bytes(), part));
        fitting.into_iter().any(|(n, _)| !folders_only || is_folder(n))
    }
}

/// Whether a name fits a pattern in which `*` stands for any bytes.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|n| fits(rest, &name[n..])),
        Some((byte, rest)) => {
            name.split_first().is_some_and(|(b, more)| b == byte && fits(rest, more))
        }
    }
}

fn part_fault(part: &str) -> Option<&'static str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-*".contains(c);
    if part.is_empty() || part == "." || part == ".." {
        return Some("must be made of names: no `//`, `.` or `..`");
    }
    if !part.chars().all(plain) {
        return Some("may hold only letters, digits, `.`, `_`, `-` and `*`");
    }
    part.contains("**").then_some("must not hold `**`")
}

impl FromStr for AnchoredPattern {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let refuse = |why| Err(NameError::new("pattern", text, why));
        let Some(rest) = text.strip_prefix('/') else {
            return refuse(
                "must begin with a slash: without it, it would hide that name anywhere in the tree",
            );
        };
        if rest.ends_with('/') {
            return refuse(
                "must not end in a slash: it would match folders only, and not a link of that name",
            );
        }
        match rest.split('/').find_map(part_fault) {
            Some(why) => refuse(why),
            None => Ok(Self(text.to_owned())),
        }
    }
}

impl FromStr for FloatingPattern {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let refuse = |why| Err(NameError::new("pattern", text, why));
        let name = text.strip_suffix('/').unwrap_or(text);
        if name.contains('/') {
            return refuse(
                "is one name, perhaps with a slash at its end: with slashes inside it belongs into `paths`",
            );
        }
        if name.starts_with('-') || name == "*" {
            return refuse("must not begin with a dash, nor match everything");
        }
        match part_fault(name) {
            Some(why) => refuse(why),
            None => Ok(Self(text.to_owned())),
        }
    }
}

impl fmt::Display for AnchoredPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for FloatingPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_program_could_take_for_an_option_or_two_words_is_accepted() {
        for bad in ["", "-oProxyCommand=x", "a b", "a;b", "a\nb", "ü", "a/b", "$(x)", "a@b", "a:1"]
        {
            assert!(bad.parse::<Host>().is_err(), "{bad:?}");
            assert!(bad.parse::<UserName>().is_err(), "{bad:?}");
        }
        for bad in ["", "a", "/", "/a/", "/a//b", "/a/../b", "/a b", "/-a", "/a/./b", "/a'b", "/a*"]
        {
            assert!(bad.parse::<TargetPath>().is_err(), "{bad:?}");
        }
        for bad in ["/a", "../a", "a/../b", "-a", ""] {
            assert!(bad.parse::<InsidePath>().is_err(), "{bad:?}");
        }
        for bad in ["SHA256:x", "MD5:aa:bb", "REPLACE_ME"] {
            assert!(bad.parse::<HostKey>().is_err() && bad.parse::<MachineId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_usual_ones_are_accepted() {
        for good in ["old-box.lan", "127.0.0.1", "a_b"] {
            assert_eq!(good.parse::<Host>().unwrap().as_str(), good);
        }
        assert!("_rsync".parse::<UserName>().is_ok());
        assert!("/srv/trade-1/v0.2_x".parse::<TargetPath>().is_ok());
        assert!("ops/docker-compose.yml".parse::<InsidePath>().is_ok());
        assert!("SHA256:R7UAjgS8QqMXPlpiyWjJsOvBDOIfo8UjvnjRsUSr8oU".parse::<HostKey>().is_ok());
        assert!("3d1219c7c4c5404aaa1f6d2a48adfda4".parse::<MachineId>().is_ok());
        assert!("x".repeat(256).parse::<Host>().is_err());
    }

    #[test]
    fn an_anchored_pattern_covers_the_name_at_the_top_and_all_below_it() {
        for (pattern, covered, not) in [
            ("/data", &["data", "data/x/y"][..], &["files/data", "data2", "dat"][..]),
            (
                "/.env.*",
                &[".env.prod", ".env.", ".env.d/x"],
                &[".env", "a/.env.prod", ".environment"],
            ),
            ("/ops/logs", &["ops/logs", "ops/logs/a"], &["ops", "ops/log", "logs"]),
            ("/a*c", &["ac", "abc", "abc/d"], &["ab/c", "abcd"]),
        ] {
            let pattern: AnchoredPattern = pattern.parse().unwrap();
            for path in covered {
                assert!(pattern.covers(path.as_bytes()), "{path}");
            }
            for path in not {
                assert!(!pattern.covers(path.as_bytes()), "{path}");
            }
        }
    }

    #[test]
    fn a_floating_pattern_covers_a_name_anywhere() {
        let (file, folder) = (PatternPlace::Other, PatternPlace::Folder);
        for (pattern, path, place, covered) in [
            ("*.pyc", "a/b.pyc", file, true),
            ("*.pyc", "b.pyc/x", file, true),
            ("*.pyc", "b.py", file, false),
            ("data/", "files/data/storage.py", file, true),
            ("data/", "files/data", folder, true),
            ("data/", "files/data", file, false),
        ] {
            let parsed: FloatingPattern = pattern.parse().unwrap();
            assert_eq!(parsed.covers(path.as_bytes(), place), covered, "{pattern} {path}");
        }
    }

    #[test]
    fn what_could_be_understood_differently_cannot_be_written() {
        for bad in
            ["data", "/data/", "/", "", "//a", "/a/../b", "/a**", "/a[b]", "/a?", "/a b", "/a\\b"]
        {
            assert!(bad.parse::<AnchoredPattern>().is_err(), "{bad}");
        }
        for bad in ["", "/", "a/b", "/a", "-a", "*", "**", "a?", "!", "+ a"] {
            assert!(bad.parse::<FloatingPattern>().is_err(), "{bad}");
        }
    }
}
