//! All judges in their order.

use super::{drift, surroundings, sync};
use crate::{
    jobs::deploy::{
        facts::Facts,
        finding::{Findings, There},
        shields::Shields,
    },
    manifest::DeployCheck,
};

/// What a judge is given.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// What was seen.
    pub facts: &'a Facts,
    /// What is left alone.
    pub shields: &'a Shields,
    /// What the manifest demands.
    pub rules: &'a DeployCheck,
    /// Commands for the target.
    pub there: There<'a>,
}

/// Finds everything that speaks against a deploy.
pub fn judge(case: &Case<'_>, findings: &mut Findings<'_>) {
    sync::understood(case, findings);
    sync::deletes(case, findings);
    sync::protected(case, findings);
    sync::hidden(case, findings);
    sync::types(case, findings);
    sync::level(case, findings);
    sync::special(case, findings);
    sync::amount(case, findings);
    drift::drift(case, findings);
    drift::older(case, findings);
    surroundings::links(case, findings);
    surroundings::owners(case, findings);
    surroundings::ports(case, findings);
    surroundings::room(case, findings);
    surroundings::git(case, findings);
    surroundings::secrets(case, findings);
    surroundings::writers(case, findings);
}
