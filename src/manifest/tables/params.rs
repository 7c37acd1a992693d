//! The tables of parameters and secrets: values that a job gets from outside.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::setting::words;

words! {
    /// The type of a parameter.
    ParamType {
        /// Any text.
        String = "string",
        /// A whole number.
        Integer = "integer",
        /// A number.
        Float = "float",
        /// `true` or `false`; from outside also `1`, `0`, `yes`, `no`.
        Boolean = "boolean",
        /// A length of time with its unit, such as `20s`.
        Duration = "duration",
        /// An instant: RFC 3339 with an offset, or whole milliseconds since 1970.
        Time = "time",
        /// A path.
        Path = "path",
    }
}

/// A parameter. Low to high: default, variable, `-p`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Param {
    /// The type of the value.
    #[serde(rename = "type", default = "Param::text")]
    pub type_: ParamType,
    /// The value when none is given. It may refer to `${run...}` and `${env...}`.
    #[schemars(with = "Option<Scalar>")]
    pub default: Option<toml::Value>,
    /// Whether the job cannot run without a value.
    #[serde(default)]
    pub required: bool,
    /// The environment variable that gives the value; an empty one counts as unset.
    #[schemars(regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub env: Option<String>,
    /// The values accepted.
    #[serde(rename = "enum")]
    #[schemars(with = "Option<Vec<Scalar>>")]
    pub enum_: Option<Vec<toml::Value>>,
    /// A regular expression that the text must match.
    #[schemars(extend("format" = "regex"))]
    pub pattern: Option<String>,
    /// The smallest value accepted.
    #[schemars(with = "Option<Scalar>")]
    pub min: Option<toml::Value>,
    /// The largest value accepted.
    #[schemars(with = "Option<Scalar>")]
    pub max: Option<toml::Value>,
    /// The value must be a whole multiple of this.
    #[schemars(range(min = 1))]
    pub multiple_of: Option<i64>,
    /// Other spellings and what they mean, such as `{ "1" = "enforce" }`, for variables older than this format.
    #[serde(default)]
    pub map: BTreeMap<String, String>,
    /// What it is for.
    #[serde(default)]
    pub help: String,
}

impl Param {
    fn text() -> ParamType {
        ParamType::String
    }
}

/// A text, a number, a boolean or a time, in the schema.
pub(in super::super) struct Scalar;

impl JsonSchema for Scalar {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "scalar".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["string", "integer", "number", "boolean"], "format": "scalar" })
    }
}

words! {
    /// Where a secret is kept.
    SecretFrom {
        /// In an environment variable.
        Env = "env",
        /// In a file, without its last line end.
        File = "file",
    }
}

/// A value that is masked wherever it would be written or shown: as it is, line by line, and inside JSON, an address or Base64. It may
/// stand only in `[exec] env`, as the `url` of `[heartbeat]`, and in `[notify.webhook]`, `[notify.email]` and `[notify.telegram]`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Secret {
    /// Where it is kept.
    pub from: SecretFrom,
    /// Name of the variable, with `from = "env"`.
    pub name: Option<String>,
    /// Path of the file, with `from = "file"`.
    pub path: Option<String>,
    /// Whether the job cannot run without it. A secret that is not required and absent leaves its key out.
    #[serde(default = "Secret::needed")]
    pub required: bool,
}

impl Secret {
    fn needed() -> bool {
        true
    }
}
