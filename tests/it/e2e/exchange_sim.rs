//! The simulated venue over real sockets: its pages, each of its faults as a client meets it, and how it comes and goes.

use std::{
    io::{ErrorKind, Write as _},
    net::TcpStream,
    path::Path,
    time::Duration,
};

use mjolnir::{
    clock::Stopwatch,
    domain::{
        bar::TimedBar,
        time::{SlotTs, Timeframe, UtcMs},
    },
};
use serde_json::Value;

use crate::support::{
    market::csv,
    runner::Root,
    sim::{FILE, Sim, bar_of, is_traded, truth},
    skip,
    wire::{get, get_within, send},
};

/// Two minutes into a bar.
const FROM: &str = "2024-01-05T00:02:00Z";
const FROM_MS: i64 = 1_704_412_920_000;
const KLINES: &str = "/api/v3/klines?symbol=BTCUSD&interval=5m";

/// The bar that is open at [`FROM`].
fn open_slot() -> SlotTs {
    Timeframe::M5.last_closed(UtcMs::new(FROM_MS).unwrap()).unwrap().next()
}

fn start(root: &Root, protocol: &str, faults: &[&str]) -> Sim {
    let sets = faults.iter().map(|fault| format!(" --set exchange-sim.faults.{fault}"));
    let sets: String = sets.collect();
    Sim::start(root, &format!("-p protocol={protocol} from={FROM}{sets}"))
}

fn rows(sim: &Sim, url: &str) -> Vec<Value> {
    let answer = get(&sim.address, url).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.json();
    let rows = body.get("result").map_or(&body, |result| &result["XXBTZUSD"]);
    rows.as_array().unwrap().clone()
}

fn timed(open_ms: i64, values: [&Value; 5]) -> TimedBar {
    TimedBar { ts: Timeframe::M5.slot_of_open(open_ms).unwrap(), bar: bar_of(values) }
}

fn expected(first: SlotTs, slots: i64) -> Vec<TimedBar> {
    (0..slots).map(|n| truth(first.plus(n))).collect()
}

#[test]
fn pages_of_binance_join_without_a_gap() {
    let root = Root::new();
    let sim = start(&root, "binance", &[]);
    let first = open_slot().plus(-1_200);
    let page = |first: SlotTs| -> Vec<TimedBar> {
        let url = format!("{KLINES}&limit=1000&startTime={}", first.open_ms());
        let bar = |row: &Value| {
            assert_eq!(row.as_array().unwrap().len(), 12);
            timed(row[0].as_i64().unwrap(), [&row[1], &row[2], &row[3], &row[4], &row[5]])
        };
        rows(&sim, &url).iter().map(bar).collect()
    };
    let mut all = page(first);
    assert_eq!(all.len(), 1000);
    all.extend(page(all.last().unwrap().ts.next()));
    let open = all.pop().unwrap();
    assert_eq!(all, expected(first, 1_200));
    assert_eq!(open.ts, open_slot());
    assert_ne!(open, truth(open_slot()), "the open bar is not what it will be");
    sim.stop().ok().prints(&["2 requests", "0 of them met a fault"]);
}

#[test]
fn kraken_answers_720_closed_bars_and_the_open_one() {
    let root = Root::new();
    let sim = start(&root, "kraken", &[]);
    let url = "/0/public/OHLC?pair=XBTUSD&interval=5&since=0";
    let bar = |row: &Value| {
        timed(row[0].as_i64().unwrap() * 1000, [&row[1], &row[2], &row[3], &row[4], &row[6]])
    };
    let mut all: Vec<TimedBar> = rows(&sim, url).iter().map(bar).collect();
    assert_eq!(all.pop().map(|bar| bar.ts), Some(open_slot()));
    assert_eq!(all, expected(open_slot().plus(-720), 720));
    let last = get(&sim.address, url).unwrap().json()["result"]["last"].as_i64().unwrap();
    assert_eq!(last * 1000, open_slot().open_ms() - 300_000);
    sim.stop().ok();
}

