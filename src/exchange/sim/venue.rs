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
                Act::Answer(refuse(Refusal::Throttled { retry_after_s }))
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
