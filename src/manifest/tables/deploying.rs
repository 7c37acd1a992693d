//! The table of deploy: what is done to the target, and what is demanded of it afterwards.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::setting::words;

use super::super::values::{Parsed, Span};

words! {
    /// What is done to the target.
    DeployMode {
        /// Nothing: the plan is made and shown.
        Plan = "plan",
        /// The tree of the source is sent.
        Sync = "sync",
        /// The commit that was deployed before is sent again, as git has it. Once more, and it is back at the newer one.
        Rollback = "rollback",
        /// Files that were deployed once, are unchanged there and gone from the source are moved into `.mjolnir-trash/RUN_ID/`.
        Retire = "retire",
        /// Nothing: what `rollback` would change is shown.
        RollbackPlan = "rollback-plan",
        /// Nothing: what `retire` would move is shown.
        RetirePlan = "retire-plan",
        /// The lock of a deploy that was killed is taken away, and its owner is shown.
        Unlock = "unlock",
    }
}

/// What is done to the target, under a lock on both sides, and what is demanded of it afterwards. Nothing is ever deleted there.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Deploy {
    /// What is done.
    pub mode: DeployMode,
    /// The reason, shown to anyone who finds the lock, and kept in `.mjolnir-deployed.json`.
    pub message: String,
    /// An earlier plan, `data/reports/deploy/RUN_ID/plan.json`, of this job or of deploy-check: nothing may have moved since.
    /// Without it the deploy looks first, and relies on what it saw.
    pub plan: Option<String>,
    /// The longest that sending may take.
    pub sync_timeout: Parsed<Span>,
    /// Programs that are run on the target, in its folder, one after another, once everything is sent. One that fails is the last.
    pub commands: Vec<DeployCommand>,
    /// A program and its arguments, run on the target again and again until it ends with 0. Empty: none.
    pub health: Vec<String>,
    /// How long `health` may take to end with 0.
    pub health_within: Parsed<Span>,
    /// Between two tries of `health`.
    pub health_every: Parsed<Span>,
    /// A program and its arguments, run on the target last: it must end with 0, such as one that folds the ledger. Empty: none.
    pub state: Vec<String>,
    /// The longest that `state` may take.
    pub state_within: Parsed<Span>,
}

impl Default for Deploy {
    fn default() -> Self {
        Self {
            mode: DeployMode::Sync,
            message: String::new(),
            plan: None,
            sync_timeout: Parsed::new(Span::seconds(600)),
            commands: Vec::new(),
            health: Vec::new(),
            health_within: Parsed::new(Span::seconds(180)),
            health_every: Parsed::new(Span::seconds(5)),
            state: Vec::new(),
            state_within: Parsed::new(Span::seconds(300)),
        }
    }
}

/// A program that is run on the target. It runs without a shell; programs without a folder are looked for in `/usr/bin` and `/bin`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DeployCommand {
    /// The program and its arguments. Others can see them: write no secret here.
    #[schemars(length(min = 1))]
    pub argv: Vec<String>,
    /// The longest that it may take.
    #[serde(default = "DeployCommand::timeout")]
    pub timeout: Parsed<Span>,
}

impl DeployCommand {
    fn timeout() -> Parsed<Span> {
        Parsed::new(Span::seconds(600))
    }
}
