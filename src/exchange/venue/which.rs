//! Which venues there are, and the module behind each.

use super::{
    answer::Fault,
    ask::{Ask, Request},
    binance,
    spec::Spec,
};
use crate::domain::{bar::TimedBar, ids::Exchange};

/// A venue this program speaks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Venue {
    /// Binance.
    Binance,
}

impl Venue {
    /// Every venue, in the order of their names.
    pub const ALL: [Self; 1] = [Self::Binance];

    /// How it is called in manifests and paths.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Binance => "binance",
        }
    }

    /// The venue an exchange is; `None` for one that is only a name of a series.
    pub fn of(exchange: &Exchange) -> Option<Self> {
        Self::ALL.into_iter().find(|venue| venue.name() == exchange.as_str())
    }

    /// What it serves.
    pub const fn spec(self) -> &'static Spec {
        match self {
            Self::Binance => &binance::SPEC,
        }
    }

    /// The request for a page. Refused when the venue has no such timeframe.
    pub fn request(self, ask: &Ask) -> Result<Request, Fault> {
        match self {
            Self::Binance => binance::request(ask),
        }
    }

    /// The bars of an answer, oldest first, each stamp once, none outside the page; the newest may still be forming.
    /// Anything but a complete answer in the venue's own format is a fault, never an empty success.
    pub fn parse(self, ask: &Ask, status: u16, body: &[u8]) -> Result<Vec<TimedBar>, Fault> {
        match self {
            Self::Binance => binance::parse(ask, status, body),
        }
    }
}
