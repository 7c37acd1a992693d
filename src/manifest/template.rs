//! The grammar of `${...}` in texts, and texts that wait for the steps of a pipeline.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::tree::quoted;

/// What a `${...}` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reference {
    Param(String),
    Env {
        name: String,
        default: Option<String>,
    },
    RunId,
    RunJob,
    /// With a `strftime` pattern, or RFC 3339 without.
    RunStarted(Option<String>),
    /// `id.out.key`, and the id alone.
    Step {
        id: String,
        path: String,
    },
    Secret(String),
    /// The item of a step.
    Each,
}

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TemplatePiece {
    Literal(String),
    /// A reference and the text it was written as.
    Reference(Reference, String),
}

/// A `${...}` that cannot be read: its text, what is wrong, and advice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadReference {
    pub written: String,
    pub message: String,
    pub help: &'static str,
}

/// Letters of `strftime` that may follow a `%`.
const TIME_LETTERS: &str = "YmdHMSyjsFT%";
const GRAMMAR: &str = "write ${params.NAME}, ${env.NAME}, ${env.NAME:-default}, ${run.id}, ${run.job}, \
${run.started:%Y%m%d}, ${steps.ID.out.KEY}, ${each} or ${secrets.NAME}; $${ is a literal ${";

/// Cuts a text into literals and references. A reference that cannot be read is reported and left out.
pub(super) fn pieces(text: &str) -> (Vec<TemplatePiece>, Vec<BadReference>) {
    let (mut out, mut bad) = (Vec::new(), Vec::new());
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        literal.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("$${") {
            literal.push_str("${");
            rest = after;
        } else if let Some(inside) = rest.strip_prefix("${") {
            let Some(end) = inside.find('}') else {
                let message = "`${` is not closed".to_owned();
                bad.push(BadReference { written: rest.to_owned(), message, help: GRAMMAR });
                return (out, bad);
            };
            let written = &rest[..end + 3];
            if !literal.is_empty() {
                out.push(TemplatePiece::Literal(std::mem::take(&mut literal)));
            }
            match reference(&inside[..end]) {
                Ok(reference) => out.push(TemplatePiece::Reference(reference, written.to_owned())),
                Err((message, help)) => {
                    bad.push(BadReference { written: written.to_owned(), message, help });
                }
            }
            rest = &inside[end + 1..];
        } else {
            literal.push('$');
            rest = &rest[1..];
        }
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        out.push(TemplatePiece::Literal(literal));
    }
    (out, bad)
}

