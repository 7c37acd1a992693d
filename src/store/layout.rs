//! Every path of the store. Nothing else joins path segments.

use std::path::{Path, PathBuf};

use crate::domain::{
    ids::{RunId, Tag},
    series::Series,
    time::{DAY_MS, UtcMs},
};

/// Name of the lock file of a folder with one writer.
pub const WRITER_LOCK: &str = ".writer.lock";
const PARTITION_SUFFIX: &str = ".parquet";

/// The paths below one root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    data: PathBuf,
}

impl Layout {
    /// The layout below `root`, the folder that holds `jobs/`, `profiles/`, `strategies/` and `data/`.
    pub fn new(root: &Path) -> Self {
        Self { data: root.join("data") }
    }

    /// Runtime state, never committed.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Bars of one series.
    pub fn raw_dir(&self, series: &Series) -> PathBuf {
        self.data
            .join("raw")
            .join(series.exchange().as_str())
            .join(series.symbol().dir())
            .join(series.timeframe().name())
    }

    /// Bars that open on one UTC day (days since 1970).
    pub fn partition(&self, series: &Series, day: i64) -> PathBuf {
        self.raw_dir(series).join(partition_name(day))
    }

    /// What the store replaced, and when.
    pub fn revisions(&self, series: &Series) -> PathBuf {
        self.raw_dir(series).join("revisions.csv")
    }

    /// Lock of the writer of one series of bars.
    pub fn raw_lock(&self, series: &Series) -> PathBuf {
        self.raw_dir(series).join(WRITER_LOCK)
    }

    /// The folder in which every tag has one for its decisions.
    pub fn tags_dir(&self) -> PathBuf {
        self.data().join("processed").join("decisions")
    }

    /// The folder in which every tag has one for its trades.
    pub fn tags_trades_dir(&self) -> PathBuf {
        self.data().join("processed").join("trades")
    }

    /// The folder in which every tag has one for what it used of signals.
    pub fn tags_signals_dir(&self) -> PathBuf {
        self.data().join("processed").join("signals")
    }

    /// The folder of a tag's decisions, of whatever series.
    pub fn tag_dir(&self, tag: &Tag) -> PathBuf {
        self.tags_dir().join(tag.as_str())
    }

    /// Decisions of one tag and series.
    pub fn decisions_dir(&self, tag: &Tag, series: &Series) -> PathBuf {
        self.processed("decisions", tag, series)
    }

    /// The log: one row per slot.
    pub fn decisions(&self, tag: &Tag, series: &Series) -> PathBuf {
        self.decisions_dir(tag, series).join("decisions.csv")
    }

    /// When each slot was decided, and how late. LIVE only.
    pub fn timing(&self, tag: &Tag, series: &Series) -> PathBuf {
        self.decisions_dir(tag, series).join("timing.csv")
    }

    /// What the rules of a backtest saw, bar by bar, where that was asked for.
    pub fn features(&self, tag: &Tag, series: &Series) -> PathBuf {
        self.decisions_dir(tag, series).join("features.parquet")
    }

    /// What the ledger started from: its floor, strategy and build.
    pub fn origin(&self, tag: &Tag, series: &Series) -> PathBuf {
        self.decisions_dir(tag, series).join("origin.json")
    }

    /// How far the ledger was proved, and the engine's state there.
    pub fn checkpoint(&self, tag: &Tag, series: &Series) -> PathBuf {
        self.decisions_dir(tag, series).join("checkpoint.json")
    }

    /// Lock of the writer of one series of decisions.
    pub fn decisions_lock(&self, tag: &Tag, series: &Series) -> PathBuf {
        self.decisions_dir(tag, series).join(WRITER_LOCK)
    }

    /// Trades of one tag and series.
    pub fn trades_dir(&self, tag: &Tag, series: &Series) -> PathBuf {
        self.processed("trades", tag, series)
    }

    /// The projection of the decisions: one row per opening and closing.
    pub fn trades(&self, tag: &Tag, series: &Series) -> PathBuf {
        self.trades_dir(tag, series).join("trades.csv")
    }

