//! What was deployed last, as the target keeps it in `.mjolnir-deployed.json`: the way to tell an edit from an old version.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    inventory::{Entry, Kind},
    names::unescaped,
};
use crate::store::digest::sha256_hex;

/// Name and version of the document.
pub const SCHEMA: &str = "mjolnir.deployed/1";

/// The document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deployed {
    schema: String,
    /// The commit, in full.
    pub commit: String,
    /// The build that deployed it.
    pub build: String,
    /// When, RFC 3339.
    #[serde(rename = "deployed_at")]
    pub at: String,
    files: BTreeMap<String, Stamp>,
}

/// One file or link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stamp {
    /// sha256 of the content; of a link, of what it points to.
    pub sha256: String,
    /// Type and permissions, octal: `100644` a file, `120777` a link.
    pub mode: String,
    /// Bytes.
    pub size: u64,
}

impl Stamp {
    /// Of an entry, whose content has this hash; `None` for folders and devices, which are not stamped.
    pub fn of(entry: &Entry, sha256: Option<&String>) -> Option<Self> {
        let (kind, sha256) = match entry.kind {
            Kind::File => ("100", sha256?.clone()),
            Kind::Link => ("120", sha256_hex(&entry.link)),
            Kind::Folder | Kind::Other => return None,
        };
        Some(Self { sha256, mode: format!("{kind}{:03o}", entry.mode), size: entry.size })
    }
}

impl Deployed {
    /// Understands the document; says what is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let found: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if found.schema != SCHEMA {
            return Err(format!("its schema is `{}`, not `{SCHEMA}`", found.schema));
        }
        // It goes into an argument list.
        let is_hash = matches!(found.commit.len(), 40 | 64)
            && found.commit.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if !is_hash {
            return Err("`commit` is no hash of git".to_owned());
        }
        match found.files.keys().find(|name| unescaped(name.as_bytes()).is_none()) {
            Some(name) => Err(format!("`{name}` is no name of a file")),
            None => Ok(found),
        }
    }

    /// Every file and link, by its path.
    pub fn files(&self) -> BTreeMap<Vec<u8>, &Stamp> {
        let named = self
            .files
            .iter()
            .filter_map(|(name, stamp)| Some((unescaped(name.as_bytes())?, stamp)));
        named.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by the first version of the format.
    const OLD: &str = r#"{"schema":"mjolnir.deployed/1","commit":"0123456789012345678901234567890123456789","build":"0.1.0-00","deployed_at":"2026-01-02T03:04:05Z",
        "files":{"a\\#012b":{"sha256":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","mode":"100644","size":3}}}"#;

    #[test]
    fn a_document_is_read_and_its_names_are_bytes() {
        let found = Deployed::parse(OLD.as_bytes()).unwrap();
        assert_eq!(found.files().keys().next().unwrap(), b"a\nb");
        assert_eq!(found.files()[&b"a\nb"[..]].size, 3);
    }

    #[test]
    fn what_could_become_an_option_or_is_foreign_is_refused() {
        for (from, to) in [
            ("0123456789012345678901234567890123456789", "--upload-pack=x"),
            ("0123456789012345678901234567890123456789", "HEAD"),
            ("mjolnir.deployed/1", "mjolnir.deployed/9"),
            ("\"build\"", "\"bild\""),
            ("a\\\\#012b", "a\\\\#999b"),
        ] {
            let text = OLD.replace(from, to);
            assert_ne!(text, OLD, "{from}");
            assert!(Deployed::parse(text.as_bytes()).is_err(), "{to}");
        }
        assert!(Deployed::parse(b"").is_err());
    }
}
