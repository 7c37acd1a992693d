//! What a ledger was made with: strategy, rules and build, written beside it when LIVE first starts.

use std::{collections::BTreeMap, fmt};

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

/// A difference of settings as people read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingDifference {
    /// The key as a check names it, or the whole sentence.
    pub what: String,
    /// The value now and the one before; `None` where `what` says it all.
    values: Option<[String; 2]>,
}

impl fmt::Display for SettingDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written = |value: &str| if value == "-" { "not there" } else { value }.to_owned();
        match &self.values {
            Some([now, was]) => {
                write!(f, "{} is {}, was {}", self.what, written(now), written(was))
            }
            None => f.write_str(&self.what),
        }
    }
}

/// A key of a rule, such as `strategy.exit.1.tired.when`: its kind, its place from 1, its name, `side` or `when`.
fn rule_key(key: &str) -> Option<(&str, usize, &str, &str)> {
    let mut parts = key.strip_prefix("strategy.")?.splitn(4, '.');
    let (kind, place, name, part) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_rule = ["enter", "exit"].contains(&kind);
    place.parse().ok().filter(|_| is_rule).map(|place| (kind, place, name, part))
}

/// Differences of settings in words. Rules are counted from 0 there, as everywhere but in the settings; of a rule that has another name and
/// is the same otherwise only the names are said.
pub fn in_words(differences: &[(String, String, String)]) -> Vec<SettingDifference> {
    let part_of = |(kind, place, name): (&str, usize, &str), part: &str| {
        let key = format!("strategy.{kind}.{place}.{name}.{part}");
        differences.iter().find(move |(found, ..)| *found == key)
    };
    // The rule that has the place of this one now, where only its name differs.
    let renamed = |(kind, place, old): (&str, usize, &str)| {
        let others = differences.iter().filter_map(|(key, ..)| rule_key(key));
        let mut names = others.filter(|(k, p, name, _)| (*k, *p) == (kind, place) && *name != old);
        names.find_map(|(.., new, _)| {
            let is_same = |part: &str| {
                let (_, now, was) = part_of((kind, place, old), part)?;
                let (_, new_now, new_was) = part_of((kind, place, new), part)?;
                Some(now == "-" && new_was == "-" && new_now == was)
            };
            let all = ["side", "when"].iter().all(|part| is_same(part) == Some(true));
            all.then(|| (new.to_owned(), format!("{kind} rule {old} is now called {new}")))
        })
    };
    let all = differences.iter().filter_map(|(key, ..)| rule_key(key));
    let renames: Vec<_> = all
        .filter_map(|(kind, place, name, _)| {
            Some(((kind, place, name), renamed((kind, place, name))?))
        })
        .collect();
    let mut words: Vec<SettingDifference> = Vec::new();
    for (key, now, was) in differences {
        let values = Some([now.clone(), was.clone()]);
        let Some((kind, place, name, part)) = rule_key(key) else {
            words.push(SettingDifference { what: key.clone(), values });
            continue;
        };
        let rename = renames.iter().find(|((k, p, old), (new, _))| {
            (*k, *p) == (kind, place) && (*old == name || new == name)
        });
        let what = match rename {
            Some((_, (_, sentence))) => sentence.clone(),
            None => format!("strategy.{kind}[{}].{part} of {name}", place.saturating_sub(1)),
        };
        let values = values.filter(|_| rename.is_none());
        let one = SettingDifference { what, values };
        if !words.contains(&one) {
            words.push(one);
        }
    }
    words
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
    fn a_renamed_rule_is_said_by_its_names_and_places_are_those_of_a_check() {
        let of = |name: &str, when: &str| {
            let rule = |part: &str| format!("strategy.exit.1.{name}.{part}");
            let settings = [(rule("side"), "long"), (rule("when"), when)];
            let settings = settings.map(|(key, value)| (key, value.to_owned())).into();
            StrategySettings { settings, stop_fill: "at-stop".into() }
        };
        let was = of("low_out", "close < open");
        let said = |now: &StrategySettings| {
            let words = in_words(&now.differences(&was));
            words.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let renamed = of("low_exit", "close < open");
        assert_eq!(said(&renamed), ["exit rule low_out is now called low_exit"]);
        assert_eq!(
            said(&of("low_out", "close < low")),
            ["strategy.exit[0].when of low_out is close < low, was close < open"]
        );
        let other = said(&of("other", "close < low"));
        assert_eq!(other.len(), 4, "{other:?}");
        assert_eq!(other[0], "strategy.exit[0].side of low_out is not there, was long");
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
