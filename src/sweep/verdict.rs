//! The verdict on a sweep: three words, decided by one rule, with the reasons in plain words.

use super::stats::{P_MAX, Sample, Z_95, p_value, yearly};

/// Fewest days of a search.
pub const DAYS_MIN: u32 = 200;
/// Fewest days of the winner with a return other than zero.
pub const ACTIVE_MIN: u32 = 60;
/// Smallest deflated Sharpe ratio of an edge.
pub const DSR_MIN: f64 = 0.95;
/// A yearly Sharpe ratio above which a search can only find what does not exist.
pub const SHOWN_MAX: f64 = 3.0;

/// What is said of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// More days or trades are needed before anything can be said.
    TooShort,
    /// What was found is probably more than luck.
    EdgeLikely,
    /// What was found may be luck.
    NoEdgeShown,
}

impl Word {
    /// As it is printed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooShort => "TOO SHORT",
            Self::EdgeLikely => "EDGE LIKELY",
            Self::NoEdgeShown => "NO EDGE SHOWN",
        }
    }
}

/// Null markets: how many were searched, of how many, and in how many the best was at least as good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nulls {
    /// Searched.
    pub searched: u32,
    /// Asked for.
    pub wanted: u32,
    /// At least as good.
    pub at_least: u32,
}

impl Nulls {
    /// The share of searches without an edge that do as well; `None` where none was made.
    pub fn p(self) -> Option<f64> {
        (self.searched > 0).then(|| p_value(self.at_least, self.searched))
    }

    /// Whether the rest was left out because 0.05 could not be reached any more.
    pub const fn is_stopped(self) -> bool {
        self.searched < self.wanted
    }
}

/// What a verdict is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SweepEvidence {
    /// Days that were searched.
    pub days: u32,
    /// Trials with enough trades.
    pub qualified: u64,
    /// Trades that a trial needs.
    pub trades_min: u32,
    /// The winner; `None` when no trial could win.
    pub winner: Option<Winner>,
    /// The daily ratio of luck.
    pub luck: f64,
    /// Days that a model, which the rules follow, was trained on: what it knows of them is not skill.
    pub seen_days: u32,
    /// The null markets.
    pub nulls: Nulls,
}

/// The winner of a search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Winner {
    /// Days with a return other than zero.
    pub active: u32,
    /// Its moments; `None` without spread.
    pub sample: Option<Sample>,
}

/// A verdict and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The word.
    pub word: Word,
    /// What failed, or what was met, each by how much.
    pub reasons: Vec<String>,
}

impl SweepEvidence {
    /// The smallest yearly ratio that these days could show at all.
    pub fn could_show(&self) -> f64 {
        yearly(self.luck + Z_95 / libm::sqrt((f64::from(self.days) - 1.0).max(1.0)))
    }

    /// The deflated ratio of the winner.
    pub fn deflated(&self) -> Option<f64> {
        self.winner?.sample?.chance_above(self.luck)
    }

    /// The rule.
    pub fn verdict(&self) -> Verdict {
        let short = self.too_short();
        if !short.is_empty() {
            return Verdict { word: Word::TooShort, reasons: short };
        }
        let failed = self.failed();
        if failed.is_empty() {
            let p = self.nulls.p().unwrap_or(1.0);
            let deflated = self.deflated().unwrap_or(0.0);
            let reasons = vec![format!("p {p:.3} <= {P_MAX}, DSR {deflated:.3} >= {DSR_MIN}")];
            return Verdict { word: Word::EdgeLikely, reasons };
        }
        Verdict { word: Word::NoEdgeShown, reasons: failed }
    }

    fn too_short(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.days < DAYS_MIN {
            reasons.push(format!("{} days, at least {DAYS_MIN} are needed", self.days));
        }
        if self.qualified == 0 {
            reasons.push(format!("no trial has {} trades", self.trades_min));
        }
        if let Some(winner) = self.winner.filter(|winner| winner.active < ACTIVE_MIN) {
            let active = winner.active;
            reasons.push(format!(
                "the winner earns or loses on {active} days, at least {ACTIVE_MIN} are needed"
            ));
        }
        let shows = self.could_show();
        let is_deflated = self.deflated().is_some_and(|dsr| dsr >= DSR_MIN);
        if shows > SHOWN_MAX && !is_deflated {
            reasons.push(format!(
                "only a yearly Sharpe above {shows:.2} could be shown here, and {SHOWN_MAX:.2} is out of reach"
            ));
        }
        reasons
    }

