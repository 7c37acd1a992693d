//! The doctor: what it tells, and what it fails for.

use super::stub::{really, worker};
use crate::support::runner::Root;

#[test]
fn a_table_a_document_and_an_exit_code() {
    let root = Root::new();
    let quiet = "--set preflight.warn=[\"clock\",\"room\"]";
    let ran = root.run(&format!("doctor {quiet}")).code(0);
    let told = [
        "build",
        "target",
        "cpu",
        "memory",
        "profiles",
        "auto",
        "tool rsync",
        "disk",
        "clock",
        "device",
    ];
    ran.prints(&told);
    let ran = root.run(&format!("doctor --json {quiet} --set compute.worker=./none")).code(0);
    let told = ran.json();
    assert_eq!((&told["schema"], &told["ok"]), (&"mjolnir.doctor/2".into(), &true.into()));
    assert!(told["cores"].as_u64().unwrap() > 0 && told["memory"][0].as_u64().unwrap() > 1 << 20);
    let profiles = told["profiles"].as_array().unwrap();
    for profile in ["auto", "cpu", "gpu"] {
        assert!(profiles.iter().any(|name| name == profile), "{ran}");
    }
    assert_eq!(told["devices"][0]["ok"], false, "there is no worker here: {ran}");
    assert_eq!(root.list("data"), [""; 0], "nothing is written");
    let ran = root.run(&format!("doctor --json -P cpu {quiet}")).code(0);
    assert_eq!(ran.json()["devices"], serde_json::json!([]));
}

#[test]
fn it_fails_for_what_is_demanded_and_refuses_what_is_not_asked() {
    let root = Root::new();
    let ran = root.run("doctor -P gpu --set compute.worker=./none").code(1);
    ran.prints(&["fail", "worker_missing", "next:", "./none probe --json"]);
    worker(&root, &really());
    let ran =
        root.run("doctor -P gpu --set compute.worker=./worker compute.probe-timeout=2m preflight.warn=[\"clock\",\"room\"]");
    ran.code(0).prints(&["cuda:0 Made Up, 8192 MiB, driver 1.2.3, within 0.0e0 of the processor"]);
    root.run("doctor -P no-such-profile").code(78).says(&["unknown profile"]);
    root.run("doctor --set compute.device=tpu").code(78).says(&["tpu"]);
    root.run("doctor --set compute.tolerance=0.5").code(78).says(&["tolerance"]);
    root.run("--root /no/such/folder doctor").code(2).says(&["this folder does not exist"]);
}
