//! What is sent to a cluster and when: from the results that are missing, what was sent, and looks at the queue, to the next act. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Work of one shard, in bar-trials: about five minutes of a core.
const SHARD_BAR_TRIALS: u64 = 10_000_000_000;
/// Most shards of one array.
pub const SHARDS_MAX: usize = 1_000;
/// Looks after which an array that the queue does not show was never accepted.
const LOOKS_UNSURE: u32 = 3;

/// A piece of work with a result of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WorkPiece {
    /// A trial of the search, by index.
    Trial(u32),
    /// The whole search on a null market.
    Null(u32),
    /// A step of the walk forward.
    Step(u32),
}

/// What one task of an array plays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shard {
    /// Trials, by index.
    Trials(Vec<u32>),
    /// Null markets.
    Nulls(Vec<u32>),
    /// Steps of the walk forward.
    Steps(Vec<u32>),
}

impl Shard {
    /// Its pieces.
    pub fn pieces(&self) -> Vec<WorkPiece> {
        match self {
            Self::Trials(trials) => trials.iter().map(|at| WorkPiece::Trial(*at)).collect(),
            Self::Nulls(nulls) => nulls.iter().map(|k| WorkPiece::Null(*k)).collect(),
            Self::Steps(steps) => steps.iter().map(|n| WorkPiece::Step(*n)).collect(),
        }
    }
}

/// How pieces are cut into shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardSize {
    /// Trials of a shard, where the job says so.
    pub trials: Option<u32>,
    /// Bars of the search.
    pub bars: u64,
    /// Trials of the search.
    pub all: u64,
    /// Most shards.
    pub most: usize,
}

impl ShardSize {
    /// The shards of pieces, in their order; at most `most` of them, so that some pieces may be left for another array.
    pub fn cut(self, pieces: &[WorkPiece]) -> Vec<Shard> {
        let (mut trials, mut nulls, mut steps) = (Vec::new(), Vec::new(), Vec::new());
        for piece in pieces {
            match piece {
                WorkPiece::Trial(at) => trials.push(*at),
                WorkPiece::Null(k) => nulls.push(*k),
                WorkPiece::Step(n) => steps.push(*n),
            }
        }
        let bars = self.bars.max(1);
        let auto = |cost: u64| (SHARD_BAR_TRIALS / cost.max(1)).max(1) as usize;
        let each = match self.trials {
            Some(each) => each.max(1) as usize,
            None => auto(bars).max(trials.len().div_ceil(self.most)),
        };
        let whole = auto(bars.saturating_mul(self.all));
        let most = |many: usize| whole.max(many.div_ceil(self.most));
        let mut shards: Vec<Shard> = Vec::new();
        shards.extend(trials.chunks(each).map(|part| Shard::Trials(part.to_vec())));
        shards.extend(nulls.chunks(most(nulls.len())).map(|part| Shard::Nulls(part.to_vec())));
        shards.extend(steps.chunks(most(steps.len())).map(|part| Shard::Steps(part.to_vec())));
        shards.truncate(self.most);
        shards
    }
}

/// A line of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueLine {
    /// The array.
    pub job: String,
    /// `PENDING`, `RUNNING` and so on.
    pub state: String,
    /// Why it is in this state.
    pub reason: String,
    /// What was said when it was sent.
    pub comment: String,
}

impl QueueLine {
    /// Whether something may still come of it.
    pub fn is_live(&self) -> bool {
        const OVER: [&str; 11] = [
            "BOOT_FAIL",
            "CANCELLED",
            "COMPLETED",
            "DEADLINE",
            "FAILED",
            "NODE_FAIL",
            "OUT_OF_MEMORY",
            "PREEMPTED",
            "REVOKED",
            "SPECIAL_EXIT",
            "TIMEOUT",
        ];
        !OVER.contains(&self.state.as_str()) && !self.reason.contains("requeued held")
    }
}

