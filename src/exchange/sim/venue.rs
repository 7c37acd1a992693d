//! A simulated venue: what it does with one request, and which request meets which fault. Pure functions of a seed, of the request, of
//! its number and of the time.

use std::{collections::BTreeMap, time::Duration};

use super::{
    market::SimMarket,
    server::{AnswerDisorder, MarketView, Protocol, Query, Reply, SimRefusal},
};
use crate::{
    domain::{series::Symbol, time::UtcMs},
    exchange::feed::draw,
};

/// How long a ban lasts: the shortest of Binance's, in seconds of the venue's time.
const BAN_S: u32 = 120;

/// A venue with one pair.
#[derive(Debug, Clone)]
pub struct Venue {
    pub protocol: Protocol,
    pub symbol: Symbol,
    pub market: SimMarket,
    /// What goes wrong with requests.
    pub faults: SimFaults,
}

#[derive(Debug, Clone, Copy)]
pub struct SimRequest<'a> {
    /// Counted from 0.
    pub number: u64,
    pub now: UtcMs,
    /// The path of the URL.
    pub path: &'a str,
    pub query: &'a Query,
    /// Weight used in this minute, this request included, where the venue counts it.
    pub weight_used: Option<u32>,
}

/// What is done with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SimAct {
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
    pub fn act(&self, asked: &SimRequest<'_>) -> (SimAct, Option<SimFault>) {
        let faults = &self.faults;
        let (number, now) = (asked.number, asked.now);
        let fault = faults.of(number, now);
        let pick = faults.pick(number);
        let refuse = |refusal| dressed(self.protocol.refusal(&refusal), asked, now);
        let answer = |disorder| dressed(self.answer(asked, disorder), asked, now);
        let act = match fault {
            None => SimAct::Answer(answer(None)),
            Some(SimFault::Latency) => SimAct::Later(faults.latency(number), answer(None)),
            Some(SimFault::Timeout) => SimAct::Silence,
            Some(SimFault::Reset) => SimAct::Reset,
            Some(SimFault::Throttle) => {
                let retry_after_s = pick.is_multiple_of(2).then_some(faults.retry_after_s);
                SimAct::Answer(refuse(SimRefusal::Throttled { retry_after_s, pick: pick / 2 }))
            }
            Some(SimFault::Ban) => {
                SimAct::Answer(refuse(SimRefusal::Banned { now, wait_s: BAN_S }))
            }
            Some(SimFault::ServerError) => SimAct::Answer(refuse(SimRefusal::Down { pick })),
            Some(SimFault::Html) => {
                let page = Reply::html(200, "Checking your browser before accessing the site");
                SimAct::Answer(dressed(page, asked, now))
            }
            Some(SimFault::Truncate) => SimAct::Cut(answer(None)),
            Some(SimFault::Duplicate) => {
                SimAct::Answer(answer(Some(AnswerDisorder::Duplicate(pick))))
            }
            Some(SimFault::Reorder) => SimAct::Answer(answer(Some(AnswerDisorder::Reorder(pick)))),
            Some(SimFault::WrongDate) => {
                let wrong = now.plus_ms(faults.date_skew_ms);
                SimAct::Answer(dressed(self.answer(asked, None), asked, wrong))
            }
        };
        (act, fault)
    }

    fn answer(&self, asked: &SimRequest<'_>, disorder: Option<AnswerDisorder>) -> Reply {
        let view =
            MarketView { symbol: &self.symbol, market: &self.market, now: asked.now, disorder };
        self.protocol.answer(&view, asked.path, asked.query)
    }
}

/// With the headers that every answer has.
fn dressed(reply: Reply, asked: &SimRequest<'_>, date: UtcMs) -> Reply {
    let reply = reply.with("date", date.format("%a, %d %b %Y %H:%M:%S GMT"));
    match asked.weight_used {
        Some(used) => reply.with("x-mbx-used-weight-1m", used),
        None => reply,
    }
}

/// What can happen to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SimFault {
    /// The answer takes its time.
    Latency,
    /// There is never an answer.
    Timeout,
    /// The connection is reset.
    Reset,
    /// Asked too often; every other time it says for how long to wait.
    Throttle,
    /// Shut out for two minutes.
    Ban,
    /// The venue is broken or overloaded.
    ServerError,
    /// A page for people, with status 200.
    Html,
    /// The body ends before its announced length.
    Truncate,
    /// A row comes twice.
    Duplicate,
    /// Two rows have changed places.
    Reorder,
    /// The `Date` header is wrong.
    WrongDate,
}

