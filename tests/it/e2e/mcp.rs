//! `runner mcp` with the client of the official Python SDK, and with what no client should send.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};

use crate::{
    serve::fixture::until,
    support::{runner::Root, skip},
};

/// Nine trials, on a market with an edge.
const SMALL_SWEEP: &str = "manifest = 1\nname = 'small'\nkind = 'sweep'\nextends = ['../profiles/base.toml', '../strategies/ema_atr.toml']\n\
    [sweep]\njob = 'backtest.toml'\nhold-out = '20%'\ntrials = 20\nmin-trades = 20\n\
    [sweep.over]\nfast = [2, 3, 4]\nslow = [8, 12, 16]\n[sweep.doubt]\nnull-sweeps = 3\n";
const PROGRAM: &str = env!("CARGO_BIN_EXE_runner");

/// A box with bars of a made-up market since this time.
fn with_bars(timeframe: &str, from: &str) -> Root {
    let root = Root::new();
    root.write(
        "jobs/bars.toml",
        &format!(
            "manifest = 1\nname = 'bars'\nkind = 'import'\n[market]\nexchange = 'demo'\nsymbol = 'BTC/USD'\n\
             timeframe = '{timeframe}'\n[import]\nsource = 'synthetic'\nfrom = '{from}'\nto = '2024-01-05T00:00:00Z'\n"
        ),
    );
    root.run("run bars").ok();
    root
}

#[test]
fn the_client_of_the_official_sdk_looks_writes_a_strategy_and_plays_it() {
    let Some(python) = skip::python("mcp") else { return };
    let root = with_bars("5m", "2024-01-01T00:00:00Z");
    root.run("run made-up -p exchange=demo timeframe=4h market=edge from=2020-01-01T00:00:00Z to=2020-10-27T00:00:00Z").ok();
    root.write("jobs/small.toml", SMALL_SWEEP);
    let outside = root.list(".");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/e2e/mcp_client.py");
    let line = format!("'{python}' '{script}' '{PROGRAM}' '{}'", root.path().display());
    let ran = root.shell(&line).code(0);
    ran.prints(&[
        "tools backtest,check,compare,explain,functions,history,list,read_strategy,report,show,sweep,why,write_strategy\n",
        "wrote strategies/sandbox/mine.toml is written",
        "played 0\n",
        "report data/",
        "swept small_",
        "version 2025-",
    ]);
    assert_eq!(root.list("strategies/sandbox"), ["mine.toml"]);
    // Every trial counts: one of each backtest, and those of the sweep.
    let searches = root.files("data/sweeps/searches").into_iter();
    let searches =
        searches.filter(|(path, _)| Path::new(path).extension().is_some_and(|end| end == "json"));
    let mut counted: Vec<String> = searches
        .map(|(_, text)| {
            let row: Value = serde_json::from_str(&text).unwrap();
            let trials = row["keys"].as_array().unwrap().len();
            let series: Vec<&str> =
                row["series"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
            format!("{} {} {trials}", row["by"].as_str().unwrap(), series.join(" "))
        })
        .collect();
    counted.sort();
    let backtest = "backtest demo BTC/USD 5m 1";
    assert_eq!(counted, [backtest, backtest, "sweep demo BTC/USD 4h 9"]);
    let mut ledgers = root.list("data/processed/decisions");
    // That of the best trial.
    ledgers.retain(|name| !name.starts_with("sweep_bt_small_"));
    assert_eq!(ledgers, ["paper_bt_by_mcp", "paper_bt_other"]);
    assert_eq!(root.list("."), outside, "nothing is written elsewhere");
}

/// A server that is talked to by hand.
struct Server {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Server {
    #[expect(
        clippy::disallowed_methods,
        reason = "a client starts the server itself and holds its streams"
    )]
    fn start(root: &Root) -> Self {
        let mut child = Command::new(PROGRAM)
            .args(["--root", root.path().to_str().unwrap(), "mcp"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let from = BufReader::new(child.stdout.take().unwrap());
        let to = child.stdin.take();
        Self { child, to, from }
    }

    fn send(&mut self, line: &[u8]) {
        let to = self.to.as_mut().unwrap();
        to.write_all(line).and_then(|()| to.write_all(b"\n")).and_then(|()| to.flush()).unwrap();
    }

    fn ask(&mut self, id: u32, method: &str, params: &Value) {
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.send(request.to_string().as_bytes());
    }

    /// The next line, which must be a message.
    fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        let message: Value =
            serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line:?}"));
        assert_eq!(message["jsonrpc"], "2.0", "{line}");
        message
    }
}

