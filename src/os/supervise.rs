//! A child that is not trusted to end, to be quiet, or to die: waiting for it never takes longer than was said.

use std::{cell::Cell, io, pin::pin, process::ExitStatus, time::Duration};

use rustix::process::Signal;
use tokio::io::AsyncReadExt as _;

use super::{
    process::{KILLED, Knows, LAST_WORDS_MAX, ProcessStatus, Spawn, code, end, piped, signal},
    signals::Stop,
};

/// Between two looks at the time and at whether to stop.
const LOOK: Duration = Duration::from_millis(50);
/// Longest line that is heard, in bytes; what is longer is cut.
const LINE_MAX: usize = 4096;

/// Whom to watch, and how long.
#[derive(Debug, Clone)]
pub struct WatchedSpawn {
    /// What is started. Its results are kept, whatever it says of them.
    pub spawn: Spawn,
    /// What it knows besides the variables it is given.
    pub knows: Knows,
    /// The longest it may print no line.
    pub silence: Option<Duration>,
    /// Most bytes that are kept of each stream: the first ones.
    pub most: usize,
}

/// How a watched child went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchedEnd {
    /// By itself, or by a signal that this program did not send.
    Left(ProcessStatus),
    /// Its time was up.
    TimedOut,
    /// It said nothing for too long.
    Silent,
    /// This process was asked to stop.
    Stopped,
    /// It is still there, although it was killed.
    Unkillable,
}

/// What is known of a child that was watched.
#[derive(Debug, Clone)]
pub struct Watched {
    pub gone: WatchedEnd,
    /// Its exit code; 128 + n for signal n, also that of its end by us.
    pub code: i32,
    /// Its results, from the beginning.
    pub stdout: Vec<u8>,
    /// Its messages, from the beginning.
    pub stderr: Vec<u8>,
    /// Whether it said more than was kept.
    pub cut: bool,
}

/// Starts a child and waits until it is gone, or cannot be waited for any longer. `heard` gets each line that it prints. Whatever happens,
/// its whole group has ended then, unless the kernel holds a process.
pub async fn watch(
    watch: &WatchedSpawn,
    stop: &Stop,
    heard: &mut dyn FnMut(&str),
) -> io::Result<Watched> {
    enum Ended {
        Itself(ExitStatus),
        Cut(WatchedEnd),
    }
    let (mut child, group, _ours) = piped(&watch.spawn, watch.knows)?;
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    let quiet = Cell::new(0);
    let (mut stdout, mut stderr) = (Kept::new(watch.most), Kept::new(watch.most));
    let (gone, code) = {
        let mut line = Vec::new();
        let mut lines = |bytes: &[u8]| {
            quiet.set(0);
            split(&mut line, bytes, heard);
        };
        let mut silently = |_: &[u8]| {};
        let mut reading = pin!(async {
            let both =
                (stdout.fill(out.as_mut(), &mut lines), stderr.fill(err.as_mut(), &mut silently));
            tokio::join!(both.0, both.1);
        });
        let mut limit = pin!(limit(watch, stop, &quiet));
        let mut is_read = false;
        let ended = loop {
            tokio::select! {
                biased;
                gone = &mut limit => break Ended::Cut(gone),
                status = child.wait() => break Ended::Itself(status?),
                () = &mut reading, if !is_read => is_read = true,
            }
        };
        let gone = match ended {
            Ended::Itself(status) => {
                signal(group, Signal::KILL);
                (WatchedEnd::Left(ProcessStatus::of(status)), code(status))
            }
            Ended::Cut(gone) => match end(&mut child, group, watch.spawn.grace).await {
                Some(status) => (gone, code(status)),
                None => (WatchedEnd::Unkillable, KILLED),
            },
        };
        if !is_read {
            // What is not there by then is not waited for.
            let _ = tokio::time::timeout(LAST_WORDS_MAX, reading).await;
        }
        gone
    };
    let cut = stdout.cut || stderr.cut;
    Ok(Watched { gone, code, stdout: stdout.bytes, stderr: stderr.bytes, cut })
}

