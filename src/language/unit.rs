//! Kinds of number: a pure one, a price, a volume, or a product of them. What compares them warns where they differ.

use std::fmt;

/// Powers of a price and of a volume; `None` fits every kind: zero, and what no kind is known of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unit(Option<(i8, i8)>);

impl Unit {
    pub(super) const ANY: Self = Self(None);
    pub(super) const PURE: Self = Self(Some((0, 0)));
    pub(super) const PRICE: Self = Self(Some((1, 0)));
    pub(super) const VOLUME: Self = Self(Some((0, 1)));

    /// Whether the two may be compared and added.
    pub(super) fn fits(self, other: Self) -> bool {
        self.0.is_none() || other.0.is_none() || self.0 == other.0
    }

    /// That of a sum or a choice of the two.
    pub(super) fn or(self, other: Self) -> Self {
        Self(self.0.or(other.0))
    }

    pub(super) fn times(self, other: Self) -> Self {
        self.with(other, i8::saturating_add)
    }

    pub(super) fn per(self, other: Self) -> Self {
        self.with(other, i8::saturating_sub)
    }

    fn with(self, other: Self, join: impl Fn(i8, i8) -> i8) -> Self {
        let both = self.0.zip(other.0);
        Self(both.map(|((price, volume), (p, v))| (join(price, p), join(volume, v))))
    }

    /// That of a square root.
    pub(super) fn root(self) -> Self {
        let even = |(price, volume): &(i8, i8)| price % 2 == 0 && volume % 2 == 0;
        Self(self.0.filter(even).map(|(price, volume)| (price / 2, volume / 2)))
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("a number of any kind"),
            Some((0, 0)) => f.write_str("a pure number"),
            Some((1, 0)) => f.write_str("a price"),
            Some((0, 1)) => f.write_str("a volume"),
            Some((1, 1)) => f.write_str("a price times a volume"),
            Some((price, volume)) => write!(f, "price^{price} volume^{volume}"),
        }
    }
}

/// Whether two numbers of a kind can be equal other than by chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exact {
    /// A whole number: a count, an hour.
    Whole,
    /// A number as it stands in a bar, such as a high, or the highest of them.
    Taken,
    /// A calculated one.
    No,
}

impl Exact {
    /// What is chosen from the two.
    pub(super) fn or(self, other: Self) -> Self {
        if self == other { self } else { Self::No }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_multiply_and_divide() {
        let money = Unit::PRICE.times(Unit::VOLUME);
        assert_eq!(money.to_string(), "a price times a volume");
        assert_eq!(money.per(Unit::VOLUME), Unit::PRICE);
        assert_eq!(Unit::PRICE.per(Unit::PRICE), Unit::PURE);
        assert_eq!(Unit::PRICE.times(Unit::PRICE).root(), Unit::PRICE);
        assert_eq!(Unit::PRICE.root(), Unit::ANY);
        assert_eq!(Unit::PRICE.per(Unit::VOLUME).to_string(), "price^1 volume^-1");
        assert!(Unit::ANY.fits(Unit::PRICE) && !Unit::PURE.fits(Unit::PRICE));
    }
}
