//! What happens in ledgers, told to real receivers: once each, whatever happens to the service, and never as a flood.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use mjolnir::{
    clock::{Clock as _, SystemClock, nap},
    manifest::{Manifest, RunFacts, Source, Sources, TextError, resolve},
    serve::notice::{LedgerNotifier, WatchedLedger},
    store::{rows::trades::TRADES_HEADER, runs::NoticePlace},
};
use serde_json::Value;

use super::fixture::{BUILD, LONG, at, store};
use crate::{
    e2e::fixture::{live, trades},
    serve::fixture::{job, serve, until, until_up},
    support::{
        http::{Asked, Reply, Server},
        runner::{Root, Running},
    },
};

const PLACE: &str = "live/paper/demo/BTC_USD/5m/trades";

/// A root with the shipped live job, and one with a schedule that never comes.
pub fn root() -> Root {
    let root = Root::new();
    for name in root.list("jobs").iter().filter(|name| *name != "live.toml") {
        root.remove(&format!("jobs/{name}"));
    }
    root.write("jobs/j.toml", &job("j", "true", "[[schedule]]\ncron = \"0 0 29 2 *\""));
    root
}

fn service(root: &Root, server: &Server) -> Running {
    let call = serve(root, "").env("DATA_TAG", "paper").env("CCXT_EXCHANGE", "demo");
    call.env("MJOLNIR_NOTIFY_URL", &server.url()).start()
}

fn bodies(asked: &[Asked]) -> Vec<Value> {
    asked.iter().map(|asked| serde_json::from_str(&asked.body).unwrap()).collect()
}

/// The events of a message, by their names.
fn events(body: &Value) -> Vec<String> {
    let name = |value: &Value| value["id"].as_str().unwrap().to_owned();
    match body["events"].as_array() {
        Some(many) => many.iter().map(name).collect(),
        None => vec![name(body)],
    }
}

/// The events that a trades ledger holds, by their names.
fn in_ledger(root: &Root) -> BTreeSet<String> {
    let text = root.read(&trades("paper"));
    let name = |row: &str| {
        let cells: Vec<&str> = row.split(',').collect();
        format!("paper/demo/BTC_USD/5m/{}/{}", cells[4], cells[5])
    };
    text.lines().skip(1).map(name).collect()
}

fn told(server: &Server) -> BTreeSet<String> {
    let all = bodies(&server.asked());
    let own = |name: &String| name.ends_with("/open") || name.ends_with("/close");
    all.iter().flat_map(events).filter(own).collect()
}

#[test]
fn each_event_of_a_ledger_is_told_once_whenever_the_service_dies() {
    let root = root();
    // Slow, so that a death can come while a message is on its way.
    let server = Server::start(|_, _| {
        nap(Duration::from_millis(300));
        Reply::new("200 OK", "ok")
    });
    let first = service(&root, &server);
    until("it looks at the ledger", || {
        root.at("data/runs/runs.sqlite").exists()
            && store(&root).notice_place(PLACE).is_ok_and(|place| place.is_some())
    });
    first.signal("KILL");
    first.end();
    let (mut seed, mut deaths) = (7_u64, 0);
    for day in [3, 6, 9, 12, 15, 18] {
        let before = server.asked().len();
        let running = service(&root, &server);
        until_up(&root, &running);
        live(&root, "paper", &format!("2024-01-{day:02}T00:00:00Z")).run().ok();
        if day % 2 == 0 && in_ledger(&root).len() > told(&server).len() {
            // While a message is on its way.
            server.await_asked(before + 1);
            deaths += 1;
        } else {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            nap(Duration::from_millis((seed >> 33) % 8_000));
        }
        running.signal("KILL");
        running.end();
    }
    assert!(deaths > 0);
    let last = service(&root, &server);
    until_up(&root, &last);
    let expected = in_ledger(&root);
    assert!(expected.len() > 20, "{expected:?}");
    until("everything is told", || told(&server) == expected);
    last.signal("TERM");
    last.end().code(0);

    let mut by_message: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for body in bodies(&server.asked()) {
        by_message.entry(body["id"].as_str().unwrap().to_owned()).or_default().push(body);
    }
    let mut message_of: BTreeMap<String, String> = BTreeMap::new();
    for (id, copies) in &by_message {
        let firsts = copies.iter().filter(|copy| copy["again"] == false).count();
        assert!(firsts <= 1, "{id} went out twice and does not say so");
        for event in copies.iter().flat_map(events).collect::<BTreeSet<_>>() {
            let other = message_of.insert(event.clone(), id.clone());
            assert_eq!(other, None, "{event} is in two messages");
        }
    }
    let told: BTreeSet<String> =
        message_of.into_keys().filter(|id| expected.contains(id)).collect();
    assert_eq!(told, expected);
    let many = by_message.values().any(|copies| copies[0]["event"] == "digest");
    assert!(many && by_message.len() < expected.len(), "a catch-up is a digest");
}

