//! The length of an indicator.

/// A number of bars from 1 to [`Length::MAX`]. The bound keeps windows small and counters far from overflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Length(u32);

impl Length {
    /// The longest length, in bars.
    pub const MAX: u32 = 10_000;

    /// `None` for 0 and for more than [`Length::MAX`].
    pub const fn new(bars: u32) -> Option<Self> {
        if bars >= 1 && bars <= Self::MAX { Some(Self(bars)) } else { None }
    }

    /// In bars.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// `bars`, but at least 1 and at most this length.
    pub(super) fn shorter(self, bars: u32) -> Self {
        Self(bars.clamp(1, self.0))
    }

    /// In bars, as a divisor.
    pub(super) fn float(self) -> f64 {
        f64::from(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_between_one_and_ten_thousand() {
        for (bars, ok) in [(0, false), (1, true), (10_000, true), (10_001, false)] {
            assert_eq!(Length::new(bars).is_some(), ok, "{bars}");
        }
    }
}
