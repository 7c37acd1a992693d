//! The pages of a box over real sockets: what they say of odd boxes, what hostile texts do to them, and what readers can do to them.

mod acting;
mod hostile;
mod listener;
mod shown;

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use mjolnir::{
    domain::time::UtcMs,
    pages::{operator::Operator, site::site},
    serve::{
        http::{BindScope, Listen, Server, start},
        run_metrics::RunMetrics,
    },
    store::{
        disk::RealDisk,
        layout::Layout,
        runs::{RunRecord, RunState, RunStore},
    },
};

use crate::support::runner::Root;

/// Every page of the box, and every document.
const PAGES: [&str; 13] = [
    "/",
    "/runs",
    "/jobs",
    "/jobs/live",
    "/reports",
    "/proofs",
    "/api/v1/openapi.json",
    "/api/v1/status",
    "/api/v1/loops",
    "/api/v1/runs",
    "/api/v1/jobs",
    "/api/v1/proofs",
    "/static/icon.svg",
];

/// The pages of a folder on a free port.
fn pages(root: &Root) -> Server {
    served(root, None)
}

/// The same, and a person can act through them.
fn acting_pages(root: &Root) -> Server {
    let program = env!("CARGO_BIN_EXE_runner").into();
    served(root, Some(Operator::of(root.path(), program).unwrap()))
}

fn served(root: &Root, operator: Option<Operator>) -> Server {
    let listen = Listen::new("127.0.0.1:0", BindScope::Loopback, Vec::new()).unwrap();
    let site = site(root.path(), operator);
    start(&listen, root.path(), Arc::new(RunMetrics::new("b")), site).unwrap()
}

/// What comes back.
struct Answer {
    status: u32,
    head: String,
    body: String,
}

fn send(address: SocketAddr, bytes: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    stream.write_all(bytes).ok();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok();
    let text = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let body =
        if head.contains("transfer-encoding: chunked") { unchunked(body) } else { body.to_owned() };
    Answer { status, head: head.to_owned(), body }
}

/// The text of a body that came in pieces.
fn unchunked(body: &str) -> String {
    let (mut out, mut rest) = (String::new(), body);
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap_or(0);
        if size == 0 || size > after.len() {
            break;
        }
        out.push_str(&after[..size]);
        rest = after[size..].trim_start_matches("\r\n");
    }
    out
}

fn get(server: &Server, path: &str) -> Answer {
    let at = server.address();
    send(at, format!("GET {path} HTTP/1.1\r\nHost: {at}\r\n\r\n").as_bytes())
}

fn store(root: &Root) -> RunStore {
    let layout = Layout::new(root.path());
    RunStore::open(&RealDisk::new(layout.data()), &layout).unwrap()
}

fn at(ms: i64) -> UtcMs {
    UtcMs::new(1_700_000_000_000 + ms).unwrap()
}

/// A run that is over.
fn run(id: &str, job: &str, ms: i64, summary: &str) -> RunRecord {
    RunRecord {
        ended: Some(at(ms + 500)),
        exit_code: Some(0),
        summary: summary.to_owned(),
        ..RunRecord::first(id.parse().unwrap(), (job, "exec"), RunState::Succeeded, at(ms), "b")
    }
}
