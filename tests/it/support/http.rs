//! A small HTTP server on loopback that answers as a test says, byte for byte, and remembers what it was asked.

use std::{
    fmt::Write as _,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use mjolnir::{
    clock::{Clock as _, SystemClock, nap},
    domain::{
        bar::TimedBar,
        time::{Timeframe, UtcMs, Window},
    },
    exchange::feed,
};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer, pem::PemObject as _},
};

/// One request as it came in.
#[derive(Debug, Clone)]
pub struct Asked {
    /// When.
    pub at: UtcMs,
    /// What stands between the method and the version.
    pub target: String,
    /// The whole head.
    pub head: String,
    /// What followed it.
    pub body: String,
}

impl Asked {
    /// A header; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.clone().find(|(key, _)| key.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }

    /// A number of the query; 0 when it is not there.
    pub fn number(&self, name: &str) -> i64 {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(key, _)| *key == name).find_map(|(_, value)| value.parse().ok()).unwrap_or(0)
    }

    /// The first and the last open asked for of 5m bars, milliseconds, as Binance has them.
    pub fn opens(&self) -> (i64, i64) {
        let end = self.number("endTime");
        (self.number("startTime"), end - end.rem_euclid(Timeframe::M5.ms()))
    }
}

/// What to answer.
#[derive(Debug, Clone)]
pub struct Reply {
    status: &'static str,
    headers: String,
    body: Vec<u8>,
    /// What the head says of the length; `None` is the truth.
    length: Option<usize>,
    hangs: bool,
    raw: bool,
}

impl Reply {
    /// This status and body.
    pub fn new(status: &'static str, body: impl Into<Vec<u8>>) -> Self {
        let (headers, body) = (String::new(), body.into());
        Self { status, headers, body, length: None, hangs: false, raw: false }
    }

    /// Bars in Binance's format.
    pub fn klines(bars: &[TimedBar]) -> Self {
        Self::of_rows(&Self::rows_of(bars))
    }

    /// The rows of bars in that format.
    pub fn rows_of(bars: &[TimedBar]) -> Vec<String> {
        let row = |TimedBar { ts, bar }: &TimedBar| {
            let values = bar.values().map(|value| format!("\"{value}\"")).join(",");
            format!("[{},{values},{},\"0\",1,\"0\",\"0\",\"0\"]", ts.open_ms(), ts.ts_ms() - 1)
        };
        bars.iter().map(row).collect()
    }

    /// These rows.
    pub fn of_rows(rows: &[String]) -> Self {
        Self::new("200 OK", format!("[{}]", rows.join(",")))
    }

    /// The made-up 5m bars that a request asks for.
    pub fn made_up(asked: &Asked) -> Self {
        Self::klines(&Self::made_up_bars(asked))
    }

    /// Those bars.
    pub fn made_up_bars(asked: &Asked) -> Vec<TimedBar> {
        let slot = |open_ms| Timeframe::M5.slot_of_open(open_ms).unwrap();
        let (first, last) = asked.opens();
        feed::seeded_bars(7, Window::new(slot(first), slot(last)).unwrap())
    }

    /// Takes the request and never answers.
    pub fn hang() -> Self {
        Self { hangs: true, ..Self::new("", "") }
    }

    /// These bytes and no HTTP around them.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { raw: true, ..Self::new("", bytes) }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        let _ = write!(self.headers, "{name}: {value}\r\n");
        self
    }

    /// Packs the body.
    pub fn gzip(mut self) -> Self {
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        packer.write_all(&self.body).unwrap();
        self.body = packer.finish().unwrap();
        self.header("Content-Encoding", "gzip")
    }

    /// Promises more than it sends.
    pub fn cut_short(mut self) -> Self {
        self.length = Some(self.body.len() + 100);
        self
    }

    fn bytes(&self) -> Vec<u8> {
        if self.raw {
            return self.body.clone();
        }
        let length = self.length.unwrap_or(self.body.len());
        let head = format!(
            "HTTP/1.1 {}\r\n{}Content-Length: {length}\r\nConnection: close\r\n\r\n",
            self.status, self.headers
        );
        [head.as_bytes(), &self.body].concat()
    }
}

