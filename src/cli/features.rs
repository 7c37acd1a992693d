//! `runner features` and `runner functions`: what rules see, and the words of their language.

use std::path::Path;

use serde_json::json;

use super::{
    args::{FeaturesArgs, JobArgs},
    flags,
    load::{facts, load},
    output::{print, print_json},
    refuse::{refuse, tell},
    why::trading_of,
    without_run::without_run,
};
use crate::{
    exit::Exit,
    jobs::{
        context::Failure,
        features::{Take, features as table_of},
    },
    language::functions,
    os::mask::Mask,
    store::{
        disk::{RealDisk, parent},
        table::{NumberTable, Packer, TableError, TableFile, TableForm},
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
    let asked = trading_of(&loaded.manifest.job).and_then(|(trading, _)| {
        let from = flags::time("from", args.from.as_ref())?;
        let window = (from, flags::time("to", args.to.as_ref())?);
        let tag = flags::tag_if_given(args.tag.as_ref())?;
        let mut seen = Seen::default();
        without_run(root, "features", &mask, |context| {
            leave(root, args, json, &mut |take| {
                table_of(context, trading, tag.as_ref(), window, &mut |piece| {
                    seen.take(piece);
                    take(piece)
                })
            })
        })?;
        Ok(seen)
    });
    match asked {
        Ok(Seen { rows, columns }) => {
            match (&args.out, json) {
                (_, true) => print_json(&json!({
                    "schema": "mjolnir.features/1", "rows": rows, "file": args.out, "columns": columns,
                })),
                (None, false) => {}
                (Some(out), false) => {
                    let columns = columns.len();
                    print(&format!("{rows} rows and {columns} columns in {}\n", out.display()));
                }
            }
            Exit::Ok
        }
        Err(failure) => tell(&failure, json),
    }
}

/// What is said of a table.
#[derive(Default)]
struct Seen {
    rows: usize,
    columns: Vec<String>,
}

impl Seen {
    fn take(&mut self, piece: &NumberTable) {
        self.rows += piece.ts_ms.len();
        let names = piece.columns.iter().map(|(name, _)| name.clone());
        self.columns = std::iter::once("ts_ms".to_owned()).chain(names).collect();
    }
}

/// Writes the table that `play` makes, or prints it.
fn leave(
    root: &Path,
    args: &FeaturesArgs,
    json: bool,
    play: &mut dyn FnMut(Take<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let Some(out) = &args.out else {
        let mut packer = Packer::new(TableForm::Csv);
        return play(&mut |piece| {
            let bytes = packer.add(piece).map_err(TableError::from)?;
            if !json {
                print(&String::from_utf8_lossy(&bytes));
            }
            Ok(())
        });
    };
    let ending = out.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let form = match ending {
        "csv" => TableForm::Csv,
        "parquet" => TableForm::Parquet,
        _ => {
            let message =
                format!("--out {}: name a file that ends in .csv or .parquet", out.display());
            return Err(Failure::new(Exit::Usage, message));
        }
    };
    let path = std::path::absolute(root.join(out))
        .map_err(|error| Failure::new(Exit::Usage, format!("--out: {error}")))?;
    let disk = RealDisk::new(parent(&path));
    let mut file = TableFile::begin(&disk, &path, form)?;
    match play(&mut |piece| Ok(file.add(piece)?)) {
        Ok(()) => Ok(file.finish()?),
        Err(failure) => {
            file.abandon();
            Err(failure)
        }
    }
}

/// Lists them, or describes one.
pub fn functions(name: Option<&str>, json: bool) -> Exit {
    let Some(name) = name else {
        let words = functions::words();
        if json {
            print_json(&json!({ "schema": "mjolnir.functions/1", "words": words }));
        } else {
            print(&functions::reference());
        }
        return Exit::Ok;
    };
    let Some(text) = functions::describe(name) else {
        let near = functions::nearest(name).map(|near| format!("; did you mean `{near}`?"));
        let message = format!(
            "the rule language does not have `{name}`{}; `runner functions` lists its words",
            near.unwrap_or_default()
        );
        return tell(&Failure::new(Exit::Nothing, message), json);
    };
    if json {
        print_json(&json!({ "schema": "mjolnir.functions/1", "word": name, "text": text }));
    } else {
        print(&text);
    }
    Exit::Ok
}
