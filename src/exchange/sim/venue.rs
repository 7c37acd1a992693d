//! A simulated venue: what it does with one request. A pure function of the request, its number and the time.

use std::time::Duration;

use super::{
    faults::{Fault, Faults},
    market::Market,
    protocol::{Protocol, Refusal},
    reply::{Disorder, Query, Reply, View},
};
use crate::domain::{series::Symbol, time::UtcMs};

/// How long a ban lasts: the shortest of Binance's, in seconds of the venue's time.
const BAN_S: u32 = 120;

/// A venue with one pair.
#[derive(Debug, Clone)]
pub struct Venue {
    /// What it speaks.
    pub protocol: Protocol,
    /// What it trades.
    pub symbol: Symbol,
    /// Its bars.
    pub market: Market,
    /// What goes wrong with requests.
    pub faults: Faults,
}

/// A request.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Counted from 0.
    pub number: u64,
    /// The venue's time.
    pub now: UtcMs,
    /// The path of the URL.
    pub path: &'a str,
    /// Its parameters.
    pub query: &'a Query,
    /// Weight used in this minute, this request included, where the venue counts it.
    pub weight_used: Option<u32>,
}

/// What is done with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// It is answered.
    Answer(Reply),
    /// It is answered after a while, in real time.
    Later(Duration, Reply),
    /// The length is announced, and half of the body sent.
    Cut(Reply),
    /// It is never answered.
    Silence,
    /// Its connection is reset.
    Reset,
}

impl Venue {
    /// What happens to a request, and the fault that it meets.
    pub fn act(&self, asked: &Asked<'_>) -> (Act, Option<Fault>) {
        let faults = &self.faults;
        let (number, now) = (asked.number, asked.now);
        let fault = faults.of(number, now);
        let pick = faults.pick(number);
        let refuse = |refusal| dressed(self.protocol.refusal(&refusal), asked, now);
        let answer = |disorder| dressed(self.answer(asked, disorder), asked, now);
        let act = match fault {
            None => Act::Answer(answer(None)),
            Some(Fault::Latency) => Act::Later(faults.latency(number), answer(None)),
            Some(Fault::Timeout) => Act::Silence,
            Some(Fault::Reset) => Act::Reset,
            Some(Fault::Throttle) => {
                let retry_after_s = pick.is_multiple_of(2).then_some(faults.retry_after_s);
                Act::Answer(refuse(Refusal::Throttled { retry_after_s, pick: pick / 2 }))
            }
            Some(Fault::Ban) => Act::Answer(refuse(Refusal::Banned { now, wait_s: BAN_S })),
            Some(Fault::ServerError) => Act::Answer(refuse(Refusal::Down { pick })),
            Some(Fault::Html) => {
                let page = Reply::html(200, "Checking your browser before accessing the site");
                Act::Answer(dressed(page, asked, now))
            }
            Some(Fault::Truncate) => Act::Cut(answer(None)),
            Some(Fault::Duplicate) => Act::Answer(answer(Some(Disorder::Duplicate(pick)))),
            Some(Fault::Reorder) => Act::Answer(answer(Some(Disorder::Reorder(pick)))),
            Some(Fault::WrongDate) => {
                let wrong = now.plus_ms(faults.date_skew_ms);
                Act::Answer(dressed(self.answer(asked, None), asked, wrong))
            }
        };
        (act, fault)
    }

    fn answer(&self, asked: &Asked<'_>, disorder: Option<Disorder>) -> Reply {
        let view = View { symbol: &self.symbol, market: &self.market, now: asked.now, disorder };
        self.protocol.answer(&view, asked.path, asked.query)
    }
}

