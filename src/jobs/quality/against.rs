//! The same market from another series of the store, bar by bar.

use polars::prelude::{
    DataFrame, Expr, IntoLazy as _, JoinArgs, JoinCoalesce, JoinType, PolarsResult,
    SortMultipleOptions, col, lit,
};

use super::{
    finding::{Example, Finding},
    frame::{VALUES, frame_of},
};
use crate::{
    domain::{
        bar::TimedBar,
        time::{SlotTs, Timeframe},
    },
    manifest::QualityCheck,
};

/// What is compared how.
#[derive(Debug, Clone, Copy)]
pub struct Comparison {
    /// How far a value may be off, in percent of the other one.
    pub tolerance_pct: f64,
    /// Whether volumes must agree too: on another venue others trade.
    pub with_volume: bool,
    /// Examples kept.
    pub most: usize,
}

impl Comparison {
    /// Compares over the slots that both span.
    pub fn finding(&self, ours: &[TimedBar], other: &[TimedBar]) -> PolarsResult<Finding> {
        let (ours, other) = common(ours, other);
        let args = JoinArgs::new(JoinType::Full).with_coalesce(JoinCoalesce::CoalesceColumns);
        let joined = frame_of(ours)?
            .lazy()
            .join(frame_of(other)?.lazy(), [col("ts")], [col("ts")], args)
            .sort(["ts"], SortMultipleOptions::default())
            .collect()?;
        let absent_here = pick(&joined, col("open").is_null())?;
        let absent_there = pick(&joined, col("open_right").is_null())?;
        let differing = pick(&joined, self.differs())?;
        let counts = [&absent_here, &absent_there, &differing].map(|found| found.height() as u64);
        let timeframe = ours.first().map(|bar| bar.ts.timeframe());
        let mut examples = Vec::new();
        for (found, what) in
            [(&differing, ""), (&absent_here, "only there"), (&absent_there, "only here")]
        {
            let left = self.most.saturating_sub(examples.len());
            examples.extend(self.examples(found, what, timeframe, left)?);
        }
        let mut finding =
            Finding::new(QualityCheck::Against, "bars", counts.iter().sum(), examples);
        let equal = joined.height() as u64 - finding.count;
        finding.classes = [
            ("equal", equal),
            ("absent-here", counts[0]),
            ("absent-there", counts[1]),
            ("differing", counts[2]),
        ]
        .into();
        Ok(finding)
    }

    fn columns(&self) -> &'static [&'static str] {
        if self.with_volume { &VALUES } else { &VALUES[..4] }
    }

    /// Without tolerance this is `ours != other` to the last bit but the sign of zero. A null makes it false.
    fn differs(&self) -> Expr {
        let far = |name: &&str| {
            let other = col(format!("{name}_right"));
            let room = other.clone().abs() * lit(self.tolerance_pct * 0.01);
            (col(*name) - other).abs().gt(room)
        };
        self.columns().iter().map(far).fold(lit(false), Expr::or)
    }

    fn examples(
        &self,
        found: &DataFrame,
        what: &str,
        timeframe: Option<Timeframe>,
        most: usize,
    ) -> PolarsResult<Vec<Example>> {
        let times = found.column("ts")?.i64()?;
        let mut examples = Vec::new();
        for n in 0..found.height().min(most) {
            let ts = times.get(n).zip(timeframe).and_then(|(ts, grid)| grid.slot(ts).ok());
            let Some(ts) = ts else { continue };
            let what = if what.is_empty() { self.values(found, n)? } else { what.to_owned() };
            examples.push(Example::at(ts, what));
        }
        Ok(examples)
    }

    /// The values of a row that are not equal.
    fn values(&self, found: &DataFrame, n: usize) -> PolarsResult<String> {
        let mut texts = Vec::new();
        for name in self.columns() {
            let ours = found.column(name)?.f64()?.get(n);
            let other = found.column(&format!("{name}_right"))?.f64()?.get(n);
            if let (Some(ours), Some(other)) = (ours, other)
                && ours != other
            {
                texts.push(format!("{name} {ours} here, {other} there"));
            }
        }
        Ok(texts.join(", "))
    }
}

fn pick(joined: &DataFrame, what: Expr) -> PolarsResult<DataFrame> {
    joined.clone().lazy().filter(what).collect()
}

/// The parts of two sorted series from the later start to the earlier end.
fn common<'a>(ours: &'a [TimedBar], other: &'a [TimedBar]) -> (&'a [TimedBar], &'a [TimedBar]) {
    let ends = |bars: &[TimedBar]| bars.first().zip(bars.last()).map(|(a, b)| (a.ts, b.ts));
    let (Some(a), Some(b)) = (ends(ours), ends(other)) else { return (&[], &[]) };
    let (first, last) = (a.0.max(b.0), a.1.min(b.1));
    (cut(ours, first, last), cut(other, first, last))
}

fn cut(bars: &[TimedBar], first: SlotTs, last: SlotTs) -> &[TimedBar] {
    let start = bars.partition_point(|bar| bar.ts < first);
    let end = bars.partition_point(|bar| bar.ts <= last).max(start);
    &bars[start..end]
}
