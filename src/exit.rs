//! The exit codes: one enum, listed here and in JOBS.md and nowhere else.

/// How a run ended, as the shell sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done; PASS; healthy.
    Ok,
    /// A negative verdict: FAIL, unhealthy, refused, a step failed.
    Negative,
    /// Wrong arguments.
    Usage,
    /// Inconclusive or qualified.
    Inconclusive,
    /// No job, window or bar matched.
    Nothing,
    /// A pipeline between two steps: it goes on when somebody approves.
    Waiting,
    /// Bad data: a corrupt or foreign file.
    Data,
    /// A venue, host or device cannot be reached.
    Unavailable,
    /// A bug in this program.
    Bug,
    /// Input or output failed: disk full, read-only folder.
    Io,
    /// Somebody else holds the lock: try later.
    Busy,
    /// A kill switch or risk limit is in force.
    Halted,
    /// The manifest, a profile or a parameter is invalid.
    Manifest,
    /// The job took longer than its timeout.
    Timeout,
    /// Ended by this signal.
    Signal(u8),
    /// As the convention of another program has it, such as that of Nagios.
    Foreign(u8),
}

impl Exit {
    /// Every code with its name and meaning, as JOBS.md prints it. Signals stand as the last line.
    pub const TABLE: [(&'static str, &'static str, &'static str); 15] = [
        ("0", "ok", "done; PASS; healthy"),
        ("1", "negative", "negative verdict: FAIL, unhealthy, refused, step failed"),
        ("2", "usage", "wrong arguments"),
        ("3", "inconclusive", "inconclusive or qualified"),
        ("4", "nothing", "nothing matched: no job, no ledger, an empty window"),
        ("5", "waiting", "a run of the service waits for an approval; it goes on later"),
        ("65", "data", "bad data: a corrupt or foreign file"),
        ("69", "unavailable", "a venue, host or device cannot be reached"),
        ("70", "bug", "a bug in this program"),
        ("74", "io", "input or output failed: disk full, read-only folder"),
        (
            "75",
            "busy",
            "another process holds the lock: try later; or the ledgers of this run id exist",
        ),
        ("77", "halted", "a kill switch or risk limit is in force"),
        ("78", "manifest", "manifest, profile or parameter invalid"),
        ("124", "timeout", "the job took longer than its timeout"),
        ("128+n", "signal", "ended by signal n"),
    ];

    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Negative => 1,
            Self::Usage => 2,
            Self::Inconclusive => 3,
            Self::Nothing => 4,
            Self::Waiting => 5,
            Self::Data => 65,
            Self::Unavailable => 69,
            Self::Bug => 70,
            Self::Io => 74,
            Self::Busy => 75,
            Self::Halted => 77,
            Self::Manifest => 78,
            Self::Timeout => 124,
            Self::Signal(n) => 128 + n,
            Self::Foreign(n) => n,
        }
    }
}
