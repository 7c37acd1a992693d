//! What rules see, bar by bar, for other programs: the bar, every name of the strategy, and whether each rule is true.

use super::{
    context::{Context, Failure},
    ledger_models::Whose,
    setup::set_up,
    why::Kept,
};
use crate::{
    domain::{
        bar::TimedBar,
        ids::Tag,
        time::{SlotTs, UtcMs, Window},
    },
    engine::{
        slot::SlotMaker,
        step::{Core, Engine},
    },
    exit::Exit,
    language::{Features, Kind},
    manifest::{StopFill, Trading},
    session::{
        record::read_commands,
        signals::{read_programs, read_used},
    },
    store::{raw::RawStore, table::Table},
};

/// The table of a window of the stored bars; what is not given of it is the first and the last bar that are stored. Of a tag, they are
/// the bars of its ledger, played with its orders, its models and the signals that it used.
pub fn features(
    context: &Context<'_>,
    trading: &Trading,
    tag: Option<&Tag>,
    (from, to): (Option<UtcMs>, Option<UtcMs>),
) -> Result<Table, Failure> {
    let (disk, layout) = (context.disk, context.layout);
    let kept = tag.map(|tag| Ok::<_, Failure>((tag, Kept::find(context, trading, tag)?)));
    let kept = kept.transpose()?;
    let (trading, stop_fill, whose) = match &kept {
        Some((_, kept)) => (&kept.trading, kept.stop_fill, Whose::Ledger(&kept.owner)),
        None => (trading, StopFill::ThroughOpen, Whose::Named),
    };
    let series = &trading.series;
    let core = set_up(context, trading, stop_fill, whose)?.core;
    let mut bars = RawStore::new(layout, disk, series).load_all()?;
    let begin = kept.as_ref().map(|(_, kept)| kept.rows.0);
    if let Some((_, kept)) = &kept {
        bars.retain(|bar| bar.ts <= kept.rows.1);
    }
    let shown = |bar: &&TimedBar| {
        begin.is_none_or(|begin| begin <= bar.ts)
            && from.is_none_or(|from| from <= bar.ts.close())
            && to.is_none_or(|to| bar.ts.close() <= to)
    };
    let own = bars.iter().position(|bar| shown(&bar));
    let last = bars.iter().rposition(|bar| shown(&bar));
    let (Some(own), Some(last)) = (own, last) else {
        let message =
            format!("there is no bar of {series} in that window: import or fetch it first");
        return Err(Failure::new(Exit::Nothing, message));
    };
    // From the first bar on, whatever is shown: rules that ask the ledger must see the same trades.
    let bars = &bars[..=last];
    let exports = core.strategy.rules().exports();
    let named = values(&exports, &core, bars);
    let signals = core.strategy.signals();
    let maker = if let Some((tag, kept)) = &kept {
        let commands = read_commands(disk, layout, &kept.owner)?;
        let used = read_used(disk, (layout, tag, series), signals, Some(&kept.origin))?;
        SlotMaker::new(commands).hearing(used.signals)
    } else {
        let (signals, said) = read_programs(disk, layout, signals, series.timeframe())?;
        for text in said {
            tracing::warn!("{text}");
        }
        SlotMaker::default().hearing(signals)
    };
    let truths = truths(&core, bars, (own, begin), maker)?;
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

/// Whether each rule is true at the bars from `own` on, as a replay that begins with the slot `begin`, or with the first bar, asks; empty
/// where no rule is asked.
fn truths(
    core: &Core,
    bars: &[TimedBar],
    (own, begin): (usize, Option<SlotTs>),
    mut maker: SlotMaker,
) -> Result<Vec<Vec<f64>>, Failure> {
    let (Some(first), Some(last)) = (bars.first(), bars.last()) else { return Ok(Vec::new()) };
    let mut engine = Engine::new(core.clone(), first.ts.timeframe());
    let begin = begin.unwrap_or(first.ts);
    let before = bars.partition_point(|bar| bar.ts < begin);
    for bar in &bars[..before] {
        engine.warm(bar);
    }
    let window =
        Window::new(begin, last.ts).map_err(|error| Failure::new(Exit::Bug, error.to_string()))?;
    let mut events = Vec::new();
    let (mut rows, mut next, mut ts) = (Vec::with_capacity(bars.len()), before, begin);
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
    Ok(rows.split_off(own - before))
}
