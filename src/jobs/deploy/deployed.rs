//! What was deployed last, as the target keeps it in `.mjolnir-deployed.json`, and what is on its way, in `.mjolnir-deploying.json`:
//! the way to tell an edit from an old version.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::inventory::{TreeEntry, TreeEntryKind, shown, unescaped};
use crate::store::digest::sha256_hex;

/// Names and versions of the document of what was deployed. The last one is written; targets keep older ones for years.
const DEPLOYED: [&str; 2] = ["mjolnir.deployed/1", "mjolnir.deployed/2"];
/// Of what is on its way.
const DEPLOYING: [&str; 1] = ["mjolnir.deploying/1"];

/// Which of two documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Deployed,
    /// What is on its way: a deploy is at work, or was cut off.
    Deploying,
}

impl Stage {
    /// Names and versions that are understood.
    const fn schemas(self) -> &'static [&'static str] {
        match self {
            Self::Deployed => &DEPLOYED,
            Self::Deploying => &DEPLOYING,
        }
    }
}

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
    /// The commit that was deployed before, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// Why, in the words of whoever deployed it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    files: BTreeMap<String, ContentStamp>,
}

/// Why the document cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoteError {
    /// It is not such a document at all.
    #[error("{0}")]
    Json(String),
    /// It is another document, or one of a newer build.
    #[error("its schema is `{found}`, not one of: {known}")]
    Schema {
        found: String,
        /// What this build reads.
        known: String,
    },
    /// This field is not the hash of a commit.
    #[error("`{0}` is not a hash of git")]
    NotAHash(&'static str),
    /// A key of `files` is not a path.
    #[error("`{0}` is not a path of a file")]
    Path(String),
}

/// What a document is about, besides its files.
#[derive(Debug, Clone)]
pub struct DeployNote<'a> {
    /// The commit, in full.
    pub commit: &'a str,
    /// The build that deploys it.
    pub build: &'a str,
    /// When, RFC 3339.
    pub at: String,
    /// The commit that was deployed before.
    pub previous: Option<String>,
    pub message: &'a str,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContentStamp {
    /// sha256 of the content; of a link, of what it points to.
    pub sha256: String,
    /// Type and permissions, octal: `100644` a file, `120777` a link.
    pub mode: String,
    /// Bytes.
    pub size: u64,
}

impl ContentStamp {
    /// The stamp of an entry with this hash; `None` for folders and devices, which are not stamped.
    pub fn of(entry: &TreeEntry, sha256: Option<&String>) -> Option<Self> {
        let (kind, sha256) = match entry.kind {
            TreeEntryKind::File => ("100", sha256?.clone()),
            TreeEntryKind::Link => ("120", sha256_hex(&entry.link)),
            TreeEntryKind::Folder | TreeEntryKind::Other => return None,
        };
        Some(Self { sha256, mode: format!("{kind}{:03o}", entry.mode), size: entry.size })
    }

    /// The part of the mode that says what it is: `100` a file, `120` a link.
    pub fn kind(&self) -> &str {
        self.mode.get(..3).unwrap_or_default()
    }

    /// The word for what it is.
    pub fn kind_name(&self) -> &'static str {
        if self.kind() == "120" { TreeEntryKind::Link.name() } else { TreeEntryKind::File.name() }
    }

    /// The permissions, octal.
    pub fn permissions(&self) -> &str {
        self.mode.get(3..).unwrap_or_default()
    }
}

impl Deployed {
    /// The document of these files.
    pub fn new(
        stage: Stage,
        about: DeployNote<'_>,
        files: BTreeMap<Vec<u8>, ContentStamp>,
    ) -> Self {
        let schema = stage.schemas().last().expect("each stage has a schema");
        Self {
            schema: (*schema).to_owned(),
            commit: about.commit.to_owned(),
            build: about.build.to_owned(),
            at: about.at,
            previous: about.previous,
            message: about.message.to_owned(),
            files: files.into_iter().map(|(path, stamp)| (shown(&path), stamp)).collect(),
        }
    }

