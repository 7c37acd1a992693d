//! The plan: one hash of everything that a deploy relies on, good for a short time. Whatever moves after it shows as another hash.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    findings::Findings,
    rsync_output::{RsyncItem, item_rows},
};
use crate::{domain::time::UtcMs, manifest::Refusal, store::digest::sha256_hex};

const SCHEMA: &str = "mjolnir.deploy-plan/1";

/// The document `plan.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeployPlan {
    schema: String,
    /// sha256 of the rest of the document.
    hash: String,
    /// Whether anything speaks against it.
    refused: bool,
    /// Milliseconds since 1970.
    made_ms: i64,
    expires_ms: i64,
    /// What it relies on, by name: texts and hashes.
    parts: BTreeMap<String, String>,
    /// What would be changed: how, and the path.
    items: Vec<[String; 2]>,
}

impl DeployPlan {
    /// Of what was seen, good for `ttl_ms`.
    pub fn new(
        parts: BTreeMap<String, String>,
        items: &[RsyncItem],
        refused: bool,
        made: UtcMs,
        ttl_ms: i64,
    ) -> Self {
        let mut plan = Self {
            schema: SCHEMA.to_owned(),
            hash: String::new(),
            refused,
            made_ms: made.get(),
            expires_ms: made.get().saturating_add(ttl_ms),
            parts,
            items: item_rows(items),
        };
        plan.hash = plan.hashed();
        plan
    }

    fn hashed(&self) -> String {
        let bare = Self { hash: String::new(), ..self.clone() };
        sha256_hex(serde_json::to_string(&bare).expect("plain values serialise").as_bytes())
    }

    /// The hash: what is confirmed when a plan is confirmed.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Until when it holds.
    pub fn expires(&self) -> UtcMs {
        UtcMs::EPOCH.plus_ms(self.expires_ms)
    }

    /// Finds what moved since an earlier plan, which must be whole, safe and young.
    pub fn since(&self, earlier: &[u8], now: UtcMs, findings: &mut Findings<'_>) {
        let next = "runner plan jobs/deploy.toml";
        let mut say = |what: String| findings.add(Refusal::ChangedSince, what, next);
        let earlier: Self = match serde_json::from_slice(earlier) {
            Ok(earlier) => earlier,
            Err(error) => return say(format!("the plan cannot be read: {error}")),
        };
        if earlier.schema != SCHEMA || earlier.hash != earlier.hashed() {
            return say("the plan was changed after it was made".to_owned());
        }
        if earlier.refused {
            say("the plan was refused when it was made".to_owned());
        }
        if now.get() >= earlier.expires_ms {
            say(format!(
                "the plan is older than {} s",
                (earlier.expires_ms - earlier.made_ms) / 1000
            ));
        }
        let names: std::collections::BTreeSet<&String> =
            self.parts.keys().chain(earlier.parts.keys()).collect();
        let moved =
            names.into_iter().filter(|name| self.parts.get(*name) != earlier.parts.get(*name));
        let moved: Vec<String> = moved.cloned().collect();
        if !moved.is_empty() || self.items != earlier.items {
            findings.about(
                Refusal::ChangedSince,
                "moved since the plan",
                if moved.is_empty() { vec!["items".to_owned()] } else { moved },
                next,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{manifest::RefusalLevels, store::document::document};

    fn plan(head: &str) -> DeployPlan {
        let parts = BTreeMap::from([("head".to_owned(), head.to_owned())]);
        DeployPlan::new(parts, &[], false, UtcMs::EPOCH, 1000)
    }

    fn found(now_ms: i64, head: &str, edit: impl Fn(String) -> String) -> Vec<String> {
        let levels = RefusalLevels::default();
        let mut findings = Findings::new(&levels);
        let earlier = edit(document(&plan("a")));
        plan(head).since(earlier.as_bytes(), UtcMs::new(now_ms).unwrap(), &mut findings);
        findings.sorted().into_iter().map(|found| found.what + &found.paths.join(" ")).collect()
    }

    #[test]
    fn a_young_plan_holds_until_something_moves() {
        let same = |text: String| text;
        assert!(found(999, "a", same).is_empty());
        assert_eq!(found(1000, "a", same), ["the plan is older than 1 s"]);
        assert_eq!(found(999, "b", same), ["moved since the planhead"]);
    }

    #[test]
    fn an_edited_plan_is_no_plan() {
        let longer = |text: String| text.replace("1000", "99000");
        assert_eq!(found(5000, "a", longer), ["the plan was changed after it was made"]);
        assert!(found(1, "a", |_| "{".to_owned())[0].starts_with("the plan cannot be read"));
    }
}
