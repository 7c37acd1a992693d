//! Free space where the data of a box is written, which may be several disks; and who owns a file.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access};

/// How deep links to other folders are looked for: `data/raw`, `data/processed/decisions`.
const LINKS_DEEP: u32 = 2;
/// Folders that a folder of data may hold before links in it are no longer looked for: those are runs, not parts.
const PARTS_MAX: usize = 200;
/// The mounts that this process sees.
const MOUNTS: &str = "/proc/self/mountinfo";

/// What is left of the fullest disk that data is written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// The folder on that disk.
    pub path: PathBuf,
    /// Bytes that an ordinary user can still write there.
    pub bytes: u64,
    /// Files that an ordinary user can still make, on whichever disk has the fewest left; `None` where no file system counts them.
    pub inodes: Option<u64>,
}

/// The room below a folder. Parts of it may be mounts, or links to other disks: the least counts. A folder that is not there yet will be
/// made on the disk of the nearest one above it.
pub fn room(data: &Path) -> io::Result<Room> {
    let data = data.ancestors().find(|path| path.exists()).unwrap_or(data);
    let mut places = vec![data.to_owned()];
    links(data, LINKS_DEEP, &mut places);
    let real: Vec<PathBuf> = places.iter().filter_map(|path| fs::canonicalize(path).ok()).collect();
    let mounts = mounts(&fs::read_to_string(MOUNTS).unwrap_or_default());
    places.extend(mounts.into_iter().filter(|mount| real.iter().any(|at| mount.starts_with(at))));
    let mut least = look(data)?;
    for place in &places[1..] {
        let found = look(place)?;
        // Of two that are equally full the first is named, which is the one above.
        let inodes = [least.inodes, found.inodes].into_iter().flatten().min();
        if found.bytes < least.bytes {
            least = found;
        }
        least.inodes = inodes;
    }
    Ok(least)
}

fn look(path: &Path) -> io::Result<Room> {
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let stat = rustix::fs::statvfs(path).map_err(|error| named(error.into()))?;
    Ok(Room {
        path: path.to_owned(),
        bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
        inodes: (stat.f_files > 0).then_some(stat.f_favail),
    })
}

/// Links to folders, in a folder and those in it.
fn links(dir: &Path, deep: u32, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().take(PARTS_MAX);
    for entry in entries {
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_symlink() && entry.path().is_dir() {
            found.push(entry.path());
        } else if kind.is_dir() && deep > 1 {
            links(&entry.path(), deep - 1, found);
        }
    }
}

/// Where something is mounted that can be written. A place that is only read has no room, and needs none.
fn mounts(text: &str) -> Vec<PathBuf> {
    let place = |line: &str| {
        let mut fields = line.split(' ').skip(4);
        let (place, options) = (fields.next()?, fields.next()?);
        let is_written = options.split(',').any(|option| option == "rw");
        is_written.then(|| unescaped(place))
    };
    text.lines().filter_map(place).collect()
}

/// Blanks, tabs, line ends and backslashes are written as three octal digits.
fn unescaped(text: &str) -> PathBuf {
    let mut out = text.to_owned();
    for (octal, plain) in [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")] {
        out = out.replace(octal, plain);
    }
    PathBuf::from(out)
}

/// The number of the user as which this process runs.
pub fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Why this process cannot be trusted to keep a file up to date; `None` when it can. A link is judged by what it points to.
pub fn not_ours(path: &Path) -> io::Result<Option<String>> {
    let (owner, own) = (path.metadata()?.uid(), own_uid());
    if owner != own {
        return Ok(Some(format!("belongs to user {owner}, not to {own}")));
    }
    match access(path, Access::WRITE_OK) {
        Ok(()) => Ok(None),
        Err(rustix::io::Errno::ACCESS | rustix::io::Errno::ROFS) => {
            Ok(Some("is not writable".to_owned()))
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_yet_lies_where_the_nearest_one_above_it_lies() {
        let temp = tempfile::tempdir().unwrap();
        let found = room(&temp.path().join("not/yet")).unwrap();
        assert_eq!(found.path, temp.path());
        assert!(found.bytes > 0);
    }

    #[test]
    fn a_mount_is_read_as_the_kernel_writes_it() {
        let text = "26 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
                    31 26 0:25 / /srv/my\\040data rw,nosuid - tmpfs tmpfs rw,size=4096k\n\
                    32 26 7:0 / /snap/core/1 ro,nodev - squashfs /dev/loop0 ro\n";
        assert_eq!(mounts(text), [Path::new("/"), Path::new("/srv/my data")]);
    }
}