/// The healthcheck of the ledger `paper` with these lines at its end.
fn watching(lines: &str) -> Manifest {
    let text = format!(
        "manifest = 1\nname = 'health'\nkind = 'healthcheck'\n[market]\nexchange = 'demo'\nsymbol = 'BTC/USD'\n\
         timeframe = '5m'\n[healthcheck]\ntag = 'paper'\n{lines}\n"
    );
    let sources = Sources {
        job: Source { path: "jobs/health.toml".to_owned(), text },
        read: &mut |_| Err(TextError::NotAFile),
        is_inside: &|_| true,
        read_secret: &mut |_| Err(TextError::NotAFile),
        names: &Vec::new,
        profiles: &[],
        env: &BTreeMap::new(),
        params: &[],
        item: None,
        scheduled: &[],
        sets: &[],
        run: &RunFacts { id: "x".to_owned(), started: at(0) },
    };
    resolve(sources).unwrap_or_else(|problems| panic!("{problems:?}")).manifest
}

fn hooked(url: &str, more: &str) -> Manifest {
    watching(&format!(
        "[notify]\non = ['entry', 'exit', 'stop']\n{more}\n[notify.webhook]\nurl = '{url}'\ntimeout = '1m'"
    ))
}

/// A notifier that looked at the ledger once.
fn notifier(root: &Root, manifest: &Manifest) -> LedgerNotifier {
    let notifier = LedgerNotifier::start(root.path(), BUILD).unwrap();
    notifier.learn(vec![WatchedLedger::of(manifest).unwrap()]);
    let place = "health/paper/demo/BTC_USD/5m/trades";
    until("it looks", || store(root).notice_place(place).unwrap().is_some());
    notifier
}

/// A row of `trades.csv`, so many slots ago.
fn row(ago: i64, id: &str, event: &str, reason: &str) -> String {
    let now = SystemClock.now().get();
    let ts = now - now.rem_euclid(300_000) - ago * 300_000;
    format!("demo,BTC/USD,5m,{ts},{id},{event},long,43210.5,0.0123,0.53,-12.5,{reason},0\n")
}

#[test]
fn a_trade_of_now_is_told_at_once_with_all_that_matters() {
    let (root, server) = (Root::new(), Server::start(|_, _| Reply::new("200 OK", "ok")));
    let manifest = hooked(&server.url(), "");
    let notifier = notifier(&root, &manifest);
    let (open, close) = (row(1, "00a1", "open", "cross_up"), row(0, "00a1", "close", "stop_hit"));
    root.write(&trades("paper"), &format!("{TRADES_HEADER}\n{open}{close}"));
    server.await_asked(2);
    notifier.end(LONG);
    let all = bodies(&server.asked());
    let text = all[0]["text"].as_str().unwrap();
    assert!(text.starts_with("opened long 0.0123 BTC/USD at 43210.5 (cross_up)\n"), "{text}");
    assert!(text.contains("tag paper, demo BTC/USD 5m, "), "{text}");
    assert!(text.contains("\nnext: runner why --tag paper --at 20"), "{text}");
    let text = all[1]["text"].as_str().unwrap();
    assert!(
        text.starts_with("stopped out of long 0.0123 BTC/USD at 43210.5 (stop_hit), result -12.5")
    );
    for (key, value) in [
        ("schema", "mjolnir.ledger-notice/1"),
        ("event", "stop"),
        ("tag", "paper"),
        ("symbol", "BTC/USD"),
        ("side", "long"),
        ("price", "43210.5"),
        ("size", "0.0123"),
        ("pnl", "-12.5"),
        ("reason", "stop_hit"),
        ("id", "paper/demo/BTC_USD/5m/00a1/close"),
    ] {
        assert_eq!(all[1][key], value, "{key}");
    }
    assert_eq!(all[1]["again"], false);
}

