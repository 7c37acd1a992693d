//! Pings: what a watch outside is told of a run, and that no watch can change how a run ends.

use std::time::Duration;

use mjolnir::clock::{Stopwatch, nap};

use crate::support::{
    http::{Asked, Reply, Server},
    ran::Ran,
    runner::{Call, Root},
};

const CANARY: &str = "s3cr3t-canary-value";

/// A job `beat` that runs `argv` and has these lines in its `[heartbeat]`.
fn job(argv: &str, lines: &str) -> Root {
    let root = Root::new();
    let text = format!(
        "manifest = 1\nname = 'beat'\nkind = 'exec'\n[secrets.BEAT]\nfrom = 'env'\nname = 'BEAT'\n\
         [exec]\nrun = {argv}\n[run]\ngrace = '300ms'\n[heartbeat]\nurl = '${{secrets.BEAT}}'\n{lines}\n"
    );
    root.write("jobs/beat.toml", &text);
    root
}

fn beat<'a>(root: &'a Root, url: &str) -> Call<'a> {
    root.call("run beat").env("BEAT", url)
}

fn good() -> Server {
    Server::start(|_, _| Reply::new("200 OK", "OK"))
}

/// What was asked, without the id, of which there is one.
fn told(asked: &[Asked]) -> Vec<String> {
    let mut ids: Vec<&str> =
        asked.iter().map(|a| a.target.split_once("rid=").expect("an id").1).collect();
    ids.dedup();
    assert!(ids.len() <= 1 && ids.iter().all(|id| id.len() == 36), "{ids:?}");
    assert!(asked.iter().all(|a| a.head.starts_with("POST ")), "{asked:?}");
    asked.iter().map(|a| a.target.split_once("rid=").unwrap().0.to_owned()).collect()
}

#[test]
fn a_watch_is_told_of_the_start_and_of_the_exit_code() {
    for (argv, lines, args, code, expected) in [
        ("['true']", "", "", 0, vec!["/u/start?", "/u?"]),
        ("['false']", "", "", 1, vec!["/u/start?", "/u/fail?"]),
        ("['true']", "start = false", "", 0, vec!["/u?"]),
        ("['sleep', '30']", "", "--timeout 200ms", 124, vec!["/u/start?", "/u/124?"]),
        (
            "['sh', '-c', 'trap \"\" TERM; for i in 1 2 3 4 5 6 7 8 9; do sleep 0.2; done']",
            "",
            "--timeout 200ms",
            124,
            vec!["/u/start?", "/u/124?"],
        ),
        // A job that was not ready to start did not start.
        ("['true']", "", "--set run.disk-free-min=900TiB", 75, vec![]),
    ] {
        let (server, root) = (good(), job(argv, lines));
        let mut call = beat(&root, &format!("{}/u", server.url()));
        for arg in args.split_whitespace() {
            call = call.arg(arg);
        }
        call.run().code(code);
        assert_eq!(told(&server.asked()), expected, "{argv} {lines} {args}");
    }
}

#[test]
fn a_query_of_the_address_stays_and_every_run_has_an_id_of_its_own() {
    let (server, root) = (good(), job("['true']", ""));
    let url = format!("{}/ping/key/slug?create=1", server.url());
    for _ in 0..2 {
        beat(&root, &url).run().ok();
    }
    let asked = server.asked();
    let expected = ["/ping/key/slug/start?create=1&", "/ping/key/slug?create=1&"];
    assert_eq!(told(&asked[..2]), expected);
    assert_eq!(told(&asked[2..]), expected);
    assert_ne!(asked[1].target, asked[3].target);
}

#[test]
fn the_end_of_the_output_goes_along_masked_and_no_longer_than_the_watch_keeps() {
    let (server, root) = (good(), job("['false']", ""));
    let url = format!("{}/{CANARY}", server.url());
    beat(&root, &url).arg("--run-id").arg("r1").run().code(1);
    let log = root.read("data/runs/r1/log.jsonl");
    assert_eq!(server.asked()[0].body, "");
    assert_eq!(server.asked()[1].body, log);
    assert!(log.contains("exit code 1"), "{log}");

    let line = format!("it posts to {url} and waits\n");
    let output = line.repeat(3_000);
    for (run, limit, lines, length) in [
        ("r2", None, "", 10_000),
        ("r3", None, "log-bytes = '100B'", 100),
        ("r4", Some("30"), "", 30),
        ("r5", Some("many"), "", 10_000),
        ("r6", Some("99999999"), "log-bytes = '100B'", 100),
    ] {
        let server = Server::start(move |_, _| {
            let reply = Reply::new("200 OK", "OK");
            limit.map_or(reply.clone(), |limit| reply.header("Ping-Body-Limit", limit))
        });
        let url = format!("{}/{CANARY}", server.url());
        let root = job("['true']", lines);
        root.write(
            &format!("data/runs/{run}/output.log"),
            &output.replace("http://127.0.0.1", "*"),
        );
        let secret = output.replace(line.trim_end(), &format!("it posts to {url} and waits"));
        root.write(&format!("data/runs/{run}/output.log"), &secret);
        beat(&root, &url).arg("--run-id").arg(run).run().ok();
        let expected = "it posts to *** and waits\n".repeat(3_000);
        let expected = &expected[expected.len() - length..];
        assert_eq!(server.asked()[1].body, expected, "{run}");
    }
}

