//! A simulated venue, the live loop in front of it, and what must hold of what the loop leaves.

use mjolnir::{
    domain::{
        bar::TimedBar,
        ids::Exchange,
        series::Series,
        time::{SlotTs, Timeframe, UtcMs},
    },
    store::{
        disk::RealDisk,
        layout::Layout,
        raw::{RawStore, Revision},
    },
};

use crate::support::{
    ran::Ran,
    runner::{Call, Root},
    sim::{Sim, truth},
};

/// Seconds of the venue in a real one: a bar takes ten milliseconds.
pub const SPEED: &str = "6000x";
/// Slot 0, 2024-01-05T12:00:00Z.
const ZERO_MS: i64 = 1_704_456_000_000;

pub const DECISIONS: &str = "data/processed/decisions/net/BTC_USD/1m/decisions.csv";
pub const TIMING: &str = "data/processed/decisions/net/BTC_USD/1m/timing.csv";

pub fn slot(n: i64) -> SlotTs {
    Timeframe::M1.slot(ZERO_MS).unwrap().plus(n)
}

/// One decided slot.
#[derive(Debug, Clone)]
pub struct Row {
    pub ts: SlotTs,
    pub action: String,
    pub reason: String,
    pub risk: String,
    pub origin: String,
    pub seen_at: UtcMs,
    pub late_ms: i64,
}

/// Bars of one minute of BTC/USD.
pub struct Drill {
    pub root: Root,
    protocol: &'static str,
    sim: Option<Sim>,
    pub address: String,
    /// How often the loop was killed. Each kill may fall between a decision and its line in timing.csv, which then is not there.
    pub kills: usize,
}

impl Drill {
    pub fn new(protocol: &'static str) -> Self {
        Self { root: Root::new(), protocol, sim: None, address: "127.0.0.1:0".to_owned(), kills: 0 }
    }

    /// A venue where slot `n` has closed half a minute ago, in the place of the one before.
    pub fn open(&mut self, n: i64, args: &str) {
        self.open_at(slot(n).close().plus_ms(30_000), &format!("speed={SPEED} {args}"));
    }

    /// The same at the address of the one before.
    pub fn reopen(&mut self, n: i64, args: &str) {
        let listen = self.address.clone();
        self.open(n, &format!("listen={listen} {args}"));
    }

    /// A venue with this time at the start.
    pub fn open_at(&mut self, from: UtcMs, args: &str) {
        self.shut();
        let words = format!("-p protocol={} timeframe=1m from={from} {args}", self.protocol);
        let sim = Sim::start(&self.root, &words);
        self.address.clone_from(&sim.address);
        self.sim = Some(sim);
    }

    /// The venue leaves.
    pub fn shut(&mut self) {
        if let Some(sim) = self.sim.take() {
            sim.stop().code(0);
        }
    }

