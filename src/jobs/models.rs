//! Models on disk: each in a folder that is there whole or not at all; and which of them a job follows.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    commands::switch_model,
    context::{Context, Failure},
    ledgers::last_decided,
};
use crate::{
    domain::{
        command::in_order_of_effect,
        ids::{ModelId, Tag},
        series::Series,
        time::UtcMs,
    },
    engine::model::{Model, OtherFeatures, Speaker, Timeline},
    exit::Exit,
    manifest::ModelRule,
    model::{
        card::ModelCard,
        folder::{ModelFiles, ModelPart},
    },
    session::{
        origin::LedgerOrigin,
        record::{read_commands, read_origin},
    },
    store::{
        disk::{Disk, EntryKind, TEMP_SUFFIX},
        layout::Layout,
    },
};

/// Longest text that names the model in use, in bytes.
const NAME_BYTES_MAX: u64 = 256;
/// The score from which a model from elsewhere trades, for which none was chosen.
const ENTER_FROM_ELSEWHERE: i64 = 200_000;
/// What a person can do about a damaged folder.
const REPAIR: &str = "restore the folder from a copy, or train the model again";

/// A model that was read.
#[derive(Debug, Clone)]
pub struct LoadedModel {
    pub id: ModelId,
    /// It can be asked.
    pub model: Arc<Model>,
    /// What is known about it.
    pub card: ModelCard,
    pub dir: PathBuf,
}

impl LoadedModel {
    /// The model with the score it trades from: the one that is named for it, or the one that was chosen for it.
    pub fn speaker(self, named: Option<i64>) -> Speaker {
        let chosen = self.card.metrics.map(|metrics| metrics.threshold);
        let enter = named.or(chosen).unwrap_or(ENTER_FROM_ELSEWHERE);
        Speaker { id: self.id, model: self.model, enter }
    }
}

fn damaged(path: &Path, what: &str) -> Failure {
    Failure::new(Exit::Data, format!("{}: {what}: {REPAIR}", path.display()))
}

/// Writes a model into the folder of its name, under its id. One that is there already is checked and left as it is.
/// The caller holds the lock of whoever writes models of this name.
pub fn write<D: Disk>(disk: &D, home: &Path, files: &ModelFiles) -> Result<ModelId, Failure> {
    let id = files.id();
    let dir = home.join(id.to_string());
    if disk.look(&dir)?.is_some() {
        load(disk, &dir)?;
        return Ok(id);
    }
    let temp = home.join(format!("{id}{TEMP_SUFFIX}"));
    disk.create_dir_all(&temp)?;
    // What a crash left of an earlier try.
    for name in disk.list(&temp)? {
        disk.remove(&temp.join(name))?;
    }
    for part in ModelPart::ALL {
        disk.replace(&temp.join(part.name()), files.bytes(part))?;
    }
    disk.rename(&temp, &dir)?;
    disk.sync_dir(home)?;
    Ok(id)
}

/// Reads a model. A folder whose name is an id must hold the model of that id; any other name is accepted.
pub fn load<D: Disk>(disk: &D, dir: &Path) -> Result<LoadedModel, Failure> {
    match disk.look(dir)?.map(|entry| entry.kind) {
        Some(EntryKind::Dir) => {}
        Some(EntryKind::Link) => {
            return Err(damaged(dir, "is a symbolic link, which is not followed"));
        }
        Some(EntryKind::File) => return Err(damaged(dir, "is not a folder of a model")),
        None => {
            let shown = dir.display();
            let message = format!(
                "{shown} does not hold a model: `runner run jobs/train.toml` trains one; `ls data/models` lists what there is"
            );
            return Err(Failure::new(Exit::Data, message));
        }
    }
    let files = ModelFiles::gather(|part| bounded(disk, &dir.join(part.name()), part.bytes_max()))?;
    let read = files.read().map_err(|error| damaged(&dir.join(error.part.name()), &error.what))?;
    let named = dir.file_name().and_then(|name| name.to_str()?.parse::<ModelId>().ok());
    if named.is_some_and(|named| named != read.id) {
        let what = format!("holds the model {}, not the one it is named after", read.id);
        return Err(damaged(dir, &what));
    }
    Ok(LoadedModel {
        id: read.id,
        model: Arc::new(read.model),
        card: read.card,
        dir: dir.to_owned(),
    })
}

