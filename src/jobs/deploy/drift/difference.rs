//! The differences of one text: between what git has of the deployed commit and what stands on the target now.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    compare::Drifted,
    masked::{masked, visible},
};
use crate::{
    exit::Exit,
    jobs::{
        context::{Context, Failure},
        deploy::{
            argv,
            hands::{Hands, good, words},
            secrets::{telling_lines, telling_name},
        },
    },
    manifest::{Drift, Target},
    os::supervise::Captured,
    store::{digest::sha256_hex, disk::Disk as _},
};

/// The two files that are compared, in the folder of the report, for as long as it takes.
const TEXTS: [&str; 2] = ["deployed.txt", "there.txt"];

/// What can be shown of a difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// Lines of a unified diff, and how many more there are.
    Lines(Vec<String>, usize),
    /// Nothing, and why.
    NotShown(String),
}

/// Where differences are taken from.
pub struct Differ<'a> {
    /// This run.
    pub context: &'a Context<'a>,
    /// Starts programs.
    pub hands: &'a Hands<'a>,
    /// What is looked at.
    pub target: &'a Target,
    /// The repository that was deployed from, if it is there.
    pub source: Option<PathBuf>,
    /// The deployed commit, in full.
    pub commit: &'a str,
    /// How much is shown.
    pub limits: &'a Drift,
}

/// Nothing can be shown: a reason, or a failure of this machine.
enum Blind {
    Why(String),
    Failure(Failure),
}

impl From<&str> for Blind {
    fn from(why: &str) -> Self {
        Self::Why(why.to_owned())
    }
}

impl From<Failure> for Blind {
    fn from(failure: Failure) -> Self {
        match failure.exit {
            // A program that is not there: the rest of the look needs it not.
            Exit::Negative => Self::Why(failure.message),
            _ => Self::Failure(failure),
        }
    }
}

impl Differ<'_> {
    /// The difference of an edited file.
    pub fn of(&self, drifted: &Drifted) -> Result<Difference, Failure> {
        match self.lines(drifted) {
            Ok(lines) if lines.is_empty() => {
                Ok(Difference::NotShown("only what is not shown differs".to_owned()))
            }
            Ok(mut lines) => {
                let most = self.limits.diff_lines_max as usize;
                let more = lines.len().saturating_sub(most);
                lines.truncate(most);
                Ok(Difference::Lines(lines, more))
            }
            Err(Blind::Why(why)) => Ok(Difference::NotShown(why)),
            Err(Blind::Failure(failure)) => Err(failure),
        }
    }

    fn lines(&self, drifted: &Drifted) -> Result<Vec<String>, Blind> {
        let path = std::str::from_utf8(&drifted.path).map_err(|_| "its name is no text")?;
        if telling_name(&drifted.path) {
            return Err("it is named like a secret".into());
        }
        let (Some(was), Some(now)) = (&drifted.was, &drifted.now) else {
            return Err("there is nothing to compare it with".into());
        };
        if was.kind() != "100" {
            return Err("it is a link".into());
        }
        let most = self.limits.diff_bytes_max.get().bytes();
        if was.size > most || now.bytes > most {
            return Err(Blind::Why(format!("it is larger than {}", self.limits.diff_bytes_max)));
        }
        let was = self.deployed(path, &was.sha256)?;
        let is = self.there(path, now.sha256.as_deref())?;
        if !telling_lines(was.as_bytes()).is_empty() || !telling_lines(is.as_bytes()).is_empty() {
            return Err("it holds lines that look like a secret".into());
        }
        let (was, is) = masked(&was, &is);
        self.compared(&was, &is)
    }

    /// What was deployed, as git has it.
    fn deployed(&self, path: &str, sha256: &str) -> Result<String, Blind> {
        let source = self.source.as_deref().ok_or("the source it was deployed from is not here")?;
        let object = format!("{}:./{path}", self.commit);
        let words = ["cat-file", "blob", object.as_str()];
        let said = self.hands.here(argv::git(&words), source, BTreeMap::new())?;
        let bytes = good("git cat-file", said)
            .map_err(|_| "git has no such file of the deployed commit here")?;
        text_of(bytes, sha256, "git has other content of the deployed commit")
    }

    /// What stands there now.
    fn there(&self, path: &str, sha256: Option<&str>) -> Result<String, Blind> {
        let file = format!("{}/{path}", self.target.path);
        let said = self.hands.there(&words(["cat", "--", file.as_str()]))?;
        let bytes = good("cat", said).map_err(|complaint| Blind::Why(complaint.message))?;
        text_of(bytes, sha256.unwrap_or_default(), "it changed while it was looked at")
    }

    /// What git says of two texts. They lie in files for as long as that takes.
    fn compared(&self, was: &str, is: &str) -> Result<Vec<String>, Blind> {
        let (disk, dir) = (self.context.disk, self.hands.dir());
        let said = TEXTS
            .iter()
            .zip([was, is])
            .try_for_each(|(name, text)| disk.replace(&dir.join(name), text.as_bytes()))
            .map_err(Failure::from)
            .and_then(|()| diff(self.hands, dir));
        for name in TEXTS {
            let path = dir.join(name);
            if disk.look(&path).is_ok_and(|found| found.is_some()) {
                disk.remove(&path).map_err(Failure::from)?;
            }
        }
        let Captured { code, timed_out, stdout, .. } = said?;
        if timed_out || !matches!(code, 0 | 1) {
            return Err(Blind::Why(format!("git diff ended with exit code {code}")));
        }
        let lines = stdout.split(|byte| *byte == b'\n').skip_while(|line| !line.starts_with(b"@@"));
        let mut lines: Vec<String> = lines.map(visible).collect();
        lines.pop_if(|line| line.is_empty());
        Ok(lines)
    }
}

/// The bytes as text, if they are the ones that are meant.
fn text_of(bytes: Vec<u8>, sha256: &str, other: &str) -> Result<String, Blind> {
    if sha256_hex(&bytes) != sha256 {
        return Err(other.into());
    }
    if bytes.contains(&0) {
        return Err("it is no text".into());
    }
    String::from_utf8(bytes).map_err(|_| "it is no text".into())
}

/// Compares the two files, by no settings but these: no repository around the folder has a say.
fn diff(hands: &Hands<'_>, dir: &Path) -> Result<Captured, Failure> {
    let fixed = ["diff", "--no-index", "--no-ext-diff", "--no-textconv", "--no-color", "--text"];
    let words = [&fixed[..], &["--no-renames", "-U3", "--"], &TEXTS].concat();
    let above = dir.parent().unwrap_or(dir).display().to_string();
    let env = BTreeMap::from([("GIT_CEILING_DIRECTORIES".to_owned(), above)]);
    hands.here(argv::git(&words), dir, env)
}
