//! `runner mcp`: the box as tools of a program that speaks the Model Context Protocol, over stdin and stdout. It reads, plays backtests and
//! sweeps, and writes new strategies into a folder of their own; it stops, resumes, deploys and promotes nothing.

mod call;
mod message;
mod sandbox;
mod tools;

use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use serde_json::{Value, json};

use self::{
    call::call,
    message::{Code, Incoming, failure, read},
    tools::listed,
};
use super::{output::say, refuse::tell};
use crate::{exit::Exit, jobs::context::Failure, os::signals::Stop};

/// Longest message, in bytes.
const MESSAGE_MAX: usize = 1 << 20;
/// Most calls at the same time.
const CALLS_MAX: usize = 4;
/// Revisions of the protocol that are spoken, the newest first.
const VERSIONS: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];
/// What a client is told about this server.
const INSTRUCTIONS: &str = "A trading box: jobs in TOML, strategies as rules, ledgers of paper trades. Look with list, show, explain, \
status-like tools history and why. Try a rule: write_strategy, check, backtest with its name among the profiles, compare. Every backtest \
counts as a trial in the search ledger: the more you try, the more luck the best one has. Nothing here halts, resumes, deploys or promotes.";

/// Serves one client until it goes away.
pub fn mcp(root: &Path, json: bool) -> Exit {
    if json {
        let message = "--json has no meaning here: stdout belongs to the protocol";
        return tell(&Failure::new(Exit::Usage, message), json);
    }
    let root = match std::path::absolute(root) {
        Ok(root) => root,
        Err(error) => return tell(&Failure::new(Exit::Usage, error.to_string()), false),
    };
    if !root.is_dir() {
        let message = format!("--root {}: this folder does not exist", root.display());
        return tell(&Failure::new(Exit::Usage, message), false);
    }
    let server = Server {
        root,
        out: Arc::new(Mutex::new(io::stdout())),
        going: Arc::new(Mutex::new(BTreeMap::new())),
    };
    server.serve(&mut BufReader::new(io::stdin()))
}

/// What the client waits for: each with the way to stop it.
type Going = Arc<Mutex<BTreeMap<String, Stop>>>;

struct Server {
    root: PathBuf,
    out: Arc<Mutex<io::Stdout>>,
    going: Going,
}

impl Server {
    fn serve(&self, input: &mut impl BufRead) -> Exit {
        let mut workers: Vec<JoinHandle<()>> = Vec::new();
        let ended = loop {
            let line = match next_line(input) {
                Ok(Some(line)) => line,
                Ok(None) => break Exit::Ok,
                Err(error) => {
                    say(&format!("error: stdin: {error}"));
                    break Exit::Io;
                }
            };
            workers.retain(|worker| !worker.is_finished());
            let answer = match line {
                Line::TooLong => {
                    let why = format!("the message is longer than {MESSAGE_MAX} bytes");
                    Some(failure(&Value::Null, Code::InvalidRequest, &why))
                }
                Line::Whole(bytes) => match read(&bytes) {
                    Ok(Incoming::Nothing) => None,
                    Ok(Incoming::Notification { method, params }) => {
                        self.noted(&method, &params);
                        None
                    }
                    Ok(Incoming::Request { id, method, params }) => {
                        self.request(&id, &method, &params, &mut workers)
                    }
                    Err(refused) => Some(refused),
                },
            };
            if let Some(answer) = answer
                && self.send(&answer).is_err()
            {
                // Nobody reads any more.
                break Exit::Ok;
            }
        };
        // The client is gone: what it waited for is stopped, and waited for, so that nothing is left behind.
        for stop in lock(&self.going).values() {
            stop.ask();
        }
        for worker in workers {
            // One that panicked has said so.
            let _ = worker.join();
        }
        ended
    }

    /// Answers a request; `None` where a call was begun, which answers by itself.
    fn request(
        &self,
        id: &Value,
        method: &str,
        params: &Value,
        workers: &mut Vec<JoinHandle<()>>,
    ) -> Option<Value> {
        let well = |result: Value| Some(json!({ "jsonrpc": "2.0", "id": id, "result": result }));
        match method {
            "initialize" => well(introduction(params)),
            "ping" => well(json!({})),
            "tools/list" => well(json!({ "tools": listed() })),
            "tools/call" => match self.begin(id, params) {
                Ok(worker) => {
                    workers.push(worker);
                    None
                }
                Err(refused) => Some(refused),
            },
            _ => {
                let known = "initialize, ping, tools/list, tools/call";
                let why = format!("unknown method `{}`: there are {known}", method.escape_debug());
                Some(failure(id, Code::UnknownMethod, &why))
            }
        }
    }

