//! `runner run fetch` against a server on loopback: what it asks, what it stores, and how every failure ends.

use std::time::Duration;

use mjolnir::{
    clock::{Clock as _, Stopwatch, SystemClock, nap},
    domain::{
        bar::TimedBar,
        ids::Exchange,
        series::Series,
        time::{SlotTs, Timeframe, Window},
    },
    exchange::feed,
    store::{disk::RealDisk, layout::Layout, raw::RawStore},
};

use crate::support::{
    http::{Asked, Reply, Server},
    ran::Ran,
    runner::{Call, Root},
};

/// Nobody listens there, and no test is given that port.
const NOBODY: &str = "http://127.0.0.1:1";

fn slot(n: i64) -> SlotTs {
    Timeframe::M5.slot(1_704_067_500_000).unwrap().plus(n)
}

/// Fetches the slots `0 ..= last`.
pub fn fetch<'a>(root: &'a Root, url: &str, last: i64) -> Call<'a> {
    let (from, to) = (slot(0).close(), slot(last).close());
    root.call(&format!("run fetch -p exchange=binance symbol=BTC/USDT base-url={url} timeout=2m from={from} to={to}"))
}

/// Fetches a few slots from a server that answers every request alike.
fn answered(reply: Reply, attempts: u32) -> (Ran, usize) {
    answered_within("2m", reply, attempts)
}

/// The same with a limit for each request.
fn answered_within(timeout: &str, reply: Reply, attempts: u32) -> (Ran, usize) {
    let (root, server) = (Root::new(), Server::start(move |_, _| reply.clone()));
    let ran = fetch(&root, &server.url(), 20).arg(&format!("timeout={timeout}"));
    let ran = ran.arg(&format!("attempts={attempts}")).run();
    (ran, server.asked().len())
}

fn stored(root: &Root) -> Vec<TimedBar> {
    let layout = Layout::new(root.path());
    let disk = RealDisk::new(layout.data());
    let exchange: Exchange = "binance".parse().unwrap();
    let series = Series::new(exchange, "BTC/USDT".parse().unwrap(), Timeframe::M5);
    RawStore::new(&layout, &disk, &series).load_all().unwrap()
}

/// The store holds exactly these bars. What differs is told by its slots, not bar by bar.
#[track_caller]
fn holds(root: &Root, bars: &[TimedBar]) {
    let stored = stored(root);
    let differing = stored.iter().zip(bars).find(|(stored, bar)| stored != bar);
    assert!(stored == bars, "{} bars, not {}: {differing:?}", stored.len(), bars.len());
}

fn made(first: i64, last: i64) -> Vec<TimedBar> {
    feed::seeded_bars(7, Window::new(slot(first), slot(last)).unwrap())
}

/// Number of the first and the last slot of each request.
fn pages(server: &Server) -> Vec<(i64, i64)> {
    let number = |open_ms| Timeframe::M5.slot_of_open(open_ms).unwrap().since(slot(0));
    let ends = |asked: &Asked| (number(asked.opens().0), number(asked.opens().1));
    server.asked().iter().map(ends).collect()
}

#[test]
fn pages_come_newest_first_an_empty_one_is_no_end_and_only_the_missing_is_asked_again() {
    let server =
        Server::start(
            |n, asked| {
                if [1, 2].contains(&n) { Reply::klines(&[]) } else { Reply::made_up(asked) }
            },
        );
    let root = Root::new();
    fetch(&root, &server.url(), 2_500).run().code(3).prints(&["missing: 1000 slots from"]);
    // A page that lacks something is asked once more for that: the empty one, and the holes of the made-up market, 201 and 1136.
    let asked = [(1_502, 2_501), (502, 1_501), (502, 1_501), (0, 501), (201, 201)];
    assert_eq!(pages(&server), asked);
    holds(&root, &[made(0, 501), made(1_502, 2_500)].concat());
    let all = made(0, 2_500);
    let again = fetch(&root, &server.url(), 2_500).arg("--json").run().code(3);
    let out = &again.json()["out"];
    holds(&root, &all);
    let filled = made(502, 1_501).len().to_string();
    for (key, count) in [
        ("written", filled.clone()),
        ("filled", filled),
        ("replaced", "0".to_owned()),
        ("missing_no_bar", (2_501 - all.len()).to_string()),
        ("missing_unproven", "0".to_owned()),
    ] {
        assert_eq!(out[key], *count, "{key}: {out}");
    }
    // The empty page, and the oldest hole: the venue may have filled it meanwhile. Where it is, the second answer ended early.
    let asked = [(503, 1_502), (1_136, 1_136), (201, 502), (201, 201), (201, 201)];
    assert_eq!(pages(&server)[5..], asked);
    let accepted = fetch(&root, &server.url(), 2_500).arg("accept-holes=true").run().ok();
    accepted.prints(&["missing no bar                  2"]);
}