    fn failed(&self) -> Vec<String> {
        let mut failed = Vec::new();
        if self.winner.is_none() {
            failed.push("no trial has enough good neighbours".to_owned());
            return failed;
        }
        match self.nulls.p() {
            None => failed.push("no null market was searched".to_owned()),
            Some(p) if p > P_MAX && self.nulls.is_stopped() => failed
                .push(format!("p > {P_MAX}, stopped after {} null markets", self.nulls.searched)),
            Some(p) if p > P_MAX => failed.push(format!("p {p:.3} > {P_MAX}")),
            Some(_) => {}
        }
        match self.deflated() {
            None => failed.push("the winner has no DSR".to_owned()),
            Some(deflated) if deflated < DSR_MIN => {
                failed.push(format!("DSR {deflated:.3} < {DSR_MIN}"));
            }
            Some(_) => {}
        }
        if self.seen_days > 0 {
            failed.push(format!("the model was trained on {} of these days", self.seen_days));
        }
        let ratio = self.winner.and_then(|winner| winner.sample).map(|sample| sample.sharpe);
        if let Some(ratio) = ratio.filter(|ratio| *ratio <= 0.0) {
            failed.push(format!("yearly Sharpe {:.2} <= 0", yearly(ratio)));
        }
        failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> SweepEvidence {
        let sample = Sample { days: 500, sharpe: 0.2, skew: 0.0, kurtosis: 3.0 };
        SweepEvidence {
            days: 500,
            qualified: 100,
            trades_min: 30,
            winner: Some(Winner { active: 300, sample: Some(sample) }),
            luck: 0.05,
            seen_days: 0,
            nulls: Nulls { searched: 39, wanted: 39, at_least: 0 },
        }
    }

    fn with_sharpe(sharpe: f64) -> SweepEvidence {
        let winner = good().winner.unwrap();
        let sample = winner.sample.map(|sample| Sample { sharpe, ..sample });
        SweepEvidence { winner: Some(Winner { sample, ..winner }), ..good() }
    }

    #[test]
    fn an_edge_needs_everything() {
        assert_eq!(good().verdict().word, Word::EdgeLikely);
        let nulls = |searched, wanted, at_least| Nulls { searched, wanted, at_least };
        for (odd, reason) in [
            (SweepEvidence { nulls: nulls(39, 39, 2), ..good() }, "p 0.075 > 0.05"),
            (
                SweepEvidence { nulls: nulls(2, 39, 2), ..good() },
                "p > 0.05, stopped after 2 null markets",
            ),
            (SweepEvidence { nulls: nulls(0, 0, 0), ..good() }, "no null market was searched"),
            (SweepEvidence { luck: 0.19, ..good() }, "DSR 0.586 < 0.95"),
            (SweepEvidence { seen_days: 7, ..good() }, "the model was trained on 7 of these days"),
            (SweepEvidence { winner: None, ..good() }, "no trial has enough good neighbours"),
            (
                SweepEvidence { winner: Some(Winner { active: 300, sample: None }), ..good() },
                "the winner has no DSR",
            ),
        ] {
            let verdict = odd.verdict();
            // What could be shown is above 3 with the luck of 0.19.
            if odd.could_show() <= SHOWN_MAX {
                assert_eq!(verdict.word, Word::NoEdgeShown, "{reason}");
                assert_eq!(verdict.reasons, [reason]);
            } else {
                assert_eq!(verdict.word, Word::TooShort);
            }
        }
        let lost = with_sharpe(-0.1).verdict();
        assert_eq!(lost.word, Word::NoEdgeShown);
        assert_eq!(lost.reasons.len(), 2, "{:?}", lost.reasons);
    }

    #[test]
    fn too_short_comes_first() {
        let short = SweepEvidence { days: 199, ..good() }.verdict();
        assert_eq!((short.word, short.reasons.len()), (Word::TooShort, 1));
        let none = SweepEvidence { qualified: 0, winner: None, ..good() }.verdict();
        assert_eq!(none.word, Word::TooShort);
        assert_eq!(none.reasons, ["no trial has 30 trades"]);
        let winner = good().winner.map(|winner| Winner { active: 59, ..winner });
        assert_eq!(SweepEvidence { winner, ..good() }.verdict().word, Word::TooShort);
        // 1.645 / sqrt 499 + 0.09 a day is above 3 a year; a ratio that is deflated all the same is an edge.
        let far = SweepEvidence { luck: 0.09, ..good() };
        assert!(far.could_show() > 3.0);
        assert_eq!(far.verdict().word, Word::EdgeLikely);
        assert_eq!(
            SweepEvidence { luck: 0.09, ..with_sharpe(0.15) }.verdict().word,
            Word::TooShort
        );
    }
}
