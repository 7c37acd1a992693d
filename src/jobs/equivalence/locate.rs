//! Which series a comparison is about: what the manifest tells, and for the rest the ledgers of the tag.

use crate::{
    domain::series::Series,
    exit::Exit,
    jobs::{
        context::{Context, Failure},
        ledgers::series_of,
    },
    manifest::Equivalence,
};

/// The only series of the tag that fits what is told of it.
pub fn locate(context: &Context<'_>, table: &Equivalence) -> Result<Series, Failure> {
    let tag = table.tag.get();
    let all = series_of(context.disk, context.layout, tag)?;
    let fits = |series: &&Series| {
        table.exchange.as_ref().is_none_or(|told| told.get() == series.exchange())
            && table.symbol.as_ref().is_none_or(|told| told.get() == series.symbol())
            && table.timeframe.as_ref().is_none_or(|told| *told.get() == series.timeframe())
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
