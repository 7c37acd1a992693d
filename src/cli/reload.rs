//! `runner reload`: the running service of a box reads its manifests again.

use std::{path::Path, time::Duration};

use serde_json::json;

use super::{
    output::{print, print_json},
    refuse::tell,
    serve::load_all,
};
use crate::{
    clock::{Deadline, nap},
    exit::Exit,
    jobs::context::Failure,
    os::process_tree::hang_up_holder,
    serve::status::ServiceStatus,
    store::{
        disk::{Disk as _, RealDisk},
        layout::Layout,
        lock::{Owner, is_held},
    },
};

/// How long a service may take to answer: it is asked between two turns.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks at its document.
const LOOK: Duration = Duration::from_millis(50);

/// Asks the service and waits until it has done so.
pub fn reload(root: &Path, json: bool) -> Exit {
    match reloaded(root) {
        Ok((pid, said)) => {
            if json {
                print_json(&json!({ "schema": "mjolnir.reload/1", "pid": pid, "said": said }));
            } else {
                print(&format!("the service, pid {pid}, has read the manifests again: {said}\n"));
            }
            Exit::Ok
        }
        Err(failure) => tell(&failure, json),
    }
}

fn reloaded(root: &Path) -> Result<(u32, String), Failure> {
    let root =
        std::path::absolute(root).map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    let layout = Layout::new(&root);
    let disk = RealDisk::new(layout.data());
    let lock = layout.scheduler_lock();
    if !is_held(&lock) {
        let message = "no service works in this box: start one with `runner serve`, which reads every manifest";
        return Err(Failure::new(Exit::Nothing, message));
    }
    // What is wrong is said here, with all of it, before the service is asked.
    load_all(&root)?;
    let before = status(&disk, &layout).map_or(0, |status| status.reloads);
    let owner = Owner::read(&lock).ok_or_else(|| {
        let message = format!("{} does not say which process holds it", lock.display());
        Failure::new(Exit::Busy, message)
    })?;
    hang_up_holder(owner.pid, &lock).map_err(|error| {
        let message = format!(
            "{error}: it may work in a container, where its number is another one; there, run `docker compose exec scheduler runner reload`"
        );
        Failure::new(Exit::Busy, message)
    })?;
    let patience = Deadline::after(Some(PATIENCE));
    loop {
        let now = status(&disk, &layout).filter(|now| now.reloads > before);
        match now.map(|now| (now.reload_said, now.reload_refused)) {
            Some((said, false)) => return Ok((owner.pid, said)),
            Some((said, true)) => return Err(Failure::new(Exit::Manifest, said)),
            None if patience.is_over() => {
                let message = format!(
                    "the service, pid {}, was asked and has not answered: look at `runner status`",
                    owner.pid
                );
                return Err(Failure::new(Exit::Busy, message));
            }
            None => nap(LOOK),
        }
    }
}

/// The document that the service leaves.
fn status(disk: &RealDisk, layout: &Layout) -> Option<ServiceStatus> {
    let bytes = disk.read(&layout.scheduler_tick()).ok().flatten()?;
    serde_json::from_slice(&bytes).ok()
}
