//! What rsync says, line by line and as a whole. The grammar is closed: a line that does not fit is unknown, and one unknown line is
//! reason enough to refuse. Paths are bytes.

use super::inventory::{shown, unescaped};

/// Longest piece of an unknown line that is shown, in characters.
const SHOWN_MAX: usize = 120;
/// Every file that is sent has another time: it is worth a word only where nothing else changes.
const TIME: &str = "time";
/// Which letters each column may have.
const COLUMNS: [&[u8]; 9] = [b"cC", b"s", b"tT", b"p", b"o", b"g", b"unb", b"a", b"x"];
/// Sentences: what comes before the path, and what after it.
const SENTENCES: [(&[u8], &[u8], Sentence); 6] = [
    (b"created directory ", b"", Sentence::CreatedFolder),
    (b"cannot delete non-empty directory: ", b"", Sentence::FolderInTheWay),
    (b"skipping non-regular file \"", b"\"", Sentence::Skipped),
    (b"ignoring unsafe symlink \"", b"\"", Sentence::UnsafeLink),
    (b"file has vanished: \"", b"\"", Sentence::Vanished),
    (b"file has vanished: ", b"", Sentence::Vanished),
];
/// Statistics of which only the form is checked. rsync 3.1 to 3.5 print these.
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

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RsyncLine {
    Blank,
    /// Something would be made or changed.
    Item(RsyncItem),
    /// Something would be deleted. Folders end in a slash.
    Deleting(Vec<u8>),
    /// A sentence about a path.
    Sentence(Sentence, Vec<u8>),
    /// A number about the whole.
    Number(RsyncNumber, u64),
    /// Statistics without use.
    Statistics,
    /// The last line of statistics, and whether it says that this was a dry run.
    Total(DryRun),
    Unknown,
}

/// Whether rsync says that nothing was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DryRun {
    Said,
    Unsaid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sentence {
    /// The folder on the target does not exist.
    CreatedFolder,
    /// A folder is in the way of something else.
    FolderInTheWay,
    /// A device, socket or pipe is left out.
    Skipped,
    /// A link that leads out is left out.
    UnsafeLink,
    /// A file was gone when its turn came.
    Vanished,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RsyncNumber {
    /// Files, folders and links that were looked at.
    Files,
    /// What would be deleted.
    Deleted,
    /// Bytes of the files that would be sent.
    Bytes,
}

/// Where the change happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemChange {
    /// Content goes to the other side, or comes from it.
    Content,
    /// Made there: a folder, a link, a device.
    Made,
    HardLink,
    Attributes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemKind {
    File,
    Folder,
    Link,
    Device,
    Special,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RsyncItem {
    pub change: ItemChange,
    pub kind: ItemKind,
    /// Nine columns: content, size, time, permissions, owner, group, times of use, ACL, extended attributes.
    pub attributes: [u8; 9],
    /// The path from the top of the tree, without a slash at its end; empty for the top itself.
    pub name: Vec<u8>,
}

impl ItemChange {
    /// The word for it in documents. It is part of their format, whatever the variants are called.
    const fn name(self) -> &'static str {
        match self {
            Self::Content => "Content",
            Self::Made => "Made",
            Self::HardLink => "HardLink",
            Self::Attributes => "Attributes",
        }
    }
}

impl ItemKind {
    /// The word for it in documents. It is part of their format, whatever the variants are called.
    const fn name(self) -> &'static str {
        match self {
            Self::File => "File",
            Self::Folder => "Folder",
            Self::Link => "Link",
            Self::Device => "Device",
            Self::Special => "Special",
        }
    }

    /// The word for it in sentences.
    const fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Folder => "folder",
            Self::Link => "link",
            Self::Device => "device",
            Self::Special => "pipe or socket",
        }
    }
}

