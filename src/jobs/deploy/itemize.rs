//! What rsync says in a dry run, line by line. The grammar is closed: a line that does not fit it is unknown, and one unknown
//! line is reason enough to refuse. Names are bytes.

use super::names::unescaped;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// Nothing.
    Blank,
    /// Something would be made or changed.
    Item(Item),
    /// Something would be deleted. Folders end in a slash.
    Deleting(Vec<u8>),
    /// A sentence about a path.
    Told(Told, Vec<u8>),
    /// A number about the whole.
    Number(Number, u64),
    /// Statistics without use.
    Statistics,
    /// The last line of statistics, and whether it says that this was a dry run.
    Total(DryRun),
    /// Anything else.
    Unknown,
}

/// Whether rsync says that nothing was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DryRun {
    /// It does.
    Said,
    /// It does not.
    Unsaid,
}

/// Sentences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// The folder on the target does not exist.
    CreatedFolder,
    /// A folder stands where something else must be.
    FolderInTheWay,
    /// A device, socket or pipe is left out.
    Skipped,
    /// A link that leads out is left out.
    UnsafeLink,
    /// A file was gone when its turn came.
    Vanished,
}

/// Numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    /// Files, folders and links that were looked at.
    Files,
    /// What would be deleted.
    Deleted,
    /// Bytes of the files that would be sent.
    Bytes,
}

/// Where the change happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Content goes to the other side, or comes from it.
    Content,
    /// Made there: a folder, a link, a device.
    Made,
    /// A hard link.
    HardLink,
    /// Attributes only.
    Attributes,
}

/// What it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemKind {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A device.
    Device,
    /// A socket or pipe.
    Special,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Where.
    pub change: Change,
    /// Of what.
    pub kind: ItemKind,
    /// Nine columns: content, size, time, permissions, owner, group, times of use, ACL, extended attributes.
    pub attributes: [u8; 9],
    /// The path from the top of the tree, without a slash at its end; empty for the top itself.
    pub name: Vec<u8>,
}

impl Item {
    /// Whether there is nothing of that name yet.
    pub fn is_new(&self) -> bool {
        self.attributes == [b'+'; 9]
    }

    /// Whether this letter stands in its column.
    pub fn has(&self, letter: u8) -> bool {
        self.attributes.contains(&letter)
    }
}

/// Which letters may stand in which column.
const COLUMNS: [&[u8]; 9] = [b"cC", b"s", b"tT", b"p", b"o", b"g", b"unb", b"a", b"x"];
/// Sentences, and what stands behind the path.
const SENTENCES: [(&[u8], &[u8], Told); 6] = [
    (b"created directory ", b"", Told::CreatedFolder),
    (b"cannot delete non-empty directory: ", b"", Told::FolderInTheWay),
    (b"skipping non-regular file \"", b"\"", Told::Skipped),
    (b"ignoring unsafe symlink \"", b"\"", Told::UnsafeLink),
    (b"file has vanished: \"", b"\"", Told::Vanished),
    (b"file has vanished: ", b"", Told::Vanished),
];
const STATISTICS: [&str; 12] = [
    "Number of created files: ",
    "Number of regular files transferred: ",
    "Number of files transferred: ",
    "Total file size: ",
    "Literal data: ",
    "Matched data: ",
    "File list size: ",
    "File list generation time: ",
    "File list transfer time: ",
    "Total bytes sent: ",
    "Total bytes received: ",
    "sent ",
];

/// Understands one line, without its line end.
pub fn line(text: &[u8]) -> Line {
    if text.is_empty() {
        return Line::Blank;
    }
    if let Some(name) = text.strip_prefix(b"*deleting   ") {
        return path(name).map_or(Line::Unknown, Line::Deleting);
    }
    if let Some(item) = item(text) {
        return Line::Item(item);
    }
    for (start, end, told) in SENTENCES {
        let rest = text.strip_prefix(start).and_then(|rest| rest.strip_suffix(end));
        if let Some(name) = rest.filter(|rest| !rest.is_empty()).and_then(unescaped) {
            return Line::Told(told, name);
        }
    }
    if text.starts_with(b"created ") && text.windows(12).any(|part| part == b" directories") {
        return Line::Told(Told::CreatedFolder, b"several folders".to_vec());
    }
    std::str::from_utf8(text).map_or(Line::Unknown, statistics)
}

fn item(text: &[u8]) -> Option<Item> {
    let (head, name) = (text.get(..11)?, text.get(11..)?.strip_prefix(b" ")?);
    let change = match head[0] {
        b'<' | b'>' => Change::Content,
        b'c' => Change::Made,
        b'h' => Change::HardLink,
        b'.' => Change::Attributes,
        _ => return None,
    };
    let kind = match head[1] {
        b'f' => ItemKind::File,
        b'd' => ItemKind::Folder,
        b'L' => ItemKind::Link,
        b'D' => ItemKind::Device,
        b'S' => ItemKind::Special,
        _ => return None,
    };
    let attributes: [u8; 9] = head[2..].try_into().ok()?;
    let whole = [b'+', b'?', b' '].iter().any(|byte| attributes == [*byte; 9]);
    let fits = |(letter, column): (&u8, &&[u8])| *letter == b'.' || column.contains(letter);
    if !whole && !attributes.iter().zip(&COLUMNS).all(fits) {
        return None;
    }
    if name.ends_with(b"/") != (kind == ItemKind::Folder) {
        return None;
    }
    let name = if name == b"./" { Vec::new() } else { path(name)? };
    let name = name.strip_suffix(b"/").map_or_else(|| name.clone(), <[u8]>::to_vec);
    Some(Item { change, kind, attributes, name })
}

