//! The pages of the service: a small HTTP server that answers GET and HEAD on a few fixed paths, to whoever names it by an
//! address of its own. Nothing can be changed through it.

use std::{
    collections::VecDeque,
    convert::Infallible,
    io::ErrorKind,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use axum::body::Body;
use http::{Method, Request, Response, StatusCode, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::{AbortHandle, JoinSet},
    time::timeout,
};

use super::{
    metrics::{self, Loops},
    run_metrics::RunMetrics,
};
use crate::{
    clock::{Clock as _, SystemClock},
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
const PLAIN: &str = "text/plain; charset=utf-8";
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const INDEX: &str = "mjolnir: the scheduler service\n\n/healthz  whether the scheduler makes its turns\n\
                     /readyz   whether jobs are loaded, the records answer and no schedule is silent\n/metrics  numbers, as Prometheus reads them: text, or OpenMetrics for who asks for it\n";

/// Where to listen, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    address: SocketAddr,
    /// More names it may be called by, such as that of its container.
    names: Vec<String>,
}

/// Who may reach it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// This machine only.
    Loopback,
    /// Whoever the address is open to.
    Public,
}

impl Listen {
    /// Reads `ADDRESS:PORT`; port 0 takes a free one. Pages show what the box trades, so anything but loopback must be meant.
    pub fn new(text: &str, reach: Reach, names: Vec<String>) -> Result<Self, Failure> {
        let refuse = |why: &str| Failure::new(Exit::Usage, format!("--listen {text}: {why}"));
        let address: SocketAddr = text
            .parse()
            .map_err(|_| refuse("write an address and a port, such as 127.0.0.1:9464"))?;
        if reach == Reach::Loopback && !address.ip().is_loopback() {
            return Err(refuse(
                "others could reach this address, and the pages have no password: listen on 127.0.0.1, or add --allow-public",
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
pub fn start(listen: &Listen, root: &Path, board: Arc<RunMetrics>) -> Result<Server, Failure> {
    let layout = Layout::new(root);
    let disk = RealDisk::new(layout.data());
    let store = Mutex::new(RunStore::open(&disk, &layout)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Failure::new(Exit::Io, format!("no runtime: {error}")))?;
    let bound = runtime.block_on(TcpListener::bind(listen.address));
    let listener = bound.map_err(|error| refused(listen.address, &error))?;
    let address = listener.local_addr().map_err(|error| refused(listen.address, &error))?;
    let hosts = Hosts { address, names: listen.names.clone() };
    let loops = Mutex::default();
    let pages = Arc::new(Pages { board, store, loops, disk, layout, hosts });
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
                let talk = async move { timeout(WHOLE_TIME, converse(pages, stream, asks)).await };
                guests.push_back(Guest { task: open.spawn(talk), has_asked });
                // It may ask before others come in: who has asked is not shown out.
                tokio::task::yield_now().await;
            }
            Err(error) => {
                tracing::warn!("a connection could not be taken: {error}");
                let _ = timeout(PAUSE, std::future::pending::<()>()).await;
            }
        }
    }
    open.shutdown().await;
}

/// One connection: one request, one answer.
async fn converse(pages: Arc<Pages>, stream: TcpStream, has_asked: Arc<AtomicBool>) {
    let service = service_fn(move |request: Request<Incoming>| {
        has_asked.store(true, Ordering::Relaxed);
        let pages = Arc::clone(&pages);
        async move {
            let head = request.map(|_| ());
            // Records and ledgers are read outside the thread that takes connections.
            let page = tokio::task::spawn_blocking(move || pages.answer(&head)).await;
            let page = page.unwrap_or_else(|error| {
                Page::new(StatusCode::INTERNAL_SERVER_ERROR, format!("this page failed: {error}\n"))
            });
            Ok::<_, Infallible>(page.response())
        }
    });
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(HEAD_MAX)
        .max_headers(HEADERS_MAX)
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!("a connection ended: {error}");
    }
}

struct Pages {
    board: Arc<RunMetrics>,
    store: Mutex<RunStore>,
    loops: Mutex<Loops>,
    disk: RealDisk,
    layout: Layout,
    hosts: Hosts,
}

impl Pages {
    fn answer(&self, request: &Request<()>) -> Page {
        if !self.hosts.fit(request) {
            let known = self.hosts.address;
            return Page::new(
                StatusCode::FORBIDDEN,
                format!(
                    "the Host of this request is none of this service: ask for http://{known}/\n"
                ),
            );
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Page::new(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are known here\n");
        }
        match request.uri().path() {
            "/" => Page::new(StatusCode::OK, INDEX),
            "/healthz" => healthz(self.board.last().map(|(age, _)| age)),
            "/readyz" => self.readyz(),
            "/metrics" => self.metrics(Format::of(request)),
            _ => Page::new(StatusCode::NOT_FOUND, "this page does not exist; / lists the pages\n"),
        }
    }

    fn readyz(&self) -> Page {
        let wait =
            |why: &str| Page::new(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n"));
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
            Ok(_) => Page::new(StatusCode::OK, format!("ready: {jobs} jobs\n")),
            Err(error) => wait(&format!("the records do not answer: {error}")),
        }
    }

    fn metrics(&self, format: Format) -> Page {
        let (store, mut loops) = (lock(&self.store), lock(&self.loops));
        let place = (&self.disk, &self.layout);
        match metrics::page(&self.board, &store, place, &mut loops, SystemClock.now()) {
            Ok(text) => format.page(text),
            Err(error) => {
                Page::new(StatusCode::INTERNAL_SERVER_ERROR, format!("no numbers: {error}\n"))
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
    fn page(self, text: String) -> Page {
        let (content_type, text) = match self {
            Self::Plain => (METRICS, metrics::from_openmetrics(&text)),
            Self::OpenMetrics => (OPENMETRICS, text),
        };
        Page { content_type, ..Page::new(StatusCode::OK, text) }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the scheduler works, from the time since its last turn.
fn healthz(age: Option<Duration>) -> Page {
    match age {
        Some(age) if age < TICK_MAX => Page::new(StatusCode::OK, "ok\n"),
        Some(age) => Page::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("the scheduler made its last turn {} s ago\n", age.as_secs()),
        ),
        None => Page::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the scheduler has not made its first turn yet\n",
        ),
    }
}

/// The names by which a request may call this service. A page of somebody else's in a browser can point a name of its own at
/// this machine, but it cannot make the browser say another name than that.
#[derive(Debug)]
struct Hosts {
    address: SocketAddr,
    names: Vec<String>,
}

impl Hosts {
    fn fit(&self, request: &Request<()>) -> bool {
        let mut said = request.headers().get_all(header::HOST).iter();
        let (Some(host), None) = (said.next(), said.next()) else { return false };
        let in_target = request.uri().authority().is_none_or(|name| self.is_ours(name.as_str()));
        in_target && host.to_str().is_ok_and(|host| self.is_ours(host))
    }

    fn is_ours(&self, host: &str) -> bool {
        let Some((name, port)) = host.rsplit_once(':') else { return false };
        if port != self.address.port().to_string() {
            return false;
        }
        if ["127.0.0.1", "localhost", "[::1]"].contains(&name) || host == self.address.to_string() {
            return true;
        }
        // Who listens to others is called by the addresses of the machine: a number is no name that could be pointed here.
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        let is_public = !self.address.ip().is_loopback();
        is_public && bare.parse::<IpAddr>().is_ok() || self.names.iter().any(|known| known == name)
    }
}

/// An answer.
struct Page {
    status: StatusCode,
    content_type: &'static str,
    text: String,
}

impl Page {
    fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, content_type: PLAIN, text: text.into() }
    }

    fn response(self) -> Response<Body> {
        let head = Response::builder()
            .status(self.status)
            .header(header::CONTENT_TYPE, self.content_type)
            .header(header::CACHE_CONTROL, "no-store")
            .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
            .header(header::CONTENT_SECURITY_POLICY, "default-src 'none'");
        let head = if self.status == StatusCode::METHOD_NOT_ALLOWED {
            head.header(header::ALLOW, "GET, HEAD")
        } else {
            head
        };
        head.body(Body::from(self.text)).expect("a page has a status and headers of plain letters")
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
            assert!(listen(text, Reach::Loopback).is_ok(), "{text}");
        }
        for text in ["0.0.0.0:9464", "[::]:9464", "192.168.1.5:80", "[::ffff:127.0.0.1]:80"] {
            let failure = listen(text, Reach::Loopback).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage);
            assert!(failure.message.contains("--allow-public"), "{}", failure.message);
            assert!(listen(text, Reach::Public).is_ok(), "{text}");
        }
        for text in ["", "9464", "localhost:9464", "127.0.0.1", "127.0.0.1:99999"] {
            let failure = listen(text, Reach::Public).unwrap_err();
            assert!(failure.message.contains("such as 127.0.0.1:9464"), "{}", failure.message);
        }
    }

    #[test]
    fn names_that_could_be_pointed_here_are_none_of_ours() {
        let hosts = |address: &str, names: &[&str]| Hosts {
            address: address.parse().unwrap(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
        };
        let local = hosts("127.0.0.1:9464", &[]);
        for good in ["127.0.0.1:9464", "localhost:9464", "[::1]:9464"] {
            assert!(local.is_ours(good), "{good}");
        }
        for bad in [
            "",
            "127.0.0.1",
            "localhost",
            "127.0.0.1:80",
            "evil.example:9464",
            "localhost.evil:9464",
            "127.0.0.1:9464.evil:9464",
            "10.0.0.7:9464",
            "LOCALHOST@evil:9464",
            "127.0.0.1:09464",
        ] {
            assert!(!local.is_ours(bad), "{bad}");
        }
        let public = hosts("0.0.0.0:9464", &["runner"]);
        for good in ["10.0.0.7:9464", "[fe80::1]:9464", "runner:9464", "0.0.0.0:9464"] {
            assert!(public.is_ours(good), "{good}");
        }
        for bad in ["evil.example:9464", "10.0.0.7:80", "10.0.0.7.evil:9464", "runner.evil:9464"] {
            assert!(!public.is_ours(bad), "{bad}");
        }
    }
}