#[test]
fn what_is_not_a_request_gets_its_code_and_the_next_one_its_answer() {
    let root = Root::new();
    let mut server = Server::start(&root);
    let long = vec![b'x'; (1 << 20) + 1];
    let deep = vec![b'['; 500_000];
    for (line, code) in [
        (b"{".as_slice(), -32_700),
        (b"\xff\xfe", -32_700),
        (&deep, -32_700),
        (&long, -32_600),
        (b"[]", -32_600),
        (b"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"resources/list\"}", -32_601),
        (b"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":{\"name\":\"halt\"}}", -32_602),
        (b"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":7}", -32_602),
    ] {
        server.send(line);
        let answer = server.answer();
        assert_eq!(answer["error"]["code"], code, "{answer}");
    }
    // What needs no answer gets none, also a cancellation of nothing.
    server.send(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}");
    server.send(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":99}}");
    server.send(b"");
    server.ask(8, "ping", &json!({}));
    assert_eq!(server.answer(), json!({ "jsonrpc": "2.0", "id": 8, "result": {} }));
    server.to = None;
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    assert!(!root.at("strategies/sandbox").exists());
}

/// Begins a backtest of so many bars that it takes long.
fn begin(root: &Root, server: &mut Server, id: u32) {
    let params =
        json!({ "exchange": "demo", "timeframe": "1m", "tag": "t", "runid": format!("r{id}") });
    let arguments = json!({ "profiles": ["golden"], "params": params });
    server.ask(id, "tools/call", &json!({ "name": "backtest", "arguments": arguments }));
    until("it runs", || running(root) == 1);
}

fn running(root: &Root) -> usize {
    let found = root.run("history backtest --state running --json");
    if found.code != 0 { 0 } else { found.json()["runs"].as_array().unwrap().len() }
}

#[test]
fn a_call_that_is_cancelled_and_one_whose_client_goes_away_are_stopped() {
    let root = with_bars("1m", "2022-01-01T00:00:00Z");
    let mut server = Server::start(&root);
    begin(&root, &mut server, 1);
    server.send(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":1}}");
    until("it is stopped", || running(&root) == 0);
    server.ask(2, "ping", &json!({}));
    assert_eq!(server.answer()["id"], 2, "what was cancelled is not answered");
    begin(&root, &mut server, 3);
    server.to = None;
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    assert_eq!(running(&root), 0, "nothing is left behind");
    let history = root.run("history backtest --json").ok().json();
    for run in history["runs"].as_array().unwrap() {
        assert_eq!(run["state"], "cancelled", "{run}");
    }
}

#[test]
fn a_sandbox_that_leads_elsewhere_is_not_written_through() {
    let root = Root::new();
    let elsewhere = tempfile::tempdir().unwrap();
    root.shell(&format!("ln -s {} strategies/sandbox", elsewhere.path().display())).code(0);
    let mut server = Server::start(&root);
    let text = root.read("strategies/golden.toml");
    let arguments = json!({ "name": "mine", "text": text });
    server.ask(1, "tools/call", &json!({ "name": "write_strategy", "arguments": arguments }));
    let answer = server.answer();
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    root.remove("strategies/sandbox");
    root.shell("mkdir strategies/sandbox && ln -s /tmp/no-such-file strategies/sandbox/mine.toml")
        .code(0);
    server.ask(2, "tools/call", &json!({ "name": "write_strategy", "arguments": arguments }));
    let answer = server.answer();
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    assert!(!std::path::Path::new("/tmp/no-such-file").exists());
}

#[test]
fn a_link_out_of_the_strategies_is_not_read() {
    let root = Root::new();
    root.write(".env", "TOKEN=t0pSECRET\n");
    root.shell("mkdir strategies/sandbox && ln -s ../../.env strategies/sandbox/mine.toml").code(0);
    root.shell("ln -s golden.toml strategies/own.toml").code(0);
    let mut server = Server::start(&root);
    let read = |name: &str| json!({ "name": "read_strategy", "arguments": { "name": name } });
    server.ask(1, "tools/call", &read("mine"));
    let answer = server.answer();
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    assert!(!answer.to_string().contains("t0pSECRET"), "{answer}");
    server.ask(2, "tools/call", &read("own"));
    let answer = server.answer();
    assert_eq!(answer["result"]["isError"], false, "{answer}");
}

#[test]
fn a_box_that_does_not_exist_is_said_at_once() {
    let root = Root::new();
    root.run("--root nowhere mcp").code(2).says(&["nowhere: this folder does not exist"]);
}