impl SimFault {
    /// How it is called in manifests and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Latency => "latency",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Throttle => "throttle",
            Self::Ban => "ban",
            Self::ServerError => "server-error",
            Self::Html => "html",
            Self::Truncate => "truncate",
            Self::Duplicate => "duplicate",
            Self::Reorder => "reorder",
            Self::WrongDate => "wrong-date",
        }
    }
}

/// The plan of the faults of requests. At most one meets a request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SimFaults {
    /// Chooses the requests.
    pub seed: u64,
    /// The share of requests that meet each fault, from 0 to 1; together at most 1.
    pub rates: BTreeMap<SimFault, f64>,
    /// The longest an answer takes, in real time.
    pub latency_max: Duration,
    /// The pause that a throttled request gets, in seconds of the venue's time.
    pub retry_after_s: u32,
    /// How far ahead a wrong date is, in milliseconds.
    pub date_skew_ms: i64,
    /// No fault after this many requests.
    pub calm_after: Option<u64>,
    /// No fault from then on, in the venue's time.
    pub calm_at: Option<UtcMs>,
}

impl SimFaults {
    /// What the request with this number, counted from 0, meets.
    pub fn of(&self, number: u64, now: UtcMs) -> Option<SimFault> {
        let is_calm = self.calm_after.is_some_and(|after| number >= after)
            || self.calm_at.is_some_and(|at| now >= at);
        if is_calm {
            return None;
        }
        let mut left = draw(self.seed, 300, number as i64);
        let hit = self.rates.iter().find(|(_, rate)| {
            left -= **rate;
            left < 0.0
        });
        hit.map(|(fault, _)| *fault)
    }

    /// A number that chooses among the forms of a fault.
    pub fn pick(&self, number: u64) -> usize {
        (draw(self.seed, 301, number as i64) * f64::from(1 << 30)) as usize
    }

