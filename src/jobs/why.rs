//! Why a slot of a ledger was decided as it was: the ledger played again up to it, on the bars as they were seen.

use super::{
    context::{Context, Failure},
    ledger_models::Whose,
    ledgers::series_of,
    setup::{SetUp, set_up},
};
use crate::{
    domain::{
        ids::Tag,
        time::{SlotTs, UtcMs},
    },
    engine::step::Look,
    exit::Exit,
    manifest::{StopFill, Trading},
    session::{
        fold::{Fold, Given},
        reader::{Extent, Files, RowFinder},
        record::{read_commands, read_origin},
        signals::read_used,
    },
};

/// A slot, its row, and what the rules saw there.
#[derive(Debug, Clone)]
pub struct Looked {
    /// The slot.
    pub ts: SlotTs,
    /// Its row of `decisions.csv`, without the newline.
    pub row: String,
    /// What the rules saw; `None` where there was no bar.
    pub look: Option<Look>,
}

/// Looks at the last slot of a ledger that closed at a time, or the last one of all.
pub fn look(
    context: &Context<'_>,
    trading: &Trading,
    tag: &Tag,
    at: Option<UtcMs>,
) -> Result<Looked, Failure> {
    let (disk, layout) = (context.disk, context.layout);
    // A tag with one ledger says itself whose it is.
    let trading = &match series_of(disk, layout, tag)?.as_slice() {
        [only] => Trading { series: only.clone(), ..trading.clone() },
        _ => trading.clone(),
    };
    let series = &trading.series;
    let files = Files::of(layout, tag, series);
    let none = || {
        let message = format!(
            "there is no row of {series} under tag {tag}: `runner status` lists the loops, `runner history` the runs"
        );
        Failure::new(Exit::Nothing, message)
    };
    let (Some(extent), Some(origin)) =
        (Extent::of(disk, &files)?, read_origin(disk, layout, tag, series)?)
    else {
        return Err(none());
    };
    let ledger = RowFinder::new(disk, &files, series, extent)?.ok_or_else(none)?;
    let (first, last) = (ledger.first, ledger.last);
    let asked = at.map_or(Some(last), |at| series.timeframe().last_closed(at));
    let asked = asked.filter(|ts| (first..=last).contains(ts)).ok_or_else(|| {
        let message = format!("--at is outside of the ledger, whose rows are {first} to {last}");
        Failure::new(Exit::Nothing, message)
    })?;
    // LIVE's own stop rule is in its certificate; the rest of the settings is this manifest's and must be the same.
    let stop_fill = StopFill::ALL.iter().copied().find(|rule| rule.name() == origin.card.stop_fill);
    let stop_fill = stop_fill.ok_or_else(|| {
        let message = format!("origin.json: `{}` is not a stop rule", origin.card.stop_fill);
        Failure::new(Exit::Data, message)
    })?;
    // A replay obeyed the commands of the ledger that it replayed.
    let owner = replayed(tag).unwrap_or_else(|| tag.clone());
    let SetUp { core, card, model: _ } =
        set_up(context, trading, stop_fill, Whose::Ledger(&owner))?;
    let place = context.place(tag, series);
    let commands = read_commands(disk, layout, &owner)?;
    let signals = core.strategy.signals();
    let used = read_used(disk, (layout, tag, series), signals, Some(&origin))?;
    let given = Given {
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
    let (row, look) = fold.looked.ok_or_else(|| {
        Failure::new(Exit::Data, format!("the ledger has no row for {asked}, which it should have"))
    })?;
    Ok(Looked { ts: asked, row, look })
}

/// The tag of LIVE, of the tag of a replay.
fn replayed(tag: &Tag) -> Option<Tag> {
    let (live, _) = tag.as_str().rsplit_once("_bt_")?;
    live.parse().ok()
}
