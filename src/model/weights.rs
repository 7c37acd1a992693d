//! `model.safetensors`: the weights of each layer as a row per output, and its biases, in single precision. Nothing else lies in it.

use safetensors::{Dtype, SafeTensors, serialize, tensor::TensorView};

use crate::engine::model::{CLASSES, Dense};

/// Bytes of one weight.
const WEIGHT_BYTES: usize = 4;

/// Inputs and outputs of each layer of a network of these widths: the inputs, the hidden layers, the classes.
pub fn shapes(widths: &[usize]) -> impl Iterator<Item = (usize, usize)> + '_ {
    widths.windows(2).map(|pair| (pair[0], pair[1]))
}

/// The widths of layers that fit each other.
pub fn widths(layers: &[Dense]) -> Vec<usize> {
    let first = layers.first().map(|layer| layer.inputs);
    first.into_iter().chain(layers.iter().map(|layer| layer.outputs)).collect()
}

fn name_of(layer: usize, part: &str) -> String {
    format!("layer.{layer}.{part}")
}

/// The bytes of the file. The same weights give the same bytes.
pub fn encode(layers: &[Dense]) -> Result<Vec<u8>, String> {
    let bytes = |numbers: &[f32]| numbers.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let mut parts = Vec::new();
    for (place, layer) in layers.iter().enumerate() {
        let shape = vec![layer.outputs, layer.inputs];
        parts.push((name_of(place, "weight"), shape, bytes(&layer.weights)));
        parts.push((name_of(place, "bias"), vec![layer.outputs], bytes(&layer.bias)));
    }
    let mut views = Vec::with_capacity(parts.len());
    for (name, shape, bytes) in &parts {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes)
            .map_err(|error| format!("{name}: {error}"))?;
        views.push((name.as_str(), view));
    }
    serialize(views, None).map_err(|error| error.to_string())
}

/// Reads the layers of a network of these widths; the error says what does not belong there.
pub fn decode(bytes: &[u8], widths: &[usize]) -> Result<Vec<Dense>, String> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|error| format!("is not a whole safetensors file: {error}"))?;
    if widths.len() < 2 || widths.last() != Some(&CLASSES) {
        return Err(format!("card.toml has layers {widths:?}; the last must be {CLASSES}"));
    }
    let mut expected = Vec::new();
    let mut layers = Vec::new();
    for (place, (inputs, outputs)) in shapes(widths).enumerate() {
        let mut part = |part: &str, shape: &[usize]| {
            let name = name_of(place, part);
            let numbers = numbers(&file, &name, shape);
            expected.push(name);
            numbers
        };
        let weights = part("weight", &[outputs, inputs])?;
        let bias = part("bias", &[outputs])?;
        layers.push(Dense { inputs, outputs, weights, bias });
    }
    let mut extra = file.names();
    extra.retain(|name| !expected.iter().any(|known| known == name));
    extra.sort_unstable();
    match extra.first() {
        Some(name) => Err(format!(
            "has a tensor `{}` that no layer of card.toml asks for",
            name.escape_debug().take(80).collect::<String>()
        )),
        None => Ok(layers),
    }
}

fn numbers(file: &SafeTensors<'_>, name: &str, shape: &[usize]) -> Result<Vec<f32>, String> {
    let Ok(view) = file.tensor(name) else {
        return Err(format!("has no tensor `{name}`"));
    };
    if view.dtype() != Dtype::F32 {
        return Err(format!("tensor `{name}` is of type {:?}, must be F32", view.dtype()));
    }
    if view.shape() != shape {
        return Err(format!("tensor `{name}` has the shape {:?}, must be {shape:?}", view.shape()));
    }
    let whole = view.data().chunks_exact(WEIGHT_BYTES);
    let numbers: Vec<f32> =
        whole.map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])).collect();
    match numbers.iter().position(|x| !x.is_finite()) {
        Some(at) => Err(format!("tensor `{name}`: number {at} is {}", numbers[at])),
        None => Ok(numbers),
    }
}
