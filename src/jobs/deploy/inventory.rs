//! A tree as `find` lists it, and where its links lead. rsync's dry run shows a replaced link or file like a new folder; only such a
//! list can tell them apart.

use std::collections::BTreeMap;

use thiserror::Error;

use super::path_bytes::{parent, parents, shown};
use crate::domain::pattern::Place;

/// How `find` prints one entry: nine words and the path from the start, NUL, what a link points to, NUL.
pub const FORMAT: &str = r"%y %m %U %G %s %T@ %n %P\0%l\0";

/// Why a list of files cannot be used. A list that is half understood would hide files, so one bad line is the end of it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ListError {
    /// It ends inside an entry.
    #[error("the list of files is cut off")]
    CutOff,
    /// The folder itself is missing.
    #[error("the list of files does not name the folder itself")]
    NoTop,
    /// This line is not one that `find` prints.
    #[error("`{0}` is not a line of find")]
    NotOfFind(String),
    /// This line is not one that `sha256sum -z` prints.
    #[error("`{0}` is not a line of sha256sum")]
    NotOfSha256sum(String),
    #[error("`{0}` is listed twice")]
    Twice(String),
}

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    File,
    Folder,
    Link,
    /// A pipe, socket or device.
    Other,
}

impl Kind {
    /// The word for it in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Folder => "folder",
            Self::Link => "link",
            Self::Other => "device or pipe",
        }
    }

    /// As far as patterns care.
    pub const fn place(self) -> Place {
        match self {
            Self::Folder => Place::Folder,
            Self::File | Self::Link | Self::Other => Place::Other,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Bytes.
    pub size: u64,
    /// When it was changed last, nanoseconds since 1970.
    pub mtime_ns: i64,
    /// How many names it has.
    pub names: u64,
    /// What a link points to.
    pub link: Vec<u8>,
}

/// A tree: its top, and everything below it by path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    pub top: Entry,
    /// By path from the top.
    pub entries: BTreeMap<Vec<u8>, Entry>,
}

impl Inventory {
    /// Reads what `find` printed with [`FORMAT`].
    pub fn parse(output: &[u8]) -> Result<Self, ListError> {
        let mut fields = output.split(|byte| *byte == 0).peekable();
        let (mut top, mut entries) = (None, BTreeMap::new());
        while let Some(head) = fields.next() {
            if fields.peek().is_none() && head.is_empty() {
                break;
            }
            let link = fields.next().ok_or(ListError::CutOff)?;
            let (path, entry) =
                entry(head, link).ok_or_else(|| ListError::NotOfFind(shown(head)))?;
            if path.is_empty() {
                top = Some(entry);
            } else if entries.insert(path.to_vec(), entry).is_some() {
                return Err(ListError::Twice(shown(path)));
            }
        }
        Ok(Self { top: top.ok_or(ListError::NoTop)?, entries })
    }

    /// What is at a path.
    pub fn get(&self, path: &[u8]) -> Option<&Entry> {
        self.entries.get(path)
    }
}

fn entry<'a>(head: &'a [u8], link: &[u8]) -> Option<(&'a [u8], Entry)> {
    let mut words = head.splitn(8, |byte| *byte == b' ');
    let mut word = || std::str::from_utf8(words.next()?).ok();
    let kind = match word()? {
        "f" => Kind::File,
        "d" => Kind::Folder,
        "l" => Kind::Link,
        "p" | "s" | "b" | "c" | "D" => Kind::Other,
        _ => return None,
    };
    let mode = u32::from_str_radix(word()?, 8).ok()?;
    let (uid, gid, size) = (word()?.parse().ok()?, word()?.parse().ok()?, word()?.parse().ok()?);
    let mtime_ns = nanoseconds(word()?)?;
    let names = word()?.parse().ok()?;
    let path = words.next()?;
    Some((path, Entry { kind, mode, uid, gid, size, mtime_ns, names, link: link.to_vec() }))
}

/// `1795418668.0888616530`, as nanoseconds.
fn nanoseconds(text: &str) -> Option<i64> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let (seconds, nanos): (i64, i64) = (seconds.parse().ok()?, digits.parse().ok()?);
    seconds.checked_mul(1_000_000_000)?.checked_add(nanos)
}

/// sha256 by path, as `sha256sum -z` prints them below `start`.
pub fn parse_hashes(output: &[u8], start: &str) -> Result<BTreeMap<Vec<u8>, String>, ListError> {
    let prefix = format!("{start}/");
    let mut found = BTreeMap::new();
    for line in output.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
        let understood = || {
            let (hash, rest) = (std::str::from_utf8(line.get(..64)?).ok()?, line.get(66..)?);
            let path = rest.strip_prefix(prefix.as_bytes())?;
            let is_hash = hash.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
            is_hash.then(|| (path.to_vec(), hash.to_owned()))
        };
        let (path, hash) = understood().ok_or_else(|| ListError::NotOfSha256sum(shown(line)))?;
        found.insert(path, hash);
    }
    Ok(found)
}

/// Links that are followed before it counts as going round in circles: as many as Linux follows.
const FOLLOWED_MAX: u32 = 40;