/// An array that was sent, or may have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentArray {
    /// Number of its submission.
    pub n: u32,
    /// What the queue knows it by.
    pub comment: String,
    /// Its id, once that is known.
    pub job: Option<String>,
    /// What it plays.
    pub pieces: Vec<WorkPiece>,
    state: ArrayState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ArrayState {
    /// Nobody knows whether it was accepted.
    Unsure { looks: u32 },
    /// It is in the queue, or was when it was sent.
    Live,
    /// It was not in the queue, or had ended, at this time.
    Gone { at_ms: i64 },
    /// It was gone twice, or was never accepted. What it may have written was not opened by name since.
    Ended,
    /// Nothing comes of it any more.
    Over,
}

impl SentArray {
    /// One whose id is known, or not.
    pub fn new(n: u32, comment: String, job: Option<String>, pieces: Vec<WorkPiece>) -> Self {
        let state = match job {
            Some(_) => ArrayState::Live,
            None => ArrayState::Unsure { looks: 0 },
        };
        Self { n, comment, job, pieces, state }
    }

    /// Whether results may still come of it.
    pub fn is_open(&self) -> bool {
        self.state != ArrayState::Over
    }

    fn is_unsure(&self) -> bool {
        matches!(self.state, ArrayState::Unsure { .. })
    }
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DispatchAct {
    /// Nothing is missing.
    Done,
    /// Send these pieces.
    Send(Vec<WorkPiece>),
    /// Look at the queue.
    Look,
    /// Open by name what this submission may have written, before any of it is called missing.
    Open(u32),
    /// Wait for results.
    Wait,
    /// Nothing more is tried, and so many pieces are missing.
    Short(usize),
}

/// What was sent and what is known of it.
#[derive(Debug, Clone)]
pub struct Dispatch {
    arrays: Vec<SentArray>,
    tries: BTreeMap<WorkPiece, u32>,
    tries_max: u32,
    pause_ms: i64,
    looked_ms: Option<i64>,
    held_until_ms: Option<i64>,
}

impl Dispatch {
    /// Before anything is known. Every piece is sent at most so often; so much time passes between two looks.
    pub fn new(tries_max: u32, pause_ms: i64) -> Self {
        let (arrays, tries) = (Vec::new(), BTreeMap::new());
        Self { arrays, tries, tries_max, pause_ms, looked_ms: None, held_until_ms: None }
    }

    /// Everything that was sent.
    pub fn arrays(&self) -> &[SentArray] {
        &self.arrays
    }

    /// An array that an earlier coordinator sent. The next act is a look whether it is there.
    pub fn found(&mut self, array: SentArray) {
        self.add(array);
        self.looked_ms = None;
    }

    /// An array that was sent now.
    pub fn sent(&mut self, array: SentArray, now_ms: i64) {
        self.add(array);
        self.looked_ms = Some(now_ms);
    }

    fn add(&mut self, array: SentArray) {
        if array.job.is_some() {
            self.count(&array.pieces);
        }
        self.arrays.push(array);
    }

    fn count(&mut self, pieces: &[WorkPiece]) {
        for piece in pieces {
            *self.tries.entry(*piece).or_default() += 1;
        }
    }

    /// The cluster takes nothing more for now.
    pub fn hold(&mut self, now_ms: i64) {
        self.held_until_ms = Some(now_ms + self.pause_ms);
    }

