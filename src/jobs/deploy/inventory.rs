//! A tree as `find` lists it, where its links lead, and what a deploy leaves alone.

use std::{collections::BTreeMap, fmt::Write as _};

use thiserror::Error;

use crate::{
    domain::target::{AnchoredPattern, FloatingPattern, PatternPlace},
    manifest::DeployCheck,
};

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
pub enum TreeEntryKind {
    File,
    Folder,
    Link,
    /// A pipe, socket or device.
    Other,
}

impl TreeEntryKind {
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
    pub const fn place(self) -> PatternPlace {
        match self {
            Self::Folder => PatternPlace::Folder,
            Self::File | Self::Link | Self::Other => PatternPlace::Other,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeEntry {
    pub kind: TreeEntryKind,
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
    pub top: TreeEntry,
    /// By path from the top.
    pub entries: BTreeMap<Vec<u8>, TreeEntry>,
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
    pub fn get(&self, path: &[u8]) -> Option<&TreeEntry> {
        self.entries.get(path)
    }
}

fn entry<'a>(head: &'a [u8], link: &[u8]) -> Option<(&'a [u8], TreeEntry)> {
    let mut words = head.splitn(8, |byte| *byte == b' ');
    let mut word = || std::str::from_utf8(words.next()?).ok();
    let kind = match word()? {
        "f" => TreeEntryKind::File,
        "d" => TreeEntryKind::Folder,
        "l" => TreeEntryKind::Link,
        "p" | "s" | "b" | "c" | "D" => TreeEntryKind::Other,
        _ => return None,
    };
    let mode = u32::from_str_radix(word()?, 8).ok()?;
    let (uid, gid, size) = (word()?.parse().ok()?, word()?.parse().ok()?, word()?.parse().ok()?);
    let mtime_ns = nanoseconds(word()?)?;
    let names = word()?.parse().ok()?;
    let path = words.next()?;
    Some((path, TreeEntry { kind, mode, uid, gid, size, mtime_ns, names, link: link.to_vec() }))
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
    let Some(entry) = tree.get(path).filter(|entry| entry.kind == TreeEntryKind::Link) else {
        return false;
    };
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
                let Some(next) = tree.get(&at).filter(|entry| entry.kind == TreeEntryKind::Link)
                else {
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
    parents(path)
        .find(|parent| target.get(parent).is_some_and(|entry| entry.kind == TreeEntryKind::Link))
}

/// The name with control bytes, bytes that are no UTF-8, and what looks like such an escape written as `\#ooo`.
pub fn shown(name: &[u8]) -> String {
    let mut out = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for (at, letter) in chunk.valid().char_indices() {
            let rest = &chunk.valid().as_bytes()[at..];
            if letter.is_control() || (letter == '\\' && looks_escaped(rest)) {
                letter.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| escape(byte, &mut out));
            } else {
                out.push(letter);
            }
        }
        chunk.invalid().iter().for_each(|byte| escape(*byte, &mut out));
    }
    out
}

fn escape(byte: u8, out: &mut String) {
    let _ = write!(out, "\\#{byte:03o}");
}

fn looks_escaped(text: &[u8]) -> bool {
    text.len() >= 5 && text.starts_with(b"\\#") && text[2..5].iter().all(u8::is_ascii_digit)
}

/// The bytes behind an escaped name; `None` for an escape that no byte has.
pub fn unescaped(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, more)) = rest.split_first() {
        if looks_escaped(rest) {
            let digits = std::str::from_utf8(&rest[2..5]).ok()?;
            out.push(u8::from_str_radix(digits, 8).ok()?);
            rest = &rest[5..];
        } else {
            out.push(*first);
            rest = more;
        }
    }
    Some(out)
}

/// The folder of a path; `None` for one at the top.
pub fn parent(path: &[u8]) -> Option<&[u8]> {
    path.iter().rposition(|byte| *byte == b'/').map(|at| &path[..at])
}

/// Every folder of a path, the innermost first.
pub fn parents(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::successors(parent(path), |path| parent(path))
}