/// A file of at most so many bytes. No link is followed, and nothing is read that has no length, such as a device.
fn bounded<D: Disk>(disk: &D, path: &Path, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let Some(entry) = disk.look(path)? else { return Err(damaged(path, "is missing")) };
    match entry.kind {
        EntryKind::Link => return Err(damaged(path, "is a symbolic link, which is not followed")),
        EntryKind::Dir => return Err(damaged(path, "is a folder")),
        EntryKind::File => {}
    }
    if entry.bytes == 0 {
        return Err(damaged(path, "is empty"));
    }
    if entry.bytes > bytes_max {
        let bytes = entry.bytes;
        return Err(damaged(path, &format!("has {bytes} bytes, at most {bytes_max} are read")));
    }
    disk.read(path)?.ok_or_else(|| damaged(path, "is missing"))
}

/// The folder that a path means: itself, or, if it is a file such as `data/models/current`, the model it names as `name/id`.
pub fn resolve<D: Disk>(disk: &D, layout: &Layout, path: &Path) -> Result<PathBuf, Failure> {
    let shown = path.display();
    match disk.look(path)?.map(|entry| entry.kind) {
        Some(EntryKind::File) => {}
        Some(EntryKind::Dir | EntryKind::Link) => return Ok(path.to_owned()),
        None => {
            let message = format!(
                "{shown} is missing: no model is in use; train one and `runner run jobs/promote.toml`, or let \
                 `strategy.model.path` name the folder of a model"
            );
            return Err(Failure::new(Exit::Data, message));
        }
    }
    let bytes = bounded(disk, path, NAME_BYTES_MAX)?;
    let text = String::from_utf8_lossy(&bytes);
    let named = text
        .trim_end()
        .split_once('/')
        .and_then(|(name, id)| Some((name.parse::<Tag>().ok()?, id.parse::<ModelId>().ok()?)));
    let Some((name, id)) = named else {
        let text: String = text.trim_end().escape_debug().take(80).collect();
        let message = format!(
            "{shown}: `{text}` names no model: it must be `name/id`, as `runner run jobs/promote.toml` writes it"
        );
        return Err(Failure::new(Exit::Data, message));
    };
    Ok(layout.models_dir().join(name.as_str()).join(id.to_string()))
}

/// The model of an id, under whatever name it was trained; `None` when it is not here.
pub fn find<D: Disk>(
    disk: &D,
    layout: &Layout,
    id: ModelId,
) -> Result<Option<LoadedModel>, Failure> {
    let home = layout.models_dir();
    for name in disk.list(&home)? {
        let of_name = home.join(name);
        let dir = of_name.join(id.to_string());
        if disk.is_dir(&of_name)? && disk.look(&dir)?.is_some() {
            return load(disk, &dir).map(Some);
        }
    }
    Ok(None)
}