#[test]
fn after_a_kill_the_pages_that_came_are_there_and_the_others_are_asked_for() {
    let server =
        Server::start(|n, asked| if n == 2 { Reply::hang() } else { Reply::made_up(asked) });
    let root = Root::new();
    let run = fetch(&root, &server.url(), 2_500).start();
    server.await_asked(3);
    run.signal("KILL");
    run.end().code(137);
    holds(&root, &made(502, 2_500));
    fetch(&root, &server.url(), 2_500).run().code(3);
    holds(&root, &made(0, 2_500));
    // The made-up market has holes too, the newest one at 1136, about which it was being asked: they share a page with what is missing.
    assert_eq!(pages(&server)[3..], [(138, 1_137), (201, 1_137), (0, 137)]);
}

#[test]
fn an_answer_that_ends_early_is_gone_on_with_behind_its_last_row() {
    // It shows 300 rows at most, whatever is asked for.
    let server = Server::start(|_, asked| {
        let bars = Reply::made_up_bars(asked);
        Reply::klines(&bars[..bars.len().min(300)])
    });
    let root = Root::new();
    let ran = fetch(&root, &server.url(), 900).arg("accept-holes=true").run().ok();
    ran.prints(&["missing no bar                  1", "missing unproven                0"]);
    holds(&root, &made(0, 900));
    // The last row of an answer is proved by the next one. In the end the hole at 201 is asked for.
    assert_eq!(pages(&server), [(0, 999), (300, 999), (599, 999), (898, 999), (201, 201)]);
}

#[test]
fn a_venue_that_has_nothing_of_the_window_ends_it_with_4() {
    let server = Server::start(|_, _| Reply::klines(&[]));
    let root = Root::new();
    fetch(&root, &server.url(), 20).run().code(4).prints(&["missing no bar                 21"]);
    assert_eq!(pages(&server), [(0, 999), (0, 999)]);
}

/// The box is two hours ahead of the venue: what is not over there is not missing.
#[test]
fn without_an_end_the_window_ends_by_the_clock_of_the_venue() {
    for apart_ms in [-7_200_000_i64, 7_200_000] {
        let box_ = SystemClock.now();
        // In the middle of a slot.
        let over = Timeframe::M5.last_closed(box_.plus_ms(apart_ms)).unwrap();
        let there = over.close().plus_ms(150_000);
        let date = there.format("%a, %d %b %Y %H:%M:%S GMT");
        let server = Server::start(move |_, asked| {
            let (first, last) = asked.opens();
            let slot = |open_ms| Timeframe::M5.slot_of_open(open_ms).unwrap();
            let bar = made(0, 0)[0].bar;
            let all = Window::new(slot(first), slot(last)).unwrap();
            let shown = all.iter().filter(|ts| *ts <= over.next());
            let bars: Vec<TimedBar> = shown.map(|ts| TimedBar { ts, bar }).collect();
            Reply::klines(&bars).header("Date", &date)
        });
        let root = Root::new();
        let from = over.plus(-11).close();
        let words = "run fetch -p exchange=binance symbol=BTC/USDT";
        let ran = root.run(&format!("{words} base-url={} from={from}", server.url()));
        let side = if apart_ms < 0 { "ahead of" } else { "behind" };
        ran.warns(&[side])
            .prints(&["written                        12", "missing no bar                  0"]);
        assert_eq!(stored(&root).last().unwrap().ts, over, "{side}");
    }
}

