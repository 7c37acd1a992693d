//! The time and the stop of a job, as a venue over the network needs them.

use crate::{
    clock::Clock,
    domain::time::{Steady, UtcMs},
    exchange::feed::Sleeper,
    os::signals::Stop,
};

/// A clock, and whether to stop.
#[derive(Debug, Clone, Copy)]
pub struct Waiting<'a, C> {
    /// Where time comes from.
    pub clock: &'a C,
    /// Whether this process was asked to stop.
    pub stop: &'a Stop,
}

impl<C: Clock> Sleeper for Waiting<'_, C> {
    fn now(&self) -> UtcMs {
        self.clock.now()
    }

    fn steady(&self) -> Steady {
        self.clock.steady()
    }

    fn wait_until(&self, until: Steady) -> bool {
        self.clock.sleep_until(until, &|| self.stop.asked());
        !self.stop.asked()
    }

    fn stopped(&self) -> bool {
        self.stop.asked()
    }
}
