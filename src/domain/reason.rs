//! The text of a reason: a rule, a skip, a hold. It is short, so that a row holds it in place and copies it.

use std::fmt;

/// At most [`Reason::MAX`] bytes of text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reason {
    /// Zeros behind the text, so that the derived order is that of the texts.
    bytes: [u8; Self::MAX],
    len: u8,
}

impl Reason {
    /// The longest text, in bytes.
    pub const MAX: usize = 32;

    /// Of a text known when the program is built, at most [`Reason::MAX`] bytes.
    pub const fn new(text: &'static str) -> Self {
        match Self::of(text) {
            Some(reason) => reason,
            None => panic!("a reason has at most 32 bytes"),
        }
    }

    /// `None` where the text is too long.
    pub const fn of(text: &str) -> Option<Self> {
        let from = text.as_bytes();
        if from.len() > Self::MAX {
            return None;
        }
        let mut bytes = [0; Self::MAX];
        let mut at = 0;
        while at < from.len() {
            bytes[at] = from[at];
            at += 1;
        }
        Some(Self { bytes, len: from.len() as u8 })
    }

    /// The bytes of the text.
    pub const fn as_bytes(&self) -> &[u8] {
        self.bytes.split_at(self.len as usize).0
    }

    /// The text.
    pub const fn as_str(&self) -> &str {
        match std::str::from_utf8(self.as_bytes()) {
            Ok(text) => text,
            Err(_) => panic!("it was copied from a text"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl PartialEq<&str> for Reason {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_its_text() {
        for text in ["", "golden", "a234567890123456789012345678901z", "müde"] {
            assert_eq!(Reason::of(text).unwrap().to_string(), text);
        }
        assert_eq!(Reason::of("a2345678901234567890123456789012z"), None);
        assert_eq!(Reason::new("no_signal"), "no_signal");
    }

    #[test]
    fn reasons_are_ordered_as_their_texts() {
        let mut reasons = ["b", "ab", "a", "aa"].map(Reason::new);
        reasons.sort();
        assert_eq!(reasons, ["a", "aa", "ab", "b"].map(Reason::new));
    }
}
