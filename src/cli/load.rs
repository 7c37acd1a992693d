//! Reading manifests and everything they refer to. The environment, and the file `.env` of a box, are read here and nowhere else.

use std::{
    collections::BTreeMap,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use super::args::{JobArgs, ValueArgs};
use crate::{
    clock::{Clock as _, SystemClock},
    domain::dotenv::{self, Dotenv, DotenvEntry},
    exit::Exit,
    jobs::context::Failure,
    manifest::{
        Declared, Kind, MatrixItem, Problems, Resolved, RunFacts, Source, Sources, TextError,
        Timetable, check, closest, declared, kind_of, matrix_items, resolve, timetable,
    },
    store::{digest::sha256_hex, runs::RunInput},
};

/// Longest manifest or secret, in bytes.
const FILE_MAX: u64 = 64 * 1024;

/// The environment of this process; variables that are not UTF-8 are left out.
pub fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// The file of a box that holds variables, in its root.
const DOTENV: &str = ".env";

/// The variables of a box: those of this process, and those of its file `.env` that this process does not have. A line of that file which
/// python-dotenv and compose read in two ways is refused: whichever was meant, the other one would be wrong.
pub fn variables(root: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let mut all = environment();
    let path = root.join(DOTENV);
    if !path.exists() {
        return Ok(all);
    }
    let refused = |why: String| Failure::new(Exit::Manifest, format!("{DOTENV}{why}"));
    let text = read_text(&path).map_err(|error| refused(format!(": {error}")))?;
    let Dotenv { entries, odd_lines } = dotenv::read(&text);
    let unclear = "python-dotenv and compose read this line in two ways, so its value is not known: write NAME=value, or \
                   NAME='value' with single quotes";
    if let Some(line) = odd_lines.first() {
        return Err(refused(format!(":{line}: {unclear}")));
    }
    let mut own = BTreeMap::new();
    for DotenvEntry { name, value, line, .. } in
        entries.into_iter().filter(|e| !all.contains_key(&e.name))
    {
        let value = value.ok_or_else(|| refused(format!(":{line}: {name}: {unclear}")))?;
        own.insert(name, value);
    }
    all.append(&mut own);
    Ok(all)
}

/// A job's file: the path as given, below the root, or the name of a job in `jobs/`.
pub fn find(root: &Path, job: &Path) -> Result<(PathBuf, String), Failure> {
    let named = Path::new("jobs").join(job).with_extension("toml");
    let of_matrix = in_matrix(root, job).map(|(path, _)| path);
    if let Some(failure) = absent_item(root, job) {
        return Err(failure);
    }
    let tried = [job.to_owned(), of_matrix.unwrap_or(named)];
    for path in &tried {
        if path.starts_with("strategies") && root.join(path).is_file() {
            return Err(is_a_strategy(path));
        }
        if root.join(path).is_file() {
            let shown = path.display().to_string();
            return Ok((root.join(path), shown.strip_prefix("./").unwrap_or(&shown).to_owned()));
        }
    }
    let known = names(root);
    let shown = job.display();
    let name = job.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    let near = closest(name, &known.iter().map(String::as_str).collect::<Vec<_>>());
    let near = near.map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"));
    let message = format!("job `{shown}` does not exist{near}; jobs here: {}", known.join(", "));
    Err(Failure::new(Exit::Nothing, message))
}

/// The file and the item of a job of a matrix, such as `fetch.BTC_USD`, below the root.
fn in_matrix(root: &Path, job: &Path) -> Option<(PathBuf, String)> {
    let word = job.to_str().filter(|word| !word.contains('/') && !root.join(word).is_file())?;
    for (at, _) in word.match_indices('.') {
        let (stem, item) = (&word[..at], &word[at + 1..]);
        let path = Path::new("jobs").join(format!("{stem}.toml"));
        if items_of(&root.join(&path)).iter().any(|found| found.name == item) {
            return Some((path, item.to_owned()));
        }
    }
    None
}

/// What is wrong with a word that looks like a job of a matrix and is none.
fn absent_item(root: &Path, job: &Path) -> Option<Failure> {
    let word = job.to_str().filter(|word| !word.contains('/') && !root.join(word).is_file())?;
    if in_matrix(root, job).is_some() {
        return None;
    }
    let (stem, item) = word.split_once('.').filter(|(_, item)| *item != "toml")?;
    let items = items_of(&root.join("jobs").join(format!("{stem}.toml")));
    if items.is_empty() {
        return None;
    }
    let known: Vec<String> = items.iter().map(|found| format!("{stem}.{}", found.name)).collect();
    let message =
        format!("the matrix of job `{stem}` has no `{item}`; its jobs are {}", known.join(", "));
    Some(Failure::new(Exit::Nothing, message))
}

fn items_of(path: &Path) -> Vec<MatrixItem> {
    read_text(path).map(|text| matrix_items(&text)).unwrap_or_default()
}

/// The end of the name of a job of a matrix, where the word is one.
pub fn item_of(root: &Path, job: &Path) -> Option<String> {
    in_matrix(root, job).map(|(_, item)| item)
}

/// The jobs of the matrix of a job, by their names for `runner run`; none where it has no matrix, or is one of them.
pub fn matrix_jobs(root: &Path, job: &Path) -> Vec<String> {
    if in_matrix(root, job).is_some() || absent_item(root, job).is_some() {
        return Vec::new();
    }
    let named = Path::new("jobs").join(job).with_extension("toml");
    let known = [job.to_owned(), named].into_iter().find(|path| root.join(path).is_file());
    let Some(path) = known.filter(|path| path.parent().is_some_and(|dir| dir.ends_with("jobs")))
    else {
        return Vec::new();
    };
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let items = items_of(&root.join(&path)).into_iter();
    items.map(|item| format!("{stem}.{}", item.name)).collect()
}

/// A strategy decides nothing by itself: a job runs it.
fn is_a_strategy(path: &Path) -> Failure {
    let name = path.file_stem().unwrap_or_default().display();
    let message = format!(
        "{} is a strategy, not a job: give it to one, such as backtest -P {name}",
        path.display()
    );
    Failure::new(Exit::Usage, message)
}

/// Names of the jobs in `jobs/`: of each manifest, or of each job of its matrix.
pub fn names(root: &Path) -> Vec<String> {
    let one = |stem: String| {
        let items = matrix_jobs(root, Path::new(&stem));
        if items.is_empty() { vec![stem] } else { items }
    };
    stems(&root.join("jobs")).into_iter().flat_map(one).collect()
}

/// Names of the profiles in `profiles/`.
pub fn profiles(root: &Path) -> Vec<String> {
    stems(&root.join("profiles"))
}

/// Names of the strategies in `strategies/`.
pub fn strategies(root: &Path) -> Vec<String> {
    stems(&root.join("strategies"))
}

/// Whether a file in a folder of manifests is one: hidden files are those of editors.
pub fn is_manifest(path: &Path) -> bool {
    let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    !is_hidden && path.extension().is_some_and(|extension| extension == "toml")
}

fn stems(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let path = entries.map(|entry| entry.path()).filter(|path| is_manifest(path));
    let mut names: Vec<String> =
        path.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    names
}

/// Reads a text of ours: a regular file, short, UTF-8.
pub fn read_text(path: &Path) -> Result<String, TextError> {
    let system = |error: std::io::Error| TextError::System(error.to_string());
    let meta = fs::metadata(path).map_err(system)?;
    if !meta.is_file() {
        return Err(TextError::NotAFile);
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(system)?;
    file.take(FILE_MAX + 1).read_to_end(&mut bytes).map_err(system)?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(TextError::TooLong(FILE_MAX));
    }
    String::from_utf8(bytes).map_err(|_| TextError::NotUtf8)
}

/// What came of loading a job.
pub struct LoadedJob {
    /// The manifest, all values in place.
    pub resolved: Resolved,
    /// The files it was made of.
    pub inputs: Vec<RunInput>,
}

/// Why a job could not be loaded.
pub enum LoadError {
    /// It could not be read.
    Unreadable(Failure),
    Problems(Problems),
}

/// Loads and resolves a job.
pub fn load(root: &Path, args: &JobArgs, run: &RunFacts) -> Result<LoadedJob, LoadError> {
    let mut inputs = Vec::new();
    let resolved = with_sources(root, args, run, &mut inputs, resolve)?;
    Ok(LoadedJob { resolved, inputs })
}

/// Resolves a job that is no file.
pub fn load_text(
    root: &Path,
    name: &str,
    text: &str,
    values: &ValueArgs,
    run: &RunFacts,
) -> Result<Resolved, LoadError> {
    let args = JobArgs { values: values.clone(), ..JobArgs::of(name.into()) };
    let job = Source { path: name.to_owned(), text: text.to_owned() };
    with_job(root, job, (&args, run), &mut Vec::new(), resolve)
}

/// Checks a job without the values that only a run can give; returns the warnings.
pub fn check_only(root: &Path, args: &JobArgs, run: &RunFacts) -> Result<Problems, LoadError> {
    with_sources(root, args, run, &mut Vec::new(), check)
}

/// Reads when a job runs; values that only a run can give may be missing.
pub fn load_timetable(root: &Path, args: &JobArgs) -> Result<Timetable, LoadError> {
    with_sources(root, args, &facts(), &mut Vec::new(), timetable)
}

/// Reads which params a job declares, with those of its strategy.
pub fn load_declared(root: &Path, args: &JobArgs) -> Result<Vec<Declared>, LoadError> {
    with_sources(root, args, &facts(), &mut Vec::new(), declared)
}

/// Facts of a run that is not made.
pub fn facts() -> RunFacts {
    RunFacts { id: "run".to_owned(), started: SystemClock.now() }
}

fn with_sources<T>(
    root: &Path,
    args: &JobArgs,
    run: &RunFacts,
    inputs: &mut Vec<RunInput>,
    work: impl FnOnce(Sources<'_>) -> Result<T, Problems>,
) -> Result<T, LoadError> {
    let (path, shown) = find(root, &args.job).map_err(LoadError::Unreadable)?;
    let text = read_text(&path).map_err(|error| {
        LoadError::Unreadable(Failure::new(Exit::Manifest, format!("{shown}: {error}")))
    })?;
    inputs.push(RunInput { path: shown.clone(), sha256: sha256_hex(text.as_bytes()) });
    with_job(root, Source { path: shown, text }, (args, run), inputs, work)
}

fn with_job<T>(
    root: &Path,
    job: Source,
    (args, run): (&JobArgs, &RunFacts),
    inputs: &mut Vec<RunInput>,
    work: impl FnOnce(Sources<'_>) -> Result<T, Problems>,
) -> Result<T, LoadError> {
    let env = match variables(root) {
        // It judges that file, and says more about it.
        Err(_) if kind_of(&job.text) == Some(Kind::Preflight) => environment(),
        known => known.map_err(LoadError::Unreadable)?,
    };
    let mut read = |relative: &str| {
        let text = read_text(&root.join(relative))?;
        inputs.push(RunInput { path: relative.to_owned(), sha256: sha256_hex(text.as_bytes()) });
        Ok(text)
    };
    let mut read_secret = |written: &str| read_text(&root.join(written));
    let item = item_of(root, &args.job);
    let sources = Sources {
        job,
        read: &mut read,
        read_secret: &mut read_secret,
        names: &|| [profiles(root), strategies(root)].concat(),
        is_inside: &|written| is_inside(root, written),
        profiles: &args.values.profiles,
        env: &env,
        params: &args.values.params,
        scheduled: &args.scheduled,
        sets: &args.values.set,
        run,
        item: item.as_deref(),
    };
    work(sources).map_err(LoadError::Problems)
}

/// Whether a path leads to a place below the root, links followed. `data` itself may be a link to another disk.
fn is_inside(root: &Path, written: &str) -> bool {
    let real = |path: &Path| path.canonicalize().ok();
    let path = root.join(written);
    // What does not exist yet is where its nearest folder is.
    let Some(place) = path.ancestors().find_map(real) else { return false };
    [root.to_owned(), root.join("data")]
        .iter()
        .filter_map(|home| real(home))
        .any(|home| place.starts_with(home))
}
