//! The table of computing devices: where models are fitted, how a card proves itself, and what happens when it does not.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::setting::words;

use super::super::values::{Parsed, Span};

words! {
    /// Where models are fitted.
    ComputeDevice {
        /// On the processor. No other program is started.
        Cpu = "cpu",
        /// On a card that has proved itself; without one the job ends with exit code 69.
        Gpu = "gpu",
        /// On a card that has proved itself, else on the processor. The run record says which, and why.
        Auto = "auto",
    }
}

words! {
    /// What happens when a card that proved itself fails in the middle of a fit.
    OnDeviceFailure {
        /// The fit is done again on the processor, from its start, and so is every one after it.
        RetryCpu = "retry-cpu",
        /// The job ends with exit code 69.
        Fail = "fail",
    }
}

/// Where models are fitted: only `train` computes on a device, every other kind is the same with any of them. A card is used through
/// a program of its own, `gpu-worker`, so that no driver can take this one down. Before it is used it computes something that the
/// processor computes too, and the two must agree.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Compute {
    /// The device wanted. That of a pipeline is handed on, as MJOLNIR_DEVICE, to steps that name none.
    pub device: ComputeDevice,
    /// The program that uses the card. A bare name is looked for beside `runner`, then in PATH; a path is relative to the root.
    #[schemars(regex(pattern = r"^[^\s]+$"))]
    pub worker: String,
    /// The longest that a proof may take, at least 1s. A driver that is asked for the first time may take 20s; one that takes longer is
    /// asked once more.
    pub probe_timeout: Parsed<Span>,
    /// How far the card may be from the processor: the largest difference of a group of numbers, over the largest of these numbers.
    #[schemars(extend("exclusiveMinimum" = 0), range(max = 0.01))]
    pub tolerance: f64,
    /// The longest that the program may say nothing while it fits, at least 1s: it speaks after each epoch.
    pub silence_timeout: Parsed<Span>,
    /// What happens with `device = "auto"` when the card fails in the middle of a fit. With `gpu` the job always ends.
    pub on_failure: OnDeviceFailure,
}

impl Default for Compute {
    fn default() -> Self {
        Self {
            device: ComputeDevice::Cpu,
            worker: "gpu-worker".to_owned(),
            probe_timeout: Parsed::new(Span::seconds(20)),
            tolerance: 1e-4,
            silence_timeout: Parsed::new(Span::seconds(300)),
            on_failure: OnDeviceFailure::RetryCpu,
        }
    }
}