/// A connection of either kind.
trait Wire: Read + Write {}
impl<T: Read + Write> Wire for T {}

type Script = dyn Fn(usize, &Asked) -> Reply + Send + Sync;

/// A server. Dropping it closes its port.
pub struct Server {
    scheme: &'static str,
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    over: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Server {
    /// The certificate of [`Server::secure`], which it signed itself.
    pub const CERTIFICATE: &str =
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support/tls/cert.pem");

    /// Answers request number n (from 0) with `script(n, request)`.
    pub fn start(script: impl Fn(usize, &Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::with(None, script)
    }

    /// The same with TLS and a certificate that it signed itself.
    pub fn secure(script: impl Fn(usize, &Asked) -> Reply + Send + Sync + 'static) -> Self {
        let certificate = CertificateDer::from_pem_file(Self::CERTIFICATE).unwrap();
        let key = PrivatePkcs8KeyDer::from(include_bytes!("tls/key.der").as_slice());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider);
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let config = config.with_single_cert(vec![certificate], key.into()).unwrap();
        Self::with(Some(Arc::new(config)), script)
    }

    fn with(
        tls: Option<Arc<ServerConfig>>,
        script: impl Fn(usize, &Asked) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, over) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (seen, end, script) = (Arc::clone(&asked), Arc::clone(&over), Arc::new(script));
        let accepting = std::thread::spawn(move || {
            for stream in listener.incoming().map(Result::unwrap) {
                if end.load(Ordering::Relaxed) {
                    return;
                }
                let (seen, end) = (Arc::clone(&seen), Arc::clone(&end));
                let script: Arc<Script> = script.clone();
                let wire: Box<dyn Wire + Send> = match &tls {
                    None => Box::new(stream),
                    Some(tls) => {
                        let connection = ServerConnection::new(Arc::clone(tls)).unwrap();
                        Box::new(StreamOwned::new(connection, stream))
                    }
                };
                std::thread::spawn(move || serve(wire, &seen, &end, &*script));
            }
        });
        Self { scheme, address, asked, over, accepting: Some(accepting) }
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Everything it was asked, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Waits until it was asked so often.
    pub fn await_asked(&self, times: usize) {
        let mut left = 180_000;
        while self.asked.lock().unwrap().len() < times {
            nap(Duration::from_millis(1));
            left -= 1;
            assert!(left > 0, "it is asked in time");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // The accepting thread looks at the flag when somebody knocks.
        TcpStream::connect(self.address).ok();
        self.accepting.take().map(JoinHandle::join);
    }
}

fn serve(mut stream: Box<dyn Wire>, seen: &Mutex<Vec<Asked>>, over: &AtomicBool, script: &Script) {
    let mut head = Vec::new();
    let mut byte = [0_u8];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            Ok(_) => break,
            // A handshake that failed brings no request.
            Err(_) => return,
        }
        // What speaks no HTTP, such as the start of a secure connection, is answered as it comes.
        if head.len() == 3 && !head.iter().all(u8::is_ascii_uppercase) {
            break;
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut asked = Asked { at: SystemClock.now(), target, head, body: String::new() };
    let mut body = vec![0_u8; asked.header("content-length").parse().unwrap_or(0)];
    if stream.read_exact(&mut body).is_err() {
        return;
    }
    asked.body = String::from_utf8_lossy(&body).into_owned();
    let number = {
        let mut seen = seen.lock().unwrap();
        seen.push(asked.clone());
        seen.len() - 1
    };
    let reply = script(number, &asked);
    while reply.hangs && !over.load(Ordering::Relaxed) {
        nap(Duration::from_millis(5));
    }
    if !reply.hangs {
        // Whoever asked may have left already.
        stream.write_all(&reply.bytes()).ok();
    }
}