    /// What LIVE used of the signals of one tag and series.
    pub fn used_signals_dir(&self, tag: &Tag, series: &Series) -> PathBuf {
        self.processed("signals", tag, series)
    }

    /// The lines of programs that LIVE used, each copied at the slot where it did; of a backtest those of its window.
    pub fn used_signals(&self, tag: &Tag, series: &Series) -> PathBuf {
        self.used_signals_dir(tag, series).join("signals.csv")
    }

    /// The file to which a program in another language appends a signal.
    pub fn program_signal(&self, name: &str) -> PathBuf {
        self.data.join("signals").join(format!("{name}.csv"))
    }

    /// Operator commands are kept in one folder, a file per tag.
    pub fn commands_dir(&self) -> PathBuf {
        self.data.join("processed/commands")
    }

    /// Operator commands of one tag.
    pub fn commands(&self, tag: &Tag) -> PathBuf {
        self.commands_dir().join(format!("{tag}.csv"))
    }

    /// Held by whoever appends to the commands of a tag, and by its loop while it reads them and decides.
    pub fn commands_gate(&self, tag: &Tag) -> PathBuf {
        self.commands_dir().join(format!(".{tag}.lock"))
    }

    /// Run records and run folders.
    pub fn runs_dir(&self) -> PathBuf {
        self.data.join("runs")
    }

    /// The database of run records.
    pub fn runs_db(&self) -> PathBuf {
        self.runs_dir().join("runs.sqlite")
    }

    /// The folder of one run.
    pub fn run_dir(&self, run: &RunId) -> PathBuf {
        self.runs_dir().join(run.as_str())
    }

    /// Held by the process of a run for as long as it lives.
    pub fn run_lock(&self, run: &RunId) -> PathBuf {
        self.run_dir(run).join("run.lock")
    }

    /// Where somebody asks a run to stop, with a line that says why.
    pub fn run_stop(&self, run: &RunId) -> PathBuf {
        self.run_dir(run).join("stop")
    }

    /// How the steps of a pipeline stand.
    pub fn run_steps(&self, run: &RunId) -> PathBuf {
        self.run_dir(run).join("steps.json")
    }

    /// What a run was started with, and what it found out about its device.
    pub fn run_info(&self, run: &RunId) -> PathBuf {
        self.run_dir(run).join("run.json")
    }

    /// What a run and the program that uses a card hand each other.
    pub fn run_compute_dir(&self, run: &RunId) -> PathBuf {
        self.run_dir(run).join("compute")
    }

    /// The log of a run.
    pub fn run_log(&self, run: &RunId) -> PathBuf {
        self.run_dir(run).join("log.jsonl")
    }

    /// What a run and the programs it starts write, when nobody watches.
    pub fn run_output(&self, run: &RunId) -> PathBuf {
        self.run_dir(run).join("output.log")
    }

    /// Lock of a name that only one run may hold.
    pub fn named_lock(&self, name: &str) -> PathBuf {
        self.state_dir().join("locks").join(format!("{name}.lock"))
    }

    /// State of services, which may be lost without harm.
    pub fn state_dir(&self) -> PathBuf {
        self.data.join("state")
    }

    /// What a bot that takes commands by phone has dealt with, by the bot's number.
    pub fn phone_state(&self, bot: &str) -> PathBuf {
        self.state_dir().join("phone").join(format!("{bot}.json"))
    }

    /// Lock of the one scheduler service.
    pub fn scheduler_lock(&self) -> PathBuf {
        self.state_dir().join("scheduler.lock")
    }

    /// What the scheduler service did.
    pub fn scheduler_log(&self) -> PathBuf {
        self.state_dir().join("scheduler.log")
    }

    /// When the scheduler service last looked, and what it is: a small document.
    pub fn scheduler_tick(&self) -> PathBuf {
        self.state_dir().join("scheduler.json")
    }

    /// What a person gives the pages of the service to act through them.
    pub fn operate_token(&self) -> PathBuf {
        self.state_dir().join("operate.token")
    }

    /// Where the fits of a training stand, so that one that was killed can go on.
    pub fn train_state(&self, job: &str) -> PathBuf {
        self.state_dir().join("train").join(job)
    }

