//! A fit on the processor is a process of its own: it has one thread, and it goes with its training.

use std::{fs, path::Path};

use super::fixture::{root, train, training};
use crate::{
    compute::stub::lives,
    serve::fixture::until,
    support::runner::{Call, Root},
};

const DAYS: i64 = 8;

/// The processes that carry out the first fit of a fold of this root, by their numbers.
fn fits(root: &Root) -> Vec<String> {
    let begin = format!("\0fit\0--spec\0{}/", root.path().display());
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let is_fit = |pid: &String| {
        let line = fs::read(Path::new("/proc").join(pid).join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        line.contains(&begin) && line.contains("/fold-1-logistic.json\0")
    };
    pids.filter(is_fit).collect()
}

/// A training of long fits, one after the other.
fn slow(root: &Root) -> Call<'_> {
    let call = training(root, 4_000).arg("--set").arg("train.fit.patience=4000");
    call.arg("train.fit.checkpoint-epochs=1").env("RAYON_NUM_THREADS", "1")
}

/// The one that goes on now, once where it stands was kept.
fn fit(root: &Root) -> String {
    let stands = || {
        root.list("data/state/train/train").iter().any(|name| name.strip_suffix(".json").is_some())
    };
    let mut found = Vec::new();
    until("a fit stands somewhere", || {
        found = fits(root);
        stands() && found.len() == 1
    });
    found.remove(0)
}

#[test]
fn a_fit_has_one_thread_and_leaves_nothing_behind() {
    let root = root(DAYS);
    let run = slow(&root).start();
    let pid = fit(&root);
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap();
    let environment = String::from_utf8_lossy(&environment).into_owned();
    for name in ["CANDLE_NUM_THREADS", "RAYON_NUM_THREADS"] {
        let set: Vec<&str> = environment.split('\0').filter(|v| v.starts_with(name)).collect();
        assert_eq!(set, [format!("{name}=1")]);
    }
    run.signal("KILL");
    assert_eq!(run.end().code, 137);
    until("it goes with its training", || !lives(&pid));
    train(&root).arg("--run-id").arg("done").run().ok();
    assert_eq!(root.list("data/runs/done/compute"), [""; 0]);
}

#[test]
fn told_to_stop_it_is_kept_and_ended_alone_it_ends_the_training() {
    let root = root(DAYS);
    let run = slow(&root).start();
    let pid = fit(&root);
    run.signal("TERM");
    run.end().code(143).says(&["asked to stop; run the job again, and it continues from there"]);
    assert!(!lives(&pid));
    for (signal, says) in [("KILL", "ended by signal 9"), ("TERM", "ended by signal 15")] {
        let run = slow(&root).start();
        let pid = fit(&root);
        root.shell(&format!("kill -{signal} {pid}")).code(0);
        run.end().code(69).says(&["fold-1-logistic: the process of the fit was", says]);
    }
    let logs = root.files("data/runs");
    assert!(logs.iter().any(|(_, text)| text.contains("goes on after epoch")));
    assert_eq!(root.list("data/models"), [""; 0], "nothing was published");
}