#[test]
fn force_asks_for_everything_and_keeps_what_it_replaces() {
    let revised = |asked: &Asked| {
        let mut bars = made(0, 21);
        bars[3].bar = bars[4].bar;
        bars.retain(|bar| (asked.opens().0..=asked.opens().1).contains(&bar.ts.open_ms()));
        Reply::klines(&bars)
    };
    let server =
        Server::start(move |n, asked| if n == 0 { Reply::made_up(asked) } else { revised(asked) });
    let root = Root::new();
    fetch(&root, &server.url(), 20).run().ok();
    fetch(&root, &server.url(), 20).run().ok().prints(&["already there                  21"]);
    assert_eq!(server.asked().len(), 1, "all of it is there");
    let forced = fetch(&root, &server.url(), 20).arg("force=true").run().ok();
    forced.prints(&["replaced                        1", "already there                  20"]);
    assert_eq!(server.asked().len(), 2);
    assert_eq!(stored(&root)[3].bar, made(0, 20)[4].bar);
    assert_eq!(root.rows("data/raw/binance/BTC_USDT/5m/revisions.csv"), 1);
}

#[test]
fn c2_the_bar_that_may_be_forming_is_not_stored() {
    let now = SystemClock.now();
    let forming = Timeframe::M5.last_closed(now).unwrap().next();
    let server = Server::start(|_, asked| Reply::made_up(asked));
    let root = Root::new();
    let from = forming.plus(-12).close();
    // A hole of the made-up market may be among them.
    let words = "run fetch -p exchange=binance symbol=BTC/USDT accept-holes=true";
    root.run(&format!("{words} base-url={} from={from}", server.url())).ok();
    let asked = server.asked().iter().map(|asked| asked.opens().1).max().unwrap();
    assert!(asked >= forming.open_ms(), "the forming bar is asked for");
    let newest = stored(&root).last().unwrap().ts;
    assert!(newest.open_ms() < asked, "{newest} is not the newest that was shown");
    // A venue that lags behind shows no later bar: its newest one proves the others and is not stored.
    let lagging = Server::start(|_, _| Reply::klines(&made(0, 18)));
    let root = Root::new();
    let ran = fetch(&root, &lagging.url(), 20).run().code(3);
    ran.prints(&["missing: 1 slots from", "the newest bar of the venue, perhaps still forming"]);
    holds(&root, &made(0, 17));
}

/// Slot 400 of the made-up bars is off the grid, as after a restart of the venue, and slot 1300 is impossible.
fn with_bad_rows(asked: &Asked) -> Reply {
    let mut rows = Reply::rows_of(&Reply::made_up_bars(asked));
    for row in &mut rows {
        let open_ms: i64 = row[1..].split(',').next().unwrap().parse().unwrap();
        if open_ms == slot(400).open_ms() {
            *row = row.replacen(&open_ms.to_string(), &(open_ms + 14_838).to_string(), 1);
        }
        if open_ms == slot(1_300).open_ms() {
            let fields: Vec<&str> = row.split(',').collect();
            *row = [&fields[..2], &["\"0.5\""], &fields[3..]].concat().join(",");
        }
    }
    Reply::of_rows(&rows)
}

#[test]
fn rows_that_are_not_bars_are_left_out_and_named_and_everything_else_is_stored() {
    let server = Server::start(|_, asked| with_bad_rows(asked));
    let root = Root::new();
    let ran = fetch(&root, &server.url(), 2_500).run().code(3);
    ran.prints(&[
        "left out: page from 17",
        "off the grid of 5m: it opens at 2024-01-02T09:20:14.838Z",
        "the high is below another price of the bar",
        "missing: 1 slots from 1704187500000 (2024-01-02T09:25:00Z) on: the venue's row is not a bar",
        "rows left out                   2",
        "missing bad row                 2",
    ]);
    let mut bars = made(0, 2_500);
    bars.retain(|bar| ![slot(400), slot(1_300)].contains(&bar.ts));
    holds(&root, &bars);
    // It is not stuck on them, and what the venue mends later comes in.
    fetch(&root, &server.url(), 2_500).run().code(3).prints(&["rows left out                   2"]);
    let mended = Server::start(|_, asked| Reply::made_up(asked));
    fetch(&root, &mended.url(), 2_500).arg("accept-holes=true").run().ok();
    holds(&root, &made(0, 2_500));
}

