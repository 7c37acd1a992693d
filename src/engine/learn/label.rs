//! What a model is asked to foresee: where the price goes after the next open, as one of three classes.

use crate::{
    domain::{bar::TimedBar, time::SlotTs},
    setting::words,
};

/// Where the price went. The number is the place of its score in a network's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Down.
    Down = 0,
    /// Not far enough to matter.
    Flat = 1,
    /// Up.
    Up = 2,
}

impl Class {
    /// Every one of them, in the order of a network's output.
    pub const ALL: [Self; 3] = [Self::Down, Self::Flat, Self::Up];

    /// Its place in a network's output.
    pub const fn place(self) -> usize {
        self as usize
    }

    /// How reports call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Flat => "flat",
            Self::Up => "up",
        }
    }
}

words! {
    /// What a model is asked to foresee.
    LabelKind {
        /// The logarithm of the return from the next open to the open `horizon-bars` later: up or down beyond `threshold-bps`, else flat.
        ForwardReturn = "forward_return",
        /// Which barrier is touched first within `horizon-bars` from the next open on; flat when none is. A bar that touches both counts
        /// as the lower one, where a long position has its stop.
        TripleBarrier = "triple_barrier",
    }
}

words! {
    /// What the distances of barriers are measured in.
    BarrierUnit {
        /// Basis points of the entry price.
        Bps = "bps",
        /// Average true ranges at the close of the row, of as many bars as the strategy measures its stops with.
        Atr = "atr",
    }
}

/// How far the barriers lie from the entry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Barriers {
    /// As parts of the price: 0.01 is one percent.
    Parts {
        /// Above the entry.
        upper: f64,
        /// Below the entry.
        lower: f64,
    },
    /// In average true ranges at the close of the row.
    Atrs {
        /// Above the entry.
        upper: f64,
        /// Below the entry.
        lower: f64,
    },
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Question {
    /// The logarithm of the return from the next open to the open `horizon` bars later: up or down beyond `threshold`, else flat.
    ForwardReturn {
        /// As a part: 0.001 is ten basis points.
        threshold: f64,
    },
    /// Which barrier is touched first within `horizon` bars from the next open on; flat when none is. A bar that opens beyond a barrier
    /// touches that one; a bar that touches both counts as the lower one, where a long position has its stop.
    TripleBarrier(Barriers),
}

/// A question and how many bars it looks ahead.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Labelling {
    question: Question,
    horizon: u32,
}

/// The answer for one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// Where the price went.
    pub class: Class,
    /// The last slot it depends on. The forward return knows only the open of that slot's bar.
    pub end: SlotTs,
}

impl Labelling {
    /// `horizon` is at least one bar; distances are positive and finite. `None` when they are not.
    pub fn new(question: Question, horizon: u32) -> Option<Self> {
        let distance = |x: f64| x.is_finite() && x > 0.0;
        let sound = match question {
            Question::ForwardReturn { threshold } => threshold.is_finite() && threshold >= 0.0,
            Question::TripleBarrier(Barriers::Parts { upper, lower }) => {
                distance(upper) && distance(lower) && lower < 1.0
            }
            Question::TripleBarrier(Barriers::Atrs { upper, lower }) => {
                distance(upper) && distance(lower)
            }
        };
        (sound && horizon > 0).then_some(Self { question, horizon })
    }

    /// Bars that the answer takes: those after the row's own on which the price may move.
    pub const fn horizon(&self) -> u32 {
        self.horizon
    }

    /// Bars from the row's own to the last one its label may depend on.
    pub const fn reach(&self) -> u32 {
        match self.question {
            Question::ForwardReturn { .. } => self.horizon + 1,
            Question::TripleBarrier(_) => self.horizon,
        }
    }

    /// The label of the row at `at`, whose average true range is `atr`. `None` when the bars after it end too early or have a hole, or
    /// when there is no range to measure barriers in.
    pub fn label(&self, bars: &[TimedBar], at: usize, atr: f64) -> Option<Label> {
        let reach = self.reach() as usize;
        let window = bars.get(at + 1..=at + reach)?;
        let end = window.last()?.ts;
        if end.since(bars[at].ts) != i64::from(self.reach()) {
            return None;
        }
        let class = match self.question {
            Question::ForwardReturn { threshold } => {
                let move_ = libm::log(window[reach - 1].bar.open() / window[0].bar.open());
                if move_ > threshold {
                    Class::Up
                } else if move_ < -threshold {
                    Class::Down
                } else {
                    Class::Flat
                }
            }
            Question::TripleBarrier(barriers) => first_touched(window, barriers, atr)?,
        };
        Some(Label { class, end })
    }
}

