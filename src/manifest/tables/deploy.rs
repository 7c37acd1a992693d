//! The tables of deploy-check: where a deploy would go, what it must leave alone, and how grave each finding is.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    super::values::{Parsed, Size, Span},
    words,
};
use crate::domain::{
    pattern::{Anchored, Floating},
    target::{Host, HostKey, InsidePath, MachineId, Project, TargetPath, UserName},
};

words! {
    /// What a deploy is refused for.
    Refusal {
        /// The deploy would take something away: a folder that must make way for a file.
        Deletes = "deletes",
        /// A protected path would be sent, overwritten or deleted.
        ProtectedTouched = "protected-touched",
        /// Protected paths lie in the source: they would be sent if an exclude were lost.
        ProtectedInSource = "protected-in-source",
        /// An exclude hides files that git tracks: they would never be deployed.
        HiddenCode = "hidden-code",
        /// Something on the target would become something else: a file a folder, a link a file.
        TypeChange = "type-change",
        /// The target is not what was deployed: edited, missing or stray files.
        Drift = "drift",
        /// Files that were deployed, are unchanged on the target, and are gone from the source.
        Stale = "stale",
        /// The source is older than what is on the target.
        OlderSource = "older-source",
        /// The target is not the machine or the folder that the manifest names.
        WrongHost = "wrong-host",
        /// The source lies one folder too high or too low.
        WrongLevel = "wrong-level",
        /// A link leads out of the tree.
        SymlinkEscape = "symlink-escape",
        /// A container port would be open to the world.
        PublicPort = "public-port",
        /// Files on the target belong to somebody else, or a container runs as root.
        RootOwned = "root-owned",
        /// The deploy itself would run as root.
        RunsAsRoot = "runs-as-root",
        /// Too little room, in bytes or files.
        LowDisk = "low-disk",
        /// The tree is not what git has.
        DirtyTree = "dirty-tree",
        /// Keys and passwords would be sent.
        SecretsInTree = "secrets-in-tree",
        /// Devices, sockets, setuid files, hard links, names with control characters, and the like.
        SpecialFiles = "special-files",
        /// Something moved: while it was looked at, or since the plan; or another deploy holds the target.
        ChangedSince = "changed-since",
        /// A live loop writes its ledger on the target, or nobody can tell.
        LiveWriter = "live-writer",
        /// More files or bytes than a deploy may change.
        TooMuch = "too-much",
        /// Nothing but the permissions of a file would change.
        PermsOnly = "perms-only",
        /// A program said something that is not understood, or failed. It cannot be switched off.
        NotUnderstood = "not-understood",
        /// A program that the deploy runs on the target is not there. It cannot be switched off.
        ProgramMissing = "program-missing",
        /// The target cannot be reached. It cannot be switched off.
        Unreachable = "unreachable",
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
    /// The folder. It is no link.
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
    pub paths: Vec<Parsed<Anchored>>,
}

/// What is not deployed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Exclude {
    /// From the top of the tree: `/` first, no slash at the end.
    pub paths: Vec<Parsed<Anchored>>,
    /// Names that are left out wherever they are; with a slash at the end, folders only.
    pub anywhere: Vec<Parsed<Floating>>,
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

/// How grave each finding is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RefusalLevels {
    /// The deploy would take something away: a folder that must make way for a file.
    pub deletes: RefusalLevel,
    /// A protected path would be sent, overwritten or deleted, or is tracked by git.
    pub protected_touched: RefusalLevel,
    /// Protected paths lie in the source: they would be sent if an exclude were lost.
    pub protected_in_source: RefusalLevel,
    /// An exclude hides files that git tracks: they would never be deployed.
    pub hidden_code: RefusalLevel,
    /// Something on the target would become something else: a file a folder, a link a file.
    pub type_change: RefusalLevel,
    /// The target is not what was deployed: edited, missing or stray files.
    pub drift: RefusalLevel,
    /// Files that were deployed, are unchanged on the target, and are gone from the source.
    pub stale: RefusalLevel,
    /// The deployed commit is not behind the one to deploy, or newer files on the target would be overwritten.
    pub older_source: RefusalLevel,
    /// Host key, machine id or marker differ.
    pub wrong_host: RefusalLevel,
    /// The source lies one folder too high or too low, or the folder on the target does not exist.
    pub wrong_level: RefusalLevel,
    /// A link in the source leads out of the tree, or a path on the target leads through a link.
    pub symlink_escape: RefusalLevel,
    /// A container port would be open to the world, or nobody can tell.
    pub public_port: RefusalLevel,
    /// Files on the target belong to somebody else, or a container has no `user`.
    pub root_owned: RefusalLevel,
    /// The user on the target is root.
    pub runs_as_root: RefusalLevel,
    /// Less room than `limits` demands.
    pub low_disk: RefusalLevel,
    /// The tree is not what git has, or not the branch to deploy.
    pub dirty_tree: RefusalLevel,
    /// Keys and passwords would be sent.
    pub secrets_in_tree: RefusalLevel,
    /// Devices, sockets, setuid, hard links, world-writable files, control characters, two names that differ in case only.
    pub special_files: RefusalLevel,
    /// Something moved while it was looked at, or since the plan; or another deploy holds the target.
    pub changed_since: RefusalLevel,
    /// A live loop writes its ledger on the target: it would run on old code beside new files. Or nobody can tell.
    pub live_writer: RefusalLevel,
    /// More than `limits` allows.
    pub too_much: RefusalLevel,
    /// Nothing but the permissions of a file would change.
    pub perms_only: RefusalLevel,
}

