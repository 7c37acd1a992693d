//! `checkpoint.json`: how far a ledger was proved, by which build, and the engine's state there. A cache: a start goes on from it,
//! nothing else believes it, and without it a start takes longer.

use serde::{Deserialize, Serialize};

use super::{
    error::CheckpointError,
    origin::{LedgerOrigin, StrategySettings},
    reader::{Extent, LedgerPiece, Mark},
    signals::{Used, UsedMark},
};
use crate::{
    domain::{
        command::Command,
        ids::Tag,
        series::Series,
        time::{SlotTs, Timeframe},
    },
    engine::{saved::SavedState, state::State, step::Core},
    store::{
        digest::{RunningDigest, sha256_hex},
        disk::Disk,
        error::StoreError,
        layout::Layout,
        ledger::last_row,
        lines::LineStart,
        rows::{
            commands::push_command, decisions::DECISIONS_HEADER, signals::TIMING_HEADER,
            trades::TRADES_HEADER,
        },
    },
};

/// Name and version of the document.
pub(super) const SCHEMA: &str = "mjolnir.checkpoint/1";
/// Longest document that is read, in bytes.
const BYTES_MAX: u64 = 1 << 20;

/// How much of each file was proved, and the digests of that much.
#[derive(Debug, Clone)]
pub struct Proved {
    /// Where the next rows are.
    pub mark: Mark,
    /// Of `decisions.csv` up to there, its header included.
    pub decisions: RunningDigest,
    /// Of `trades.csv` likewise.
    pub trades: RunningDigest,
}

impl Proved {
    /// Before the first row.
    pub fn nothing() -> Self {
        let head = |header: &str| LineStart { bytes: header.len() as u64 + 1, line: 2 };
        let mark = Mark {
            decisions: head(DECISIONS_HEADER),
            trades: head(TRADES_HEADER),
            timing: head(TIMING_HEADER),
            after: None,
        };
        Self {
            mark,
            decisions: RunningDigest::of_header(DECISIONS_HEADER),
            trades: RunningDigest::of_header(TRADES_HEADER),
        }
    }

    /// Takes in a piece whose rows came out as they were written.
    pub fn add(&mut self, piece: &LedgerPiece) {
        self.decisions.add(piece.bytes());
        for trade in &piece.trades {
            self.trades.add(trade.text.as_bytes());
            self.trades.add(b"\n");
        }
        self.mark = piece.end.clone();
    }
}

/// The document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    schema: String,
    /// The build that proved the rows: another one may decide otherwise.
    build: String,
    /// What the rows were proved with.
    card: StrategySettings,
    /// sha256 of the certificate of the ledger.
    origin_sha256: String,
    /// The commands that were known, and the sha256 of their lines.
    commands: (usize, String),
    /// Rows of the copy of the signals, and the check of the last one; absent for a strategy without signals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signals: Option<UsedMark>,
    decisions: LineStart,
    trades: LineStart,
    timing: LineStart,
    /// The last slot that was proved.
    last_ts_ms: i64,
    /// Its row, without its newline.
    last_row: String,
    /// Unfinished sha256 of the proved rows of decisions and trades.
    running: [String; 2],
    /// Slots whose bars are held back.
    held_ts_ms: Vec<i64>,
    /// The state of the engine behind the last row.
    pub state: SavedState,
    /// sha256 of the document without this line.
    sha256: Option<String>,
}

/// Whose ledger it is, and what a start goes on with.
#[derive(Debug, Clone, Copy)]
pub struct CheckpointOwner<'a> {
    /// This build.
    pub build: &'a str,
    /// Strategy and rules.
    pub card: &'a StrategySettings,
    /// The certificate of the ledger.
    pub origin: &'a LedgerOrigin,
    /// All operator commands of the tag, in the order of appending.
    pub commands: &'a [Command],
}

/// Where the engine is behind the last proved row.
#[derive(Debug, Clone)]
pub struct CheckpointState<'a> {
    /// How far the files are proved.
    pub proved: &'a Proved,
    /// The last row, without its newline.
    pub last_row: &'a str,
    /// Slots whose bars are held back.
    pub held: &'a [SlotTs],
    /// How far the copy of the signals goes; `None` for a strategy without signals.
    pub signals: Option<UsedMark>,
    /// The state.
    pub state: &'a SavedState,
}

impl Checkpoint {
    /// A new one.
    pub fn new(whose: CheckpointOwner<'_>, stand: CheckpointState<'_>) -> Self {
        let Proved { mark, decisions, trades } = stand.proved;
        let last = mark.after.expect("a checkpoint is behind a row");
        let mut checkpoint = Self {
            schema: SCHEMA.to_owned(),
            build: whose.build.to_owned(),
            card: whose.card.clone(),
            origin_sha256: whose.origin.digest(),
            commands: (whose.commands.len(), digest_of(whose.commands)),
            signals: stand.signals,
            decisions: mark.decisions,
            trades: mark.trades,
            timing: mark.timing,
            last_ts_ms: last.ts_ms(),
            last_row: stand.last_row.to_owned(),
            running: [decisions.save(), trades.save()],
            held_ts_ms: stand.held.iter().map(|ts| ts.ts_ms()).collect(),
            state: stand.state.clone(),
            sha256: None,
        };
        checkpoint.sha256 = Some(checkpoint.digest());
        checkpoint
    }