#[test]
fn an_outage_of_the_receiver_and_many_trades_become_one_digest() {
    let (root, server) = (
        Root::new(),
        Server::start(|n, _| {
            if n < 3 { Reply::new("503 Later", "no") } else { Reply::new("200 OK", "ok") }
        }),
    );
    let manifest = hooked(&server.url(), "");
    let notifier = notifier(&root, &manifest);
    let mut text = format!("{TRADES_HEADER}\n{}", row(0, "0000", "open", "cross_up"));
    root.write(&trades("paper"), &text);
    server.await_asked(3);
    for n in 1..=300 {
        let event = if n % 2 == 1 { "close" } else { "open" };
        text += &row(0, &format!("{:04x}", n / 2), event, "target_hit");
    }
    root.write(&trades("paper"), &text);
    server.await_asked(5);
    notifier.end(LONG);
    let all = bodies(&server.asked());
    assert_eq!(all.len(), 5, "three tries, the first one, and the rest");
    assert_eq!((&all[3]["event"], &all[3]["again"]), (&"entry".into(), &false.into()));
    assert_eq!(all[4]["event"], "digest");
    assert_eq!(events(&all[4]).len(), 300);
    assert_eq!((&all[4]["counts"]["entry"], &all[4]["counts"]["exit"]), (&150.into(), &150.into()));
    assert_eq!(all[4]["result"], "-3750.0");
    let text = all[4]["text"].as_str().unwrap();
    assert!(
        text.contains("and 280 more\nnext: runner run jobs/report.toml -p tag=paper"),
        "{text}"
    );
}

#[test]
fn an_hour_has_its_bound_also_behind_a_restart() {
    let (root, server) = (Root::new(), Server::start(|_, _| Reply::new("200 OK", "ok")));
    let manifest = hooked(&server.url(), "most-per-hour = 2");
    let mut text = format!("{TRADES_HEADER}\n");
    let first = notifier(&root, &manifest);
    for n in 0..2 {
        text += &row(0, &format!("{n:04x}"), "open", "x");
        root.write(&trades("paper"), &text);
        server.await_asked(n + 1);
    }
    first.end(LONG);
    text += &row(0, "0009", "open", "x");
    root.write(&trades("paper"), &text);
    notifier(&root, &manifest).end(LONG);
    let waiting = store(&root).waiting_notices("health", "webhook").unwrap();
    assert_eq!((server.asked().len(), waiting.len()), (2, 1), "the third one waits for its hour");
}

#[test]
fn the_day_is_summed_up_once_also_by_a_service_that_was_away() {
    let (root, server) = (root(), Server::start(|_, _| Reply::new("200 OK", "ok")));
    live(&root, "paper", "2024-01-02T12:00:00Z").run().ok();
    let ago = SystemClock.now().plus_ms(-40 * 3_600_000).get();
    let place = NoticePlace { offset: 0, ts_ms: ago, mark: String::new(), word: String::new() };
    let now = SystemClock.now();
    store(&root).note(&[], ("live/paper/demo/BTC_USD/5m/daily", &place), now).unwrap();
    let running = service(&root, &server);
    server.await_asked(1);
    until_up(&root, &running);
    running.signal("TERM");
    running.end().code(0);
    let again = service(&root, &server);
    until_up(&root, &again);
    again.signal("TERM");
    again.end().code(0);
    let all = bodies(&server.asked());
    assert_eq!(all.len(), 1, "{all:?}");
    let day = &all[0];
    assert_eq!(
        (&day["event"], &day["rows"], &day["proof"]),
        (&"daily".into(), &288.into(), &Value::Null)
    );
    let awk = |program: &str, file: String| {
        let ran = root.shell(&format!("awk -F, '{program}' {file}")).code(0);
        ran.stdout.trim().to_owned()
    };
    let from = 1_704_110_400_000_i64;
    let decisions = crate::e2e::fixture::decisions("paper");
    let opened =
        awk(&format!("$4>{from} && $6==\"open\" {{n++}} END {{print n+0}}"), trades("paper"));
    let skips =
        awk(&format!("$4>{from} && $5==\"skip\" {{n++}} END {{print n+0}}"), decisions.clone());
    let last = awk("END {print $13}", decisions);
    assert_eq!(day["opened"].to_string(), opened);
    let counted: u64 = day["skips"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert_eq!(counted.to_string(), skips);
    assert_eq!(day["equity"], last);
}