    /// The same without some files.
    pub fn without(&self, gone: &[Vec<u8>]) -> Self {
        let mut left = self.clone();
        DEPLOYED[DEPLOYED.len() - 1].clone_into(&mut left.schema);
        left.files.retain(|name, _| !gone.iter().any(|path| shown(path) == *name));
        left
    }

    pub fn parse(stage: Stage, bytes: &[u8]) -> Result<Self, NoteError> {
        let found: Self =
            serde_json::from_slice(bytes).map_err(|error| NoteError::Json(error.to_string()))?;
        let known = stage.schemas();
        if !known.contains(&found.schema.as_str()) {
            return Err(NoteError::Schema { found: found.schema, known: known.join(", ") });
        }
        // They go into argument lists.
        if !is_hash(&found.commit) {
            return Err(NoteError::NotAHash("commit"));
        }
        if found.previous.as_deref().is_some_and(|previous| !is_hash(previous)) {
            return Err(NoteError::NotAHash("previous"));
        }
        match found.files.keys().find(|name| unescaped(name.as_bytes()).is_none()) {
            Some(name) => Err(NoteError::Path(name.clone())),
            None => Ok(found),
        }
    }

    /// Every file and link, by its path.
    pub fn files(&self) -> BTreeMap<Vec<u8>, &ContentStamp> {
        let named = self
            .files
            .iter()
            .filter_map(|(name, stamp)| Some((unescaped(name.as_bytes())?, stamp)));
        named.collect()
    }
}

/// Whether this is the full hash of a commit.
fn is_hash(text: &str) -> bool {
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    matches!(text.len(), 40 | 64) && text.bytes().all(hex)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::document::document;

    /// Written by the first version of the format.
    const OLD: &str = r#"{"schema":"mjolnir.deployed/1","commit":"0123456789012345678901234567890123456789","build":"0.1.0-00","deployed_at":"2026-01-02T03:04:05Z",
        "files":{"a\\#012b":{"sha256":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","mode":"100644","size":3}}}"#;

    #[test]
    fn a_document_is_read_and_its_names_are_bytes() {
        let found = Deployed::parse(Stage::Deployed, OLD.as_bytes()).unwrap();
        assert_eq!(found.files().keys().next().unwrap(), b"a\nb");
        assert_eq!(found.files()[&b"a\nb"[..]].size, 3);
        assert_eq!((found.previous.as_deref(), found.message.as_str()), (None, ""));
    }

    #[test]
    fn what_is_written_is_read_again_and_one_stage_is_not_the_other() {
        let old = Deployed::parse(Stage::Deployed, OLD.as_bytes()).unwrap();
        let files: BTreeMap<_, _> =
            old.files().into_iter().map(|(path, stamp)| (path, stamp.clone())).collect();
        let commit = "a".repeat(40);
        let about = DeployNote {
            commit: &commit,
            build: "b",
            at: "2026-01-02T03:04:05Z".to_owned(),
            previous: Some(old.commit.clone()),
            message: "why",
        };
        for (stage, other) in
            [(Stage::Deployed, Stage::Deploying), (Stage::Deploying, Stage::Deployed)]
        {
            let made = Deployed::new(stage, about.clone(), files.clone());
            assert_eq!(Deployed::parse(stage, document(&made).as_bytes()).unwrap(), made);
            assert!(Deployed::parse(other, document(&made).as_bytes()).is_err());
            assert!(made.without(&[b"a\nb".to_vec()]).files().is_empty());
        }
    }

    #[test]
    fn what_could_become_an_option_or_is_foreign_is_refused() {
        for (from, to) in [
            ("0123456789012345678901234567890123456789", "--upload-pack=x"),
            ("0123456789012345678901234567890123456789", "HEAD"),
            ("mjolnir.deployed/1", "mjolnir.deployed/9"),
            ("\"build\"", "\"bild\""),
            ("a\\\\#012b", "a\\\\#999b"),
            ("\"build\"", "\"previous\":\"-x\",\"build\""),
        ] {
            let text = OLD.replace(from, to);
            assert_ne!(text, OLD, "{from}");
            assert!(Deployed::parse(Stage::Deployed, text.as_bytes()).is_err(), "{to}");
        }
        assert!(Deployed::parse(Stage::Deployed, b"").is_err());
    }
}
