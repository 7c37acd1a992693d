//! The arguments of `runner`.

mod look;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::ArgValueCompleter;
pub use look::{CompletionShell, FeaturesArgs, SchemaOf, ShowArgs, ShowPart, WhyArgs};

use super::completions::{
    exchanges, functions, jobs, layers, params, runs, shipped_strategies, steps, tags, timeframes,
    verbs,
};
use crate::store::runs::StepsRetry;

/// Runs jobs declared in TOML: the live paper loop, the backtest, and the proof that both are the same.
#[derive(Debug, Parser)]
#[command(name = "runner", version, max_term_width = 100)]
pub struct Cli {
    /// The box: the folder with jobs/, profiles/, strategies/ and data/; this folder or the nearest one above when absent
    #[arg(long, global = true, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Print one JSON document on stdout
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make a box: a folder with jobs, profiles, strategies and .env; nothing is overwritten
    Init(InitArgs),
    /// Run one job now
    Run(RunArgs),
    /// Check manifests; every problem at once
    Check {
        /// Manifests, strategies, or folders of them; jobs/ and strategies/ when absent
        paths: Vec<PathBuf>,
        /// What the jobs are given
        #[command(flatten)]
        values: ValueArgs,
    },
    /// Show every value of a job and where it comes from
    Explain(JobArgs),
    /// List the jobs
    List,
    /// Show a job as it would run, all values in place; a run with its steps, by its id; or a model, by its folder
    Show(ShowArgs),
    /// Print a JSON Schema for editors
    Schema {
        /// Of what
        #[arg(value_enum, default_value = "job")]
        of: SchemaOf,
    },
    /// Show when schedules are due
    Next(NextArgs),
    /// Send a notice to everybody that a job tells, to see that it arrives
    Notify(JobArgs),
    /// Show the service, what runs and waits, schedules, incidents, loops
    Status,
    /// List the runs, newest first: start, state, exit code, duration, run id; then the job, its tag and market, and what it says
    History(HistoryArgs),
    /// Show the log of a run
    Logs(LogsArgs),
    /// Ask a run to stop and wait until it is over; take one that waits out of the queue
    Stop(StopArgs),
    /// Run the same job with the same values again; what variables give may differ
    Retry(RetryArgs),
    /// Let a step of a pipeline start that waits for an approval
    Approve(ApproveArgs),
    /// Keep the schedules of a job from starting it, until `resume` or for a time
    Pause(PauseArgs),
    /// Let schedules go on that a wrong clock had decide their slots far ahead; what was run is not run again
    Rewind(RewindArgs),
    /// Turn the lines of a crontab into jobs; exit code 1 when some could not be
    ImportCrontab(CrontabArgs),
    /// Show how far sweeps are and what they say, end one, or play its hold-out
    Sweep {
        /// What
        #[command(subcommand)]
        part: SweepPart,
    },
    /// Check a proof.json again: hashes and verdict
    Verify {
        /// The proof
        proof: PathBuf,
    },
    /// No decisions from the next slot on, until `resume`; stops go on protecting an open position
    Halt(CommandArgs),
    /// No entries from the next slot on, until `resume`; exits go on
    Reduce(CommandArgs),
    /// Let the schedules of a paused JOB start it again; or, with --tag, a loop go on after a halt or a tripped limit
    Resume(ResumeArgs),
    /// Close the position at the next fill, then stay halted
    Flatten(CommandArgs),
    /// List the planned commands of a tag, in the order in which they take effect
    Commands(CommandsArgs),
    /// Take back a planned command, by its line in `runner commands`
    Revoke(RevokeArgs),
    /// Show two ledgers side by side: settings that differ, figures, rows
    Compare(CompareArgs),
    /// Show why a slot was decided as it was: every clause of every rule with its value
    Why(WhyArgs),
    /// Write what rules see, bar by bar, for other programs: the bar, every name, whether each rule is true
    Features(FeaturesArgs),
    /// List the functions and values of the rule language, or describe one
    Functions {
        /// Which
        #[arg(add = ArgValueCompleter::new(functions))]
        name: Option<String>,
    },
    /// Print the reference of all job kinds (JOBS.md)
    Reference,
    /// Show what a deploy would do, and write the plan it can hold on to; or how much a sweep has to do
    Plan(PlanArgs),
    /// Bring the tree to the target: checked, locked, sent without deleting, verified
    Deploy(DeployArgs),
    /// Show what this program runs on: build, machine, tools, clock, and whether a card proves itself; exit code 1 when something fails
    Doctor(ValueArgs),
    /// Run jobs by their schedules, until asked to stop
    Serve(ServeArgs),
    /// Serve the box as tools of the Model Context Protocol, over stdin and stdout: look, backtest, sweep, write new strategies into a sandbox
    Mcp,
    /// Ask the running service of this box to read the manifests again; when one is wrong, nothing changes
    Reload,
    /// Print what a shell loads to complete verbs, flags, jobs, params and runs
    ///
    /// bash: source <(runner completions bash); zsh: source <(runner completions zsh); fish: runner completions fish | source
    Completions {
        /// Of which shell
        #[arg(value_enum)]
        shell: CompletionShell,
    },
    /// Print the manual page, or that of one verb: runner man > runner.1
    Man {
        /// The verb
        #[arg(add = ArgValueCompleter::new(verbs))]
        verb: Option<String>,
    },
    /// Play one shard of a sweep, on a node of a cluster
    #[command(hide = true)]
    Shard(ShardArgs),
    /// Carry out one fit of a training, with a line after each epoch
    #[command(hide = true)]
    Fit {
        /// The task
        #[arg(long, value_name = "FILE")]
        spec: PathBuf,
    },
}

