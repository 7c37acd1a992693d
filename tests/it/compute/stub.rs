//! Workers made of a few lines of shell.

use std::fs;

use super::acting;
use crate::support::runner::Root;

/// A verdict that would be believed.
pub const GOOD: &str = r#"{"schema":"mjolnir.probe/1","ok":true,"device":"cuda:0","driver":"1.2.3","name":"Made Up","memory":8589934592,"max_error":1e-6,"repeat_error":0.0,"reason":null,"detail":""}"#;

/// Makes `worker` of a root: a script that knows where it lies, and leaves a file when it is started.
pub fn worker(root: &Root, script: &str) {
    let here = root.path().display();
    let text = format!("#!/bin/bash\ncd {here}\necho \"$*\" >> started\n{script}\n");
    // Written by a program of its own: a file that this one writes is held by whatever another test starts at that moment,
    // and cannot be started as long as it is.
    root.write("worker.text", &text);
    root.shell("cat worker.text > worker && chmod 755 worker").code(0);
}

/// Shell that carries out what the worker is asked for, as this test program does it.
pub fn really() -> String {
    let program = std::env::current_exe().unwrap();
    let (variable, name) = (acting::VARIABLE, acting::NAME);
    format!("{variable}=\"$*\" {} --exact {name} --nocapture", program.display())
}

/// How often it was started, and with what.
pub fn started(root: &Root) -> Vec<String> {
    root.read("started").lines().map(str::to_owned).collect()
}

/// Whether there is a process of this number that is not dead.
pub fn lives(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}