    /// What is to be done, with these pieces missing.
    pub fn next(&self, now_ms: i64, missing: &BTreeSet<WorkPiece>) -> DispatchAct {
        if missing.is_empty() {
            return DispatchAct::Done;
        }
        let mut flying: BTreeSet<WorkPiece> = BTreeSet::new();
        let (mut is_unsure, mut is_open) = (false, false);
        for array in self.arrays.iter().filter(|array| array.is_open()) {
            let mut own = array.pieces.iter().filter(|piece| missing.contains(piece)).peekable();
            // What an array shall give may all be there: then nothing hangs on it.
            if own.peek().is_some() {
                if array.state == ArrayState::Ended {
                    return DispatchAct::Open(array.n);
                }
                is_open = true;
                is_unsure |= array.is_unsure();
            }
            flying.extend(own);
        }
        let pause_ms =
            if is_unsure { self.pause_ms / i64::from(LOOKS_UNSURE) } else { self.pause_ms };
        let is_due = self.looked_ms.is_none_or(|looked| now_ms - looked >= pause_ms);
        if is_open && is_due {
            return DispatchAct::Look;
        }
        if is_unsure || self.held_until_ms.is_some_and(|until| now_ms < until) {
            return DispatchAct::Wait;
        }
        let tried =
            |piece: &&WorkPiece| self.tries.get(piece).copied().unwrap_or(0) >= self.tries_max;
        let free = missing.iter().filter(|piece| !flying.contains(piece));
        let (spent, fresh): (Vec<&WorkPiece>, Vec<&WorkPiece>) = free.partition(tried);
        if !fresh.is_empty() {
            return DispatchAct::Send(fresh.into_iter().copied().collect());
        }
        if flying.is_empty() { DispatchAct::Short(spent.len()) } else { DispatchAct::Wait }
    }

    /// Takes a look at the queue. Returns the submissions whose ids it gave.
    pub fn looked(&mut self, now_ms: i64, lines: &[QueueLine]) -> Vec<(u32, String)> {
        self.looked_ms = Some(now_ms);
        let mut adopted = Vec::new();
        let mut counted = Vec::new();
        for array in self.arrays.iter_mut().filter(|array| array.is_open()) {
            let is_own = |line: &&QueueLine| {
                line.comment == array.comment || array.job.as_ref() == Some(&line.job)
            };
            let own: Vec<&QueueLine> = lines.iter().filter(is_own).collect();
            if let (None, Some(line)) = (&array.job, own.first()) {
                array.job = Some(line.job.clone());
                adopted.push((array.n, line.job.clone()));
                counted.extend(array.pieces.iter().copied());
            }
            let is_live = own.iter().any(|line| line.is_live());
            array.state = match array.state {
                _ if is_live => ArrayState::Live,
                ArrayState::Unsure { looks } if own.is_empty() => match looks + 1 {
                    LOOKS_UNSURE => ArrayState::Ended,
                    looks => ArrayState::Unsure { looks },
                },
                ArrayState::Ended => ArrayState::Ended,
                ArrayState::Gone { at_ms } if now_ms - at_ms >= self.pause_ms => ArrayState::Ended,
                ArrayState::Gone { at_ms } => ArrayState::Gone { at_ms },
                ArrayState::Unsure { .. } | ArrayState::Live | ArrayState::Over => {
                    ArrayState::Gone { at_ms: now_ms }
                }
            };
        }
        self.count(&counted);
        adopted
    }

    /// What a submission may have written was opened by name: what is missing now is missing.
    pub fn opened(&mut self, n: u32) {
        for array in self.arrays.iter_mut().filter(|array| array.n == n) {
            array.state = ArrayState::Over;
        }
    }

