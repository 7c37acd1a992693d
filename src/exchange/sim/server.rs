//! The wire: takes connections, has the venue answer, and breaks what is to be broken.

use std::{
    convert::Infallible,
    error::Error as _,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{body::Body, extract::Query as Decoded};
use bytes::Bytes;
use http::{Method, Request, Response, Uri, header::CONTENT_LENGTH};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use thiserror::Error;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};

use super::{
    binance, coinbase, kraken,
    market::SimMarket,
    venue::{SimAct, SimRequest, Venue},
};
use crate::domain::{
    bar::TimedBar,
    series::Symbol,
    time::{Timeframe, UtcMs},
};

/// Connections at one time; more wait until one of them is over.
const CONNECTIONS_MAX: usize = 64;
/// Bytes of the head of a request.
const HEAD_MAX: usize = 16 * 1024;
/// Headers of a request.
const HEADERS_MAX: usize = 64;
/// How long a connection may be without a request.
const IDLE: Duration = Duration::from_mins(1);
/// Between two looks at whether it is over.
const LOOK: Duration = Duration::from_millis(20);
const MINUTE_MS: i64 = 60_000;

/// The time of a venue.
pub type SimTime = dyn Fn() -> UtcMs + Send + Sync;

/// A venue at work.
pub struct SimServer {
    venue: Venue,
    now: Box<SimTime>,
    requests: AtomicU64,
    faults: AtomicU64,
    /// The minute, and the weight used in it.
    weight: Mutex<(i64, u32)>,
}

/// The connection is to be reset.
#[derive(Debug, Error)]
#[error("reset")]
struct Hangup;

impl SimServer {
    /// Puts a venue to work.
    pub fn new(venue: Venue, now: Box<SimTime>) -> Arc<Self> {
        let (requests, faults) = (AtomicU64::new(0), AtomicU64::new(0));
        Arc::new(Self { venue, now, requests, faults, weight: Mutex::new((0, 0)) })
    }

    /// Requests so far, and how many of them met a fault.
    pub fn counts(&self) -> (u64, u64) {
        (self.requests.load(Ordering::Relaxed), self.faults.load(Ordering::Relaxed))
    }

    /// Answers until it is over. Connections that are open then are cut.
    pub async fn serve(self: &Arc<Self>, listener: TcpListener, over: impl Fn() -> bool) {
        let mut open = JoinSet::new();
        while !over() {
            while let Some(ended) = open.try_join_next() {
                ended.expect("a connection neither panics nor is cut before the end");
            }
            if open.len() >= CONNECTIONS_MAX {
                pause(LOOK).await;
                continue;
            }
            match timeout(LOOK, listener.accept()).await {
                Ok(Ok((stream, _))) => {
                    open.spawn(converse(Arc::clone(self), stream));
                }
                Ok(Err(error)) => {
                    tracing::warn!("a connection could not be taken: {error}");
                    pause(LOOK).await;
                }
                Err(_) => {}
            }
        }
        open.shutdown().await;
    }

    async fn answer(&self, method: &Method, uri: &Uri) -> Result<Response<Body>, Hangup> {
        if method != Method::GET {
            return Ok(response(Reply::new(405, "text/plain", "only GET is known here\n"), whole));
        }
        let pairs = Decoded::<Vec<(String, String)>>::try_from_uri(uri);
        let query = Query::new(pairs.map(|Decoded(pairs)| pairs).unwrap_or_default());
        let now = (self.now)();
        let (number, path) = (self.requests.fetch_add(1, Ordering::Relaxed), uri.path());
        let weight_used = self.weigh(path, now);
        let (act, fault) =
            self.venue.act(&SimRequest { number, now, path, query: &query, weight_used });
        if fault.is_some() {
            self.faults.fetch_add(1, Ordering::Relaxed);
        }
        tracing::info!(number, %now, %uri, fault = fault.map_or("none", |fault| fault.name()), "request");
        match act {
            SimAct::Answer(reply) => Ok(response(reply, whole)),
            SimAct::Later(wait, reply) => {
                pause(wait).await;
                Ok(response(reply, whole))
            }
            SimAct::Cut(reply) => Ok(response(reply, half)),
            SimAct::Silence => std::future::pending().await,
            SimAct::Reset => Err(Hangup),
        }
    }

