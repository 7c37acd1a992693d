//! What people see: results on stdout, everything else on stderr, progress on a terminal.

use std::{
    io::{self, IsTerminal as _, Write as _},
    path::Path,
    sync::Mutex,
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracing::{Level, Metadata};
use tracing_subscriber::{
    Layer,
    filter::filter_fn,
    fmt,
    fmt::{MakeWriter, format::Writer, time::FormatTime},
    layer::SubscriberExt as _,
};

use super::load::environment;
use crate::{
    checklist::Drawing,
    clock::{Clock as _, Stopwatch, SystemClock},
    exchange::remote::RETRY,
    jobs::context::Progress,
    manifest::Style,
    os::mask::Mask,
    store::bounded_log::{BoundedLog, BoundedWriter},
};

pub use crate::domain::text::{plain, plain_lines};

/// Before so much time has passed, a pace means nothing.
const PACE_AFTER: Duration = Duration::from_secs(2);

/// Prints a result. A closed pipe is no error: the reader has seen enough.
pub fn print(text: &str) {
    let _ = io::stdout().lock().write_all(text.as_bytes());
}

/// Prints a piece of a longer result: false when the reader is gone.
pub fn print_on(text: &str) -> bool {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
}

/// Prints a document on stdout.
pub fn print_json(value: &serde_json::Value) {
    print(&format!("{value:#}\n"));
}

/// Says something to people. Names and values in it may come from anywhere.
pub fn say(text: &str) {
    say_drawn(&plain_lines(text));
}

/// Says something that was drawn for a terminal, colours and all.
pub fn say_drawn(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// How diagnostics are drawn here.
pub fn style() -> Style {
    Style { color: wants_colour() && io::stderr().is_terminal(), width: 100 }
}

/// How lists of checks are drawn here.
pub fn drawing() -> Drawing {
    let is_terminal = io::stdout().is_terminal();
    Drawing { colour: wants_colour() && is_terminal, broken: is_terminal }
}

/// Whether a terminal may get colours: not where `NO_COLOR` has any value, nor on a terminal that has none.
fn wants_colour() -> bool {
    let environment = environment();
    let is_set = |name: &str| environment.get(name).is_some_and(|value| !value.is_empty());
    !is_set("NO_COLOR") && environment.get("TERM").is_none_or(|term| term != "dumb")
}

/// A bar on a terminal, a line per tenth elsewhere.
pub struct JobProgress {
    bar: ProgressBar,
    plain: Option<Mutex<Plain>>,
}

struct Plain {
    what: String,
    total: u64,
    done: u64,
    told: u64,
    watch: Stopwatch,
}

impl JobProgress {
    pub fn new() -> Self {
        if io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
            return Self { bar, plain: None };
        }
        let (what, watch) = (String::new(), Stopwatch::start());
        let plain = Plain { what, total: 0, done: 0, told: 0, watch };
        Self { bar: ProgressBar::hidden(), plain: Some(Mutex::new(plain)) }
    }
}

impl Default for JobProgress {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress for JobProgress {
    fn begin(&self, what: &str, total: u64) {
        if let Some(plain) = &self.plain {
            if let Ok(mut plain) = plain.lock() {
                let (what, watch) = (what.to_owned(), Stopwatch::start());
                *plain = Plain { what, total, done: 0, told: 0, watch };
            }
            say(&format!("{what} ..."));
            return;
        }
        let template = if total > 0 {
            "{prefix} [{bar:32}] {pos}/{len} {msg} {per_sec} eta {eta}"
        } else {
            "{prefix} {spinner} {msg} {elapsed}"
        };
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        self.bar.set_style(style.progress_chars("=> "));
        self.bar.set_prefix(what.to_owned());
        self.bar.set_length(total);
        self.bar.set_position(0);
    }

    fn advance(&self, note: &str) {
        let Some(plain) = &self.plain else {
            self.bar.set_message(note.to_owned());
            self.bar.inc(1);
            return;
        };
        let Ok(mut plain) = plain.lock() else { return };
        plain.done += 1;
        if plain.total > 0 && plain.done * 10 / plain.total > plain.told {
            plain.told = plain.done * 10 / plain.total;
            let pace = pace((plain.done, plain.total), plain.watch.passed());
            let comma = if note.is_empty() || pace.is_empty() { "" } else { ", " };
            say(&format!("{}: {}% {note}{comma}{pace}", plain.what, plain.told * 10));
        }
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// How fast it goes and how long the rest takes, once that can be said.
fn pace((done, total): (u64, u64), passed: Duration) -> String {
    if done == 0 || done >= total || passed < PACE_AFTER {
        return String::new();
    }
    let each = passed.as_secs_f64() / done as f64;
    format!("{:.1} a second, {:.0} s left", 1.0 / each, (each * (total - done) as f64).ceil())
}

struct Masked<W> {
    inner: W,
    mask: Mask,
}

impl<W: io::Write> io::Write for Masked<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = plain_lines(&self.mask.apply(&String::from_utf8_lossy(bytes)));
        self.inner.write_all(text.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

struct Sink<F>(F, Mask);

impl<'a, W: io::Write, F: Fn() -> W> MakeWriter<'a> for Sink<F> {
    type Writer = Masked<W>;

    fn make_writer(&'a self) -> Masked<W> {
        Masked { inner: (self.0)(), mask: self.1.clone() }
    }
}

/// Target of the event that tells how a run ended. It is for the log: people are told at the end, once.
pub const OUTCOME: &str = "outcome";

/// What people see of a log on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum People {
    Warnings,
    /// All of it with time and level, where stderr is not a terminal: for a loop, whose stderr is kept by whoever started it. The loop
    /// counts what repeats, so single attempts are in its log only.
    Loop,
}

/// Logs to the run's `log.jsonl`, of which the end is kept when it grows longer than `most` bytes, and to people on stderr.
pub fn log_to(path: &Path, most: u64, mask: &Mask, people: People) -> io::Result<()> {
    let file = std::sync::Arc::new(BoundedLog::open(path, most)?);
    let is_loop = people == People::Loop;
    let lines = fmt::layer()
        .json()
        .flatten_event(true)
        .with_target(false)
        .with_writer(Sink(move || BoundedWriter(std::sync::Arc::clone(&file)), mask.clone()))
        .with_filter(filter_fn(|event| *event.level() <= Level::INFO));
    let shown = fmt::layer()
        .with_target(false)
        .with_ansi(false)
        .with_writer(Sink(io::stderr, mask.clone()))
        .compact();
    let least = if is_loop && !io::stderr().is_terminal() { Level::INFO } else { Level::WARN };
    let for_people = filter_fn(move |event: &Metadata<'_>| {
        *event.level() <= least && event.target() != OUTCOME && is_shown(event, is_loop)
    });
    let shown: Box<dyn Layer<_> + Send + Sync> = if least == Level::INFO {
        Box::new(shown.with_timer(Seconds).with_filter(for_people))
    } else {
        Box::new(shown.without_time().with_filter(for_people))
    };
    let subscriber = tracing_subscriber::registry().with(lines).with(shown);
    // Only the first run of a process may log; a second one would be a bug of the caller.
    tracing::subscriber::set_global_default(subscriber).map_err(io::Error::other)
}

/// Whether people see an event. A loop says itself how often it asked in vain; the log of its run has every attempt.
fn is_shown(event: &Metadata<'_>, is_loop: bool) -> bool {
    !is_loop || event.target() != RETRY
}

/// The time of day in whole seconds, in UTC.
struct Seconds;

impl FormatTime for Seconds {
    fn format_time(&self, w: &mut Writer<'_>) -> std::fmt::Result {
        write!(w, "{}", SystemClock.now().format("%Y-%m-%dT%H:%M:%SZ"))
    }
}
