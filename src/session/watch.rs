//! `watch`: what a loop says of how it left its ledgers. A file that grows has another stamp after each row, so that only its writer
//! knows whether all of that came from its own rows. A proof that read the first rows under one watch, and finds the files as that
//! watch left them, need not read those rows again.
//!
//! The writer looks at the stamp right before it appends, and right after. An edit of another program at any other time ends the watch,
//! and the next proof reads everything. One within those microseconds that leaves the length alone is taken for the own one of the writer;
//! `check`, `verify` and the proof behind the next start, which read everything, find it. A watch also ends with its session.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    clock::Deadline,
    domain::{ids::Tag, series::Series, time::UtcMs},
    store::{
        digest::{FileStamp, sha256_hex},
        disk::{Disk, DiskResult, parent},
        document::document,
        layout::Layout,
        ledger::FileAsLeft,
    },
};

/// Name and version of the document.
const SCHEMA: &str = "mjolnir.watch/1";
/// A loop that hurries through recorded time leaves word no more often than this.
const PAUSE: Duration = Duration::from_millis(200);

/// The document. It is not made durable: one that a power cut took costs a reading.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Word {
    schema: String,
    /// The same as long as nothing else has touched the files.
    watch: String,
    /// `decisions.csv` and `trades.csv` as they were left.
    files: [FileStamp; 2],
}

/// The watch of one session over `decisions.csv` and `trades.csv`.
#[derive(Debug)]
pub struct Watch {
    /// What the files were when it began. The same stamps are the same content, so two watches of one name are one.
    since: String,
    left: [FileAsLeft; 2],
    /// Until when there is word enough; `None` before the first.
    quiet: Option<Deadline>,
}

impl Watch {
    /// Begins, with the files as they were opened.
    pub fn begin(left: [FileAsLeft; 2]) -> Self {
        let stamps = left.map(|file| file.stamp);
        let since = sha256_hex(&serde_json::to_vec(&stamps).expect("plain values serialise"));
        Self { since, left: [FileAsLeft { stamp: None, touched: 0 }; 2], quiet: None }
    }

    /// Leaves word of how the files are now, unless it has, or did a moment ago; the last word is left always.
    pub fn tell<D: Disk>(
        &mut self,
        disk: &D,
        (layout, tag, series): (&Layout, &Tag, &Series),
        left: [FileAsLeft; 2],
        is_last: bool,
    ) -> DiskResult<()> {
        let is_early = self.quiet.as_ref().is_some_and(|quiet| !quiet.is_over());
        let [Some(decisions), Some(trades)] = left.map(|file| file.stamp) else { return Ok(()) };
        if left == self.left || (is_early && !is_last) {
            return Ok(());
        }
        let touched = left[0].touched + left[1].touched;
        let watch = format!("{}-{touched}", self.since);
        let word = Word { schema: SCHEMA.to_owned(), watch, files: [decisions, trades] };
        let path = layout.watch(tag, series);
        if self.quiet.is_none() {
            disk.create_dir_all(parent(&path))?;
        }
        disk.swap(&path, document(&word).as_bytes())?;
        (self.left, self.quiet) = (left, Some(Deadline::after(Some(PAUSE))));
        Ok(())
    }
}

/// The ledgers of a tag as a reader found them before it read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sighting {
    files: [FileStamp; 2],
    /// Whether a change after it has another stamp for certain.
    is_settled: bool,
    /// The watch over them, if there was word of one.
    watch: Option<String>,
    /// Whether they were as that watch had left them.
    is_as_left: bool,
}

impl Sighting {
    /// Looks; `None` where the file system has no stamps.
    pub fn take<D: Disk>(
        disk: &D,
        (layout, tag, series): (&Layout, &Tag, &Series),
        now: UtcMs,
    ) -> Option<Self> {
        let word = disk.read(&layout.watch(tag, series)).ok().flatten();
        let word = word.and_then(|bytes| serde_json::from_slice::<Word>(&bytes).ok());
        let word = word.filter(|word| word.schema == SCHEMA);
        let paths = [layout.decisions(tag, series), layout.trades(tag, series)];
        let [decisions, trades] = paths.map(|path| disk.stamp(&path));
        let files = [decisions?, trades?];
        Some(Self {
            files,
            is_settled: files.iter().all(|stamp| stamp.is_settled(now)),
            is_as_left: word.as_ref().is_some_and(|word| word.files == files),
            watch: word.map(|word| word.watch),
        })
    }

    /// Whether what was in the files at an earlier sighting, and could be read behind it, is in them still.
    pub fn follows(&self, earlier: &Self) -> bool {
        let is_untouched = earlier.is_settled && self.files == earlier.files;
        let is_watched = self.is_as_left && self.watch == earlier.watch;
        is_untouched || is_watched
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        io::{Seek as _, SeekFrom, Write as _},
        path::Path,
    };

    use super::*;
    use crate::{
        domain::time::Timeframe,
        store::{
            disk::RealDisk,
            ledger::{Ledger, inspect, open},
        },
    };

    const HEADER: &str = "a,b";

