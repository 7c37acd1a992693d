//! Which series a comparison is about: what the manifest tells, and for the rest the ledgers of the tag.

use crate::{
    domain::{ids::Tag, series::Series},
    exit::Exit,
    jobs::context::{Context, Failure},
    manifest::Equivalence,
    store::disk::Disk,
};

/// The only series of the tag that fits what is told of it.
pub fn locate(context: &Context<'_>, table: &Equivalence) -> Result<Series, Failure> {
    let tag = table.tag.get();
    let all = series_of(context, tag)?;
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

/// Every series that has decisions under a tag. Folders that are none of ours are left alone.
fn series_of(context: &Context<'_>, tag: &Tag) -> Result<Vec<Series>, Failure> {
    let dir = context.layout.tag_dir(tag);
    let mut all = Vec::new();
    for symbol in context.disk.list(&dir)? {
        if !context.disk.is_dir(&dir.join(&symbol))? {
            continue;
        }
        for timeframe in context.disk.list(&dir.join(&symbol))? {
            let path = dir.join(&symbol).join(&timeframe).join("decisions.csv");
            let bytes = context.disk.read(&path)?.unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            let exchange = text.lines().nth(1).and_then(|row| row.split(',').next());
            let (Some(exchange), Ok(symbol), Ok(timeframe)) =
                (exchange.and_then(|name| name.parse().ok()), symbol.parse(), timeframe.parse())
            else {
                continue;
            };
            all.push(Series::new(exchange, symbol, timeframe));
        }
    }
    Ok(all)
}
