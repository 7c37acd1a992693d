//! The real `gpu-worker`, linked with a real CUDA toolkit, in front of drivers that are broken in every way. `tests/cuda/link.sh` builds
//! all of it and names the folder in `MJOLNIR_CUDA`; no card is needed, and none is used.

use std::{env, fs, path::PathBuf};

use serde_json::Value as Json;

use crate::{
    support::{ran::Ran, runner::Root, skip::skip},
    train::fixture::{latest, root, train},
};

/// The folder of `link.sh`.
fn built() -> Option<PathBuf> {
    let dir = env::var_os("MJOLNIR_CUDA").map(PathBuf::from);
    if dir.is_none() {
        skip("cuda", "MJOLNIR_CUDA does not name a folder; tests/cuda/link.sh makes one");
    }
    dir
}

/// The drivers that were made, with what has to be found of each.
const DRIVERS: [(&str, &str, &str); 10] = [
    ("no-card", "no_device", "CUDA_ERROR_NO_DEVICE"),
    ("unknown", "driver_error", "CUDA_ERROR_UNKNOWN"),
    ("foreign-code", "crashed_signal", "signal"),
    ("says-yes", "driver_error", "CUBLAS_STATUS_NOT_INITIALIZED"),
    ("segfault", "crashed_signal", "signal 11"),
    ("abort", "crashed_signal", "signal 6"),
    ("exits", "no_verdict", "exit code 0"),
    ("spins", "timeout", "did not end in time"),
    ("sleeps", "timeout", "did not end in time"),
    ("stands-still", "timeout", "did not end in time"),
];

/// The folders in which the loader looks, with or without a driver.
fn libraries(dir: &std::path::Path, driver: Option<&str>) -> String {
    let toolkit = dir.join("libraries").display().to_string();
    match driver {
        Some(driver) => format!("{}:{toolkit}", dir.join("drivers").join(driver).display()),
        None => toolkit,
    }
}

/// What the doctor finds of the card behind a driver.
fn look(root: &Root, dir: &std::path::Path, driver: Option<&str>, timeout_s: u32) -> (Ran, Json) {
    let worker = dir.join("target/release/gpu-worker").display().to_string();
    let ran = root
        .call("doctor --json -P gpu")
        .arg("--set")
        .arg(&format!("compute.worker={worker}"))
        .arg(&format!("compute.probe-timeout={timeout_s}s"))
        .arg("preflight.skip=[\"tools\",\"folders\",\"owners\",\"room\",\"clock\",\"ports\",\"env\",\"manifests\",\"git\"]")
        .env("LD_LIBRARY_PATH", &libraries(dir, driver))
        .run();
    let device = ran.json()["devices"][0].clone();
    (ran, device)
}

#[test]
fn every_broken_driver_has_its_reason_and_none_takes_the_program_down() {
    let Some(dir) = built() else { return };
    let made = fs::read_dir(dir.join("drivers")).unwrap();
    let made = made.filter(|entry| entry.as_ref().unwrap().path().is_dir()).count();
    assert_eq!(made, DRIVERS.len(), "each driver that was made is tried");
    let root = Root::new();
    // The first start reads half a gigabyte of libraries.
    look(&root, &dir, Some("no-card"), 120);
    for (driver, reason, words) in DRIVERS {
        let timeout_s = if reason == "timeout" { 5 } else { 60 };
        let (ran, device) = look(&root, &dir, Some(driver), timeout_s);
        assert_eq!((ran.code, &device["reason"]), (1, &reason.into()), "{driver}: {device}");
        assert!(device["detail"].as_str().unwrap().contains(words), "{driver}: {device}");
    }
    let (ran, device) = look(&root, &dir, None, 60);
    assert_eq!((ran.code, &device["reason"]), (1, &"loader".into()), "no driver: {device}");
    assert!(device["detail"].as_str().unwrap().contains("libcuda.so.1"), "{device}");
}

#[test]
fn a_training_beside_a_broken_driver_falls_back_or_ends_as_it_is_asked_to() {
    let Some(dir) = built() else { return };
    let worker = format!("compute.worker={}", dir.join("target/release/gpu-worker").display());
    for (driver, reason) in [("no-card", "no_device"), ("segfault", "crashed_signal")] {
        let root = root(8);
        let with = |profile: &str| {
            let call = train(&root).arg("-P").arg(profile).arg("--set").arg(&worker);
            call.env("LD_LIBRARY_PATH", &libraries(&dir, Some(driver))).run()
        };
        with("gpu").code(69).says(&["the card cannot be used", reason]);
        assert_eq!(latest(&root), "", "nothing was published");
        with("auto").warns(&["the processor fits", reason]);
        assert_ne!(latest(&root), "");
    }
}
