//! Readers that hang, hurry, or want too much: others are answered meanwhile.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::mpsc::{RecvTimeoutError, channel},
    time::Duration,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use mjolnir::store::runs::RunState;

use super::{get, pages, run, send, store};
use crate::{
    e2e::fixture::{ledger, live},
    serve::fixture::{assert_unbroken, count, end, until, until_count, with},
    support::runner::Root,
};

/// So many at once are more than a process may open by itself.
fn many_files() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
}

/// Does something in a thread of its own: a server that hangs fails its test, and does not hang it.
fn in_time(work: impl FnOnce() + Send + 'static) {
    let (tell, told) = channel();
    let thread = std::thread::spawn(move || {
        work();
        tell.send(()).ok();
    });
    match told.recv_timeout(Duration::from_mins(5)) {
        Ok(()) | Err(RecvTimeoutError::Disconnected) => {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
        Err(RecvTimeoutError::Timeout) => panic!("the pages hang"),
    }
}

#[test]
fn a_decision_that_is_written_comes_down_the_stream() {
    let root = ledger("2024-01-02T00:00:00Z");
    let server = pages(&root);
    let at = server.address();
    let path = "data/processed/decisions/paper/BTC_USD/5m/decisions.csv";
    let rows = root.read(path);
    let ts_ms: Vec<&str> = rows.lines().skip(1).map(|row| row.split(',').nth(3).unwrap()).collect();
    let after = ts_ms[ts_ms.len() - 3];
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    write!(stream, "GET /api/v1/loops/paper/BTC_USD/5m/decisions/live?after={after} HTTP/1.1\r\nHost: {at}\r\n\r\n").unwrap();
    let mut seen = String::new();
    let mut read_until = |stream: &mut TcpStream, wanted: &str| {
        let mut some = [0; 4096];
        while !seen.contains(wanted) {
            let n = stream.read(&mut some).expect("it comes in time");
            assert!(n > 0, "the stream ended: {seen}");
            seen.push_str(&String::from_utf8_lossy(&some[..n]));
            // One comes every 15 s while nothing else does.
            assert!(seen.matches(": still here").count() < 12, "it did not come: {seen}");
        }
        seen.clone()
    };
    let seen = read_until(&mut stream, &format!("id: {}\n", ts_ms[ts_ms.len() - 1]));
    assert!(
        seen.contains("content-type: text/event-stream")
            && !seen.contains(&format!("id: {after}\n")),
        "{seen}"
    );
    // The loop goes on for some slots more.
    live(&root, "paper", "2024-01-02T00:20:00Z").run().ok();
    let rows = root.read(path);
    let last = rows.lines().last().unwrap().split(',').nth(3).unwrap();
    assert_ne!(last, ts_ms[ts_ms.len() - 1], "it went on");
    read_until(&mut stream, &format!("id: {last}\n"));
}

/// Without a place to begin at: whatever is decided from then on, and nothing of what was.
#[test]
fn a_stream_that_is_asked_for_plainly_begins_with_the_next_decision() {
    let root = ledger("2024-01-02T00:00:00Z");
    let server = pages(&root);
    let at = server.address();
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let path = "/api/v1/loops/paper/BTC_USD/5m/decisions/live";
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {at}\r\n\r\n").unwrap();
    let mut seen = String::new();
    let mut read_until = |stream: &mut TcpStream, wanted: &str| {
        let mut some = [0; 4096];
        while !seen.contains(wanted) {
            let n = stream.read(&mut some).expect("it comes in time");
            assert!(n > 0, "the stream ended: {seen}");
            seen.push_str(&String::from_utf8_lossy(&some[..n]));
            // One comes every 15 s while nothing else does.
            assert!(seen.matches(": still here").count() < 12, "it did not come: {seen}");
        }
        seen.clone()
    };
    read_until(&mut stream, ": still here");
    live(&root, "paper", "2024-01-02T00:20:00Z").run().ok();
    let rows = root.read("data/processed/decisions/paper/BTC_USD/5m/decisions.csv");
    let last = rows.lines().last().unwrap().split(',').nth(3).unwrap();
    let seen = read_until(&mut stream, &format!("id: {last}\n"));
    assert_eq!(seen.matches("id: ").count(), 4, "{seen}");
}

#[test]
fn a_stream_of_a_log_ends_with_its_run() {
    let root = Root::new();
    store(&root).start(&run("done", "j", 0, "done")).unwrap();
    root.write("data/runs/done/output.log", "one\ntwo\nhalf");
    let server = pages(&root);
    let answer = get(&server, "/api/v1/runs/done/output/live");
    assert_eq!(answer.status, 200);
    let events: Vec<&str> =
        answer.body.lines().filter(|line| line.starts_with("event: ")).collect();
    assert_eq!(events, ["event: begin", "event: lines", "event: end"], "{}", answer.body);
    assert!(answer.body.contains("\"text\":\"half\""), "{}", answer.body);
}

/// Streams whose reader takes nothing, more of them than there are places, and a thousand silent connections beside them.
#[test]
fn readers_that_hang_keep_nobody_waiting() {
    in_time(readers_that_hang);
}

fn readers_that_hang() {
    many_files();
    let root = ledger("2024-01-02T00:00:00Z");
    let server = pages(&root);
    let at = server.address();
    let open = |text: String| {
        let mut stream = TcpStream::connect(at).unwrap();
        stream.write_all(text.as_bytes()).ok();
        stream
    };
    let path = "/api/v1/loops/paper/BTC_USD/5m/decisions/live?after=0";
    let streams: Vec<TcpStream> =
        (0..40).map(|_| open(format!("GET {path} HTTP/1.1\r\nHost: {at}\r\n\r\n"))).collect();
    let silent: Vec<TcpStream> = (0..1_000).map(|_| open("GET / HT".to_owned())).collect();
    for path in ["/", "/healthz", "/runs", "/loops/paper/BTC_USD/5m", "/api/v1/status"] {
        let answer = get(&server, path);
        assert!(
            answer.status == 200 || (path == "/healthz" && answer.status == 503),
            "{path}: {}",
            answer.status
        );
    }
    // One more stream is refused, and says why.
    let refused = get(&server, path);
    assert_eq!(refused.status, 503, "{}", refused.head);
    assert!(
        refused.body.contains("which is the limit") && refused.head.contains("retry-after"),
        "{}",
        refused.body
    );
    drop((streams, silent));
}

/// Of a whole service: its schedule goes on while many readers take nothing of what they asked for.
#[test]
fn readers_that_hang_hold_up_no_slot() {
    many_files();
    let root = with("true", "[[schedule]]\nevery = \"1s\"");
    store(&root).start(&run("done", "k", 0, "done")).unwrap();
    root.write("data/runs/done/output.log", &"a long line of an output\n".repeat(20_000));
    let service = root.call("serve --listen 127.0.0.1:0").start();
    let address = || -> Option<SocketAddr> {
        let tick: serde_json::Value =
            serde_json::from_str(&root.read("data/state/scheduler.json")).ok()?;
        tick["listen"].as_str()?.parse().ok()
    };
    until("it listens", || address().is_some());
    let at = address().unwrap();
    let mut readers = Vec::new();
    for path in ["/api/v1/runs/done/output/live", "/", "/metrics", "/runs", "/readyz"].repeat(30) {
        let mut stream = TcpStream::connect(at).unwrap();
        let asked = format!("GET {path} HTTP/1.1\r\nHost: {at}\r\n\r\n");
        stream.write_all(asked.repeat(3).as_bytes()).ok();
        readers.push(stream);
    }
    let before = count(&root, "j", RunState::Succeeded);
    until_count(&root, "j", RunState::Succeeded, before + 5);
    drop(readers);
    end(service).code(0);
    assert_unbroken(&root, "j.1", 1_000);
}

#[test]
fn what_is_too_large_or_not_known_is_refused() {
    let root = Root::new();
    let server = pages(&root);
    let at = server.address();
    let body = "x".repeat(20_000);
    let posted = send(
        at,
        format!("POST / HTTP/1.1\r\nHost: {at}\r\nContent-Length: 20000\r\n\r\n{body}").as_bytes(),
    );
    assert!([413, 405].contains(&posted.status), "{}", posted.head);
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"] {
        for path in ["/", "/runs", "/api/v1/status", "/act"] {
            let answer = send(
                at,
                format!("{method} {path} HTTP/1.1\r\nHost: {at}\r\nContent-Length: 0\r\n\r\n")
                    .as_bytes(),
            );
            assert!([405, 403, 400].contains(&answer.status), "{method} {path}: {}", answer.status);
        }
    }
    for host in ["evil.example", "evil.example:80", "127.0.0.1"] {
        for path in ["/", "/runs", "/api/v1/status", "/static/icon.svg"] {
            let answer =
                send(at, format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
            assert_eq!(answer.status, 403, "{host} {path}");
        }
    }
    let long = "x".repeat(100_000);
    let answer = send(at, format!("GET /{long} HTTP/1.1\r\nHost: {at}\r\n\r\n").as_bytes());
    assert!([0, 400, 414, 431].contains(&answer.status), "{}", answer.status);
    let head = send(at, format!("HEAD / HTTP/1.1\r\nHost: {at}\r\n\r\n").as_bytes());
    assert!(head.status == 200 && head.body.is_empty(), "{}", head.body);
}
