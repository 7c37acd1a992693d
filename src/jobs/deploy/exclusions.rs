//! What a deploy leaves alone: protected paths, which no manifest can take out, and what is not deployed.

use crate::{
    domain::pattern::{AnchoredPattern, FloatingPattern, PatternPlace},
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
/// It matches `/.env.*` and is sent all the same: it names the variables of the box and holds no values.
pub const EXAMPLE: &str = "/.env.example";

/// What a deploy leaves alone.
#[derive(Debug, Clone)]
pub struct Exclusions {
    built_in: Vec<AnchoredPattern>,
    protected: Vec<AnchoredPattern>,
    anchored: Vec<AnchoredPattern>,
    floating: Vec<FloatingPattern>,
}

impl Exclusions {
    /// The built-in ones and those of a manifest.
    pub fn new(check: &DeployCheck) -> Self {
        Self {
            built_in: PROTECTED
                .map(|text| text.parse().expect("the built-in patterns are good"))
                .to_vec(),
            protected: check.protect.paths.iter().map(|path| path.get().clone()).collect(),
            anchored: check.exclude.paths.iter().map(|path| path.get().clone()).collect(),
            floating: check.exclude.anywhere.iter().map(|name| name.get().clone()).collect(),
        }
    }

    /// Whether the path is, or is inside of, something protected.
    pub fn protects(&self, path: &[u8]) -> bool {
        let built_in = path != bare(EXAMPLE) && covers(&self.built_in, path);
        built_in || covers(&self.protected, path)
    }

    /// Whether the path is not part of a deploy: protected or excluded.
    pub fn hides(&self, path: &[u8], place: PatternPlace) -> bool {
        self.protects(path) || self.excludes(path, place)
    }

    fn excludes(&self, path: &[u8], place: PatternPlace) -> bool {
        covers(&self.anchored, path)
            || self.floating.iter().any(|pattern| pattern.covers(path, place))
    }

    /// The exclude that hides a tracked file which should be deployed.
    pub fn hider(&self, path: &[u8]) -> Option<&str> {
        let anchored = self.anchored.iter().find(|pattern| pattern.covers(path));
        let floating =
            || self.floating.iter().find(|pattern| pattern.covers(path, PatternPlace::Other));
        anchored.map(AnchoredPattern::as_str).or_else(|| floating().map(FloatingPattern::as_str))
    }

    /// The filters of rsync in their order: the first that fits a path decides.
    pub fn filters(&self) -> Vec<String> {
        let exclude = |pattern: &str| format!("--exclude={pattern}");
        let mut filters = Vec::new();
        // Only where no other pattern hides it: a filter before the excludes would win over all of them.
        if !self.hides(bare(EXAMPLE), PatternPlace::Other) {
            filters.push(format!("--include={EXAMPLE}"));
        }
        let protected = self.built_in.iter().chain(&self.protected);
        filters.extend(protected.chain(&self.anchored).map(|pattern| exclude(pattern.as_str())));
        filters.extend(self.floating.iter().map(|pattern| exclude(pattern.as_str())));
        filters
    }

    /// Paths whose inside need not be looked at.
    pub fn literal_paths(&self) -> impl Iterator<Item = &str> {
        let protected = self.built_in.iter().chain(&self.protected);
        protected.chain(&self.anchored).filter_map(AnchoredPattern::literal)
    }
}

/// A path of this file as lists have it: without the slash at its beginning.
fn bare(path: &str) -> &[u8] {
    path.trim_start_matches('/').as_bytes()
}

fn covers(patterns: &[AnchoredPattern], path: &[u8]) -> bool {
    patterns.iter().any(|pattern| pattern.covers(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Parsed;

    #[test]
    fn protected_paths_cannot_be_taken_out() {
        let mut check = DeployCheck::default();
        check.exclude.paths.clear();
        check.exclude.anywhere.clear();
        let exclusions = Exclusions::new(&check);
        for path in [
            ".env",
            ".env.prod",
            ".env.local",
            ".env.example.old",
            "data",
            "data/x",
            ".mjolnir-target",
            ".mjolnir-lock",
        ] {
            assert!(exclusions.protects(path.as_bytes()), "{path}");
        }
        for path in ["src/data", "environment", "a/.env", ".mjolnir", ".env.example"] {
            assert!(!exclusions.protects(path.as_bytes()), "{path}");
        }
        assert!(exclusions.filters().contains(&"--exclude=/data".to_owned()));
    }

    #[test]
    fn the_example_is_sent_unless_a_manifest_hides_it() {
        let filters = |edit: fn(&mut DeployCheck)| {
            let mut check = DeployCheck::default();
            edit(&mut check);
            let exclusions = Exclusions::new(&check);
            let hidden = exclusions.hides(b".env.example", PatternPlace::Other);
            assert_ne!(hidden, exclusions.filters()[0] == "--include=/.env.example");
            hidden
        };
        assert!(!filters(|_| ()));
        assert!(filters(|check| check.protect.paths.push(parsed("/.env.example"))));
        assert!(filters(|check| check.exclude.paths.push(parsed("/.env.example"))));
        assert!(filters(|check| check.exclude.anywhere.push(parsed("*.example"))));
    }

    fn parsed<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> Parsed<T> {
        Parsed::new(text.parse().unwrap())
    }
}
