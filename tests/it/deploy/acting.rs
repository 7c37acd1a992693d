//! The deploy job against a site: what it is given, what it says, and what must hold whatever comes of it.

use std::{collections::BTreeMap, path::Path};

use serde_json::Value as Json;

use super::{
    fixture::{BARE, Site, is_root},
    locks::{Seen, seen},
};
use crate::support::{ran::Ran, runner::Call};

/// Names at the top of the target that stay byte for byte as they are, with rights and times.
const KEPT: [&str; 4] = [".env", ".env.prod", "data", ".mjolnir-target"];

/// What a deploy said, and its own document, where it got so far.
pub struct Acted {
    pub ran: Ran,
    pub story: Json,
}

impl Site {
    /// Words that begin a verb about this site: the source, the target, and the way there.
    pub fn call_for(&self, verb: &str, sets: &[(&str, &str)]) -> Call<'_> {
        let source = self.here("").to_str().unwrap().trim_end_matches('/').to_owned();
        let path = format!("path={}", self.there("").to_str().unwrap());
        let mut call = self.root.call(verb).arg("-p").arg(&format!("source={source}")).arg(&path);
        for word in &self.words {
            call = call.arg(word);
        }
        let mut all = BARE.to_vec();
        let is_deploy = !verb.contains("deploy-check");
        if is_deploy {
            let none = [("deploy.commands", "[]"), ("deploy.health", "[]"), ("deploy.state", "[]")];
            all.extend(none);
        }
        if is_root() && self.is_here() {
            all.push(("deploy-check.severity.runs-as-root", "off"));
        }
        all.extend(sets);
        for (key, value) in all {
            call = call.arg("--set").arg(&format!("{key}={value}"));
        }
        call.env("HOME", self.root.path().to_str().unwrap())
    }

    /// `runner deploy`, with these words behind it.
    pub fn act(&self, flags: &[&str]) -> Acted {
        self.act_with(flags, &[])
    }

    /// The same with other settings. What the target keeps for itself, and the source, stay as they are.
    pub fn act_with(&self, flags: &[&str], sets: &[(&str, &str)]) -> Acted {
        let mut call = self.call_for("deploy deploy --json", sets);
        for flag in flags {
            call = call.arg(flag);
        }
        let before = (self.kept(), seen(&self.here("")));
        let ran = call.run();
        assert!(before.0 == self.kept(), "what the target keeps was changed: {ran}");
        assert!(before.1 == seen(&self.here("")), "the source was changed: {ran}");
        self.acted(ran)
    }

    /// What a run of a deploy left behind.
    pub fn acted(&self, ran: Ran) -> Acted {
        let story = ran.json()["out"]["deploy"].as_str().map(|path| self.root.read(path));
        let story = story.map(|text| serde_json::from_str(&text).unwrap()).unwrap_or_default();
        Acted { ran, story }
    }

    /// What the target keeps for itself.
    pub fn kept(&self) -> BTreeMap<Vec<u8>, Seen> {
        let mut all = seen(&self.there(""));
        let is_kept = |path: &[u8]| {
            let first = path.split(|byte| *byte == b'/').next().unwrap();
            KEPT.iter().any(|name| name.as_bytes() == first)
        };
        all.retain(|path, _| is_kept(path));
        assert!(all.len() >= KEPT.len(), "the target keeps something: {:?}", all.keys());
        all
    }

    /// What is noted on the target as deployed.
    pub fn noted(&self) -> Json {
        let text = std::fs::read_to_string(self.there(".mjolnir-deployed.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// The commit that is checked out.
    pub fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"])
    }

    /// Nothing of a deploy at work is left on the target: no lock, no intent, nothing half-received.
    pub fn is_tidy(&self) {
        for (path, _) in seen(&self.there("")) {
            let name = String::from_utf8_lossy(&path).into_owned();
            let last = Path::new(&name).file_name().unwrap_or_default().to_string_lossy();
            let half = last.starts_with('.')
                && last.rsplit('.').next().unwrap_or("").len() == 6
                && last.matches('.').count() >= 2;
            assert!(!half, "{name} looks half-received");
            assert!(!name.starts_with(".mjolnir-lock"), "{name}");
            assert!(name != ".mjolnir-deploying.json", "{name}");
        }
    }
}

impl Acted {
    /// It was deployed and verified.
    pub fn done(self) -> Self {
        assert_eq!(self.ran.code, 0, "{}", self.ran);
        assert!(self.story["problem"].is_null(), "{}", self.story);
        self
    }

    /// It ended with this exit code, and said these words.
    pub fn fails(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.ran.code, code, "{}", self.ran);
        let said = format!("{}{}{}", self.ran.stdout, self.ran.stderr, self.story);
        for word in words {
            assert!(said.contains(word), "`{word}` was not said: {}{}", self.ran, self.story);
        }
        self
    }

    /// The paths that were sent.
    pub fn sent(&self) -> Vec<String> {
        let all = self.story["sent"].as_array().unwrap();
        all.iter().map(|item| item[1].as_str().unwrap().to_owned()).collect()
    }
}
