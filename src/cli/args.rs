//! The arguments of `runner`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Runs jobs declared in TOML: the live paper loop, the backtest, and the proof that both are the same.
#[derive(Debug, Parser)]
#[command(name = "runner", version, max_term_width = 100)]
pub struct Cli {
    /// Folder in which jobs/, profiles/ and data/ lie
    #[arg(long, global = true, default_value = ".", value_name = "DIR")]
    pub root: PathBuf,
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
    /// Run one job now
    Run(RunArgs),
    /// Check manifests; every problem at once
    Check {
        /// Manifests, or folders of them
        #[arg(default_value = "jobs")]
        paths: Vec<PathBuf>,
    },
    /// Show every value of a job and where it comes from
    Explain(JobArgs),
    /// List the jobs
    List,
    /// Show a job as it would run, all values in place
    Show(JobArgs),
    /// Print a JSON Schema for editors
    Schema {
        /// Of what
        #[arg(value_enum, default_value = "job")]
        of: SchemaOf,
    },
    /// List the runs, newest first
    History {
        /// Only of this job
        job: Option<String>,
        /// At most so many
        #[arg(long, short = 'n', default_value_t = 20, value_name = "COUNT")]
        last: u32,
    },
    /// Print the log of a run
    Logs {
        /// Id of the run; the latest one when absent
        run: Option<String>,
    },
    /// Check a proof.json again: hashes and verdict
    Verify {
        /// The proof
        proof: PathBuf,
    },
    /// No decisions from the next slot on, until `resume`; stops go on protecting an open position
    Halt(OrderArgs),
    /// No entries from the next slot on, until `resume`; exits go on
    Reduce(OrderArgs),
    /// Back to normal after a halt or a tripped limit
    Resume(OrderArgs),
    /// Close the position at the next fill, then stay halted
    Flatten(OrderArgs),
    /// Print the reference of all job kinds (JOBS.md)
    Reference,
    /// Run jobs by their schedules, until told to stop
    Serve(ServeArgs),
}

/// How the service is run.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Where it can be asked how it is
    #[arg(long, default_value = "127.0.0.1:9464", value_name = "ADDRESS")]
    pub listen: std::net::SocketAddr,
    /// Nowhere
    #[arg(long)]
    pub no_listen: bool,
    /// Let other machines ask too
    #[arg(long)]
    pub allow_public: bool,
    /// Most runs that go on at once; jobs with `run.retry.attempts = 0`, which are always up, do not count
    #[arg(long, default_value_t = 4, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub max_running: u32,
    /// How long runs may go on by themselves when the service is told to stop
    #[arg(long, default_value = "5s", value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub drain_wait: std::time::Duration,
}

/// An order to a live loop.
#[derive(Debug, Args)]
pub struct OrderArgs {
    /// The tag whose loop is to obey; the variable DATA_TAG when absent
    #[arg(long)]
    pub tag: Option<String>,
    /// Why; it stands in the commands ledger
    #[arg(long)]
    pub reason: String,
    /// Who; the user of this process when absent
    #[arg(long)]
    pub who: Option<String>,
    /// When it takes effect: `now`, `next` for the first undecided slot of a loop on recorded bars, or a time
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
}

/// Which schema.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum SchemaOf {
    /// Of a job manifest
    Job,
    /// Of a profile
    Profile,
}

/// A job and the values it is given.
#[derive(Debug, Args)]
pub struct JobArgs {
    /// The manifest, or the name of a job in jobs/
    pub job: PathBuf,
    /// A profile from profiles/; several -P apply left to right
    #[arg(short = 'P', long = "profile", value_name = "NAME")]
    pub profiles: Vec<String>,
    /// Parameters
    #[arg(short = 'p', long = "param", value_name = "NAME=VALUE", num_args = 1.., value_parser = pair)]
    pub params: Vec<(String, String)>,
    /// What a schedule gives; a variable beats it
    #[arg(long = "scheduled", value_name = "NAME=VALUE", value_parser = pair, hide = true)]
    pub scheduled: Vec<(String, String)>,
    /// Any value of the manifest, by its path
    #[arg(long, value_name = "PATH=VALUE", num_args = 1.., value_parser = pair)]
    pub set: Vec<(String, String)>,
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
    /// End the job after this long, e.g. 30m; overrides the manifest
    #[arg(long, value_name = "DURATION")]
    pub timeout: Option<String>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