/// A box that is new.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The folder, which need not exist; this one when absent
    pub dir: Option<PathBuf>,
    /// The venue
    #[arg(long, value_name = "NAME", add = ArgValueCompleter::new(exchanges))]
    pub exchange: Option<String>,
    /// The pair, BASE/QUOTE
    #[arg(long, value_name = "PAIR")]
    pub symbol: Option<String>,
    /// The length of one bar
    #[arg(long, value_name = "TIMEFRAME", add = ArgValueCompleter::new(timeframes))]
    pub timeframe: Option<String>,
    /// A strategy that is shipped
    #[arg(long, value_name = "NAME", add = ArgValueCompleter::new(shipped_strategies))]
    pub strategy: Option<String>,
    /// The name of its ledgers, below data/processed
    #[arg(long)]
    pub tag: Option<String>,
    /// Ask nothing: the usual value for whatever is not given
    #[arg(long)]
    pub yes: bool,
}

/// A shard of a sweep.
#[derive(Debug, Args)]
pub struct ShardArgs {
    /// The plan of the sweep
    #[arg(long)]
    pub plan: PathBuf,
    /// Number of the submission
    #[arg(long)]
    pub submit: u32,
    /// Number of the shard in it
    #[arg(long)]
    pub index: u32,
}

/// What is done with a sweep. An id may be cut short while it is clear.
#[derive(Debug, Subcommand)]
pub enum SweepPart {
    /// Show how far it is: trials, null markets, verdict
    Status {
        /// The sweep; all of them when absent
        id: Option<String>,
    },
    /// Show its report
    Show {
        /// The sweep
        id: String,
    },
    /// End it; what was played is kept, and running the job again goes on
    Cancel {
        /// The sweep
        id: String,
    },
    /// Play its winner on the days that were held out, once; later calls show the first answer
    Final {
        /// The sweep
        id: String,
    },
}

/// A part of a deploy that is done by itself.
#[derive(Debug, Subcommand)]
pub enum DeployPart {
    /// Get to know a target: show its key, machine and folder, ask, write the marker there and pin both here
    Init(DeployInitArgs),
}

/// A target that is new.
#[derive(Debug, Args)]
pub struct DeployInitArgs {
    /// The manifest, or the name of a job in jobs/; `deploy`, or else `deploy-check`, when absent
    pub job: Option<PathBuf>,
    /// What the job is given
    #[command(flatten)]
    pub values: ValueArgs,
    /// The fingerprint of the host's key, as you read it on the machine itself
    #[arg(long, value_name = "SHA256:...")]
    pub host_key: Option<String>,
    /// Do not ask. It does not confirm the key of a host
    #[arg(long)]
    pub yes: bool,
}

/// What is planned.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// The job
    #[command(flatten)]
    pub job: JobArgs,
    /// Show what `runner deploy --rollback` would change
    #[arg(long, conflicts_with = "retire")]
    pub rollback: bool,
    /// Show what `runner deploy --retire` would move into the trash folder
    #[arg(long)]
    pub retire: bool,
}