/// With the headers that every answer has.
fn dressed(reply: Reply, asked: &Asked<'_>, date: UtcMs) -> Reply {
    let reply = reply.with("date", date.format("%a, %d %b %Y %H:%M:%S GMT"));
    match asked.weight_used {
        Some(used) => reply.with("x-mbx-used-weight-1m", used),
        None => reply,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    const KLINES: &str = "/api/v3/klines?symbol=BTCUSD&interval=5m";

    fn acts(fault: Fault) -> Vec<Act> {
        let venue = sample::faulty(Protocol::Binance, fault);
        (0..20).map(|number| sample::act(&venue, number, sample::now(), KLINES)).collect()
    }

    fn good() -> Reply {
        let act = sample::act(&sample::venue(Protocol::Binance), 0, sample::now(), KLINES);
        let Act::Answer(reply) = act else { panic!("{act:?}") };
        reply
    }

    fn answers(fault: Fault) -> Vec<Reply> {
        let reply = |act| if let Act::Answer(reply) = act { reply } else { panic!("{act:?}") };
        acts(fault).into_iter().map(reply).collect()
    }

    fn header<'r>(reply: &'r Reply, name: &str) -> Option<&'r str> {
        reply.headers.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn every_answer_has_the_date_of_the_venue_and_its_weight() {
        assert_eq!(header(&good(), "date"), Some("Mon, 01 Jan 2024 00:22:00 GMT"));
        let query = Query::default();
        let asked = Asked {
            number: 0,
            now: sample::now(),
            path: "/api/v3/ping",
            query: &query,
            weight_used: Some(41),
        };
        let (act, _) = sample::venue(Protocol::Binance).act(&asked);
        let Act::Answer(reply) = act else { panic!("{act:?}") };
        assert_eq!(header(&reply, "x-mbx-used-weight-1m"), Some("41"));
    }

    #[test]
    fn faults_of_the_wire_leave_the_answer_as_it_is() {
        assert!(acts(Fault::Timeout).iter().all(|act| *act == Act::Silence));
        assert!(acts(Fault::Reset).iter().all(|act| *act == Act::Reset));
        assert!(acts(Fault::Truncate).iter().all(|act| *act == Act::Cut(good())));
        let mut venue = sample::faulty(Protocol::Binance, Fault::Latency);
        venue.faults.latency_max = Duration::from_secs(2);
        let waits = (0..20).map(|number| sample::act(&venue, number, sample::now(), KLINES));
        let waits: Vec<Duration> = waits
            .map(|act| match act {
                Act::Later(wait, reply) if reply == good() => wait,
                act => panic!("{act:?}"),
            })
            .collect();
        assert!(waits.iter().all(|wait| *wait < venue.faults.latency_max));
        assert!(waits.iter().any(|wait| *wait > venue.faults.latency_max / 2));
    }

    #[test]
    fn refusals_come_with_and_without_a_pause() {
        let throttled = answers(Fault::Throttle);
        assert!(throttled.iter().all(|reply| reply.status == 429));
        let with = throttled.iter().filter(|reply| header(reply, "retry-after").is_some()).count();
        assert!((1..20).contains(&with), "{with}");
        assert!(answers(Fault::Ban).iter().all(|reply| reply.status == 418));
        assert!(answers(Fault::ServerError).iter().all(|reply| reply.status >= 500));
        let pages = answers(Fault::Html);
        assert!(pages.iter().all(|reply| reply.status == 200 && reply.body.starts_with("<html>")));
        assert!(throttled.iter().all(|reply| header(reply, "date").is_some()));
    }

    #[test]
    fn rows_are_doubled_or_swapped_and_dates_are_ahead() {
        let rows =
            |reply: &Reply| serde_json::from_str::<Vec<serde_json::Value>>(&reply.body).unwrap();
        let whole = rows(&good());
        for reply in answers(Fault::Duplicate) {
            let mut doubled = rows(&reply);
            assert_eq!(doubled.len(), whole.len() + 1);
            doubled.dedup();
            assert_eq!(doubled, whole);
        }
        for reply in answers(Fault::Reorder) {
            let mut swapped = rows(&reply);
            assert_ne!(swapped, whole);
            swapped.sort_by_key(|row| row[0].as_i64());
            assert_eq!(swapped, whole);
        }
        let mut venue = sample::faulty(Protocol::Binance, Fault::WrongDate);
        venue.faults.date_skew_ms = 90_000;
        let act = sample::act(&venue, 0, sample::now(), KLINES);
        let Act::Answer(reply) = act else { panic!("{act:?}") };
        assert_eq!(header(&reply, "date"), Some("Mon, 01 Jan 2024 00:23:30 GMT"));
        assert_eq!(reply.body, good().body);
    }
}
