//! A world of numbers around a real service and real records: children that live on, a clock that jumps, a fuse that ends the
//! service in the middle of a step.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, time::Duration};

use mjolnir::{
    domain::{ids::RunId, time::UtcMs},
    serve::{
        launcher::{EndPush, LaunchError, LaunchOrder, Launcher, ProcessExit},
        service::{RunObserver, RunTrouble},
        tracked_run::TurnTime,
    },
    store::{
        disk::{Disk as _, RealDisk},
        layout::Layout,
        lock::{Lock, Owner},
        runs::{RunEnd, RunRecord, RunState, RunStore},
    },
};

use crate::support::market::Dice;

/// What a service dies of here.
pub struct Death;

/// How far a process has come.
enum Life {
    /// Started, and not at its record yet.
    Fresh,
    /// It took over its record.
    Works(#[expect(dead_code, reason = "held, not read")] Lock),
    /// Gone; not seen yet by whoever started it.
    Gone(ProcessExit),
}

struct Process {
    run: RunId,
    attempt: u32,
    /// Of the service that started it.
    born: u32,
    acts_at: Duration,
    life: Life,
    stubborn: bool,
}

/// A stretch of real time in which a run worked.
#[derive(Debug, Clone)]
pub struct Stretch {
    pub run: RunId,
    pub attempt: u32,
    pub from: Duration,
    pub to: Option<Duration>,
}

/// Everything outside the service.
pub struct World {
    pub dice: Dice,
    pub layout: Layout,
    disk: RealDisk,
    /// The connection of the children.
    store: RunStore,
    pub wall_ms: i64,
    pub up: Duration,
    pub generation: u32,
    processes: Vec<Process>,
    pub stretches: Vec<Stretch>,
    /// Calls until the service dies; none when it lives.
    pub fuse: Option<u64>,
    /// How long a run of a job lasts, in seconds, at most.
    pub longest_s: u64,
    pub told: BTreeMap<String, u32>,
    pub lines: Vec<String>,
    /// Runs that were told to be slow or late.
    pub troubles: Vec<(RunId, RunTrouble)>,
}

pub type Shared = Rc<RefCell<World>>;

impl World {
    pub fn new(seed: u64, layout: &Layout, start_ms: i64) -> Self {
        let disk = RealDisk::new(layout.data());
        Self {
            dice: Dice::new(seed),
            layout: layout.clone(),
            store: RunStore::open(&disk, layout).unwrap(),
            disk,
            wall_ms: start_ms,
            up: Duration::ZERO,
            generation: 0,
            processes: Vec::new(),
            stretches: Vec::new(),
            fuse: None,
            longest_s: 100,
            told: BTreeMap::new(),
            lines: Vec::new(),
            troubles: Vec::new(),
        }
    }

    pub fn now(&self) -> TurnTime {
        TurnTime { at: UtcMs::new(self.wall_ms).unwrap(), up: self.up }
    }

    /// One step of the service more: it may be its last.
    fn step(&mut self) {
        if let Some(left) = &mut self.fuse {
            if *left == 0 {
                self.fuse = None;
                std::panic::panic_any(Death);
            }
            *left -= 1;
        }
    }

    /// The service is gone; what it started goes on.
    pub fn bury(&mut self) {
        self.generation += 1;
        self.fuse = None;
    }

    /// Time passes, for the clock and for everybody.
    pub fn pass(&mut self, time: Duration) {
        self.wall_ms += i64::try_from(time.as_millis()).unwrap();
        self.up += time;
        let (up, mut processes) = (self.up, std::mem::take(&mut self.processes));
        for process in &mut processes {
            if process.acts_at <= up {
                self.act(process);
            }
        }
        self.processes = processes;
    }

    fn act(&mut self, process: &mut Process) {
        match &process.life {
            Life::Fresh => process.life = self.begin(process),
            Life::Works(_) => process.life = self.finish(process),
            Life::Gone(_) => {}
        }
    }

    /// What a run does first: it shows that it lives, and takes over its record.
    fn begin(&mut self, process: &mut Process) -> Life {
        let at = self.now().at;
        self.disk.create_dir_all(&self.layout.run_dir(&process.run)).unwrap();
        let owner = Owner { pid: 1, run_id: process.run.clone(), job: "x".into(), since: at };
        let Ok(lock) = Lock::take(&self.layout.run_lock(&process.run), &owner) else {
            return Life::Gone(ProcessExit::Code(75));
        };
        if !self.store.begin(&process.run, process.attempt, 1, at).unwrap() {
            return Life::Gone(ProcessExit::Code(75));
        }
        let lasts = self.dice.below(1_000 * self.longest_s);
        process.acts_at = self.up + Duration::from_millis(lasts);
        let (run, attempt) = (process.run.clone(), process.attempt);
        self.stretches.push(Stretch { run, attempt, from: self.up, to: None });
        Life::Works(lock)
    }

