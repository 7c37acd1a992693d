//! The table of fetch.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::values::{Parsed, Span, Time};
use crate::domain::base_url::BaseUrl;

/// Bars of a window from the venue into the raw store. The bars that are there already are not asked for.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Fetch {
    /// Bars that close at this time or later.
    pub from: Time,
    /// Bars that close at this time or earlier; without it, all that are closed now.
    pub to: Option<Time>,
    /// Ask for the bars that are there already, too; what the venue revised is replaced, and the old values are kept.
    #[serde(default)]
    pub force: bool,
    /// Whether slots without a bar, for which the venue was asked twice, do not lead to exit code 3. A venue that leaves out bars without a trade
    /// has no holes.
    #[serde(default)]
    pub accept_holes: bool,
    /// Where the venue's public interface is, such as `http://127.0.0.1:8080`; without it, its own.
    pub base_url: Option<Parsed<BaseUrl>>,
    /// The longest one request may take.
    #[serde(default = "Fetch::timeout_10s")]
    pub timeout: Parsed<Span>,
    /// Most requests for one page of bars before the venue counts as unavailable.
    #[serde(default = "Fetch::attempts_5")]
    #[schemars(range(min = 1, max = 100))]
    pub attempts: u32,
}

impl Fetch {
    fn timeout_10s() -> Parsed<Span> {
        Parsed::new(Span::seconds(10))
    }

    fn attempts_5() -> u32 {
        5
    }
}
