//! Which models a job follows: the one that the manifest names, or those of a ledger, which began with one and was switched to others.

use std::path::Path;

use super::{
    commands::switch_model,
    context::{Context, Failure},
    ledgers::last_decided,
    model_folder::{LoadedModel, find, load, lost, resolve},
};
use crate::{
    domain::{
        command::in_order_of_effect,
        ids::{ModelId, Tag},
        series::Series,
        time::UtcMs,
    },
    engine::model::{OtherFeatures, Speaker, Timeline},
    exit::Exit,
    manifest::ModelRule,
    session::{
        card::Origin,
        record::{read_commands, read_origin},
    },
};

/// The setting of a ledger's card that names the model it began with.
pub const MODEL_KEY: &str = "strategy.model.id";

/// Whose models a job follows.
#[derive(Debug, Clone, Copy)]
pub enum ModelSource<'a> {
    /// The one that the manifest names.
    Named,
    /// Those of the ledger of a tag; where there is none, the one that the manifest names.
    Ledger(&'a Tag),
    /// Those of the ledger that a loop goes on with. Where the manifest names another one, that is switched to, and the commands
    /// ledger has it. The loop holds the lock of its ledger.
    Loop(&'a Tag),
    /// The same for a loop that writes nothing.
    DryLoop(&'a Tag),
}

impl<'a> ModelSource<'a> {
    /// The tag of the ledger.
    pub const fn tag(self) -> Option<&'a Tag> {
        match self {
            Self::Named => None,
            Self::Ledger(tag) | Self::Loop(tag) | Self::DryLoop(tag) => Some(tag),
        }
    }
}

/// The models that a job follows. `rule` is what the manifest names.
pub fn models(
    context: &Context<'_>,
    series: &Series,
    rule: &ModelRule,
    whose: ModelSource<'_>,
) -> Result<Timeline, Failure> {
    let path = rule.path.as_str();
    let speaker = |loaded: LoadedModel| loaded.speaker(rule.enter);
    let alone = |loaded: LoadedModel| Timeline::new(speaker(loaded));
    let Some(tag) = whose.tag() else { return named(context, path).map(alone) };
    let origin = read_origin(context.disk, context.layout, tag, series)?;
    let mut timeline = alone(match origin.as_ref().map(begun).transpose()?.flatten() {
        Some(id) => of_id(context, path, id)?,
        None => named(context, path)?,
    });
    // What is replayed without a ledger is replayed without commands.
    if origin.is_some() || !matches!(whose, ModelSource::Ledger(_)) {
        let commands = read_commands(context.disk, context.layout, tag)?;
        for (_, command) in in_order_of_effect(&commands) {
            if let Some(id) = command.order.model() {
                let next = speaker(of_id(context, path, id)?);
                timeline.switch(command.at, next).map_err(|error| refused(tag, &error))?;
            }
        }
    }
    match whose {
        ModelSource::Named | ModelSource::Ledger(_) => {}
        ModelSource::Loop(_) | ModelSource::DryLoop(_) => {
            let wanted = named(context, path)?;
            let (dir, next) = (wanted.dir.clone(), speaker(wanted));
            switch(context, (series, tag), (next, &dir), whose, &mut timeline)?;
        }
    }
    Ok(timeline)
}

/// The model that a path means.
fn named(context: &Context<'_>, path: &str) -> Result<LoadedModel, Failure> {
    let path = context.path(path);
    load(context.disk, &resolve(context.disk, context.layout, &path)?)
}

/// The model of an id: from the folder of its name, or, if it lies elsewhere, where the manifest says.
fn of_id(context: &Context<'_>, path: &str, id: ModelId) -> Result<LoadedModel, Failure> {
    if let Some(loaded) = find(context.disk, context.layout, id)? {
        return Ok(loaded);
    }
    let named = named(context, path).ok().filter(|loaded| loaded.id == id);
    named.ok_or_else(|| lost(context.layout, id))
}

/// The model that a ledger began with; `None` for one of a strategy without a model.
pub(in crate::jobs) fn begun(origin: &Origin) -> Result<Option<ModelId>, Failure> {
    let written = origin.card.settings.get(MODEL_KEY);
    let id = written.map(|text| text.parse::<ModelId>()).transpose();
    id.map_err(|error| Failure::new(Exit::Data, format!("origin.json: {MODEL_KEY}: {error}")))
}

/// Puts the model that the manifest names in the place of the ledger's present one, from the first undecided slot on.
fn switch(
    context: &Context<'_>,
    (series, tag): (&Series, &Tag),
    (next, dir): (Speaker, &Path),
    whose: ModelSource<'_>,
    timeline: &mut Timeline,
) -> Result<(), Failure> {
    let (id, present) = (next.id, timeline.present());
    if id == present {
        return Ok(());
    }
    timeline.admit(id, &next.model).map_err(|error| refused(tag, &error))?;
    let at = match whose {
        ModelSource::Loop(_) => {
            let reason = format!("it takes the place of {present}: {}", dir.display());
            // Behind the present one, which an older build may have dated later than now.
            let behind = timeline.switched();
            switch_model(context.disk, context.layout, tag, (id, reason, behind), context.started)?
        }
        ModelSource::Named | ModelSource::Ledger(_) | ModelSource::DryLoop(_) => {
            let last = last_decided(context.disk, context.layout, tag, series);
            last?.map_or(UtcMs::EPOCH, |last| last.close().plus_ms(1)).max(timeline.switched())
        }
    };
    timeline.switch(at, next).map_err(|error| refused(tag, &error))?;
    tracing::info!("the model {id} takes the place of {present} from {at} on");
    Ok(())
}

fn refused(tag: &Tag, error: &OtherFeatures) -> Failure {
    let message = format!(
        "tag {tag}: {error}; start a new ledger with another DATA_TAG, or let strategy.model.path name a model that sees the same"
    );
    Failure::new(Exit::Manifest, message)
}
