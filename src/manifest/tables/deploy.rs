//! The tables of deploy-check: where a deploy would go, what it must leave alone, and how grave each finding is.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::setting::words;

use super::{
    super::values::{Parsed, Size, Span},
    findings,
};
use crate::domain::target::{
    AnchoredPattern, FloatingPattern, Host, HostKey, InsidePath, MachineId, Project, TargetPath,
    UserName,
};

findings! {
    /// What a deploy is refused for.
    Refusal in
    /// How grave each finding is.
    RefusalLevels of RefusalLevel {
        /// The deploy would take something away: a folder that must make way for a file.
        Deletes = "deletes", deletes: Refuse;
        /// A protected path would be sent, overwritten or deleted, or is tracked by git.
        ProtectedTouched = "protected-touched", protected_touched: Refuse;
        /// Protected paths are in the source: they would be sent if an exclude were lost.
        ProtectedInSource = "protected-in-source", protected_in_source: Warn;
        /// An exclude hides files that git tracks: they would never be deployed.
        HiddenCode = "hidden-code", hidden_code: Refuse;
        /// Something on the target would become something else: a file a folder, a link a file.
        TypeChange = "type-change", type_change: Refuse;
        /// The target is not what was deployed: edited, missing or stray files.
        Drift = "drift", drift: Refuse;
        /// Files that were deployed, are unchanged on the target, and are gone from the source.
        Stale = "stale", stale: Warn;
        /// The deployed commit is not behind the one to deploy, or newer files on the target would be overwritten.
        OlderSource = "older-source", older_source: Refuse;
        /// Host key, machine id or marker differ.
        WrongHost = "wrong-host", wrong_host: Refuse;
        /// The source is one folder too high or too low, or the folder on the target does not exist.
        WrongLevel = "wrong-level", wrong_level: Refuse;
        /// A link in the source leads out of the tree, or a path on the target leads through a link.
        SymlinkEscape = "symlink-escape", symlink_escape: Refuse;
        /// A container port would be open to the world, or it cannot be known.
        PublicPort = "public-port", public_port: Refuse;
        /// Files on the target belong to another user, or a container has no `user`.
        RootOwned = "root-owned", root_owned: Refuse;
        /// The user on the target is root.
        RunsAsRoot = "runs-as-root", runs_as_root: Refuse;
        /// Less room than `limits` demands.
        LowDisk = "low-disk", low_disk: Refuse;
        /// The tree is not what git has, or not the branch to deploy.
        DirtyTree = "dirty-tree", dirty_tree: Refuse;
        /// Keys and passwords would be sent.
        SecretsInTree = "secrets-in-tree", secrets_in_tree: Refuse;
        /// Devices, sockets, setuid, hard links, world-writable files, control characters, two names that differ in case only.
        SpecialFiles = "special-files", special_files: Refuse;
        /// Something moved while it was looked at, or since the plan; or another deploy holds the target.
        ChangedSince = "changed-since", changed_since: Refuse;
        /// A live loop writes its ledger on the target: it would run on old code beside new files. Or it cannot be known.
        LiveWriter = "live-writer", live_writer: Refuse;
        /// More than `limits` allows.
        TooMuch = "too-much", too_much: Refuse;
        /// Nothing but the permissions of a file would change.
        PermsOnly = "perms-only", perms_only: Warn;
    }
    always Refuse {
        /// A program said something that is not understood, or failed. It cannot be switched off.
        NotUnderstood = "not-understood";
        /// A program that the deploy runs on the target is not there. It cannot be switched off.
        ProgramMissing = "program-missing";
        /// The target cannot be reached. It cannot be switched off.
        Unreachable = "unreachable";
    }
}

words! {
    /// How grave a finding is.
    RefusalLevel {
        /// The deploy is refused: exit 1.
        Refuse = "refuse",
        /// It is shown.
        Warn = "warn",
        /// It is not shown.
        Off = "off",
    }
}

/// Where a deploy goes: a folder on a host that is reached by ssh or, without `host`, a folder of this machine.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Target {
    /// The host. With it `user` and `port` are mandatory; the settings of ssh in the home folder have no say.
    pub host: Option<Parsed<Host>>,
    /// The user there.
    pub user: Option<Parsed<UserName>>,
    /// The port of ssh. It has no default.
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
    /// The folder. It is not a link.
    pub path: Parsed<TargetPath>,
    /// The fingerprint of the host's key. Without it nothing is looked at, and the key that was seen is shown.
    pub host_key: Option<Parsed<HostKey>>,
    /// What `/etc/machine-id` says there. A host without it is refused, and what was seen is shown.
    pub machine_id: Option<Parsed<MachineId>>,
    /// The file of the private key to log in with; without it, what ssh takes by itself.
    pub identity: Option<Parsed<TargetPath>>,
    /// The socket of the agent that ssh may ask for keys: no other variable of ours reaches ssh.
    pub agent: Option<String>,
    /// What the marker `.mjolnir-target` in the folder must name.
    #[serde(default = "Target::project")]
    pub project: Parsed<Project>,
}

