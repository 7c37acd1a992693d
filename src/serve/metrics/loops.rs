//! What the ledgers say of every loop: counted as rows are appended, never from the beginning again.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::follow::{Follow, FollowStep};
use crate::{
    domain::{ids::Tag, time::Timeframe},
    jobs::ledgers::tags,
    report::pyramid::{Pyramid, PyramidPoint},
    store::{
        disk::{Disk, RealDisk},
        error::StoreError,
        layout::Layout,
        rows::{
            decisions::{Column, DECISIONS_HEADER},
            signals::TIMING_HEADER,
        },
    },
};

/// Longest word of a decision or a reason; another one is damage.
const WORD_MAX: usize = 40;

/// The loops that have ledgers.
#[derive(Default)]
pub struct Loops(BTreeMap<PathBuf, Loop>);

/// One loop: a tag and a series.
#[derive(Default)]
pub struct Loop {
    tag: String,
    symbol: String,
    timeframe: Option<Timeframe>,
    decided: Follow,
    timed: Follow,
    /// Counts of the decisions ledger.
    pub tally: Tally,
    /// Slots that were decided more than one bar after their close.
    pub late: u64,
}

/// What a decisions ledger holds.
#[derive(Debug, Clone)]
pub struct Tally {
    /// The venue, from the rows.
    pub exchange: String,
    /// Rows by decision.
    pub decisions: BTreeMap<String, u64>,
    /// Skipped rows by reason.
    pub skips: BTreeMap<String, u64>,
    /// Lines that are no rows.
    pub bad: u64,
    /// The newest row.
    pub last: Option<Last>,
    equity: Pyramid,
    /// Whether the header was seen.
    is_begun: bool,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            exchange: String::new(),
            decisions: BTreeMap::new(),
            skips: BTreeMap::new(),
            bad: 0,
            last: None,
            equity: Pyramid::small(),
            is_begun: false,
        }
    }
}

/// The newest row of a ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct Last {
    /// The close of its bar.
    pub ts_ms: i64,
    /// Money, marked at that close.
    pub equity: f64,
    /// `flat`, `long` or `short`.
    pub position: String,
    /// The risk state.
    pub risk: String,
}

impl Loops {
    /// Reads what was appended since the last look, and returns every loop. A file that cannot be read is left as it was.
    pub fn look(&mut self, disk: &RealDisk, layout: &Layout) -> Result<Vec<&Loop>, StoreError> {
        let mut seen = BTreeSet::new();
        for tag in tags(disk, layout)? {
            for (symbol, timeframe, folder) in series(disk, &layout.tag_dir(&tag))? {
                self.one(&folder, &tag, &symbol, timeframe);
                seen.insert(folder);
            }
        }
        self.0.retain(|folder, _| seen.contains(folder));
        Ok(self.0.values().filter(|one| one.tally.is_begun).collect())
    }

    fn one(&mut self, folder: &Path, tag: &Tag, symbol: &str, timeframe: Timeframe) {
        let one = self.0.entry(folder.to_owned()).or_insert_with(|| Loop {
            tag: tag.to_string(),
            symbol: symbol.replace('_', "/"),
            timeframe: Some(timeframe),
            ..Loop::default()
        });
        let tally = std::cell::RefCell::new(&mut one.tally);
        let mut begin = |look| {
            if look == FollowStep::Anew {
                **tally.borrow_mut() = Tally::default();
            }
        };
        let mut take = |line: &str| tally.borrow_mut().take(line);
        if let Err(error) = one.decided.look(&folder.join("decisions.csv"), &mut begin, &mut take) {
            tracing::warn!("metrics: read {}: {error}", folder.join("decisions.csv").display());
        }
        let late = std::cell::Cell::new(one.late);
        let mut begin = |look| {
            if look == FollowStep::Anew {
                late.set(0);
            }
        };
        let mut take = |line: &str| late.set(late.get() + u64::from(is_late(line, timeframe)));
        if let Err(error) = one.timed.look(&folder.join("timing.csv"), &mut begin, &mut take) {
            tracing::warn!("metrics: read {}: {error}", folder.join("timing.csv").display());
        }
        one.late = late.get();
    }
}

/// The folders of series in the folder of a tag. Others are left alone.
fn series(disk: &RealDisk, dir: &Path) -> Result<Vec<(String, Timeframe, PathBuf)>, StoreError> {
    let mut found = Vec::new();
    for symbol in disk.list(dir)? {
        if !disk.is_dir(&dir.join(&symbol))? {
            continue;
        }
        let names = disk.list(&dir.join(&symbol))?;
        let known = names.into_iter().filter_map(|name| Some((name.parse().ok()?, name)));
        found
            .extend(known.map(|(timeframe, name)| {
                (symbol.clone(), timeframe, dir.join(&symbol).join(name))
            }));
    }
    Ok(found)
}

impl Loop {
    /// Its tag.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Its pair, and the length of its bars.
    pub fn market(&self) -> (&str, Option<Timeframe>) {
        (&self.symbol, self.timeframe)
    }

    /// The equity from the first row on, in a bounded number of points.
    pub fn equity(&self) -> Vec<PyramidPoint> {
        self.tally.equity.points()
    }

    /// What tells this loop from others.
    pub fn labels(&self) -> Vec<(&'static str, String)> {
        let timeframe = self.timeframe.map_or("", Timeframe::name);
        vec![
            ("tag", self.tag.clone()),
            ("exchange", self.tally.exchange.clone()),
            ("symbol", self.symbol.clone()),
            ("timeframe", timeframe.to_owned()),
        ]
    }
}

impl Tally {
    /// Counts one line.
    fn take(&mut self, line: &str) {
        if !self.is_begun {
            self.is_begun = true;
            self.bad += u64::from(line != DECISIONS_HEADER);
            return;
        }
        let fields: Vec<&str> = line.split(',').collect();
        let field = |column: Column| fields.get(column as usize).copied().unwrap_or_default();
        let words =
            [field(Column::Decision), field(Column::Position), field(Column::RiskState)].map(word);
        let ([Some(decision), Some(position), Some(risk)], Ok(ts_ms), Ok(equity), true) = (
            words,
            field(Column::TsMs).parse::<i64>(),
            field(Column::Equity).parse::<f64>(),
            fields.len() == Column::ALL.len(),
        ) else {
            self.bad += 1;
            return;
        };
        if decision == "skip" {
            let reason = word(field(Column::Reason)).unwrap_or_else(|| "unknown".to_owned());
            *self.skips.entry(reason).or_default() += 1;
        }
        *self.decisions.entry(decision).or_default() += 1;
        field(Column::Exchange).clone_into(&mut self.exchange);
        self.equity.take(ts_ms, equity);
        self.last = Some(Last { ts_ms, equity, position, risk });
    }
}

/// A word of ours: short, of letters and underscores.
fn word(text: &str) -> Option<String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (plain && !text.is_empty() && text.len() <= WORD_MAX).then(|| text.to_owned())
}

/// Whether a row of `timing.csv` tells of a slot that was decided more than one bar after its close.
fn is_late(line: &str, timeframe: Timeframe) -> bool {
    let late_ms = line.split(',').nth(3).and_then(|late_ms| late_ms.parse::<i64>().ok());
    line != TIMING_HEADER && late_ms.is_some_and(|late_ms| late_ms > timeframe.ms())
}
