//! The HTTP server of the service: it answers whoever names it by an address of its own, within bounds of size, number and time. A
//! reader, however slow, has no part in what the scheduler does: these are threads of their own, which only read.

use std::{
    collections::VecDeque,
    convert::Infallible,
    io::ErrorKind,
    net::SocketAddr,
    path::Path,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use axum::body::{Body, Bytes, to_bytes};
use http::{Method, Request, Response, StatusCode, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{
        OwnedSemaphorePermit, Semaphore,
        mpsc::{Sender, channel},
        oneshot,
    },
    task::{AbortHandle, JoinSet},
    time::timeout,
};

use super::{
    answer::{LiveSource, PageContent, Site, WebPage, WebRequest},
    hosts::Hosts,
    metrics::{self, Loops},
    run_metrics::RunMetrics,
};
use crate::{
    clock::{Clock as _, Stopwatch, SystemClock},
    exit::Exit,
    jobs::context::Failure,
    store::{
        disk::RealDisk,
        layout::Layout,
        runs::{Ahead, RunStore},
    },
};

/// Connections at one time. One more takes the place of the oldest that has not asked anything yet.
const CONNECTIONS_MAX: usize = 128;
/// Bytes of the head of a request.
const HEAD_MAX: usize = 16 * 1024;
/// Headers of a request.
const HEADERS_MAX: usize = 64;
/// How long the head of a request may take.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// How long a connection may take, answer and all.
const WHOLE_TIME: Duration = Duration::from_secs(15);
/// After a connection that could not be taken, such as when there are too many open files.
const PAUSE: Duration = Duration::from_millis(20);
/// A scheduler whose last turn is older than this does not work.
const TICK_MAX: Duration = Duration::from_secs(15);
/// How long the answer to a request may be worked on.
const WORK_TIME: Duration = Duration::from_mins(1);
/// How long a stream goes on; a browser asks for it again.
const STREAM_TIME: Duration = Duration::from_mins(10);
/// How long a stream waits for a reader that takes nothing.
const SEND_TIME: Duration = Duration::from_secs(10);
/// Between two looks for what is new in a stream.
const LOOK: Duration = Duration::from_millis(500);
/// How long a thread waits for more work. Each that is kept holds on to the memory of its biggest page.
const KEEP_THREAD: Duration = Duration::from_millis(20);
/// Streams at one time.
const STREAMS_MAX: usize = 32;
/// Bytes of the body of a request.
const BODY_MAX: usize = 16 * 1024;
/// Threads that make answers.
const THREADS_MAX: usize = 6;
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// What the service answers by itself.
const OWN: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// Where to listen, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    address: SocketAddr,
    /// More names it may be called by, such as that of its container.
    names: Vec<String>,
}

/// Who may reach it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BindScope {
    /// This machine only.
    Loopback,
    /// Whoever the address is open to.
    Public,
}

impl Listen {
    /// Reads `ADDRESS:PORT`; port 0 takes a free one. Pages show what the box trades, so anything but loopback must be meant.
    pub fn new(text: &str, reach: BindScope, names: Vec<String>) -> Result<Self, Failure> {
        let refuse = |why: &str| Failure::new(Exit::Usage, format!("--listen {text}: {why}"));
        let address: SocketAddr = text
            .parse()
            .map_err(|_| refuse("write an address and a port, such as 127.0.0.1:9464"))?;
        if reach == BindScope::Loopback && !address.ip().is_loopback() {
            return Err(refuse(
                "others could reach this address, and the pages have no password: listen on 127.0.0.1, or add --allow-remote",
            ));
        }
        Ok(Self { address, names })
    }
}

/// The pages at work. Dropping it closes the port.
pub struct Server {
    address: SocketAddr,
    /// Dropping it ends the thread.
    over: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// The address it listens on, with its port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.over.take());
        // One that panicked has said so.
        self.thread.take().map(JoinHandle::join);
    }
}