/// A path from the top of the tree that does not leave it. A slash at its end stays.
fn path(text: &[u8]) -> Option<Vec<u8>> {
    let name = unescaped(text)?;
    let parts = name.strip_suffix(b"/").unwrap_or(&name).split(|byte| *byte == b'/');
    let good =
        |part: &[u8]| !part.is_empty() && part != b"." && part != b".." && !part.contains(&0);
    parts.into_iter().all(good).then_some(name)
}

fn statistics(text: &str) -> Line {
    let plain = |rest: &str| rest.chars().all(|c| c.is_ascii_graphic() && c != '\\' || c == ' ');
    for (start, number) in [
        ("Number of files: ", Number::Files),
        ("Number of deleted files: ", Number::Deleted),
        ("Total transferred file size: ", Number::Bytes),
    ] {
        if let Some(rest) = text.strip_prefix(start) {
            return leading_number(rest)
                .filter(|_| plain(rest))
                .map_or(Line::Unknown, |value| Line::Number(number, value));
        }
    }
    if let Some(rest) = text.strip_prefix("total size is ").filter(|rest| plain(rest)) {
        let dry = if rest.ends_with(" (DRY RUN)") { DryRun::Said } else { DryRun::Unsaid };
        return leading_number(rest).map_or(Line::Unknown, |_| Line::Total(dry));
    }
    let known = STATISTICS.iter().find_map(|start| text.strip_prefix(start));
    let counted = known.filter(|rest| plain(rest)).and_then(leading_number);
    counted.map_or(Line::Unknown, |_| Line::Statistics)
}

