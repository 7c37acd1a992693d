//! What is tried: axes of values, and the points on them, as a grid, by chance, or as a Sobol sequence.

use std::{collections::BTreeSet, fmt};

use thiserror::Error;

use super::{
    plateau::Neighbours,
    sobol::{self, Sobol},
    xoshiro::Xoshiro,
};

/// Most points of a grid before `where` takes some away: so many are looked at.
pub const LOOK_MAX: u128 = 2_000_000;

/// How often a point is drawn again, per trial.
const DRAWS_PER_TRIAL: u64 = 100;

/// The stream of the generator that draws points.
const STREAM: u64 = 0x7370_6163_6500;

/// A value of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum AxisValue {
    /// Without a point.
    Whole(i64),
    /// With one.
    Real(f64),
    /// A word.
    Text(String),
    /// `true` or `false`.
    Truth(bool),
}

impl AxisValue {
    /// As a number, where it has an order.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Whole(whole) => Some(*whole as f64),
            Self::Real(x) => Some(*x),
            Self::Text(_) | Self::Truth(_) => None,
        }
    }
}

/// As TOML writes it.
impl fmt::Display for AxisValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(whole) => write!(f, "{whole}"),
            Self::Real(x) => write!(f, "{x:?}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Truth(truth) => write!(f, "{truth}"),
        }
    }
}

/// The values of one parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Axis {
    /// These.
    List(Vec<AxisValue>),
    /// From one number to another, both included.
    Range {
        /// The first.
        from: f64,
        /// The last.
        to: f64,
        /// From value to value; without it any number between, whole ones for a whole parameter.
        step: Option<f64>,
        /// Whether the parameter is a whole number.
        whole: bool,
    },
}

impl Axis {
    /// How many values it has; `None` where it is not counted.
    pub fn len(&self) -> Option<u64> {
        match self {
            Self::List(values) => Some(values.len() as u64),
            Self::Range { from, to, step, whole } => {
                let step = step.or(whole.then_some(1.0))?;
                // A last value that misses the end by a rounding is the end.
                let many = ((to - from) / step + 1e-9).floor();
                Some(if many < 0.0 { 0 } else { many as u64 + 1 })
            }
        }
    }

    /// Whether it has no value at all.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// Whether its values have an order.
    pub fn is_number(&self) -> bool {
        match self {
            Self::List(values) => values.iter().all(|value| value.number().is_some()),
            Self::Range { .. } => true,
        }
    }

    /// The value at a step.
    fn at(&self, place: u64) -> AxisValue {
        match self {
            Self::List(values) => values[place as usize].clone(),
            Self::Range { from, step, whole, .. } => {
                let x = from + place as f64 * step.unwrap_or(1.0);
                if *whole {
                    AxisValue::Whole(x.round() as i64)
                } else {
                    AxisValue::Real(nine_places(x))
                }
            }
        }
    }

    /// The value at a part of its length, 0 to 1.
    fn part(&self, part: f64) -> AxisValue {
        match (self, self.len()) {
            (_, Some(many)) => self.at(((part * many as f64) as u64).min(many.saturating_sub(1))),
            (Self::Range { from, to, .. }, None) => {
                AxisValue::Real(nine_places(from + part * (to - from)))
            }
            (Self::List(_), None) => unreachable!("a list is counted"),
        }
    }
}

/// A sum of steps as it would be written by hand.
fn nine_places(x: f64) -> f64 {
    let scaled = x * 1e9;
    if scaled.abs() < 9e15 { scaled.round() / 1e9 } else { x }
}

/// How points are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Every point.
    Grid,
    /// By chance.
    Random,
    /// Sobol points.
    Sobol,
}

/// The parameters of a sweep, in the order of their names.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepSpace {
    /// Their names.
    pub names: Vec<String>,
    /// Their values.
    pub axes: Vec<Axis>,
}

/// What is tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Points {
    /// The values of each trial, in the order of the axes.
    pub values: Vec<Vec<AxisValue>>,
    /// The places on the axes, of a grid.
    steps: Option<Vec<Vec<u32>>>,
    /// Which axes have an order.
    is_number: Vec<bool>,
}

impl Points {
    /// How many.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The places on the axes, of a grid.
    pub fn steps(&self) -> Option<&[Vec<u32>]> {
        self.steps.as_deref()
    }

    /// Who is next to whom.
    pub fn neighbours(&self, reach: u32) -> Neighbours {
        if let Some(steps) = &self.steps {
            return Neighbours::grid(steps, &self.is_number, reach);
        }
        let numbers: Vec<Vec<Option<f64>>> = self
            .values
            .iter()
            .map(|point| {
                let number = |(value, is): (&AxisValue, &bool)| value.number().filter(|_| *is);
                point.iter().zip(&self.is_number).map(number).collect()
            })
            .collect();
        let words: Vec<Vec<String>> = self
            .values
            .iter()
            .map(|point| {
                let word = |(value, is): (&AxisValue, &bool)| (!is).then(|| value.to_string());
                point.iter().zip(&self.is_number).filter_map(word).collect()
            })
            .collect();
        Neighbours::drawn(&numbers, &words)
    }
}

