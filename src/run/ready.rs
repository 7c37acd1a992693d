//! What must be so before a job may start: room on the disk, its lock, its share of the machine.

use std::{path::Path, time::Duration};

use super::{Prepared, watchdog::asked_by};
use crate::{
    clock::{Deadline, nap},
    exit::Exit,
    jobs::context::Failure,
    manifest::Manifest,
    os::{
        filesystem::room,
        machine::{address_space_bytes, limit_memory, set_nice},
        signals::Stop,
    },
    store::{
        disk::{Disk as _, parent},
        lock::{Lock, Owner},
    },
};

/// The address space that this program may need while a job begins, in bytes: threads, and what they set aside.
const MEMORY_MIN: u64 = 64 << 20;
/// A process that came this near to its limit ran into it, in bytes: what could not be had is not counted.
const NEAR: u64 = 80 << 20;
/// Between two tries for a lock.
const AGAIN: Duration = Duration::from_millis(100);

/// Makes ready for the job. The lock is held until the returned value is dropped.
pub fn ready(prepared: &Prepared, stop: &Stop) -> Result<Option<Lock>, Failure> {
    let manifest = &prepared.loaded.resolved.manifest;
    enough_space(manifest, prepared.layout.data())?;
    let lock = match &manifest.run.lock {
        Some(name) => Some(take(prepared, name, manifest.run.lock_wait.get().duration(), stop)?),
        None => None,
    };
    let refused = |what: &str, error: std::io::Error| {
        Failure::new(Exit::Io, format!("{what} could not be set: {error}"))
    };
    set_nice(manifest.run.nice).map_err(|error| refused("run.nice", error))?;
    if let Some(most) = &manifest.run.memory_max {
        enough_memory(most.get().bytes())?;
        limit_memory(most.get().bytes()).map_err(|error| refused("run.memory-max", error))?;
    }
    Ok(lock)
}

/// Refuses a limit under which not even this program could go on: it would fail anywhere, and look like a bug.
fn enough_memory(most: u64) -> Result<(), Failure> {
    let needed = address_space_bytes().map_or(0, |[now, _]| now) + MEMORY_MIN;
    if most >= needed {
        return Ok(());
    }
    let message = format!(
        "run.memory-max is {most} bytes, and runner alone needs {needed} bytes of address space: write run.memory-max = \"{}MiB\" or more",
        needed.div_ceil(1 << 20)
    );
    Err(Failure::new(Exit::Manifest, message))
}

/// Whether a job that panicked did so for want of memory.
pub fn was_out_of_memory(manifest: &Manifest) -> bool {
    let most = manifest.run.memory_max.as_ref().map(|most| most.get().bytes());
    let peak = address_space_bytes().map(|[_, peak]| peak);
    matches!((most, peak), (Some(most), Some(peak)) if peak.saturating_add(NEAR) >= most)
}

fn take(prepared: &Prepared, name: &str, wait: Duration, stop: &Stop) -> Result<Lock, Failure> {
    let path = prepared.layout.named_lock(name);
    prepared.disk.create_dir_all(parent(&path))?;
    let owner = Owner {
        pid: std::process::id(),
        run_id: prepared.run_id.clone(),
        job: prepared.loaded.resolved.manifest.name.clone(),
        since: prepared.started,
    };
    let deadline = Deadline::after(Some(wait));
    let stop_file = prepared.layout.run_stop(&prepared.run_id);
    loop {
        match Lock::take(&path, &owner) {
            Err(error) if error.is_held() && !deadline.is_over() && !stop.asked() => {
                if asked_by(&stop_file).is_some() {
                    stop.term();
                }
                nap(AGAIN);
            }
            result => return Ok(result?),
        }
    }
}

fn enough_space(manifest: &Manifest, data: &Path) -> Result<(), Failure> {
    let Some(least) = manifest.run.disk_free_min.as_ref().map(|size| size.get().bytes()) else {
        return Ok(());
    };
    let room =
        room(data).map_err(|error| Failure::new(Exit::Io, format!("free space: {error}")))?;
    if room.bytes >= least {
        return Ok(());
    }
    let message = format!(
        "only {} bytes are free in {}, run.disk-free-min asks for {least}: make room",
        room.bytes,
        room.path.display()
    );
    Err(Failure::new(Exit::Busy, message))
}
