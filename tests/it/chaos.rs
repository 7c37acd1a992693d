//! The program itself against a venue that fails in every way the simulated one knows, killed again and again.
//! Each seed is one life of 2,000 bars; it must end with one row per slot and with ledgers that a replay reproduces.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use mjolnir::clock::nap;

use crate::support::{
    market::{Dice, seeds},
    runner::Root,
    sim::Sim,
};

/// Lives lived when nobody says otherwise.
const SEEDS: u64 = 20;
/// Lives at the same time: they mostly wait.
const AT_ONCE: usize = 10;
const BARS: i64 = 2_000;
const FIRST_MS: i64 = 1_704_067_200_000;
const MINUTE_MS: i64 = 60_000;
/// Seconds of the venue in one real second: a bar takes ten milliseconds.
const SPEED: &str = "6000x";
/// Faults of requests and of bars, as chances.
const FAULTS: &str = "latency=0.02 latency-max=60ms timeout=0.004 ban=0.002 reset=0.02 throttle=0.02 retry-after=20s \
     server-error=0.02 html=0.01 truncate=0.01 duplicate=0.02 reorder=0.01 wrong-date=0.01 \
     holes=0.004 late=0.004 late-bars=3 revise=0.01";
/// Many trades and near stops, remembered for half an hour, so that a restart has something to forget.
const RISK: &str = "strategy.params.fast.default=5 strategy.params.slow.default=12 strategy.params.stop_atr.default=1.0 risk.cooldown-bars=30";
/// The longest one life may take, in pauses of [`PAUSE`].
const PAUSES_MAX: u32 = 60_000;
const PAUSE: Duration = Duration::from_millis(2);

type Counts = BTreeMap<String, u64>;

/// What is particular to a venue.
struct Kind {
    protocol: &'static str,
    symbol: &'static str,
    settings: &'static str,
}

const KINDS: [Kind; 3] = [
    Kind { protocol: "binance", symbol: "BTC/USDT", settings: "" },
    Kind { protocol: "kraken", symbol: "BTC/USD", settings: "" },
    Kind { protocol: "coinbase", symbol: "BTC/USD", settings: "live.carry-bars=3" },
];

struct Life {
    root: Root,
    kind: &'static Kind,
    dice: Dice,
    seed: u64,
    counts: Counts,
}

impl Life {
    fn new(seed: u64) -> Self {
        let kind = &KINDS[seed as usize % KINDS.len()];
        Self { root: Root::new(), kind, dice: Dice::new(seed), seed, counts: Counts::new() }
    }

    fn count(&mut self, what: &str, n: u64) {
        *self.counts.entry(what.to_owned()).or_default() += n;
    }

    fn decisions(&self) -> String {
        let symbol = self.kind.symbol.replace('/', "_");
        format!("data/processed/decisions/chaos/{symbol}/1m/decisions.csv")
    }

    fn series(&self) -> String {
        let Kind { protocol, symbol, .. } = self.kind;
        format!("-p tag=chaos exchange={protocol} symbol={symbol} timeframe=1m")
    }

    fn live(mut self) -> Result<Counts, String> {
        let venue = format!(
            "protocol={} symbol={} timeframe=1m seed={} from={} speed={SPEED}",
            self.kind.protocol, self.kind.symbol, self.seed, FIRST_MS
        );
        // Coinbase shuts nobody out.
        let known = |fault: &&str| self.kind.protocol != "coinbase" || !fault.starts_with("ban");
        let mut faults = String::new();
        for fault in FAULTS.split_whitespace().filter(known) {
            faults += " exchange-sim.faults.";
            faults += fault;
        }
        let sim =
            Sim::start(&self.root, &format!("-p {venue} fault-seed={} --set{faults}", self.seed));
        self.shifts(&sim)?;
        drop(sim);
        self.proved()?;
        Ok(self.counts)
    }