#[test]
fn pages_of_coinbase_join_and_leave_out_what_nobody_traded() {
    let root = Root::new();
    let sim = start(&root, "coinbase", &[]);
    let page = |first: SlotTs| -> Vec<TimedBar> {
        let (start, end) = (first.open_ms() / 1000, first.plus(299).open_ms() / 1000);
        let url = format!("/products/BTC-USD/candles?granularity=300&start={start}&end={end}");
        let bar = |row: &Value| {
            timed(row[0].as_i64().unwrap() * 1000, [&row[3], &row[2], &row[1], &row[4], &row[5]])
        };
        rows(&sim, &url).iter().map(bar).collect()
    };
    let first = open_slot().plus(-900);
    let mut all: Vec<TimedBar> = (0..3).rev().flat_map(|n| page(first.plus(300 * n))).collect();
    all.reverse();
    let traded: Vec<TimedBar> = expected(first, 900).into_iter().filter(is_traded).collect();
    assert!(traded.len() < 900);
    assert_eq!(all, traded);
    sim.stop().ok();
}

#[test]
fn an_unknown_symbol_is_refused_in_the_words_of_the_venue() {
    let root = Root::new();
    for (protocol, url, status, body) in [
        (
            "binance",
            "/api/v3/klines?symbol=X&interval=5m",
            400,
            r#"{"code":-1121,"msg":"Invalid symbol."}"#,
        ),
        (
            "kraken",
            "/0/public/OHLC?pair=X&interval=5",
            200,
            r#"{"error":["EQuery:Unknown asset pair"]}"#,
        ),
        ("coinbase", "/products/X/candles?granularity=300", 404, r#"{"message":"NotFound"}"#),
    ] {
        let sim = start(&root, protocol, &[]);
        let answer = get(&sim.address, url).unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (status, body));
        sim.stop().ok();
    }
}

