//! All processes of a run, wherever they went: each carries the same variables in its environment, which only it can take off.

use std::{collections::BTreeMap, fs, io, path::Path};

use rustix::process::{
    Pid, PidfdFlags, Signal, getpgid, kill_process, pidfd_open, pidfd_send_signal,
};

/// How a process is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hit {
    /// It may still clean up.
    Term,
    /// It may not.
    Kill,
}

impl Hit {
    pub(super) const fn signal(self) -> Signal {
        match self {
            Self::Term => Signal::TERM,
            Self::Kill => Signal::KILL,
        }
    }
}

/// Variables that mark the processes of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessTag(BTreeMap<String, String>);

impl ProcessTag {
    /// These variables together.
    pub fn new(variables: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self(variables.iter().map(owned).collect())
    }

    /// The one of everything that a run starts below a root, and that those start: each run and each step has a variable of its own, so that
    /// the processes of a step carry those of its pipeline too.
    pub fn of_run(root: &Path, run: &str) -> Self {
        let home = fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
        let of = format!("{}\n{run}", home.display());
        let hash = xxhash_rust::xxh3::xxh3_64(of.as_bytes());
        Self::new(&[(&format!("MJOLNIR_OF_{hash:016X}"), run)])
    }

    /// To be set in the environment of the first one.
    pub fn variables(&self) -> BTreeMap<String, String> {
        self.0.clone()
    }

    /// How many processes carry it, this one not counted.
    pub fn count(&self) -> usize {
        self.pids().len()
    }

    /// Tells all of them to end. One that ends meanwhile is not missed: no other process is hit in its place.
    pub fn hit(&self, hit: Hit) {
        for pid in self.pids() {
            // A process that is gone needs no signal.
            let _ = self.hit_one(pid, hit);
        }
    }

    /// Tells those of them to end that are not in this group: its members get the signal by other means.
    pub fn hit_outside(&self, group: Option<Pid>, hit: Hit) {
        for pid in self.pids().into_iter().filter(|pid| getpgid(Some(*pid)).ok() != group) {
            // A process that is gone needs no signal.
            let _ = self.hit_one(pid, hit);
        }
    }

    fn hit_one(&self, pid: Pid, hit: Hit) -> io::Result<()> {
        match pidfd_open(pid, PidfdFlags::empty()) {
            // The number may have gone to another process before it was held.
            Ok(held) if self.is_on(pid) => Ok(pidfd_send_signal(held, hit.signal())?),
            Ok(_) => Ok(()),
            Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => {
                Ok(kill_process(pid, hit.signal())?)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn pids(&self) -> Vec<Pid> {
        let own = std::process::id();
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        numbers
            .filter(|number| *number != own)
            .filter_map(|number| Pid::from_raw(i32::try_from(number).ok()?))
            .filter(|pid| self.is_on(*pid))
            .collect()
    }

    fn is_on(&self, pid: Pid) -> bool {
        // Of a process that has ended, or belongs to another user, nothing can be read.
        let path = format!("/proc/{}/environ", pid.as_raw_nonzero());
        let Ok(environment) = fs::read(path) else { return false };
        self.0.iter().all(|(name, value)| {
            let wanted = format!("{name}={value}");
            environment.split(|byte| *byte == 0).any(|found| found == wanted.as_bytes())
        })
    }
}