    /// Counts what a request weighs, and says what the minute weighs by now.
    fn weigh(&self, path: &str, now: UtcMs) -> Option<u32> {
        let weight = self.venue.protocol.weight(path)?;
        let minute = now.get() / MINUTE_MS;
        let mut used = self.weight.lock().unwrap_or_else(PoisonError::into_inner);
        *used = if used.0 == minute {
            (minute, used.1.saturating_add(weight))
        } else {
            (minute, weight)
        };
        Some(used.1)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "what a wire takes is real time, and the program waits for nothing else there"
)]
async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}

/// One connection, to its end.
async fn converse(server: Arc<SimServer>, stream: TcpStream) {
    let service = service_fn(move |request: Request<Incoming>| {
        let server = Arc::clone(&server);
        async move { server.answer(request.method(), request.uri()).await }
    });
    let mut connection = http1::Builder::new()
        .auto_date_header(false)
        .max_buf_size(HEAD_MAX)
        .max_headers(HEADERS_MAX)
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .serve_connection(TokioIo::new(stream), service);
    let Err(error) = (&mut connection).await else { return };
    if error.source().is_some_and(<dyn std::error::Error>::is::<Hangup>) {
        let stream = connection.into_parts().io.into_inner();
        if let Err(error) = stream.set_zero_linger() {
            tracing::warn!("a connection is closed, it could not be reset: {error}");
        }
    } else {
        tracing::debug!("a connection ended: {error}");
    }
}

fn response(reply: Reply, body: fn(&Bytes) -> Body) -> Response<Body> {
    let bytes = Bytes::from(reply.body);
    let head = Response::builder().status(reply.status).header(CONTENT_LENGTH, bytes.len());
    let head = reply.headers.iter().fold(head, |head, (name, value)| head.header(*name, value));
    head.body(body(&bytes)).expect("a reply has a status and headers of plain letters")
}

fn whole(bytes: &Bytes) -> Body {
    Body::from(bytes.clone())
}

fn half(bytes: &Bytes) -> Body {
    Body::new(Half { left: Some(bytes.slice(..bytes.len() / 2)), sent: false })
}

/// A body that ends before its announced length, once what there is has been sent.
struct Half {
    left: Option<Bytes>,
    sent: bool,
}

impl hyper::body::Body for Half {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(bytes) = self.left.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if self.sent {
            return Poll::Ready(None);
        }
        // The connection sends what it has whenever a body makes it wait.
        self.sent = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Takes an address to listen on, and the one that was got, with its port.
pub async fn listen(
    address: std::net::SocketAddr,
) -> io::Result<(TcpListener, std::net::SocketAddr)> {
    let listener = TcpListener::bind(address).await?;
    let got = listener.local_addr()?;
    Ok((listener, got))
}

pub use crate::manifest::Protocol;

/// Why a venue gives no answer to a good question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SimRefusal {
    /// Asked too often.
    Throttled {
        /// The pause it asks for, in seconds of its own time, when it says one.
        retry_after_s: Option<u32>,
        /// Chooses the words.
        pick: usize,
    },
    /// Shut out.
    Banned {
        now: UtcMs,
        /// For how long, in seconds of its own time.
        wait_s: u32,
    },
    /// Broken or overloaded.
    Down {
        /// Chooses how.
        pick: usize,
    },
}

impl Protocol {
    /// The answer to a request.
    pub fn answer(self, view: &MarketView<'_>, path: &str, query: &Query) -> Reply {
        match self {
            Self::Binance => binance::answer(view, path, query),
            Self::Coinbase => coinbase::answer(view, path, query),
            Self::Kraken => kraken::answer(view, path, query),
        }
    }

    /// The answer of a venue that does not want to, or cannot.
    pub fn refusal(self, refusal: &SimRefusal) -> Reply {
        match self {
            Self::Binance => binance::refusal(refusal),
            Self::Coinbase => coinbase::refusal(refusal),
            Self::Kraken => kraken::refusal(refusal),
        }
    }