/// Ends when the child may not go on.
async fn limit(watch: &WatchedSpawn, stop: &Stop, quiet: &Cell<u128>) -> WatchedEnd {
    let looks = |time: Duration| time.as_millis() / LOOK.as_millis();
    let mut ticks = tokio::time::interval(LOOK);
    let mut passed = 0;
    loop {
        ticks.tick().await;
        passed += 1;
        quiet.set(quiet.get() + 1);
        if stop.asked() {
            return WatchedEnd::Stopped;
        }
        if watch.spawn.timeout.is_some_and(|most| passed > looks(most)) {
            return WatchedEnd::TimedOut;
        }
        if watch.silence.is_some_and(|most| quiet.get() > looks(most)) {
            return WatchedEnd::Silent;
        }
    }
}

/// All that a child said, when it is needed whole.
#[derive(Debug, Clone)]
pub struct Captured {
    /// Its exit code; 128 + n for signal n.
    pub code: i32,
    /// Whether the time limit ended it.
    pub timed_out: bool,
    /// Its results.
    pub stdout: Vec<u8>,
    /// Its messages.
    pub stderr: Vec<u8>,
    /// Whether it said more than was asked for: then the rest is lost.
    pub cut: bool,
}

/// Watches a child that knows no variables but those it is given, and keeps all it says, up to `most` bytes a stream.
pub async fn capture(spawn: &Spawn, most: usize, stop: &Stop) -> io::Result<Captured> {
    let alone = WatchedSpawn { spawn: spawn.clone(), knows: Knows::OnlyGiven, silence: None, most };
    let Watched { gone, code, stdout, stderr, cut } = watch(&alone, stop, &mut |_| {}).await?;
    let timed_out = matches!(gone, WatchedEnd::TimedOut | WatchedEnd::Unkillable);
    Ok(Captured { code, timed_out, stdout, stderr, cut })
}

/// The beginning of a stream.
struct Kept {
    bytes: Vec<u8>,
    most: usize,
    cut: bool,
}

impl Kept {
    fn new(most: usize) -> Self {
        Self { bytes: Vec::new(), most, cut: false }
    }

    /// Reads to the end of the stream.
    async fn fill<R: tokio::io::AsyncRead + Unpin>(
        &mut self,
        stream: Option<&mut R>,
        each: &mut dyn FnMut(&[u8]),
    ) {
        let Some(stream) = stream else { return };
        let mut chunk = vec![0_u8; 65_536];
        while let Ok(n @ 1..) = stream.read(&mut chunk).await {
            each(&chunk[..n]);
            let fits = n.min(self.most - self.bytes.len());
            self.bytes.extend_from_slice(&chunk[..fits]);
            self.cut |= fits < n;
        }
    }
}

