//! What a deploy leaves alone: protected paths, which nobody can take out, and what is not deployed.

use crate::{
    domain::pattern::{Anchored, Floating, Place},
    manifest::DeployCheck,
};

/// Always protected. No slash at the end: a link of that name counts too.
pub const PROTECTED: [&str; 8] =
    ["/.env", "/.env.*", "/data", MARKER, DEPLOYED, DEPLOYING, LOCK, TRASH];
/// What names the project on the target.
pub const MARKER: &str = "/.mjolnir-target";
/// What was deployed there last.
pub const DEPLOYED: &str = "/.mjolnir-deployed.json";
/// What is being deployed there, or was when a deploy was cut off.
pub const DEPLOYING: &str = "/.mjolnir-deploying.json";
/// Held while a deploy is at work: a folder.
pub const LOCK: &str = "/.mjolnir-lock";
/// Where retired files go.
pub const TRASH: &str = "/.mjolnir-trash";
/// Protected by its name, and meant to be tracked: it holds no values.
const EXAMPLE: &[u8] = b".env.example";

/// What a deploy leaves alone.
#[derive(Debug, Clone)]
pub struct Shields {
    protected: Vec<Anchored>,
    anchored: Vec<Anchored>,
    floating: Vec<Floating>,
}

impl Shields {
    /// The built-in ones and those of a manifest.
    pub fn new(check: &DeployCheck) -> Self {
        let built_in = PROTECTED.map(|text| text.parse().expect("the built-in patterns are good"));
        let more = check.protect.paths.iter().map(|path| path.get().clone());
        Self {
            protected: built_in.into_iter().chain(more).collect(),
            anchored: check.exclude.paths.iter().map(|path| path.get().clone()).collect(),
            floating: check.exclude.anywhere.iter().map(|name| name.get().clone()).collect(),
        }
    }

    /// Whether the path is, or lies in, something protected.
    pub fn protects(&self, path: &[u8]) -> bool {
        self.protected.iter().any(|pattern| pattern.covers(path))
    }

    /// Whether the path is no part of a deploy: protected or excluded.
    pub fn hides(&self, path: &[u8], place: Place) -> bool {
        self.protects(path)
            || self.anchored.iter().any(|pattern| pattern.covers(path))
            || self.floating.iter().any(|pattern| pattern.covers(path, place))
    }

    /// What hides a tracked file that should be deployed; `None` when nothing does.
    pub fn hider(&self, path: &[u8]) -> Option<&str> {
        let anchored = self.anchored.iter().find(|pattern| pattern.covers(path));
        let floating = || self.floating.iter().find(|pattern| pattern.covers(path, Place::Other));
        anchored.map(Anchored::as_str).or_else(|| floating().map(Floating::as_str))
    }

    /// Whether it is bad that git tracks this path: it is protected, and no example.
    pub fn must_not_be_tracked(&self, path: &[u8]) -> bool {
        path != EXAMPLE && self.protects(path)
    }

    /// Every pattern as rsync gets it, protected ones first.
    pub fn patterns(&self) -> impl Iterator<Item = &str> {
        let anchored = self.protected.iter().chain(&self.anchored).map(Anchored::as_str);
        anchored.chain(self.floating.iter().map(Floating::as_str))
    }

    /// Paths whose inside need not be looked at.
    pub fn literal_paths(&self) -> impl Iterator<Item = &str> {
        self.protected.iter().chain(&self.anchored).filter_map(Anchored::literal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protected_paths_cannot_be_taken_out() {
        let mut check = DeployCheck::default();
        check.exclude.paths.clear();
        check.exclude.anywhere.clear();
        let shields = Shields::new(&check);
        for path in [
            ".env",
            ".env.prod",
            ".env.local",
            "data",
            "data/x",
            ".mjolnir-target",
            ".mjolnir-lock",
        ] {
            assert!(shields.protects(path.as_bytes()), "{path}");
        }
        for path in ["src/data", "environment", "a/.env", ".mjolnir"] {
            assert!(!shields.protects(path.as_bytes()), "{path}");
        }
        assert!(shields.patterns().any(|pattern| pattern == "/data"));
        assert!(!shields.must_not_be_tracked(b".env.example"));
    }
}