/// The whole number a text begins with, its thousands apart or not.
fn leading_number(text: &str) -> Option<u64> {
    let digits: String = text
        .chars()
        .take_while(|c| c.is_ascii_digit() || *c == ',')
        .filter(|c| *c != ',')
        .collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name_of(text: &str) -> String {
        match line(text.as_bytes()) {
            Line::Item(item) => String::from_utf8(item.name).unwrap(),
            Line::Deleting(name) | Line::Told(_, name) => String::from_utf8(name).unwrap(),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn every_kind_of_item_is_understood() {
        for (text, change, kind, name) in [
            (">f+++++++++ a b", Change::Content, ItemKind::File, "a b"),
            ("<f+++++++++ -dash", Change::Content, ItemKind::File, "-dash"),
            (">fcsT...... x -> y", Change::Content, ItemKind::File, "x -> y"),
            ("<fcstpogbax x", Change::Content, ItemKind::File, "x"),
            ("<fCsTpogunx x", Change::Content, ItemKind::File, ""),
            ("cd+++++++++ sub/deep/", Change::Made, ItemKind::Folder, "sub/deep"),
            ("cL+++++++++ l", Change::Made, ItemKind::Link, "l"),
            ("cLc........ l", Change::Made, ItemKind::Link, "l"),
            ("hf......... hard", Change::HardLink, ItemKind::File, "hard"),
            (".d..t...... ./", Change::Attributes, ItemKind::Folder, ""),
            (".f...p..... new\\#012line", Change::Attributes, ItemKind::File, "new\nline"),
            (".f          same", Change::Attributes, ItemKind::File, "same"),
            (">f????????? old", Change::Content, ItemKind::File, "old"),
            ("cD+++++++++ dev", Change::Made, ItemKind::Device, "dev"),
            ("cS+++++++++ pipe", Change::Made, ItemKind::Special, "pipe"),
            (">f+++++++++ oct\\#134#012x", Change::Content, ItemKind::File, "oct\\#012x"),
            (">f+++++++++ back\\slash", Change::Content, ItemKind::File, "back\\slash"),
            (">f+++++++++ t\tab", Change::Content, ItemKind::File, "t\tab"),
            (">f+++++++++  blank first", Change::Content, ItemKind::File, " blank first"),
        ] {
            let Line::Item(item) = line(text.as_bytes()) else {
                assert_eq!(name, "", "{text}");
                continue;
            };
            assert_eq!((item.change, item.kind), (change, kind), "{text}");
            assert_eq!(item.name, name.as_bytes(), "{text}");
        }
        assert!(
            matches!(line(b">f+++++++++ bad\\#377"), Line::Item(item) if item.name == b"bad\xff")
        );
        assert!(matches!(line(b">f+++++++++ \xc3\xbc"), Line::Item(_)));
    }

    #[test]
    fn deletions_and_sentences_are_understood() {
        assert_eq!(line(b"*deleting   a/b"), Line::Deleting(b"a/b".to_vec()));
        assert_eq!(name_of("*deleting   a b/"), "a b/");
        for (text, told, name) in [
            ("created directory /no/such", Told::CreatedFolder, "/no/such"),
            ("created 2 directories for /x/y", Told::CreatedFolder, "several folders"),
            ("cannot delete non-empty directory: a", Told::FolderInTheWay, "a"),
            ("skipping non-regular file \"f\"", Told::Skipped, "f"),
            ("ignoring unsafe symlink \"a\" -> \"/etc\"", Told::UnsafeLink, "a\" -> \"/etc"),
            ("file has vanished: \"/x\"", Told::Vanished, "/x"),
        ] {
            assert_eq!(line(text.as_bytes()), Line::Told(told, name.as_bytes().to_vec()), "{text}");
        }
    }

    #[test]
    fn statistics_are_understood() {
        let all = "Number of files: 1,216 (reg: 11, dir: 3, link: 1, special: 1)\nNumber of created files: 0\n\
            Number of deleted files: 0\nNumber of regular files transferred: 11\nTotal file size: 22 bytes\n\
            Total transferred file size: 1,021 bytes\nLiteral data: 0 bytes\nMatched data: 0 bytes\nFile list size: 0\n\
            File list generation time: 0.001 seconds\nFile list transfer time: 0.000 seconds\nTotal bytes sent: 528\n\
            Total bytes received: 91\n\nsent 528 bytes  received 91 bytes  1,238.00 bytes/sec\n\
            total size is 22  speedup is 0.04 (DRY RUN)";
        for text in all.lines() {
            assert_ne!(line(text.as_bytes()), Line::Unknown, "{text}");
        }
        assert_eq!(line(b"Number of files: 1,216 (reg: 1)"), Line::Number(Number::Files, 1216));
        assert_eq!(
            line(b"Total transferred file size: 1,021 bytes"),
            Line::Number(Number::Bytes, 1021)
        );
        assert_eq!(line(b"total size is 22  speedup is 0.04"), Line::Total(DryRun::Unsaid));
    }

    #[test]
    fn what_does_not_fit_is_unknown() {
        for text in [
            "hello",
            "sending incremental file list",
            "a -> b",
            ">f+++++++++",
            ">f+++++++++ ",
            ">f+++++++++a",
            ">f++++++++ a",
            ">f++++++++. a",
            ">fz........ a",
            ">f.c....... a",
            ">x+++++++++ a",
            "?f+++++++++ a",
            ">f+++++++++ a/",
            "cd+++++++++ a",
            ">f+++++++++ /etc/passwd",
            ">f+++++++++ ../x",
            ">f+++++++++ a/../b",
            ">f+++++++++ a//b",
            ">f+++++++++ \\#777",
            ">f+++++++++ a\\#000b",
            "*deleting a",
            "*deleting   ",
            "*deleting   ../x",
            "*********** message",
            "Number of files: many",
            "Number of dragons: 3",
            "total size is",
            "created directory ",
            "rsync: [sender] link_stat failed",
            "\u{fc}",
        ] {
            assert_eq!(line(text.as_bytes()), Line::Unknown, "{text}");
        }
        assert_eq!(line(b"\xff\xfe"), Line::Unknown);
    }

    proptest! {
        #[test]
        fn no_line_panics_and_every_understood_name_is_inside_the_tree(
            text in prop::collection::vec(any::<u8>(), 0..60),
            head in prop::sample::select(vec![
                &b""[..], b">f+++++++++ ", b"*deleting   ", b"cd+++++++++ ", b"Number of files: ", b"skipping non-regular file \"",
            ]),
        ) {
            let text = [head, &text[..]].concat();
            match line(&text) {
                Line::Item(item) => {
                    let inside = !item.name.split(|b| *b == b'/').any(|part| part == b"..");
                    prop_assert!(inside && !item.name.starts_with(b"/"));
                    prop_assert!(b"<>ch.".contains(&text[0]) && b"fdLDS".contains(&text[1]));
                }
                Line::Deleting(name) => prop_assert!(!name.starts_with(b"/") && !name.is_empty()),
                Line::Blank => prop_assert!(text.is_empty()),
                Line::Told(..) | Line::Number(..) | Line::Statistics | Line::Total(_) | Line::Unknown => {}
            }
        }

        #[test]
        fn every_name_comes_back_from_a_line(name in prop::collection::vec(1_u8..=255, 1..20)) {
            let good = !name.contains(&b'/') && name != b"." && name != b"..";
            prop_assume!(good && !name.contains(&b'\n'));
            let spelled = super::super::names::shown(&name);
            let text = format!(">f+++++++++ {spelled}");
            prop_assert!(matches!(line(text.as_bytes()), Line::Item(item) if item.name == name));
        }

        #[test]
        fn a_line_that_begins_otherwise_is_never_an_item(text in "[a-bA-MO-Zx-z ]{1,40}") {
            prop_assert_eq!(line(text.as_bytes()), Line::Unknown);
        }
    }
}