/// What is deployed.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct DeployArgs {
    /// A part that is done by itself
    #[command(subcommand)]
    pub part: Option<DeployPart>,
    /// The manifest, or the name of a job in jobs/
    #[arg(default_value = "deploy", add = ArgValueCompleter::new(jobs))]
    pub job: PathBuf,
    /// A plan that nothing may have moved since: plan.json of `runner plan`
    #[arg(long, value_name = "FILE")]
    pub plan: Option<String>,
    /// Go back to the commit that was deployed before; once more, and it is back at the newer one
    #[arg(long, conflicts_with_all = ["plan", "retire", "unlock"])]
    pub rollback: bool,
    /// Move files that are gone from the source, and unchanged there, into a trash folder of the target
    #[arg(long, conflicts_with_all = ["plan", "unlock"])]
    pub retire: bool,
    /// Take away the lock that a killed deploy left on the target
    #[arg(long, conflicts_with = "plan")]
    pub unlock: bool,
    /// The reason, shown to anyone who finds the lock
    #[arg(long, short, value_name = "TEXT")]
    pub message: Option<String>,
    /// What the job is given
    #[command(flatten)]
    pub values: ValueArgs,
    /// Id of this run; made up when absent
    #[arg(long, value_name = "ID")]
    pub run_id: Option<String>,
}

/// How the service is run.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "these are flags of a command line")]
pub struct ServeArgs {
    /// Where it can be asked how it is
    #[arg(long, default_value = "127.0.0.1:9464", value_name = "ADDRESS")]
    pub listen: String,
    /// Nowhere
    #[arg(long)]
    pub no_listen: bool,
    /// Let other machines ask too: the pages have no password
    #[arg(long, alias = "allow-public")]
    pub allow_remote: bool,
    /// Let people act through the pages, who give the token in data/state/operate.token: halt, reduce, resume, flatten, pause, run, stop, retry
    #[arg(long, conflicts_with = "no_listen")]
    pub operate: bool,
    /// Most runs that go on at once; jobs with `run.retry.attempts = 0`, which are always up, do not count
    #[arg(long, default_value_t = 4, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub max_running: u32,
    /// How long runs may go on by themselves when the service is asked to stop
    #[arg(long, default_value = "5s", value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub drain_wait: std::time::Duration,
}

/// Two ledgers.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// A tag, the name of a backtest, or a run
    pub a: String,
    /// Another one
    pub b: String,
    /// Leave a picture of both equities under data/reports/compare/
    #[arg(long)]
    pub html: bool,
}

/// An order to a live loop.
#[derive(Debug, Args)]
pub struct CommandArgs {
    /// The tag of the loop that is to obey; the variable DATA_TAG of the box when absent
    #[arg(long, add = ArgValueCompleter::new(tags))]
    pub tag: Option<String>,
    /// The reason, kept in the commands ledger
    #[arg(long)]
    pub reason: String,
    /// Who; the user of this process when absent
    #[arg(long)]
    pub who: Option<String>,
    /// When it takes effect: a time; `next`, the first undecided slot; without it, or `now`, the same, for loops in real time
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
}

/// Which commands.
#[derive(Debug, Args)]
pub struct CommandsArgs {
    /// The tag; the variable DATA_TAG when absent
    #[arg(long, add = ArgValueCompleter::new(tags))]
    pub tag: Option<String>,
    /// Every line of the ledger, in the order of appending
    #[arg(long)]
    pub all: bool,
}

/// What is taken back.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// Its line, which `runner commands` shows
    pub line: u64,
    /// The tag; the variable DATA_TAG when absent
    #[arg(long, add = ArgValueCompleter::new(tags))]
    pub tag: Option<String>,
    /// The reason, kept in the commands ledger
    #[arg(long)]
    pub reason: String,
    /// Who; the user of this process when absent
    #[arg(long)]
    pub who: Option<String>,
}