/// How items are changed and their paths, as `plan.json` and `deploy.json` keep them.
pub fn item_rows(items: &[RsyncItem]) -> Vec<[String; 2]> {
    let one = |item: &RsyncItem| {
        let attributes: String = item.attributes.iter().map(|byte| char::from(*byte)).collect();
        let how = format!("{} {} {attributes}", item.change.name(), item.kind.name());
        [how, shown(&item.name)]
    };
    items.iter().map(one).collect()
}

impl RsyncItem {
    /// What happens to it, in words: `new file`, `changed file and permissions`, `time`.
    pub fn described(&self) -> String {
        let kind = self.kind.word();
        let attributes = self.attribute_words();
        match self.change {
            _ if self.is_new() => format!("new {kind}"),
            ItemChange::Attributes if attributes.is_empty() => "attributes".to_owned(),
            ItemChange::Attributes => attributes.join(", "),
            ItemChange::HardLink => format!("hard link to another {kind}"),
            ItemChange::Content | ItemChange::Made => {
                let more: Vec<&str> = attributes.into_iter().filter(|word| *word != TIME).collect();
                let more = if more.is_empty() {
                    String::new()
                } else {
                    format!(" and {}", more.join(", "))
                };
                format!("changed {kind}{more}")
            }
        }
    }

    /// Which attributes change.
    fn attribute_words(&self) -> Vec<&'static str> {
        let letters = [
            (2, TIME),
            (3, "permissions"),
            (4, "owner"),
            (5, "group"),
            (7, "ACL"),
            (8, "extended attributes"),
        ];
        let changes = |column: usize| self.attributes[column].is_ascii_alphabetic();
        letters.iter().filter(|(column, _)| changes(*column)).map(|(_, word)| *word).collect()
    }

    /// The path, for people: the top of the tree is a dot.
    pub fn path(&self) -> String {
        if self.name.is_empty() { ".".to_owned() } else { shown(&self.name) }
    }

    /// Whether there is nothing of that name yet.
    pub fn is_new(&self) -> bool {
        self.attributes == [b'+'; 9]
    }

    /// Whether the letter is in one of the columns.
    pub fn has(&self, letter: u8) -> bool {
        self.attributes.contains(&letter)
    }
}

/// Reads one line, without its line end.
pub fn line(text: &[u8]) -> RsyncLine {
    if text.is_empty() {
        return RsyncLine::Blank;
    }
    if let Some(name) = text.strip_prefix(b"*deleting   ") {
        return path(name).map_or(RsyncLine::Unknown, RsyncLine::Deleting);
    }
    if let Some(item) = item(text) {
        return RsyncLine::Item(item);
    }
    for (start, end, sentence) in SENTENCES {
        let rest = text.strip_prefix(start).and_then(|rest| rest.strip_suffix(end));
        if let Some(name) = rest.filter(|rest| !rest.is_empty()).and_then(unescaped) {
            return RsyncLine::Sentence(sentence, name);
        }
    }
    if text.starts_with(b"created ") && text.windows(12).any(|part| part == b" directories") {
        return RsyncLine::Sentence(Sentence::CreatedFolder, b"several folders".to_vec());
    }
    std::str::from_utf8(text).map_or(RsyncLine::Unknown, statistics)
}

