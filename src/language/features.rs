//! A feature vector: what it is made of, how it is named, how many bars it needs.

use std::sync::Arc;

use super::{
    check::{Lets, features_alone},
    instance::Instance,
    problem::{RuleProblem, Severity},
    program::Program,
    reach::{Derivation, Lags},
    term::Term,
};
use crate::domain::time::Timeframe;

/// Most values of a vector.
pub const FEATURES_MAX: usize = 64;

/// The values that depend on bars alone, in the order of the vector.
#[derive(Debug, Clone)]
pub struct Features {
    names: Arc<[String]>,
    program: Arc<Program>,
    slowest: Arc<Derivation>,
}

impl Features {
    /// Features of a model: expressions that are pure numbers, without params and names. Problems have the keys `features[0]` and so on.
    pub fn check(texts: &[String], timeframe: Timeframe) -> Result<Self, Vec<RuleProblem>> {
        let mut problems = Vec::new();
        let terms = features_alone(texts, Some(timeframe), &mut problems).unwrap_or_default();
        if terms.is_empty() && problems.is_empty() {
            problems.push(RuleProblem::error("features", "no feature is given"));
        }
        if let Some(problem) = too_many("features", texts.len()) {
            problems.push(problem);
        }
        if problems.iter().any(|problem| problem.severity == Severity::Error) {
            return Err(problems);
        }
        let names = terms.iter().map(Term::to_string).collect();
        Ok(Self::new(names, &terms, &[], &Lets::default(), timeframe))
    }

    /// Of checked terms, and of what is worked out with them: it is no part of the vector and reads nothing older than that does.
    pub(super) fn new(
        names: Vec<String>,
        terms: &[Term],
        ahead: &[Term],
        lets: &Lets,
        timeframe: Timeframe,
    ) -> Self {
        let mut lags = Lags::new(lets);
        let slowest = terms.iter().max_by_key(|term| lags.of(term, timeframe));
        let slowest = slowest.map(|term| Lags::new(lets).derivation(term, timeframe));
        let nothing =
            || Derivation { text: "close".to_owned(), lag: 0, how: "", parts: Vec::new() };
        Self {
            names: names.into(),
            program: Arc::new(Program::new(terms.iter().chain(ahead), lets, timeframe)),
            slowest: Arc::new(slowest.unwrap_or_else(nothing)),
        }
    }

    /// Their names, in the order of the vector: a name of `[strategy.let]`, or a canonical text.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// How many values are given at a bar: the vector, and behind it what is worked out with it.
    pub fn width(&self) -> usize {
        self.program.outputs.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Bars since the anchor before they are meaningful.
    pub fn warm_up_bars(&self) -> u32 {
        u32::try_from(self.slowest.lag + 1).unwrap_or(u32::MAX)
    }

    /// The slowest of them, and why it is so slow.
    pub fn slowest(&self) -> &Derivation {
        &self.slowest
    }

    /// Operations of the program.
    pub fn operations(&self) -> usize {
        self.program.operations()
    }

    /// A run that has seen no bar yet.
    pub fn start(&self) -> Instance {
        Instance::start(&self.program)
    }
}

/// Several vectors as one run: what more than one of them has is worked out once.
#[derive(Debug, Clone)]
pub struct Together {
    program: Arc<Program>,
    columns: Vec<Vec<usize>>,
}

impl Together {
    /// Of vectors on bars of one timeframe.
    pub fn new<'f>(all: impl Iterator<Item = &'f Features>) -> Self {
        let programs: Vec<&Program> = all.map(|one| &*one.program).collect();
        let (program, places) = Program::together(&programs);
        let columns = |outputs: Vec<usize>| -> Vec<usize> {
            outputs.into_iter().map(|output| program.outputs[output]).collect()
        };
        let columns = places.into_iter().map(columns).collect();
        Self { program: Arc::new(program), columns }
    }

    /// A run that has seen no bar yet.
    pub fn start(&self) -> Instance {
        Instance::start(&self.program)
    }

    /// Which columns of [`Instance::run_columns`] the values of one vector are, in its order, with what is worked out behind it.
    pub fn columns(&self, vector: usize) -> &[usize] {
        &self.columns[vector]
    }
}

/// That a vector would have too many values.
pub(super) fn too_many(key: &str, many: usize) -> Option<RuleProblem> {
    (many > FEATURES_MAX).then(|| {
        let message = format!("{many} features; a vector has at most {FEATURES_MAX} values");
        RuleProblem::error(key, message).help("every name and every call that looks back is one")
    })
}