    /// Begins a call in a thread of its own.
    fn begin(&self, id: &Value, params: &Value) -> Result<JoinHandle<()>, Value> {
        let name = params.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let Some(tool) = tools::find(&name) else {
            let why = format!("unknown tool `{}`", name.escape_debug());
            return Err(failure(id, Code::InvalidParams, &why));
        };
        let arguments = params.get("arguments").cloned().unwrap_or_else(|| json!({}));
        let (key, stop) = (id.to_string(), Stop::default());
        {
            let mut going = lock(&self.going);
            if going.contains_key(&key) {
                let why = "a request with this id is not answered yet";
                return Err(failure(id, Code::InvalidRequest, why));
            }
            if going.len() >= CALLS_MAX {
                let why = format!("{CALLS_MAX} calls go on already: wait for one, or cancel one");
                return Err(failure(id, Code::Busy, &why));
            }
            going.insert(key.clone(), stop.clone());
        }
        let (root, out, going, id) =
            (self.root.clone(), Arc::clone(&self.out), Arc::clone(&self.going), id.clone());
        Ok(std::thread::spawn(move || {
            let result = call(&root, tool, &arguments, &stop);
            lock(&going).remove(&key);
            // What was cancelled is not answered.
            if !stop.asked() {
                let answer = json!({ "jsonrpc": "2.0", "id": id, "result": result });
                // A client that is gone is seen where its messages are read.
                let _ = write(&out, &answer);
            }
        }))
    }

    fn noted(&self, method: &str, params: &Value) {
        if method != "notifications/cancelled" {
            return;
        }
        let id = params.get("requestId").map(Value::to_string).unwrap_or_default();
        if let Some(stop) = lock(&self.going).get(&id) {
            stop.ask();
        }
    }

    fn send(&self, answer: &Value) -> io::Result<()> {
        write(&self.out, answer)
    }
}

/// What the client learns first: the revision both speak, and what there is.
fn introduction(params: &Value) -> Value {
    let wanted = params.get("protocolVersion").and_then(Value::as_str).unwrap_or_default();
    let spoken = VERSIONS.iter().find(|version| **version == wanted).unwrap_or(&VERSIONS[0]);
    json!({
        "protocolVersion": spoken,
        "capabilities": { "tools": {} },
        "serverInfo": { "name": "mjolnir", "version": env!("CARGO_PKG_VERSION") },
        "instructions": INSTRUCTIONS,
    })
}

/// One line of input.
enum Line {
    Whole(Vec<u8>),
    /// It was read to its end and thrown away.
    TooLong,
}

fn next_line(input: &mut impl BufRead) -> io::Result<Option<Line>> {
    let (mut line, mut is_long) = (Vec::new(), false);
    loop {
        let piece = match input.fill_buf() {
            Ok(piece) => piece,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if piece.is_empty() {
            let rest = (!line.is_empty()).then_some(Line::Whole(line));
            return Ok(if is_long { Some(Line::TooLong) } else { rest });
        }
        let end = piece.iter().position(|byte| *byte == b'\n');
        let taken = end.unwrap_or(piece.len());
        if line.len() + taken > MESSAGE_MAX {
            (is_long, line) = (true, Vec::new());
        }
        if !is_long {
            line.extend_from_slice(&piece[..taken]);
        }
        input.consume(taken + usize::from(end.is_some()));
        if end.is_some() {
            return Ok(Some(if is_long { Line::TooLong } else { Line::Whole(line) }));
        }
    }
}

fn write(out: &Mutex<io::Stdout>, answer: &Value) -> io::Result<()> {
    let mut line = answer.to_string();
    line.push('\n');
    let mut out = lock(out);
    out.write_all(line.as_bytes())?;
    out.flush()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(input: &[u8], buffer: usize) -> Vec<String> {
        let mut input = BufReader::with_capacity(buffer, input);
        let mut all = Vec::new();
        while let Some(line) = next_line(&mut input).unwrap() {
            all.push(match line {
                Line::Whole(bytes) => String::from_utf8(bytes).unwrap(),
                Line::TooLong => "long".to_owned(),
            });
        }
        all
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over_and_the_next_one_is_read() {
        let long = [b"a\n".to_vec(), vec![b'x'; MESSAGE_MAX + 1], b"\nb".to_vec()].concat();
        for buffer in [1, 7, 8192] {
            assert_eq!(lines(b"\nab\n\nc", buffer), ["", "ab", "", "c"]);
            assert_eq!(lines(&long, buffer), ["a", "long", "b"]);
        }
        assert_eq!(lines(&vec![b'x'; MESSAGE_MAX + 1], 100), ["long"]);
        assert_eq!(lines(&vec![b'x'; MESSAGE_MAX], 100)[0].len(), MESSAGE_MAX);
    }

    #[test]
    fn both_speak_the_revision_of_the_client_where_it_is_known() {
        let spoken = |wanted: &str| {
            introduction(&json!({ "protocolVersion": wanted }))["protocolVersion"].clone()
        };
        assert_eq!(spoken("2025-03-26"), "2025-03-26");
        assert_eq!(spoken("1999-01-01"), "2025-11-25");
        assert_eq!(introduction(&Value::Null)["protocolVersion"], "2025-11-25");
    }
}
