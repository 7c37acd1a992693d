#!/usr/bin/env python3
"""Brings a network that was trained with PyTorch or Keras into a folder that the runner reads.

    ops/export_model.py weights.safetensors --features 'rsi(close, 14); log_return(close, 12)' --scale scale.json --activation relu \\
        --out data/models/imported/first
    runner show model data/models/imported/first

It needs numpy and safetensors; PyTorch or Keras only to read their own files.

WEIGHTS is one of
  .safetensors, .npz  arrays in pairs: `X.weight` (outputs, inputs) or `X.kernel` (inputs, outputs), with `X.bias`
  .pt, .pth           a state_dict of PyTorch: torch.save(model.state_dict(), "weights.pt")
  .keras, .h5         a saved Keras model of Dense layers
The pairs are joined in the order of their names, numbers as numbers: layer.2 comes before layer.10.

The network is a chain of dense layers with one activation between all of them, relu or tanh, and three outputs that are not
activated: down, flat, up. Softmax, dropout and normalisation layers are left out, or folded into the weights beforehand.

--scale names a JSON file {"mean": [...], "sd": [...], "clamp": 5.0}, one mean and deviation per feature, fitted on training rows only:
mean_ and scale_ of scikit-learn's StandardScaler, or the mean and the square root of the variance of a Keras Normalization layer.
An input becomes (x - mean) * (1 / sd), cut off at -clamp and clamp.

--features names the inputs in their order, as `features` in [train] of JOBS.md does. The network must have been trained on those of the
runner: another library's RSI is another number.

The folder holds card.toml, model.safetensors and golden.csv. The golden rows are computed here, in double precision, in the runner's order
of additions (bias first, then the inputs as they come, each product rounded before it is added), and the runner checks them to the
last bit whenever it loads the model. Weights are rounded to single precision.
"""

import argparse
import json
import math
import os
import re
import shutil
import struct
import sys

import numpy as np

CLASSES = 3
FEATURES_MAX = 64
LAYERS_MAX = 6
WIDTH_MAX = 256
GOLDEN_ROWS = 16
CLAMP = 5.0
ANSWERS = ["logit_down", "logit_flat", "logit_up", "score"]
HEADER = """# A model from elsewhere. Numbers that are computed with are written as the 16 hex digits of their 64 bits, sign first,
# so that no reader can round them. The id of the model covers this file: an edit makes another model.
"""


class Refused(Exception):
    """What was given is no model."""


# --- the runner's arithmetic -----------------------------------------------------------------------------------------------------


def expm1(x):
    """exp(x) - 1 for 2**-1021 <= |x| <= 40, bit for bit that of the libm crate (after s_expm1.c, (C) 1993 Sun Microsystems, which
    may be used, copied, modified and distributed freely as long as this notice is preserved). Python's own differs from system to system."""
    ln2_hi, ln2_lo, inv_ln2 = 6.93147180369123816490e-01, 1.90821492927058770002e-10, 1.44269504088896338700e00
    q1, q2, q3 = -3.33333333333331316428e-02, 1.58730158725481460165e-03, -7.93650757867487942473e-05
    q4, q5 = 4.00821782732936239552e-06, -2.01099218183624371326e-07
    high = (bits(x) >> 32) & 0x7FFFFFFF
    c, k = 0.0, 0
    if high > 0x3FD62E42:  # |x| > ln(2) / 2
        if high < 0x3FF0A2B2:  # |x| < 3 ln(2) / 2
            k = 1 if x > 0.0 else -1
        else:
            k = int(inv_ln2 * x + (0.5 if x > 0.0 else -0.5))
        hi, lo = x - k * ln2_hi, k * ln2_lo
        x = hi - lo
        c = (hi - x) - lo
    elif high < 0x3C900000:  # |x| < 2**-54
        return x
    hfx = 0.5 * x
    hxs = x * hfx
    r1 = 1.0 + hxs * (q1 + hxs * (q2 + hxs * (q3 + hxs * (q4 + hxs * q5))))
    t = 3.0 - r1 * hfx
    e = hxs * ((r1 - t) / (6.0 - x * t))
    if k == 0:
        return x - (x * e - hxs)
    e = x * (e - c) - c
    e -= hxs
    if k == -1:
        return 0.5 * (x - e) - 0.5
    if k == 1:
        return -2.0 * (e - (x + 0.5)) if x < -0.25 else 1.0 + 2.0 * (x - e)
    power = math.ldexp(1.0, k)
    if k < 0 or k > 56:
        return (x - e + 1.0) * power - 1.0
    small = math.ldexp(1.0, -k)
    return (x - e + (1.0 - small)) * power if k < 20 else (x - (e + small) + 1.0) * power


