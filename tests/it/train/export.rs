//! The script that brings networks of others: what it writes is read, and says the same to the last bit.

use std::path::Path;

use super::fixture::scored;
use crate::support::{ran::Ran, runner::Root, skip};

/// Writes `relu.npz` (weights as PyTorch has them), `tanh.safetensors` (kernels as Keras has them), and some that are no networks.
const MAKE: &str = r#"
import json, sys
import numpy as np
from safetensors.numpy import save_file
rng = np.random.default_rng(7)
def chain(widths, spread):
    pairs = zip(widths, widths[1:])
    return [(rng.normal(size=(o, i)) * spread, rng.normal(size=o)) for i, o in pairs]
torch = {}
for place, (weight, bias) in enumerate(chain([3, 16, 8, 3], 0.7)):
    torch[f"net.{place * 2}.weight"], torch[f"net.{place * 2}.bias"] = weight, bias
np.savez("relu.npz", **torch)
keras = {}
# Wide and of many sizes, so that every part of the hyperbolic tangent is met. Their names sort as numbers.
for place, (weight, bias) in enumerate(chain([3, 64, 64, 3], 1.0)):
    sizes = 10.0 ** rng.uniform(-4, 1, size=(weight.shape[0], 1))
    keras[f"dense_{place + 8}.kernel"] = np.ascontiguousarray((weight * sizes).T.astype(np.float32))
    keras[f"dense_{place + 8}.bias"] = (bias * sizes[:, 0]).astype(np.float32)
save_file(keras, "tanh.safetensors")
first = {"a.weight": np.ones((3, 3)), "a.bias": np.zeros(3)}
np.savez("four.npz", **{"a.weight": np.ones((4, 3)), "a.bias": np.zeros(4)})
np.savez("nan.npz", **{**first, "a.bias": np.array([0.0, np.nan, 0.0])})
np.savez("bare.npz", **{"a.weight": np.ones((3, 3))})
np.savez("norm.npz", **{**first, "b.running_mean": np.ones(3)})
np.savez("ragged.npz", **{**first, "b.weight": np.ones((3, 4)), "b.bias": np.zeros(3)})
np.savez("bent.npz", **{**first, "a.bias": np.zeros(2)})
np.savez("cube.npz", **{**first, "a.weight": np.ones((3, 3, 1))})
np.savez("huge.npz", **{**first, "a.weight": np.full((3, 3), 1e39)})
np.savez("alone.npz", **{**first, "b.bias": np.zeros(3)})
np.savez("empty.npz")
deep = [(f"l{n}", np.ones((3, 3)), np.zeros(3)) for n in range(7)]
np.savez("deep.npz", **{k: v for n, w, b in deep for k, v in ((n + ".weight", w), (n + ".bias", b))})
last = {"b.weight": np.ones((3, 257)), "b.bias": np.zeros(3)}
np.savez("wide.npz", **{"a.weight": np.ones((257, 3)), "a.bias": np.zeros(257), **last})
def scale(name, mean=(50.0, 0.0, 1e-5), sd=(12.5, 3e-3, 7e-4), **more):
    json.dump({"mean": list(mean), "sd": list(sd), **more}, open(name + ".json", "w"))
inf, nan = float("inf"), float("nan")
scale("scale")
scale("flat", sd=(12.5, 0.0, 1.0))
scale("minus", sd=(12.5, -1.0, 1.0))
scale("endless", sd=(12.5, inf, 1.0))
scale("tiny", sd=(12.5, 5e-324, 1.0))
scale("nowhere", mean=(50.0, nan, 0.0))
scale("away", mean=(50.0, inf, 0.0))
scale("far", mean=(1.7e308, 0.0, 0.0), sd=(1e308, 1.0, 1.0))
scale("two", mean=(50.0, 0.0), sd=(12.5, 1.0))
scale("odd", sd=(12.5, 1.0))
scale("shut", clamp=0.0)
scale("open", clamp=inf)
scale("word", clamp="wide")
json.dump([1], open("list.json", "w"))
# What stands in for a library that need not be there: a model of one layer that is dense, and one that is not.
open("keras.py", "w").write("""
import types
class Layer:
    def __init__(self, name, weights):
        self.name, self.get_weights = name, lambda: weights
def load_model(path, compile):
    import numpy as np
    dense = Layer("dense", [np.ones((3, 3)), np.zeros(3)])
    norm = Layer("norm", [np.ones(3)] * 4)
    return types.SimpleNamespace(layers=[dense] if "plain" in path else [dense, norm])
models = types.SimpleNamespace(load_model=load_model)
""")
"#;