    fn digest(&self) -> String {
        let bare = Self { sha256: None, ..self.clone() };
        sha256_hex(&serde_json::to_vec(&bare).expect("plain values serialise"))
    }

    /// Reads the checkpoint of a ledger; `None` without one.
    pub fn read<D: Disk>(
        disk: &D,
        (layout, tag, series): (&Layout, &Tag, &Series),
    ) -> Result<Option<Self>, CheckpointError> {
        let path = layout.checkpoint(tag, series);
        let Some(len) = disk.len(&path).map_err(StoreError::from)? else { return Ok(None) };
        if len > BYTES_MAX {
            return Err(CheckpointError::TooLong(len));
        }
        let bytes = disk.read(&path).map_err(StoreError::from)?.unwrap_or_default();
        let found: Self = serde_json::from_slice(&bytes)?;
        if found.schema != SCHEMA {
            return Err(CheckpointError::Schema(found.schema));
        }
        if found.sha256.as_ref() != Some(&found.digest()) {
            return Err(CheckpointError::Changed);
        }
        Ok(Some(found))
    }

    /// Whether a start may go on from it. The files are only looked at where they should end with the last proved row: that the rows
    /// before it are the same is for a proof to find.
    pub fn fits<D: Disk>(
        &self,
        disk: &D,
        (layout, tag, series): (&Layout, &Tag, &Series),
        (whose, used): (CheckpointOwner<'_>, &Used),
        extent: Extent,
    ) -> Result<(), CheckpointError> {
        if self.build != whose.build {
            let (theirs, ours) = (self.build.clone(), whose.build.to_owned());
            return Err(CheckpointError::OtherBuild { theirs, ours });
        }
        if self.card != *whose.card {
            return Err(CheckpointError::OtherSettings);
        }
        if self.origin_sha256 != whose.origin.digest() {
            return Err(CheckpointError::OtherLedger);
        }
        let longer = [
            (self.decisions, extent.decisions, "decisions.csv"),
            (self.trades, extent.trades, "trades.csv"),
            (self.timing, extent.timing, "timing.csv"),
        ];
        if let Some((.., name)) = longer.iter().find(|(at, end, _)| at.bytes > *end) {
            return Err(CheckpointError::Ahead(name));
        }
        let (known, digest) = &self.commands;
        let Some(before) = whose.commands.get(..*known) else {
            return Err(CheckpointError::FewerCommands);
        };
        if digest_of(before) != *digest {
            return Err(CheckpointError::ChangedCommand);
        }
        let obeyed_late = |command: &Command| command.at.get() <= self.last_ts_ms;
        if whose.commands[*known..].iter().any(obeyed_late) {
            return Err(CheckpointError::LateCommand);
        }
        used.goes_on(self.signals.as_ref(), self.last_ts_ms)?;
        let path = layout.decisions(tag, series);
        let found = last_row(disk, &path, self.decisions.bytes)?;
        let is_known =
            |(end, row): (u64, String)| end == self.decisions.bytes && row == self.last_row;
        if !found.is_some_and(is_known) {
            return Err(CheckpointError::NoLastRow);
        }
        Ok(())
    }

    /// What the copy of the signals lacks of what was in it when this was written: the row, and the reason. Nothing can be said of
    /// another ledger.
    pub fn lacks(&self, origin: &LedgerOrigin, used: &Used) -> Option<(u64, String)> {
        let is_ours = self.origin_sha256 == origin.digest();
        used.lacks(self.signals.as_ref().filter(|_| is_ours)?)
    }

    /// The state behind the last row; `None` where a value is not one that a state of this strategy can have.
    pub fn restore(&self, core: &Core, timeframe: Timeframe) -> Option<State> {
        self.state.restore(timeframe, &core.rules)
    }

    /// How far the files are proved; `None` where a value is not possible.
    pub fn proved(&self, timeframe: Timeframe) -> Option<Proved> {
        let [decisions, trades] = self.running.each_ref().map(|text| RunningDigest::resume(text));
        let after = Some(timeframe.slot(self.last_ts_ms).ok()?);
        let Self { decisions: at, trades: trades_at, timing, .. } = self;
        let mark = Mark { decisions: *at, trades: *trades_at, timing: *timing, after };
        Some(Proved { mark, decisions: decisions?, trades: trades? })
    }

    /// Slots whose bars are held back; `None` where one is not on the grid.
    pub fn held(&self, timeframe: Timeframe) -> Option<Vec<SlotTs>> {
        self.held_ts_ms.iter().map(|ts_ms| timeframe.slot(*ts_ms).ok()).collect()
    }

    /// The row of the last slot that was proved, without its newline.
    pub fn last_row(&self) -> &str {
        &self.last_row
    }

    /// How many rows of decisions are proved.
    pub fn rows(&self) -> u64 {
        self.decisions.line.saturating_sub(2)
    }

    /// What of the files is proved.
    pub fn extent(&self) -> Extent {
        Extent {
            decisions: self.decisions.bytes,
            trades: self.trades.bytes,
            timing: self.timing.bytes,
            is_torn: false,
        }
    }
}

fn digest_of(commands: &[Command]) -> String {
    let mut lines = Vec::new();
    for command in commands {
        push_command(&mut lines, command);
    }
    sha256_hex(&lines)
}