/// What is said about a model that is not here.
pub fn lost(layout: &Layout, id: ModelId) -> Failure {
    let home = layout.models_dir();
    let message = format!(
        "the model {id} is not in {}/*/{id}: bring back its folder, of any name, from a copy or from the machine that trained it",
        home.display()
    );
    Failure::new(Exit::Data, message)
}

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
    let mut timeline = alone(match origin.as_ref().map(first_model).transpose()?.flatten() {
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
pub(in crate::jobs) fn first_model(origin: &LedgerOrigin) -> Result<Option<ModelId>, Failure> {
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::{
        engine::model::{Activation, Dense, Normaliser},
        model::folder::Made,
        store::disk::RealDisk,
    };

    fn files(seed: f32) -> ModelFiles {
        let features = ["rsi(close, 14)".parse().unwrap()];
        let normaliser = Normaliser::new(vec![50.0], vec![0.1], 5.0).unwrap();
        let layers =
            [Dense { inputs: 1, outputs: 3, weights: vec![seed, 0.0, 1.0], bias: vec![0.0; 3] }];
        let (layers, activation) = (&layers[..], Activation::Relu);
        let made = Made { features: &features, normaliser: &normaliser, layers, activation };
        ModelFiles::make(made, |_| {}).unwrap()
    }

    fn says<T: std::fmt::Debug>(result: Result<T, Failure>, words: &str) {
        let failure = result.unwrap_err();
        assert_eq!(failure.exit, Exit::Data, "{}", failure.message);
        assert!(failure.message.contains(words), "{}\nmust say: {words}", failure.message);
    }

    #[test]
    fn a_folder_is_written_once_and_found_by_name_and_id() {
        let temp = tempfile::tempdir().unwrap();
        let (disk, layout) = (RealDisk::new(temp.path()), Layout::new(temp.path()));
        let home = layout.models_dir().join("m");
        let id = write(&disk, &home, &files(0.5)).unwrap();
        assert_eq!(write(&disk, &home, &files(0.5)).unwrap(), id);
        assert_eq!(disk.list(&home).unwrap(), [id.to_string()]);
        assert_eq!(find(&disk, &layout, id).unwrap().unwrap().id, id);
        disk.replace(&layout.model_in_use(), format!("m/{id}\n").as_bytes()).unwrap();
        let dir = resolve(&disk, &layout, &layout.model_in_use()).unwrap();
        assert_eq!(load(&disk, &dir).unwrap().id, id);
        assert_eq!(resolve(&disk, &layout, &dir).unwrap(), dir);
        let other = files(0.25).id();
        assert!(find(&disk, &layout, other).unwrap().is_none());
        assert!(lost(&layout, other).message.starts_with(&format!("the model {other} is not in")));
    }

    #[test]
    fn what_a_crash_left_of_a_folder_is_made_whole() {
        let temp = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(temp.path());
        let (home, files) = (temp.path().join("m"), files(0.5));
        let left = home.join(format!("{}{TEMP_SUFFIX}", files.id()));
        disk.create_dir_all(&left).unwrap();
        disk.replace(&left.join("card.toml"), b"torn").unwrap();
        disk.replace(&left.join("card.toml.1.2.tmp"), b"torn").unwrap();
        let id = write(&disk, &home, &files).unwrap();
        assert_eq!(disk.list(&home).unwrap(), [id.to_string()]);
        assert_eq!(
            disk.list(&home.join(id.to_string())).unwrap(),
            ModelPart::ALL.map(ModelPart::name)
        );
        load(&disk, &home.join(id.to_string())).unwrap();
    }

    #[test]
    fn a_folder_of_another_id_is_refused_and_of_any_other_name_accepted() {
        let temp = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(temp.path());
        let home = temp.path().join("m");
        let id = write(&disk, &home, &files(0.5)).unwrap();
        disk.rename(&home.join(id.to_string()), &home.join("imported")).unwrap();
        assert_eq!(load(&disk, &home.join("imported")).unwrap().id, id);
        disk.rename(&home.join("imported"), &home.join("0123456789ab")).unwrap();
        says(
            load(&disk, &home.join("0123456789ab")),
            &format!("holds the model {id}, not the one"),
        );
    }

    #[test]
    fn everything_that_is_no_folder_of_files_is_refused_by_name() {
        let temp = tempfile::tempdir().unwrap();
        let (disk, layout) = (RealDisk::new(temp.path()), Layout::new(temp.path()));
        let home = temp.path().join("m");
        let id = write(&disk, &home, &files(0.5)).unwrap();
        let dir = home.join(id.to_string());
        says(load(&disk, &home.join("none")), "does not hold a model");
        symlink(&dir, home.join("link")).unwrap();
        says(load(&disk, &home.join("link")), "link: is a symbolic link");
        says(load(&disk, &dir.join("card.toml")), "card.toml: is not a folder of a model");
        for part in ModelPart::ALL {
            let path = dir.join(part.name());
            let (name, bytes) = (part.name(), disk.read(&path).unwrap().unwrap());
            disk.remove(&path).unwrap();
            says(load(&disk, &dir), &format!("{name}: is missing: restore the folder"));
            symlink("/dev/zero", &path).unwrap();
            says(load(&disk, &dir), &format!("{name}: is a symbolic link"));
            disk.remove(&path).unwrap();
            disk.make_dir(&path).unwrap();
            says(load(&disk, &dir), &format!("{name}: is a folder"));
            disk.remove_dir(&path).unwrap();
            disk.create_new(&path).unwrap();
            says(load(&disk, &dir), &format!("{name}: is empty"));
            disk.truncate(&path, part.bytes_max() + 1).unwrap();
            says(
                load(&disk, &dir),
                &format!("{name}: has {} bytes, at most", part.bytes_max() + 1),
            );
            disk.replace(&path, b"x").unwrap();
            says(load(&disk, &dir), &format!("{name}: "));
            disk.replace(&path, &bytes).unwrap();
            load(&disk, &dir).unwrap();
        }
        says(resolve(&disk, &layout, &layout.model_in_use()), "is missing: no model is in use");
        disk.create_dir_all(&layout.models_dir()).unwrap();
        for text in ["m", "m/../../x", "../0123456789ab", "m/0123456789AB", "/etc/passwd"] {
            disk.replace(&layout.model_in_use(), text.as_bytes()).unwrap();
            says(resolve(&disk, &layout, &layout.model_in_use()), "names no model");
        }
        disk.replace(&layout.model_in_use(), &[b'm'; 300]).unwrap();
        says(resolve(&disk, &layout, &layout.model_in_use()), "has 300 bytes, at most 256");
    }
}