/// The last name of a path.
pub fn last(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

/// Always protected. No slash at the end: a link of that name counts too.
pub const PROTECTED: [&str; 8] =
    ["/.env", "/.env.*", "/data", MARKER, DEPLOYED, DEPLOYING, LOCK, TRASH];
/// What names the project on the target.
pub const MARKER: &str = "/.mjolnir-target";
/// What was deployed there last.
pub const DEPLOYED: &str = "/.mjolnir-deployed.json";
/// What is being deployed there, or was when a deploy was cut off.
pub const DEPLOYING: &str = "/.mjolnir-deploying.json";
/// Held while a deploy is at work: a folder.
pub const LOCK: &str = "/.mjolnir-lock";
/// Where retired files go.
pub const TRASH: &str = "/.mjolnir-trash";
/// It matches `/.env.*` and is sent all the same: it names the variables of the box and holds no values.
pub const EXAMPLE: &str = "/.env.example";

/// What a deploy leaves alone.
#[derive(Debug, Clone)]
pub struct Exclusions {
    built_in: Vec<AnchoredPattern>,
    protected: Vec<AnchoredPattern>,
    anchored: Vec<AnchoredPattern>,
    floating: Vec<FloatingPattern>,
}

impl Exclusions {
    /// The built-in ones and those of a manifest.
    pub fn new(check: &DeployCheck) -> Self {
        Self {
            built_in: PROTECTED
                .map(|text| text.parse().expect("the built-in patterns are good"))
                .to_vec(),
            protected: check.protect.paths.iter().map(|path| path.get().clone()).collect(),
            anchored: check.exclude.paths.iter().map(|path| path.get().clone()).collect(),
            floating: check.exclude.anywhere.iter().map(|name| name.get().clone()).collect(),
        }
    }

    /// Whether the path is, or is inside of, something protected.
    pub fn protects(&self, path: &[u8]) -> bool {
        let built_in = path != bare(EXAMPLE) && covers(&self.built_in, path);
        built_in || covers(&self.protected, path)
    }

    /// Whether the path is not part of a deploy: protected or excluded.
    pub fn hides(&self, path: &[u8], place: PatternPlace) -> bool {
        self.protects(path) || self.excludes(path, place)
    }

    fn excludes(&self, path: &[u8], place: PatternPlace) -> bool {
        covers(&self.anchored, path)
            || self.floating.iter().any(|pattern| pattern.covers(path, place))
    }

    /// The exclude that hides a tracked file which should be deployed.
    pub fn hider(&self, path: &[u8]) -> Option<&str> {
        let anchored = self.anchored.iter().find(|pattern| pattern.covers(path));
        let floating =
            || self.floating.iter().find(|pattern| pattern.covers(path, PatternPlace::Other));
        anchored.map(AnchoredPattern::as_str).or_else(|| floating().map(FloatingPattern::as_str))
    }

    /// The filters of rsync in their order: the first that fits a path decides.
    pub fn filters(&self) -> Vec<String> {
        let exclude = |pattern: &str| format!("--exclude={pattern}");
        let mut filters = Vec::new();
        // Only where no other pattern hides it: a filter before the excludes would win over all of them.
        if !self.hides(bare(EXAMPLE), PatternPlace::Other) {
            filters.push(format!("--include={EXAMPLE}"));
        }
        let protected = self.built_in.iter().chain(&self.protected);
        filters.extend(protected.chain(&self.anchored).map(|pattern| exclude(pattern.as_str())));
        filters.extend(self.floating.iter().map(|pattern| exclude(pattern.as_str())));
        filters
    }

    /// Paths whose inside need not be looked at.
    pub fn literal_paths(&self) -> impl Iterator<Item = &str> {
        let protected = self.built_in.iter().chain(&self.protected);
        protected.chain(&self.anchored).filter_map(AnchoredPattern::literal)
    }
}

/// A path of this file as lists have it: without the slash at its beginning.
fn bare(path: &str) -> &[u8] {
    path.trim_start_matches('/').as_bytes()
}

fn covers(patterns: &[AnchoredPattern], path: &[u8]) -> bool {
    patterns.iter().any(|pattern| pattern.covers(path))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::manifest::Parsed;

    #[test]
    fn a_list_is_understood_with_every_kind_of_name() {
        let output = b"d 755 0 0 4096 1795418668.0888616530 3 \0\0f 4644 1000 100 2 1.5 2 x -> y\nz \xff\0\0l 777 0 0 1 0 1 l\0../a b\0";
        let found = Inventory::parse(output).unwrap();
        assert_eq!(found.top.kind, TreeEntryKind::Folder);
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

    #[test]
    fn every_name_has_one_spelling_and_comes_back() {
        for (name, spelling) in [
            (&b"a"[..], "a"),
            (b"new\nline", "new\\#012line"),
            (b"t\tab", "t\\#011ab"),
            (b"oct\\#012x", "oct\\#134#012x"),
            (b"back\\slash", "back\\slash"),
            (b"\\#01", "\\#01"),
            ("ü ☃".as_bytes(), "ü ☃"),
            (b"\xff\xfe", "\\#377\\#376"),
            (b"x -> y", "x -> y"),
        ] {
            assert_eq!(shown(name), spelling);
            assert_eq!(unescaped(spelling.as_bytes()).unwrap(), name);
        }
        assert_eq!(unescaped(b"\\#777"), None);
        assert_eq!(unescaped(b"\\#899"), None);
    }

    #[test]
    fn parents_and_last_names() {
        assert_eq!(parents(b"a/b/c").collect::<Vec<_>>(), [&b"a/b"[..], b"a"]);
        assert_eq!((last(b"a/b"), last(b"a")), (&b"b"[..], &b"a"[..]));
    }

    #[test]
    fn protected_paths_cannot_be_taken_out() {
        let mut check = DeployCheck::default();
        check.exclude.paths.clear();
        check.exclude.anywhere.clear();
        let exclusions = Exclusions::new(&check);
        for path in [
            ".env",
            ".env.prod",
            ".env.local",
            ".env.example.old",
            "data",
            "data/x",
            ".mjolnir-target",
            ".mjolnir-lock",
        ] {
            assert!(exclusions.protects(path.as_bytes()), "{path}");
        }
        for path in ["src/data", "environment", "a/.env", ".mjolnir", ".env.example"] {
            assert!(!exclusions.protects(path.as_bytes()), "{path}");
        }
        assert!(exclusions.filters().contains(&"--exclude=/data".to_owned()));
    }

    #[test]
    fn the_example_is_sent_unless_a_manifest_hides_it() {
        let filters = |edit: fn(&mut DeployCheck)| {
            let mut check = DeployCheck::default();
            edit(&mut check);
            let exclusions = Exclusions::new(&check);
            let hidden = exclusions.hides(b".env.example", PatternPlace::Other);
            assert_ne!(hidden, exclusions.filters()[0] == "--include=/.env.example");
            hidden
        };
        assert!(!filters(|_| ()));
        assert!(filters(|check| check.protect.paths.push(parsed("/.env.example"))));
        assert!(filters(|check| check.exclude.paths.push(parsed("/.env.example"))));
        assert!(filters(|check| check.exclude.anywhere.push(parsed("*.example"))));
    }

    fn parsed<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> Parsed<T> {
        Parsed::new(text.parse().unwrap())
    }
}