fn item(text: &[u8]) -> Option<RsyncItem> {
    let (head, name) = (text.get(..11)?, text.get(11..)?.strip_prefix(b" ")?);
    let change = match head[0] {
        b'<' | b'>' => ItemChange::Content,
        b'c' => ItemChange::Made,
        b'h' => ItemChange::HardLink,
        b'.' => ItemChange::Attributes,
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
    Some(RsyncItem { change, kind, attributes, name })
}

/// A path from the top of the tree that does not leave it. A slash at its end stays.
fn path(text: &[u8]) -> Option<Vec<u8>> {
    let name = unescaped(text)?;
    let parts = name.strip_suffix(b"/").unwrap_or(&name).split(|byte| *byte == b'/');
    let good =
        |part: &[u8]| !part.is_empty() && part != b"." && part != b".." && !part.contains(&0);
    parts.into_iter().all(good).then_some(name)
}

fn statistics(text: &str) -> RsyncLine {
    let plain = |rest: &str| rest.chars().all(|c| c.is_ascii_graphic() && c != '\\' || c == ' ');
    for (start, number) in [
        ("Number of files: ", RsyncNumber::Files),
        ("Number of deleted files: ", RsyncNumber::Deleted),
        ("Total transferred file size: ", RsyncNumber::Bytes),
    ] {
        if let Some(rest) = text.strip_prefix(start) {
            return leading_number(rest)
                .filter(|_| plain(rest))
                .map_or(RsyncLine::Unknown, |value| RsyncLine::Number(number, value));
        }
    }
    if let Some(rest) = text.strip_prefix("total size is ").filter(|rest| plain(rest)) {
        let dry = if rest.ends_with(" (DRY RUN)") { DryRun::Said } else { DryRun::Unsaid };
        return leading_number(rest).map_or(RsyncLine::Unknown, |_| RsyncLine::Total(dry));
    }
    let known = STATISTICS.iter().find_map(|start| text.strip_prefix(start));
    let counted = known.filter(|rest| plain(rest)).and_then(leading_number);
    counted.map_or(RsyncLine::Unknown, |_| RsyncLine::Statistics)
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

/// All that one dry run said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RsyncOutput {
    /// What would be made or changed.
    pub items: Vec<RsyncItem>,
    /// What would be deleted, without slashes at the end.
    pub deleting: Vec<Vec<u8>>,
    pub sentences: Vec<(Sentence, Vec<u8>)>,
    /// Bytes of the files that would be sent.
    pub bytes: u64,
    /// What was not understood.
    pub unknown: Vec<String>,
}

impl RsyncOutput {
    /// Reads what a dry run printed. Output without its statistics, or without the words DRY RUN, is not understood: an rsync
    /// that lists nothing and ends with 0 would look like "no change".
    pub fn parse(output: &[u8]) -> Self {
        Self::of(output, DryRun::Said)
    }

    /// Reads what a run printed that was not a dry run.
    pub fn parse_sent(output: &[u8]) -> Self {
        Self::of(output, DryRun::Unsaid)
    }

    fn of(output: &[u8], kind: DryRun) -> Self {
        let mut listing = Self::default();
        let (mut bytes, mut total) = (None, None);
        for text in output.split(|byte| *byte == b'\n') {
            match line(text) {
                RsyncLine::Item(item) => listing.items.push(item),
                RsyncLine::Deleting(mut name) => {
                    name.pop_if(|byte| *byte == b'/');
                    listing.deleting.push(name);
                }
                RsyncLine::Sentence(sentence, name) => listing.sentences.push((sentence, name)),
                RsyncLine::Number(RsyncNumber::Bytes, value) => bytes = Some(value),
                RsyncLine::Blank
                | RsyncLine::Statistics
                | RsyncLine::Number(RsyncNumber::Files | RsyncNumber::Deleted, _) => {}
                RsyncLine::Total(said) => total = Some(said),
                RsyncLine::Unknown => {
                    listing.unknown.push(shown(text).chars().take(SHOWN_MAX).collect());
                }
            }
        }
        listing.bytes = bytes.unwrap_or_default();
        if bytes.is_none() || total != Some(kind) {
            let words = match kind {
                DryRun::Said => "with the words DRY RUN",
                DryRun::Unsaid => "without the words DRY RUN",
            };
            listing.unknown.push(format!("its statistics, {words}, are missing"));
        }
        listing
    }

    /// The paths of a kind of sentence.
    pub fn paths_of(&self, kind: Sentence) -> impl Iterator<Item = &[u8]> {
        let of_kind = self.sentences.iter().filter(move |(sentence, _)| *sentence == kind);
        of_kind.map(|(_, name)| name.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name_of(text: &str) -> String {
        match line(text.as_bytes()) {
            RsyncLine::Item(item) => String::from_utf8(item.name).unwrap(),
            RsyncLine::Deleting(name) | RsyncLine::Sentence(_, name) => {
                String::from_utf8(name).unwrap()
            }
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn every_kind_of_item_is_understood() {
        for (text, change, kind, name) in [
            (">f+++++++++ a b", ItemChange::Content, ItemKind::File, "a b"),
            ("<f+++++++++ -dash", ItemChange::Content, ItemKind::File, "-dash"),
            (">fcsT...... x -> y", ItemChange::Content, ItemKind::File, "x -> y"),
            ("<fcstpogbax x", ItemChange::Content, ItemKind::File, "x"),
            ("<fCsTpogunx x", ItemChange::Content, ItemKind::File, ""),
            ("cd+++++++++ sub/deep/", ItemChange::Made, ItemKind::Folder, "sub/deep"),
            ("cL+++++++++ l", ItemChange::Made, ItemKind::Link, "l"),
            ("cLc........ l", ItemChange::Made, ItemKind::Link, "l"),
            ("hf......... hard", ItemChange::HardLink, ItemKind::File, "hard"),
            (".d..t...... ./", ItemChange::Attributes, ItemKind::Folder, ""),
            (".f...p..... new\\#012line", ItemChange::Attributes, ItemKind::File, "new\nline"),
            (".f          same", ItemChange::Attributes, ItemKind::File, "same"),
            (">f????????? old", ItemChange::Content, ItemKind::File, "old"),
            ("cD+++++++++ dev", ItemChange::Made, ItemKind::Device, "dev"),
            ("cS+++++++++ pipe", ItemChange::Made, ItemKind::Special, "pipe"),
            (">f+++++++++ oct\\#134#012x", ItemChange::Content, ItemKind::File, "oct\\#012x"),
            (">f+++++++++ back\\slash", ItemChange::Content, ItemKind::File, "back\\slash"),
            (">f+++++++++ t\tab", ItemChange::Content, ItemKind::File, "t\tab"),
            (">f+++++++++  blank first", ItemChange::Content, ItemKind::File, " blank first"),
        ] {
            let RsyncLine::Item(item) = line(text.as_bytes()) else {
                assert_eq!(name, "", "{text}");
                continue;
            };
            assert_eq!((item.change, item.kind), (change, kind), "{text}");
            assert_eq!(item.name, name.as_bytes(), "{text}");
        }
        assert!(
            matches!(line(b">f+++++++++ bad\\#377"), RsyncLine::Item(item) if item.name == b"bad\xff")
        );
        assert!(matches!(line(b">f+++++++++ \xc3\xbc"), RsyncLine::Item(_)));
    }

    #[test]
    fn every_item_is_said_in_words_to_people_and_in_its_old_words_to_documents() {
        for (text, words, row) in [
            (">f+++++++++ a", "new file", "Content File +++++++++"),
            ("<fcst...... a", "changed file", "Content File cst......"),
            ("<fcstp..... a", "changed file and permissions", "Content File cstp....."),
            ("cd+++++++++ d/", "new folder", "Made Folder +++++++++"),
            ("cLc........ l", "changed link", "Made Link c........"),
            (".f...p..... a", "permissions", "Attributes File ...p....."),
            (".d..tpo.... ./", "time, permissions, owner", "Attributes Folder ..tpo...."),
            (".f          a", "attributes", "Attributes File          "),
            ("hf......... a", "hard link to another file", "HardLink File ........."),
        ] {
            let RsyncLine::Item(item) = line(text.as_bytes()) else { panic!("{text}") };
            assert_eq!(item.described(), words, "{text}");
            assert_eq!(item_rows(&[item])[0][0], row, "{text}");
        }
    }

    #[test]
    fn deletions_and_sentences_are_understood() {
        assert_eq!(line(b"*deleting   a/b"), RsyncLine::Deleting(b"a/b".to_vec()));
        assert_eq!(name_of("*deleting   a b/"), "a b/");
        for (text, told, name) in [
            ("created directory /no/such", Sentence::CreatedFolder, "/no/such"),
            ("created 2 directories for /x/y", Sentence::CreatedFolder, "several folders"),
            ("cannot delete non-empty directory: a", Sentence::FolderInTheWay, "a"),
            ("skipping non-regular file \"f\"", Sentence::Skipped, "f"),
            ("ignoring unsafe symlink \"a\" -> \"/etc\"", Sentence::UnsafeLink, "a\" -> \"/etc"),
            ("file has vanished: \"/x\"", Sentence::Vanished, "/x"),
        ] {
            assert_eq!(
                line(text.as_bytes()),
                RsyncLine::Sentence(told, name.as_bytes().to_vec()),
                "{text}"
            );
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
            assert_ne!(line(text.as_bytes()), RsyncLine::Unknown, "{text}");
        }
        assert_eq!(
            line(b"Number of files: 1,216 (reg: 1)"),
            RsyncLine::Number(RsyncNumber::Files, 1216)
        );
        assert_eq!(
            line(b"Total transferred file size: 1,021 bytes"),
            RsyncLine::Number(RsyncNumber::Bytes, 1021)
        );
        assert_eq!(line(b"total size is 22  speedup is 0.04"), RsyncLine::Total(DryRun::Unsaid));
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
            assert_eq!(line(text.as_bytes()), RsyncLine::Unknown, "{text}");
        }
        assert_eq!(line(b"\xff\xfe"), RsyncLine::Unknown);
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
                RsyncLine::Item(item) => {
                    let inside = !item.name.split(|b| *b == b'/').any(|part| part == b"..");
                    prop_assert!(inside && !item.name.starts_with(b"/"));
                    prop_assert!(b"<>ch.".contains(&text[0]) && b"fdLDS".contains(&text[1]));
                }
                RsyncLine::Deleting(name) => prop_assert!(!name.starts_with(b"/") && !name.is_empty()),
                RsyncLine::Blank => prop_assert!(text.is_empty()),
                RsyncLine::Sentence(..) | RsyncLine::Number(..) | RsyncLine::Statistics | RsyncLine::Total(_) | RsyncLine::Unknown => {}
            }
        }

        #[test]
        fn every_name_comes_back_from_a_line(name in prop::collection::vec(1_u8..=255, 1..20)) {
            let good = !name.contains(&b'/') && name != b"." && name != b"..";
            prop_assume!(good && !name.contains(&b'\n'));
            let spelled = shown(&name);
            let text = format!(">f+++++++++ {spelled}");
            prop_assert!(matches!(line(text.as_bytes()), RsyncLine::Item(item) if item.name == name));
        }

        #[test]
        fn a_line_that_begins_otherwise_is_never_an_item(text in "[a-bA-MO-Zx-z ]{1,40}") {
            prop_assert_eq!(line(text.as_bytes()), RsyncLine::Unknown);
        }
    }

    const END: &str =
        "\nTotal transferred file size: 12 bytes\ntotal size is 22  speedup is 0.04 (DRY RUN)\n";

    #[test]
    fn a_whole_listing_is_understood() {
        let listing =
            RsyncOutput::parse(format!(">f+++++++++ a\n*deleting   d/\n{END}").as_bytes());
        assert_eq!((listing.items.len(), listing.bytes), (1, 12));
        assert_eq!(listing.deleting, [b"d".to_vec()]);
        assert!(listing.unknown.is_empty());
    }

    #[test]
    fn one_strange_word_or_a_missing_end_is_seen() {
        assert_eq!(RsyncOutput::parse(b"").unknown.len(), 1, "no output is not no change");
        assert_eq!(RsyncOutput::parse(b">f+++++++++ a\n").unknown.len(), 1);
        assert_eq!(RsyncOutput::parse_sent(END.as_bytes()).unknown.len(), 1, "nothing was sent");
        assert_eq!(RsyncOutput::parse(END.replace(" (DRY RUN)", "").as_bytes()).unknown.len(), 1);
        let listing = RsyncOutput::parse(format!("sending a -> b\n{END}").as_bytes());
        assert_eq!(listing.unknown, ["sending a -> b"]);
    }
}
