//! Every way in which a worker can fail its proof: each has a reason, none takes the runner down, and none takes for ever.

use std::time::Duration;

use mjolnir::clock::{Stopwatch, nap};
use serde_json::Value as Json;

use super::stub::{GOOD, lives, started, worker};
use crate::support::{ran::Ran, runner::Root};

/// The time for a proof, in seconds, of workers that end by themselves: none that is well comes near it.
const ENOUGH_S: u64 = 90;
/// The same of workers that do not. It is asked for twice.
const SHORT_S: u64 = 6;

/// What the doctor finds of a card that is demanded.
fn look(root: &Root) -> (Ran, Json) {
    look_for(root, ENOUGH_S)
}

/// The same with a time for the proof.
fn look_for(root: &Root, seconds: u64) -> (Ran, Json) {
    let ran = root
        .call("doctor --json -P gpu --set compute.worker=./worker --set")
        .arg(&format!("compute.probe-timeout={seconds}s"))
        .arg("--set")
        .arg("preflight.skip=[\"tools\",\"folders\",\"owners\",\"room\",\"clock\",\"ports\",\"env\",\"manifests\",\"git\"]")
        .run();
    let device = ran.json()["devices"][0].clone();
    (ran, device)
}

/// A script, the reason it leads to, and words that are said.
fn fails(script: &str, reason: &str, words: &str) -> Root {
    let root = Root::new();
    worker(&root, script);
    let seconds = if reason == "timeout" { SHORT_S } else { ENOUGH_S };
    let watch = Stopwatch::start();
    let (ran, device) = look_for(&root, seconds);
    assert!(watch.passed().as_secs() < ENOUGH_S, "{script}: {:?}", watch.passed());
    assert_eq!((ran.code, &device["ok"]), (1, &Json::Bool(false)), "{script}: {ran}");
    assert_eq!(device["reason"], reason, "{script}: {device}");
    assert!(device["detail"].as_str().unwrap().contains(words), "{script}: {device}");
    root
}

#[test]
fn a_worker_that_is_not_there_or_cannot_be_started() {
    let root = Root::new();
    let (ran, device) = look(&root);
    assert_eq!((ran.code, device["reason"].as_str()), (1, Some("worker_missing")), "{ran}");
    root.write("worker", "echo not executable");
    assert_eq!(look(&root).1["reason"], "worker_missing");
    // A bare name is looked for beside the program, then in PATH.
    let bare = root.run("doctor --json -P gpu --set compute.worker=no-such-worker").code(1);
    let device = bare.json()["devices"][0].clone();
    assert_eq!(device["reason"], "worker_missing");
    assert!(device["detail"].as_str().unwrap().contains("`no-such-worker`"), "{device}");
}

#[test]
fn a_worker_that_ends_without_a_proof() {
    for (script, reason, words) in [
        (
            "echo \"$0: error while loading shared libraries: libcuda.so.1: cannot open shared object file\" >&2; exit 127",
            "loader",
            "libcuda.so.1",
        ),
        ("exec /no/such/program", "no_verdict", "exit code 12"),
        (
            "echo 'DriverError(CUDA_ERROR_NO_DEVICE, \"no CUDA-capable device\")' >&2; exit 3",
            "no_device",
            "CUDA_ERROR_NO_DEVICE",
        ),
        ("echo 'CUDA_ERROR_UNSUPPORTED_PTX_VERSION' >&2; exit 3", "ptx_unsupported", "PTX"),
        ("echo 'CUDA_ERROR_UNKNOWN' >&2; exit 3", "driver_error", "UNKNOWN"),
        ("kill -ILL $$", "crashed_signal", "signal 4"),
        ("kill -SEGV $$", "crashed_signal", "signal 11"),
        ("kill -ABRT $$", "crashed_signal", "signal 6"),
        ("exit 0", "no_verdict", "exit code 0"),
        ("head -c 5000 /dev/urandom", "no_verdict", "said no verdict"),
        ("yes | head -c 20000000", "no_verdict", "said more"),
        ("yes", "timeout", "did not end in time"),
    ] {
        fails(script, reason, words);
    }
}