#[test]
fn faults_of_the_connection_are_seen_on_the_wire() {
    let root = Root::new();
    let ask = |fault: &str| {
        let sim = start(&root, "binance", &[fault, "calm-after=1"]);
        let patience_ms = if fault == "timeout=1" { 500 } else { 20_000 };
        let met = get_within(&sim.address, KLINES, Duration::from_millis(patience_ms));
        let calm = get(&sim.address, KLINES).unwrap();
        assert_eq!((calm.status, calm.json().as_array().unwrap().len()), (200, 500), "{fault}");
        sim.stop().ok().prints(&["2 requests", "1 of them met a fault"]);
        met
    };
    assert_eq!(ask("reset=1").unwrap_err().kind(), ErrorKind::ConnectionReset);
    let silent = ask("timeout=1").unwrap_err().kind();
    assert!(matches!(silent, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{silent}");
    let cut = ask("truncate=1").unwrap();
    let promised: usize = cut.header("content-length").unwrap().parse().unwrap();
    assert_eq!((cut.status, cut.body.len()), (200, promised / 2));
    let page = ask("html=1").unwrap();
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html")));
    let ban = ask("ban=1").unwrap();
    assert_eq!((ban.status, ban.header("retry-after")), (418, Some("120")));
    assert!(ask("server-error=1").unwrap().status >= 500);
}

#[test]
fn throttled_requests_are_told_to_wait_about_half_of_the_time() {
    let root = Root::new();
    let sim = start(&root, "binance", &["throttle=1", "retry-after=7s"]);
    let waits: Vec<Option<String>> = (0..20)
        .map(|_| {
            let answer = get(&sim.address, KLINES).unwrap();
            assert_eq!((answer.status, &answer.json()["code"]), (429, &Value::from(-1003)));
            answer.header("retry-after").map(str::to_owned)
        })
        .collect();
    let told = waits.iter().filter(|wait| wait.as_deref() == Some("7")).count();
    let untold = waits.iter().filter(|wait| wait.is_none()).count();
    assert!(told > 0 && untold > 0 && told + untold == 20, "{waits:?}");
    sim.stop().ok();
    let sim = start(&root, "kraken", &["throttle=1"]);
    let answer = get(&sim.address, "/0/public/Time").unwrap();
    assert_eq!(answer.status, 200);
    let error = answer.json()["error"][0].as_str().unwrap().to_owned();
    let known = ["EAPI:Rate limit exceeded", "EGeneral:Too many requests"];
    assert!(known.contains(&error.as_str()), "{error}");
    sim.stop().ok();
}

#[test]
fn slow_answers_wrong_dates_and_disorder_are_seen_on_the_wire() {
    let root = Root::new();
    let sim = start(&root, "binance", &["latency=1", "latency-max=200ms"]);
    let watch = Stopwatch::start();
    for _ in 0..10 {
        assert_eq!(get(&sim.address, KLINES).unwrap().status, 200);
    }
    assert!(watch.elapsed() > Duration::from_millis(300), "ten times up to 200 ms");
    sim.stop().ok();
    for (skew_ms, faults) in
        [(0, &["wrong-date=0"][..]), (3_600_000, &["wrong-date=1", "date-skew=1h"])]
    {
        let sim = start(&root, "binance", faults);
        let answer = get(&sim.address, "/api/v3/time").unwrap();
        let now_ms = answer.json()["serverTime"].as_i64().unwrap();
        let date = UtcMs::new(now_ms + skew_ms).unwrap().format("%a, %d %b %Y %H:%M:%S GMT");
        assert_eq!(answer.header("date"), Some(date.as_str()));
        assert!((FROM_MS..FROM_MS + 60_000).contains(&now_ms));
        assert_eq!(answer.header("x-mbx-used-weight-1m"), Some("1"));
        let answer = get(&sim.address, KLINES).unwrap();
        assert_eq!(answer.header("x-mbx-used-weight-1m"), Some("3"), "in the same minute");
        sim.stop().ok();
    }
    for (fault, rows_found) in [("duplicate=1", 501), ("reorder=1", 500)] {
        let sim = start(&root, "binance", &[fault]);
        let opens: Vec<i64> =
            rows(&sim, KLINES).iter().map(|row| row[0].as_i64().unwrap()).collect();
        assert_eq!((opens.len(), opens.is_sorted_by(|a, b| a < b)), (rows_found, false), "{fault}");
        sim.stop().ok();
    }
}

#[test]
fn holes_are_the_same_in_every_answer_and_at_every_start() {
    let root = Root::new();
    let url = format!("{KLINES}&startTime={}", open_slot().plus(-200).open_ms());
    let seen = || {
        let sim = start(&root, "binance", &["holes=0.1", "revise=0.1"]);
        let (whole, again) = (rows(&sim, &url), rows(&sim, &url));
        let part = rows(&sim, &format!("{url}&limit=50"));
        sim.stop().ok();
        assert_eq!(whole[..50], part);
        assert_eq!(whole, again);
        whole
    };
    let whole = seen();
    assert!((150..195).contains(&whole.len()), "{}", whole.len());
    assert_eq!(whole, seen());
}

#[test]
fn a_recording_is_served_as_it_is() {
    let root = Root::new();
    let mut bars = expected(open_slot().plus(-20), 22);
    bars.remove(5);
    root.write("bars.csv", &csv(&bars));
    let words = format!("-p protocol=binance source=bars.csv from={FROM}");
    let sim = Sim::start(&root, &words);
    let found: Vec<i64> = rows(&sim, KLINES).iter().map(|row| row[0].as_i64().unwrap()).collect();
    let opened = bars.iter().map(|bar| bar.ts.open_ms()).filter(|open_ms| *open_ms <= FROM_MS);
    assert_eq!(found, opened.collect::<Vec<_>>());
    sim.stop().ok();
    let late = "run exchange-sim -p source=bars.csv from=2024-02-01T00:00:00Z";
    root.run(late).code(4).says(&["bars.csv: no bar of", "choose a time inside the recording"]);
    root.run("run exchange-sim -p source=none.csv from=2024-02-01T00:00:00Z").code(4);
}

#[test]
fn it_leaves_at_once_when_told_to_whoever_is_connected() {
    let root = Root::new();
    let sim = start(&root, "binance", &["timeout=1"]);
    let idle = TcpStream::connect(&sim.address).unwrap();
    let mut waiting = TcpStream::connect(&sim.address).unwrap();
    waiting.write_all(b"GET /api/v3/ping HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let watch = Stopwatch::start();
    sim.stop().ok();
    assert!(watch.elapsed() < Duration::from_mins(1), "{:?}", watch.elapsed());
    drop((idle, waiting));
}

#[test]
fn it_leaves_by_itself_at_its_end_and_says_where_it_listens() {
    let root = Root::new();
    let words = format!("-p from={FROM} to=2024-01-05T01:00:00Z speed=600x");
    let sim = Sim::start(&root, &words);
    let address = sim.address.clone();
    assert_eq!(root.read(FILE), format!("{address}\n"));
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    let ran = sim.end().ok().prints(&["0 requests until 2024-01-05T01:0"]);
    assert!(!root.at(FILE).exists(), "nobody listens there any more");
    ran.says(&[&format!("exchange-sim binance BTC/USD 5m from {FROM} on http://{address}")]);
}

#[test]
fn an_address_that_is_taken_or_open_to_others_is_said() {
    let root = Root::new();
    let sim = start(&root, "binance", &[]);
    let second = format!("run exchange-sim -p from={FROM} listen={}", sim.address);
    root.run(&second)
        .code(75)
        .says(&[&format!("listen on {}", sim.address), "let port 0 take a free one"]);
    let bad = format!("run exchange-sim -p from={FROM} listen=127.0.0.1:99999");
    root.run(&bad).code(78).says(&["is not an address with a port"]);
    sim.stop().ok();
    let open = Sim::start(&root, &format!("-p from={FROM} listen=0.0.0.0:0"));
    open.stop().warns(&["others may reach the simulator"]);
    let no_bars = format!("run exchange-sim -p from={FROM} protocol=coinbase timeframe=3m");
    root.run(&no_bars).code(78).says(&["coinbase has no bars of 3m"]);
}

#[test]
fn requests_are_bounded() {
    let root = Root::new();
    let sim = start(&root, "binance", &[]);
    let patience = Duration::from_mins(1);
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(20_000));
    let wide = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "x".repeat(20_000));
    for request in [long, wide] {
        // It may close before it has read all: then the refusal itself can be lost.
        if let Ok(answer) = send(&sim.address, &request, patience) {
            assert!([414, 431].contains(&answer.status), "{answer:?}");
        }
    }
    let post =
        "POST /api/v3/ping HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(send(&sim.address, post, patience).unwrap().status, 405);
    // One connection too many waits until another one is over.
    let crowd: Vec<TcpStream> =
        (0..64).map(|_| TcpStream::connect(&sim.address).unwrap()).collect();
    let refused = get_within(&sim.address, "/api/v3/ping", Duration::from_millis(300));
    assert!(refused.is_err(), "{refused:?}");
    drop(crowd);
    assert_eq!(get(&sim.address, "/api/v3/ping").unwrap().status, 200);
    sim.stop().ok();
}

/// Asks simulators one after another through ccxt: of each the rows of a page, or the class of the error it makes of the answer.
fn ccxt(root: &Root, python: &str, (venue, since_ms): (&str, i64), sims: &[&Sim]) -> Vec<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ccxt/read.py");
    let urls: Vec<String> = sims.iter().map(|sim| format!("http://{}", sim.address)).collect();
    let line =
        format!("'{python}' '{}' {venue} {since_ms} 200 {}", script.display(), urls.join(" "));
    let ran = root.shell(&line).code(0);
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran}"))
}

