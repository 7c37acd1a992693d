//! The command line of `gpu-worker`: it proves its device, or fits on it. Only whoever opens the device knows what it is.

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

use super::output::{print_on, say};
use crate::{
    exit::Exit,
    jobs::compute::{
        fit_process::CPU,
        worker::{NoFit, Open, Opened, train, verdict},
    },
    manifest::Compute,
    model::{
        probe::DeviceAbout,
        train::{Device, FitError},
    },
    os::{process::die_with_parent, signals::Stop},
};

/// Exit code of a worker whose device cannot be used, or whose task came to nothing.
const REFUSED: u8 = 3;

/// Uses a card for `runner`, in a process that may die without harm.
#[derive(Debug, Parser)]
#[command(name = "gpu-worker", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Compute something that the processor computes too, and print the verdict as one line; exit code 0 only if they agree
    Probe {
        /// The verdict is one JSON document in any case
        #[arg(long)]
        json: bool,
        /// How far the card may be from the processor
        #[arg(long, default_value_t = Compute::default().tolerance, value_name = "NUMBER")]
        tolerance: f64,
    },
    /// Carry out a task, with a line after each epoch
    Train {
        /// The task
        #[arg(long, value_name = "FILE")]
        spec: PathBuf,
    },
}

/// Does what the arguments say; the first one is the name of the program. Returns the exit code.
pub fn work(arguments: impl IntoIterator<Item = String>, open: Open<'_>) -> u8 {
    match Cli::parse_from(arguments).verb {
        Verb::Probe { json: _, tolerance } => {
            let verdict = verdict(open, tolerance);
            let line = serde_json::to_string(&verdict).expect("plain values serialise");
            print_on(&format!("{line}\n"));
            if verdict.ok { 0 } else { REFUSED }
        }
        Verb::Train { spec } => {
            let mut heard = |line: &str| print_on(&format!("{line}\n"));
            match train(open, &spec, &mut heard) {
                Ok(()) => 0,
                Err(why) => {
                    say(&format!("error: {why}"));
                    REFUSED
                }
            }
        }
    }
}

/// Carries out the task in a file. It ends with the process that started it, and after the epoch in which it is asked to stop.
pub fn fit(spec: &Path) -> Exit {
    // Without it, nobody hears what is printed, which ends the fit as well.
    let _ = die_with_parent();
    let stop = match Stop::listen() {
        Ok(stop) => stop,
        Err(error) => return refused(Exit::Bug, &format!("signals: {error}")),
    };
    let open = || {
        let about = DeviceAbout { device: CPU.to_owned(), ..DeviceAbout::default() };
        Ok(Opened { device: Device::Cpu, about })
    };
    let mut heard = |line: &str| print_on(&format!("{line}\n")) && !stop.asked();
    match train(&open, spec, &mut heard) {
        Ok(()) => Exit::Ok,
        Err(why) => refused(exit(&why, &stop), &why.to_string()),
    }
}

fn refused(exit: Exit, why: &str) -> Exit {
    say(&format!("error: {why}"));
    exit
}

fn exit(why: &NoFit, stop: &Stop) -> Exit {
    match why {
        NoFit::Files(_) => Exit::Io,
        NoFit::Fit(FitError::Stopped) => stop.signal().map_or(Exit::Io, Exit::Signal),
        NoFit::Fit(FitError::Astray(_) | FitError::NoRows { .. }) => Exit::Data,
        NoFit::Fit(FitError::ForeignState | FitError::Tensors(_) | FitError::Thread(_))
        | NoFit::Device(_) => Exit::Bug,
    }
}
