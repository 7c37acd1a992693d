//! A deploy that is cut off in the middle: every file is old or new, none is half, and the next deploy completes it.

#![expect(clippy::disallowed_methods, reason = "these tests cut connections and fill disks")]

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, chown},
    path::Path,
    process::Command,
    time::Duration,
};

use mjolnir::clock::nap;
use rustix::process::{Pid, Signal, kill_process};

use super::{
    fixture::{Site, is_root},
    ssh::far,
    sshd::Sshd,
};
use crate::support::{runner::Running, skip::skip};

/// Files, so that a cut has something to fall between.
const FILES: usize = 12;
const BYTES: usize = 4 << 20;

fn far_away() -> Option<(Sshd, Site)> {
    let (server, mut site, machine) = far()?;
    site.words.push(format!("machine-id={machine}"));
    Some((server, site))
}

/// Content that does not shrink, different for each seed.
fn content(seed: usize) -> Vec<u8> {
    let mut state = seed as u64 | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..BYTES / 8).flat_map(|_| next()).collect()
}

fn fill(site: &Site, generation: usize) {
    for n in 0..FILES {
        fs::create_dir_all(site.here("big")).unwrap();
        fs::write(site.here(&format!("big/{n}")), content(generation * 1000 + n)).unwrap();
    }
    site.commit("big");
}

/// Every file is as the old commit or as the new one has it.
fn old_or_new(site: &Site, old: Option<usize>, new: usize) -> (usize, usize) {
    let (mut olds, mut news) = (0, 0);
    for n in 0..FILES {
        match fs::read(site.there(&format!("big/{n}"))) {
            Ok(found) if found == content(new * 1000 + n) => news += 1,
            Ok(found) if old.is_some_and(|old| found == content(old * 1000 + n)) => olds += 1,
            Ok(found) => panic!("big/{n} is half: {} bytes", found.len()),
            Err(_) => assert!(old.is_none(), "big/{n} is gone"),
        }
    }
    let live = super::locks::seen(&site.there("big"));
    assert_eq!(live.keys().filter(|path| path.starts_with(b".")).count(), 0, "{:?}", live.keys());
    (olds, news)
}

/// Kills this end or that end of the real sync with a signal that cannot be caught, once this file is new and another one grows.
fn cut(site: &Site, run: &mut Running, program: &str, (first, seed): (&str, usize)) {
    let incoming = site.there(".mjolnir-lock/incoming");
    let new = content(seed);
    let grows = || {
        let entries = fs::read_dir(&incoming).into_iter().flatten().flatten();
        let mut sizes = entries.filter_map(|entry| Some(entry.metadata().ok()?.size()));
        sizes.any(|size| size > 0)
    };
    for _ in 0..60_000 {
        if grows() && fs::read(site.there(first)).is_ok_and(|found| found == new) {
            let mark = incoming.to_str().unwrap().to_owned();
            assert!(kill_all(program, &mark), "there is a {program}");
            return;
        }
        assert!(!run.is_over(), "it was over before it was cut");
        nap(Duration::from_millis(1));
    }
    panic!("nothing grows");
}

/// Kills every such program that receives, or speaks to a receiver, with this word.
fn kill_all(name: &str, word: &str) -> bool {
    let mut killed = false;
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        let program = line.split('\0').next().unwrap_or_default().to_owned();
        if Path::new(&program).ends_with(name) && line.contains("--server") && line.contains(word) {
            let pid = entry.file_name().to_str().and_then(|pid| pid.parse().ok());
            killed |= pid
                .and_then(Pid::from_raw)
                .is_some_and(|pid| kill_process(pid, Signal::KILL).is_ok());
        }
    }
    killed
}

const LARGE: [(&str, &str); 2] =
    [("deploy-check.limits.max-new-bytes", "1GiB"), ("deploy-check.limits.max-file-bytes", "1GiB")];

#[test]
fn a_connection_that_is_cut_leaves_nothing_half_and_the_next_deploy_completes_it() {
    let Some((_server, site)) = far_away() else { return };
    fill(&site, 1);
    site.act_with(&[], &LARGE).done();
    fill(&site, 2);
    site.write("src/only_then.py", "x = 1\n");
    site.commit("and more");
    let kept = site.kept();
    let mut run = site.call_for("deploy deploy --json", &LARGE).start();
    cut(&site, &mut run, "rsync", ("big/0", 2000));
    let acted = site.acted(run.end());
    acted.fails(69, &["the deploy was cut off", "none is half"]);
    assert!(kept == site.kept());
    let (olds, news) = old_or_new(&site, Some(1), 2);
    assert!(news > 0 && olds > 0, "{olds} old, {news} new");
    assert!(!site.there(".mjolnir-lock").exists(), "the lock was given back");
    assert!(site.there(".mjolnir-deploying.json").exists());
    // The source goes on meanwhile: what was sent is neither an edit nor a stray.
    fill(&site, 3);
    site.git(&["rm", "-q", "-r", "--ignore-unmatch", "big/0", "big/1", "src/only_then.py"]);
    site.commit("the source moved on");
    let checked = site.check_with(&LARGE).passes().lacks("drift");
    assert!(checked.report["notes"].to_string().contains("was cut off"), "{}", checked.report);
    // And it is cut off again, before it completes.
    let mut run = site.call_for("deploy deploy --json", &LARGE).start();
    cut(&site, &mut run, "ssh", ("big/10", 3010));
    site.acted(run.end()).fails(69, &["cut off"]);
    site.act_with(&[], &LARGE).done();
    for n in 2..FILES {
        assert!(fs::read(site.there(&format!("big/{n}"))).unwrap() == content(3000 + n), "{n}");
    }
    site.is_tidy();
    site.check_with(&LARGE).stays_in_sync().lacks("drift");
}

