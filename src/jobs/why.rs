//! Why a slot of a ledger was decided as it was: the ledger played again up to it, on the bars as they were seen.

use super::{
    context::{Context, Failure},
    engine_setup::{EngineSetup, engine_setup},
    ledgers::series_of,
    models::ModelSource,
};
use crate::{
    domain::{
        ids::Tag,
        time::{SlotTs, UtcMs},
    },
    engine::step::SlotView,
    exit::Exit,
    manifest::{StopFill, Trading},
    session::{
        fold::{Fold, FoldInputs, since_anchor},
        origin::LedgerOrigin,
        reader::{Extent, Files, RowFinder},
        record::{read_commands, read_origin},
        signals::read_used,
    },
    store::raw::RawStore,
};

/// A slot, its row, and what the rules saw there.
#[derive(Debug, Clone)]
pub struct SlotWhy {
    pub ts: SlotTs,
    /// The time that was asked for, where there was one: the slot may be the last one before it.
    pub at: Option<UtcMs>,
    /// Its row of `decisions.csv`, without the newline.
    pub row: String,
    /// What the rules saw; `None` where there was no bar.
    pub look: Option<SlotView>,
    /// The risk state behind it, with what brought it about.
    pub risk: String,
}

/// The ledger of a tag, as a strategy looks back at it.
pub(super) struct Kept {
    /// The settings, for the series of the ledger.
    pub trading: Trading,
    /// Whose models and orders it has: a replay obeyed those of the ledger that it replayed.
    pub owner: Tag,
    /// LIVE's own stop rule is in its certificate; the other settings are the manifest's and must be the same.
    pub stop_fill: StopFill,
    /// What it began with.
    pub origin: LedgerOrigin,
    /// How far it goes.
    pub extent: Extent,
    /// Its first and its last slot.
    pub rows: (SlotTs, SlotTs),
}

impl Kept {
    /// Finds it. A tag with one ledger says itself whose it is.
    pub fn find(context: &Context<'_>, trading: &Trading, tag: &Tag) -> Result<Self, Failure> {
        let (disk, layout) = (context.disk, context.layout);
        let trading = match series_of(disk, layout, tag)?.as_slice() {
            [only] => Trading { series: only.clone(), ..trading.clone() },
            _ => trading.clone(),
        };
        let series = &trading.series;
        let files = Files::of(layout, tag, series);
        let none = || {
            let message = format!(
                "tag {tag} does not have a row of {series}: `runner status` lists the loops, `runner history` the runs"
            );
            Failure::new(Exit::Nothing, message)
        };
        let (Some(extent), Some(origin)) =
            (Extent::of(disk, &files)?, read_origin(disk, layout, tag, series)?)
        else {
            return Err(none());
        };
        let ledger = RowFinder::new(disk, &files, series, extent)?.ok_or_else(none)?;
        let rows = (ledger.first, ledger.last);
        let named = |rule: &StopFill| rule.name() == origin.card.stop_fill;
        let stop_fill = StopFill::ALL.iter().copied().find(named).ok_or_else(|| {
            let message = format!("origin.json: `{}` is not a stop rule", origin.card.stop_fill);
            Failure::new(Exit::Data, message)
        })?;
        let owner = replayed(tag).unwrap_or_else(|| tag.clone());
        Ok(Self { trading, owner, stop_fill, origin, extent, rows })
    }
}

/// Looks at the last slot of a ledger that closed at a time, or the last one of all.
pub fn look(
    context: &Context<'_>,
    trading: &Trading,
    tag: &Tag,
    at: Option<UtcMs>,
) -> Result<SlotWhy, Failure> {
    let (disk, layout) = (context.disk, context.layout);
    let Kept { trading, owner, stop_fill, origin, extent, rows } =
        Kept::find(context, trading, tag)?;
    let (series, (first, last)) = (&trading.series, rows);
    let asked = at.map_or(Some(last), |at| series.timeframe().last_closed(at));
    let asked = asked.filter(|ts| (first..=last).contains(ts)).ok_or_else(|| {
        let message = format!("--at is outside of the ledger: its rows are {first} to {last}");
        Failure::new(Exit::Nothing, message)
    })?;
    let EngineSetup { core, card, model: _ } =
        engine_setup(context, &trading, stop_fill, ModelSource::Ledger(&owner))?;
    let place = context.place(tag, series);
    let commands = read_commands(disk, layout, &owner)?;
    let signals = core.strategy.signals();
    let used = read_used(disk, (layout, tag, series), signals, Some(&origin))?;
    let given = FoldInputs {
        place: &place,
        core: &core,
        card: &card,
        origin: Some(&origin),
        commands: &commands,
        signals: &used.signals,
    };
    let mut fold = Fold::fresh(&given);
    fold.asked = Some(asked);
    fold.run(&given, extent, &|| context.stop.asked())?;
    let (row, mut look, risk) = fold.looked.ok_or_else(|| {
        Failure::new(Exit::Data, format!("the ledger has no row for {asked}, which it should have"))
    })?;
    if let Some(look) = &mut look {
        let raw = RawStore::new(layout, disk, series);
        let revisions = raw.revisions()?;
        let before = asked.plus(-1);
        let mut bars = since_anchor(&given, (&raw, &revisions), extent, before)?;
        bars.retain(|bar| bar.ts <= asked);
        look.why.fill(&core.strategy.rules().values_at(&bars));
    }
    Ok(SlotWhy { ts: asked, at, row, look, risk })
}

/// The tag of LIVE, of the tag of a replay.
fn replayed(tag: &Tag) -> Option<Tag> {
    let (live, _) = tag.as_str().rsplit_once("_bt_")?;
    live.parse().ok()
}
