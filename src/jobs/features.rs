//! What rules see, bar by bar, for other programs: the bar, every name of the strategy, and whether each rule is true.

use super::{
    context::{Context, Failure},
    ledger_models::Whose,
    setup::set_up,
};
use crate::{
    domain::{
        bar::TimedBar,
        time::{UtcMs, Window},
    },
    engine::{
        signals::Signals,
        slot::SlotMaker,
        step::{Core, Engine},
    },
    exit::Exit,
    language::{Features, Kind},
    manifest::{StopFill, Trading},
    session::signals::read_programs,
    store::{raw::RawStore, table::Table},
};

/// The table of a window of the stored bars; what is not given of it is the first and the last bar that are stored.
pub fn features(
    context: &Context<'_>,
    trading: &Trading,
    (from, to): (Option<UtcMs>, Option<UtcMs>),
) -> Result<Table, Failure> {
    let series = &trading.series;
    let core = set_up(context, trading, StopFill::ThroughOpen, Whose::Named)?.core;
    let bars = RawStore::new(context.layout, context.disk, series).load_all()?;
    let shown = |bar: &&TimedBar| {
        from.is_none_or(|from| from <= bar.ts.close()) && to.is_none_or(|to| bar.ts.close() <= to)
    };
    let own = bars.iter().position(|bar| shown(&bar));
    let last = bars.iter().rposition(|bar| shown(&bar));
    let (Some(own), Some(last)) = (own, last) else {
        let message =
            format!("there is no bar of {series} in that window: import or fetch it first");
        return Err(Failure::new(Exit::Nothing, message));
    };
    // From the first stored bar on, whatever is shown: rules that ask the ledger must see the same trades.
    let bars = &bars[..=last];
    let exports = core.strategy.rules().exports();
    let named = values(&exports, &core, bars);
    let timeframe = series.timeframe();
    let (disk, signals) = (context.disk, core.strategy.signals());
    let (signals, said) = read_programs(disk, context.layout, signals, timeframe)?;
    for text in said {
        tracing::warn!("{text}");
    }
    let truths = truths(&core, bars, (own, signals))?;
    let mut columns: Vec<(String, Vec<f64>)> = ["open", "high", "low", "close", "volume"]
        .into_iter()
        .enumerate()
        .map(|(n, name)| {
            (name.to_owned(), bars[own..].iter().map(|bar| bar.bar.values()[n]).collect())
        })
        .collect();
    let width = exports.len();
    columns.extend(exports.names().iter().enumerate().map(|(n, name)| {
        (name.clone(), named[own * width..].iter().skip(n).step_by(width.max(1)).copied().collect())
    }));
    columns.extend(core.strategy.rules().rules().iter().enumerate().map(|(n, rule)| {
        let kind = match rule.kind {
            Kind::Enter => "enter",
            Kind::Exit => "exit",
        };
        (
            format!("{kind}.{}", rule.name),
            truths.iter().map(|row| row.get(n).copied().unwrap_or(f64::NAN)).collect(),
        )
    }));
    Ok(Table { ts_ms: bars[own..].iter().map(|bar| bar.ts.ts_ms()).collect(), columns })
}

/// The values at every bar, each block from its own anchor: what the engine sees.
fn values(features: &Features, core: &Core, bars: &[TimedBar]) -> Vec<f64> {
    let mut all = Vec::with_capacity(bars.len() * features.len());
    let Some(first) = bars.first() else { return all };
    let blocks = core.blocks(first.ts.timeframe());
    let mut before: &[TimedBar] = &[];
    for block in bars.chunk_by(|a, b| blocks.of(a.ts) == blocks.of(b.ts)) {
        let follows =
            before.last().is_some_and(|bar| blocks.of(bar.ts) + 1 == blocks.of(block[0].ts));
        let mut run = features.start();
        run.pass(if follows { before } else { &[] });
        run.run(block, &mut all);
        before = block;
    }
    all
}

/// Whether each rule is true at the bars from `own` on, as a replay of all bars asks; empty where no rule is asked.
fn truths(
    core: &Core,
    bars: &[TimedBar],
    (own, signals): (usize, Signals),
) -> Result<Vec<Vec<f64>>, Failure> {
    let (Some(first), Some(last)) = (bars.first(), bars.last()) else { return Ok(Vec::new()) };
    let mut engine = Engine::new(core.clone(), first.ts.timeframe());
    let window = Window::new(first.ts, last.ts)
        .map_err(|error| Failure::new(Exit::Bug, error.to_string()))?;
    let (mut maker, mut events) = (SlotMaker::default().hearing(signals), Vec::new());
    let (mut rows, mut next, mut ts) = (Vec::with_capacity(bars.len()), 0, first.ts);
    while ts <= window.last() {
        let bar = bars.get(next).filter(|bar| bar.ts == ts).map(|bar| bar.bar);
        let slot = maker.make(ts, bar, None, |_| None);
        let mut row = Vec::new();
        events.clear();
        engine.step_watched(&slot, &mut events, &mut |inputs, _| {
            row = core.strategy.rules().truths(inputs);
        });
        if bar.is_some() {
            rows.push(row);
            next += 1;
        }
        ts = ts.next();
    }
    Ok(rows.split_off(own))
}
