//! Texts of others on pages: names, reasons, lines of logs, whatever is in them.

use super::{get, pages, run, store};
use crate::support::runner::Root;

/// What must never reach a page as it is.
const SCRIPT: &str = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>";
const STEERS: &str = "\u{202e}\u{2066}\u{1b}[2J\u{7}\u{0}";

#[track_caller]
fn is_harmless(path: &str, body: &str) {
    for bad in ["<script>alert", "<img src=x", "\u{202e}", "\u{2066}", "\u{1b}", "\u{7}", "\0"] {
        assert!(!body.contains(bad), "{path} holds {bad:?}");
    }
    assert!(body.len() < 1_500_000, "{path}: {} bytes", body.len());
}

#[test]
fn hostile_texts_are_shown_as_texts() {
    let root = Root::new();
    let store = store(&root);
    let hostile = format!("{SCRIPT}{STEERS}{}", "x".repeat(10 << 20));
    store.start(&run("odd", &format!("j{SCRIPT}{STEERS}"), 0, &hostile)).unwrap();
    drop(store);
    let line =
        [b"\xff\xfe\x80 not text \x1b[31m", SCRIPT.as_bytes(), STEERS.as_bytes(), b"\n"].concat();
    let long = [vec![b'y'; 10 << 20], b"\n".to_vec()].concat();
    root.write_bytes(
        "data/runs/odd/output.log",
        &[line.clone(), long.clone(), line.clone()].concat(),
    );
    root.write_bytes("data/runs/odd/log.jsonl", &[line.clone(), long, line.clone()].concat());
    root.write_bytes("data/runs/odd/manifest.toml", &line);
    root.write(
        "data/runs/odd/result.json",
        &format!("{{\"out\": {{\"a\": {}}}}}", serde_json::to_string(&hostile).unwrap()),
    );
    root.write("jobs/odd.toml", &format!("manifest = 1\nname = \"odd\"\nkind = \"exec\"\ndescription = '''{SCRIPT}'''\nextends = [\"../profiles/base.toml\"]\n[exec]\nrun = [\"true\"]\n"));
    root.write("jobs/broken.toml", &format!("name = '''{SCRIPT}\u{202e}'''\n{SCRIPT}\n"));
    root.write(
        "data/reports/live/odd/report.json",
        &format!("{{\"a\": {}}}", serde_json::to_string(&hostile).unwrap()),
    );
    root.write("data/reports/live/odd/other.svg", &format!("<svg>{SCRIPT}{STEERS}</svg>"));
    root.write("data/reports/live/odd/proof.txt", &hostile);
    let server = pages(&root);
    for path in [
        "/",
        "/runs",
        "/runs/odd",
        "/jobs",
        "/jobs/odd",
        "/jobs/broken",
        "/reports",
        "/reports/live/odd",
        "/reports/live/odd/report.json",
        "/reports/live/odd/other.svg",
        "/reports/live/odd/proof.txt",
        "/runs?job=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
        "/runs?state=%3Cscript%3Ealert(1)%3C/script%3E",
        "/runs?page=%3Cscript%3Ealert(1)%3C/script%3E",
        "/runs/%3Cscript%3Ealert(1)%3C/script%3E",
        "/%3Cscript%3Ealert(1)%3C/script%3E",
        "/loops/%3Cscript%3E/a/b",
    ] {
        let answer = get(&server, path);
        assert!(
            [200, 400, 404].contains(&answer.status),
            "{path}: {} {}",
            answer.status,
            answer.head
        );
        is_harmless(path, &answer.body);
        assert!(
            answer.head.contains("script-src 'self'; ") && !answer.head.contains("unsafe"),
            "{path}: {}",
            answer.head
        );
    }
}

#[test]
fn an_old_report_runs_no_script() {
    let root = Root::new();
    // A report is a file that was written before; nothing in it runs, as no script has a place inside a page.
    root.write(
        "data/reports/live/old/report.html",
        &format!("<html><head></head><body>{SCRIPT}</body></html>"),
    );
    let server = pages(&root);
    let old = get(&server, "/reports/live/old");
    let policy = old.head.lines().find(|line| line.starts_with("content-security-policy: "));
    let scripts = policy.unwrap().split("; ").find(|part| part.starts_with("script-src"));
    assert_eq!((old.status, scripts), (200, Some("script-src 'self'")), "{}", old.head);
    assert!(policy.unwrap().contains("default-src 'none'; style-src"));
    assert!(
        old.head.contains("x-content-type-options: nosniff"),
        "a text of others is not a script"
    );
}

#[test]
fn no_address_leaves_the_folder_of_reports() {
    let root = Root::new();
    root.write("data/secret.txt", "SECRET");
    root.write("data/reports/a/own.txt", "own");
    root.write("data/reports/a/.hidden.txt", "SECRET");
    root.write("data/reports/a/key.pem", "SECRET");
    std::os::unix::fs::symlink(root.at("data/secret.txt"), root.at("data/reports/a/link.txt"))
        .unwrap();
    std::os::unix::fs::symlink(root.at("data"), root.at("data/reports/a/up")).unwrap();
    let server = pages(&root);
    assert_eq!(get(&server, "/reports/a/own.txt").status, 200);
    // What cannot be read as a file hides nothing else.
    let _socket =
        std::os::unix::net::UnixListener::bind(root.at("data/reports/a/odd.txt")).unwrap();
    std::fs::create_dir(root.at("data/reports/a/folder.html")).unwrap();
    for (path, status) in
        [("/reports", 200), ("/reports/a/folder.html", 200), ("/reports/a/odd.txt", 404)]
    {
        let answer = get(&server, path);
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
    }
    assert!(get(&server, "/reports").body.contains("/reports/a/own.txt"));
    for path in [
        "/reports/../secret.txt",
        "/reports/a/../../secret.txt",
        "/reports/%2e%2e/secret.txt",
        "/reports/a/..%2f..%2fsecret.txt",
        "/reports/a/%2e%2e/%2e%2e/secret.txt",
        "/reports//secret.txt",
        "/reports/a/link.txt",
        "/reports/a/up/secret.txt",
        "/reports/a/.hidden.txt",
        "/reports/a/key.pem",
        "/reports/..\\secret.txt",
        "/static/../../secret.txt",
        "/runs/../secret.txt",
        "/runs/..%2fsecret.txt",
    ] {
        let answer = get(&server, path);
        assert!(answer.status == 404 || answer.status == 400, "{path}: {}", answer.status);
        assert!(!answer.body.contains("SECRET"), "{path}");
    }
    assert!(!get(&server, "/reports").body.contains("hidden"));
}
