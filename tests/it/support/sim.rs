//! A simulated venue at work, and what its made-up market really holds.

use mjolnir::{
    domain::{
        bar::{Bar, TimedBar},
        time::SlotTs,
    },
    exchange::feed,
};

use super::{
    ran::Ran,
    runner::{Root, Running},
};

/// The seed of its market, as shipped.
const SEED: u64 = 7;

/// Where it says where it listens.
pub const FILE: &str = "data/state/exchange-sim.addr";

/// A simulator that listens.
pub struct Sim {
    running: Running,
    /// Where, as `127.0.0.1:40001`.
    pub address: String,
}

impl Sim {
    /// `runner run exchange-sim ARGS`, once it listens.
    pub fn start(root: &Root, args: &str) -> Self {
        if root.at(FILE).exists() {
            // Of one that was killed, or that listens still.
            root.remove(FILE);
        }
        let running = root
            .call(&format!("run exchange-sim {args} --set exchange-sim.port-file={FILE}"))
            .start();
        root.await_lines(FILE, 1);
        Self { running, address: root.read(FILE).trim().to_owned() }
    }

    /// Asks it to leave, and waits until it has.
    pub fn stop(self) -> Ran {
        self.running.signal("TERM");
        self.running.end()
    }

    /// Waits until it leaves by itself.
    pub fn end(self) -> Ran {
        self.running.end()
    }
}

/// The bar of a slot in a market of [`SEED`]: flat where nobody trades.
pub fn truth(ts: SlotTs) -> TimedBar {
    let before = (1..).map(|back| ts.plus(-back));
    let flat = || before.filter_map(|ts| feed::seeded_bar(SEED, ts)).map(|bar| bar.flat()).next();
    TimedBar { ts, bar: feed::seeded_bar(SEED, ts).or_else(flat).unwrap() }
}

/// Whether somebody trades in it.
pub fn is_traded(bar: &TimedBar) -> bool {
    bar.bar.volume() > 0.0
}

/// Open, high, low, close, volume, from numbers or texts that stand in this order.
pub fn bar_of(values: [&serde_json::Value; 5]) -> Bar {
    let number = |value: &serde_json::Value| {
        value.as_f64().or_else(|| value.as_str()?.parse().ok()).unwrap_or(f64::NAN)
    };
    Bar::new(values.map(number)).unwrap()
}
