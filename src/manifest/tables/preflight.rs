//! The table of preflight: what must be so on this machine before a boot or a deploy.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::setting::words;

use super::super::values::{Parsed, Size, Span};
use crate::domain::{base_url::BaseUrl, target::InsidePath, tool::ToolNeed};

words! {
    /// A part of this machine that preflight looks at.
    PreflightPart {
        /// Whether programs are there, and new enough.
        Tools = "tools",
        /// Whether the folders of `data/` take files, and from the right user.
        Folders = "folders",
        /// Whether files in the root have another owner than the root itself.
        Owners = "owners",
        /// Whether there is room, in bytes and in files.
        Room = "room",
        /// Whether a program keeps the clock in time, and how far it is from that of a host.
        Clock = "clock",
        /// Whether ports are bound to this machine only, and free or held by our own.
        Ports = "ports",
        /// Whether `.env` can be read, by us alone, and has what `.env.example` has.
        Env = "env",
        /// Whether all manifests in `jobs/` are valid.
        Manifests = "manifests",
        /// Whether the device of `[compute]` is there, and computes what the processor computes.
        Device = "device",
        /// Whether everything in the root is committed.
        Git = "git",
    }
}

/// What must be so on this machine before a boot or a deploy. Nothing is changed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Preflight {
    /// Parts that are not looked at.
    pub skip: Vec<PreflightPart>,
    /// Parts that only warn where they would fail.
    pub warn: Vec<PreflightPart>,
    /// Whether warnings end with 1 too.
    pub strict: bool,
    /// Programs without which nothing works here, such as `["git >= 2.25", "ssh"]`. `compose` is `docker compose` or
    /// `docker-compose`.
    pub require: Vec<Parsed<ToolNeed>>,
    /// Programs that may be absent with a warning.
    pub want: Vec<Parsed<ToolNeed>>,
    /// Room that must be left where `data/` is.
    pub disk_free_min: Parsed<Size>,
    /// Files that must still fit there.
    pub inodes_free_min: u64,
    /// A host that is asked over HTTP what time it is; without it, no host is asked.
    pub clock_url: Option<Parsed<BaseUrl>>,
    /// How far the clock of this machine may be from that of `clock-url`.
    pub clock_skew_max: Parsed<Span>,
    /// The file of docker compose. The usual names, their overrides and `COMPOSE_FILE` in `.env` count too, all as the compose
    /// program of this machine reads them.
    pub compose_file: Parsed<InsidePath>,
    /// Published ports that may be open to the world.
    pub public: Vec<u16>,
    /// Where `runner serve` will listen; an empty text is nowhere.
    #[schemars(regex(pattern = r"^$|^[^ ]+:[0-9]{1,5}$"))]
    pub listen: String,
    /// The longest that one command may take.
    pub command_timeout: Parsed<Span>,
}

impl Default for Preflight {
    fn default() -> Self {
        let needs = |texts: &[&str]| {
            let need = |text: &&str| Parsed::new(text.parse().expect("the need is good"));
            texts.iter().map(need).collect()
        };
        Self {
            skip: Vec::new(),
            warn: Vec::new(),
            strict: false,
            require: needs(&["git >= 2.25", "rsync >= 3.1", "ssh >= 7.6"]),
            want: needs(&["docker", "compose"]),
            disk_free_min: Parsed::new(Size::of_bytes(1 << 30)),
            inodes_free_min: 10_000,
            clock_url: None,
            clock_skew_max: Parsed::new(Span::seconds(2)),
            compose_file: Parsed::new("docker-compose.yml".parse().expect("the path is good")),
            public: Vec::new(),
            listen: "127.0.0.1:9464".to_owned(),
            command_timeout: Parsed::new(Span::seconds(60)),
        }
    }
}