/// Hands on whole lines; the last one, without its end, waits in `line`.
fn split(line: &mut Vec<u8>, bytes: &[u8], heard: &mut dyn FnMut(&str)) {
    let mut pieces = bytes.split(|byte| *byte == b'\n').peekable();
    while let Some(piece) = pieces.next() {
        let room = LINE_MAX.saturating_sub(line.len());
        line.extend_from_slice(&piece[..piece.len().min(room)]);
        if pieces.peek().is_some() {
            heard(&String::from_utf8_lossy(line));
            line.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::process::runtime, *};
    use crate::os::process::ChildResults;

    fn watched(script: &str, timeout_ms: u64, most: usize) -> (Watched, Vec<String>) {
        watched_in_silence(script, timeout_ms, Duration::from_mins(2), most)
    }

    fn watched_in_silence(
        script: &str,
        timeout_ms: u64,
        silence: Duration,
        most: usize,
    ) -> (Watched, Vec<String>) {
        let timeout = Some(Duration::from_millis(timeout_ms));
        let spawn = Spawn {
            argv: ["sh", "-c", script].map(str::to_owned).to_vec(),
            env: std::collections::BTreeMap::new(),
            dir: "/".into(),
            timeout,
            grace: Duration::from_millis(200),
            results: ChildResults::Kept,
        };
        let runtime = runtime().unwrap();
        let mut lines = Vec::new();
        let watch_ = WatchedSpawn { spawn, knows: Knows::All, silence: Some(silence), most };
        let seen = runtime.block_on(watch(&watch_, &Stop::default(), &mut |line: &str| {
            lines.push(line.to_owned());
        }));
        (seen.unwrap(), lines)
    }

    #[test]
    fn what_it_says_and_how_it_goes_is_known() {
        let (seen, lines) = watched("echo a; echo b >&2; printf c; exit 7", 60_000, 100);
        assert_eq!(seen.gone, WatchedEnd::Left(ProcessStatus::Code(7)));
        assert_eq!((&*seen.stdout, &*seen.stderr, seen.cut), (&b"a\nc"[..], &b"b\n"[..], false));
        assert_eq!(lines, ["a"], "the last one has no end");
        let (seen, _) = watched("kill -SEGV $$", 60_000, 100);
        assert_eq!(seen.gone, WatchedEnd::Left(ProcessStatus::Signal(11)));
    }

    #[test]
    fn neither_time_nor_silence_nor_bytes_are_without_end() {
        assert_eq!(watched("while :; do echo x; done", 300, 100).0.gone, WatchedEnd::TimedOut);
        let (seen, _) = watched_in_silence("sleep 60", 60_000, Duration::from_secs(1), 100);
        assert_eq!(seen.gone, WatchedEnd::Silent);
        let (seen, _) = watched("head -c 100000000 /dev/zero", 60_000, 100);
        assert_eq!(
            (seen.gone, seen.stdout.len(), seen.cut),
            (WatchedEnd::Left(ProcessStatus::Code(0)), 100, true)
        );
    }

    #[test]
    fn a_grandchild_that_holds_the_streams_and_takes_no_signal_is_not_waited_for() {
        let stubborn = "(trap '' TERM; echo $BASHPID; while :; do sleep 1; done) & echo x; exit 0";
        let (seen, _) = watched(stubborn, 60_000, 100);
        assert_eq!(seen.gone, WatchedEnd::Left(ProcessStatus::Code(0)));
        let stubborn =
            "(trap '' TERM; while :; do sleep 1; done) & trap '' TERM; while :; do sleep 1; done";
        assert_eq!(watched(stubborn, 300, 100).0.gone, WatchedEnd::TimedOut);
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        let spawn = Spawn {
            argv: vec!["/no/such/program".to_owned()],
            env: std::collections::BTreeMap::new(),
            dir: "/".into(),
            timeout: None,
            grace: Duration::ZERO,
            results: ChildResults::Kept,
        };
        let runtime = runtime().unwrap();
        let nobody = WatchedSpawn { spawn, knows: Knows::All, silence: None, most: 1 };
        let seen = runtime.block_on(watch(&nobody, &Stop::default(), &mut |_: &str| {}));
        assert_eq!(seen.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn what_is_captured_knows_only_what_it_is_given_and_waits_for_nobody_it_left_behind() {
        let captured = |script: &str| {
            let env = [("GIVEN", "yes"), ("PATH", "/usr/bin:/bin")];
            let spawn = Spawn {
                argv: ["sh", "-c", script].map(str::to_owned).to_vec(),
                env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
                dir: "/".into(),
                timeout: Some(Duration::from_mins(2)),
                grace: Duration::ZERO,
                results: ChildResults::Kept,
            };
            let runtime = runtime().unwrap();
            runtime.block_on(async {
                let stop = Stop::default();
                let said = capture(&spawn, 100, &stop);
                tokio::time::timeout(Duration::from_mins(1), said).await
            })
        };
        let said = captured("echo $GIVEN $CARGO $HOME; exit 3").unwrap().unwrap();
        assert_eq!(
            (&*said.stdout, said.code, said.timed_out),
            (
                &b"yes
"[..],
                3,
                false
            )
        );
        let said =
            captured("setsid sleep 90 & sleep 1; echo x").expect("nobody is waited for").unwrap();
        assert_eq!(
            (&*said.stdout, said.code, said.timed_out),
            (
                &b"x
"[..],
                0,
                false
            )
        );
    }
}