    /// How long a slow answer takes.
    pub fn latency(&self, number: u64) -> Duration {
        self.latency_max.mul_f64(draw(self.seed, 302, number as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    const KLINES: &str = "/api/v3/klines?symbol=BTCUSD&interval=5m";

    fn acts(fault: SimFault) -> Vec<SimAct> {
        let venue = sample::faulty(Protocol::Binance, fault);
        (0..20).map(|number| sample::act(&venue, number, sample::now(), KLINES)).collect()
    }

    fn good() -> Reply {
        let act = sample::act(&sample::venue(Protocol::Binance), 0, sample::now(), KLINES);
        let SimAct::Answer(reply) = act else { panic!("{act:?}") };
        reply
    }

    fn answers(fault: SimFault) -> Vec<Reply> {
        let reply = |act| if let SimAct::Answer(reply) = act { reply } else { panic!("{act:?}") };
        acts(fault).into_iter().map(reply).collect()
    }

    fn header<'r>(reply: &'r Reply, name: &str) -> Option<&'r str> {
        reply.headers.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn every_answer_has_the_date_of_the_venue_and_its_weight() {
        assert_eq!(header(&good(), "date"), Some("Mon, 01 Jan 2024 00:22:00 GMT"));
        let query = Query::default();
        let asked = SimRequest {
            number: 0,
            now: sample::now(),
            path: "/api/v3/ping",
            query: &query,
            weight_used: Some(41),
        };
        let (act, _) = sample::venue(Protocol::Binance).act(&asked);
        let SimAct::Answer(reply) = act else { panic!("{act:?}") };
        assert_eq!(header(&reply, "x-mbx-used-weight-1m"), Some("41"));
    }

    #[test]
    fn faults_of_the_wire_leave_the_answer_as_it_is() {
        assert!(acts(SimFault::Timeout).iter().all(|act| *act == SimAct::Silence));
        assert!(acts(SimFault::Reset).iter().all(|act| *act == SimAct::Reset));
        assert!(acts(SimFault::Truncate).iter().all(|act| *act == SimAct::Cut(good())));
        let mut venue = sample::faulty(Protocol::Binance, SimFault::Latency);
        venue.faults.latency_max = Duration::from_secs(2);
        let waits = (0..20).map(|number| sample::act(&venue, number, sample::now(), KLINES));
        let waits: Vec<Duration> = waits
            .map(|act| match act {
                SimAct::Later(wait, reply) if reply == good() => wait,
                act => panic!("{act:?}"),
            })
            .collect();
        assert!(waits.iter().all(|wait| *wait < venue.faults.latency_max));
        assert!(waits.iter().any(|wait| *wait > venue.faults.latency_max / 2));
    }

    #[test]
    fn refusals_come_with_and_without_a_pause() {
        let throttled = answers(SimFault::Throttle);
        assert!(throttled.iter().all(|reply| reply.status == 429));
        let with = throttled.iter().filter(|reply| header(reply, "retry-after").is_some()).count();
        assert!((1..20).contains(&with), "{with}");
        assert!(answers(SimFault::Ban).iter().all(|reply| reply.status == 418));
        assert!(answers(SimFault::ServerError).iter().all(|reply| reply.status >= 500));
        let pages = answers(SimFault::Html);
        assert!(pages.iter().all(|reply| reply.status == 200 && reply.body.starts_with("<html>")));
        assert!(throttled.iter().all(|reply| header(reply, "date").is_some()));
    }

    #[test]
    fn rows_are_doubled_or_swapped_and_dates_are_ahead() {
        let rows =
            |reply: &Reply| serde_json::from_str::<Vec<serde_json::Value>>(&reply.body).unwrap();
        let whole = rows(&good());
        for reply in answers(SimFault::Duplicate) {
            let mut doubled = rows(&reply);
            assert_eq!(doubled.len(), whole.len() + 1);
            doubled.dedup();
            assert_eq!(doubled, whole);
        }
        for reply in answers(SimFault::Reorder) {
            let mut swapped = rows(&reply);
            assert_ne!(swapped, whole);
            swapped.sort_by_key(|row| row[0].as_i64());
            assert_eq!(swapped, whole);
        }
        let mut venue = sample::faulty(Protocol::Binance, SimFault::WrongDate);
        venue.faults.date_skew_ms = 90_000;
        let act = sample::act(&venue, 0, sample::now(), KLINES);
        let SimAct::Answer(reply) = act else { panic!("{act:?}") };
        assert_eq!(header(&reply, "date"), Some("Mon, 01 Jan 2024 00:23:30 GMT"));
        assert_eq!(reply.body, good().body);
    }

    fn plan(seed: u64) -> SimFaults {
        let rates = BTreeMap::from([(SimFault::Reset, 0.1), (SimFault::Html, 0.2)]);
        SimFaults { seed, rates, ..SimFaults::default() }
    }

    fn story(plan: &SimFaults) -> Vec<Option<SimFault>> {
        (0..10_000).map(|number| plan.of(number, UtcMs::EPOCH)).collect()
    }

    #[test]
    fn the_same_seed_tells_the_same_story_and_rates_are_kept() {
        let once = story(&plan(5));
        assert_eq!(once, story(&plan(5)));
        assert_ne!(once, story(&plan(6)));
        for (fault, expected) in [(Some(SimFault::Reset), 1_000), (Some(SimFault::Html), 2_000)] {
            let found = once.iter().filter(|met| **met == fault).count();
            assert!(found.abs_diff(expected) < 150, "{fault:?} {found}");
        }
        let always = BTreeMap::from([(SimFault::Ban, 1.0)]);
        let always = SimFaults { rates: always, ..plan(5) };
        assert!(story(&always).iter().all(|met| *met == Some(SimFault::Ban)));
    }

    #[test]
    fn it_becomes_calm_after_so_many_requests_or_at_a_time() {
        let always = BTreeMap::from([(SimFault::Ban, 1.0)]);
        let noon = UtcMs::new(1_704_110_400_000).unwrap();
        let after = SimFaults { rates: always.clone(), calm_after: Some(3), ..plan(5) };
        let met: Vec<bool> = (0..5).map(|number| after.of(number, noon).is_some()).collect();
        assert_eq!(met, [true, true, true, false, false]);
        let until = SimFaults { rates: always, calm_at: Some(noon), ..plan(5) };
        assert!(until.of(0, noon.plus_ms(-1)).is_some() && until.of(0, noon).is_none());
    }
}
