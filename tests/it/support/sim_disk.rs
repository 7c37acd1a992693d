//! A disk in memory that fails, tears and loses power on demand. After a crash every operation fails until [`SimDisk::restart`].

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    io::{self, ErrorKind},
    ops::Bound,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard},
};

use mjolnir::{
    domain::time::UtcMs,
    store::disk::{Disk, DiskError, DiskOp, DiskResult, Entry, EntryKind, parent},
};

/// What happens at one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// An I/O error; nothing is done.
    Eio,
    /// No space: an append writes its first half, everything else fails whole.
    Enospc,
    /// The process dies before it.
    CrashBefore,
    /// The process dies after it.
    CrashAfter,
    /// The process dies in the middle of an append, after so many bytes.
    Tear(usize),
}

/// How the process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// Killed: what it wrote is there.
    Process,
    /// Power cut: what was not synced may be there, or in part, or not; the seed decides.
    Power(u64),
    /// Power cut, and nothing that was not synced survives.
    PowerNothing,
    /// Power cut with one fate for everything that was not synced.
    PowerFate(Tail, Names),
}

/// What becomes of appended bytes that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    Dropped,
    Kept,
    Cut,
    Nul,
    HalfNul,
}

/// What becomes of names that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    Kept,
    Lost,
    /// Lost, and a renamed file is back under the name it had before.
    Back,
}

impl Tail {
    pub const ALL: [Self; 5] = [Self::Dropped, Self::Kept, Self::Cut, Self::Nul, Self::HalfNul];
}

impl Names {
    pub const ALL: [Self; 3] = [Self::Kept, Self::Lost, Self::Back];
}

/// Who decides over what was not synced.
enum Fate {
    Chance(Rng),
    Fixed(Tail, Names),
}

impl Fate {
    fn keeps_name(&mut self) -> bool {
        match self {
            Self::Chance(rng) => rng.coin(),
            Self::Fixed(_, names) => *names == Names::Kept,
        }
    }

    fn brings_back(&mut self) -> bool {
        match self {
            Self::Chance(rng) => rng.coin(),
            Self::Fixed(_, names) => *names == Names::Back,
        }
    }

    fn tail(&mut self) -> Tail {
        match self {
            Self::Chance(rng) => Tail::ALL[rng.below(Tail::ALL.len())],
            Self::Fixed(tail, _) => *tail,
        }
    }

    /// How many of the last `len` bytes are left, when they are cut.
    fn cut(&mut self, len: usize) -> usize {
        match self {
            Self::Chance(rng) => rng.below(len + 1),
            Self::Fixed(_, _) => len / 2,
        }
    }
}

#[derive(Debug, Default, Clone)]
struct Inode {
    now: Vec<u8>,
    durable: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Dir,
    File(usize),
}

/// What has a name, in the order of bytes: what lies in a folder stands together, and paths are not taken apart to be compared.
type Tree = BTreeMap<OsString, Name>;

/// What lies directly in a folder.
fn inside<'t>(tree: &'t Tree, dir: &Path) -> impl Iterator<Item = (&'t OsStr, Name)> {
    let mut begin = dir.as_os_str().to_owned();
    if dir.parent().is_some() {
        begin.push("/");
    }
    let end = begin.len();
    let begins = begin.clone();
    tree.range::<OsStr, _>((Bound::Included(&*begin), Bound::Unbounded))
        .take_while(move |(name, _)| name.as_bytes().starts_with(begins.as_bytes()))
        .filter(move |(name, _)| !name.as_bytes()[end..].contains(&b'/'))
        .map(|(name, what)| (&**name, *what))
}

#[derive(Debug, Default, Clone)]
struct State {
    inodes: Vec<Inode>,
    names: Tree,
    durable: Tree,
    /// Renames since the folder was synced: a power cut may bring the old name back.
    renamed: Vec<(PathBuf, PathBuf)>,
    ops: usize,
    lists: usize,
    plan: Option<(usize, Fault)>,
    is_dead: bool,
}

/// The disk.
#[derive(Debug)]
pub struct SimDisk {
    root: PathBuf,
    state: Mutex<State>,
}

/// splitmix64.
#[derive(Debug, Clone)]
pub struct Rng(pub u64);

impl Rng {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n.max(1) as u64) as usize
    }

    /// True in so many of a hundred cases.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn coin(&mut self) -> bool {
        self.below(2) == 0
    }
}

