//! A folder that is not a whole model is refused by everything that would use it, with the file and what to do.

use super::fixture::{NOON, live, plant, root};
use crate::{e2e::fixture::decisions, support::runner::Root};

const PARTS: [&str; 3] = ["card.toml", "golden.csv", "model.safetensors"];

/// Everything that uses the model in use.
fn all_refuse(root: &Root, words: &[&str]) {
    live(root, NOON).run().code(65).says(words);
    root.run("run backtest-model -p tag=bare exchange=demo runid=r").code(65).says(words);
    root.run("show model data/models/current").code(65).says(words);
}

#[test]
fn a_damaged_file_is_named_with_what_to_do() {
    let (root, id) = root(3);
    for part in PARTS {
        let path = format!("data/models/m/{id}/{part}");
        let bytes = std::fs::read(root.at(&path)).unwrap();
        let mut flipped = bytes.clone();
        let at = bytes.len() - 2;
        flipped[at] ^= 1;
        root.write_bytes(&path, &flipped);
        all_refuse(&root, &["restore the folder from a copy"]);
        root.write_bytes(&path, &bytes[..bytes.len() / 2]);
        all_refuse(&root, &[part, "restore the folder from a copy, or train the model again"]);
        root.remove(&path);
        all_refuse(&root, &[part, "is missing"]);
        root.write_bytes(&path, &bytes);
    }
    assert_eq!(root.read(&decisions("paper")), "", "nothing was begun");
    live(&root, NOON).run().ok();
}

#[test]
fn a_name_that_leads_nowhere_says_how_a_model_comes_into_use() {
    let root = Root::new();
    let none = ["data/models/current"];
    live(&root, NOON).run().code(65).says(&[none[0], "is missing", "jobs/promote.toml"]);
    root.run("show model data/models/current").code(65).says(&[none[0], "jobs/train.toml"]);
    root.write("data/models/current", "m/0123456789ab\n");
    all_refuse(&root, &["does not hold a model", "m/0123456789ab"]);
    root.write("data/models/current", "../../etc\n");
    all_refuse(&root, &["names no model"]);
}

#[test]
fn a_model_is_shown_to_people_and_as_a_document() {
    let (root, id) = root(3);
    let text = id.to_string();
    for dir in ["data/models/current".to_owned(), format!("data/models/m/{id}")] {
        root.run(&format!("show model {dir}")).ok().prints(&[
            &text,
            "log_return(close, 3); (close - ema(close, 20)) / ema(close, 20); rsi(close, 14); zscore(close, 20); safe_div(close - lowest(low, 48), highest(high, 48) - lowest(low, 48), 0.5)",
            "5-16-3 relu",
            "canon/1",
            "108 bars",
        ]);
    }
    let shown = root.run("show model data/models/current --json").ok().json();
    assert_eq!(shown["schema"], "mjolnir.model-card/1");
    assert_eq!(shown["id"], text.as_str());
    assert_eq!(shown["card"]["layers"], serde_json::json!([5, 16, 3]));
    let missing = root.run("show model data/models/none --json").code(65).json();
    assert_eq!(missing["schema"], "mjolnir.error/1");
    // A job of that name is not in the way, and jobs are shown as before.
    root.run("show live-model").ok().prints(&["kind = \"live\"", "data/models/current"]);
    root.run("show").code(2);
}

#[test]
fn a_model_from_elsewhere_may_lie_anywhere() {
    let (root, id) = root(3);
    root.rename(&format!("data/models/m/{id}"), "imported");
    root.remove("data/models/current");
    let run = |to: &str| live(&root, to).arg("-p").arg("model=imported").run();
    run(NOON).ok();
    root.run("run eqflat -P model -p tag=paper exchange=demo runid=e1 --set strategy.model.path=imported")
        .ok()
        .prints(&["Result: PASS"]);
    // Moved to its place it is the same model.
    root.write("data/models/m/.keep", "");
    root.rename("imported", &format!("data/models/m/{id}"));
    super::fixture::make_current(&root, id);
    live(&root, super::fixture::EVENING).run().ok();
    assert!(super::fixture::commands(&root).is_empty());
    assert_ne!(plant(&root, 4), id);
}
