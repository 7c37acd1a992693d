//! A simulated venue at work.

use super::runner::{Root, Running};

/// The program as a venue. Dropping it ends it.
pub struct Sim {
    address: String,
    _running: Running,
}

/// Where the venue says its address.
const PORT_FILE: &str = "data/state/sim.addr";

impl Sim {
    /// Starts it with these parameters and faults, both as `name=value` pairs, and waits until it listens.
    pub fn start(root: &Root, params: &str, faults: &str) -> Self {
        let faults = faults.split_whitespace().map(|fault| format!(" exchange-sim.faults.{fault}"));
        let faults: String = faults.collect();
        let set = if faults.is_empty() { String::new() } else { format!("--set{faults}") };
        let words = format!("run exchange-sim -p port-file={PORT_FILE} {params} {set}");
        let running = root.call(&words).start();
        root.await_lines(PORT_FILE, 1);
        Self { address: root.read(PORT_FILE).trim().to_owned(), _running: running }
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }
}