/// Why there is nothing to search, or more than is searched.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SearchError {
    #[error("`{0}` has no value: the grid is empty")]
    NoValue(String),
    #[error("no parameter is named: the grid is empty")]
    NoParameter,
    #[error("`{0}` needs a step: a grid goes from value to value")]
    NoStep(String),
    #[error("{0} parameters; a Sobol sequence has at most {max}", max = sobol::AXES_MAX)]
    TooManyAxes(usize),
    #[error(
        "the grid has {0} points before `where`; at most {max} are looked at: use longer steps, or method = \"random\"",
        max = LOOK_MAX
    )]
    TooLarge(u128),
    #[error(
        "the grid has {points} points and sweep.trials is {trials}: raise it, or use longer steps"
    )]
    TooMany { points: u64, trials: u64 },
    #[error("`where` forbids all {0} points of the grid: it is empty")]
    AllForbidden(u128),
    #[error("`where` forbade all of {0} points that were drawn")]
    NoneDrawn(u64),
    /// What the language says of a condition that cannot be asked.
    #[error("{0}")]
    Condition(String),
    #[error("the hold-out has {held} of {days} days: nothing is left to search")]
    AllHeldOut { held: u32, days: u32 },
}

/// Whether a point may be tried.
pub type Allowed<'a> = &'a mut dyn FnMut(&[AxisValue]) -> Result<bool, SearchError>;

impl SweepSpace {
    /// Chooses at most `trials` points.
    pub fn points(
        &self,
        method: Method,
        (trials, seed): (u64, u64),
        allowed: Allowed<'_>,
    ) -> Result<Points, SearchError> {
        for (name, axis) in self.names.iter().zip(&self.axes) {
            if axis.is_empty() {
                return Err(SearchError::NoValue(name.clone()));
            }
        }
        if self.axes.is_empty() {
            return Err(SearchError::NoParameter);
        }
        let (values, steps) = match method {
            Method::Grid => {
                let steps = self.grid(trials, allowed)?;
                (steps.iter().map(|point| self.at(point)).collect(), Some(steps))
            }
            Method::Random => {
                let mut chance = Xoshiro::new(seed, STREAM);
                let axes = self.axes.len();
                let mut next = move || (0..axes).map(|_| chance.unit()).collect();
                (self.draw(trials, &mut next, allowed)?, None)
            }
            Method::Sobol => {
                if self.axes.len() > sobol::AXES_MAX {
                    return Err(SearchError::TooManyAxes(self.axes.len()));
                }
                let mut points = Sobol::new(self.axes.len(), seed);
                (self.draw(trials, &mut || points.point(), allowed)?, None)
            }
        };
        let is_number = self.axes.iter().map(Axis::is_number).collect();
        Ok(Points { values, steps, is_number })
    }

    fn at(&self, steps: &[u32]) -> Vec<AxisValue> {
        self.axes.iter().zip(steps).map(|(axis, step)| axis.at(u64::from(*step))).collect()
    }

    fn grid(&self, trials: u64, allowed: Allowed<'_>) -> Result<Vec<Vec<u32>>, SearchError> {
        let mut lengths = Vec::new();
        for (name, axis) in self.names.iter().zip(&self.axes) {
            lengths.push(axis.len().ok_or_else(|| SearchError::NoStep(name.clone()))?);
        }
        let all =
            lengths.iter().fold(1_u128, |all, length| all.saturating_mul(u128::from(*length)));
        if all > LOOK_MAX {
            return Err(SearchError::TooLarge(all));
        }
        let mut found = Vec::new();
        let mut many = 0_u64;
        let mut point = vec![0_u32; lengths.len()];
        loop {
            if allowed(&self.at(&point))? {
                many += 1;
                if many <= trials {
                    found.push(point.clone());
                }
            }
            // The last axis turns fastest.
            let Some(axis) =
                (0..point.len()).rev().find(|axis| u64::from(point[*axis]) + 1 < lengths[*axis])
            else {
                break;
            };
            point[axis] += 1;
            point[axis + 1..].fill(0);
        }
        if many == 0 {
            return Err(SearchError::AllForbidden(all));
        }
        if many > trials {
            return Err(SearchError::TooMany { points: many, trials });
        }
        Ok(found)
    }

