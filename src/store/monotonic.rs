//! The rule without a switch: a row that does not increase `ts_ms` is never appended.

use thiserror::Error;

use crate::domain::time::SlotTs;

/// A slot that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the row for ts_ms {offered} does not come after the last one written, {last}")]
pub struct NotLater {
    /// The refused slot.
    pub offered: SlotTs,
    /// The last slot written.
    pub last: SlotTs,
}

/// Remembers the last slot written and lets only later ones pass.
#[derive(Debug, Clone, Copy)]
pub struct Monotonic {
    last: Option<SlotTs>,
}

impl Monotonic {
    /// After `last`, or from the beginning.
    pub const fn after(last: Option<SlotTs>) -> Self {
        Self { last }
    }

    /// The last slot that passed.
    pub const fn last(&self) -> Option<SlotTs> {
        self.last
    }

    /// Lets `slot` pass when it is later than every slot before it.
    pub fn admit(&mut self, slot: SlotTs) -> Result<(), NotLater> {
        match self.last {
            Some(last) if slot.ts_ms() <= last.ts_ms() => Err(NotLater { offered: slot, last }),
            Some(_) | None => {
                self.last = Some(slot);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timeframe;

    #[test]
    fn c4_a_slot_that_is_not_later_never_passes() {
        let first = Timeframe::M5.slot(600_000).unwrap();
        let mut gate = Monotonic::after(None);
        assert_eq!(gate.admit(first), Ok(()));
        for slot in [first, first.plus(-1)] {
            assert_eq!(gate.admit(slot), Err(NotLater { offered: slot, last: first }));
        }
        assert_eq!(gate.admit(first.plus(2)), Ok(()));
        assert_eq!(gate.last(), Some(first.plus(2)));
    }
}
