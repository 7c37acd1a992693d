//! The tree of the commit that was deployed before, taken out of git: its index and its folders are left as they are.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::{
    exit::Exit,
    jobs::{
        context::Failure,
        deploy::{
            argv,
            deployed::{Deployed, Stage},
            finding::There,
            git::Origin,
            hands::{good, words},
            look::Site,
            shields::DEPLOYED,
        },
    },
    store::disk::Disk as _,
};

/// A tree that was deployed before.
pub struct Earlier {
    /// The folder it was put into.
    pub tree: PathBuf,
    /// Where it comes from.
    pub origin: Origin,
}

/// Takes the tree out of git.
pub fn earlier(site: &Site<'_>) -> Result<Earlier, Failure> {
    let commit = previous(site)?;
    let git = |words: &[&str], env: BTreeMap<String, String>| {
        site.hands.here(argv::git(words), &site.source, env)
    };
    let refuse = |why: String| Failure::new(Exit::Negative, format!("go back to {commit}: {why}"));
    let prefix = good("git rev-parse", git(&["rev-parse", "--show-prefix"], [].into())?);
    if !prefix.map_err(|complaint| refuse(complaint.message))?.trim_ascii().is_empty() {
        let what = "the source must be the top of its repository to be taken out of git";
        return Err(refuse(what.to_owned()));
    }
    let known = format!("{commit}^{{commit}}");
    if git(&["cat-file", "-e", &known], [].into())?.code != 0 {
        return Err(refuse("this repository has no such commit: fetch it first".to_owned()));
    }
    let tree = site.dir.join("tree");
    site.context.disk.create_dir_all(&tree)?;
    let index = site.dir.join("tree.index").display().to_string();
    let env = BTreeMap::from([("GIT_INDEX_FILE".to_owned(), index)]);
    let into = format!("--prefix={}/", tree.display());
    for words in [&["read-tree", commit.as_str()][..], &["checkout-index", "-a", into.as_str()]] {
        let said = git(words, env.clone())?;
        good("git", said).map_err(|complaint| refuse(complaint.message))?;
    }
    // What git does not keep must not come from whoever runs this: neither from a umask nor from the folder of reports.
    let (top, folder) = (site.source.display().to_string(), tree.display().to_string());
    for argv in [
        words(["chmod", "-R", "u=rwX,go=rX", "--", &folder]),
        words(["chmod", &format!("--reference={top}"), "--", &folder]),
    ] {
        let said = site.hands.here(argv, &site.source, [].into())?;
        good("chmod", said).map_err(|complaint| refuse(complaint.message))?;
    }
    let origin = Origin::Commit { repository: site.source.clone(), commit };
    Ok(Earlier { tree, origin })
}

/// The commit before the one that is deployed.
fn previous(site: &Site<'_>) -> Result<String, Failure> {
    let note = format!("{}{DEPLOYED}", site.target.path);
    let place = There(site.target).name();
    let nothing = |why: &str| {
        let message = format!(
            "there is nothing to go back to: {place}{DEPLOYED} {why}; deploy a commit instead"
        );
        Failure::new(Exit::Nothing, message)
    };
    let said = site.hands.there(&words(["cat", &note]))?;
    let bytes = good("cat", said).map_err(|_| nothing("is not there"))?;
    let note = Deployed::parse(Stage::Deployed, &bytes)
        .map_err(|why| nothing(&format!("cannot be read ({why})")))?;
    note.previous.ok_or_else(|| nothing("names no commit before its own"))
}

/// Takes the tree away again. It is a copy of what git has.
pub fn clear(site: &Site<'_>, tree: &Path) -> Result<(), Failure> {
    let folder = tree.display().to_string();
    let said = site.hands.here_at_last(words(["find", &folder, "-xdev", "-depth", "-delete"]))?;
    good("find", said).map(drop).map_err(|complaint| Failure::new(Exit::Io, complaint.message))
}
