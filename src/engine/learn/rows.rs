//! The rows a model is fitted on: of every slot that is ready and whose label is whole, its features, its class, and how far its label reaches.

use super::label::{Class, Label};
use crate::{
    domain::{bar::TimedBar, time::SlotTs},
    engine::anchor::{FeatureRows, Readiness},
};

/// Rows in the order of their slots.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rows {
    width: usize,
    slots: Vec<SlotTs>,
    ends: Vec<SlotTs>,
    classes: Vec<Class>,
    inputs: Vec<f64>,
    places: Vec<usize>,
}

impl Rows {
    /// The rows of `bars`, whose features are `features`, one for each bar. `label` answers for a bar by its place; a bar without an
    /// answer, and one whose features are not ready or not known, gives no row. Of a feature vector the first `width` values are inputs.
    pub fn collect(
        bars: &[TimedBar],
        features: &FeatureRows,
        width: usize,
        mut label: impl FnMut(usize, &[f64]) -> Option<Label>,
    ) -> Self {
        assert_eq!(bars.len(), features.len(), "every bar has its features");
        let mut rows = Self { width, ..Self::default() };
        for (place, row) in features.iter().enumerate() {
            let inputs = &row.values[..width];
            let is_known = inputs.iter().all(|value| value.is_finite());
            if row.readiness != Readiness::Ready || !is_known {
                continue;
            }
            let Some(label) = label(place, row.values) else { continue };
            rows.slots.push(bars[place].ts);
            rows.ends.push(label.end);
            rows.classes.push(label.class);
            rows.inputs.extend_from_slice(inputs);
            rows.places.push(place);
        }
        rows
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Inputs of each row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The inputs of one row.
    pub fn inputs(&self, row: usize) -> &[f64] {
        &self.inputs[row * self.width..(row + 1) * self.width]
    }

    /// Close of the bar each row was made at.
    pub fn slots(&self) -> &[SlotTs] {
        &self.slots
    }

    /// The last slot each label depends on.
    pub fn ends(&self) -> &[SlotTs] {
        &self.ends
    }

    /// Where the price went after each row.
    pub fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// The place of each row's bar among the bars.
    pub fn places(&self) -> &[usize] {
        &self.places
    }

    /// How many of some rows are of each class.
    pub fn counts(&self, of: &[usize]) -> [usize; 3] {
        let mut counts = [0; 3];
        for row in of {
            counts[self.classes[*row].place()] += 1;
        }
        counts
    }
}