/// Which runs.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// Only of this job
    #[arg(add = ArgValueCompleter::new(jobs))]
    pub job: Option<String>,
    /// Only in this state, such as `failed` or `missed`
    #[arg(long)]
    pub state: Option<String>,
    /// Only of jobs of this kind
    #[arg(long)]
    pub kind: Option<String>,
    /// Only those that started at this time or later; or so long ago, such as 24h
    #[arg(long, value_name = "TIME|AGE")]
    pub since: Option<String>,
    /// Only those that found out this figure, such as sharpe or net, the largest first
    #[arg(long, value_name = "FIGURE")]
    pub sort: Option<String>,
    /// With --sort, the smallest first
    #[arg(long, requires = "sort")]
    pub reverse: bool,
    /// At most so many
    #[arg(long, short = 'n', default_value_t = 20, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub last: u32,
}

/// Which log.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// The run: its id, the beginning of it, or a job, of which the newest run is meant; the newest of all when absent
    #[arg(add = ArgValueCompleter::new(runs))]
    pub run: Option<String>,
    /// Go on until the run is over; with --json, print one document per entry
    #[arg(long, short)]
    pub follow: bool,
    /// Show what the run and its programs wrote, which is kept of runs of the service
    #[arg(long)]
    pub output: bool,
    /// Only the last so many
    #[arg(long, short = 'n')]
    pub lines: Option<usize>,
}

/// Which slots.
#[derive(Debug, Args)]
pub struct NextArgs {
    /// Only of this job
    #[arg(add = ArgValueCompleter::new(jobs))]
    pub job: Option<String>,
    /// So many of each schedule; 5 when absent, 1 without JOB
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub count: Option<u32>,
    /// After this time; now when absent
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
}

/// What is stopped.
#[derive(Debug, Args)]
pub struct StopArgs {
    /// The run: its id, or a job of which one run goes on or waits
    #[arg(value_name = "RUN|JOB", add = ArgValueCompleter::new(runs))]
    pub run: String,
    /// The reason, kept in the record
    #[arg(long)]
    pub reason: Option<String>,
    /// End it for good when it does not end by itself in its time
    #[arg(long)]
    pub kill: bool,
}

/// What is paused.
#[derive(Debug, Args)]
pub struct PauseArgs {
    /// The job
    #[arg(add = ArgValueCompleter::new(jobs))]
    pub job: String,
    /// Why; others will read it
    #[arg(long)]
    pub reason: String,
    /// Who; the user of this process when absent
    #[arg(long)]
    pub who: Option<String>,
    /// How long, e.g. 2h; without it, until `resume`
    #[arg(long = "for", value_name = "DURATION", value_parser = pause_time)]
    pub during: Option<std::time::Duration>,
}

/// What is approved.
#[derive(Debug, Args)]
pub struct ApproveArgs {
    /// The run of the pipeline: its id, the beginning of it, or the job, of which the newest run is meant
    #[arg(add = ArgValueCompleter::new(runs))]
    pub run: String,
    /// The step that waits
    #[arg(add = ArgValueCompleter::new(steps))]
    pub step: String,
    /// Why; it is kept in the record of the run
    #[arg(long)]
    pub reason: String,
    /// Who; the user of this process when absent
    #[arg(long)]
    pub who: Option<String>,
}

/// What is run again.
#[derive(Debug, Args)]
pub struct RetryArgs {
    /// The run: its id, the beginning of it, or a job, of which the newest run is meant
    #[arg(add = ArgValueCompleter::new(runs))]
    pub run: String,
    /// Of a pipeline: this step, all that need it, and all that did not succeed; the results of the others are kept
    #[arg(long, value_name = "STEP", conflicts_with = "only", add = ArgValueCompleter::new(steps))]
    pub from: Option<String>,
    /// Of a pipeline: this step alone, with the results of those it needs
    #[arg(long, value_name = "STEP", add = ArgValueCompleter::new(steps))]
    pub only: Option<String>,
    /// For whom and why
    #[command(flatten)]
    pub asked: AskArgs,
}

/// Who asks for a run, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct AskArgs {
    /// Why it is run; kept in the folder of the run and shown with it
    #[arg(long)]
    pub reason: Option<String>,
    /// Who runs it; the user of this process when only a reason is given
    #[arg(long)]
    pub who: Option<String>,
}

/// Why what was decided is taken back.
#[derive(Debug, Args)]
pub struct RewindArgs {
    /// Why; others will read it
    #[arg(long)]
    pub reason: String,
    /// Who; the user of this process when absent
    #[arg(long)]
    pub who: Option<String>,
}

