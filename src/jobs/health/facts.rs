//! What is known about a box, before anybody judges it.

use super::tail::Tail;
use crate::{
    domain::{
        command::Command,
        ids::{ModelId, RunId},
        time::{SlotTs, UtcMs},
    },
    jobs::{equivalence::judge::ProofVerdict, live::state::LiveState},
    os::filesystem::Room,
    store::runs::{Ahead, RunState},
};

/// The facts. A text in place of a value says why it could not be had.
#[derive(Debug)]
pub struct Facts {
    /// The instant that is judged.
    pub now: UtcMs,
    /// The ledger; `None` when there is none.
    pub ledger: Option<Ledger>,
    /// The newest stored bar.
    pub newest_bar: Result<Option<SlotTs>, String>,
    /// The last order given to the tag.
    pub order: Result<Option<Command>, String>,
    /// The ledger made again from its bars.
    pub fold: Fold,
    /// The last comparison.
    pub proof: Result<Option<LastProof>, String>,
    /// Whether a loop holds the ledger.
    pub is_held: bool,
    /// Whether the loop lived in recorded or simulated time.
    pub is_recorded: bool,
    /// The run that wrote last, and how it stands.
    pub live_run: Option<(RunId, Option<RunState>)>,
    /// What the loop last heard from its venue.
    pub heard: Option<LiveState>,
    /// The drills that the loop at work was started with, and whether it writes no ledger.
    pub drills: Vec<&'static str>,
    /// When the scheduler service last looked at its clock; `None` when none has run here.
    pub tick: Result<Option<UtcMs>, String>,
    /// Up to where a schedule is decided that is silent, since that is ahead of the clock: the furthest one.
    pub silent: Option<Ahead>,
    /// The models of a ledger that follows the one in use; `None` for any other.
    pub model: Option<Followed>,
    /// What is left of the fullest disk that data is written to, and where that is when it is a part of the data only.
    pub free: Result<(Room, Option<String>), String>,
}

/// The models of a ledger that follows the one in use.
#[derive(Debug)]
pub struct Followed {
    /// The one that speaks in the ledger from its last switch on.
    pub present: ModelId,
    /// The one that is in use.
    pub in_use: Result<InUse, String>,
}

/// The model in use.
#[derive(Debug)]
pub struct InUse {
    pub id: ModelId,
    /// Since when, where that is written down.
    pub since: Option<UtcMs>,
    /// Why the ledger cannot go on with it.
    pub unfit: Option<String>,
}

#[derive(Debug)]
pub struct Ledger {
    /// Its end.
    pub tail: Tail,
    /// What is wrong with it.
    pub damage: Option<String>,
    /// Whether bytes follow the last newline.
    pub is_torn: bool,
}

/// What came of making the ledger again.
#[derive(Debug)]
pub enum Fold {
    /// It was not done, for this reason.
    Off(&'static str),
    /// Every row is the same.
    Same(String),
    /// One is not.
    Differs(String),
}

/// The last comparison of LIVE with its replay.
#[derive(Debug)]
pub struct LastProof {
    pub run: RunId,
    /// Its folder, as people know it.
    pub dir: String,
    pub verdict: ProofVerdict,
    /// When it was made.
    pub made: UtcMs,
    /// Where the first difference lies.
    pub mismatch: Option<String>,
}
