//! Trainings with a card that is none: the same model as on the processor, and what becomes of a fit when the card fails.

use serde_json::Value as Json;

use super::stub::{GOOD, lives, really, started, worker};
use crate::{
    serve::fixture::until,
    support::{
        ran::Ran,
        runner::{Call, Root},
    },
    train::fixture::{latest, model, report, root, train, training},
};

const DAYS: i64 = 8;

/// A training with a profile, and the worker of the root.
fn with(root: &Root, profile: &str) -> Ran {
    patient(root, profile, "5m")
}

/// The same, and how long the worker may say nothing.
fn patient(root: &Root, profile: &str, silence: &str) -> Ran {
    let call = train(root).arg("--run-id").arg(profile).arg("-P").arg(profile);
    let call = call.arg("--set").arg("compute.worker=./worker");
    call.arg(&format!("compute.silence-timeout={silence}")).arg("compute.probe-timeout=2m").run()
}

/// What the run record says of the device.
fn record(root: &Root, run: &str) -> Json {
    let text = root.read(&format!("data/runs/{run}/run.json"));
    let record: Json = serde_json::from_str(&text).unwrap();
    assert_eq!(record["run_id"], run, "the rest is still there");
    record["compute"].clone()
}

/// The weights of the model that was trained last. Its card names the device, so its id tells devices apart.
fn weights(root: &Root) -> String {
    let mut files = model(root).into_iter();
    files.find(|(path, _)| path.ends_with("model.safetensors")).expect("a model has weights").1
}

/// The weights that the processor alone comes to.
fn of_the_processor() -> String {
    let root = root(DAYS);
    with(&root, "cpu").ok();
    weights(&root)
}

#[test]
fn the_processor_starts_no_worker() {
    let root = root(DAYS);
    worker(&root, &really());
    with(&root, "cpu").ok();
    assert_eq!(started(&root), [""; 0]);
    let compute = record(&root, "cpu");
    assert_eq!(
        (&compute["device_requested"], &compute["device_used"]),
        (&"cpu".into(), &"cpu".into())
    );
    assert!(compute["probe"].is_null());
    assert_eq!(report(&root)["device"], "cpu");
}

#[test]
fn a_worker_fits_the_same_model_as_this_process_on_the_same_device() {
    let root = root(DAYS);
    worker(&root, &really());
    with(&root, "gpu").ok();
    assert!(weights(&root) == of_the_processor());
    let device = "cuda:0 Made Up, 8192 MiB, driver 1.2.3";
    assert_eq!(report(&root)["device"], device);
    let compute = record(&root, "gpu");
    assert_eq!(compute["device_used"], device);
    assert_eq!((&compute["probe"]["ok"], &compute["fallback_reason"]), (&true.into(), &Json::Null));
    let calls = started(&root);
    assert_eq!(calls.len(), 6, "a proof, two folds with two fits each, the last one: {calls:?}");
    let left = root.list("data/runs/gpu/compute");
    assert!(left.len() == 15 && !left.iter().any(|name| name.contains(".rows")), "{left:?}");
}

/// Many short fits with a worker.
fn slow<'r>(root: &'r Root, profile: &str) -> Call<'r> {
    let call = training(root, 40).arg("-P").arg(profile).arg("--set").arg("train.fit.patience=40");
    call.arg("compute.worker=./worker").arg("train.fit.checkpoint-epochs=2")
}

/// Starts a training, and kills it once a fit stands somewhere. What it was told of fits before goes on from there.
fn killed(root: &Root) {
    let stands = || -> Vec<String> {
        let dir = "data/state/train/train";
        let names = root.list(dir).into_iter().filter(|name| name.strip_suffix(".json").is_some());
        names.map(|name| root.read(&format!("{dir}/{name}"))).collect()
    };
    let before = stands();
    let mut run = slow(root, "gpu").start();
    until("another checkpoint", || run.is_over() || stands() != before);
    assert!(!run.is_over(), "it was killed at work");
    run.signal("KILL");
    assert_eq!(run.end().code, 137);
    for pid in root.read("pids").lines() {
        until("nobody is left behind", || !lives(pid));
    }
}

#[test]
fn killed_at_work_a_fit_on_a_card_goes_on_where_it_stood() {
    let (whole, root) = (self::root(DAYS), self::root(DAYS));
    // A fit that is gone on with finds where it stood beside its task.
    let finds = "[ ! -f \"${3%.json}.state.json\" ] || echo \"$3\" >> found";
    for root in [&whole, &root] {
        worker(root, &format!("echo $$ >> pids\n{finds}\n{}", really()));
    }
    slow(&whole, "gpu").run().ok();
    for _ in 0..3 {
        killed(&root);
    }
    slow(&root, "gpu").run().ok();
    assert!(logged(&root, "goes on after epoch"));
    assert!(!root.read("found").is_empty() && whole.read("found").is_empty());
    assert!(model(&root) == model(&whole), "the same bits as without a death");
    assert_eq!(root.list("data/state/train/train"), [""; 0]);
}

#[test]
fn what_a_card_began_only_that_card_goes_on_with_and_nobody_if_it_cannot_be_trusted() {
    let root = root(DAYS);
    worker(&root, &format!("echo $$ >> pids\n{}", really()));
    killed(&root);
    slow(&root, "cpu").run().ok();
    assert!(logged(&root, "of other bars, settings, build or device"));
    assert!(!logged(&root, "goes on after epoch"));
    killed(&root);
    let bent =
        "sed -i 's/\"bias\":\\[[0-9]*,/\"bias\":[1092616192,/' data/runs/*/compute/*.fitted.json";
    worker(
        &root,
        &format!("echo $$ >> pids\n{}; code=$?; [ $1 = probe ] || {bent}; exit $code", really()),
    );
    slow(&root, "gpu").run().code(69).says(&["mismatch"]);
    let logs = root.files("data/runs").len();
    assert_eq!(
        root.list("data/state/train/train"),
        [""; 0],
        "whatever fit was the first to be wrong"
    );
    worker(&root, &really());
    slow(&root, "gpu").run().ok();
    assert!(root.files("data/runs").len() > logs);
}