impl SimDisk {
    /// An empty disk; the folder above `root` exists.
    pub fn new(root: &Path) -> Self {
        let mut state = State::default();
        for dir in parent(root).ancestors() {
            state.names.insert(dir.into(), Name::Dir);
        }
        state.durable = state.names.clone();
        Self { root: root.to_owned(), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics inside the disk")
    }

    /// Operations so far.
    pub fn ops(&self) -> usize {
        self.state().ops
    }

    /// How often a folder was listed.
    pub fn lists(&self) -> usize {
        self.state().lists
    }

    /// Plans a fault at the `n`th operation from now, counted from 0.
    pub fn fail_at(&self, n: usize, fault: Fault) {
        let mut state = self.state();
        state.plan = Some((state.ops + n, fault));
    }

    /// Whether a planned fault has not happened yet.
    pub fn is_fault_pending(&self) -> bool {
        self.state().plan.is_some()
    }

    /// Whether the process died.
    pub fn is_dead(&self) -> bool {
        self.state().is_dead
    }

    /// Starts again after a death, with what is left on the disk.
    pub fn restart(&self, death: Death) {
        let mut state = self.state();
        state.is_dead = false;
        state.plan = None;
        match death {
            Death::Process => {}
            Death::PowerNothing => state.lose_power(Fate::Fixed(Tail::Dropped, Names::Lost)),
            Death::Power(seed) => state.lose_power(Fate::Chance(Rng(seed))),
            Death::PowerFate(tail, names) => state.lose_power(Fate::Fixed(tail, names)),
        }
    }

    /// A second disk with the same content, the same un-synced rest and the same plan.
    pub fn fork(&self) -> Self {
        Self { root: self.root.clone(), state: Mutex::new(self.state().clone()) }
    }

    /// A hash of every name and content. Temporary files count without their number, some files only by name.
    pub fn image(&self, by_name: impl Fn(&Path) -> bool) -> u64 {
        let state = self.state();
        let mut bytes = Vec::new();
        for (path, name) in &state.names {
            let (text, path) = (path.to_string_lossy(), Path::new(path));
            // `NAME.PID.N.tmp`: the number depends on what ran before.
            let name_only = text.strip_suffix(".tmp").and_then(|text| text.rsplit_once('.'));
            bytes.extend_from_slice(name_only.map_or(&text[..], |(name, _)| name).as_bytes());
            if let (Name::File(id), false) = (name, by_name(path)) {
                bytes.extend_from_slice(&state.inodes[*id].now.len().to_le_bytes());
                bytes.extend_from_slice(&state.inodes[*id].now);
            }
        }
        xxhash_rust::xxh3::xxh3_64(&bytes)
    }

    /// The content as a test sees it, without an operation.
    pub fn peek(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        match state.names.get(path.as_os_str())? {
            Name::File(id) => Some(state.inodes[*id].now.clone()),
            Name::Dir => None,
        }
    }

    /// Puts a durable file there, without an operation.
    pub fn plant(&self, path: &Path, bytes: &[u8]) {
        let mut state = self.state();
        for dir in parent(path).ancestors() {
            state.names.insert(dir.into(), Name::Dir);
            state.durable.insert(dir.into(), Name::Dir);
        }
        let id = state.inodes.len();
        state.inodes.push(Inode { now: bytes.to_vec(), durable: bytes.to_vec() });
        state.names.insert(path.into(), Name::File(id));
        state.durable.insert(path.into(), Name::File(id));
    }

    /// Every file, without an operation.
    pub fn files(&self) -> Vec<PathBuf> {
        let state = self.state();
        let is_file = |name: &Name| matches!(name, Name::File(_));
        state.names.iter().filter(|(_, name)| is_file(name)).map(|(path, _)| path.into()).collect()
    }

    /// Counts the operation, lets a planned fault happen, or does it.
    fn act<T>(
        &self,
        op: DiskOp,
        path: &Path,
        act: impl FnOnce(&mut State) -> io::Result<T>,
        partly: impl FnOnce(&mut State, Option<usize>),
    ) -> DiskResult<T> {
        let mut state = self.state();
        let failed = |cause: io::Error| DiskError::new(op, path, cause);
        if state.is_dead {
            return Err(failed(io::Error::other("the process is dead")));
        }
        let n = state.ops;
        state.ops += 1;
        let fault = state.plan.filter(|(at, _)| *at == n).map(|(_, fault)| fault);
        let Some(fault) = fault else { return act(&mut state).map_err(failed) };
        state.plan = None;
        match fault {
            Fault::Eio => Err(failed(io::Error::other("injected EIO"))),
            Fault::Enospc => {
                partly(&mut state, None);
                Err(failed(ErrorKind::StorageFull.into()))
            }
            Fault::CrashBefore => {
                state.is_dead = true;
                Err(failed(io::Error::other("died before")))
            }
            Fault::CrashAfter => {
                act(&mut state).map_err(failed)?;
                state.is_dead = true;
                Err(failed(io::Error::other("died after")))
            }
            Fault::Tear(bytes) => {
                partly(&mut state, Some(bytes));
                state.is_dead = true;
                Err(failed(io::Error::other("died in the middle")))
            }
        }
    }

    fn whole<T>(
        &self,
        op: DiskOp,
        path: &Path,
        act: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> DiskResult<T> {
        self.act(op, path, act, |_, _| {})
    }
}

impl State {
    fn file(&mut self, path: &Path) -> io::Result<&mut Inode> {
        match self.names.get(path.as_os_str()) {
            Some(Name::File(id)) => Ok(&mut self.inodes[*id]),
            Some(Name::Dir) => Err(ErrorKind::IsADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    fn need_dir(&self, dir: &Path) -> io::Result<()> {
        match self.names.get(dir.as_os_str()) {
            Some(Name::Dir) => Ok(()),
            Some(Name::File(_)) => Err(ErrorKind::NotADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    fn lose_power(&mut self, mut fate: Fate) {
        let mut names = self.durable.clone();
        let changed: Vec<OsString> = self
            .names
            .keys()
            .chain(self.durable.keys())
            .filter(|path| self.names.get(*path) != self.durable.get(*path))
            .cloned()
            .collect();
        for path in changed {
            if fate.keeps_name() {
                match self.names.get(&path) {
                    Some(name) => names.insert(path, *name),
                    None => names.remove(&path),
                };
            }
        }
        for (from, to) in &self.renamed {
            if let Some(name) = self.names.get(to.as_os_str())
                && names.get(to.as_os_str()) != Some(name)
                && fate.brings_back()
            {
                names.insert(from.into(), *name);
            }
        }
        for inode in &mut self.inodes {
            inode.now = survivor(inode, &mut fate);
            inode.durable = inode.now.clone();
        }
        let is_reachable = |path: &Path| {
            path.ancestors()
                .skip(1)
                .filter(|dir| !dir.as_os_str().is_empty())
                .all(|dir| names.get(dir.as_os_str()) == Some(&Name::Dir))
        };
        let reachable: Tree = names
            .iter()
            .filter(|(path, _)| is_reachable(Path::new(path)))
            .map(|(path, name)| (path.clone(), *name))
            .collect();
        self.durable = reachable.clone();
        self.names = reachable;
        self.renamed.clear();
    }
}

/// What a power cut leaves of a file.
fn survivor(inode: &Inode, fate: &mut Fate) -> Vec<u8> {
    let Inode { now, durable } = inode;
    if now == durable {
        return now.clone();
    }
    let tail = fate.tail();
    if !now.starts_with(durable) {
        return if tail == Tail::Dropped { durable.clone() } else { now.clone() };
    }
    let cut = durable.len() + fate.cut(now.len() - durable.len());
    let mut left = now.clone();
    match tail {
        Tail::Dropped => left.truncate(durable.len()),
        Tail::Kept => {}
        Tail::Cut => left.truncate(cut),
        Tail::Nul => left[durable.len()..].fill(0),
        Tail::HalfNul => left[cut..].fill(0),
    }
    left
}

impl Disk for SimDisk {
    fn root(&self) -> &Path {
        &self.root
    }

    fn read(&self, path: &Path) -> DiskResult<Option<Vec<u8>>> {
        self.whole(DiskOp::Read, path, |state| match state.file(path) {
            Ok(inode) => Ok(Some(inode.now.clone())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
    }

    fn read_at(&self, path: &Path, offset: u64, most: usize) -> DiskResult<Vec<u8>> {
        self.whole(DiskOp::Read, path, |state| {
            let now = &state.file(path)?.now;
            let from = usize::try_from(offset).unwrap_or(usize::MAX).min(now.len());
            Ok(now[from..from.saturating_add(most).min(now.len())].to_vec())
        })
    }

    fn len(&self, path: &Path) -> DiskResult<Option<u64>> {
        self.whole(DiskOp::Read, path, |state| {
            Ok(state.file(path).ok().map(|inode| inode.now.len() as u64))
        })
    }

    fn list(&self, dir: &Path) -> DiskResult<Vec<String>> {
        self.whole(DiskOp::List, dir, |state| {
            state.lists += 1;
            let names =
                inside(&state.names, dir).filter_map(|(path, _)| Path::new(path).file_name());
            Ok(names.map(|name| name.to_string_lossy().into_owned()).collect())
        })
    }

    fn is_dir(&self, dir: &Path) -> DiskResult<bool> {
        self.whole(DiskOp::Read, dir, |state| Ok(state.need_dir(dir).is_ok()))
    }

    fn create_new(&self, path: &Path) -> DiskResult<()> {
        self.whole(DiskOp::Create, path, |state| {
            state.need_dir(parent(path))?;
            if state.names.contains_key(path.as_os_str()) {
                return Err(ErrorKind::AlreadyExists.into());
            }
            let id = state.inodes.len();
            state.inodes.push(Inode::default());
            state.names.insert(path.into(), Name::File(id));
            Ok(())
        })
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> DiskResult<()> {
        self.act(
            DiskOp::Append,
            path,
            |state| state.file(path).map(|inode| inode.now.extend_from_slice(bytes)),
            |state, torn| {
                let n = torn.unwrap_or(bytes.len() / 2).min(bytes.len());
                if let Ok(inode) = state.file(path) {
                    inode.now.extend_from_slice(&bytes[..n]);
                }
            },
        )
    }

    fn truncate(&self, path: &Path, len: u64) -> DiskResult<()> {
        self.whole(DiskOp::Truncate, path, |state| {
            state.file(path).map(|inode| inode.now.resize(len as usize, 0))
        })
    }

    fn sync(&self, path: &Path) -> DiskResult<()> {
        self.whole(DiskOp::Sync, path, |state| {
            state.file(path).map(|inode| inode.durable.clone_from(&inode.now))
        })
    }

    fn sync_dir(&self, dir: &Path) -> DiskResult<()> {
        self.whole(DiskOp::SyncDir, dir, |state| {
            state.need_dir(dir)?;
            let names = &state.names;
            let gone =
                |(path, _): (&OsStr, Name)| (!names.contains_key(path)).then(|| path.to_owned());
            let gone: Vec<OsString> = inside(&state.durable, dir).filter_map(gone).collect();
            for path in &gone {
                state.durable.remove(path);
            }
            for (path, name) in inside(names, dir) {
                match state.durable.get_mut(path) {
                    Some(durable) => *durable = name,
                    None => drop(state.durable.insert(path.to_owned(), name)),
                }
            }
            state.renamed.retain(|(_, to)| to.parent() != Some(dir));
            Ok(())
        })
    }

    fn make_dir(&self, dir: &Path) -> DiskResult<()> {
        self.whole(DiskOp::MakeDir, dir, |state| {
            state.need_dir(parent(dir))?;
            match state.names.get(dir.as_os_str()) {
                Some(Name::File(_)) => Err(ErrorKind::NotADirectory.into()),
                Some(Name::Dir) => Ok(()),
                None => {
                    state.names.insert(dir.into(), Name::Dir);
                    Ok(())
                }
            }
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> DiskResult<()> {
        self.whole(DiskOp::Rename, to, |state| {
            state.need_dir(parent(to))?;
            let name = state.names.remove(from.as_os_str()).ok_or(ErrorKind::NotFound)?;
            state.names.insert(to.into(), name);
            state.renamed.push((from.to_owned(), to.to_owned()));
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> DiskResult<()> {
        self.whole(DiskOp::Remove, path, |state| {
            state.file(path)?;
            state.names.remove(path.as_os_str());
            Ok(())
        })
    }

    fn remove_dir(&self, dir: &Path) -> DiskResult<()> {
        self.whole(DiskOp::Remove, dir, |state| {
            state.need_dir(dir)?;
            if inside(&state.names, dir).next().is_some() {
                return Err(ErrorKind::DirectoryNotEmpty.into());
            }
            state.names.remove(dir.as_os_str());
            Ok(())
        })
    }

    /// Everything here is as old as can be.
    fn look(&self, path: &Path) -> DiskResult<Option<Entry>> {
        self.whole(DiskOp::Read, path, |state| {
            Ok(state.names.get(path.as_os_str()).map(|name| match name {
                Name::Dir => Entry { kind: EntryKind::Dir, bytes: 0, changed: UtcMs::EPOCH },
                Name::File(id) => {
                    let bytes = state.inodes[*id].now.len() as u64;
                    Entry { kind: EntryKind::File, bytes, changed: UtcMs::EPOCH }
                }
            }))
        })
    }
}