#[test]
fn a_run_without_a_word_sends_the_line_that_says_how_it_ended() {
    let (server, root) = (good(), job("['true']", ""));
    beat(&root, &server.url()).run().ok();
    assert_eq!(server.asked()[1].body, "`true` ended with exit code 0, expected 0\n");
}

#[test]
fn whatever_the_watch_does_the_run_ends_as_it_would_have_and_a_warning_says_so() {
    let elsewhere = good();
    let there = elsewhere.url();
    // What is asked again takes 900 ms of pauses, and the start has half of the time: only who hangs is given little.
    let replies: [(&str, Reply, usize, &str); 6] = [
        ("500", Reply::new("500 Oh", "no"), 6, "the answer was 500"),
        ("404", Reply::new("404 No", "no"), 2, "the answer was 404"),
        (
            "302",
            Reply::new("302 Go", "").header("Location", &there),
            2,
            "redirects are not followed",
        ),
        ("closed", Reply::raw(""), 6, "broke off"),
        ("garbage", Reply::raw("\0\u{1}garbage"), 6, "broke off"),
        ("silent", Reply::hang(), 2, "no answer within"),
    ];
    for (name, reply, times, warning) in replies {
        for (argv, code) in [("['true']", 0), ("['false']", 1)] {
            let reply = reply.clone();
            let server = Server::start(move |_, _| reply.clone());
            let timeout = if name == "silent" { "timeout = '4s'" } else { "timeout = '1m'" };
            let root = job(argv, timeout);
            let ran = beat(&root, &format!("{}/{CANARY}", server.url())).run().code(code);
            let ran = ran.says(&[warning, "of the start", "of the end", "not changed by that"]);
            assert_eq!(server.asked().len(), times, "{name}: {ran}");
            assert!(!ran.stderr.contains(CANARY), "{ran}");
        }
    }
    assert!(elsewhere.asked().is_empty(), "a redirect was followed");
    let root = job("['true']", "");
    for (url, warning) in [
        ("http://127.0.0.1:1/u", "the connection was refused"),
        (CANARY, "must begin with https:// or http://"),
        ("ftp://x/s3cr3t-canary-value", "must begin with https:// or http://"),
    ] {
        let ran = beat(&root, url).run().code(0).says(&[warning]);
        assert!(!ran.stderr.contains(CANARY), "{ran}");
    }
}

/// How long a call took.
fn timed(call: Call<'_>) -> (Duration, Ran) {
    let watch = Stopwatch::start();
    let ran = call.run();
    (watch.elapsed(), ran)
}

#[test]
fn a_watch_that_hangs_costs_no_more_than_its_limit_and_the_time_limit_of_the_job_does_not_count_it()
{
    let silent = Server::start(|_, _| Reply::hang());
    let without = Root::new();
    without.write(
        "jobs/beat.toml",
        "manifest = 1\nname = 'beat'\nkind = 'exec'\n[exec]\nrun = ['true']\n",
    );
    let (plain, _) = timed(without.call("run beat"));
    let root = job("['true']", "timeout = '8s'");
    let (took, ran) = timed(beat(&root, &silent.url()).arg("--timeout").arg("7s"));
    ran.code(0).says(&["no answer within"]);
    // Two pings that each took their limit would take twice as long.
    let most = plain + Duration::from_secs(15);
    assert!(took < most, "{took:?}, without a watch {plain:?}");
    let history = root.run("history beat --json").ok().json();
    assert_eq!(history["runs"][0]["state"], "succeeded");
}

#[test]
fn the_start_is_told_beside_the_job() {
    let silent = Server::start(|_, _| Reply::hang());
    let root = job("['sh', '-c', 'touch started']", "timeout = '10m'");
    let running = beat(&root, &silent.url()).start();
    silent.await_asked(1);
    let mut left = 120_000;
    while !root.at("started").exists() {
        nap(Duration::from_millis(1));
        left -= 1;
        assert!(left > 0, "the job runs although nobody answers");
    }
    drop(running);
}

#[test]
fn the_address_of_a_watch_is_nowhere_to_be_seen() {
    let silent =
        Server::start(|n, _| if n == 0 { Reply::hang() } else { Reply::new("500 Oh", "no") });
    let root = job("['sleep', '0.5']", "timeout = '1s'");
    // One of its own: the programs of the whole machine are looked at.
    let canary = format!("{CANARY}-{}", std::process::id());
    let url = format!("{}/{canary}?k={canary}", silent.url());
    let running = beat(&root, &url).env("TOKEN", &canary).arg("--json").start();
    silent.await_asked(1);
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&line).contains(&canary), "{process:?}");
    }
    let ran = running.end().code(0);
    assert!(!format!("{ran}").contains(CANARY), "{ran}");
    let files = root.files("data");
    assert!(files.len() > 4, "{files:?}");
    for (path, text) in files {
        assert!(!text.contains(CANARY), "{path}");
    }
}