    /// What a step with inputs was made of when it last succeeded; `task` is the step, with its item behind a dot.
    pub fn step_state(&self, job: &str, task: &str) -> PathBuf {
        self.state_dir().join("steps").join(job).join(format!("{task}.json"))
    }

    /// The folder of the report about one trained model.
    pub fn train_report_dir(&self, name: &str, model: &str) -> PathBuf {
        self.train_reports_dir(name).join(model)
    }

    /// The folder in which every trained model of a name has one for its report.
    pub fn train_reports_dir(&self, name: &str) -> PathBuf {
        self.reports_dir().join("train").join(name)
    }

    /// Names the model that was trained last under a name.
    pub fn train_latest(&self, name: &str) -> PathBuf {
        self.train_reports_dir(name).join("latest")
    }

    /// Trained models.
    pub fn models_dir(&self) -> PathBuf {
        self.data.join("models")
    }

    /// Names the model in use.
    pub fn model_in_use(&self) -> PathBuf {
        self.models_dir().join("current")
    }

    /// Which model came into use when, and why.
    pub fn model_history(&self) -> PathBuf {
        self.models_dir().join("history.csv")
    }

    /// Held by whoever changes which model is in use.
    pub fn models_lock(&self) -> PathBuf {
        self.models_dir().join(WRITER_LOCK)
    }

    /// Sweeps, a folder each.
    pub fn sweeps_dir(&self) -> PathBuf {
        self.data.join("sweeps")
    }

    /// The folder of one sweep.
    pub fn sweep_dir(&self, id: &str) -> PathBuf {
        self.sweeps_dir().join(id)
    }

    /// What a sweep tries, on which bars.
    pub fn sweep_plan(&self, id: &str) -> PathBuf {
        self.sweep_dir(id).join("plan.json")
    }

    /// How a sweep was called.
    pub fn sweep_call(&self, id: &str) -> PathBuf {
        self.sweep_dir(id).join("call.json")
    }

    /// The bars of a sweep.
    pub fn sweep_bars(&self, id: &str) -> PathBuf {
        self.sweep_dir(id).join("bars.parquet")
    }

    /// The folder of the rows of trials, shard by shard.
    pub fn sweep_results_dir(&self, id: &str) -> PathBuf {
        self.sweep_dir(id).join("results")
    }

    /// The rows of some trials.
    pub fn sweep_result(&self, id: &str, keys: &str) -> PathBuf {
        self.sweep_results_dir(id).join(format!("{keys}.csv"))
    }

    /// The folder of what null markets gave.
    pub fn sweep_nulls_dir(&self, id: &str) -> PathBuf {
        self.sweep_dir(id).join("nulls")
    }

    /// What a null market gave.
    pub fn sweep_null(&self, id: &str, k: u32) -> PathBuf {
        self.sweep_nulls_dir(id).join(format!("{k:04}.json"))
    }

    /// The folder of the steps of a walk forward.
    pub fn sweep_walk_dir(&self, id: &str) -> PathBuf {
        self.sweep_dir(id).join("walk")
    }

    /// What a step of a walk forward gave.
    pub fn sweep_step(&self, id: &str, n: usize) -> PathBuf {
        self.sweep_walk_dir(id).join(format!("{n:04}.json"))
    }

    /// The rows of all trials of a sweep.
    pub fn sweep_trials(&self, id: &str) -> PathBuf {
        self.sweep_dir(id).join("trials.csv")
    }

    /// The same for other programs.
    pub fn sweep_trials_packed(&self, id: &str) -> PathBuf {
        self.sweep_dir(id).join("trials.parquet")
    }

    /// The verdict on a sweep and all of its figures.
    pub fn sweep_report(&self, id: &str) -> PathBuf {
        self.sweep_dir(id).join("sweep.json")
    }

    /// The page about a sweep.
    pub fn sweep_page(&self, id: &str) -> PathBuf {
        self.sweep_dir(id).join("sweep.html")
    }

    /// What the winner of a sweep did on the days that were held out.
    pub fn sweep_final(&self, id: &str) -> PathBuf {
        self.sweep_dir(id).join("final.json")
    }