#[test]
fn a_worker_that_says_what_is_not_so() {
    let says = |from: &str, to: &str| format!("echo '{}'", GOOD.replace(from, to));
    let root = fails(&says("1e-6", "0.5"), "mismatch", "5e-1 from the processor");
    // The same, within what is allowed: it is the number that counts.
    worker(&root, &says("1e-6", "0.99e-4"));
    let (ran, device) = look(&root);
    assert_eq!((ran.code, &device["ok"]), (0, &Json::Bool(true)), "{ran}");
    assert_eq!(
        (&device["name"], &device["memory"]),
        (&"Made Up".into(), &8_589_934_592_u64.into())
    );
    fails(&says("1e-6", "null"), "mismatch", "");
    fails(&says("\"ok\":true", "\"ok\":false"), "no_verdict", "exit code 0 and says");
    fails(&format!("{}; exit 3", says("x", "x")), "no_verdict", "exit code 3");
    fails(&format!("{}; kill -SEGV $$", says("x", "x")), "crashed_signal", "signal 11");
    let nonfinite =
        says("\"ok\":true", "\"ok\":false").replace("\"reason\":null", "\"reason\":\"nonfinite\"");
    fails(&format!("{nonfinite}; exit 3"), "nonfinite", "");
    let mismatch = nonfinite.replace("nonfinite", "mismatch");
    fails(&format!("{mismatch}; exit 3"), "mismatch", "");
}

/// A process that was killed takes a moment to end on a busy machine, and none of these would end by itself.
fn ends(pid: &str) {
    assert!(!pid.is_empty());
    let watch = Stopwatch::start();
    while lives(pid) {
        assert!(watch.passed().as_secs() < ENOUGH_S, "{pid}");
        nap(Duration::from_millis(20));
    }
}

#[test]
fn a_worker_that_hangs_is_asked_twice_and_all_of_its_family_is_gone() {
    let stubborn = "trap '' TERM\n\
        bash -c 'trap \"\" TERM; echo $$ > grandchild; while :; do sleep 0.1; done' &\n\
        echo $$ > child\nwhile :; do :; done";
    let root = fails(stubborn, "timeout", "did not end in time");
    assert_eq!(started(&root).len(), 2, "one retry, since the first start of a driver is slow");
    for who in ["child", "grandchild"] {
        ends(&root.read(who));
    }
    fails("sleep 600", "timeout", "");
    // One that is well the second time.
    worker(&root, &format!("[ $(wc -l < started) -gt 3 ] || sleep 600\necho '{GOOD}'"));
    assert_eq!(look_for(&root, SHORT_S).0.code, 0, "{:?}", started(&root));
    // One that leaves somebody behind who holds its streams.
    worker(
        &root,
        &format!(
            "(trap '' TERM; echo $BASHPID > orphan; exec sleep 600) &\nuntil [ -s orphan ]; do sleep 0.05; done; echo '{GOOD}'"
        ),
    );
    let watch = Stopwatch::start();
    assert_eq!(look(&root).0.code, 0);
    assert!(watch.passed().as_secs() < ENOUGH_S, "{:?}", watch.passed());
    ends(&root.read("orphan"));
}

#[test]
fn a_complaint_is_told_without_the_way_to_it() {
    let root = Root::new();
    worker(&root, "echo \"CUDA_ERROR_UNKNOWN $RUST_BACKTRACE$RUST_LIB_BACKTRACE\" >&2; exit 3");
    let call = root.call("doctor --json -P gpu --set compute.worker=./worker");
    let told = call.env("RUST_BACKTRACE", "1").env("RUST_LIB_BACKTRACE", "full").run().json();
    let device = &told["devices"][0];
    assert_eq!(device["reason"], "driver_error", "{device}");
    assert!(device["detail"].as_str().unwrap().ends_with("CUDA_ERROR_UNKNOWN 00"), "{device}");
}
