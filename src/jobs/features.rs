//! What rules see, bar by bar, for other programs: the bar, every name of the strategy, and whether each rule is true.

use std::collections::BTreeMap;

use super::{
    context::{Context, Failure},
    engine_setup::engine_setup,
    models::ModelSource,
    why::Kept,
};
use crate::{
    domain::{
        bar::TimedBar,
        ids::Tag,
        time::{SlotTs, UtcMs, Window},
    },
    engine::{
        anchor::Blocks,
        slot::SlotMaker,
        step::{Core, Engine},
    },
    exit::Exit,
    language::{Features, Instance, Kind},
    manifest::{StopFill, Trading},
    session::{
        record::{RecordBytes, ledger_start, read_commands},
        replay::ReplayRequest,
        signals::{read_programs, read_used},
    },
    store::{
        raw::RawStore,
        table::{NumberTable, TableError},
    },
};

/// Rows of one piece.
const ROWS_AT_ONCE: usize = 1 << 17;

impl From<TableError> for Failure {
    fn from(error: TableError) -> Self {
        match error {
            TableError::Disk(error) => error.into(),
            TableError::Pack(_) => Self::new(Exit::Bug, error.to_string()),
        }
    }
}

/// Takes a piece of a table.
pub type Take<'t> = &'t mut dyn FnMut(&NumberTable) -> Result<(), Failure>;

/// Hands over the table of a window of the stored bars; what is not given of it is the first and the last bar that are stored. Of a
/// tag, they are the bars of its ledger, played with its orders, its models, what hindered it, and the signals that it used.
pub fn features(
    context: &Context<'_>,
    trading: &Trading,
    tag: Option<&Tag>,
    (from, to): (Option<UtcMs>, Option<UtcMs>),
    take: Take<'_>,
) -> Result<(), Failure> {
    let kept = tag.map(|tag| Ok::<_, Failure>((tag, Kept::find(context, trading, tag)?)));
    let kept = kept.transpose()?;
    let (trading, stop_fill, whose) = match &kept {
        Some((_, kept)) => (&kept.trading, kept.stop_fill, ModelSource::Ledger(&kept.owner)),
        None => (trading, StopFill::ThroughOpen, ModelSource::Named),
    };
    let series = &trading.series;
    let core = engine_setup(context, trading, stop_fill, whose)?.core;
    let mut bars = RawStore::new(context.layout, context.disk, series).load_all()?;
    let begin = kept.as_ref().map(|(_, kept)| kept.rows.0);
    if let Some((_, kept)) = &kept {
        let floor = ledger_start(&kept.origin, series)?.floor;
        bars.retain(|bar| (floor..=kept.rows.1).contains(&bar.ts));
    }
    let is_shown = |bar: &TimedBar| {
        begin.is_none_or(|begin| begin <= bar.ts)
            && from.is_none_or(|from| from <= bar.ts.close())
            && to.is_none_or(|to| bar.ts.close() <= to)
    };
    let (Some(own), Some(last)) = (bars.iter().position(is_shown), bars.iter().rposition(is_shown))
    else {
        let message =
            format!("that window does not have a bar of {series}: import or fetch it first");
        return Err(Failure::new(Exit::Nothing, message));
    };
    // From the first bar on, whatever is shown: rules that ask the ledger must see the same trades.
    let (first, shown) = (begin.unwrap_or(bars[0].ts), bars[own].ts);
    let window = Window::new(first, bars[last].ts)
        .map_err(|error| Failure::new(Exit::Bug, error.to_string()))?;
    let of = kept.as_ref().map(|(tag, kept)| (*tag, kept));
    play(&core, &inputs(context, &core, of, (window, bars))?, shown, take)
}

/// The bars of a window with what a replay is given beside them: of the ledger of a tag, or of none.
fn inputs(
    context: &Context<'_>,
    core: &Core,
    of: Option<(&Tag, &Kept)>,
    (window, bars): (Window, Vec<TimedBar>),
) -> Result<ReplayRequest, Failure> {
    let (disk, layout, signals) = (context.disk, context.layout, core.strategy.signals());
    let Some((tag, kept)) = of else {
        let timeframe = window.first().timeframe();
        let (signals, said) = read_programs(disk, layout, signals, timeframe)?;
        for text in said {
            tracing::warn!("{text}");
        }
        let (degraded, commands) = (BTreeMap::new(), Vec::new());
        return Ok(ReplayRequest { window, bars, degraded, commands, signals });
    };
    let series = &kept.trading.series;
    let record = RecordBytes::read(disk, layout, tag, series)?.unwrap_or_default();
    let degraded = record.parse(layout, tag, series)?.degraded();
    let signals = read_used(disk, (layout, tag, series), signals, Some(&kept.origin))?.signals;
    let commands = read_commands(disk, layout, &kept.owner)?;
    Ok(ReplayRequest { window, bars, degraded, commands, signals })
}

