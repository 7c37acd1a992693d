//! The pages over real sockets: what they say, and who is turned away.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    time::Duration,
};

use mjolnir::{
    clock::{Clock as _, Stopwatch, SystemClock},
    exit::Exit,
    pages::site::site,
    serve::{
        http::{BindScope, Listen, Server, start},
        run_metrics::{RunMetrics, TurnMetrics},
    },
    store::layout::Layout,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::fixture::BUILD;
use crate::support::runner::Root;

/// The pages of a folder on a free port.
pub fn pages(root: &Root) -> (Server, Arc<RunMetrics>) {
    let board = Arc::new(RunMetrics::new(BUILD));
    let listen = Listen::new("127.0.0.1:0", BindScope::Loopback, Vec::new()).unwrap();
    (start(&listen, root.path(), Arc::clone(&board), site(root.path(), None)).unwrap(), board)
}

/// Sends these bytes and returns all that comes back.
pub fn send(address: SocketAddr, bytes: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    // It may be refused before all of it is sent.
    stream.write_all(bytes.as_bytes()).ok();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok();
    String::from_utf8_lossy(&answer).into_owned()
}

pub fn get(address: SocketAddr, path: &str) -> String {
    send(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n"))
}

fn status(answer: &str) -> u32 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

#[test]
fn pages_say_how_the_service_is() {
    let root = Root::new();
    let (server, board) = pages(&root);
    let at = server.address();
    let ask = |path: &str| {
        let answer = get(at, path);
        (status(&answer), answer.rsplit("\r\n\r\n").next().unwrap_or_default().to_owned())
    };
    assert_eq!(
        ask("/healthz"),
        (503, "the scheduler has not made its first turn yet\n".to_owned())
    );
    assert_eq!(ask("/readyz"), (503, "not ready: no jobs are loaded yet\n".to_owned()));
    assert_eq!(status(&get(at, "/metrics")), 200);
    board.turned(TurnMetrics::default());
    assert_eq!(ask("/healthz"), (200, "ok\n".to_owned()));
    assert_eq!(ask("/readyz").0, 503);
    board.turned(TurnMetrics { jobs: Some(3), ..TurnMetrics::default() });
    assert_eq!(ask("/readyz"), (200, "ready: 3 jobs\n".to_owned()));
    // A year ahead, with an hour for a slow test.
    let upto = SystemClock.now().plus_ms(364 * 86_400_000 + 3_600_000);
    board.turned(TurnMetrics {
        jobs: Some(3),
        furthest: Some((upto, "j.1".into())),
        ..TurnMetrics::default()
    });
    let silent =
        "not ready: watermark 364d ahead of the clock: j.1 is silent; see `runner status`\n";
    assert_eq!(ask("/readyz"), (503, silent.to_owned()));
    board.turned(TurnMetrics { jobs: Some(3), ..TurnMetrics::default() });
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert!(ask("/").1.contains(path));
    }
    for path in ["/metrics/", "/../etc/passwd", "/%2e%2e/x", "/HEALTHZ", "/healthz;x"] {
        assert_eq!(ask(path).0, 404, "{path}");
    }
    assert_eq!(ask("/healthz?x=1").0, 200);
    // A database that does not answer.
    let db = rusqlite::Connection::open(Layout::new(root.path()).runs_db()).unwrap();
    db.execute_batch("DROP TABLE pauses").unwrap();
    let (code, text) = ask("/readyz");
    assert!(code == 503 && text.contains("the records do not answer"), "{text}");
    assert_eq!(ask("/metrics").0, 500);
    assert_eq!(ask("/healthz").0, 200, "which says nothing about the scheduler");
}

#[test]
fn only_who_calls_it_by_its_name_may_read() {
    let root = Root::new();
    let (server, board) = pages(&root);
    board.turned(TurnMetrics::default());
    let (at, port) = (server.address(), server.address().port());
    let ask = |line: &str, hosts: &[String]| {
        let hosts: Vec<String> = hosts.iter().map(|host| format!("Host: {host}\r\n")).collect();
        let hosts = hosts.concat();
        status(&send(at, &format!("{line} HTTP/1.1\r\n{hosts}\r\n")))
    };
    for host in [format!("127.0.0.1:{port}"), format!("localhost:{port}"), format!("[::1]:{port}")]
    {
        assert_eq!(ask("GET /metrics", std::slice::from_ref(&host)), 200, "{host}");
    }
    for host in [
        "evil.example".to_owned(),
        format!("evil.example:{port}"),
        "127.0.0.1".to_owned(),
        "localhost".to_owned(),
        format!("127.0.0.1:{}", port ^ 1),
        format!("localhost:{port}.evil.example"),
        format!("127.0.0.1.evil.example:{port}"),
        format!("10.0.0.7:{port}"),
        String::new(),
    ] {
        for path in ["/", "/healthz", "/readyz", "/metrics", "/none"] {
            assert_eq!(
                ask(&format!("GET {path}"), std::slice::from_ref(&host)),
                403,
                "{host} {path}"
            );
        }
    }
    let good = format!("127.0.0.1:{port}");
    assert_eq!(ask("GET /healthz", &[]), 403, "no Host");
    assert_eq!(ask("GET /healthz", &[good.clone(), format!("evil.example:{port}")]), 403, "two");
    let elsewhere = format!("GET http://evil.example:{port}/healthz");
    assert_eq!(ask(&elsewhere, std::slice::from_ref(&good)), 403);
    assert_eq!(ask(&format!("GET http://{good}/healthz"), &[good]), 200);
}

#[test]
fn nothing_can_be_changed_and_nothing_is_kept() {
    let root = Root::new();
    let (server, board) = pages(&root);
    board.turned(TurnMetrics::default());
    let at = server.address();
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
        let body = "Content-Length: 3\r\n\r\nx=1";
        let answer = send(at, &format!("{method} /healthz HTTP/1.1\r\nHost: {at}\r\n{body}"));
        assert_eq!(status(&answer), 405, "{method}: {answer}");
        assert!(answer.contains("allow: GET, HEAD\r\n"), "{answer}");
    }
    let head = send(at, &format!("HEAD /healthz HTTP/1.1\r\nHost: {at}\r\n\r\n"));
    assert!(head.ends_with("\r\n\r\n") && head.contains("content-length: 3\r\n"), "{head}");
    for path in ["/", "/healthz", "/metrics", "/none"] {
        let answer = get(at, path);
        for header in [
            "cache-control: no-store\r\n",
            "x-content-type-options: nosniff\r\n",
            "content-security-policy: default-src 'none'",
            "referrer-policy: same-origin\r\n",
            "cross-origin-resource-policy: same-origin\r\n",
            "connection: close\r\n",
        ] {
            assert!(answer.contains(header), "{path}: {answer}");
        }
        assert!(!answer.contains("access-control"), "{answer}");
    }
    let long = "x".repeat(64 * 1024);
    let answer = send(at, &format!("GET /healthz HTTP/1.1\r\nHost: {at}\r\nX: {long}\r\n\r\n"));
    assert_ne!(status(&answer), 200, "{answer}");
    let many = "X: y\r\n".repeat(100);
    let answer = send(at, &format!("GET /healthz HTTP/1.1\r\nHost: {at}\r\n{many}\r\n"));
    assert_ne!(status(&answer), 200, "{answer}");
    for garbage in ["\0\0\0\0\r\n\r\n", "GET\r\n\r\n", "\u{16}\u{3}\u{1}hello"] {
        assert_ne!(status(&send(at, garbage)), 200);
    }
    assert_eq!(status(&get(at, "/healthz")), 200, "it still answers");
}

