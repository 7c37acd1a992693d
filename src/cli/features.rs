//! `runner features`: what rules see, as a table for other programs.

use std::path::Path;

use serde_json::json;

use super::{
    args::{FeaturesArgs, JobArgs},
    flags,
    load::{facts, load},
    output::{print, print_json},
    view::{refuse, tell},
    why::trading_of,
    without_run::without_run,
};
use crate::{
    exit::Exit,
    jobs::{context::Failure, features::features as table_of},
    os::mask::Mask,
    store::{
        disk::{Disk as _, RealDisk},
        table::Table,
    },
};

/// Writes the table, or prints it.
pub fn features(root: &Path, args: &FeaturesArgs, json: bool) -> Exit {
    let job = JobArgs { values: args.values.clone(), ..JobArgs::of(args.job.clone()) };
    let loaded = match load(root, &job, &facts()) {
        Ok(loaded) => loaded.resolved,
        Err(error) => return refuse(error, json),
    };
    let mask = Mask::new(loaded.secrets().map(str::to_owned));
    let made = trading_of(&loaded.manifest.job).and_then(|(trading, _)| {
        let from = flags::time("from", args.from.as_ref())?;
        let window = (from, flags::time("to", args.to.as_ref())?);
        let tag = flags::tag_if_given(args.tag.as_ref())?;
        without_run(root, "features", &mask, |context| {
            table_of(context, trading, tag.as_ref(), window)
        })
    });
    let written = made.and_then(|table| leave(root, args, &table).map(|()| table));
    match written {
        Ok(table) => {
            let (rows, columns) = (table.ts_ms.len(), table.columns.len() + 1);
            match (&args.out, json) {
                (None, false) => print(&table.csv()),
                (_, true) => print_json(&json!({
                    "schema": "mjolnir.features/1", "rows": rows, "file": args.out,
                    "columns": std::iter::once("ts_ms").chain(table.columns.iter().map(|(name, _)| name.as_str())).collect::<Vec<_>>(),
                })),
                (Some(out), false) => {
                    print(&format!("{rows} rows and {columns} columns in {}\n", out.display()));
                }
            }
            Exit::Ok
        }
        Err(failure) => tell(&failure, json),
    }
}

fn leave(root: &Path, args: &FeaturesArgs, table: &Table) -> Result<(), Failure> {
    let Some(out) = &args.out else { return Ok(()) };
    let ending = out.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let bytes = match ending {
        "csv" => table.csv().into_bytes(),
        "parquet" => table
            .parquet()
            .map_err(|error| Failure::new(Exit::Bug, format!("{}: {error}", out.display())))?,
        _ => {
            let message =
                format!("--out {}: name a file that ends in .csv or .parquet", out.display());
            return Err(Failure::new(Exit::Usage, message));
        }
    };
    let path = std::path::absolute(root.join(out))
        .map_err(|error| Failure::new(Exit::Usage, format!("--out: {error}")))?;
    let folder = path.parent().unwrap_or(root);
    Ok(RealDisk::new(folder).replace(&path, &bytes)?)
}
