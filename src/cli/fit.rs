//! `runner fit`: one fit on the processor, for the training that started this process.

use std::path::Path;

use super::output::{print_on, say};
use crate::{
    exit::Exit,
    jobs::compute::{
        fit_process::CPU,
        worker::{NoFit, Opened, train},
    },
    model::{
        probe::DeviceAbout,
        train::{Device, FitError},
    },
    os::{process::die_with_parent, signals::Stop},
};

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