/// Whether the log of any run has these words.
fn logged(root: &Root, words: &str) -> bool {
    let files = root.files("data/runs");
    files.iter().any(|(path, text)| path.ends_with("log.jsonl") && text.contains(words))
}

#[test]
fn without_a_proof_auto_fits_here_and_says_why_and_gpu_ends() {
    let wanted = of_the_processor();
    let dead = "kill -SEGV $$".to_owned();
    let wrong = format!("echo '{}'", GOOD.replace("1e-6", "0.5"));
    for (script, reason) in [(&dead, "crashed_signal"), (&wrong, "mismatch")] {
        let root = root(DAYS);
        worker(&root, script);
        with(&root, "auto").warns(&["the processor fits", reason]);
        assert!(weights(&root) == wanted);
        let compute = record(&root, "auto");
        assert_eq!(
            (&compute["device_requested"], &compute["device_used"]),
            (&"auto".into(), &"cpu".into())
        );
        assert_eq!(
            (&compute["fallback_reason"], &compute["probe"]["reason"]),
            (&reason.into(), &reason.into())
        );
        root.remove("data/reports/train/direction/latest");
        let ran = with(&root, "gpu").code(69);
        ran.says(&["the card cannot be used", reason, "runner doctor -P gpu"]);
        assert_eq!(record(&root, "gpu")["fallback_reason"], reason);
        assert_eq!(latest(&root), "", "nothing was published");
    }
}

#[test]
fn a_card_that_fails_in_the_middle_is_left_and_the_fit_is_done_again() {
    let wanted = of_the_processor();
    let really = really();
    let then = |what: &str| format!("case $1 in probe) {really};; train) {what};; esac");
    // The second fit is the one that fails.
    let crash =
        then(&format!("if [ $(wc -l < started) -gt 2 ]; then kill -SEGV $$; else {really}; fi"));
    let hang = then("echo '{\"epoch\":1,\"validation\":0.5}'; sleep 600");
    let nothing = then("exit 0");
    let refuses = then("echo 'error: tensors: CUDA_ERROR_ILLEGAL_ADDRESS' >&2; exit 3");
    let lies = then(&format!(
        "{really}; sed -i 's/\"best_epoch\":[0-9]*/\"best_epoch\":99/' data/runs/*/compute/*.fitted.json"
    ));
    let bends = then(&format!(
        "{really}; sed -i 's/\"bias\":\\[[0-9]*,/\"bias\":[1092616192,/' data/runs/*/compute/*.fitted.json"
    ));
    let garbage = then(&format!(
        "{really}; for f in data/runs/*/compute/*.fitted.json; do echo '{{' > $f; done"
    ));
    for (script, reason, fits) in [
        (&crash, "crashed_signal", 2),
        (&hang, "timeout", 1),
        (&nothing, "no_verdict", 1),
        (&refuses, "driver_error", 1),
        (&lies, "mismatch", 1),
        (&bends, "mismatch", 1),
        (&garbage, "no_verdict", 1),
    ] {
        let root = root(DAYS);
        worker(&root, script);
        let silence = if reason == "timeout" { "10s" } else { "5m" };
        let ran = patient(&root, "auto", silence);
        ran.warns(&["this fit is done again on the processor", reason]);
        assert!(weights(&root) == wanted, "{script}");
        let compute = record(&root, "auto");
        assert_eq!(compute["fallback_reason"], reason, "{script}");
        assert!(compute["device_used"].as_str().unwrap().ends_with(", then cpu"), "{compute}");
        assert_eq!(report(&root)["device"], compute["device_used"]);
        assert_eq!(started(&root).len(), 1 + fits, "it is not asked again: {script}");
    }
    let root = root(DAYS);
    worker(&root, &crash);
    with(&root, "gpu").code(69).says(&["the card cannot be used", "crashed_signal"]);
    let call = train(&root).arg("-P").arg("auto").arg("--set").arg("compute.worker=./worker");
    let ran = call.arg("compute.on-failure=fail").run().code(69);
    ran.says(&["the card cannot be used", "crashed_signal"]);
    assert_eq!(latest(&root), "", "nothing was published");
}

#[test]
fn a_training_that_is_told_to_stop_ends_its_worker() {
    let root = root(DAYS);
    let script =
        format!("case $1 in probe) {};; train) echo $$ > pid; exec sleep 600;; esac", really());
    worker(&root, &script);
    let call = train(&root).arg("-P").arg("gpu").arg("--set").arg("compute.worker=./worker");
    let run = call.start();
    root.await_lines("pid", 1);
    run.signal("TERM");
    run.end().code(143).says(&["asked to stop"]);
    assert!(!lives(&root.read("pid")));
}

#[test]
fn the_device_of_a_pipeline_is_that_of_its_steps() {
    let root = Root::new();
    let call = || root.call("run jobs/train-demo.toml -p epochs-max=1");
    let demanded = || call().env("MJOLNIR_DEVICE", "gpu");
    demanded().run().code(1).says(&["the card cannot be used"]);
    demanded().arg("-P").arg("cpu").run().ok();
    call().arg("-P").arg("gpu").run().code(1).says(&["the card cannot be used"]);
}
