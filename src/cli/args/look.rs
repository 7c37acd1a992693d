//! The arguments of verbs that look.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use clap_complete::ArgValueCompleter;

use super::ValueArgs;
use crate::cli::completions::{jobs, runs, tags};

/// Which slot is looked at.
#[derive(Debug, Args)]
pub struct WhyArgs {
    /// A job with the strategy, by its manifest or its name; or the id of a run of one
    #[arg(default_value = "live", add = ArgValueCompleter::new(runs))]
    pub job: String,
    /// What the job is given
    #[command(flatten)]
    pub values: ValueArgs,
    /// The ledger; that of the job when absent
    #[arg(long, add = ArgValueCompleter::new(tags))]
    pub tag: Option<String>,
    /// The slot, by a time: the last one that closed then; the last row when absent
    #[arg(long, value_name = "TIME", conflicts_with = "last")]
    pub at: Option<String>,
    /// The last row, as without a time
    #[arg(long)]
    pub last: bool,
}

/// Which bars are looked at, and where the table goes.
#[derive(Debug, Args)]
pub struct FeaturesArgs {
    /// A job with the strategy, by its manifest or its name
    #[arg(default_value = "backtest", add = ArgValueCompleter::new(jobs))]
    pub job: PathBuf,
    /// What the job is given
    #[command(flatten)]
    pub values: ValueArgs,
    /// A ledger: its bars, with its orders, models and signals; all stored bars when absent
    #[arg(long, add = ArgValueCompleter::new(tags))]
    pub tag: Option<String>,
    /// From this time on; the first bar when absent
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Up to this time; the last bar when absent
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// A file that ends in .csv or .parquet; CSV on stdout when absent
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// A shell that can complete.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum CompletionShell {
    /// GNU Bash
    Bash,
    /// Zsh
    Zsh,
    /// Fish
    Fish,
}

/// Which schema.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum SchemaOf {
    /// Of a job manifest
    Job,
    /// Of a profile
    Profile,
}

/// Something else that is shown than a job.
#[derive(Debug, Subcommand)]
pub enum ShowPart {
    /// Show what is known about a model, after every check that a job makes before it uses one
    Model {
        /// Its folder, a file that names it, such as data/models/current, or its id
        dir: PathBuf,
    },
}

/// What is shown.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct ShowArgs {
    /// Something else than a job
    #[command(subcommand)]
    pub part: Option<ShowPart>,
    /// The manifest, or the name of a job in jobs/; or the id of a run, or its beginning
    #[arg(required = true, add = ArgValueCompleter::new(runs))]
    pub job: Option<PathBuf>,
    /// What the job is given
    #[command(flatten)]
    pub values: ValueArgs,
}