/// What goes on.
#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// A paused job
    #[arg(add = ArgValueCompleter::new(jobs))]
    pub job: Option<String>,
    /// The tag of the loop that is to go on; the variable DATA_TAG when neither is given
    #[arg(long, add = ArgValueCompleter::new(tags))]
    pub tag: Option<String>,
    /// The reason; needed for a loop, and kept in its commands ledger, or with the pause that it ends
    #[arg(long)]
    pub reason: Option<String>,
    /// Who; the user of this process when absent
    #[arg(long)]
    pub who: Option<String>,
    /// For a loop, when it takes effect: a time; `next`, the first undecided slot; without it, or `now`, the same in real time
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
}

/// A crontab.
#[derive(Debug, Args)]
pub struct CrontabArgs {
    /// The crontab, below the root; `-` is stdin
    #[arg(default_value = "-")]
    pub file: PathBuf,
    /// Write one manifest for each line into this folder below the root, over none that exists; without it, print them
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// It has the form of /etc/crontab, with a user before the command
    #[arg(long)]
    pub system: bool,
    /// The home folder of the crontab's owner, where cron runs the commands; that of this user when absent
    #[arg(long, value_name = "DIR", conflicts_with = "system")]
    pub home: Option<String>,
    /// The time zone of lines that do not name one; that of this machine when absent
    #[arg(long, value_name = "ZONE")]
    pub timezone: Option<String>,
}

/// The values a job is given.
#[derive(Debug, Clone, Default, Args)]
pub struct ValueArgs {
    /// Profiles from profiles/, or strategies from strategies/; several apply left to right
    #[arg(short = 'P', long = "profile", value_name = "NAME", num_args = 1.., add = ArgValueCompleter::new(layers))]
    pub profiles: Vec<String>,
    /// Parameters
    #[arg(short = 'p', long = "param", value_name = "NAME=VALUE", num_args = 1.., value_parser = pair, add = ArgValueCompleter::new(params))]
    pub params: Vec<(String, String)>,
    /// Any value of the manifest, by its path
    #[arg(long, value_name = "PATH=VALUE", num_args = 1.., value_parser = pair)]
    pub set: Vec<(String, String)>,
}

/// A job and the values it is given.
#[derive(Debug, Clone, Args)]
pub struct JobArgs {
    /// The manifest, or the name of a job in jobs/
    #[arg(add = ArgValueCompleter::new(jobs))]
    pub job: PathBuf,
    /// What the job is given
    #[command(flatten)]
    pub values: ValueArgs,
    /// What a schedule gives; a variable beats it
    #[arg(long = "scheduled", value_name = "NAME=VALUE", value_parser = pair, hide = true)]
    pub scheduled: Vec<(String, String)>,
}

impl JobArgs {
    /// A job that is given nothing.
    pub fn of(job: PathBuf) -> Self {
        Self { job, values: ValueArgs::default(), scheduled: Vec::new() }
    }
}

/// What `run` is given.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The job and its values
    #[command(flatten)]
    pub job: JobArgs,
    /// Id of this run; made up when absent
    #[arg(long, value_name = "ID")]
    pub run_id: Option<String>,
    /// The run this one is a step of
    #[arg(long, value_name = "ID", hide = true)]
    pub parent: Option<String>,
    /// The queued attempt this is
    #[arg(long, value_name = "N", hide = true)]
    pub attempt: Option<u32>,
    /// The run this one repeats
    #[arg(long, value_name = "ID", hide = true)]
    pub retry_of: Option<String>,
    /// The part of it that is run again
    #[arg(skip)]
    pub part: Option<StepsRetry>,
    /// End the job after this long, e.g. 30m; overrides the manifest
    #[arg(long, value_name = "DURATION")]
    pub timeout: Option<String>,
    /// For whom and why
    #[command(flatten)]
    pub asked: AskArgs,
}

impl RunArgs {
    /// A run of a job that is given nothing else.
    pub fn of(job: JobArgs) -> Self {
        Self {
            job,
            run_id: None,
            parent: None,
            attempt: None,
            retry_of: None,
            part: None,
            timeout: None,
            asked: AskArgs::default(),
        }
    }
}

/// A time that is not over at once, and not beyond the calendar.
fn pause_time(text: &str) -> Result<std::time::Duration, String> {
    let span = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if span.is_zero() || span > std::time::Duration::from_hours(24 * 3660) {
        return Err("give more than nothing and less than ten years".to_owned());
    }
    Ok(span)
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
