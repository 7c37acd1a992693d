//! For tests: a venue with four recorded bars, one of them without a trade, and a gap; and one with a made-up market.

use std::collections::BTreeMap;

use super::{
    market::{MarketTrouble, SimMarket},
    server::{Protocol, Query},
    venue::{SimAct, SimFault, SimFaults, SimRequest, Venue},
};
use crate::domain::{
    bar::{Bar, TimedBar},
    time::{Timeframe, UtcMs},
};

/// The first bar opens: 2024-01-01T00:00:00Z.
const START_MS: i64 = 1_704_067_200_000;

/// Two minutes into the last recorded bar.
pub fn now() -> UtcMs {
    UtcMs::new(START_MS + 22 * 60_000).unwrap()
}

/// A venue with recorded bars.
pub fn venue(protocol: Protocol) -> Venue {
    let bar = |n: i64, values| TimedBar {
        ts: Timeframe::M5.slot_of_open(START_MS + n * 300_000).unwrap(),
        bar: Bar::new(values).unwrap(),
    };
    let bars = vec![
        bar(0, [100.0, 101.5, 99.5, 101.0, 2.5]),
        bar(1, [101.0, 101.0, 101.0, 101.0, 0.0]),
        bar(2, [101.0, 102.0, 100.5, 100.5, 1e-8]),
        bar(4, [100.5, 103.0, 100.25, 102.75, 10.0]),
    ];
    let market = SimMarket::recorded(bars, MarketTrouble::default()).unwrap();
    Venue { protocol, symbol: "BTC/USD".parse().unwrap(), market, faults: SimFaults::default() }
}

/// A venue where every request meets a fault.
pub fn faulty(protocol: Protocol, fault: SimFault) -> Venue {
    let rates = BTreeMap::from([(fault, 1.0)]);
    Venue { faults: SimFaults { seed: 1, rates, ..SimFaults::default() }, ..venue(protocol) }
}

/// What it does with a request.
pub fn act(venue: &Venue, number: u64, now: UtcMs, url: &str) -> SimAct {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let query =
        Query::new(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect());
    venue.act(&SimRequest { number, now, path, query: &query, weight_used: None }).0
}

fn text(act: SimAct) -> String {
    let SimAct::Answer(reply) = act else { panic!("{act:?}") };
    format!("{} {}\n{}", reply.status, reply.headers[0].1, reply.body)
}

/// Its answer: status, content type, body.
pub fn get(protocol: Protocol, now: UtcMs, url: &str) -> String {
    text(act(&venue(protocol), 0, now, url))
}

/// The answer of a venue with a made-up market that begins at the same time.
pub fn get_made_up(protocol: Protocol, now: UtcMs, url: &str) -> String {
    let first = Timeframe::M5.slot_of_open(START_MS).unwrap();
    let market = SimMarket::made_up(7, first, MarketTrouble::default());
    text(act(&Venue { market, ..venue(protocol) }, 0, now, url))
}