#[test]
fn a_row_that_is_right_when_asked_again_is_not_left_out() {
    let server =
        Server::start(|n, asked| if n == 0 { with_bad_rows(asked) } else { Reply::made_up(asked) });
    let root = Root::new();
    fetch(&root, &server.url(), 900).arg("accept-holes=true").run().ok();
    // The last one is for the hole of the made-up market.
    assert_eq!(server.asked().len(), 3);
    holds(&root, &made(0, 900));
}

#[test]
fn a_pause_is_honoured_and_a_ban_ends_it() {
    let root = Root::new();
    let server = Server::start(|n, asked| match n {
        0 => Reply::new("429 Too Many Requests", "").header("Retry-After", "1"),
        _ => Reply::made_up(asked),
    });
    fetch(&root, &server.url(), 20).run().warns(&["HTTP 429"]);
    let asked = server.asked();
    let pause_ms = asked[1].at.get() - asked[0].at.get();
    assert!((1_000..30_000).contains(&pause_ms), "{pause_ms} ms");
    let teapot = Reply::new("418 I'm a teapot", "").header("Retry-After", "120");
    let (ran, asked) = answered(teapot, 5);
    assert_eq!(asked, 1, "a ban is not answered with another request");
    ran.code(69).prints(&["HTTP 418", "it wants to be left alone for another 1", "not answered"]);
}

#[test]
fn what_passes_is_asked_again_and_the_rest_ends_with_its_reason() {
    let server = Server::start(|n, asked| match n {
        0 => Reply::new("502 Bad Gateway", "<html>"),
        _ => Reply::made_up(asked).gzip(),
    });
    let root = Root::new();
    fetch(&root, &server.url(), 20).run().warns(&["HTTP 502"]);
    holds(&root, &made(0, 20));
    let large = vec![b' '; 9 << 20];
    for (reply, word) in [
        (Reply::new("500 Internal Server Error", "oops"), "HTTP 500: `oops`"),
        (Reply::new("200 OK", "<html>hello</html>"), "not JSON"),
        (Reply::klines(&made(0, 20)).cut_short(), "the answer broke off"),
        (Reply::hang(), "no answer in time: the limit is 400ms"),
        (Reply::new("200 OK", large.clone()), "the answer is too large"),
        (Reply::new("200 OK", large).gzip(), "the answer is too large"),
    ] {
        let timeout = if word.contains("400ms") { "400ms" } else { "2m" };
        let (ran, asked) = answered_within(timeout, reply, 1);
        assert_eq!(asked, 1, "{ran}");
        ran.code(69).prints(&[word, "/api/v3/klines?symbol=BTCUSDT", "missing not answered"]);
    }
}

