//! Names of models: what one is told from another by, wherever it lies.

use std::{fmt, str::FromStr};

use thiserror::Error;

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