/// Starts the pages in a thread of their own.
pub fn start(
    listen: &Listen,
    root: &Path,
    board: Arc<RunMetrics>,
    site: Site,
) -> Result<Server, Failure> {
    let layout = Layout::new(root);
    let disk = RealDisk::new(layout.data());
    let store = Mutex::new(RunStore::open(&disk, &layout)?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(THREADS_MAX)
        .thread_keep_alive(KEEP_THREAD)
        .enable_all()
        .build();
    let runtime =
        runtime.map_err(|error| Failure::new(Exit::Io, format!("no runtime: {error}")))?;
    let bound = runtime.block_on(TcpListener::bind(listen.address));
    let listener = bound.map_err(|error| refused(listen.address, &error))?;
    let address = listener.local_addr().map_err(|error| refused(listen.address, &error))?;
    let hosts = Hosts { address, names: listen.names.clone() };
    let loops = Mutex::default();
    let streams = Arc::new(Semaphore::new(STREAMS_MAX));
    let pages = Arc::new(Pages { site, streams, board, store, loops, disk, layout, hosts });
    let (over, end) = oneshot::channel();
    let thread = std::thread::spawn(move || {
        runtime.block_on(serve(pages, listener, end));
        runtime.shutdown_background();
    });
    Ok(Server { address, over: Some(over), thread: Some(thread) })
}

fn refused(address: SocketAddr, error: &std::io::Error) -> Failure {
    let (exit, what, next) = match error.kind() {
        ErrorKind::AddrInUse => (Exit::Busy, "another program listens there", "stop it"),
        ErrorKind::PermissionDenied => (Exit::Usage, "this user may not", "take one above 1023"),
        ErrorKind::AddrNotAvailable => {
            (Exit::Usage, "this machine has no such address", "take one of its own")
        }
        _ => (Exit::Io, "it failed", "see the cause"),
    };
    let (ip, port) = (address.ip(), address.port());
    let free = SocketAddr::new(ip, 0);
    Failure::new(
        exit,
        format!(
            "listen on {address}: {what} ({error}): {next}, or choose another port than {port} with --listen ADDRESS:PORT ({free} takes a free one)"
        ),
    )
}

/// A connection, and whether it has asked for a page.
struct Guest {
    task: AbortHandle,
    has_asked: Arc<AtomicBool>,
}

/// Makes room for one more guest, if one of them can go: the one that has been silent for longest.
fn show_out(guests: &mut VecDeque<Guest>) {
    guests.retain(|guest| !guest.task.is_finished());
    if guests.len() >= CONNECTIONS_MAX {
        let silent = guests.iter().position(|guest| !guest.has_asked.load(Ordering::Relaxed));
        if let Some(guest) = silent.and_then(|at| guests.remove(at)) {
            guest.task.abort();
        }
    }
}

async fn serve(pages: Arc<Pages>, listener: TcpListener, mut over: oneshot::Receiver<()>) {
    let mut open = JoinSet::new();
    let mut guests = VecDeque::new();
    loop {
        show_out(&mut guests);
        let has_room = guests.len() < CONNECTIONS_MAX;
        let taken = tokio::select! {
            biased;
            // An error means that the other end was dropped, which is the signal.
            _ = &mut over => break,
            Some(ended) = open.join_next() => {
                if let Err(error) = ended && !error.is_cancelled() {
                    tracing::error!("a page failed: {error}");
                }
                continue;
            }
            // Without room all of them are being answered: one of them ends soon.
            taken = listener.accept(), if has_room => taken,
        };
        match taken {
            Ok((stream, _)) => {
                let (pages, has_asked) = (Arc::clone(&pages), Arc::new(AtomicBool::new(false)));
                let asks = Arc::clone(&has_asked);
                let talk = converse(pages, stream, asks);
                guests.push_back(Guest { task: open.spawn(talk), has_asked });
                // It may ask before others come in: who has asked is not shown out.
                tokio::task::yield_now().await;
            }
            Err(error) => {
                tracing::warn!("a connection could not be taken: {error}");
                pause(PAUSE).await;
            }
        }
    }
    open.shutdown().await;
}

/// How long a connection may still take. It gets more time as it gets on.
struct Patience {
    watch: Stopwatch,
    until_ms: AtomicU64,
}

impl Patience {
    fn new(time: Duration) -> Self {
        let patience = Self { watch: Stopwatch::start(), until_ms: AtomicU64::new(0) };
        patience.give(time);
        patience
    }

    /// From now on so long.
    fn give(&self, time: Duration) {
        let until = self.watch.passed().saturating_add(time).as_millis();
        self.until_ms.store(u64::try_from(until).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn left(&self) -> Duration {
        let until = Duration::from_millis(self.until_ms.load(Ordering::Relaxed));
        until.saturating_sub(self.watch.passed())
    }

    /// Ends when the time is over.
    async fn over(&self) {
        loop {
            let left = self.left();
            if left.is_zero() {
                return;
            }
            pause(left).await;
        }
    }
}

async fn pause(time: Duration) {
    let _ = timeout(time, std::future::pending::<()>()).await;
}

/// A stream, where it goes to, and the place among streams that it takes.
type Stream = (LiveSource, Sender<Bytes>, OwnedSemaphorePermit);

/// One connection: one request, one answer.
async fn converse(pages: Arc<Pages>, stream: TcpStream, has_asked: Arc<AtomicBool>) {
    let patience = Arc::new(Patience::new(WHOLE_TIME));
    let (goes_on, mut streams) = channel::<Stream>(1);
    let service = {
        let patience = Arc::clone(&patience);
        service_fn(move |request: Request<Incoming>| {
            has_asked.store(true, Ordering::Relaxed);
            let (pages, patience) = (Arc::clone(&pages), Arc::clone(&patience));
            let goes_on = goes_on.clone();
            async move { Ok::<_, Infallible>(answer(pages, request, &patience, &goes_on).await) }
        })
    };
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(HEAD_MAX)
        .max_headers(HEADERS_MAX)
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let mut feeding = pin!(async {
        if let Some((follow, sender, place)) = streams.recv().await {
            feed(follow, sender).await;
            drop(place);
        }
    });
    let mut over = pin!(patience.over());
    let mut is_fed = false;
    loop {
        tokio::select! {
            biased;
            ended = &mut connection => {
                if let Err(error) = ended {
                    tracing::debug!("a connection ended: {error}");
                }
                return;
            }
            () = &mut over => return,
            () = &mut feeding, if !is_fed => is_fed = true,
        }
    }
}

/// Hands on what a stream finds, until it ends or its reader is gone or takes nothing.
async fn feed(mut follow: LiveSource, sender: Sender<Bytes>) {
    loop {
        let look = tokio::task::spawn_blocking(move || {
            let found = follow();
            (follow, found)
        });
        let Ok((back, Some(found))) = look.await else { return };
        follow = back;
        if !found.is_empty() {
            match timeout(SEND_TIME, sender.send(Bytes::from(found))).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return,
            }
        }
        if sender.is_closed() {
            return;
        }
        pause(LOOK).await;
    }
}

/// Reads what came with a request, and makes its answer outside the thread that takes connections.
async fn answer(
    pages: Arc<Pages>,
    request: Request<Incoming>,
    patience: &Patience,
    goes_on: &Sender<Stream>,
) -> Response<Body> {
    let (head, body) = request.into_parts();
    let allow = pages.allow();
    let Ok(body) = to_bytes(Body::new(body), BODY_MAX).await else {
        let why = format!("the body of this request is longer than {BODY_MAX} bytes\n");
        return WebPage::new(StatusCode::PAYLOAD_TOO_LARGE, why).response(allow, None);
    };
    patience.give(WORK_TIME);
    let streams = Arc::clone(&pages.streams);
    let (head, body) = (Request::from_parts(head, ()), body.to_vec());
    let page = tokio::task::spawn_blocking(move || pages.answer(&head, body)).await;
    let page = page.unwrap_or_else(|error| {
        WebPage::new(StatusCode::INTERNAL_SERVER_ERROR, format!("this page failed: {error}\n"))
    });
    patience.give(WHOLE_TIME);
    let WebPage { content: PageContent::Live(follow), .. } = page else {
        return page.response(allow, None);
    };
    let Ok(place) = streams.try_acquire_owned() else {
        let why = format!("{STREAMS_MAX} streams are open, which is the limit: close some pages\n");
        return WebPage::new(StatusCode::SERVICE_UNAVAILABLE, why).response(allow, None);
    };
    patience.give(STREAM_TIME);
    let (sender, fed) = channel(1);
    // There is one request on a connection, and so one stream.
    let _ = goes_on.try_send((follow, sender, place));
    WebPage::live(Box::new(|| None)).response(allow, Some(fed))
}

struct Pages {
    site: Site,
    streams: Arc<Semaphore>,
    board: Arc<RunMetrics>,
    store: Mutex<RunStore>,
    loops: Mutex<Loops>,
    disk: RealDisk,
    layout: Layout,
    hosts: Hosts,
}

impl Pages {
    /// The methods that are known here.
    fn allow(&self) -> &'static str {
        if self.site.acts { "GET, HEAD, POST" } else { "GET, HEAD" }
    }

    fn answer(&self, request: &Request<()>, body: Vec<u8>) -> WebPage {
        if !self.hosts.fit(request) {
            let known = self.hosts.address;
            return WebPage::new(
                StatusCode::FORBIDDEN,
                format!(
                    "the Host of this request is none of this service: ask for http://{known}/\n"
                ),
            );
        }
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let acts = self.site.acts && *request.method() == Method::POST;
        let path = request.uri().path();
        if !reads && (!acts || OWN.contains(&path)) {
            let known = self.allow();
            return WebPage::new(
                StatusCode::METHOD_NOT_ALLOWED,
                format!("only {known} are known here\n"),
            );
        }
        if acts && !self.hosts.is_from_here(request) {
            let why = "a page from elsewhere sent this: it is not acted on\n";
            return WebPage::new(StatusCode::FORBIDDEN, why);
        }
        match path {
            "/healthz" => healthz(self.board.last().map(|(age, _)| age)),
            "/readyz" => self.readyz(),
            "/metrics" => self.metrics(Format::of(request)),
            _ => (self.site.answer)(&WebRequest {
                method: request.method().clone(),
                uri: request.uri().clone(),
                headers: request.headers().clone(),
                body,
            }),
        }
    }

    fn readyz(&self) -> WebPage {
        let wait = |why: &str| {
            WebPage::new(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n"))
        };
        let turn = self.board.last().map(|(_, turn)| turn).unwrap_or_default();
        let Some(jobs) = turn.jobs else {
            return wait("no jobs are loaded yet");
        };
        let furthest = turn.furthest.as_ref();
        if let Some((ahead, name)) =
            furthest.and_then(|(upto, name)| Some((Ahead::of(*upto, SystemClock.now())?, name)))
        {
            return wait(&format!("{ahead}: {name} is silent; see `runner status`"));
        }
        match lock(&self.store).pauses() {
            Ok(_) => WebPage::new(StatusCode::OK, format!("ready: {jobs} jobs\n")),
            Err(error) => wait(&format!("the records do not answer: {error}")),
        }
    }

    fn metrics(&self, format: Format) -> WebPage {
        let (store, mut loops) = (lock(&self.store), lock(&self.loops));
        let place = (&self.disk, &self.layout);
        match metrics::page(&self.board, &store, place, &mut loops, SystemClock.now()) {
            Ok(text) => format.page(text),
            Err(error) => {
                WebPage::new(StatusCode::INTERNAL_SERVER_ERROR, format!("no numbers: {error}\n"))
            }
        }
    }
}

/// In which format the numbers are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// The text format of Prometheus, 0.0.4, which every scraper reads.
    Plain,
    OpenMetrics,
}

impl Format {
    /// By the header `Accept`: OpenMetrics when it is named, and no less wanted than plain text.
    fn of(request: &Request<()>) -> Self {
        let accept = request.headers().get_all(header::ACCEPT).iter();
        let accept: Vec<&str> = accept.filter_map(|value| value.to_str().ok()).collect();
        let weight = |wanted: &str| {
            let ranges = accept.iter().flat_map(|value| value.split(','));
            let of = ranges.filter_map(|range| {
                let mut parts = range.split(';').map(str::trim);
                let is_it = parts.next()?.eq_ignore_ascii_case(wanted);
                let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f64>().ok());
                is_it.then_some(weight.unwrap_or(1.0))
            });
            of.fold(0.0, f64::max)
        };
        let open = weight("application/openmetrics-text");
        if open > 0.0 && open >= weight("text/plain") { Self::OpenMetrics } else { Self::Plain }
    }

    /// Numbers that are in OpenMetrics, in this format.
    fn page(self, text: String) -> WebPage {
        let (content_type, text) = match self {
            Self::Plain => (METRICS, metrics::from_openmetrics(&text)),
            Self::OpenMetrics => (OPENMETRICS, text),
        };
        WebPage { content_type, ..WebPage::new(StatusCode::OK, text) }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the scheduler works, from the time since its last turn.
fn healthz(age: Option<Duration>) -> WebPage {
    match age {
        Some(age) if age < TICK_MAX => WebPage::new(StatusCode::OK, "ok\n"),
        Some(age) => WebPage::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("the scheduler made its last turn {} s ago\n", age.as_secs()),
        ),
        None => WebPage::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the scheduler has not made its first turn yet\n",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Room is made by counting, not by waiting: whoever comes in is answered however many are silent.
    #[test]
    fn who_is_silent_for_longest_makes_room_at_once_and_who_has_asked_stays() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut open = JoinSet::new();
            let mut guest = |has_asked: bool| Guest {
                task: open.spawn(std::future::pending::<()>()),
                has_asked: Arc::new(AtomicBool::new(has_asked)),
            };
            let mut guests: VecDeque<Guest> = (0..CONNECTIONS_MAX).map(|n| guest(n == 0)).collect();
            let newest = Arc::clone(&guests[CONNECTIONS_MAX - 1].has_asked);
            for _ in 0..500 {
                let oldest = guests[1].task.id();
                show_out(&mut guests);
                assert_eq!(guests.len(), CONNECTIONS_MAX - 1);
                assert!(guests.iter().all(|guest| guest.task.id() != oldest));
                guests.push_back(guest(false));
            }
            assert!(guests[0].has_asked.load(Ordering::Relaxed), "it is answered");
            assert_eq!(Arc::strong_count(&newest), 1, "it went when it was the oldest");
            for guest in &guests {
                guest.has_asked.store(true, Ordering::Relaxed);
            }
            show_out(&mut guests);
            assert_eq!(guests.len(), CONNECTIONS_MAX, "nobody who has asked is shown out");
        });
    }

    /// A stream of which nothing is taken waits for its reader, and nothing else does. Where that does not hold, the thread hangs and the
    /// test ends all the same.
    #[test]
    fn a_reader_of_a_stream_that_takes_nothing_holds_up_no_other() {
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            runtime.block_on(async {
                let looks = Arc::new(AtomicU64::new(0));
                let counted = Arc::clone(&looks);
                let follow: LiveSource = Box::new(move || {
                    counted.fetch_add(1, Ordering::Relaxed);
                    Some(b"a piece".to_vec())
                });
                let (sender, untaken) = channel(1);
                let mut open = JoinSet::new();
                open.spawn(feed(follow, sender));
                // There is room for one piece: what the second look found waits.
                while looks.load(Ordering::Relaxed) < 2 {
                    pause(PAUSE).await;
                }
                for _turn in 0..20 {
                    pause(PAUSE).await;
                }
                assert_eq!(looks.load(Ordering::Relaxed), 2, "it waits for its reader");
                tell.send(()).unwrap();
                open.shutdown().await;
                drop(untaken);
            });
        });
        let others = told.recv_timeout(Duration::from_mins(2));
        assert!(others.is_ok(), "nothing else was done while a reader took nothing");
    }

    #[test]
    fn a_scheduler_is_well_while_its_last_turn_is_young() {
        for (age, status) in [(None, 503), (Some(0), 200), (Some(14), 200), (Some(15), 503)] {
            assert_eq!(healthz(age.map(Duration::from_secs)).status.as_u16(), status, "{age:?}");
        }
    }

    #[test]
    fn numbers_are_told_in_the_format_that_is_asked_for() {
        // The last two are what Prometheus 2.53 and 3.5 send.
        for (accept, format) in [
            (None, Format::Plain),
            (Some("*/*"), Format::Plain),
            (Some("text/plain;version=0.0.4"), Format::Plain),
            (Some("application/openmetrics-text;q=0"), Format::Plain),
            (Some("application/openmetrics-text"), Format::OpenMetrics),
            (Some("text/plain;q=0.9, application/openmetrics-text;q=0.5"), Format::Plain),
            (
                Some(
                    "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                ),
                Format::OpenMetrics,
            ),
            (
                Some(
                    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,*/*;q=0.2",
                ),
                Format::OpenMetrics,
            ),
        ] {
            let request = Request::builder();
            let request = accept.into_iter().fold(request, |r, accept| r.header("Accept", accept));
            assert_eq!(Format::of(&request.body(()).unwrap()), format, "{accept:?}");
        }
    }

    #[test]
    fn only_loopback_is_listened_on_unless_it_is_meant() {
        let listen = |text: &str, reach| Listen::new(text, reach, Vec::new());
        for text in ["127.0.0.1:0", "[::1]:9464", "127.9.9.9:1"] {
            assert!(listen(text, BindScope::Loopback).is_ok(), "{text}");
        }
        for text in ["0.0.0.0:9464", "[::]:9464", "192.168.1.5:80", "[::ffff:127.0.0.1]:80"] {
            let failure = listen(text, BindScope::Loopback).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage);
            assert!(failure.message.contains("--allow-remote"), "{}", failure.message);
            assert!(listen(text, BindScope::Public).is_ok(), "{text}");
        }
        for text in ["", "9464", "localhost:9464", "127.0.0.1", "127.0.0.1:99999"] {
            let failure = listen(text, BindScope::Public).unwrap_err();
            assert!(failure.message.contains("such as 127.0.0.1:9464"), "{}", failure.message);
        }
    }
}
