//! What a ledger was made with: strategy, rules and build, written beside it when LIVE first starts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::OriginError;
use crate::{domain::time::UtcMs, store::digest::sha256_hex};

/// Name and version of the document.
pub(super) const SCHEMA: &str = "mjolnir.origin/1";
/// The setting that says how the size of a position is found.
pub const SIZE_MODE: &str = "strategy.size.mode";
/// What a person can do about a damaged one.
pub(super) const REPAIR: &str = "restore it from a backup, or start a new tag";

/// Every value the engine depends on, by its manifest key. Two runs with equal cards decide alike on equal bars.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StrategySettings {
    /// `strategy.enter.1.golden.when`, `strategy.params.fast`, `fill.fee-bps`, ... and their values as text.
    pub settings: BTreeMap<String, String>,
    /// Where touched stops fill: `at-stop` or `through-open`.
    pub stop_fill: String,
}

impl StrategySettings {
    /// sha256 of the settings, without the stop rule, which live and backtest may set differently. 16 hex digits.
    pub fn strategy_hash(&self) -> String {
        let lines: Vec<String> =
            self.settings.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
        let text = lines.concat();
        let digest = Sha256::digest(text.as_bytes());
        let head = digest.iter().take(8).fold(0_u64, |hash, byte| (hash << 8) | u64::from(*byte));
        format!("{head:016x}")
    }

    /// The key of the first setting that reads the equity: a condition of a rule, or else the size of a position.
    pub fn equity_reader(&self) -> Option<String> {
        let names = |text: &str| {
            text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
                .any(|word| word == "equity")
        };
        let rule = self
            .settings
            .iter()
            .find(|(key, text)| key.strip_suffix(".when").is_some() && names(text));
        let by_size = self.settings.get(SIZE_MODE).is_some_and(|mode| mode != "fixed");
        rule.map(|(key, _)| key.clone()).or_else(|| by_size.then(|| SIZE_MODE.to_owned()))
    }

    /// The settings in which two cards differ: key, ours, theirs; the params of the rules first, which others follow from.
    pub fn differences(&self, other: &Self) -> Vec<(String, String, String)> {
        let keys: std::collections::BTreeSet<_> =
            self.settings.keys().chain(other.settings.keys()).collect();
        let value = |card: &Self, key: &String| {
            card.settings.get(key).cloned().unwrap_or_else(|| "-".into())
        };
        let mut all: Vec<_> = keys
            .into_iter()
            .map(|key| (key.clone(), value(self, key), value(other, key)))
            .filter(|(_, ours, theirs)| ours != theirs)
            .collect();
        all.sort_by_key(|(key, ..)| !key.starts_with("strategy.params."));
        all
    }
}

/// When LIVE saw the warm-up bars of a new ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WarmupSeen {
    /// By the clock of the loop.
    pub at: UtcMs,
    /// By the length of the revision log, in entries; a replay is not born by it.
    pub revisions: Option<usize>,
}

/// The birth certificate of a LIVE ledger, `origin.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerOrigin {
    schema: String,
    /// The first slot that was decided, milliseconds UTC; absent in a ledger that an older build began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_ts_ms: Option<i64>,
    /// Close of the oldest bar LIVE could see at its very first start, milliseconds UTC.
    pub floor_ts_ms: i64,
    /// When it saw the warm-up bars, milliseconds UTC.
    pub born_at_ms: i64,
    /// Entries of the revision log when it saw them; absent in a ledger that an older build began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub born_revisions: Option<usize>,
    /// What it was started with.
    pub card: StrategySettings,
    /// The build that started it.
    pub build: String,
    /// sha256 of the document without this line; absent in a ledger that an older build began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

impl LedgerOrigin {
    /// A new ledger's certificate, of the oldest bar it could see and of its first slot.
    pub fn new(
        (floor_ts_ms, first_ts_ms): (i64, i64),
        born: WarmupSeen,
        card: StrategySettings,
        build: String,
    ) -> Self {
        let mut origin = Self {
            schema: SCHEMA.to_owned(),
            first_ts_ms: Some(first_ts_ms),
            floor_ts_ms,
            born_at_ms: born.at.get(),
            born_revisions: born.revisions,
            card,
            build,
            sha256: None,
        };
        origin.sha256 = Some(origin.digest());
        origin
    }

    /// What stands for everything in it.
    pub fn digest(&self) -> String {
        let bare = Self { sha256: None, ..self.clone() };
        sha256_hex(&serde_json::to_vec(&bare).expect("plain values serialise"))
    }

    /// Reads `origin.json`.
    pub fn from_json(bytes: &[u8]) -> Result<Self, OriginError> {
        let origin: Self = serde_json::from_slice(bytes).map_err(OriginError::Json)?;
        if origin.schema != SCHEMA {
            return Err(OriginError::Schema(origin.schema));
        }
        if origin.sha256.as_ref().is_some_and(|written| *written != origin.digest()) {
            return Err(OriginError::Changed);
        }
        Ok(origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::document::document;

    fn card(fast: &str) -> StrategySettings {
        let settings = [("strategy.fast", fast), ("fill.at", "next_open")];
        let settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        StrategySettings { settings, stop_fill: "at-stop".into() }
    }

    #[test]
    fn the_hash_sees_settings_and_not_the_stop_rule() {
        let other_stop = StrategySettings { stop_fill: "through-open".into(), ..card("20") };
        assert_eq!(card("20").strategy_hash(), other_stop.strategy_hash());
        assert_ne!(card("20").strategy_hash(), card("21").strategy_hash());
        let differences = card("20").differences(&card("21"));
        assert_eq!(differences, [("strategy.fast".into(), "20".into(), "21".into())]);
    }

    #[test]
    fn an_origin_survives_its_file_and_a_foreign_one_is_refused() {
        let born = WarmupSeen { at: UtcMs::new(5).unwrap(), revisions: Some(3) };
        let mut origin = LedgerOrigin::new((300_000, 600_000), born, card("20"), "build".into());
        assert_eq!(LedgerOrigin::from_json(document(&origin).as_bytes()).unwrap(), origin);
        (origin.born_revisions, origin.first_ts_ms, origin.sha256) = (None, None, None);
        let older = document(&origin);
        assert!(!older.contains("revisions"), "as builds wrote it that did not count them");
        assert!(!older.contains("first_ts_ms") && !older.contains("sha256"), "{older}");
        assert_eq!(LedgerOrigin::from_json(older.as_bytes()).unwrap(), origin);
        assert!(LedgerOrigin::from_json(b"{}").is_err());
    }

    #[test]
    fn any_changed_letter_of_an_origin_is_noticed() {
        let born = WarmupSeen { at: UtcMs::new(5).unwrap(), revisions: Some(3) };
        let whole =
            document(&LedgerOrigin::new((300_000, 600_000), born, card("20"), "build".into()));
        for at in 0..whole.len() {
            let old = whole.as_bytes()[at];
            if !old.is_ascii_alphanumeric() {
                continue;
            }
            let mut text = whole.clone().into_bytes();
            text[at] = if old == b'7' { b'8' } else { b'7' };
            if text != whole.as_bytes() {
                assert!(
                    LedgerOrigin::from_json(&text).is_err(),
                    "{}",
                    String::from_utf8_lossy(&text)
                );
            }
        }
    }
}
