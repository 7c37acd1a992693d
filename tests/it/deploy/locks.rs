//! One deploy at a time, from wherever; and what one leaves behind that is killed.

#![expect(clippy::disallowed_methods, reason = "these tests hold deploys where they want them")]

use std::{
    collections::BTreeMap,
    fs,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use mjolnir::clock::nap;

use super::fixture::Site;
use crate::support::runner::{Root, Running};

/// A deploy that waits in its first command.
struct Waiting<'s> {
    run: Running,
    go: PathBuf,
    site: &'s Site,
}

impl<'s> Waiting<'s> {
    fn start(site: &'s Site) -> Self {
        let go = site.root.at("go");
        let _ = fs::remove_file(&go);
        let wait = format!("until [ -e {} ]; do sleep 0.05; done", go.display());
        let command = serde_json::json!(["sh", "-c", wait]).to_string();
        let commands = format!("[{{ argv = {command} }}]");
        let call = site.call_for("deploy deploy --json", &[]);
        let run = call_with_message(call, &commands).start();
        let waiting = Self { run, go, site };
        waiting.until(|site| site.there(".mjolnir-lock/owner.json").exists());
        waiting.until(|site| {
            !site.there(".mjolnir-deploying.json").exists() && site.noted()["message"] == "why not"
        });
        waiting
    }

    fn until(&self, is_so: impl Fn(&Site) -> bool) {
        for _ in 0..36_000 {
            if is_so(self.site) {
                return;
            }
            nap(Duration::from_millis(5));
        }
        panic!("it does not come so far");
    }

    fn go(&self) {
        fs::write(&self.go, "").unwrap();
    }
}

fn call_with_message<'a>(
    call: crate::support::runner::Call<'a>,
    commands: &str,
) -> crate::support::runner::Call<'a> {
    call.arg("--set")
        .arg(&format!("deploy.commands={commands}"))
        .arg("--set")
        .arg("deploy.message=why not")
}

#[test]
fn of_two_deploys_one_wins_and_the_other_learns_whose_lock_it_is() {
    let Some(site) = Site::new() else { return };
    site.write("src/main.py", "print(2)\n");
    site.commit("second");
    let first = Waiting::start(&site);
    // From the same place.
    site.act(&[]).fails(75, &["is held by pid"]);
    site.act(&["--unlock"]).fails(75, &["is held by pid"]);
    // From another one.
    let other = Root::new();
    let path = format!("path={}", site.there("").display());
    let source = format!("source={}", site.here("").to_str().unwrap().trim_end_matches('/'));
    let call = |verb: &str| other.call(verb).arg("-p").arg(&source).arg(&path);
    let ran = call("deploy deploy").run().code(75);
    ran.says(&[
        "another deploy holds the lock of",
        "why not",
        "run deploy_",
        "runner deploy --unlock",
    ]);
    // And who only looks is told too.
    site.check().refuses("changed-since", &["another deploy holds the lock", "why not", " on "]);
    first.go();
    first.run.end().code(0);
    site.is_tidy();
    site.check().stays_in_sync();
}

#[test]
fn a_deploy_that_is_told_to_stop_gives_its_lock_back() {
    let Some(site) = Site::new() else { return };
    site.write("src/main.py", "print(2)\n");
    site.commit("second");
    let first = Waiting::start(&site);
    first.run.signal("TERM");
    let ran = first.run.end();
    assert_eq!(ran.code, 143, "{ran}");
    site.is_tidy();
    site.act(&[]).done();
}

#[test]
fn what_a_killed_deploy_leaves_is_said_and_taken_away_when_asked() {
    let Some(site) = Site::new() else { return };
    site.write("src/main.py", "print(2)\n");
    site.commit("second");
    let first = Waiting::start(&site);
    first.run.signal("KILL");
    first.go();
    drop(first);
    fs::create_dir_all(site.there(".mjolnir-lock/incoming")).unwrap();
    fs::write(site.there(".mjolnir-lock/incoming/.half.AbCdEf"), "ha").unwrap();
    site.act(&[])
        .fails(75, &["another deploy holds the lock", "why not", "runner deploy --unlock"]);
    site.act(&["--unlock"]).fails(0, &["was taken away", "why not"]);
    site.act(&["--unlock"]).fails(0, &["is free: nothing to take away"]);
    site.is_tidy();
    site.act(&[]).done();
    site.check().stays_in_sync();
}

/// U16: files that a live loop reads are not changed under it, unless somebody said so.
#[test]
fn u16_a_live_loop_on_the_target_is_found() {
    let Some(site) = Site::new() else { return };
    site.write("src/main.py", "print(2)\n");
    site.commit("second");
    let lock = site.there("data/processed/decisions/paper/BTC_USD/5m/.writer.lock");
    fs::create_dir_all(lock.parent().unwrap()).unwrap();
    let file = fs::File::create(&lock).unwrap();
    let refuse = [("deploy-check.severity.live-writer", "refuse")];
    site.check_with(&refuse).passes().lacks("live-writer");
    file.lock().unwrap();
    site.check_with(&refuse).refuses("live-writer", &["paper/BTC_USD/5m/.writer.lock"]);
    site.act_with(&[], &refuse).fails(1, &["live-writer"]);
    assert_eq!(fs::read_to_string(site.there("src/main.py")).unwrap(), "print(1)\n");
    // As it is shipped: it is warned of, because the commands start the loop again.
    site.check().passes().finds("live-writer", "warn", &["a live loop is at work"]);
    site.act(&[]).done();
    file.unlock().unwrap();
    site.check_with(&refuse).passes().lacks("live-writer");
    site.is_tidy();
}

/// Content, mode, owner and time of change of what stands at a path.
pub type Seen = (Vec<u8>, u32, u32, i64, i64);

/// Every path below a folder, and the folder itself.
pub fn seen(dir: &Path) -> BTreeMap<Vec<u8>, Seen> {
    let mut found = BTreeMap::new();
    look(dir, dir, &mut found);
    found
}

fn look(top: &Path, path: &Path, found: &mut BTreeMap<Vec<u8>, Seen>) {
    let Ok(meta) = fs::symlink_metadata(path) else { return };
    let content = if meta.is_symlink() {
        fs::read_link(path).unwrap().as_os_str().as_bytes().to_vec()
    } else if meta.is_file() {
        fs::read(path).unwrap()
    } else {
        Vec::new()
    };
    let name = path.strip_prefix(top).unwrap().as_os_str().as_bytes().to_vec();
    found.insert(name, (content, meta.mode(), meta.uid(), meta.mtime(), meta.mtime_nsec()));
    if meta.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            look(top, &entry.unwrap().path(), found);
        }
    }
}
