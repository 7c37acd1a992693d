//! Starts in the dark: somebody else answers, or nobody, before the venue does. The venue is a server whose time stands in 2024,
//! so that the clock of this machine is wrong by years all the while.

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicUsize, Ordering},
};

use mjolnir::{
    domain::time::{SlotTs, Timeframe, UtcMs, Window},
    exchange::feed,
};

use crate::support::{
    http::{Asked, Reply, Server},
    runner::{Call, Root},
};

const DECISIONS: &str = "data/processed/decisions/dark/BTC_USDT/5m/decisions.csv";
/// Slots that are missed before the start.
const AWAY: i64 = 100;

fn slot(n: i64) -> SlotTs {
    Timeframe::M5.slot(1_704_067_500_000).unwrap().plus(n)
}

/// A venue at its own time, with somebody in front of it for the first few requests.
struct Stage {
    root: Root,
    server: Server,
    now_ms: Arc<AtomicI64>,
    dark: Arc<AtomicUsize>,
}

impl Stage {
    fn new(other: Reply) -> Self {
        let now_ms = Arc::new(AtomicI64::new(slot(0).ts_ms() + 30_000));
        let dark = Arc::new(AtomicUsize::new(0));
        let (time, left) = (Arc::clone(&now_ms), Arc::clone(&dark));
        let server = Server::start(move |_, asked| {
            let less = |left: usize| left.checked_sub(1);
            if left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok() {
                return other.clone();
            }
            venue(asked, time.load(Ordering::Relaxed))
        });
        Self { root: Root::new(), server, now_ms, dark }
    }

    fn live(&self, args: &str) -> Call<'_> {
        let words = "run live -p tag=dark exchange=binance symbol=BTC/USDT timeframe=5m feed=http";
        self.root.call(&format!("{words} base-url={} {args}", self.server.url()))
    }

    /// Decides one slot; then the loop is away for [`AWAY`] slots, and so many requests meet somebody else.
    fn away(&self, dark: usize) {
        self.live("max-bars=1").run().code(0).prints(&["1 rows added"]);
        self.now_ms.store(slot(AWAY).ts_ms() + 30_000, Ordering::Relaxed);
        self.dark.store(dark, Ordering::Relaxed);
    }

    fn reasons(&self) -> Vec<String> {
        let text = self.root.read(DECISIONS);
        text.lines().skip(1).map(|row| row.split(',').nth(5).unwrap().to_owned()).collect()
    }
}

/// What Binance would show of the made-up bars.
fn venue(asked: &Asked, now_ms: i64) -> Reply {
    let mut bars = Reply::made_up_bars(asked);
    bars.retain(|bar| bar.ts.open_ms() <= now_ms);
    let date = UtcMs::new(now_ms).unwrap().format("%a, %d %b %Y %H:%M:%S GMT");
    Reply::klines(&bars).header("Date", &date)
}

#[test]
fn c8_a_start_behind_somebody_else_goes_on_and_gives_up_no_missed_slot() {
    let page = "<html>Please log in</html>";
    let unknown = r#"{"code":-1121,"msg":"Invalid symbol."}"#;
    for (other, told) in [
        (Reply::new("302 Found", "").header("Location", "http://127.0.0.1:1/"), "a redirect to"),
        (Reply::new("401 Unauthorized", page), "HTTP 401"),
        (Reply::new("404 Not Found", page), "HTTP 404"),
        (Reply::new("511 Network Authentication Required", page), "HTTP 511"),
        (Reply::new("200 OK", page), "not JSON"),
        (Reply::new("400 Bad Request", unknown), "-1121 Invalid symbol."),
        (Reply::raw(""), "the answer broke off"),
    ] {
        let stage = Stage::new(other);
        stage.away(2);
        let ran = stage.live(&format!("max-bars={AWAY}")).run().code(0);
        ran.prints(&[&format!("{AWAY} rows added")]);
        let logs = stage.root.files("data/runs");
        assert!(
            logs.iter().any(|(_, text)| text.contains(told)),
            "the log has every attempt: {told}"
        );
        let reasons = stage.reasons();
        assert_eq!(reasons.len() as i64, AWAY + 1);
        let lacks = ["fetch_failed", "persist_failed"];
        assert!(!reasons.iter().any(|reason| lacks.contains(&reason.as_str())), "{reasons:?}");
        // The made-up market itself has no bar for some.
        let bars = feed::seeded_bars(7, Window::new(slot(1), slot(AWAY)).unwrap());
        let missing = reasons.iter().filter(|reason| *reason == "bar_missing").count() as i64;
        assert_eq!(missing, AWAY - bars.len() as i64);
    }
}

#[test]
fn only_a_first_start_ends_and_only_by_the_words_of_the_venue() {
    let page = Reply::new("404 Not Found", "<html>Please log in</html>");
    let stage = Stage::new(page);
    stage.dark.store(2, Ordering::Relaxed);
    stage.live("max-bars=1").run().code(0).prints(&["1 rows added"]);
    let unknown = r#"{"code":-1121,"msg":"Invalid symbol."}"#;
    let stage = Stage::new(Reply::new("400 Bad Request", unknown));
    stage.dark.store(2, Ordering::Relaxed);
    stage.live("max-bars=1").run().code(78).says(&["-1121 Invalid symbol."]);
}

#[test]
fn a_row_that_is_not_a_bar_costs_its_slot_and_is_named_once() {
    let bad = slot(40);
    let now_ms = slot(AWAY).ts_ms() + 30_000;
    let server = Server::start(move |n, asked| {
        // The first answer is that of an earlier loop.
        if n < 3 {
            return venue(asked, slot(0).ts_ms() + 30_000);
        }
        let mut bars = Reply::made_up_bars(asked);
        bars.retain(|bar| bar.ts.open_ms() <= now_ms);
        let mut rows = Reply::rows_of(&bars);
        let open_ms = bad.open_ms().to_string();
        row_broken(&mut rows, &open_ms);
        let date = UtcMs::new(now_ms).unwrap().format("%a, %d %b %Y %H:%M:%S GMT");
        Reply::of_rows(&rows).header("Date", &date)
    });
    let root = Root::new();
    let words = format!(
        "run live -p tag=dark exchange=binance symbol=BTC/USDT timeframe=5m feed=http base-url={}",
        server.url()
    );
    root.run(&format!("{words} max-bars=1")).code(0);
    let ran = root.run(&format!("{words} max-bars={AWAY}")).code(0);
    assert_eq!(ran.stderr.matches("a row is left out").count(), 1, "{ran}");
    let text = root.read(DECISIONS);
    let row = text.lines().find(|row| row.contains(&bad.ts_ms().to_string())).unwrap();
    assert!(row.contains(",skip,bar_missing,"), "{row}");
}

/// The high of a row is below its other prices.
fn row_broken(rows: &mut [String], open_ms: &str) {
    let Some(row) = rows.iter_mut().find(|row| row.contains(open_ms)) else { return };
    let fields: Vec<&str> = row.split(',').collect();
    *row = [&fields[..2], &["\"0.5\""], &fields[3..]].concat().join(",");
}
