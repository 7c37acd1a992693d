//! A venue over the network, against a server on loopback: what is asked, how often, when, and what comes of every way to fail.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use mjolnir::{
    clock::{Clock as _, Stopwatch, VirtualClock},
    domain::{
        bar::Shown,
        time::{SlotTs, Steady, Timeframe, UtcMs, Window},
    },
    exchange::{
        client::ClientLimits,
        feed::{self, Feed as _, FeedError, Heard, Sleeper},
        remote::{RemoteFeed, VenueAccess},
        venue::{answer::FaultClass, registry::Venue},
    },
    manifest::Speed,
};

use crate::support::http::{Asked, Reply, Server};

/// Waiting takes no time; the test counts how long it would have been.
struct Patience {
    clock: VirtualClock,
    stopped: AtomicBool,
}

impl Patience {
    fn new(now: UtcMs) -> Self {
        Self { clock: VirtualClock::new(now, Speed::Max), stopped: AtomicBool::new(false) }
    }
}

impl Sleeper for Patience {
    fn now(&self) -> UtcMs {
        self.clock.now()
    }

    fn steady(&self) -> Steady {
        self.clock.steady()
    }

    fn wait_until(&self, until: Steady) -> bool {
        self.clock.sleep_until(until, &|| self.stopped());
        !self.stopped()
    }

    fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

fn slot(n: i64) -> SlotTs {
    Timeframe::M5.slot(1_700_000_100_000).unwrap().plus(n)
}

/// Only who never answers is given little time.
const ENOUGH: Duration = Duration::from_mins(2);
const LITTLE: Duration = Duration::from_millis(300);

fn feed<'w>(base_url: &str, attempts_max: u32, waits: &'w Patience) -> RemoteFeed<'w> {
    feed_within(ENOUGH, base_url, attempts_max, waits)
}

fn feed_within<'w>(
    time: Duration,
    base_url: &str,
    attempts_max: u32,
    waits: &'w Patience,
) -> RemoteFeed<'w> {
    let base_url = Some(base_url.parse().unwrap());
    let limits = ClientLimits { connect: time, total: time, body_bytes_max: 1 << 20 };
    let access = VenueAccess { base_url, limits, attempts_max, seed: 7 };
    RemoteFeed::new(Venue::Binance, "BTC/USDT".parse().unwrap(), &access, waits).unwrap()
}

/// One page of a server that answers every request alike, and how often it was asked.
fn asked_of(reply: Reply, attempts_max: u32) -> (Result<Shown, FeedError>, usize) {
    asked_within(ENOUGH, reply, attempts_max)
}

fn asked_within(
    time: Duration,
    reply: Reply,
    attempts_max: u32,
) -> (Result<Shown, FeedError>, usize) {
    let server = Server::start(move |_, _| reply.clone());
    let waits = Patience::new(slot(10).close());
    let page = Window::new(slot(0), slot(10)).unwrap();
    let bars = feed_within(time, &server.url(), attempts_max, &waits).page(page, waits.now());
    (bars, server.asked().len())
}

#[track_caller]
fn fails(reply: Reply, class: FaultClass, word: &str) {
    let retried =
        matches!(class, FaultClass::Transient | FaultClass::Throttled | FaultClass::Malformed);
    let time = if word.contains("300ms") { LITTLE } else { ENOUGH };
    let (bars, asked) = asked_within(time, reply, 2);
    let error = bars.unwrap_err();
    assert_eq!(error.class, class, "{error}");
    assert!(error.to_string().contains(word), "{error}");
    assert!(error.url.contains("/api/v3/klines?symbol=BTCUSDT&interval=5m"), "{error}");
    assert_eq!(asked, if retried { 2 } else { 1 }, "{error}");
}

#[test]
fn pages_are_joined_and_an_empty_one_is_not_the_end() {
    let server =
        Server::start(|n, asked| if n == 1 { Reply::klines(&[]) } else { Reply::made_up(asked) });
    let waits = Patience::new(slot(2_500).close().plus_ms(1_000));
    let mut feed = feed(&server.url(), 1, &waits);
    let Shown { bars, .. } = feed.fetch(slot(0), waits.now()).unwrap();
    let asked: Vec<_> = server.asked().iter().map(Asked::opens).collect();
    let page = |first, last| (slot(first).open_ms(), slot(last).open_ms());
    assert_eq!(asked, [page(2_000, 2_501), page(1_000, 1_999), page(0, 999)], "newest first");
    let made = |first, last| feed::seeded_bars(7, Window::new(slot(first), slot(last)).unwrap());
    let mut sorted = bars;
    sorted.sort_by_key(|bar| bar.ts);
    assert_eq!(sorted, [made(0, 999), made(2_000, 2_501)].concat(), "the forming bar is there");
    assert!(server.asked()[0].head.contains("user-agent: mjolnir/"), "{}", server.asked()[0].head);
}