fn first_touched(window: &[TimedBar], barriers: Barriers, atr: f64) -> Option<Class> {
    let entry = window[0].bar.open();
    let (upper, lower) = match barriers {
        Barriers::Parts { upper, lower } => (entry + entry * upper, entry - entry * lower),
        Barriers::Atrs { upper, lower } if atr > 0.0 => (entry + atr * upper, entry - atr * lower),
        Barriers::Atrs { .. } => return None,
    };
    let touched = |TimedBar { bar, .. }: &TimedBar| {
        if bar.open() >= upper {
            Some(Class::Up)
        } else if bar.low() <= lower {
            Some(Class::Down)
        } else if bar.high() >= upper {
            Some(Class::Up)
        } else {
            None
        }
    };
    Some(window.iter().find_map(touched).unwrap_or(Class::Flat))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{bar::Bar, time::Timeframe};

    /// Bars from `[open, high, low, close]`, one after another.
    fn bars(rows: &[[f64; 4]]) -> Vec<TimedBar> {
        let first = Timeframe::M5.slot(300_000).unwrap();
        let bar = |(n, [o, h, l, c]): (i64, &[f64; 4])| TimedBar {
            ts: first.plus(n),
            bar: Bar::new([*o, *h, *l, *c, 1.0]).unwrap(),
        };
        (0..).zip(rows).map(bar).collect()
    }

    fn class(question: Question, horizon: u32, rows: &[[f64; 4]]) -> Option<Class> {
        let labelling = Labelling::new(question, horizon).unwrap();
        labelling.label(&bars(rows), 0, 2.0).map(|label| label.class)
    }

    #[test]
    fn the_forward_return_runs_from_the_next_open_to_the_open_after_the_horizon() {
        let flat = [100.0; 4];
        // The close of the row and the high of the last bar are not looked at.
        let rows = |last: f64| [[50.0; 4], flat, flat, [last, 500.0, 1.0, 400.0]];
        let asks = Question::ForwardReturn { threshold: 0.01 };
        for (last, expected) in
            [(101.1, Class::Up), (101.0, Class::Flat), (99.1, Class::Flat), (98.9, Class::Down)]
        {
            assert_eq!(class(asks, 2, &rows(last)), Some(expected), "{last}");
        }
        assert_eq!(class(asks, 3, &rows(101.1)), None, "the window is not whole");
        let labelling = Labelling::new(asks, 2).unwrap();
        let all = bars(&rows(101.1));
        assert_eq!(labelling.label(&all, 0, f64::NAN).unwrap().end, all[3].ts);
    }

    #[test]
    fn a_hole_inside_the_window_leaves_no_label() {
        let mut all = bars(&[[100.0; 4]; 6]);
        let labelling = Labelling::new(Question::ForwardReturn { threshold: 0.0 }, 2).unwrap();
        assert!(labelling.label(&all, 0, 1.0).is_some());
        all.remove(2);
        assert_eq!(labelling.label(&all, 0, 1.0), None);
        assert!(labelling.label(&all, 1, 1.0).is_none(), "the hole comes right after the row");
        assert!(labelling.label(&all, 2, 1.0).is_none(), "the bars end");
    }

    #[test]
    fn the_first_barrier_counts_and_of_two_in_one_bar_the_stop() {
        let quiet = [100.0, 100.5, 99.5, 100.0];
        let up = [100.0, 104.0, 99.5, 103.0];
        let down = [100.0, 100.5, 96.0, 97.0];
        let both = [100.0, 104.0, 96.0, 100.0];
        let jumps_up_then_falls = [105.0, 106.0, 90.0, 91.0];
        let jumps_down_then_rises = [95.0, 110.0, 94.0, 109.0];
        for (rows, expected) in [
            ([quiet, quiet, up, down], Class::Up),
            ([quiet, down, up, up], Class::Down),
            ([quiet, quiet, quiet, quiet], Class::Flat),
            ([quiet, both, up, up], Class::Down),
            ([quiet, quiet, jumps_up_then_falls, quiet], Class::Up),
            ([quiet, quiet, jumps_down_then_rises, quiet], Class::Down),
            // The first bar of the window counts: entered at its open, stopped inside it.
            ([quiet, down, quiet, quiet], Class::Down),
        ] {
            let atrs = Question::TripleBarrier(Barriers::Atrs { upper: 2.0, lower: 2.0 });
            assert_eq!(class(atrs, 3, &rows), Some(expected), "{rows:?}");
            let parts = Question::TripleBarrier(Barriers::Parts { upper: 0.04, lower: 0.04 });
            assert_eq!(class(parts, 3, &rows), Some(expected), "{rows:?}");
        }
        let atrs = Question::TripleBarrier(Barriers::Atrs { upper: 2.0, lower: 2.0 });
        let labelling = Labelling::new(atrs, 3).unwrap();
        assert_eq!(labelling.label(&bars(&[quiet; 4]), 0, 0.0), None, "there is no range");
        assert_eq!(labelling.reach(), 3);
    }

    #[test]
    fn questions_without_sense_are_refused() {
        let forward = |threshold| Question::ForwardReturn { threshold };
        let parts = |upper, lower| Question::TripleBarrier(Barriers::Parts { upper, lower });
        for (question, horizon, sound) in [
            (forward(0.0), 1, true),
            (forward(-0.1), 1, false),
            (forward(f64::NAN), 1, false),
            (forward(0.0), 0, false),
            (parts(0.1, 0.1), 5, true),
            (parts(0.1, 1.0), 5, false),
            (parts(0.0, 0.1), 5, false),
        ] {
            assert_eq!(Labelling::new(question, horizon).is_some(), sound, "{question:?}");
        }
    }
}
