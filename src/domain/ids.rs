//! Names that end up in paths: tags, run ids, venues, models. A name that could leave its folder cannot be constructed.

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

/// Digits of a written id.
const DIGITS: usize = 12;

/// The id of a model: the first 12 hex digits of the sha256 of its files.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ModelId([u8; DIGITS / 2]);

/// A text that is no id of a model.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not a model id: write its 12 lower-case hex digits")]
pub struct ModelIdError(String);

impl ModelId {
    /// The id of a model whose files have this sha256.
    pub fn of_digest(digest: [u8; 32]) -> Self {
        let mut head = [0; DIGITS / 2];
        head.copy_from_slice(&digest[..DIGITS / 2]);
        Self(head)
    }
}

impl FromStr for ModelId {
    type Err = ModelIdError;

    fn from_str(text: &str) -> Result<Self, ModelIdError> {
        let refused = || ModelIdError(text.escape_default().take(80).collect());
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        if text.len() != DIGITS {
            return Err(refused());
        }
        let mut head = [0; DIGITS / 2];
        for (byte, pair) in head.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let (high, low) = digit(pair[0]).zip(digit(pair[1])).ok_or_else(refused)?;
            *byte = high << 4 | low;
        }
        Ok(Self(head))
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ModelId({self})")
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

    #[test]
    fn an_id_is_read_as_it_is_written() {
        let id: ModelId = "0a1b2c3d4e5f".parse().unwrap();
        assert_eq!(id.to_string(), "0a1b2c3d4e5f");
        let mut digest = [9; 32];
        digest[..6].copy_from_slice(&[0x0a, 0x1b, 0x2c, 0x3d, 0x4e, 0x5f]);
        assert_eq!(ModelId::of_digest(digest), id);
        for bad in
            ["", "0a1b2c3d4e5", "0a1b2c3d4e5f0", "0A1B2C3D4E5F", "0a1b2c3d4e5g", "../../../../"]
        {
            assert!(bad.parse::<ModelId>().is_err(), "{bad}");
        }
    }
}