impl Default for RefusalLevels {
    fn default() -> Self {
        use RefusalLevel::{Refuse, Warn};
        Self {
            deletes: Refuse,
            protected_touched: Refuse,
            protected_in_source: Warn,
            hidden_code: Refuse,
            type_change: Refuse,
            drift: Refuse,
            stale: Warn,
            older_source: Refuse,
            wrong_host: Refuse,
            wrong_level: Refuse,
            symlink_escape: Refuse,
            public_port: Refuse,
            root_owned: Refuse,
            runs_as_root: Refuse,
            low_disk: Refuse,
            dirty_tree: Refuse,
            secrets_in_tree: Refuse,
            special_files: Refuse,
            changed_since: Refuse,
            live_writer: Refuse,
            too_much: Refuse,
            perms_only: Warn,
        }
    }
}

impl RefusalLevels {
    /// How grave a finding is.
    pub const fn of(&self, refusal: Refusal) -> RefusalLevel {
        match refusal {
            Refusal::Deletes => self.deletes,
            Refusal::ProtectedTouched => self.protected_touched,
            Refusal::ProtectedInSource => self.protected_in_source,
            Refusal::HiddenCode => self.hidden_code,
            Refusal::TypeChange => self.type_change,
            Refusal::Drift => self.drift,
            Refusal::Stale => self.stale,
            Refusal::OlderSource => self.older_source,
            Refusal::WrongHost => self.wrong_host,
            Refusal::WrongLevel => self.wrong_level,
            Refusal::SymlinkEscape => self.symlink_escape,
            Refusal::PublicPort => self.public_port,
            Refusal::RootOwned => self.root_owned,
            Refusal::RunsAsRoot => self.runs_as_root,
            Refusal::LowDisk => self.low_disk,
            Refusal::DirtyTree => self.dirty_tree,
            Refusal::SecretsInTree => self.secrets_in_tree,
            Refusal::SpecialFiles => self.special_files,
            Refusal::ChangedSince => self.changed_since,
            Refusal::LiveWriter => self.live_writer,
            Refusal::TooMuch => self.too_much,
            Refusal::PermsOnly => self.perms_only,
            Refusal::NotUnderstood | Refusal::ProgramMissing | Refusal::Unreachable => {
                RefusalLevel::Refuse
            }
        }
    }
}