    /// Whether the venue has bars of this length.
    pub fn has(self, timeframe: Timeframe) -> bool {
        match self {
            Self::Binance => true,
            Self::Coinbase => coinbase::has(timeframe),
            Self::Kraken => kraken::has(timeframe),
        }
    }

    /// What a request counts towards a limit that the venue reports in its headers.
    pub fn weight(self, path: &str) -> Option<u32> {
        match self {
            Self::Binance => Some(binance::weight(path)),
            Self::Coinbase | Self::Kraken => None,
        }
    }
}

/// The parameters of a request, decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// In the order they came in.
    pub fn new(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// The first of a name; an empty one counts as absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Names in lower case. The length is not among them.
    pub headers: Vec<(&'static str, String)>,
    /// What follows.
    pub body: String,
}

impl Reply {
    /// An answer of one content type.
    pub fn new(status: u16, content_type: &str, body: impl Into<String>) -> Self {
        let headers = vec![("content-type", content_type.to_owned())];
        Self { status, headers, body: body.into() }
    }

    /// A page for people.
    pub fn html(status: u16, title: &str) -> Self {
        let body = format!(
            "<html>\n<head><title>{title}</title></head>\n<body>\n<center><h1>{title}</h1></center>\n</body>\n</html>\n"
        );
        Self::new(status, "text/html", body)
    }

    /// With one more header.
    pub fn with(mut self, name: &'static str, value: impl std::fmt::Display) -> Self {
        self.headers.push((name, format!("{value}")));
        self
    }
}

/// What is wrong with the rows of one answer. The number chooses the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerDisorder {
    /// One row comes twice.
    Duplicate(usize),
    /// Two neighbours have changed places.
    Reorder(usize),
}

/// What a venue looks at when it answers.
#[derive(Debug, Clone, Copy)]
pub struct MarketView<'a> {
    /// The one pair it trades.
    pub symbol: &'a Symbol,
    pub market: &'a SimMarket,
    pub now: UtcMs,
    /// What happens to the rows.
    pub disorder: Option<AnswerDisorder>,
}

impl MarketView<'_> {
    /// The rows of an answer, in the order of the venue.
    pub fn rows(&self, bars: impl IntoIterator<Item = TimedBar>) -> Vec<TimedBar> {
        let mut rows: Vec<TimedBar> = bars.into_iter().collect();
        match self.disorder {
            Some(AnswerDisorder::Duplicate(pick)) if !rows.is_empty() => {
                let at = pick % rows.len();
                rows.insert(at, rows[at]);
            }
            Some(AnswerDisorder::Reorder(pick)) if rows.len() > 1 => {
                let at = pick % (rows.len() - 1);
                rows.swap(at, at + 1);
            }
            Some(AnswerDisorder::Duplicate(_) | AnswerDisorder::Reorder(_)) | None => {}
        }
        rows
    }
}

/// With eight decimals, or more where eight would change the value.
pub fn eight(x: f64) -> String {
    let text = format!("{x:.8}");
    if text.parse() == Ok(x) { text } else { x.to_string() }
}

/// As short as it can be, with at least one decimal.
pub fn short(x: f64) -> String {
    let text = x.to_string();
    if text.contains('.') { text } else { text + ".0" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_being_printed() {
        for (x, with_eight, shortest) in [
            (20_000.0, "20000.00000000", "20000.0"),
            (0.1, "0.10000000", "0.1"),
            (1e-8, "0.00000001", "0.00000001"),
            (1e12, "1000000000000.00000000", "1000000000000.0"),
            (0.0, "0.00000000", "0.0"),
            (1.0 / 3.0, "0.3333333333333333", "0.3333333333333333"),
        ] {
            assert_eq!((eight(x).as_str(), short(x).as_str()), (with_eight, shortest));
            assert_eq!((with_eight.parse(), shortest.parse()), (Ok(x), Ok(x)));
        }
    }
}