    /// That a sweep was asked for its end.
    pub fn sweep_cancelled(&self, id: &str) -> PathBuf {
        self.sweep_dir(id).join("cancelled")
    }

    /// Held by the process that plays a sweep.
    pub fn sweep_lock(&self, id: &str) -> PathBuf {
        self.sweep_dir(id).join(WRITER_LOCK)
    }

    /// The program that the nodes of a cluster run for a sweep.
    pub fn sweep_program(&self, id: &str, build: &str) -> PathBuf {
        self.sweep_dir(id).join("bin").join(build).join("runner")
    }

    /// The folder of what was sent to a cluster.
    pub fn sweep_submits_dir(&self, id: &str) -> PathBuf {
        self.sweep_dir(id).join("submits")
    }

    /// What is sent to a cluster, written before it is.
    pub fn sweep_submit(&self, id: &str, n: u32) -> PathBuf {
        self.sweep_submits_dir(id).join(format!("{n:04}.json"))
    }

    /// What the cluster said to it.
    pub fn sweep_submitted(&self, id: &str, n: u32) -> PathBuf {
        self.sweep_submits_dir(id).join(format!("{n:04}.done.json"))
    }

    /// The folder of why shards failed.
    pub fn sweep_failed_dir(&self, id: &str) -> PathBuf {
        self.sweep_dir(id).join("failed")
    }

    /// Why a shard failed.
    pub fn sweep_failed(&self, id: &str, n: u32, shard: u32) -> PathBuf {
        self.sweep_failed_dir(id).join(format!("{n:04}_{shard:04}.json"))
    }

    /// The folder of results that contradict others.
    pub fn sweep_conflicts_dir(&self, id: &str) -> PathBuf {
        self.sweep_dir(id).join("conflicts")
    }

    /// The folder of results that are not whole.
    pub fn sweep_quarantine_dir(&self, id: &str) -> PathBuf {
        self.sweep_dir(id).join("quarantine")
    }

    /// The folder of what shards printed.
    pub fn sweep_logs_dir(&self, id: &str) -> PathBuf {
        self.sweep_dir(id).join("logs")
    }

    /// Who coordinates a sweep on a cluster.
    pub fn sweep_coordinator(&self, id: &str) -> PathBuf {
        self.sweep_dir(id).join("coordinator.json")
    }

    /// The folder of the ledger of searches.
    pub fn searches_dir(&self) -> PathBuf {
        self.sweeps_dir().join("searches")
    }

    /// One search: a sweep, or a backtest that was run by hand.
    pub fn search(&self, id: &str) -> PathBuf {
        self.searches_dir().join(format!("{id}.json"))
    }

    /// All searches, for people.
    pub fn searches_view(&self) -> PathBuf {
        self.searches_dir().join("searches.csv")
    }

    /// Reports.
    pub fn reports_dir(&self) -> PathBuf {
        self.data.join("reports")
    }

    /// What the live loop last heard from its venue: a small document per tag and series.
    pub fn live_state(&self, tag: &Tag, series: &Series) -> PathBuf {
        let dir = self.state_dir().join("live").join(tag.as_str()).join(series.symbol().dir());
        dir.join(format!("{}.json", series.timeframe()))
    }

    /// How far the ledger of a tag was found equal to its replay.
    pub fn proven(&self, tag: &Tag, series: &Series) -> PathBuf {
        let dir = self.state_dir().join("proven").join(tag.as_str());
        let (exchange, pair) = (series.exchange(), series.symbol().dir());
        dir.join(format!("{exchange}_{pair}_{}.json", series.timeframe()))
    }

    /// How a loop left the ledgers of a tag.
    pub fn watch(&self, tag: &Tag, series: &Series) -> PathBuf {
        let dir = self.state_dir().join("watch").join(tag.as_str());
        let (exchange, pair) = (series.exchange(), series.symbol().dir());
        dir.join(format!("{exchange}_{pair}_{}.json", series.timeframe()))
    }

    /// The log of the heartbeats of a tag.
    pub fn heartbeat_log(&self, tag: &Tag) -> PathBuf {
        self.state_dir().join("heartbeat").join(format!("{tag}.log"))
    }

