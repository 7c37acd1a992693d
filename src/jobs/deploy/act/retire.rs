//! Moves what is left over into the trash folder of the target: files that were deployed once, are as they were deployed, and are
//! gone from the source. One by one, over nothing, and never anything protected.

use super::{job::Act, story::Story, sync::keep};
use crate::{
    domain::pattern::Place,
    exit::Exit,
    jobs::{
        context::Failure,
        deploy::{
            deployed::Deployed,
            facts::Facts,
            gather::Seen,
            hands::{good, words},
            names::{parent, shown},
            shields::{Shields, TRASH},
        },
    },
};

/// Moves them, and notes that they are gone.
pub fn retire(act: &Act<'_>, seen: &Seen, story: &mut Story) -> Result<(), Failure> {
    let facts = &seen.facts;
    let Some(note) = facts.deployed.as_ref() else {
        let message = "nothing is known to be deployed there, so nothing is known to be left over";
        return Err(Failure::new(Exit::Nothing, message));
    };
    if facts.git.commit.as_ref() != Some(&note.commit) || !facts.plan.items.is_empty() {
        let message = "what is deployed is not what the source has: deploy first, or files that are still used would be moved";
        return Err(Failure::new(Exit::Negative, message));
    }
    let (go, stay) = sorted(facts, note, &act.site.shields);
    story.left = stay;
    let mut gone = Vec::new();
    let moved: Result<(), Failure> = go.iter().try_for_each(|path| {
        story.moved.push(one(act, path)?);
        gone.push(path.clone());
        Ok(())
    });
    // What was moved is noted, also when the next one could not be.
    if !gone.is_empty() {
        keep(act, &note.without(&gone))?;
    }
    moved?;
    story.step(format!("{} files moved aside", gone.len()));
    Ok(())
}

/// Which files go, and which stay and why.
fn sorted(facts: &Facts, note: &Deployed, shields: &Shields) -> (Vec<Vec<u8>>, Vec<String>) {
    let (mut go, mut stay) = (Vec::new(), Vec::new());
    for (path, stamp) in note.files() {
        if facts.source.inventory.get(&path).is_some() {
            continue;
        }
        let name = shown(&path);
        // Nobody even looked inside of what is protected.
        if shields.hides(&path, Place::Other) {
            stay.push(format!("{name} (protected or excluded)"));
            continue;
        }
        let Some(found) = facts.target.stamp(&path) else { continue };
        if found != *stamp {
            stay.push(format!("{name} (edited there)"));
        } else if std::str::from_utf8(&path).is_err() {
            stay.push(format!("{name} (its name is no UTF-8)"));
        } else {
            go.push(path);
        }
    }
    (go, stay)
}

/// Moves one file; from where to where.
fn one(act: &Act<'_>, path: &[u8]) -> Result<[String; 2], Failure> {
    let (hands, top) = (&act.site.hands, act.site.target.path.get().as_str());
    let trash = format!("{TRASH}/{}", act.site.context.run_id);
    let name = String::from_utf8_lossy(path);
    let inside = parent(path).map(|parent| format!("/{}", String::from_utf8_lossy(parent)));
    let folder = format!("{top}{trash}{}", inside.unwrap_or_default());
    let (from, to) = (format!("{top}/{name}"), format!("{top}{trash}/{name}"));
    let failed = |why: String| {
        let message = format!("move {} aside: {why}; what was moved lies in {trash}", shown(path));
        Failure::new(Exit::Io, message)
    };
    let made = hands.there(&words(["mkdir", "-p", "--", &folder]))?;
    good("mkdir", made).map_err(|complaint| failed(complaint.message))?;
    let moved = hands.there(&words(["mv", "-T", "-n", "--", &from, &to]))?;
    good("mv", moved).map_err(|complaint| failed(complaint.message))?;
    // An `mv` that finds the place taken may say nothing and end with 0.
    let left = hands.there(&words(["find", &from, "-maxdepth", "0"]))?;
    if !left.stdout.is_empty() {
        return Err(failed("it is still there".to_owned()));
    }
    Ok([shown(path), format!("{}/{}", trash.trim_start_matches('/'), shown(path))])
}