    /// The queue could not be asked: nothing is known, and nothing is sent again.
    pub fn unreachable(&mut self, now_ms: i64) {
        self.looked_ms = Some(now_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn trials(many: std::ops::Range<u32>) -> Vec<WorkPiece> {
        many.map(WorkPiece::Trial).collect()
    }

    fn missing(many: std::ops::Range<u32>) -> BTreeSet<WorkPiece> {
        trials(many).into_iter().collect()
    }

    fn array(n: u32, job: Option<&str>, many: std::ops::Range<u32>) -> SentArray {
        SentArray::new(n, format!("c{n}"), job.map(str::to_owned), trials(many))
    }

    /// Everything that waits for it is opened, in vain.
    fn opened(mut own: Dispatch, now: i64, many: std::ops::Range<u32>) -> Dispatch {
        let DispatchAct::Open(n) = own.next(now, &missing(many)) else { panic!("{own:?}") };
        own.opened(n);
        own
    }

    fn line(job: &str, state: &str, comment: &str) -> QueueLine {
        let [job, state, comment] = [job, state, comment].map(str::to_owned);
        QueueLine { job, state, reason: "None".to_owned(), comment }
    }

    #[test]
    fn shards_are_as_large_as_was_asked_or_as_five_minutes() {
        let size = ShardSize { trials: Some(3), bars: 1_000, all: 10, most: 1_000 };
        let shards = size.cut(&trials(0..7));
        let [a, b, c] = &shards[..] else { panic!("{shards:?}") };
        assert_eq!(*a, Shard::Trials(vec![0, 1, 2]));
        assert_eq!((b.pieces().len(), c.pieces()), (3, trials(6..7)));
        let auto = ShardSize { trials: None, bars: 1_000_000_000, ..size };
        assert_eq!(auto.cut(&trials(0..25)).len(), 3, "ten trials are 10^10 bar-trials");
        assert_eq!(ShardSize { most: 2, ..auto }.cut(&trials(0..25)).len(), 2);
        let most = ShardSize { trials: Some(1), most: 4, ..size };
        assert_eq!(most.cut(&trials(0..9)).len(), 4, "the rest is for another array");
        let nulls: Vec<WorkPiece> = (1..=39).map(WorkPiece::Null).collect();
        let all = ShardSize { trials: Some(1), bars: 100_000_000, all: 50, most: 1_000 };
        assert_eq!(all.cut(&nulls)[..2], [Shard::Nulls(vec![1, 2]), Shard::Nulls(vec![3, 4])]);
        let huge = ShardSize { all: u64::MAX, ..all };
        assert_eq!(huge.cut(&nulls).len(), 39);
    }

    #[test]
    fn what_is_missing_is_sent_once_and_waited_for() {
        let mut own = Dispatch::new(3, MINUTE);
        assert_eq!(own.next(0, &BTreeSet::new()), DispatchAct::Done);
        assert_eq!(own.next(0, &missing(0..4)), DispatchAct::Send(trials(0..4)));
        own.sent(array(1, Some("7"), 0..4), 0);
        assert_eq!(own.next(MINUTE - 1, &missing(0..4)), DispatchAct::Wait);
        assert_eq!(own.next(MINUTE, &missing(0..4)), DispatchAct::Look);
        own.looked(MINUTE, &[line("7", "RUNNING", "c1"), line("7", "COMPLETED", "c1")]);
        assert_eq!(own.next(MINUTE + 1, &missing(1..4)), DispatchAct::Wait);
        own.unreachable(2 * MINUTE);
        assert_eq!(own.next(2 * MINUTE + 1, &missing(1..4)), DispatchAct::Wait);
        assert_eq!(own.next(2 * MINUTE + 1, &BTreeSet::new()), DispatchAct::Done);
    }

    #[test]
    fn what_is_gone_twice_is_sent_again_until_it_was_tried_often_enough() {
        let mut own = Dispatch::new(2, MINUTE);
        let mut now = 0;
        for job in ["7", "8"] {
            assert_eq!(own.next(now, &missing(0..2)), DispatchAct::Send(trials(0..2)), "{job}");
            own.sent(array(1, Some(job), 0..2), now);
            own.looked(now + MINUTE, &[line(job, "FAILED", "x")]);
            assert_eq!(own.next(now + MINUTE + 1, &missing(0..2)), DispatchAct::Wait);
            own.looked(now + 2 * MINUTE, &[]);
            now += 2 * MINUTE + 1;
            own = opened(own, now, 0..2);
        }
        assert_eq!(own.next(now, &missing(0..2)), DispatchAct::Short(2));
        // An array that comes back before the second look is not over.
        let mut own = Dispatch::new(2, MINUTE);
        own.sent(array(1, Some("7"), 0..2), 0);
        own.looked(MINUTE, &[]);
        own.looked(2 * MINUTE, &[line("7", "PENDING", "c1")]);
        own.looked(3 * MINUTE, &[]);
        assert_eq!(own.next(3 * MINUTE, &missing(0..2)), DispatchAct::Wait);
    }

    /// A listing of a shared folder may be older than what is in it.
    #[test]
    fn what_is_gone_is_opened_by_name_before_it_is_missing() {
        let mut own = Dispatch::new(1, MINUTE);
        own.sent(array(1, Some("7"), 0..2), 0);
        own.sent(array(2, Some("8"), 2..4), 0);
        let both = [line("7", "COMPLETED", "c1"), line("8", "RUNNING", "c2")];
        own.looked(MINUTE, &both);
        own.looked(2 * MINUTE, &both);
        assert_eq!(own.next(2 * MINUTE, &missing(0..4)), DispatchAct::Open(1));
        own.looked(3 * MINUTE, &both);
        assert_eq!(own.next(3 * MINUTE, &missing(1..4)), DispatchAct::Open(1), "it stays gone");
        assert_eq!(own.next(3 * MINUTE, &missing(2..4)), DispatchAct::Wait, "it gave everything");
        own.opened(1);
        assert_eq!(
            own.next(3 * MINUTE, &missing(1..4)),
            DispatchAct::Wait,
            "the other one is there"
        );
        own.looked(4 * MINUTE, &[]);
        own.looked(5 * MINUTE, &[]);
        assert_eq!(own.next(5 * MINUTE, &missing(1..3)), DispatchAct::Open(2));
        own.opened(2);
        assert_eq!(own.next(5 * MINUTE, &missing(1..3)), DispatchAct::Short(2));
    }

    #[test]
    fn an_array_without_an_id_is_adopted_or_sent_again_after_three_looks() {
        let mut own = Dispatch::new(3, MINUTE);
        own.found(array(1, None, 0..2));
        assert_eq!(own.next(0, &missing(0..2)), DispatchAct::Look);
        assert_eq!(own.looked(0, &[line("9", "RUNNING", "other")]), []);
        assert_eq!(own.next(1, &missing(0..2)), DispatchAct::Wait);
        assert_eq!(own.next(MINUTE / 3, &missing(0..2)), DispatchAct::Look);
        let mut late = own.clone();
        assert_eq!(late.looked(MINUTE / 3, &[line("9", "RUNNING", "c1")]), [(1, "9".to_owned())]);
        assert_eq!(late.next(MINUTE / 3 + 1, &missing(0..2)), DispatchAct::Wait);
        own.looked(MINUTE / 3, &[]);
        // A controller that does not answer says nothing.
        own.unreachable(2 * MINUTE / 3);
        assert_eq!(own.next(2 * MINUTE / 3 + 1, &missing(0..2)), DispatchAct::Wait);
        own.looked(MINUTE, &[]);
        let own = opened(own, MINUTE + 1, 0..2);
        assert_eq!(own.next(MINUTE + 1, &missing(0..2)), DispatchAct::Send(trials(0..2)));
    }

    #[test]
    fn what_the_cluster_does_not_take_is_held_and_what_is_held_there_counts_as_gone() {
        let mut own = Dispatch::new(3, MINUTE);
        own.hold(0);
        assert_eq!(own.next(MINUTE - 1, &missing(0..2)), DispatchAct::Wait);
        assert_eq!(own.next(MINUTE, &missing(0..2)), DispatchAct::Send(trials(0..2)));
        own.sent(array(1, Some("7"), 0..2), MINUTE);
        let held =
            QueueLine { reason: "launch failed requeued held".into(), ..line("7", "PENDING", "") };
        own.looked(2 * MINUTE, std::slice::from_ref(&held));
        own.looked(3 * MINUTE, &[held]);
        let own = opened(own, 3 * MINUTE, 0..2);
        assert_eq!(own.next(3 * MINUTE, &missing(0..2)), DispatchAct::Send(trials(0..2)));
    }

    #[test]
    fn another_size_of_shards_waits_for_what_is_under_way() {
        let mut own = Dispatch::new(3, MINUTE);
        own.found(array(1, Some("7"), 0..3));
        own.looked(0, &[line("7", "RUNNING", "c1")]);
        assert_eq!(own.next(1, &missing(1..6)), DispatchAct::Send(trials(3..6)));
    }
}