def tanh(x):
    """The hyperbolic tangent, bit for bit that of the libm crate."""
    high = (bits(x) >> 32) & 0x7FFFFFFF
    size = abs(x)
    if high > 0x40340000:  # |x| > 20
        t = 1.0
    elif high > 0x3FE193EA:  # |x| > ln(3) / 2
        t = 1.0 - 2.0 / (expm1(2.0 * size) + 2.0)
    elif high > 0x3FD058AE:  # |x| > ln(5/3) / 2
        t = expm1(2.0 * size)
        t = t / (t + 2.0)
    elif high >= 0x00100000:
        t = expm1(-2.0 * size)
        t = -t / (t + 2.0)
    else:
        t = size
    return math.copysign(t, x)


def logits(layers, scale, activation, values):
    """The outputs for raw inputs. numpy adds and multiplies element by element, and never fuses the two."""
    mean, inv_sd, clamp = scale
    x = np.clip((values - mean) * inv_sd, -clamp, clamp)
    for place, (weight, bias) in enumerate(layers):
        total = bias.astype(np.float64)
        for column in range(weight.shape[1]):
            total = total + weight[:, column].astype(np.float64) * x[column]
        if place + 1 < len(layers):
            total = np.where(total > 0.0, total, 0.0) if activation == "relu" else np.array([tanh(float(t)) for t in total])
        x = total
    return x


def fixed(outputs):
    """The score: up minus down in units of 1e-6, ties to even, kept within 64 bits."""
    score = round((float(outputs[2]) - float(outputs[0])) * 1e6)
    return max(-(2**63), min(2**63 - 1, score))


def bits(x):
    return struct.unpack("<Q", struct.pack("<d", x))[0]


def word(x):
    return f"{bits(float(x)):016x}"


# --- reading -----------------------------------------------------------------------------------------------------------------------


def arrays_of(path):
    """Arrays by name, from whatever wrote the file."""
    ending = os.path.splitext(path)[1].lower()
    if ending == ".safetensors":
        from safetensors.numpy import load_file

        return load_file(path)
    if ending == ".npz":
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    if ending in (".pt", ".pth"):
        import torch

        state = torch.load(path, map_location="cpu", weights_only=True)
        return {name: tensor.detach().to(torch.float64).numpy() for name, tensor in state.items()}
    if ending in (".keras", ".h5"):
        import keras

        dense = [layer for layer in keras.models.load_model(path, compile=False).layers if layer.get_weights()]
        found = {}
        for place, layer in enumerate(dense):
            if len(layer.get_weights()) != 2:
                raise Refused(f"{path}: the layer {layer.name} is no Dense layer with a bias")
            found[f"{place}.kernel"], found[f"{place}.bias"] = layer.get_weights()
        return found
    raise Refused(f"{path}: no .safetensors, .npz, .pt, .pth, .keras or .h5")


def natural(name):
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def layers_of(arrays):
    """Pairs of weights (outputs, inputs) and biases in single precision, checked to fit each other."""
    kinds = {name: name.rpartition(".")[2] for name in arrays}
    strange = sorted(name for name, kind in kinds.items() if kind not in ("weight", "kernel", "bias"))
    if strange:
        raise Refused(f"the array {strange[0]} is no weight, kernel or bias of a dense layer")
    layers = []
    for name in sorted((name for name, kind in kinds.items() if kind != "bias"), key=natural):
        weight = np.asarray(arrays[name])
        weight = weight.T if kinds[name] == "kernel" else weight
        bias = arrays.get(name.rpartition(".")[0] + ".bias")
        if bias is None:
            raise Refused(f"{name} has no bias beside it: give zeros where there is none")
        bias = np.asarray(bias)
        if weight.ndim != 2 or bias.shape != (weight.shape[0],):
            raise Refused(f"{name}: weights {weight.shape} and biases {bias.shape} make no dense layer")
        with np.errstate(over="ignore"):
            pair = np.ascontiguousarray(weight, dtype=np.float32), bias.astype(np.float32)
        if not all(np.isfinite(part).all() for part in pair):
            raise Refused(f"{name}: a weight or bias is no finite number of single precision")
        if layers and layers[-1][0].shape[0] != weight.shape[1]:
            raise Refused(f"{name}: {weight.shape[1]} inputs, but the layer before it has {layers[-1][0].shape[0]} outputs")
        layers.append(pair)
    if len(layers) != sum(kind == "bias" for kind in kinds.values()):
        raise Refused("a bias has no weights beside it")
    if not 1 <= len(layers) <= LAYERS_MAX:
        raise Refused(f"{len(layers)} layers; there must be 1 to {LAYERS_MAX}")
    if max(max(weight.shape) for weight, _ in layers) > WIDTH_MAX:
        raise Refused(f"a layer is wider than {WIDTH_MAX}")
    if layers[-1][0].shape[0] != CLASSES:
        raise Refused(f"{layers[-1][0].shape[0]} outputs; there must be {CLASSES}: down, flat, up")
    return layers


