//! `runner compare`: two ledgers side by side.

use std::path::Path;

use super::{
    args::CompareArgs,
    output::{print, print_json, say},
    refuse::tell,
    without_run::without_run,
};
use crate::{
    exit::Exit,
    jobs::{context::Failure, report::compare},
    os::mask::Mask,
    store::disk::{Disk as _, parent},
};

/// Compares, prints what was found, and leaves the picture where it is asked for.
pub fn compare(root: &Path, args: &CompareArgs, json: bool) -> Exit {
    let mask = Mask::new([]);
    let found = without_run(root, "compare", &mask, |context| {
        let found = compare::compare(context, [&args.a, &args.b])?;
        let path = context.layout.comparison_page(&found.a.tag, &found.b.tag);
        if args.html {
            context.disk.create_dir_all(parent(&path))?;
            context.disk.replace(&path, found.page(context.started.get()).as_bytes())?;
        }
        Ok::<_, Failure>((found, context.shown(&path)))
    });
    match found {
        Ok((found, path)) => {
            if json {
                print_json(&serde_json::to_value(&found).expect("plain values serialise"));
            } else {
                print(&found.text());
            }
            if args.html {
                say(&format!("picture: {path}"));
            }
            Exit::Ok
        }
        Err(failure) => tell(&failure, json),
    }
}
