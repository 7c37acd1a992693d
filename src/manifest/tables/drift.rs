//! The table of drift: how much of the differences is shown.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::values::{Parsed, Size};

/// How much is shown of what differs. What is compared is set in `[deploy-check]`: its `source`, `protect`, `exclude` and
/// `command-timeout`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Drift {
    /// Most files to show the differences of; the others are named.
    pub diff_files_max: u32,
    /// Most lines of the differences of one file.
    pub diff_lines_max: u32,
    /// The largest file to show the differences of.
    pub diff_bytes_max: Parsed<Size>,
}

impl Default for Drift {
    fn default() -> Self {
        Self {
            diff_files_max: 20,
            diff_lines_max: 80,
            diff_bytes_max: Parsed::new(Size::of_bytes(256 << 10)),
        }
    }
}
