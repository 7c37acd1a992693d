//! Files that pandas, polars, DuckDB and pyarrow write, in layouts that are drawn by dice, some of them mangled.

use std::path::Path;

use serde_json::Value as Json;

use super::{Bars, import, stored};
use crate::support::{runner::Root, skip};

/// Files that are written.
const FILES: u64 = 240;
const SEED: u64 = 12;

fn python() -> Option<String> {
    skip::python("pandas, polars, duckdb and pyarrow")
}

fn bars(file: &Json) -> Bars {
    let rows = file["bars"].as_object().unwrap().iter();
    let row = |(close, values): (&String, &Json)| {
        let value = |n: usize| values[n].as_f64().unwrap();
        (close.parse().unwrap(), [value(0), value(1), value(2), value(3), value(4)])
    };
    rows.map(row).collect()
}

#[test]
fn what_other_programs_write_is_stored_as_it_is_or_refused() {
    let Some(python) = python() else { return };
    let root = Root::new();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/imports/write.py");
    let line = format!("'{python}' '{}' . {SEED} {FILES}", script.display());
    let files: Json = serde_json::from_str(&root.shell(&line).code(0).stdout).unwrap();
    for (n, file) in files.as_array().unwrap().iter().enumerate() {
        let words = file["words"].as_str().unwrap();
        let exchange = format!("venue{n}");
        let words = format!("{words} exchange={exchange}");
        let timeframe = words.split(' ').find_map(|word| word.strip_prefix("timeframe="));
        let ran = import(&root, file["file"].as_str().unwrap(), &words);
        let stored = stored(&root, &exchange, timeframe.unwrap().parse().unwrap());
        let (right, how) = (bars(file), &file["how"]);
        if file["is_sound"] == true {
            assert_eq!(stored, right, "seed {SEED}, file {n}, {how}: {ran}");
            // A row at the end that has no line end, or one bar in two columns, is not among them.
            assert_eq!(ran.code, 0, "seed {SEED}, file {n}, {how}: {ran}");
        }
        for (close, values) in &stored {
            assert_eq!(right.get(close), Some(values), "seed {SEED}, file {n}, {how}: {ran}");
        }
        assert!([0, 3, 65].contains(&ran.code), "seed {SEED}, file {n}, {how}: {ran}");
        assert_eq!(stored.is_empty(), ran.code == 65, "seed {SEED}, file {n}, {how}: {ran}");
    }
}