#[test]
fn a_host_that_cannot_be_reached_says_why() {
    let plain = Server::start(|_, _| Reply::raw("HTTP/1.1 400 Bad Request\r\n\r\n"));
    let secure = plain.url().replace("http:", "https:");
    for (url, word) in [
        (NOBODY, "the connection was refused"),
        (&secure, "no secure connection"),
        ("http://no-such-host.invalid", "the host name has no address"),
    ] {
        let root = Root::new();
        let ran = fetch(&root, url, 20).arg("attempts=1").run().code(69);
        ran.prints(&[word]).says(&["ERROR", word]);
    }
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_refused_and_one_that_is_trusted_is_not() {
    let server = Server::secure(|_, asked| Reply::made_up(asked));
    let root = Root::new();
    let url = server.url();
    let ran = fetch(&root, &url, 20).arg("attempts=1").run().code(69);
    ran.prints(&["no secure connection: invalid peer certificate: UnknownIssuer"]);
    assert!(server.asked().is_empty(), "no request went out");
    let trusted = fetch(&root, &url, 20).env("SSL_CERT_FILE", Server::CERTIFICATE);
    trusted.run().ok();
    holds(&root, &made(0, 20));
}

#[test]
fn a_wrong_question_is_asked_once_and_ends_with_78() {
    let unknown = Reply::new("400 Bad Request", r#"{"code":-1121,"msg":"Invalid symbol."}"#);
    let (ran, asked) = answered(unknown, 5);
    assert_eq!(asked, 1);
    ran.code(78).says(&["-1121 Invalid symbol.", "symbol=BTCUSDT", "http://127.0.0.1:"]);
    let moved = Reply::new("302 Found", "").header("Location", "http://127.0.0.1:1/");
    let (ran, asked) = answered(moved, 5);
    assert_eq!(asked, 1);
    ran.code(69).prints(&["a redirect to `http://127.0.0.1:1/`, not followed"]);
    // Nor are these the words of the venue: a portal or a proxy speaks so.
    for status in ["401 Unauthorized", "404 Not Found"] {
        let (ran, asked) = answered(Reply::new(status, "<html>log in</html>"), 5);
        assert_eq!(asked, 1);
        ran.code(69).prints(&[status.split(' ').next().unwrap(), "<html>log in</html>"]);
    }
    let root = Root::new();
    let call = root.call("run fetch -p exchange=demo from=2024-01-01T00:00:00Z");
    call.run().code(78).says(&["`demo` is not a venue that can be asked", "binance"]);
    let server = Server::start(|_, _| Reply::klines(&[]));
    let words = "run fetch -p exchange=binance symbol=BTC/USDT from=2199-01-01T00:00:00Z";
    let call = root.call(&format!("{words} base-url={}", server.url())).run();
    call.code(4).says(&["no bar of 5m closes"]);
}

#[test]
fn a_password_in_a_base_url_is_refused_and_kept_nowhere() {
    let root = Root::new();
    let ran = fetch(&root, "https://me:hunter2@api.example.com", 20).run().code(78);
    assert!(!ran.stdout.contains("hunter2") && !ran.stderr.contains("hunter2"), "{ran}");
    let files = root.files("data");
    assert!(files.iter().all(|(_, text)| !text.contains("hunter2")), "{files:?}");
}

#[test]
fn proxies_are_used_as_the_environment_says() {
    let proxy = Server::start(|_, asked| {
        if asked.head.starts_with("CONNECT") {
            Reply::new("502 Bad Gateway", "")
        } else {
            Reply::made_up(asked)
        }
    });
    let root = Root::new();
    fetch(&root, "http://venue.invalid", 20).env("HTTP_PROXY", &proxy.url()).run().ok();
    let target = proxy.asked()[0].target.clone();
    assert!(target.starts_with("http://venue.invalid/api/v3/klines?symbol="), "{target}");
    holds(&root, &made(0, 20));
    let root = Root::new();
    let secure = fetch(&root, "https://venue.invalid", 20).arg("attempts=1");
    secure.env("HTTPS_PROXY", &proxy.url()).run().code(69).prints(&["cannot be reached"]);
    assert!(proxy.asked()[1].head.starts_with("CONNECT venue.invalid:443"), "{:?}", proxy.asked());
    let direct = fetch(&root, "http://venue.invalid", 20).arg("attempts=1");
    let direct = direct.env("HTTP_PROXY", &proxy.url()).env("NO_PROXY", "venue.invalid");
    direct.run().code(69).prints(&["the host name has no address"]);
    assert_eq!(proxy.asked().len(), 2, "NO_PROXY goes past it");
}

#[test]
fn a_store_that_cannot_be_written_is_an_io_error() {
    let server = Server::start(|_, asked| Reply::made_up(asked));
    let root = Root::new();
    root.write("data/raw/binance", "in the way");
    fetch(&root, &server.url(), 20).run().code(74).says(&["error: ", "data/raw/binance"]);
    assert_eq!((root.read("data/raw/binance").as_str(), server.asked().len()), ("in the way", 0));
}

#[test]
fn term_during_a_request_that_hangs_ends_it_at_once() {
    let server =
        Server::start(|n, asked| if n == 1 { Reply::hang() } else { Reply::made_up(asked) });
    let root = Root::new();
    let mut run = fetch(&root, &server.url(), 1_500).start();
    server.await_asked(2);
    let watch = Stopwatch::start();
    run.signal("TERM");
    // The request itself has two minutes.
    while !run.is_over() && watch.elapsed() < Duration::from_mins(1) {
        nap(Duration::from_millis(5));
    }
    assert!(watch.elapsed() < Duration::from_secs(20), "{:?}", watch.elapsed());
    run.end().code(143).prints(&["asked to stop", "missing not answered"]);
    holds(&root, &made(502, 1_500));
    assert!(root.run("history --json").ok().stdout.contains("asked to stop"));
}