/// The same when it is cut off for the first time ever, and when the whole program is killed.
#[test]
fn a_first_deploy_that_is_killed_is_completed_too() {
    let Some((_server, site)) = far_away() else { return };
    for path in ["src", "ops", "README.md", ".gitignore", ".mjolnir-deployed.json"] {
        let path = site.there(path);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }
    fill(&site, 1);
    let mut run = site.call_for("deploy deploy --json", &LARGE).start();
    for _ in 0..60_000 {
        if site.there("big/3").exists() {
            break;
        }
        assert!(!run.is_over());
        nap(Duration::from_millis(1));
    }
    run.signal("KILL");
    drop(run);
    let mark = site.there(".mjolnir-lock/incoming").to_str().unwrap().to_owned();
    for _ in 0..2000 {
        if !kill_all("rsync", &mark) {
            break;
        }
        nap(Duration::from_millis(5));
    }
    old_or_new(&site, None, 1);
    site.act_with(&[], &LARGE).fails(75, &["another deploy holds the lock", "--unlock"]);
    site.act_with(&["--unlock"], &LARGE).fails(0, &["was taken away"]);
    site.act_with(&[], &LARGE).done();
    assert_eq!(old_or_new(&site, None, 1), (0, FILES));
    site.is_tidy();
}

/// A file system of its own, so small that the deploy does not fit.
struct Small(std::path::PathBuf);

impl Small {
    fn mount(at: &Path, bytes: &str) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let options = format!("size={bytes},mode=0755");
        let done =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at).output();
        let mounted = done.is_ok_and(|done| done.status.success());
        if !mounted {
            skip("mount", "a small file system cannot be mounted here");
        }
        mounted.then(|| Self(at.to_owned()))
    }

    fn grow(&self, bytes: &str) {
        let options = format!("remount,size={bytes}");
        assert!(
            Command::new("mount").args(["-o", &options]).arg(&self.0).status().unwrap().success()
        );
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        Command::new("umount").args(["-l"]).arg(&self.0).status().ok();
    }
}

#[test]
fn a_full_disk_leaves_nothing_half_and_is_said() {
    if !is_root() {
        skip("root", "only root can mount a small file system");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let Some(small) = Small::mount(&dir.path().join("small"), "20m") else { return };
    fs::write(dir.path().join("small/owner"), "").unwrap();
    let Some(site) = Site::at(&dir.path().join("small/there"), Vec::new()) else { return };
    fill(&site, 1);
    let off =
        [("deploy-check.severity.low-disk", "off"), ("deploy-check.severity.runs-as-root", "off")];
    let sets: Vec<(&str, &str)> = LARGE.iter().chain(&off).copied().collect();
    // It would be refused, had nobody switched that off.
    let unshielded: Vec<(&str, &str)> = LARGE.iter().chain(&off[1..]).copied().collect();
    site.act_with(&[], &unshielded).fails(1, &["low-disk"]);
    site.act_with(&[], &sets).fails(74, &["cut off", "No space left on device"]);
    let (_, news) = old_or_new(&site, None, 1);
    assert!(news > 0 && news < FILES, "{news} fit");
    assert!(!site.there(".mjolnir-lock").exists());
    small.grow("400m");
    site.act_with(&[], &sets).done();
    assert_eq!(old_or_new(&site, None, 1), (0, FILES));
    site.is_tidy();
}

/// rsync ends with 23 when some file could not be written: that is never taken for done.
#[test]
fn a_folder_that_may_not_be_written_is_a_failure_and_the_next_deploy_completes() {
    if !is_root() {
        skip("root", "only root can give a folder away");
        return;
    }
    let Some((_server, site)) = far_away() else { return };
    site.write("src/main.py", "print(2)\n");
    site.write("ops/run.sh", "exit 1\n");
    site.commit("second");
    let before = site.noted();
    chown(site.there("src"), Some(0), Some(0)).unwrap();
    let off = [("deploy-check.severity.root-owned", "off")];
    site.act_with(&[], &off).fails(1, &["exit code 23", "Permission denied"]);
    assert_eq!(site.noted(), before, "it was not deployed");
    assert_eq!(fs::read_to_string(site.there("src/main.py")).unwrap(), "print(1)\n");
    site.own();
    site.act(&[]).done();
    site.is_tidy();
}