#[test]
fn a_page_that_fails_fails_the_whole_fetch() {
    let server = Server::start(|n, asked| {
        if n == 1 { Reply::new("500 Internal Server Error", "oops") } else { Reply::made_up(asked) }
    });
    let waits = Patience::new(slot(2_500).close());
    let mut once = feed(&server.url(), 1, &waits);
    let error = once.fetch(slot(0), waits.now()).unwrap_err();
    assert_eq!((error.class, server.asked().len()), (FaultClass::Transient, 2), "{error}");
    let server = Server::start(|n, asked| {
        if n == 1 { Reply::new("500 Internal Server Error", "oops") } else { Reply::made_up(asked) }
    });
    let mut bars = feed(&server.url(), 2, &waits).fetch(slot(0), waits.now()).unwrap().bars;
    bars.sort_by_key(|bar| bar.ts);
    assert_eq!(bars, feed::seeded_bars(7, Window::new(slot(0), slot(2_501)).unwrap()));
    assert_eq!(server.asked().len(), 4, "the page that failed was asked again");
}

#[test]
fn what_passes_by_itself_is_asked_again_and_what_cannot_is_not() {
    let page = "<html>busy</html>";
    fails(Reply::new("503 Service Unavailable", page), FaultClass::Transient, "HTTP 503: `<html>");
    fails(Reply::new("200 OK", page), FaultClass::Malformed, "not JSON");
    fails(Reply::new("200 OK", "[[1,2"), FaultClass::Malformed, "not JSON");
    let unknown = r#"{"code":-1121,"msg":"Invalid symbol."}"#;
    fails(Reply::new("400 Bad Request", unknown), FaultClass::Config, "-1121 Invalid symbol.");
    let moved = Reply::new("301 Moved", "").header("Location", "http://127.0.0.1:1/elsewhere");
    fails(moved, FaultClass::Refused, "a redirect to `http://127.0.0.1:1/elsewhere`, not followed");
}

#[test]
fn every_way_to_break_is_named() {
    fails(Reply::klines(&[]).cut_short(), FaultClass::Transient, "the answer broke off");
    fails(Reply::raw("no HTTP at all\r\n\r\n"), FaultClass::Transient, "is not HTTP");
    fails(Reply::raw(""), FaultClass::Transient, "broke off");
    fails(Reply::hang(), FaultClass::Transient, "no answer in time: the limit is 300ms");
    let large = vec![b' '; (1 << 20) + 1];
    fails(Reply::new("200 OK", large.clone()), FaultClass::Malformed, "more than 1048576 bytes");
    fails(Reply::new("200 OK", large).gzip(), FaultClass::Malformed, "more than 1048576 bytes");
    let torn = Reply::new("200 OK", "no gzip").header("Content-Encoding", "gzip");
    fails(torn, FaultClass::Transient, "broke off");
    let waits = Patience::new(slot(10).close());
    let page = Window::new(slot(0), slot(10)).unwrap();
    let plain = Server::start(|_, _| Reply::raw("HTTP/1.1 400 Bad Request\r\n\r\n"));
    for (url, word) in [
        // Nobody listens there, and no test is given that port.
        ("http://127.0.0.1:1", "the connection was refused"),
        ("http://no-such-host.invalid", "the host name has no address"),
        (&plain.url().replace("http:", "https:"), "no secure connection"),
    ] {
        let error = feed(url, 1, &waits).page(page, waits.now()).unwrap_err();
        assert!(error.why.contains(word) && error.class == FaultClass::Transient, "{error}");
    }
}

#[test]
fn gzip_is_unpacked() {
    let bars = feed::seeded_bars(7, Window::new(slot(0), slot(10)).unwrap());
    let (got, asked) = asked_of(Reply::klines(&bars).gzip(), 1);
    assert_eq!((got.unwrap().bars, asked), (bars, 1));
}

