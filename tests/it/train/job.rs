//! The job with the real program: the same bits at any number of threads and over any number of kills, and what it refuses.

use std::time::Duration;

use mjolnir::clock::nap;

use super::fixture::{latest, model, report, root, train, training};
use crate::support::runner::Root;

const DAYS: i64 = 8;

#[test]
fn the_same_bars_and_settings_give_the_same_model_at_any_number_of_threads() {
    let mut models = Vec::new();
    for threads in ["1", "2", "4", "2"] {
        let root = root(DAYS);
        train(&root).env("RAYON_NUM_THREADS", threads).run().ok();
        models.push((latest(&root), model(&root), numbers(&root)));
    }
    assert!(models.windows(2).all(|pair| pair[0] == pair[1]), "{models:?}");
    let root = root(DAYS);
    train(&root).arg("-p").arg("seed=8").run().ok();
    assert_ne!(latest(&root), models[0].0, "another seed is another model");
}

/// The report without what differs from run to run.
fn numbers(root: &Root) -> serde_json::Value {
    let mut report = report(root);
    report["run"] = "".into();
    report
}

#[test]
fn killed_again_and_again_it_ends_at_the_model_of_an_undisturbed_run() {
    let (killed, whole) = (root(DAYS), root(DAYS));
    let long = |root: &Root| -> Vec<(String, String)> {
        let state = "data/state/train/train";
        for kills in 0..4 {
            let mut run = slow(root).start();
            // One checkpoint more than there were, or the end.
            let before = root.list(state).len();
            while !run.is_over() && root.list(state).len() <= before {
                nap(Duration::from_millis(1));
            }
            assert!(!run.is_over(), "it was killed at work, not after {kills} kills");
            run.signal("KILL");
            assert_eq!(run.end().code, 137);
        }
        assert!(!root.files(state).is_empty(), "there is something to go on from");
        slow(root).run().ok();
        assert!(logged(root, "goes on after epoch"), "the checkpoints were used");
        assert_eq!(root.list(state), [""; 0], "checkpoints are gone once the job is done");
        model(root)
    };
    slow(&whole).run().ok();
    assert_eq!(long(&killed), model(&whole));
    assert_eq!(numbers(&killed), numbers(&whole));
}

/// Whether the log of any run has these words.
fn logged(root: &Root, words: &str) -> bool {
    root.files("data/runs")
        .iter()
        .any(|(path, text)| path.ends_with("log.jsonl") && text.contains(words))
}

/// A training with many short fits, so that kills meet each of them.
fn slow(root: &Root) -> crate::support::runner::Call<'_> {
    let long = training(root, 40).arg("--set").arg("train.fit.patience=40");
    long.arg("--set").arg("train.fit.hidden=[64,64]").env("RAYON_NUM_THREADS", "1")
}

#[test]
fn checkpoints_of_other_settings_do_not_count() {
    let root = root(DAYS);
    let first = "data/state/train/train/fold-1-logistic.json";
    let mut run = slow(&root).start();
    while !run.is_over() && root.read(first).is_empty() {
        nap(Duration::from_millis(1));
    }
    run.signal("KILL");
    run.end();
    let kept = root.read(first);
    slow(&root).arg("-p").arg("seed=9").run().ok();
    assert!(!logged(&root, "goes on after epoch"));
    assert!(logged(&root, "of other bars, settings, build or device"));
    // One that is cut short is no reason to stop.
    root.write(first, &kept[..kept.len() / 2]);
    slow(&root).run().warns(&["the fit starts from the beginning"]);
}

#[test]
fn the_report_tells_every_fold_and_the_picture_is_one() {
    let root = root(DAYS);
    let ran = train(&root).run().ok();
    let ran = ran.prints(&["frequencies", "buy and hold", "over all folds", "report.svg"]);
    assert!(ran.stdout.contains("training rows per second"), "{ran}");
    let report = report(&root);
    assert_eq!(report["schema"], "mjolnir.train/1");
    let folds = report["folds"].as_array().unwrap();
    assert_eq!(folds.len(), 2);
    for fold in folds {
        let (train, validation, test) = (&fold["train"], &fold["validation"], &fold["test"]);
        let end = |part: &serde_json::Value| part["window"][1].as_i64().unwrap();
        let start = |part: &serde_json::Value| part["window"][0].as_i64().unwrap();
        assert!(end(train) < start(validation) && end(validation) < start(test), "{fold}");
        for who in ["network", "logistic"] {
            let loss = fold[who]["log_loss"].as_f64().unwrap();
            assert!((0.2..2.0).contains(&loss), "{who} {loss}");
            let auc = fold[who]["auc"].as_f64().unwrap();
            assert!((0.3..0.7).contains(&auc), "there is nothing to learn here: {who} {auc}");
            let rows: u64 = fold[who]["calibration"]
                .as_array()
                .unwrap()
                .iter()
                .map(|bin| bin[0].as_u64().unwrap())
                .sum();
            assert_eq!(rows, fold["test"]["rows"].as_u64().unwrap());
        }
    }
    let checks = &report["checks"];
    assert!(checks["rows_without_future"].as_u64().unwrap() > 90, "{checks}");
    let svg = root.read(&format!("data/reports/train/direction/{}/report.svg", latest(&root)));
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    for word in ["Calibration", "Loss by epoch", "Profit and loss", "AUC"] {
        assert!(svg.contains(word), "{word}");
    }
    assert!(!svg.contains("NaN") && !svg.contains("inf"));
}

#[test]
fn what_cannot_be_trained_is_refused_with_a_reason() {
    let empty = Root::new();
    let none = train(&empty).run().code(4);
    none.says(&["does not have bars of demo BTC/USD 5m", "import or fetch them first"]);
    let root = root(3);
    let few = train(&root).run().code(65);
    few.says(&["rows, at least 50 are needed", "take more bars, fewer folds"]);
    for (set, says) in [
        (r#"train.features=["rsi(close, 14)","moon(3)"]"#, "`moon(3)` is not a feature"),
        (r#"train.features=["rsi(close, 14)","rsi(close, 14)"]"#, "names rsi(close, 14) twice"),
        ("train.fit.hidden=[4,4,4,4,4,4]", "has 6 layers, at most 5"),
        ("train.folds.embargo-bars=2", "below `train.label.horizon-bars`, which is 6"),
        ("train.thresholds=[0]", "at least 1 is accepted"),
        ("train.fit.learning-rate=0.0", "must be more than 0"),
    ] {
        let ran = train(&root).arg("--set").arg(set).run().code(78);
        let text = ran.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(says), "{set}: {text}");
    }
    assert_eq!(root.list("data/models"), [""; 0], "nothing was published");
}

#[test]
fn a_fit_that_goes_astray_ends_the_job_and_publishes_nothing() {
    let root = root(DAYS);
    let wild = train(&root).arg("--set").arg("train.fit.learning-rate=1.0");
    let ran = wild.arg("--set").arg("train.fit.weight-decay=10.0").run().code(65);
    ran.says(&["not a finite number after epoch", "lower the learning rate"]);
    assert_eq!(root.list("data/models"), [""; 0], "nothing was published");
    assert_eq!(root.list("data/reports"), [""; 0], "nothing is said about it");
}