#[test]
fn slow_clients_are_cut_off_and_others_get_their_turn() {
    let root = Root::new();
    let (server, board) = pages(&root);
    board.turned(TurnMetrics::default());
    let at = server.address();
    let mut slow: Vec<TcpStream> = (0..40).map(|_| TcpStream::connect(at).unwrap()).collect();
    for stream in &mut slow {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: ").unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    }
    let watch = Stopwatch::start();
    assert_eq!(status(&get(at, "/healthz")), 200);
    assert!(watch.elapsed() < Duration::from_secs(20), "{:?}", watch.elapsed());
    let mut left = Vec::new();
    slow[0].read_to_end(&mut left).ok();
    assert!(!String::from_utf8_lossy(&left).contains(" 200 "));
}

#[test]
fn five_hundred_silent_connections_keep_nobody_waiting() {
    // So many at once are more than a process may open by itself.
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let root = Root::new();
    let (server, board) = pages(&root);
    board.turned(TurnMetrics::default());
    let at = server.address();
    let mut silent: Vec<TcpStream> = (0..500).map(|_| TcpStream::connect(at).unwrap()).collect();
    // Others have said half of what they want.
    for stream in silent.iter_mut().step_by(3) {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: ").ok();
    }
    // That none of these waits for a silent one is tested by counting, beside the code: no machine is too slow for that.
    for _ in 0..20 {
        assert_eq!(status(&get(at, "/healthz")), 200);
    }
    drop(silent);
}

#[test]
fn a_port_in_use_is_named_and_another_one_is_offered() {
    let root = Root::new();
    // Nobody else takes a port of this address while it is free.
    let other = TcpListener::bind("127.0.0.78:0").unwrap();
    let address = other.local_addr().unwrap();
    let listen = Listen::new(&address.to_string(), BindScope::Loopback, Vec::new()).unwrap();
    let failure =
        start(&listen, root.path(), Arc::new(RunMetrics::new(BUILD)), site(root.path(), None))
            .err()
            .unwrap();
    assert_eq!(failure.exit, Exit::Busy);
    for word in [&address.to_string(), "another program listens there", "--listen ADDRESS:PORT"] {
        assert!(failure.message.contains(word), "{}", failure.message);
    }
    // Once it is free, and again after it was ours.
    drop(other);
    for _ in 0..2 {
        let board = Arc::new(RunMetrics::new(BUILD));
        let server = start(&listen, root.path(), board, site(root.path(), None)).unwrap();
        assert_eq!(status(&get(server.address(), "/")), 200);
    }
}