#[test]
fn a_pause_is_kept_and_until_then_nothing_is_asked() {
    let server = Server::start(|n, asked| match n {
        0 => Reply::new("429 Too Many Requests", "").header("Retry-After", "7"),
        1 => Reply::made_up(asked),
        _ => Reply::new("418 I'm a teapot", "").header("Retry-After", "120"),
    });
    let start = slot(10).close();
    let waits = Patience::new(start);
    let page = Window::new(slot(0), slot(10)).unwrap();
    let mut patient = feed(&server.url(), 2, &waits);
    patient.page(page, waits.now()).unwrap();
    assert_eq!(waits.now(), start.plus_ms(7_000), "to the second, no jitter");
    let banned = patient.page(page, waits.now()).unwrap_err();
    assert_eq!((banned.class, banned.pause_ms), (FaultClass::Banned, Some(120_000)), "{banned}");
    let again = patient.page(page, waits.now()).unwrap_err();
    assert_eq!((again.class, again.pause_ms), (FaultClass::Banned, Some(120_000)), "{again}");
    assert!(again.why.contains("not asked: the venue wants a pause"), "{again}");
    assert_eq!(server.asked().len(), 3);
    waits.wait_until(waits.steady().plus_ms(120_000));
    patient.page(page, waits.now()).unwrap_err();
    assert_eq!(server.asked().len(), 4, "it is asked when the pause is over");
}

#[test]
fn a_pause_of_days_is_cut_to_a_quarter_of_an_hour() {
    for after in ["864000", "99999999999999", "Sat, 06 Nov 2094 08:49:37 GMT"] {
        let server = Server::start(move |_, _| {
            Reply::new("429 Too Many Requests", "").header("Retry-After", after)
        });
        let waits = Patience::new(slot(10).close());
        let page = Window::new(slot(0), slot(10)).unwrap();
        let error = feed(&server.url(), 2, &waits).page(page, waits.now()).unwrap_err();
        assert_eq!(
            (error.class, error.pause_ms),
            (FaultClass::Throttled, Some(900_000)),
            "{error}"
        );
    }
}

#[test]
fn a_request_that_hangs_is_given_up_when_told_to_stop() {
    let server = Server::start(|_, _| Reply::hang());
    let waits = Patience::new(slot(10).close());
    let access = VenueAccess {
        base_url: Some(server.url().parse().unwrap()),
        limits: ClientLimits::within(ENOUGH),
        attempts_max: 5,
        seed: 7,
    };
    let mut feed =
        RemoteFeed::new(Venue::Binance, "BTC/USDT".parse().unwrap(), &access, &waits).unwrap();
    std::thread::scope(|scope| {
        let told = scope.spawn(|| {
            server.await_asked(1);
            waits.stopped.store(true, Ordering::Relaxed);
            Stopwatch::start()
        });
        let page = Window::new(slot(0), slot(10)).unwrap();
        let error = feed.page(page, slot(10).close()).unwrap_err();
        assert!(error.why.contains("asked to stop"), "{error}");
        assert!(told.join().unwrap().elapsed() < Duration::from_secs(30), "long before its limit");
    });
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn the_time_of_the_venue_is_read_from_answers_with_bars_and_sure_after_three() {
    let server = Server::start(|n, asked| {
        let reply = if n == 0 { Reply::new("404 Not Found", "") } else { Reply::made_up(asked) };
        reply.header("Date", "Tue, 14 Nov 2023 23:00:00 GMT")
    });
    let there: UtcMs = "2023-11-14T23:00:00Z".parse().unwrap();
    let waits = Patience::new(there.plus_ms(-2_500));
    let mut feed = feed(&server.url(), 1, &waits);
    assert_eq!(feed.probe().unwrap(), there);
    let page = Window::new(slot(0), slot(5)).unwrap();
    assert_eq!(feed.heard(waits.steady()), None, "whatever answers without bars may be anybody");
    let at = there.plus_ms(500);
    for is_sure in [false, false, true] {
        feed.page(page, waits.now()).unwrap();
        assert_eq!(feed.heard(waits.steady()), Some(Heard { at, is_sure }));
    }
    let dateless = Server::start(|_, _| Reply::new("200 OK", ""));
    let error = self::feed(&dateless.url(), 1, &waits).probe().unwrap_err();
    assert!(error.why.contains("without a Date header"), "{error}");
}