def scale_of(path, features):
    """Means, inverse deviations and the clamp."""
    with open(path, encoding="utf-8") as file:
        given = json.load(file)
    try:
        mean, sd = (np.array(given[key], dtype=np.float64) for key in ("mean", "sd"))
        clamp = float(given.get("clamp", CLAMP))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Refused(f'{path}: it must be {{"mean": [...], "sd": [...], "clamp": 5.0}}: {error}') from error
    if mean.shape != (features,) or sd.shape != (features,):
        raise Refused(f"{path}: {mean.size} means and {sd.size} deviations for {features} features")
    with np.errstate(all="ignore"):
        inv_sd = 1.0 / sd
    if not (np.isfinite(mean).all() and (sd > 0.0).all() and (inv_sd > 0.0).all() and np.isfinite(inv_sd).all()):
        raise Refused(f"{path}: means must be finite, deviations finite and above 0")
    if not (math.isfinite(clamp) and clamp > 0.0):
        raise Refused(f"{path}: the clamp is {clamp}, it must be finite and above 0")
    return mean, inv_sd, clamp


# --- writing -----------------------------------------------------------------------------------------------------------------------


def card(layers, features, scale, activation):
    mean, inv_sd, clamp = scale
    quoted = lambda words: "[" + ", ".join(f'"{word}"' for word in words) + "]"
    widths = [layers[0][0].shape[1]] + [weight.shape[0] for weight, _ in layers]
    return HEADER + (
        f'schema = "mjolnir.model/1"\nscorer = "canon/1"\nfeatures = {quoted(features)}\nlayers = {widths}\n'
        f'activation = "{activation}"\n\n[normaliser]\nmean = {quoted(map(word, mean))}\n'
        f'inv-sd = {quoted(map(word, inv_sd))}\nclamp = "{word(clamp)}"\n'
    )


def golden(layers, features, scale, activation):
    """Inputs at the means, beyond the clamp on both sides, and in between, with the outputs they must give."""
    mean, inv_sd, clamp = scale
    rows = [",".join([f'"{name}"' if "," in name else name for name in features] + ANSWERS)]
    chance = 1
    for row in range(GOLDEN_ROWS):
        values = np.empty(len(features))
        for place in range(len(features)):
            chance = (chance * 6364136223846793005 + 1442695040888963407) % 2**64
            drawn = (chance >> 40) / 2**21 - 4.0
            deviations = {0: 0.0, 1: 2.0 * clamp, 2: -2.0 * clamp}.get(row, drawn)
            values[place] = mean[place] + deviations / inv_sd[place]
        outputs = logits(layers, scale, activation, values)
        if not (np.isfinite(values).all() and np.isfinite(outputs).all()):
            raise Refused("a golden row holds a number that is not finite: look at the scale and the weights")
        rows.append(",".join([word(x) for x in values] + [word(x) for x in outputs] + [str(fixed(outputs))]))
    return "\n".join(rows) + "\n"


def export(layers, features, scale, activation, out):
    """Writes the folder, whole or not at all. `layers` are pairs of weights (outputs, inputs) and biases, `scale` means, inverse
    deviations and clamp."""
    from safetensors.numpy import save_file

    if os.path.lexists(out):
        raise Refused(f"{out} exists: choose another folder, or take it away first")
    if len(features) != layers[0][0].shape[1]:
        raise Refused(f"{len(features)} features are named, the network has {layers[0][0].shape[1]} inputs")
    texts = {"card.toml": card(layers, features, scale, activation), "golden.csv": golden(layers, features, scale, activation)}
    temp = f"{os.path.normpath(out)}.tmp"
    shutil.rmtree(temp, ignore_errors=True)
    os.makedirs(temp)
    tensors = {}
    for place, (weight, bias) in enumerate(layers):
        tensors[f"layer.{place}.weight"], tensors[f"layer.{place}.bias"] = weight, bias
    save_file(tensors, os.path.join(temp, "model.safetensors"))
    for name, text in texts.items():
        with open(os.path.join(temp, name), "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
    os.rename(temp, out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", metavar="WEIGHTS", help="the trained network")
    parser.add_argument("--features", required=True, help="its inputs in their order, with semicolons between them, each as `runner functions` writes it")
    parser.add_argument("--scale", required=True, help="JSON file with means and deviations of the inputs")
    parser.add_argument("--activation", choices=["relu", "tanh"], default="relu", help="what stands between two layers")
    parser.add_argument("--out", required=True, help="the folder to write; it must not exist")
    asked = parser.parse_args()
    features = [name.strip() for name in asked.features.split(";")]
    try:
        wrong = [name for name in features if not re.fullmatch(r"[a-z0-9_()\[\],.+*/<>=! -]+", name)]
        if wrong or len(features) > FEATURES_MAX or len(set(features)) < len(features):
            shown = f"`{wrong[0]}` is no feature" if wrong else "too many, or one twice"
            raise Refused(f"--features: {shown}; write expressions such as rsi(close, 14), at most {FEATURES_MAX}, each once")
        layers = layers_of(arrays_of(asked.weights))
        export(layers, features, scale_of(asked.scale, len(features)), asked.activation, asked.out)
    except (Refused, OSError, ValueError, ImportError) as error:
        sys.exit(f"error: {error}")
    print(f"{asked.out}: look at it with `runner show model {asked.out}`")


if __name__ == "__main__":
    main()
