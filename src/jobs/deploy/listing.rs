//! All that one dry run said: what it would do, and whether every word of it was understood.

use super::{
    itemize::{DryRun, Item, Line, Number, Told, line},
    names::shown,
};

/// Longest piece of an unknown line that is shown, in characters.
const SHOWN_MAX: usize = 120;

/// All that one dry run said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// What would be made or changed.
    pub items: Vec<Item>,
    /// What would be deleted, without slashes at the end.
    pub deleting: Vec<Vec<u8>>,
    /// Sentences.
    pub told: Vec<(Told, Vec<u8>)>,
    /// Bytes of the files that would be sent.
    pub bytes: u64,
    /// What was not understood.
    pub unknown: Vec<String>,
}

impl Listing {
    /// Understands what a dry run printed. Output without its statistics, or that does not say DRY RUN, was not understood.
    pub fn parse(output: &[u8]) -> Self {
        Self::of(output, DryRun::Said)
    }

    /// Understands what a run printed that was no dry one.
    pub fn parse_sent(output: &[u8]) -> Self {
        Self::of(output, DryRun::Unsaid)
    }

    fn of(output: &[u8], kind: DryRun) -> Self {
        let mut listing = Self::default();
        let (mut bytes, mut total) = (None, None);
        for text in output.split(|byte| *byte == b'\n') {
            match line(text) {
                Line::Item(item) => listing.items.push(item),
                Line::Deleting(mut name) => {
                    name.pop_if(|byte| *byte == b'/');
                    listing.deleting.push(name);
                }
                Line::Told(told, name) => listing.told.push((told, name)),
                Line::Number(Number::Bytes, value) => bytes = Some(value),
                Line::Blank
                | Line::Statistics
                | Line::Number(Number::Files | Number::Deleted, _) => {}
                Line::Total(said) => total = Some(said),
                Line::Unknown => {
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
    pub fn told(&self, kind: Told) -> impl Iterator<Item = &[u8]> {
        self.told.iter().filter(move |(told, _)| *told == kind).map(|(_, name)| name.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: &str =
        "\nTotal transferred file size: 12 bytes\ntotal size is 22  speedup is 0.04 (DRY RUN)\n";

    #[test]
    fn a_whole_listing_is_understood() {
        let listing = Listing::parse(format!(">f+++++++++ a\n*deleting   d/\n{END}").as_bytes());
        assert_eq!((listing.items.len(), listing.bytes), (1, 12));
        assert_eq!(listing.deleting, [b"d".to_vec()]);
        assert!(listing.unknown.is_empty());
    }

    #[test]
    fn one_strange_word_or_a_missing_end_is_seen() {
        assert_eq!(Listing::parse(b"").unknown.len(), 1, "no output is not no change");
        assert_eq!(Listing::parse(b">f+++++++++ a\n").unknown.len(), 1);
        assert_eq!(Listing::parse_sent(END.as_bytes()).unknown.len(), 1, "nothing was sent");
        assert_eq!(Listing::parse(END.replace(" (DRY RUN)", "").as_bytes()).unknown.len(), 1);
        let listing = Listing::parse(format!("sending a -> b\n{END}").as_bytes());
        assert_eq!(listing.unknown, ["sending a -> b"]);
    }
}