/// Writes a text so that reading it as a template gives it back.
pub(super) fn escape(text: &str) -> String {
    text.replace("${", "$${")
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

fn reference(inside: &str) -> Result<Reference, (String, &'static str)> {
    if inside.contains("${") {
        return Err((
            "a reference inside a reference".to_owned(),
            "name one value only; nothing is evaluated twice",
        ));
    }
    if inside == "each" {
        return Ok(Reference::Each);
    }
    let unknown = || (format!("unknown reference {}", quoted(&format!("${{{inside}}}"))), GRAMMAR);
    let (root, rest) = inside.split_once('.').ok_or_else(unknown)?;
    let named = |name: &str| if is_name(name) { Ok(name.to_owned()) } else { Err(unknown()) };
    match root {
        "params" => Ok(Reference::Param(named(rest)?)),
        "secrets" => Ok(Reference::Secret(named(rest)?)),
        "env" => {
            let (name, default) = rest.split_once(":-").map_or((rest, None), |(a, b)| (a, Some(b)));
            Ok(Reference::Env { name: named(name)?, default: default.map(str::to_owned) })
        }
        "run" => run_reference(rest).ok_or_else(unknown)?,
        "steps" => {
            let (id, key) = rest.split_once(".out.").ok_or_else(unknown)?;
            Ok(Reference::Step { id: named(id)?, path: format!("{id}.out.{}", named(key)?) })
        }
        _ => Err(unknown()),
    }
}

type Read = Result<Reference, (String, &'static str)>;

fn run_reference(rest: &str) -> Option<Read> {
    let (field, pattern) = rest.split_once(':').map_or((rest, None), |(a, b)| (a, Some(b)));
    match (field, pattern) {
        ("id", None) => Some(Ok(Reference::RunId)),
        ("job", None) => Some(Ok(Reference::RunJob)),
        ("started", None) => Some(Ok(Reference::RunStarted(None))),
        ("started", Some(pattern)) => Some(match bad_letter(pattern) {
            None => Ok(Reference::RunStarted(Some(pattern.to_owned()))),
            Some(letter) => Err((
                format!("`%{letter}` is not a part of a time"),
                "use %Y %m %d %H %M %S, %3f for milliseconds, %y %j %s %F %T, or %% for a percent sign",
            )),
        }),
        _ => None,
    }
}

/// The first `%x` that is not accepted; a lone `%` at the end gives an empty text.
fn bad_letter(pattern: &str) -> Option<String> {
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if c == '%' {
            // `%3f` are the milliseconds.
            if chars.as_str().starts_with("3f") {
                chars.nth(1);
                continue;
            }
            match chars.next() {
                Some(letter) if TIME_LETTERS.contains(letter) => {}
                other => return Some(other.map(String::from).unwrap_or_default()),
            }
        }
    }
    None
}

/// A text whose `${steps.id.out.key}` and `${each}` are filled when the step starts. Everything else in it is filled already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Template(String);

impl Template {
    /// The text with the outputs of finished steps and the item; the keys are `steps.id.out.key` and `each`.
    pub fn fill(&self, steps: &BTreeMap<String, String>) -> Result<String, FillError> {
        interpolate_step(&self.0, steps)
    }

    /// A text that is escaped already.
    pub(super) fn waiting_text(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// A text without references.
    pub(super) fn literal(text: &str) -> Self {
        Self(escape(text))
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why the text of a step cannot be filled.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FillError {
    #[error("{message} in {}", quoted(.text))]
    Unreadable { message: String, text: String },
    #[error("`{0}` has no value: the step did not put it out")]
    NotPutOut(String),
    #[error("`{0}` has no value: the step has no items")]
    NoItems(String),
    #[error("`{0}` cannot be filled when a step starts")]
    TooLate(String),
}

/// Fills `${steps.id.out.key}` in the text of a step and turns `$${` into `${`. The keys of `steps` are `steps.id.out.key`.
fn interpolate_step(text: &str, steps: &BTreeMap<String, String>) -> Result<String, FillError> {
    let (parts, bad) = pieces(text);
    if let Some(bad) = bad.into_iter().next() {
        return Err(FillError::Unreadable { message: bad.message, text: text.to_owned() });
    }
    let mut out = String::new();
    for part in parts {
        match part {
            TemplatePiece::Literal(literal) => out.push_str(&literal),
            TemplatePiece::Reference(Reference::Step { path, .. }, written) => {
                let value = steps.get(&format!("steps.{path}"));
                out.push_str(value.ok_or(FillError::NotPutOut(written))?);
            }
            TemplatePiece::Reference(Reference::Each, written) => {
                let item = steps.get("each");
                out.push_str(item.ok_or(FillError::NoItems(written))?);
            }
            TemplatePiece::Reference(_, written) => {
                return Err(FillError::TooLate(written));
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> TemplatePiece {
        let (parts, bad) = pieces(text);
        assert!(bad.is_empty(), "{bad:?}");
        assert_eq!(parts.len(), 1, "{parts:?}");
        parts.into_iter().next().unwrap()
    }

    #[test]
    fn each_reference_has_one_form() {
        let env = |default: Option<&str>| Reference::Env {
            name: "X".into(),
            default: default.map(str::to_owned),
        };
        for (text, reference) in [
            ("${params.max-bars}", Reference::Param("max-bars".into())),
            ("${env.X}", env(None)),
            ("${env.X:-}", env(Some(""))),
            ("${env.X:-a b}", env(Some("a b"))),
            ("${run.id}", Reference::RunId),
            ("${run.job}", Reference::RunJob),
            ("${run.started}", Reference::RunStarted(None)),
            ("${run.started:%S_%3f}", Reference::RunStarted(Some("%S_%3f".into()))),
            ("${run.started:%Y-%m}", Reference::RunStarted(Some("%Y-%m".into()))),
            ("${steps.a.out.b}", Reference::Step { id: "a".into(), path: "a.out.b".into() }),
            ("${secrets.K}", Reference::Secret("K".into())),
            ("${each}", Reference::Each),
        ] {
            assert_eq!(one(text), TemplatePiece::Reference(reference, text.into()));
        }
    }

    #[test]
    fn dollars_without_a_brace_are_literal_and_doubled_ones_escape() {
        for (text, literal) in [
            ("a$b", "a$b"),
            ("$${params.x}", "${params.x}"),
            ("5$", "5$"),
            ("$$", "$$"),
            ("$$$${x}", "$$${x}"),
            ("", ""),
        ] {
            let (parts, bad) = pieces(text);
            let want: Vec<_> = (!literal.is_empty())
                .then(|| TemplatePiece::Literal(literal.into()))
                .into_iter()
                .collect();
            assert_eq!((parts, bad), (want, vec![]), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (text, message) in [
            ("${", "`${` is not closed"),
            ("${params.${env.X}}", "a reference inside a reference"),
            ("${nope}", "unknown reference \"${nope}\""),
            ("${params.}", "unknown reference \"${params.}\""),
            ("${run.idd}", "unknown reference \"${run.idd}\""),
            ("${run.started:%Q}", "`%Q` is not a part of a time"),
            ("${run.started:%}", "`%` is not a part of a time"),
            ("${run.started:%3}", "`%3` is not a part of a time"),
        ] {
            assert_eq!(pieces(text).1.first().map(|b| b.message.as_str()), Some(message), "{text}");
        }
    }

    #[test]
    fn a_step_fills_only_outputs() {
        let steps = BTreeMap::from([("steps.a.out.n".to_owned(), "7".to_owned())]);
        assert_eq!(interpolate_step("x${steps.a.out.n}$${y}", &steps).unwrap(), "x7${y}");
        let missing = interpolate_step("${steps.a.out.m}", &steps).unwrap_err();
        assert_eq!(
            missing.to_string(),
            "`${steps.a.out.m}` has no value: the step did not put it out"
        );
        let late = interpolate_step("${run.id}", &steps).unwrap_err();
        assert_eq!(late, FillError::TooLate("${run.id}".to_owned()));
        assert_eq!(Template::literal("${x}").fill(&steps).unwrap(), "${x}");
    }
}
