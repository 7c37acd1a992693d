//! Ending a process for good, with everything it started, once it is certain which one it is.

use std::{collections::BTreeMap, fs, io, os::unix::fs::MetadataExt as _, path::Path};

use rustix::process::{Pid, Signal, kill_process};

/// Kills the process with this id, and the processes it started, if it has the file open: then the id means this process and no
/// other one, in this namespace of ids. Returns how many were killed.
pub fn kill_holder(pid: u32, file: &Path) -> io::Result<usize> {
    held_by(pid, file)?;
    let family = family(pid);
    family.iter().try_for_each(|member| kill(*member))?;
    Ok(family.len())
}

/// Sends SIGHUP to the process with this id, if it has the file open: else the id may mean another process by now.
pub fn hang_up_holder(pid: u32, file: &Path) -> io::Result<()> {
    held_by(pid, file)?;
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
    Ok(kill_process(process.ok_or(io::ErrorKind::NotFound)?, Signal::HUP)?)
}

/// Kills what this process started, and what that started. One that cannot be killed is left.
pub fn kill_offspring() {
    for member in family(std::process::id()).into_iter().skip(1) {
        let _ = kill(member);
    }
}

fn kill(pid: u32) -> io::Result<()> {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(()) };
    match kill_process(pid, Signal::KILL) {
        // It may have ended by itself meanwhile.
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Refuses a process that does not have the file open.
fn held_by(pid: u32, file: &Path) -> io::Result<()> {
    if has_open(pid, file)? {
        return Ok(());
    }
    let why =
        format!("process {pid}, as it is known here, is not the one that holds {}", file.display());
    Err(io::Error::new(io::ErrorKind::NotFound, why))
}

fn has_open(pid: u32, file: &Path) -> io::Result<bool> {
    let identity = |meta: fs::Metadata| (meta.dev(), meta.ino());
    let wanted = identity(fs::metadata(file)?);
    let entries = match fs::read_dir(format!("/proc/{pid}/fd")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        entries => entries?,
    };
    let mut open = entries.flatten().filter_map(|entry| fs::metadata(entry.path()).ok());
    Ok(open.any(|meta| identity(meta) == wanted))
}

/// The process, its children, theirs, and so on.
fn family(pid: u32) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if let Some(parent) = parent_of(id) {
            children.entry(parent).or_default().push(id);
        }
    }
    let mut all = vec![pid];
    let mut next = 0;
    while let Some(member) = all.get(next) {
        all.extend(children.remove(member).unwrap_or_default());
        next += 1;
    }
    all
}

/// The fourth field of `/proc/PID/stat`; the second, a name in parentheses, may hold blanks.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_does_not_have_the_file_open_is_left_alone() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(has_open(std::process::id(), file.path()).unwrap());
        let closed = file.into_temp_path();
        assert!(!has_open(std::process::id(), &closed).unwrap());
        let error = kill_holder(std::process::id(), &closed).unwrap_err();
        assert!(error.to_string().contains("is not the one that holds"), "{error}");
        assert!(!has_open(u32::MAX, &closed).unwrap());
    }

    #[test]
    fn a_process_has_a_parent() {
        let parent = parent_of(std::process::id()).unwrap();
        assert!(family(parent).contains(&std::process::id()));
    }
}