    /// The last answer of the healthcheck of a tag.
    pub fn health_report(&self, tag: &Tag) -> PathBuf {
        self.reports_dir().join("health").join(tag.as_str()).join("health.json")
    }

    /// The folder in which every tag has one for its proofs. An older build had a folder for each proof there.
    pub fn proofs_dir(&self) -> PathBuf {
        self.reports_dir().join("eqflat")
    }

    /// The folder in which every comparison of a tag has one for its proof.
    pub fn tag_proofs_dir(&self, tag: &Tag) -> PathBuf {
        self.proofs_dir().join(tag.as_str())
    }

    /// The folder of one comparison.
    pub fn proof_dir(&self, tag: &Tag, run: &RunId) -> PathBuf {
        self.tag_proofs_dir(tag).join(run.as_str())
    }

    /// The folder of the report about one ledger: `kind` is live or backtest, `id` its tag.
    pub fn ledger_report_dir(&self, kind: &str, id: &str) -> PathBuf {
        self.reports_dir().join(kind).join(id)
    }

    /// The picture of two ledgers side by side, by their tags.
    pub fn comparison_page(&self, a: &str, b: &str) -> PathBuf {
        self.reports_dir().join("compare").join(format!("{a}-{b}")).join("report.html")
    }

    /// The report about the stored bars of a series.
    pub fn quality_report(&self, series: &Series) -> PathBuf {
        self.series_report("data-quality", series).join("quality.json")
    }

    /// The report about a box that trades a series.
    pub fn check_report(&self, series: &Series) -> PathBuf {
        self.series_report("check", series).join("check.json")
    }

    /// The folder of what one look at a deploy found, and of its plan.
    pub fn deploy_reports(&self, run: &RunId) -> PathBuf {
        self.reports_dir().join("deploy").join(run.as_str())
    }

    /// Lock of whoever deploys to a target, by its name.
    pub fn deploy_lock(&self, target: &str) -> PathBuf {
        self.state_dir().join("deploy").join(format!("{target}.lock"))
    }

    /// What was deployed last from here to a target: a copy of what the target keeps.
    pub fn deployed_copy(&self, target: &str) -> PathBuf {
        self.state_dir().join("deploy").join(format!("{target}.json"))
    }

    /// The report about this machine before a boot or a deploy.
    pub fn preflight_report(&self) -> PathBuf {
        self.reports_dir().join("preflight").join("preflight.json")
    }

    /// Where a trial run on made-up bars lives: a root of its own.
    pub fn smoke_root(&self) -> PathBuf {
        self.state_dir().join("smoke")
    }

    /// Lock of the one trial run.
    pub fn smoke_lock(&self) -> PathBuf {
        self.smoke_root().join(WRITER_LOCK)
    }

    /// The folder of a job's report about one series.
    fn series_report(&self, job: &str, series: &Series) -> PathBuf {
        let (exchange, symbol) = (series.exchange(), series.symbol().dir());
        let name = format!("{exchange}-{symbol}-{}", series.timeframe());
        self.reports_dir().join(job).join(name)
    }

    /// What was cut from files, kept for a person to look at.
    pub fn quarantine_dir(&self) -> PathBuf {
        self.data.join("quarantine")
    }

    /// Where the torn tail of one ledger goes.
    pub fn quarantine(&self, ledger: &Path, seen_at: UtcMs) -> Quarantine {
        let inside = ledger.strip_prefix(&self.data).unwrap_or(ledger);
        let parts: Vec<_> = inside.iter().map(|part| part.to_string_lossy()).collect();
        let stem = format!("{}.{}", parts.join("-"), seen_at.get());
        Quarantine { dir: self.quarantine_dir(), stem }
    }

    fn processed(&self, kind: &str, tag: &Tag, series: &Series) -> PathBuf {
        self.data
            .join("processed")
            .join(kind)
            .join(tag.as_str())
            .join(series.symbol().dir())
            .join(series.timeframe().name())
    }
}

/// A family of free file names for what is cut from one file at one start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantine {
    dir: PathBuf,
    stem: String,
}