/// Whether a link of the tree leads out of it, directly or through other links. One that leads nowhere inside does not.
pub fn escapes(tree: &Inventory, path: &[u8]) -> bool {
    let Some(entry) = tree.get(path).filter(|entry| entry.kind == Kind::Link) else { return false };
    let mut here: Vec<Vec<u8>> = parent(path)
        .map(|parent| parent.split(|byte| *byte == b'/').map(<[u8]>::to_vec).collect())
        .unwrap_or_default();
    let mut todo = steps(&entry.link);
    let mut followed = 0;
    if entry.link.starts_with(b"/") {
        return true;
    }
    while let Some(step) = todo.pop() {
        match step.as_slice() {
            b"" | b"." => {}
            b".." => {
                if here.pop().is_none() {
                    return true;
                }
            }
            name => {
                here.push(name.to_vec());
                let at = here.join(&b'/');
                let Some(next) = tree.get(&at).filter(|entry| entry.kind == Kind::Link) else {
                    continue;
                };
                followed += 1;
                if next.link.starts_with(b"/") || followed > FOLLOWED_MAX {
                    return true;
                }
                here.pop();
                todo.extend(steps(&next.link));
            }
        }
    }
    false
}

/// The steps of a link, the last one first.
fn steps(link: &[u8]) -> Vec<Vec<u8>> {
    link.split(|byte| *byte == b'/').rev().map(<[u8]>::to_vec).collect()
}

/// The folder on the way to a path that is a link on the target; `None` when there is none.
pub fn link_on_the_way<'p>(target: &Inventory, path: &'p [u8]) -> Option<&'p [u8]> {
    parents(path).find(|parent| target.get(parent).is_some_and(|entry| entry.kind == Kind::Link))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_list_is_understood_with_every_kind_of_name() {
        let output = b"d 755 0 0 4096 1795418668.0888616530 3 \0\0f 4644 1000 100 2 1.5 2 x -> y\nz \xff\0\0l 777 0 0 1 0 1 l\0../a b\0";
        let found = Inventory::parse(output).unwrap();
        assert_eq!(found.top.kind, Kind::Folder);
        let file = found.get(b"x -> y\nz \xff").unwrap();
        assert_eq!((file.mode, file.uid, file.gid, file.names), (0o4644, 1000, 100, 2));
        assert_eq!(file.mtime_ns, 1_500_000_000);
        assert_eq!(found.get(b"l").unwrap().link, b"../a b");
        assert_eq!(found.top.mtime_ns, 1_795_418_668_088_861_653);
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for bad in [
            &b""[..],
            b"hello",
            b"f 644 0 0 1 1.5 1 a\0\0",
            b"d 755 0 0 1 1.5 1 \0\0x 644 0 0 1 1.5 1 a\0\0",
            b"d 755 0 0 1 1.5 1 \0\0f 644 0 0 1 1.5 1 a",
            b"d 755 0 0 1 1.5 1 \0\0f 644 0 0 1 1.5 1 a\0\0f 644 0 0 1 1.5 1 a\0\0",
            b"d 999 0 0 1 1.5 1 \0\0",
        ] {
            assert!(Inventory::parse(bad).is_err(), "{bad:?}");
        }
        assert!(parse_hashes(b"abc  ./a\0", ".").is_err());
        let line = format!("{}  ./a\nb\0", "0".repeat(64));
        assert!(parse_hashes(line.as_bytes(), ".").unwrap().contains_key(&b"a\nb"[..]));
        assert!(parse_hashes(line.as_bytes(), "/x").is_err());
    }

    proptest! {
        #[test]
        fn nothing_panics(output in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Inventory::parse(&output);
            let _ = parse_hashes(&output, ".");
            let framed = [b"d 755 0 0 1 1.5 1 \0\0f 644 0 0 ".as_slice(), &output, b"\0\0"].concat();
            let _ = Inventory::parse(&framed);
        }
    }

    fn tree(links: &[(&str, &str)]) -> Inventory {
        let mut output = b"d 755 0 0 1 1.5 1 \0\0d 755 0 0 1 1.5 1 sub\0\0".to_vec();
        for (path, link) in links {
            output.extend(format!("l 777 0 0 1 1.5 1 {path}\0{link}\0").bytes());
        }
        Inventory::parse(&output).unwrap()
    }

    #[test]
    fn links_that_leave_the_tree_are_told_from_those_that_stay() {
        for (links, path, out) in [
            (&[("l", "a")][..], "l", false),
            (&[("sub/l", "../a/b")], "sub/l", false),
            (&[("sub/l", "../../a")], "sub/l", true),
            (&[("l", "/etc/passwd")], "l", true),
            (&[("l", "..")], "l", true),
            (&[("l", "sub/../..")], "l", true),
            (&[("l", "m/x"), ("m", "sub")], "l", false),
            (&[("l", "m/x"), ("m", "/etc")], "l", true),
            (&[("sub/l", "../m/.."), ("m", "sub")], "sub/l", false),
            (&[("l", "m"), ("m", "l")], "l", true),
            (&[("l", "./a/./b")], "l", false),
        ] {
            assert_eq!(escapes(&tree(links), path.as_bytes()), out, "{links:?}");
        }
        assert!(!escapes(&tree(&[]), b"sub"));
    }

    #[test]
    fn a_link_on_the_way_is_seen() {
        let target = tree(&[("ops", "../elsewhere")]);
        assert_eq!(link_on_the_way(&target, b"ops/deep/file"), Some(&b"ops"[..]));
        assert_eq!(link_on_the_way(&target, b"ops"), None);
        assert_eq!(link_on_the_way(&target, b"sub/x"), None);
    }
}
