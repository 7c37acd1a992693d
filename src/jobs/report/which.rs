//! Which ledger a report is about.

use crate::{
    domain::{
        ids::{NameError, RunId, Tag},
        series::Series,
    },
    exit::Exit,
    jobs::{
        context::{Context, Failure},
        equivalence::job::{NamedSeries, only_series},
        ledgers::{manifest_of, series_of},
    },
    manifest::ReportTable,
    store::disk::Disk as _,
};

/// Between the tag of LIVE and the name of a backtest.
const BACKTEST: &str = "_bt_";

/// Whatever series there is.
const ANY: NamedSeries<'static> = NamedSeries { exchange: &None, symbol: &None, timeframe: &None };

/// One ledger.
pub struct ReportLedger {
    /// Its tag, that of the backtest where it is one.
    pub tag: Tag,
    /// Its series.
    pub series: Series,
    /// What it is called among reports: its tag, and its series where the tag has several.
    pub id: String,
    /// The tag of LIVE and the name of the backtest, where it is one.
    pub backtest: Option<(Tag, RunId)>,
}

impl ReportLedger {
    /// `live` or `backtest`.
    pub fn kind(&self) -> &'static str {
        if self.backtest.is_some() { "backtest" } else { "live" }
    }
}

/// The ledger that a manifest names.
pub fn which(context: &Context<'_>, table: &ReportTable) -> Result<ReportLedger, Failure> {
    let tag = match &table.of {
        Some(of) => of_run(context, of.get(), table.tag.get())?,
        None => table.tag.get().clone(),
    };
    let ReportTable { exchange, symbol, timeframe, .. } = table;
    if table.of.is_some() && series_of(context.disk, context.layout, &tag)?.len() == 1 {
        // It is named already; what the variables of the box say is of another one.
        return of_tag(context, tag, ANY);
    }
    of_tag(context, tag, NamedSeries { exchange, symbol, timeframe })
}

/// The ledger that a word names: a tag, a backtest, or a run.
pub fn named(context: &Context<'_>, word: &str) -> Result<ReportLedger, Failure> {
    let usage = |error: NameError| Failure::new(Exit::Usage, error.to_string());
    let mut tag: Tag = word.parse().map_err(usage)?;
    if series_of(context.disk, context.layout, &tag)?.is_empty() {
        tag = of_run(context, &word.parse().map_err(usage)?, &tag)?;
    }
    of_tag(context, tag, ANY)
}

fn of_tag(context: &Context<'_>, tag: Tag, told: NamedSeries<'_>) -> Result<ReportLedger, Failure> {
    let NamedSeries { exchange, symbol, timeframe } = told;
    let all = series_of(context.disk, context.layout, &tag)?;
    let series = match (exchange, symbol, timeframe) {
        // A ledger without a row does not say what it is of.
        (Some(exchange), Some(symbol), Some(timeframe)) if all.is_empty() => {
            Series::new(exchange.get().clone(), symbol.get().clone(), *timeframe.get())
        }
        _ => only_series(context, &tag, NamedSeries { exchange, symbol, timeframe })?,
    };
    let id = if all.len() > 1 {
        format!("{tag}-{}-{}-{}", series.exchange(), series.symbol().dir(), series.timeframe())
    } else {
        tag.to_string()
    };
    let parts = tag.as_str().rsplit_once(BACKTEST);
    let backtest = parts.and_then(|(live, run)| Some((live.parse().ok()?, run.parse().ok()?)));
    Ok(ReportLedger { tag, series, id, backtest })
}

/// The tag of what a run made, or of the backtest of that name.
fn of_run(context: &Context<'_>, of: &RunId, asked: &Tag) -> Result<Tag, Failure> {
    let end = format!("{BACKTEST}{of}");
    let names = context.disk.list(&context.layout.tags_dir())?;
    let named: Vec<Tag> =
        names.iter().filter(|name| name.ends_with(&end)).filter_map(|n| n.parse().ok()).collect();
    match named.as_slice() {
        [tag] => return Ok(tag.clone()),
        [] => {}
        several => {
            let wanted = format!("{asked}{end}");
            if let Some(tag) = several.iter().find(|tag| tag.as_str() == wanted) {
                return Ok(tag.clone());
            }
            let list = several.iter().map(Tag::as_str).collect::<Vec<_>>().join(", ");
            let message = format!("several backtests are called {of} ({list}): say which with tag");
            return Err(Failure::new(Exit::Manifest, message));
        }
    }
    let manifest = manifest_of(context.disk, context.layout, of);
    let word = |table: &str, key: &str| -> Option<String> {
        Some(manifest.as_ref()?.get(table)?.get(key)?.as_str()?.to_owned())
    };
    let backtest = || {
        let (tag, run) = (word("backtest", "tag")?, word("backtest", "runid")?);
        tag.parse::<Tag>().ok()?.backtest(&run.parse().ok()?).ok()
    };
    let live = || word("live", "tag").or_else(|| word("eqflat", "tag"))?.parse().ok();
    backtest().or_else(live).ok_or_else(|| {
        let message = format!(
            "a backtest called {of} is not under {}, and a run of that id is not known: look at `runner history`",
            context.shown(&context.layout.tags_dir())
        );
        Failure::new(Exit::Nothing, message)
    })
}