/// Plays the inputs and hands over the rows of the bars of the window from the slot `shown` on, piece by piece.
pub fn play(
    core: &Core,
    inputs: &ReplayRequest,
    shown: SlotTs,
    take: Take<'_>,
) -> Result<(), Failure> {
    let ReplayRequest { window, bars, degraded, commands, signals } = inputs;
    let before = bars.partition_point(|bar| bar.ts < window.first());
    let mut engine = Engine::new(core.clone(), window.first().timeframe());
    for bar in &bars[..before] {
        engine.warm(bar);
    }
    let mut maker = SlotMaker::new(commands.clone()).hearing(signals.clone());
    let bar_at =
        |ts: SlotTs| bars.binary_search_by_key(&ts, |bar| bar.ts).ok().map(|n| bars[n].bar);
    let mut piece = Piece::new(core, bars, bars.partition_point(|bar| bar.ts < shown));
    let (mut events, mut next, mut ts) = (Vec::new(), before, window.first());
    while ts <= window.last() {
        let bar = bars.get(next).filter(|bar| bar.ts == ts).map(|bar| bar.bar);
        let slot = maker.make(ts, bar, degraded.get(&ts.ts_ms()).copied(), bar_at);
        let mut truths = None;
        events.clear();
        engine.step_watched(&slot, &mut events, &mut |moment, _| {
            truths = Some(core.strategy.rules().truths(&moment.inputs()));
        });
        if bar.is_some() {
            next += 1;
            if ts >= shown {
                piece.add(truths.as_deref());
            }
        }
        if piece.rows() == ROWS_AT_ONCE {
            take(&piece.cut())?;
        }
        ts = ts.next();
    }
    if piece.rows() > 0 {
        take(&piece.cut())?;
    }
    Ok(())
}

/// Rows that are not handed over yet, and the names of the strategy as they are behind them.
struct Piece<'a> {
    core: &'a Core,
    bars: &'a [TimedBar],
    /// The bars of the rows.
    begin: usize,
    end: usize,
    /// Of each rule, at each row.
    truths: Vec<Vec<f64>>,
    names: Names<'a>,
}

impl<'a> Piece<'a> {
    /// Before the row of a bar.
    fn new(core: &'a Core, bars: &'a [TimedBar], begin: usize) -> Self {
        let truths = core.strategy.rules().rules().iter().map(|_| Vec::new()).collect();
        Self { core, bars, begin, end: begin, truths, names: Names::new(core, bars, begin) }
    }

    fn rows(&self) -> usize {
        self.end - self.begin
    }

    /// Adds the row of the next bar; without truths no rule was asked there.
    fn add(&mut self, truths: Option<&[f64]>) {
        for (n, column) in self.truths.iter_mut().enumerate() {
            column.push(truths.map_or(f64::NAN, |truths| truths[n]));
        }
        self.end += 1;
    }

    /// The rows, which are no longer kept here.
    fn cut(&mut self) -> NumberTable {
        let bars = &self.bars[self.begin..self.end];
        let bar = ["open", "high", "low", "close", "volume"].into_iter().enumerate();
        let of_bar = |(n, name): (usize, &str)| {
            (name.to_owned(), bars.iter().map(|bar| bar.bar.values()[n]).collect())
        };
        let mut columns: Vec<(String, Vec<f64>)> = bar.map(of_bar).collect();
        columns.extend(self.names.upto(self.end));
        let rules = self.core.strategy.rules().rules().iter();
        columns.extend(rules.zip(&mut self.truths).map(|(rule, truths)| {
            let kind = match rule.kind {
                Kind::Enter => "enter",
                Kind::Exit => "exit",
            };
            (format!("{kind}.{}", rule.name), std::mem::take(truths))
        }));
        self.begin = self.end;
        NumberTable { ts_ms: bars.iter().map(|bar| bar.ts.ts_ms()).collect(), columns }
    }
}

/// The names of a strategy, each block from its own anchor: what the engine sees.
struct Names<'a> {
    features: Features,
    blocks: Option<Blocks>,
    bars: &'a [TimedBar],
    /// The next bar, and the run that answers it, with its block.
    next: usize,
    run: Option<(i64, Instance)>,
}

impl<'a> Names<'a> {
    fn new(core: &Core, bars: &'a [TimedBar], next: usize) -> Self {
        let blocks = bars.first().map(|bar| core.blocks(bar.ts.timeframe()));
        Self { features: core.strategy.rules().exports(), blocks, bars, next, run: None }
    }

    /// The columns of the bars up to before `end`.
    fn upto(&mut self, end: usize) -> Vec<(String, Vec<f64>)> {
        let width = self.features.len();
        let mut rows = Vec::with_capacity((end - self.next) * width);
        while let Some(blocks) = self.blocks.filter(|_| self.next < end) {
            let block = blocks.of(self.bars[self.next].ts);
            let of_block = |bar: &TimedBar| blocks.of(bar.ts) == block;
            let stop = self.next + self.bars[self.next..end].partition_point(of_block);
            let run = match &mut self.run {
                Some((known, run)) if *known == block => run,
                other => {
                    let before = &self.bars[..self.next];
                    let from = before.partition_point(|bar| blocks.of(bar.ts) < block - 1);
                    let mut run = self.features.start();
                    run.pass(&before[from..]);
                    &mut other.insert((block, run)).1
                }
            };
            run.run(&self.bars[self.next..stop], &mut rows);
            self.next = stop;
        }
        let column = |n: usize| rows.iter().skip(n).step_by(width.max(1)).copied().collect();
        self.features
            .names()
            .iter()
            .enumerate()
            .map(|(n, name)| (name.clone(), column(n)))
            .collect()
    }
}
