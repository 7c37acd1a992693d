//! SIGTERM and SIGINT ask a job to finish its slot and leave; a second one ends it at once, with what it started. SIGHUP is not a crash.

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use rustix::fs::{OFlags, fcntl_setfl};
use signal_hook::{
    SigId,
    consts::{SIGABRT, SIGCHLD, SIGHUP, SIGINT, SIGTERM},
    flag,
    low_level::{pipe, unregister},
};

/// The signals that ask to stop.
const ASKING: [i32; 2] = [SIGTERM, SIGINT];

/// Whether this process was asked to stop, by a signal or by its time limit.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    asked: Arc<AtomicBool>,
    signal: Arc<AtomicUsize>,
    /// Whether it was asked otherwise than by a signal.
    without_signal: Arc<AtomicBool>,
    /// What ends this process at the second signal.
    at_once: Arc<[SigId]>,
}

impl Stop {
    /// Listens to the signals of this process.
    pub fn listen() -> io::Result<Self> {
        let mut stop = Self::default();
        stop.at_once = stop.end_at_once()?.into();
        for signal in ASKING {
            let number = usize::try_from(signal).unwrap_or_default();
            flag::register_usize(signal, Arc::clone(&stop.signal), number)?;
            flag::register(signal, Arc::clone(&stop.asked))?;
        }
        flag::register(SIGHUP, Arc::new(AtomicBool::new(false)))?;
        Ok(stop)
    }

    /// Once it was asked, the next signal ends this process, whatever it is at.
    fn end_at_once(&self) -> io::Result<Vec<SigId>> {
        let one = |signal: &i32| {
            flag::register_conditional_shutdown(*signal, 128 + *signal, Arc::clone(&self.asked))
        };
        ASKING.iter().map(one).collect()
    }

    /// From now on the second signal, or one after this process was asked otherwise, does not end it before `last` was called, from a thread
    /// of its own. The one after that ends it, whatever `last` is at.
    pub fn on_second(&self, last: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let mut seen = usize::from(self.signal().is_some());
        let (mut signals, end) = io::pipe()?;
        for signal in ASKING {
            pipe::register(signal, end.try_clone()?)?;
        }
        for id in self.at_once.iter() {
            unregister(*id);
        }
        let stop = self.clone();
        std::thread::Builder::new().spawn(move || {
            let mut some = [0; 64];
            while seen + usize::from(stop.without_signal.load(Ordering::Relaxed)) < 2 {
                match signals.read(&mut some) {
                    Ok(n @ 1..) => seen += n,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Ok(_) | Err(_) => return,
                }
            }
            // Without it there is still SIGKILL.
            let _ = stop.end_at_once();
            last();
        })?;
        Ok(())
    }

    pub fn asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Asks without a signal.
    pub fn ask(&self) {
        self.without_signal.store(true, Ordering::Relaxed);
        self.asked.store(true, Ordering::Relaxed);
    }

    /// Asks as SIGTERM would.
    pub fn term(&self) {
        let number = usize::try_from(SIGTERM).unwrap_or_default();
        self.without_signal.store(true, Ordering::Relaxed);
        // The signal first: who sees that it was asked may look for it.
        let _ = self.signal.compare_exchange(0, number, Ordering::Relaxed, Ordering::Relaxed);
        self.asked.store(true, Ordering::Release);
    }

    /// The signal that asked, or the one in the place of which it was asked; none of a time limit.
    pub fn signal(&self) -> Option<u8> {
        u8::try_from(self.signal.load(Ordering::Relaxed)).ok().filter(|signal| *signal > 0)
    }
}

/// Whether this process was asked to read its settings again.
#[derive(Debug, Clone, Default)]
pub struct Hangup(Arc<AtomicBool>);

impl Hangup {
    /// Listens to SIGHUP.
    pub fn listen() -> io::Result<Self> {
        let hangup = Self::default();
        flag::register(SIGHUP, Arc::clone(&hangup.0))?;
        Ok(hangup)
    }

    /// Whether it came since the last call.
    pub fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

/// Calls `wake` when this process is asked to stop or to read its settings again, and when a child of it ends, from a thread that
/// sleeps in between. Whoever listens with [`Stop`] and [`Hangup`] does so first: then they know when `wake` is called.
pub fn wake_on_signals(wake: impl Fn() + Send + 'static) -> io::Result<()> {
    wake_on(&[SIGTERM, SIGINT, SIGHUP, SIGCHLD], wake)
}

/// The same when a child ends, and when one that another process started is left to this one.
pub fn wake_on_children(wake: impl Fn() + Send + 'static) -> io::Result<()> {
    wake_on(&[SIGCHLD], wake)
}

fn wake_on(all: &[i32], wake: impl Fn() + Send + 'static) -> io::Result<()> {
    let (mut signals, end) = io::pipe()?;
    for signal in all {
        pipe::register(*signal, end.try_clone()?)?;
    }
    std::thread::Builder::new().spawn(move || {
        let mut some = [0; 64];
        loop {
            match signals.read(&mut some) {
                Ok(0) => return,
                Ok(_) => wake(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    })?;
    Ok(())
}

/// Has `last` called, from a thread of its own, when this process aborts, as it does when it gets no memory. The thread that aborts waits
/// for ever: `last` ends the process.
///
/// A handler of a signal may do next to nothing. This one writes a byte, which wakes the thread of `last`, and a second one into a pipe that is
/// full, in which it stays.
pub fn on_abort(last: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let (mut aborts, awake) = io::pipe()?;
    let (full, stay) = full_pipe()?;
    pipe::register(SIGABRT, awake)?;
    pipe::register(SIGABRT, stay.try_clone()?)?;
    // Whoever registers a pipe makes it one that never waits.
    fcntl_setfl(&stay, OFlags::empty())?;
    std::thread::Builder::new().spawn(move || {
        if matches!(aborts.read(&mut [0]), Ok(1)) {
            last();
        }
        drop((full, stay));
    })?;
    Ok(())
}

/// A pipe that nobody reads and that takes no more.
fn full_pipe() -> io::Result<(io::PipeReader, io::PipeWriter)> {
    let (full, mut stay) = io::pipe()?;
    fcntl_setfl(&stay, OFlags::NONBLOCK)?;
    // A page at a time, and then what a page leaves.
    for size in [4096, 1] {
        while stay.write_all(&[0; 4096][..size]).is_ok() {}
    }
    Ok((full, stay))
}

/// Ends this process at once, with nothing flushed.
pub fn exit_now(code: u8) {
    signal_hook::low_level::exit(i32::from(code));
}

/// Ends this process as a power cut would: at once, with nothing flushed and nothing cleaned up.
pub fn kill_myself() {
    let _ = signal_hook::low_level::raise(signal_hook::consts::SIGKILL);
}
