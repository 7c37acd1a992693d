//! The disk that data is written to, or the fullest of several: its room counts before a start, and when it is full that is reported.

use crate::{
    serve::fixture::empty,
    support::{
        http::{Reply, Server},
        ran::Ran,
        runner::Root,
    },
};

/// How a process comes to see mounts of its own; none where this machine allows none.
fn space(root: &Root) -> Option<&'static str> {
    let spaces = ["unshare --mount", "unshare --user --map-root-user --mount"];
    spaces
        .into_iter()
        .find(|space| root.shell(&format!("{space} mount -t tmpfs tmpfs /mnt")).code == 0)
}

/// Runs lines of shell where mounts can be made; `$R` is the program.
#[expect(clippy::print_stderr, reason = "a test says why it is skipped")]
fn mounted(root: &Root, lines: &str) -> Option<Ran> {
    let Some(space) = space(root) else {
        eprintln!("skipped: nothing can be mounted here, not even in a space of its own");
        return None;
    };
    let program = env!("CARGO_BIN_EXE_runner");
    root.write("lines.sh", &format!("set -e; R={program}; {lines}"));
    Some(root.shell(&format!("{space} sh lines.sh")))
}

/// A job that needs some room.
fn need(root: &Root, inside: &str, least: &str) {
    let text = format!(
        "manifest = 1\nname = 'need'\nkind = 'exec'\n[exec]\nrun = ['echo', 'RAN']\n[run]\ndisk-free-min = '{least}'\n"
    );
    root.write(&format!("{inside}jobs/need.toml"), &text);
}

/// A small disk of its own, mounted where it is said.
const SMALL: &str = "mount -t tmpfs -o size=4m tmpfs";

#[test]
fn the_disk_that_will_be_written_to_is_the_one_that_is_measured() {
    for (lines, named) in [
        (format!("mkdir data; {SMALL} data"), "/data"),
        (format!("mkdir -p data/raw; {SMALL} data/raw"), "/data/raw"),
        (
            format!("mkdir -p data/processed/decisions; {SMALL} data/processed/decisions"),
            "/data/processed/decisions",
        ),
        (
            format!("mkdir -p data/raw/kraken/BTC_USD; {SMALL} data/raw/kraken/BTC_USD"),
            "/data/raw/kraken/BTC_USD",
        ),
        (format!("mkdir small; {SMALL} small; ln -s small data"), "/data"),
        (format!("mkdir small data; {SMALL} small; ln -s ../small data/raw"), "/data/raw"),
        (
            format!(
                "mkdir -p small data/processed; {SMALL} small; ln -s ../../small data/processed/trades"
            ),
            "/data/processed/trades",
        ),
        (format!("mkdir -p 'da ta'; {SMALL} 'da ta'; ln -s 'da ta' data"), "/data"),
    ] {
        let root = empty();
        need(&root, "", "64MiB");
        let Some(ran) = mounted(&root, &format!("{lines}; $R run need || echo exit $?")) else {
            return;
        };
        let ran = ran.code(0).prints(&["exit 75"]);
        let ran = ran.says(&["bytes are free in", &format!("{named}, run.disk-free-min asks for")]);
        assert!(!ran.stdout.contains("RAN"), "{lines}: {ran}");
    }
}

#[test]
fn a_small_disk_under_the_root_hinders_nothing_when_data_lies_elsewhere() {
    let root = empty();
    need(&root, "", "64MiB");
    let lines = format!(
        "mkdir -p box big; {SMALL} box; cp -r jobs box/; ln -s ../big box/data; $R --root box run need"
    );
    let Some(ran) = mounted(&root, &lines) else { return };
    ran.ok().prints(&["RAN"]);
    let lines = format!(
        "rm -rf data; mkdir -p data ro; {SMALL} ro; mkdir data/ro; mount --bind ro data/ro; mount -o remount,ro,bind data/ro; $R run need"
    );
    mounted(&root, &lines).unwrap().ok().prints(&["RAN"]);
}

#[test]
fn health_and_heartbeat_report_a_data_disk_that_is_full() {
    let told = Server::start(|_, _| Reply::new("200 OK", "OK"));
    let root = Root::new();
    let fill = "cat /dev/zero > data/fill 2> /dev/null || true";
    let words = "tag=paper exchange=demo";
    let watch = format!("MJOLNIR_HEARTBEAT_URL={}/u", told.url());
    let lines = |before: &str| {
        format!(
            "{before}; {fill}; $R run healthcheck -p {words} || echo health $?; {watch} $R run heartbeat -p {words} || echo heartbeat $?; \
             $R run healthcheck -p {words} exit=docker || echo docker $?; $R run healthcheck -p {words} exit=nagios || echo nagios $?"
        )
    };
    // A disk that was full before anything was recorded, and one that filled up later.
    let fresh = format!("rm -rf data; mkdir data; {SMALL} data");
    let used = format!("{fresh}; $R run healthcheck -p {words} > /dev/null 2>&1 || true");
    for before in [fresh, used] {
        let Some(ran) = mounted(&root, &lines(&before)) else { return };
        let ran = ran.code(0).prints(&[
            "health 1\n",
            "heartbeat 1\n",
            "docker 1\n",
            "nagios 2\n",
            "disk-free",
            "CRITICAL",
        ]);
        let line = ran.stdout.lines().find(|line| line.contains("  disk-free ")).unwrap();
        assert!(line.starts_with("fail ") && line.contains(" 0 MiB"), "{ran}");
        let ran = ran.says(&["not recorded"]);
        assert!(!ran.stderr.contains("panicked") && !ran.stderr.contains("error:"), "{ran}");
    }
    let ends: Vec<_> = told
        .asked()
        .iter()
        .map(|asked| asked.target.split('?').next().unwrap().to_owned())
        .collect();
    assert_eq!(ends, ["/u/start", "/u/fail", "/u/start", "/u/fail"]);
}
