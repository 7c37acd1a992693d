//! Whether a ledger follows the model in use, and which that is now. A loop looks at its start only, so the two can differ.

use super::facts::{Followed, InUse};
use crate::{
    domain::{
        command::{Command, in_order_of_effect},
        ids::{ModelId, RunId, Tag},
        time::UtcMs,
    },
    engine::model::Timeline,
    jobs::{
        context::{Context, Failure},
        ledgers::manifest_of,
        model_folder::{find, load, resolve},
        model_timeline::begun,
        promote::history::History,
    },
    manifest::HealthJob,
    session::record::read_origin,
    store::disk::Disk as _,
};

/// The models of the ledger. `None` for one that follows no model, or one that was named by itself, and as of another instant: what was
/// in use then is not known. A ledger that cannot be read is told by other checks. `run` is the one that wrote last: what its manifest
/// says counts more than the one at hand.
pub fn followed(
    context: &Context<'_>,
    job: &HealthJob,
    run: Option<&RunId>,
    commands: &[Command],
) -> Option<Followed> {
    let path = path(context, job, run).map(|path| context.path(&path));
    if job.health.at.is_some() || path != Some(context.layout.model_in_use()) {
        return None;
    }
    let tag: &Tag = job.health.tag.get();
    let origin = read_origin(context.disk, context.layout, tag, &job.series).ok().flatten()?;
    let begun = begun(&origin).ok().flatten()?;
    let mut switches = in_order_of_effect(commands).into_iter().rev();
    let present = switches.find_map(|(_, command)| command.order.model()).unwrap_or(begun);
    let root = format!("{}/", context.root.display());
    let said = |failure: Failure| failure.message.replace(&root, "");
    Some(Followed { present, in_use: in_use(context, present).map_err(said) })
}

/// The model that the manifest of a run names, or the one at hand, where that of the run is gone.
fn path(context: &Context<'_>, job: &HealthJob, run: Option<&RunId>) -> Option<String> {
    let Some(table) = run.and_then(|run| manifest_of(context.disk, context.layout, run)) else {
        return at_hand(job);
    };
    table.get("strategy")?.get("model")?.get("path")?.as_str().map(str::to_owned)
}

fn at_hand(job: &HealthJob) -> Option<String> {
    job.trading.as_ref()?.model.as_ref().map(|model| model.path.clone())
}

/// What is in use, since when, and whether the ledger can go on with it.
fn in_use(context: &Context<'_>, present: ModelId) -> Result<InUse, Failure> {
    let Context { disk, layout, .. } = *context;
    let named = load(disk, &resolve(disk, layout, &layout.model_in_use())?)?;
    let unfit = find(disk, layout, present)?.and_then(|ours| {
        let timeline = Timeline::new(ours.speaker(None));
        timeline.admit(named.id, &named.model).err().map(|error| error.to_string())
    });
    Ok(InUse { id: named.id, since: since(context, named.id), unfit })
}

/// When a model came into use; `None` when that is not written down.
fn since(context: &Context<'_>, id: ModelId) -> Option<UtcMs> {
    let bytes = context.disk.read(&context.layout.model_history()).ok().flatten()?;
    let history = History::parse(&bytes).ok()?;
    let named = history.in_use()?.rsplit_once('/')?.1.parse::<ModelId>().ok()?;
    history.changed().filter(|_| named == id)
}