impl Quarantine {
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// How the names of everything ever cut from this file begin.
    pub fn prefix(&self) -> &str {
        let end = self.stem.rfind('.').map_or(self.stem.len(), |dot| dot + 1);
        &self.stem[..end]
    }

    /// The `n`th name.
    pub fn path(&self, n: u32) -> PathBuf {
        self.dir.join(format!("{}.{n}.torn", self.stem))
    }
}

/// File name of the partition of one UTC day.
pub fn partition_name(day: i64) -> String {
    let at = UtcMs::EPOCH.plus_ms(day.saturating_mul(DAY_MS));
    format!("{}{PARTITION_SUFFIX}", at.format("%Y-%m-%d"))
}

/// The UTC day a partition's file name stands for; `None` for other files.
pub fn partition_day(name: &str) -> Option<i64> {
    let date = name.strip_suffix(PARTITION_SUFFIX)?;
    let midnight: UtcMs = format!("{date}T00:00:00Z").parse().ok()?;
    (partition_name(midnight.day()) == name).then(|| midnight.day())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timeframe;

    #[test]
    fn paths_are_the_documented_ones() {
        let layout = Layout::new(Path::new("r"));
        let symbol = "BTC/USD".parse().unwrap();
        let series = Series::new("kraken".parse().unwrap(), symbol, Timeframe::M5);
        let tag: Tag = "paper".parse().unwrap();
        let run: RunId = "r1".parse().unwrap();
        let seen = UtcMs::new(5).unwrap();
        for (path, expected) in [
            (layout.partition(&series, 19_436), "raw/kraken/BTC_USD/5m/2023-03-20.parquet"),
            (layout.revisions(&series), "raw/kraken/BTC_USD/5m/revisions.csv"),
            (layout.raw_lock(&series), "raw/kraken/BTC_USD/5m/.writer.lock"),
            (layout.decisions(&tag, &series), "processed/decisions/paper/BTC_USD/5m/decisions.csv"),
            (layout.timing(&tag, &series), "processed/decisions/paper/BTC_USD/5m/timing.csv"),
            (layout.origin(&tag, &series), "processed/decisions/paper/BTC_USD/5m/origin.json"),
            (
                layout.decisions_lock(&tag, &series),
                "processed/decisions/paper/BTC_USD/5m/.writer.lock",
            ),
            (layout.trades(&tag, &series), "processed/trades/paper/BTC_USD/5m/trades.csv"),
            (layout.used_signals(&tag, &series), "processed/signals/paper/BTC_USD/5m/signals.csv"),
            (layout.program_signal("robot"), "signals/robot.csv"),
            (layout.commands(&tag), "processed/commands/paper.csv"),
            (layout.quality_report(&series), "reports/data-quality/kraken-BTC_USD-5m/quality.json"),
            (layout.runs_db(), "runs/runs.sqlite"),
            (layout.run_dir(&run), "runs/r1"),
            (layout.run_info(&run), "runs/r1/run.json"),
            (layout.run_compute_dir(&run), "runs/r1/compute"),
            (
                layout.quarantine(&layout.trades(&tag, &series), seen).path(2),
                "quarantine/processed-trades-paper-BTC_USD-5m-trades.csv.5.2.torn",
            ),
        ] {
            assert_eq!(path, Path::new("r/data").join(expected));
        }
    }

    #[test]
    fn what_is_cut_from_one_file_is_told_from_what_is_cut_from_others() {
        let layout = Layout::new(Path::new("r"));
        let quarantine = layout.quarantine(&layout.data().join("a/b.csv"), UtcMs::EPOCH);
        assert_eq!(quarantine.prefix(), "a-b.csv.");
    }

    #[test]
    fn a_partition_name_and_its_day_belong_together() {
        for day in [0, 1, 19_436, 20_000, 84_000] {
            assert_eq!(partition_day(&partition_name(day)), Some(day));
        }
        for name in ["2023-3-20.parquet", "2023-02-30.parquet", "revisions.csv", "x.parquet"] {
            assert_eq!(partition_day(name), None, "{name}");
        }
        assert_eq!(partition_day("2023-03-20.parquet.12.0.tmp"), None);
    }
}