    fn draw(
        &self,
        trials: u64,
        next: &mut dyn FnMut() -> Vec<f64>,
        allowed: Allowed<'_>,
    ) -> Result<Vec<Vec<AxisValue>>, SearchError> {
        let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
        for _ in 0..trials.saturating_mul(DRAWS_PER_TRIAL) {
            if found.len() as u64 == trials {
                break;
            }
            let parts = next();
            let point: Vec<AxisValue> =
                self.axes.iter().zip(parts).map(|(axis, part)| axis.part(part)).collect();
            let text: Vec<String> = point.iter().map(ToString::to_string).collect();
            if allowed(&point)? && seen.insert(text) {
                found.push(point);
            }
        }
        if found.is_empty() {
            return Err(SearchError::NoneDrawn(trials.saturating_mul(DRAWS_PER_TRIAL)));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(from: f64, to: f64, step: f64) -> Axis {
        Axis::Range { from, to, step: Some(step), whole: true }
    }

    fn space(axes: Vec<Axis>) -> SweepSpace {
        SweepSpace { names: (0..axes.len()).map(|n| format!("p{n}")).collect(), axes }
    }

    #[expect(clippy::unnecessary_wraps, reason = "it has the shape of a condition that can fail")]
    fn all(_: &[AxisValue]) -> Result<bool, SearchError> {
        Ok(true)
    }

    #[test]
    fn a_grid_goes_from_value_to_value_and_the_last_axis_turns_fastest() {
        let real = Axis::Range { from: 0.1, to: 0.3, step: Some(0.1), whole: false };
        let space = space(vec![whole(5.0, 11.0, 5.0), real]);
        let points = space.points(Method::Grid, (6, 0), &mut all).unwrap();
        let shown: Vec<String> =
            points.values.iter().map(|p| format!("{} {}", p[0], p[1])).collect();
        assert_eq!(shown, ["5 0.1", "5 0.2", "5 0.3", "10 0.1", "10 0.2", "10 0.3"]);
        assert_eq!(points.neighbours(1).of(1), [0, 2, 4]);
    }

    #[test]
    fn too_many_too_few_and_none_are_said_with_their_numbers() {
        let wide = space(vec![whole(1.0, 1e3, 1.0), whole(1.0, 1e3, 1.0), whole(1.0, 1e3, 1.0)]);
        let error = |space: &SweepSpace, trials, allowed: Allowed<'_>| {
            space.points(Method::Grid, (trials, 0), allowed).unwrap_err().to_string()
        };
        assert!(error(&wide, 10, &mut all).starts_with("the grid has 1000000000 points"));
        let small = space(vec![whole(1.0, 4.0, 1.0)]);
        let two = &mut |p: &[AxisValue]| Ok(p[0].number() < Some(3.0));
        assert_eq!(
            error(&small, 1, two),
            "the grid has 2 points and sweep.trials is 1: raise it, or use longer steps"
        );
        assert!(error(&small, 9, &mut |_| Ok(false)).contains("forbids all 4 points"));
        assert!(error(&space(vec![whole(4.0, 1.0, 1.0)]), 9, &mut all).contains("is empty"));
        assert!(error(&space(vec![Axis::List(vec![])]), 9, &mut all).contains("is empty"));
        assert!(error(&space(vec![]), 9, &mut all).contains("is empty"));
        let free = space(vec![Axis::Range { from: 0.0, to: 1.0, step: None, whole: false }]);
        assert!(error(&free, 9, &mut all).contains("needs a step"));
        let odd = &mut |_: &[AxisValue]| Err(SearchError::Condition("odd".to_owned()));
        assert_eq!(error(&small, 9, odd), "odd");
    }

    #[test]
    fn drawn_points_are_allowed_each_once_and_the_same_for_a_seed() {
        let words = Axis::List(vec![AxisValue::Text("long".into()), AxisValue::Truth(true)]);
        let space = space(vec![whole(1.0, 9.0, 1.0), words]);
        for method in [Method::Random, Method::Sobol] {
            let draw = |seed| {
                let allowed = &mut |p: &[AxisValue]| Ok(p[0].number() > Some(4.0));
                space.points(method, (10, seed), allowed).unwrap().values
            };
            let points = draw(7);
            assert_eq!(points.len(), 10, "{method:?}: 5 times 2 are all there are");
            assert!(points.iter().all(|p| p[0].number() > Some(4.0)));
            let different: BTreeSet<String> =
                points.iter().map(|p| format!("{} {}", p[0], p[1])).collect();
            assert_eq!(different.len(), 10);
            assert_eq!(points, draw(7));
            assert_ne!(points, draw(8));
        }
        let none = space.points(Method::Random, (3, 1), &mut |_| Ok(false));
        assert_eq!(none.unwrap_err(), SearchError::NoneDrawn(300));
    }
}