    /// The loop works until it is killed or has decided all slots; then it starts again.
    fn shifts(&mut self, sim: &Sim) -> Result<(), String> {
        let mode = ["replay", "replay", "observe", "off"][self.dice.below(4) as usize];
        let words = format!(
            "run live {} feed=http base-url=http://{} speed={SPEED} \
             --set live.request-timeout=250ms live.decide-deadline-bars=1 live.catch-up.mode={mode} {RISK} {}",
            self.series(),
            sim.address,
            self.kind.settings
        );
        let mut pauses = 0;
        loop {
            // The first shift begins whenever it begins; from then on it is known which slot is the last.
            let end =
                self.first().map(|first| format!(" --set live.to={}", first + BARS * MINUTE_MS));
            let mut run = self.root.call(&format!("{words}{}", end.unwrap_or_default())).start();
            let rows = self.root.rows(&self.decisions()) + 1 + self.dice.below(700) as usize;
            while !run.is_over() && self.root.rows(&self.decisions()) < rows {
                nap(PAUSE);
                pauses += 1;
                if pauses > PAUSES_MAX {
                    return Err("it takes too long".to_owned());
                }
            }
            if run.is_over() {
                let ran = run.end();
                return if ran.code == 0 { Ok(()) } else { Err(ran.to_string()) };
            }
            let signal = ["KILL", "KILL", "TERM"][self.dice.below(3) as usize];
            run.signal(signal);
            let ran = run.end();
            match (signal, ran.code) {
                // A loop that was asked to stop ends with 143, or with 0 where it has no end that it did not reach. If it was done
                // before the signal came, it is done at once when it is started again.
                ("KILL", 137) | ("TERM", 0 | 143) => self.count(signal, 1),
                (_, 0) => return Ok(()),
                _ => return Err(format!("after {signal}: {ran}")),
            }
            nap(PAUSE * self.dice.below(80) as u32);
        }
    }

    /// The first decided slot.
    fn first(&self) -> Option<i64> {
        let text = self.root.read(&self.decisions());
        text.lines().nth(1)?.split(',').nth(3)?.parse().ok()
    }

    /// One row per slot, and a replay that makes the same rows.
    fn proved(&mut self) -> Result<(), String> {
        let text = self.root.read(&self.decisions());
        let rows: Vec<Vec<&str>> =
            text.lines().skip(1).map(|row| row.split(',').collect()).collect();
        let slots: Vec<i64> = rows
            .iter()
            .map(|row| row[3].parse().map_err(|_| row.join(",")))
            .collect::<Result<_, _>>()?;
        if let Some(pair) = slots.windows(2).find(|pair| pair[1] - pair[0] != MINUTE_MS) {
            return Err(format!("a hole or a repeat between {pair:?}"));
        }
        if slots.len() as i64 != BARS + 1 {
            return Err(format!("{} rows, the last one is {:?}", slots.len(), slots.last()));
        }
        self.count("rows", slots.len() as u64);
        for row in rows.iter().filter(|row| row[4] == "skip") {
            self.count(row[5], 1);
        }
        self.count("cooldown", rows.iter().filter(|row| row[6] == "cooldown").count() as u64);
        let timing = self.root.read(&self.decisions().replace("decisions.csv", "timing.csv"));
        self.count("catchup", timing.matches(",catchup,").count() as u64);
        let proof = self.root.run(&format!("run eqflat {} runid=e1 --set {RISK}", self.series()));
        if proof.code != 0 || !proof.stdout.contains("Result: PASS") {
            return Err(proof.to_string());
        }
        self.count("drift", u64::from(proof.stdout.contains("PASS_DATA_DRIFT")));
        let trades = self.root.read(&self.decisions().replace("decisions", "trades"));
        self.count("trades", trades.lines().count() as u64 - 1);
        self.count("stops", trades.matches(",stop_").count() as u64);
        Ok(())
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "what a search came to is worth reading")]
fn c3_c7_c8_lives_among_faults_and_kills_end_with_a_proof() {
    // `MJOLNIR_CHAOS_SEEDS=200` lives more lives, `MJOLNIR_CHAOS_SEEDS=7..=7` one of them again.
    let (first, last) = seeds("MJOLNIR_CHAOS_SEEDS", SEEDS).into_inner();
    let next = AtomicU64::new(first);
    let lives = || {
        let mut told = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed > last {
                return told;
            }
            let life = Life::new(seed).live();
            told.push(life.map_err(|why| format!("MJOLNIR_CHAOS_SEEDS={seed}..={seed}: {why}")));
        }
    };
    let all: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(lives)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let mut total = Counts::new();
    let mut broken = Vec::new();
    for life in all {
        match life {
            Ok(counts) => counts.into_iter().for_each(|(k, n)| *total.entry(k).or_default() += n),
            Err(why) => broken.push(why),
        }
    }
    eprintln!("{total:#?}");
    assert!(broken.is_empty(), "{} lives ended badly: {}", broken.len(), broken.join("\n"));
    if last - first < 10 {
        return;
    }
    for what in ["KILL", "TERM", "catchup", "fetch_failed", "bar_missing", "drift", "stops"] {
        assert!(total.get(what).is_some_and(|n| *n > 0), "no {what}: {total:#?}");
    }
}