impl Target {
    fn project() -> Parsed<Project> {
        Parsed::new("mjolnir".parse().expect("the name is good"))
    }
}

/// What is deployed from where, and what would make a deploy unsafe. Nothing is changed, on no side.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct DeployCheck {
    /// The tree to deploy: a git repository.
    #[schemars(length(min = 1))]
    pub source: String,
    /// An earlier plan, `data/reports/deploy/RUN_ID/plan.json`: whatever differs from it is `changed-since`.
    pub plan: Option<String>,
    /// How long a plan is good for.
    pub plan_ttl: Parsed<Span>,
    /// The longest that one command may take.
    pub command_timeout: Parsed<Span>,
    /// What is never sent, overwritten or deleted.
    pub protect: Protect,
    /// What is not deployed.
    pub exclude: Exclude,
    /// What git must say about the source.
    pub git: GitRules,
    /// Which ports of containers may be open.
    pub ports: PortRules,
    /// How much room there must be, and how much may change.
    pub limits: DeployLimits,
    /// What looks like a secret and is none.
    pub secrets: SecretRules,
    /// How grave each finding is.
    pub severity: RefusalLevels,
}

impl Default for DeployCheck {
    fn default() -> Self {
        Self {
            source: ".".to_owned(),
            plan: None,
            plan_ttl: Parsed::new(Span::seconds(600)),
            command_timeout: Parsed::new(Span::seconds(60)),
            protect: Protect::default(),
            exclude: Exclude::default(),
            git: GitRules::default(),
            ports: PortRules::default(),
            limits: DeployLimits::default(),
            secrets: SecretRules::default(),
            severity: RefusalLevels::default(),
        }
    }
}

/// What is never sent, overwritten or deleted. `/.env`, `/.env.*` (but not `/.env.example`, which holds no values), `/data` and
/// what the target keeps about itself (`/.mjolnir-target`, `/.mjolnir-deployed.json`, `/.mjolnir-deploying.json`, `/.mjolnir-lock`,
/// `/.mjolnir-trash`) always are.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Protect {
    /// More of them, from the top of the tree: `/` first, no slash at the end.
    pub paths: Vec<Parsed<AnchoredPattern>>,
}

/// What is not deployed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Exclude {
    /// From the top of the tree: `/` first, no slash at the end.
    pub paths: Vec<Parsed<AnchoredPattern>>,
    /// Names that are left out wherever they are; with a slash at the end, folders only.
    pub anywhere: Vec<Parsed<FloatingPattern>>,
}

impl Default for Exclude {
    fn default() -> Self {
        let anchored = |text: &str| Parsed::new(text.parse().expect("the pattern is good"));
        let floating = |text: &str| Parsed::new(text.parse().expect("the pattern is good"));
        Self {
            paths: ["/.git", "/target"].map(anchored).to_vec(),
            anywhere: ["__pycache__/", "*.pyc"].map(floating).to_vec(),
        }
    }
}

/// What git must say about the source.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct GitRules {
    /// Whether every file must be committed, and nothing be half done.
    pub require_clean: bool,
    /// Whether every commit must be on the branch it is pushed to.
    pub require_pushed: bool,
    /// The branch that may be deployed; without it, any, but not a detached HEAD.
    pub branch: Option<String>,
}

impl Default for GitRules {
    fn default() -> Self {
        Self { require_clean: true, require_pushed: false, branch: None }
    }
}

/// Which ports of containers may be open. All others must be bound to 127.0.0.1 or ::1, also with the `.env` of the target.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct PortRules {
    /// Published ports that may be open to the world.
    pub public: Vec<u16>,
    /// The file of docker compose, in the source. The usual names, their overrides and `COMPOSE_FILE` in the target's `.env` count too.
    /// The compose program of this machine reads them; what it cannot read is not judged, and refused.
    pub compose_file: Parsed<InsidePath>,
}

impl Default for PortRules {
    fn default() -> Self {
        let compose_file = Parsed::new("docker-compose.yml".parse().expect("the path is good"));
        Self { public: Vec::new(), compose_file }
    }
}

/// How much room there must be, and how much may change.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct DeployLimits {
    /// Room that must be left, here and there, after twice what is sent.
    pub disk_free_min: Parsed<Size>,
    /// Files that must still fit on the target.
    pub inodes_free_min: u64,
    /// Most files that a deploy may change.
    pub max_changed_files: u32,
    /// Most bytes that a deploy may send.
    pub max_new_bytes: Parsed<Size>,
    /// The largest file that may be sent.
    pub max_file_bytes: Parsed<Size>,
}

impl Default for DeployLimits {
    fn default() -> Self {
        Self {
            disk_free_min: Parsed::new(Size::of_bytes(1 << 30)),
            inodes_free_min: 10_000,
            max_changed_files: 500,
            max_new_bytes: Parsed::new(Size::of_bytes(200 << 20)),
            max_file_bytes: Parsed::new(Size::of_bytes(50 << 20)),
        }
    }
}

/// What looks like a secret and is none.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct SecretRules {
    /// Paths from the top of the source, each with the reason why it may be sent.
    pub allow: BTreeMap<String, String>,
}
