//! Which series a comparison is about: what the manifest tells, and for the rest the ledgers of the tag.

use crate::{
    domain::{
        ids::{Exchange, Tag},
        series::{Series, Symbol},
        time::Timeframe,
    },
    exit::Exit,
    jobs::{
        context::{Context, Failure},
        ledgers::series_of,
    },
    manifest::{Equivalence, Parsed},
};

/// What is told of a series.
#[derive(Clone, Copy)]
pub struct NamedSeries<'a> {
    pub exchange: &'a Option<Parsed<Exchange>>,
    pub symbol: &'a Option<Parsed<Symbol>>,
    /// The length of one bar.
    pub timeframe: &'a Option<Parsed<Timeframe>>,
}

/// The only series of the tag that fits what is told of it.
pub fn locate(context: &Context<'_>, table: &Equivalence) -> Result<Series, Failure> {
    let Equivalence { exchange, symbol, timeframe, .. } = table;
    only_series(context, table.tag.get(), NamedSeries { exchange, symbol, timeframe })
}

/// The same for any tag.
pub fn only_series(
    context: &Context<'_>,
    tag: &Tag,
    told: NamedSeries<'_>,
) -> Result<Series, Failure> {
    let all = series_of(context.disk, context.layout, tag)?;
    let fits = |series: &&Series| {
        told.exchange.as_ref().is_none_or(|told| told.get() == series.exchange())
            && told.symbol.as_ref().is_none_or(|told| told.get() == series.symbol())
            && told.timeframe.as_ref().is_none_or(|told| *told.get() == series.timeframe())
    };
    let fitting: Vec<&Series> = all.iter().filter(fits).collect();
    let named =
        |list: &[&Series]| list.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    match fitting.as_slice() {
        [series] => Ok((*series).clone()),
        [] if all.is_empty() => {
            let message = format!("tag {tag} has no ledger: run jobs/live.toml with it first");
            Err(Failure::new(Exit::Nothing, message))
        }
        [] => {
            let has = named(&all.iter().collect::<Vec<_>>());
            Err(Failure::new(
                Exit::Nothing,
                format!("tag {tag} has no ledger of that series; it has: {has}"),
            ))
        }
        several => {
            let message = format!(
                "tag {tag} has several series ({}): say which with exchange, symbol and timeframe",
                named(several)
            );
            Err(Failure::new(Exit::Manifest, message))
        }
    }
}