fn python() -> Option<String> {
    skip::python("numpy and safetensors")
}

/// A root with the networks.
fn root(python: &str) -> Root {
    let root = Root::new();
    root.write("make.py", MAKE);
    root.shell(&format!("'{python}' make.py")).code(0);
    root
}

fn export(root: &Root, python: &str, words: &str) -> Ran {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("ops/export_model.py");
    root.shell(&format!("PYTHONPATH=. '{python}' '{}' {words}", script.display()))
}

/// One more than a model may see.
fn many_features() -> String {
    (2..67).map(|bars| format!("rsi(close, {bars})")).collect::<Vec<_>>().join("; ")
}

const FEATURES: &str = "--features 'rsi(close, 14); log_return(close, 12); atr(14) / close'";

#[test]
fn networks_of_others_become_folders_that_say_the_same_to_the_last_bit() {
    let Some(python) = python() else { return };
    let root = root(&python);
    root.run("run jobs/made-up.toml -p to=2024-01-04T00:00:00Z").ok();
    for (file, activation, layers) in
        [("relu.npz", "relu", "[3,16,8,3]"), ("tanh.safetensors", "tanh", "[3,64,64,3]")]
    {
        let dir = format!("data/models/imported/{activation}");
        let words = format!("{file} {FEATURES} --scale scale.json --activation {activation}");
        let ran = export(&root, &python, &format!("{words} --out {dir}")).code(0);
        ran.prints(&["look at it with `runner show model"]);
        assert_eq!(root.list(&dir), ["card.toml", "golden.csv", "model.safetensors"]);
        // Every check of a model, the golden rows among them.
        let shown = root.run(&format!("show model {dir} --json")).ok().json();
        let card = &shown["card"];
        assert_eq!(card["layers"].to_string(), layers, "{shown}");
        assert_eq!(card["activation"], activation);
        assert_eq!(card["features"][2], "atr(14) / close");
        let golden = root.read(&format!("{dir}/golden.csv"));
        assert_eq!(golden.lines().count(), 17, "{golden}");
        export(&root, &python, &format!("{words} --out {dir}")).code(1).says(&["exists"]);
        let of = format!("exchange=demo tag=imported runid={activation} model={dir}");
        root.run(&format!("run jobs/backtest-model.toml -p {of}")).ok();
        let rows = scored(&root, &format!("imported_bt_{activation}"));
        let with_score = rows.iter().filter(|(_, score)| score.is_some()).count();
        assert!(rows.len() > 500 && with_score > rows.len() / 2, "{with_score} of {}", rows.len());
    }
    // The same network under another name is the same model.
    let words = format!("relu.npz {FEATURES} --scale scale.json --out data/models/imported/again");
    export(&root, &python, &words).code(0);
    let id = |name: &str| {
        let shown = root.run(&format!("show model data/models/imported/{name} --json")).ok();
        shown.json()["id"].to_string()
    };
    assert_eq!(id("again"), id("relu"));
    assert_ne!(id("again"), id("tanh"));
}

