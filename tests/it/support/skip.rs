//! Tests that cannot run on this machine say so, and fail where that is not allowed.

use std::io::Write as _;

/// Says that a test is skipped for want of `need`, past the capture of the test harness, so that it is seen. `MJOLNIR_SKIP` lists what
/// may be missing, with commas between: where it is set, whatever else is missing fails the test.
///
/// # Panics
/// Where `need` is not on that list.
#[expect(clippy::disallowed_methods, reason = "what may be missing depends on the machine")]
pub fn skip(need: &str, why: &str) {
    std::io::stderr().write_all(format!("SKIPPED ({need}): {why}\n").as_bytes()).unwrap();
    if let Ok(allowed) = std::env::var("MJOLNIR_SKIP") {
        assert!(
            allowed.split(',').any(|allowed| allowed.trim() == need),
            "{why}: install it, or list `{need}` in MJOLNIR_SKIP"
        );
    }
}

/// Whether a program is there; where it is not, the test is skipped.
pub fn have(program: &str) -> bool {
    let dirs = ["/usr/bin", "/usr/local/bin", "/bin", "/usr/sbin"];
    let is_there = dirs.iter().any(|dir| std::path::Path::new(dir).join(program).exists());
    if !is_there {
        skip(program, &format!("`{program}` is not in /usr/bin"));
    }
    is_there
}

/// The Python that `MJOLNIR_PYTHON` names, which has what `.ci/run` installs; without one the test is skipped.
#[expect(clippy::disallowed_methods, reason = "which Python there is depends on the machine")]
pub fn python(modules: &str) -> Option<String> {
    let python = std::env::var("MJOLNIR_PYTHON").ok();
    if python.is_none() {
        skip("python", &format!("MJOLNIR_PYTHON does not name a Python with {modules}"));
    }
    python
}
