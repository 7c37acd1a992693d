//! Names that end up in paths: tags, run ids, venues. A name that could leave its folder cannot be constructed.

use std::{fmt, str::FromStr};

use thiserror::Error;

/// Longest name accepted, in characters.
pub const NAME_MAX: usize = 64;

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what} `{text}` {why}")]
pub struct NameError {
    what: &'static str,
    text: String,
    why: &'static str,
}

impl NameError {
    pub(super) fn new(what: &'static str, text: &str, why: &'static str) -> Self {
        Self { what, text: text.escape_default().take(2 * NAME_MAX).collect(), why }
    }
}

/// Letters, digits, `_`, `-`, `.`; starts with a letter or digit; at most 64 long; never `..`.
pub(super) fn check_name(what: &'static str, text: &str) -> Result<(), NameError> {
    let refuse = |why| Err(NameError::new(what, text, why));
    if text.is_empty() {
        return refuse("is empty");
    }
    if text.len() > NAME_MAX {
        return refuse("is longer than 64 characters");
    }
    if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return refuse("must start with a letter or a digit");
    }
    if !text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c)) {
        return refuse("may hold only letters, digits, `_`, `-` and `.`");
    }
    if text.contains("..") {
        return refuse("must not hold `..`");
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $normal:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(String);

        impl $type {
            /// The name itself, safe as one path segment.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                check_name($what, text)?;
                Ok(Self($normal(text)))
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// Storage namespace of a series of decisions, e.g. `paper_local_check`.
    Tag,
    "tag",
    str::to_owned
);
name!(
    /// The id of one execution of a job.
    RunId,
    "run id",
    str::to_owned
);
name!(
    /// A venue in lower case, e.g. `binance`, however it is written.
    Exchange,
    "exchange",
    str::to_ascii_lowercase
);

impl Tag {
    /// Where a backtest of this tag with this run id writes: `<tag>_bt_<runid>`.
    pub fn backtest(&self, run: &RunId) -> Result<Self, NameError> {
        format!("{self}_bt_{run}").parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_folder() {
        for bad in ["", "../../x", "a/b", "..", ".hidden", "-x", "a..b", "a b", "a\n", "é", "a\0"]
        {
            assert!(bad.parse::<Tag>().is_err(), "{bad:?}");
        }
        assert!("x".repeat(65).parse::<Tag>().is_err());
        for good in ["paper_local_check", "a", "7", "a.b-c_D"] {
            assert_eq!(good.parse::<Tag>().unwrap().as_str(), good);
        }
        assert_eq!("Binance".parse::<Exchange>().unwrap().as_str(), "binance");
    }

    #[test]
    fn the_message_names_the_thing_and_escapes_it() {
        let message = "a\nb".parse::<Tag>().unwrap_err().to_string();
        assert_eq!(message, "tag `a\\nb` may hold only letters, digits, `_`, `-` and `.`");
    }
}