#[test]
fn ccxt_reads_the_market_and_the_errors_of_each_venue() {
    let Some(python) = skip::python("ccxt") else { return };
    let python = python.as_str();
    let root = Root::new();
    let since = open_slot().plus(-150);
    for (venue, protocol, unknown, throttled, broken) in [
        ("binance", "binance", "BadSymbol", "DDoSProtection", "RequestTimeout"),
        ("kraken", "kraken", "ExchangeError", "DDoSProtection", "ExchangeNotAvailable"),
        (
            "coinbaseexchange",
            "coinbase",
            "OrderNotFound",
            "RateLimitExceeded",
            "ExchangeNotAvailable",
        ),
    ] {
        let faults = [
            ("throttle=1", throttled),
            ("server-error=1", broken),
            ("reset=1", "NetworkError"),
            ("truncate=1", "NetworkError"),
        ];
        let faulty = faults.map(|(fault, _)| start(&root, protocol, &[fault]));
        // Started last and asked first, so that little time has passed in it.
        let sim = start(&root, protocol, &[]);
        let sims: Vec<&Sim> = std::iter::once(&sim).chain(&faulty).collect();
        let answers = ccxt(&root, python, (venue, since.open_ms()), &sims);
        let read = &answers[0];
        let row = |row: &Value| {
            timed(row[0].as_i64().unwrap(), [&row[1], &row[2], &row[3], &row[4], &row[5]])
        };
        let mut bars: Vec<TimedBar> = read["rows"].as_array().unwrap().iter().map(row).collect();
        assert_eq!(bars.pop().map(|open| open.ts), Some(open_slot()), "{venue}");
        let omits = protocol == "coinbase";
        let closed = expected(since, 150).into_iter().filter(|bar| !omits || is_traded(bar));
        assert_eq!(bars, closed.collect::<Vec<_>>(), "{venue}");
        assert_eq!(read["unknown"], unknown, "{venue}");
        let now_ms = read["time"].as_i64().unwrap();
        assert!((FROM_MS..FROM_MS + 60_000).contains(&now_ms), "{venue} {now_ms}");
        for ((fault, class), error) in faults.iter().zip(&answers[1..]) {
            assert_eq!(error["error"], *class, "{venue} {fault} {error}");
        }
        for sim in faulty.into_iter().chain([sim]) {
            sim.stop().ok();
        }
    }
}