    /// The loop, by the venue's time.
    pub fn live(&self, args: &str) -> Call<'_> {
        self.live_at(&format!("speed={SPEED} {args}"))
    }

    /// The loop, with what else it is told.
    pub fn live_at(&self, args: &str) -> Call<'_> {
        let Self { protocol, address, .. } = self;
        let words = format!("run live -p tag=net exchange={protocol} timeframe=1m feed=http");
        self.root.call(&format!("{words} base-url=http://{address} {args}"))
    }

    /// The loop works until it has so many more rows; then it is asked to stop.
    pub fn shift(&self, rows: usize, args: &str) -> Ran {
        self.until(self.live(args), rows)
    }

    /// The same for a loop that is called in another way.
    pub fn until(&self, call: Call<'_>, rows: usize) -> Ran {
        let before = self.root.rows(DECISIONS);
        let run = call.start();
        self.root.await_rows(DECISIONS, before + rows);
        run.signal("TERM");
        let ran = run.end().code(0).prints(&["asked to stop"]);
        assert!(!ran.stderr.contains("ERROR"), "{ran}");
        ran
    }

    /// Every decided slot, none of them twice, none left out.
    pub fn rows(&self) -> Vec<Row> {
        let (text, timing) = (self.root.read(DECISIONS), self.root.read(TIMING));
        let cells = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<_>>();
        let mut times = timing.lines().skip(1).map(cells).peekable();
        let mut untimed = 0;
        let rows: Vec<Row> = text
            .lines()
            .skip(1)
            .map(cells)
            .map(|row| {
                let timing = times.next_if(|timing| timing[0] == row[3]);
                untimed += usize::from(timing.is_none());
                let timing =
                    timing.unwrap_or_else(|| ["", "killed", "0", "0"].map(str::to_owned).to_vec());
                let number = |text: &str| text.parse::<i64>().unwrap();
                Row {
                    ts: Timeframe::M1.slot(number(&row[3])).unwrap(),
                    action: row[4].clone(),
                    reason: row[5].clone(),
                    risk: row[13].clone(),
                    origin: timing[1].clone(),
                    seen_at: UtcMs::new(number(&timing[2])).unwrap(),
                    late_ms: number(&timing[3]),
                }
            })
            .collect();
        assert!(times.next().is_none(), "one line each, in the same order");
        assert!(untimed <= self.kills, "each decision has its timing: {untimed} have none");
        let broken = rows.windows(2).find(|pair| pair[0].ts.next() != pair[1].ts);
        assert!(broken.is_none(), "a hole or a repeat: {broken:?}");
        rows
    }

    /// The last decided slot, as a number.
    pub fn last(&self) -> i64 {
        self.rows().last().expect("something is decided").ts.since(slot(0))
    }

    /// The rows from slot `first` to slot `last`.
    pub fn between(&self, first: i64, last: i64) -> Vec<Row> {
        let mut rows = self.rows();
        rows.retain(|row| (first..=last).contains(&row.ts.since(slot(0))));
        assert_eq!(rows.len() as i64, last + 1 - first, "all of these slots are decided");
        rows
    }

    /// How many rows have a reason.
    pub fn count(&self, reason: &str) -> usize {
        self.rows().iter().filter(|row| row.reason == reason).count()
    }

    fn store<T>(&self, look: impl FnOnce(RawStore<'_, RealDisk>) -> T) -> T {
        let layout = Layout::new(self.root.path());
        let disk = RealDisk::new(layout.data());
        let exchange: Exchange = self.protocol.parse().unwrap();
        let series = Series::new(exchange, "BTC/USD".parse().unwrap(), Timeframe::M1);
        look(RawStore::new(&layout, &disk, &series))
    }

    pub fn stored(&self) -> Vec<TimedBar> {
        self.store(|raw| raw.load_all().unwrap())
    }

    pub fn revisions(&self) -> Vec<Revision> {
        self.store(|raw| raw.revisions().unwrap())
    }

    /// The store holds the simulated market from its first bar to the last decided slot and beyond: of the slots that
    /// `is_shown`, all and nothing else.
    #[track_caller]
    pub fn holds(&self, is_shown: impl Fn(&TimedBar) -> bool) {
        let stored = self.stored();
        let (first, last) = (stored[0].ts, stored[stored.len() - 1].ts);
        let slots = (0..=last.since(first)).map(|n| truth(first.plus(n)));
        let market: Vec<TimedBar> = slots.filter(is_shown).collect();
        let differing = stored.iter().zip(&market).find(|(stored, bar)| stored != bar);
        assert!(stored == market, "{} bars, not {}: {differing:?}", stored.len(), market.len());
        assert!(last.since(slot(0)) >= self.last(), "every decided bar is there");
    }

    /// The proof over all that the loop decided.
    #[track_caller]
    pub fn proves(&self, words: &[&str]) -> Ran {
        self.proved("", words)
    }

    /// The same with what else it is told.
    #[track_caller]
    pub fn proved(&self, args: &str, words: &[&str]) -> Ran {
        let words_all = format!("run eqflat -p tag=net runid=e1 exchange={}", self.protocol);
        let ran = self.root.run(&format!("{words_all} timeframe=1m {args}")).ok();
        ran.prints(&["[decisions] PASS\n[trades] PASS\n"]).prints(words)
    }
}