#[test]
fn what_is_no_network_is_refused_and_leaves_nothing() {
    let Some(python) = python() else { return };
    let root = root(&python);
    let good = "--scale scale.json --out out";
    for (words, says) in [
        (format!("four.npz {FEATURES} {good}"), "4 outputs; there must be 3"),
        (format!("nan.npz {FEATURES} {good}"), "no finite number of single precision"),
        (format!("bare.npz {FEATURES} {good}"), "a.weight has no bias beside it"),
        (format!("norm.npz {FEATURES} {good}"), "b.running_mean is no weight"),
        (format!("ragged.npz {FEATURES} {good}"), "4 inputs, but the layer before it has 3"),
        (format!("none.npz {FEATURES} {good}"), "none.npz"),
        (format!("make.py {FEATURES} {good}"), "no .safetensors, .npz"),
        (format!("relu.npz --features 'rsi(close, 14); mo$n' {good}"), "`mo$n` is no feature"),
        (
            format!("relu.npz --features 'rsi(close, 14); rsi(close, 14); atr(14) / close' {good}"),
            "or one twice",
        ),
        (
            format!("relu.npz --features 'rsi(close, 14); atr(14) / close' {good}"),
            "3 means and 3 deviations for 2 features",
        ),
        (format!("relu.npz {FEATURES} --scale flat.json --out out"), "above 0"),
        (format!("relu.npz {FEATURES} --scale list.json --out out"), "it must be"),
        (format!("bent.npz {FEATURES} {good}"), "biases (2,) make no dense layer"),
        (format!("cube.npz {FEATURES} {good}"), "weights (3, 3, 1) and"),
        (format!("huge.npz {FEATURES} {good}"), "no finite number of single precision"),
        (format!("alone.npz {FEATURES} {good}"), "a bias has no weights beside it"),
        (format!("empty.npz {FEATURES} {good}"), "0 layers; there must be 1 to 6"),
        (format!("deep.npz {FEATURES} {good}"), "7 layers; there must be 1 to 6"),
        (format!("wide.npz {FEATURES} {good}"), "a layer is wider than 256"),
        (format!("norm.keras {FEATURES} {good}"), "the layer norm is no Dense layer with a bias"),
        (
            "relu.npz --features 'rsi(close, 14); atr(14) / close' --scale two.json --out out"
                .to_owned(),
            "2 features are named, the network has 3 inputs",
        ),
        (format!("relu.npz --features '{}' {good}", many_features()), "too many, or one twice"),
        (format!("relu.npz {FEATURES} --scale minus.json --out out"), "finite and above 0"),
        (format!("relu.npz {FEATURES} --scale endless.json --out out"), "finite and above 0"),
        (format!("relu.npz {FEATURES} --scale tiny.json --out out"), "finite and above 0"),
        (format!("relu.npz {FEATURES} --scale nowhere.json --out out"), "means must be finite"),
        (format!("relu.npz {FEATURES} --scale away.json --out out"), "means must be finite"),
        (format!("relu.npz {FEATURES} --scale far.json --out out"), "a golden row holds a number"),
        (format!("relu.npz {FEATURES} --scale odd.json --out out"), "3 means and 2 deviations"),
        (format!("relu.npz {FEATURES} --scale shut.json --out out"), "the clamp is 0.0"),
        (format!("relu.npz {FEATURES} --scale open.json --out out"), "the clamp is inf"),
        (format!("relu.npz {FEATURES} --scale word.json --out out"), "it must be"),
        (format!("relu.npz {FEATURES} --scale none.json --out out"), "none.json"),
    ] {
        export(&root, &python, &words).code(1).says(&[says]);
        assert_eq!(root.list("out"), [""; 0], "{words}");
    }
    let unknown = export(&root, &python, &format!("relu.npz {FEATURES} {good} --activation gelu"));
    unknown.code(2).says(&["invalid choice: 'gelu'"]);
    assert!(!root.at("out").exists() && !root.at("out.tmp").exists());
    let plain = format!("plain.keras {FEATURES} --scale scale.json --out plain");
    export(&root, &python, &plain).code(0);
    root.run("show model plain").ok();
    // A name that only the runner can know is refused by the runner.
    let words =
        format!("relu.npz --features 'rsi(close, 14); log_return(close, 12); moon(14)' {good}");
    export(&root, &python, &words).code(0);
    root.run("show model out").code(65).says(&["card.toml", "`moon(14)` is not a feature"]);
}