    struct Place {
        layout: Layout,
        tag: Tag,
        series: Series,
        disk: RealDisk,
    }

    impl Place {
        fn new(root: &Path) -> Self {
            let layout = Layout::new(root);
            let series = ("demo".parse().unwrap(), "BTC/USD".parse().unwrap(), Timeframe::M5);
            let series = Series::new(series.0, series.1, series.2);
            let disk = RealDisk::new(layout.data());
            Self { layout, tag: "paper".parse().unwrap(), series, disk }
        }

        fn files(&self) -> (&Layout, &Tag, &Series) {
            (&self.layout, &self.tag, &self.series)
        }

        fn ledgers(&self) -> [Ledger<'_, RealDisk>; 2] {
            let (layout, tag, series) = self.files();
            [layout.decisions(tag, series), layout.trades(tag, series)].map(|path| {
                self.disk.create_dir_all(parent(&path)).unwrap();
                let found = inspect(&self.disk, &path, HEADER).unwrap();
                open(&self.disk, &found, &layout.quarantine(&path, UtcMs::EPOCH)).unwrap().0
            })
        }

        /// At a time at which nothing has settled, so that only a watch can vouch for the files.
        fn sighting(&self) -> Sighting {
            Sighting::take(&self.disk, self.files(), UtcMs::EPOCH).unwrap()
        }
    }

    /// Writes one byte of a file where it is, and puts back when it was written.
    fn edit(path: &Path, at: u64, byte: u8) {
        let mut file = File::options().write(true).open(path).unwrap();
        let written = file.metadata().unwrap().modified().unwrap();
        file.seek(SeekFrom::Start(at)).unwrap();
        file.write_all(&[byte]).unwrap();
        file.set_modified(written).unwrap();
        assert_eq!(file.metadata().unwrap().modified().unwrap(), written);
    }

    fn left(ledgers: &[Ledger<'_, RealDisk>; 2]) -> [FileAsLeft; 2] {
        ledgers.each_ref().map(Ledger::left)
    }

    #[test]
    fn rows_of_the_watcher_keep_a_watch_and_whatever_else_touches_a_file_ends_it() {
        let temp = tempfile::tempdir().unwrap();
        let place = Place::new(temp.path());
        let mut ledgers = place.ledgers();
        let mut watch = Watch::begin(left(&ledgers));
        let mut tell = |ledgers: &[Ledger<'_, RealDisk>; 2]| {
            watch.tell(&place.disk, place.files(), left(ledgers), true).unwrap();
            place.sighting()
        };
        let mut before = tell(&ledgers);
        for n in 0..3 {
            ledgers[n % 2].append(b"1,2\n", true).unwrap();
            assert!(!place.sighting().follows(&before), "there is no word of the new row yet");
            let after = tell(&ledgers);
            assert!(after.follows(&before));
            before = after;
        }
        // An edit at rest: seen at once, and also behind the next row.
        for n in 0..2 {
            edit(ledgers[n].path(), 4, b'7');
            assert!(!place.sighting().follows(&before), "the edit is seen");
            ledgers[n].append(b"3,4\n", true).unwrap();
            let after = tell(&ledgers);
            assert!(!after.follows(&before), "the edit is not taken for a row");
            before = after;
        }
        drop(ledgers);
        let ledgers = place.ledgers();
        let mut other = Watch::begin(left(&ledgers));
        other.tell(&place.disk, place.files(), left(&ledgers), true).unwrap();
        assert!(!place.sighting().follows(&before), "another session is another watch");
    }

    #[test]
    fn without_a_watch_files_are_the_same_when_their_settled_stamps_are() {
        let temp = tempfile::tempdir().unwrap();
        let place = Place::new(temp.path());
        let ledgers = place.ledgers();
        let late = UtcMs::new(7_000_000_000_000).unwrap();
        let look = |at| Sighting::take(&place.disk, place.files(), at).unwrap();
        assert!(look(UtcMs::EPOCH).follows(&look(late)));
        assert!(!look(late).follows(&look(UtcMs::EPOCH)), "it was too young to be relied on");
        let before = look(late);
        edit(ledgers[0].path(), 1, b';');
        assert!(!look(late).follows(&before));
    }

    #[test]
    fn a_loop_that_hurries_leaves_word_after_a_pause_and_at_its_end() {
        let temp = tempfile::tempdir().unwrap();
        let place = Place::new(temp.path());
        let mut ledgers = place.ledgers();
        let mut watch = Watch::begin(left(&ledgers));
        watch.tell(&place.disk, place.files(), left(&ledgers), false).unwrap();
        assert!(place.sighting().is_as_left);
        for (quiet, is_last, is_told) in [
            (Deadline::after(None), false, false),
            (Deadline::after(Some(Duration::ZERO)), false, true),
            (Deadline::after(None), true, true),
        ] {
            watch.quiet = Some(quiet);
            ledgers[0].append(b"1,2\n", true).unwrap();
            watch.tell(&place.disk, place.files(), left(&ledgers), is_last).unwrap();
            assert_eq!(place.sighting().is_as_left, is_told);
        }
    }
}
