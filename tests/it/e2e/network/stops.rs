//! Signals: while the venue is silent, and in the middle of the work.

use std::time::Duration;

use mjolnir::{
    clock::{Stopwatch, nap},
    domain::time::{Timeframe, Window},
    exchange::feed,
};

use super::drill::{DECISIONS, Drill};
use crate::support::{
    http::{Asked, Reply, Server},
    runner::{Root, Running},
};

/// Well within the grace period of twenty seconds, and far from the time that a request has here.
const AT_ONCE: Duration = Duration::from_secs(15);

/// Bars that end two slots ago, so that more are asked for at once.
fn lagging(asked: &Asked) -> Reply {
    let (first, last) = asked.opens();
    let slot = |open_ms| Timeframe::M5.slot_of_open(open_ms).unwrap();
    let window = Window::new(slot(first), slot(last).plus(-2)).unwrap();
    Reply::klines(&feed::seeded_bars(7, window))
}

/// The loop in front of a server, in real time.
fn live(root: &Root, server: &Server) -> Running {
    let words = format!(
        "run live -p tag=net exchange=binance feed=http base-url={} --set live.request-timeout=5m",
        server.url()
    );
    root.call(&words).start()
}

fn ends_at_once(mut run: Running, signal: &str) {
    let watch = Stopwatch::start();
    run.signal(signal);
    while !run.is_over() && watch.elapsed() < AT_ONCE * 4 {
        nap(Duration::from_millis(2));
    }
    assert!(watch.elapsed() < AT_ONCE, "{:?}", watch.elapsed());
    run.end().code(0).prints(&["asked to stop"]);
}

#[test]
fn term_during_the_first_request_ends_it_at_once() {
    for signal in ["TERM", "INT"] {
        let (root, server) = (Root::new(), Server::start(|_, _| Reply::hang()));
        let run = live(&root, &server);
        server.await_asked(1);
        ends_at_once(run, signal);
    }
}

#[test]
fn term_during_a_later_request_keeps_what_is_decided_and_hup_does_nothing() {
    let answer = |n: usize, asked: &Asked| if n < 2 { lagging(asked) } else { Reply::hang() };
    let (root, server) = (Root::new(), Server::start(answer));
    let mut run = live(&root, &server);
    server.await_asked(3);
    run.signal("HUP");
    nap(Duration::from_millis(100));
    assert!(!run.is_over(), "a hang-up ends nothing");
    ends_at_once(run, "TERM");
    assert_eq!(root.rows("data/processed/decisions/net/BTC_USD/5m/decisions.csv"), 1);
    assert_eq!(server.asked().len(), 3);
}

#[test]
fn c7_kills_and_restarts_leave_no_hole() {
    let mut drill = Drill::new("binance");
    drill.open(0, "");
    for rows in [1, 30, 7, 60] {
        let before = drill.root.rows(DECISIONS);
        let run = drill.live("").start();
        drill.root.await_rows(DECISIONS, before + rows);
        run.signal("HUP");
        drill.root.await_rows(DECISIONS, before + rows + 2);
        run.signal("KILL");
        run.end().code(137);
        drill.kills += 1;
    }
    drill.shift(30, "");
    assert!(drill.rows().len() > 130);
    drill.holds(|_| true);
    drill.proves(&["Result: PASS\n"]);
}
