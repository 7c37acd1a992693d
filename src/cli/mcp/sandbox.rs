//! New strategies of a client: into one folder, under a plain name, over nothing.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    cli::load::{profiles, read_text, strategies},
    manifest::{Source, check_strategy},
    store::disk::{Disk as _, RealDisk},
};

/// Where they go, below the root.
const FOLDER: &str = "strategies/sandbox";
/// Longest name.
const NAME_MAX: usize = 40;
/// Longest text, in bytes.
const TEXT_MAX: usize = 64 * 1024;
/// Most files in the folder.
const FILES_MAX: usize = 500;

/// The text of a strategy of the box or of the folder.
pub(super) fn read(root: &Path, name: &str) -> Result<String, String> {
    plain(name)?;
    read_text(&path_of(root, name)?).map_err(|error| error.to_string())
}

/// The file of a strategy; one of the box comes first.
pub(super) fn path_of(root: &Path, name: &str) -> Result<PathBuf, String> {
    plain(name)?;
    let file = format!("{name}.toml");
    let places = [root.join("strategies").join(&file), root.join(FOLDER).join(&file)];
    let found = places.into_iter().find(|path| path.is_file());
    let found =
        found.ok_or_else(|| format!("strategy `{name}` is not in strategies/ or {FOLDER}/"))?;
    let real = |path: &Path| fs::canonicalize(path).map_err(|error| error.to_string());
    // A link may lead to what is no strategy, such as the secrets of the box.
    if !real(&found)?.starts_with(real(&root.join("strategies"))?) {
        return Err(format!("strategy `{name}` is a link out of strategies/: it is not read"));
    }
    Ok(found)
}

/// Writes a new strategy and says where; the error says why not, and then nothing was written.
pub(super) fn write(root: &Path, name: &str, text: &str) -> Result<String, String> {
    plain(name)?;
    if text.len() > TEXT_MAX {
        return Err(format!("the text is longer than {TEXT_MAX} bytes"));
    }
    if [profiles(root), strategies(root)].concat().iter().any(|known| known == name) {
        return Err(format!("the box has a strategy or profile `{name}`: take another name"));
    }
    let shown = format!("{FOLDER}/{name}.toml");
    let source = Source { path: shown.clone(), text: text.to_owned() };
    check_strategy(&source).map_err(|problems| problems.to_string())?;
    let folder = own_folder(root)?;
    let disk = RealDisk::new(&folder);
    let names = disk.list(&folder).map_err(|error| error.to_string())?;
    if names.len() >= FILES_MAX {
        return Err(format!("{FOLDER}/ holds {} files, most are {FILES_MAX}", names.len()));
    }
    let path = folder.join(format!("{name}.toml"));
    disk.create_new(&path).map_err(|error| {
        if error.kind() == std::io::ErrorKind::AlreadyExists {
            format!("{shown} exists and is not overwritten: take another name")
        } else {
            error.to_string()
        }
    })?;
    disk.replace(&path, text.as_bytes()).map_err(|error| error.to_string())?;
    Ok(shown)
}

/// The folder, which is made when it is absent. It must be a folder of this box, and not a link to another place.
fn own_folder(root: &Path) -> Result<PathBuf, String> {
    let folder = root.join(FOLDER);
    let disk = RealDisk::new(root);
    disk.create_dir_all(&folder).map_err(|error| error.to_string())?;
    let real = |path: &Path| fs::canonicalize(path).map_err(|error| error.to_string());
    if real(&folder)? != real(root)?.join(FOLDER) {
        return Err(format!("{FOLDER} is a link to another place: nothing is written through it"));
    }
    Ok(folder)
}

fn plain(name: &str) -> Result<(), String> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c);
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    if begins && name.len() <= NAME_MAX && name.chars().all(is_plain) {
        return Ok(());
    }
    Err(format!(
        "`{}` cannot be the name of a strategy: lower-case letters, digits, `_` and `-`, at most {NAME_MAX}",
        name.escape_debug()
    ))
}