    fn finish(&mut self, process: &Process) -> Life {
        let asked = std::fs::metadata(self.layout.run_stop(&process.run)).is_ok();
        let (state, code) = match (asked, self.dice.below(20)) {
            (true, _) => (RunState::Cancelled, 0),
            (_, 0) => return self.die(process, ProcessExit::Signal(9)),
            (_, 1 | 2) => (RunState::Failed, 69),
            (_, 3) => (RunState::Failed, 1),
            _ => (RunState::Succeeded, 0),
        };
        let end = RunEnd { state, exit_code: code, summary: String::new(), at: self.now().at };
        self.store.finish(&process.run, &end).unwrap();
        self.die(process, ProcessExit::Code(code))
    }

    fn die(&mut self, process: &Process, gone: ProcessExit) -> Life {
        let up = self.up;
        let same = |s: &&mut Stretch| s.run == process.run && s.attempt == process.attempt;
        if let Some(stretch) = self.stretches.iter_mut().rfind(same) {
            stretch.to = Some(up);
        }
        Life::Gone(gone)
    }

    fn living(&self, run: &RunId) -> impl Iterator<Item = &Process> {
        let run = run.clone();
        self.processes
            .iter()
            .filter(move |process| process.run == run && !matches!(process.life, Life::Gone(_)))
    }
}

/// The service's hand in the world.
pub struct Hand(pub Shared);

impl Launcher for Hand {
    fn start(&mut self, order: &LaunchOrder) -> Result<(), LaunchError> {
        let mut world = self.0.borrow_mut();
        world.step();
        let record = world.store.get(&order.run).unwrap();
        let record = record.unwrap_or_else(|| panic!("{} starts and has no record", order.run));
        assert!(record.attempt >= order.attempt, "{record:?}");
        if world.dice.below(50) == 0 {
            let cause = std::io::Error::other("no more processes");
            return Err(LaunchError::Program { program: "runner".into(), cause });
        }
        let wait = Duration::from_millis(world.dice.below(3_000));
        let process = Process {
            run: order.run.clone(),
            attempt: order.attempt,
            born: world.generation,
            acts_at: world.up + wait,
            life: Life::Fresh,
            stubborn: world.dice.below(4) == 0,
        };
        world.processes.push(process);
        world.step();
        Ok(())
    }

    fn ended(&mut self) -> Vec<(RunId, ProcessExit)> {
        let mut world = self.0.borrow_mut();
        world.step();
        let (generation, mut gone) = (world.generation, Vec::new());
        world.processes.retain(|process| match process.life {
            Life::Gone(how) if process.born == generation => {
                gone.push((process.run.clone(), how));
                false
            }
            Life::Gone(_) => false,
            Life::Fresh | Life::Works(_) => true,
        });
        gone
    }

    fn is_alive(&self, run: &RunId) -> bool {
        self.0.borrow_mut().step();
        let world = self.0.borrow();
        world.living(run).any(|process| matches!(process.life, Life::Works(_)))
    }

    fn request_stop(&mut self, run: &RunId, why: &str) -> Result<(), LaunchError> {
        let mut world = self.0.borrow_mut();
        world.step();
        world.disk.create_dir_all(&world.layout.run_dir(run)).unwrap();
        world.disk.replace(&world.layout.run_stop(run), why.as_bytes()).unwrap();
        let soon = world.up + Duration::from_millis(500);
        for process in world.processes.iter_mut().filter(|p| p.run == *run && !p.stubborn) {
            process.acts_at = process.acts_at.min(soon);
        }
        Ok(())
    }

    fn stop_requested(&self, run: &RunId) -> Option<String> {
        std::fs::read_to_string(self.0.borrow().layout.run_stop(run)).ok()
    }

    fn clear_stop(&mut self, run: &RunId) {
        let world = self.0.borrow();
        let _ = world.disk.remove(&world.layout.run_stop(run));
    }

    fn signal_end(&mut self, run: &RunId, push: EndPush) {
        let mut world = self.0.borrow_mut();
        world.step();
        if push == EndPush::Kill {
            let mut processes = std::mem::take(&mut world.processes);
            for process in processes.iter_mut().filter(|process| process.run == *run) {
                if !matches!(process.life, Life::Gone(_)) {
                    process.life = world.die(process, ProcessExit::Signal(9));
                }
            }
            world.processes = processes;
        }
    }

    fn descendants(&self, run: &RunId) -> usize {
        self.0.borrow_mut().step();
        self.0.borrow().living(run).count()
    }

    fn trim(&mut self, _run: &RunId, _most: u64) {}
}

/// What the service says, into the world.
pub struct Mouth(pub Shared);

impl RunObserver for Mouth {
    fn say(&mut self, line: &str) {
        let mut world = self.0.borrow_mut();
        world.step();
        let line = format!("{} {line}", world.now().at);
        world.lines.push(line);
    }

    fn on_run_trouble(&mut self, run: &RunRecord, trouble: RunTrouble) {
        self.0.borrow_mut().troubles.push((run.run_id.clone(), trouble));
    }

    fn on_run_finished(&mut self, run: &RunRecord) {
        let mut world = self.0.borrow_mut();
        *world.told.entry(run.run_id.to_string()).or_default() += 1;
        world.step();
    }
}
