//! What every page is made from: the files of a box and its records, which are only read, and what is kept between two looks.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{bars::DayBars, operator::Operator, proofs::Proofs};
use crate::{
    cli::output::drawing,
    clock::{Clock as _, SystemClock},
    domain::{ids::Tag, series::Series, time::UtcMs},
    exit::Exit,
    jobs::{
        context::{Context, Failure, NoProgress, Resume},
        ledgers::series_of,
    },
    os::{mask::Mask, process::ChildResults, signals::Stop},
    run::build_id,
    serve::{metrics::Loops, status::ServiceStatus},
    store::{
        disk::{Disk as _, RealDisk},
        error::StoreError,
        layout::Layout,
        runs::RunStore,
    },
};

/// The files of a box, and what is kept of them between two looks.
pub struct Desk {
    /// The root of the box.
    pub root: PathBuf,
    /// Its disk.
    pub disk: RealDisk,
    /// Its paths.
    pub layout: Layout,
    /// This build.
    pub build: String,
    /// What the loops' ledgers hold, counted as they grow.
    pub loops: Mutex<Loops>,
    /// What the proofs say, each read once.
    pub proofs: Mutex<Proofs>,
    /// Bars of whole days, by series.
    pub days: Mutex<BTreeMap<Series, DayBars>>,
    /// Who may act, where the pages do.
    pub operator: Option<Operator>,
    records: Mutex<Option<RunStore>>,
    heavy: Mutex<()>,
}

/// A ledger that a page is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeskLedger {
    /// Its tag.
    pub tag: Tag,
    /// Its series.
    pub series: Series,
}

impl DeskLedger {
    /// Where its page is.
    pub fn path(&self) -> String {
        let (symbol, timeframe) = (self.series.symbol().dir(), self.series.timeframe());
        format!("/loops/{}/{symbol}/{timeframe}", self.tag)
    }

    /// Where its data are.
    pub fn api(&self) -> String {
        format!("/api/v1{}", self.path())
    }
}

impl Desk {
    /// Of the box below a root.
    pub fn new(root: &Path, operator: Option<Operator>) -> Self {
        let layout = Layout::new(root);
        Self {
            root: root.to_owned(),
            disk: RealDisk::new(layout.data()),
            layout,
            build: build_id(),
            loops: Mutex::default(),
            proofs: Mutex::default(),
            days: Mutex::default(),
            operator,
            records: Mutex::default(),
            heavy: Mutex::default(),
        }
    }

    /// Now.
    #[expect(
        clippy::unused_self,
        reason = "pages have one source of the time, which is their desk"
    )]
    pub fn now(&self) -> UtcMs {
        SystemClock.now()
    }

    /// Looks into the records; `None` while there are none.
    pub fn records<T>(
        &self,
        look: impl FnOnce(&RunStore) -> Result<T, StoreError>,
    ) -> Result<Option<T>, Failure> {
        let mut records = lock(&self.records);
        if records.is_none() {
            *records = RunStore::look(&self.layout)?;
        }
        Ok(records.as_ref().map(look).transpose()?)
    }

    /// Does something that takes long, such as playing a ledger again: one at a time.
    pub fn heavy<T>(&self, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
        let Ok(_alone) = self.heavy.try_lock() else {
            let message = "another page that takes long is being made: try again in a few seconds";
            return Err(Failure::new(Exit::Busy, message));
        };
        work()
    }

    /// Does something of a job, without a run.
    pub fn within<T>(
        &self,
        verb: &str,
        mask: &Mask,
        work: impl FnOnce(&Context<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        work(&Context {
            root: &self.root,
            disk: &self.disk,
            layout: &self.layout,
            run_id: verb.parse().expect("the name is good"),
            job: verb.to_owned(),
            call: verb.to_owned(),
            mask,
            build: &self.build,
            started: self.now(),
            stop: Stop::default(),
            grace: Duration::from_secs(2),
            child_results: ChildResults::Kept,
            drawing: drawing(),
            progress: &NoProgress,
            resume: Resume::default(),
        })
    }

    /// The ledger that parts of a path name.
    pub fn place(&self, [tag, symbol, timeframe]: [&str; 3]) -> Result<DeskLedger, Failure> {
        let none = || {
            let message = format!("no ledger of {symbol} {timeframe} is under tag {tag}");
            Failure::new(Exit::Nothing, message)
        };
        let tag: Tag = tag.parse().map_err(|_| none())?;
        let all = series_of(&self.disk, &self.layout, &tag)?;
        let is_it = |series: &Series| {
            series.symbol().dir() == symbol && series.timeframe().name() == timeframe
        };
        let series = all.into_iter().find(is_it).ok_or_else(none)?;
        Ok(DeskLedger { tag, series })
    }

    /// What the service wrote about itself last.
    pub fn status(&self) -> Option<ServiceStatus> {
        let bytes = self.disk.read(&self.layout.scheduler_tick()).ok()??;
        serde_json::from_slice(&bytes).ok()
    }

    /// Whether sweeps were made here.
    pub fn has_sweeps(&self) -> bool {
        self.layout.data().join("sweeps").is_dir()
    }
}

/// Takes a lock, whoever panicked with it: what is kept is read again from the files.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
