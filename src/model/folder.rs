//! The three files of a model as bytes: how they are made, what they must hold, and the id they have together.

use safetensors::{Dtype, SafeTensors, serialize, tensor::TensorView};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::{card::ModelCard, golden};
use crate::{
    domain::ids::ModelId,
    engine::model::{Activation, CLASSES, Dense, Feature, Model, Normaliser},
};

/// One of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ModelPart {
    /// What is known about the model.
    Card,
    /// What it must say about some inputs.
    Golden,
    Weights,
}

impl ModelPart {
    /// All of them, in the order in which the id covers them.
    pub const ALL: [Self; 3] = [Self::Card, Self::Golden, Self::Weights];

    /// Its name in the folder.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Card => "card.toml",
            Self::Golden => "golden.csv",
            Self::Weights => "model.safetensors",
        }
    }

    /// The longest one that is read, in bytes. The widest network there is needs 1.6 MB.
    pub const fn bytes_max(self) -> u64 {
        match self {
            Self::Card => 256 * 1024,
            Self::Golden => 64 * 1024,
            Self::Weights => 4 * 1024 * 1024,
        }
    }
}

/// A file that does not hold what it must hold.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}: {what}", part.name())]
pub struct PartError {
    /// Which file.
    pub part: ModelPart,
    /// What is wrong with it.
    pub what: String,
}

impl PartError {
    fn new(part: ModelPart, what: impl Into<String>) -> Self {
        Self { part, what: what.into() }
    }
}

/// What a model is made of.
#[derive(Debug, Clone, Copy)]
pub struct Made<'a> {
    /// What it sees, in the order of its inputs.
    pub features: &'a [Feature],
    /// How its inputs are scaled.
    pub normaliser: &'a Normaliser,
    /// Its layers, the first one first.
    pub layers: &'a [Dense],
    /// What is between two layers.
    pub activation: Activation,
}

/// The bytes of a model's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFiles {
    card: Vec<u8>,
    golden: Vec<u8>,
    weights: Vec<u8>,
}

/// A model that was read, with what is known about it.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelRead {
    pub id: ModelId,
    /// It can be asked.
    pub model: Model,
    /// What is known about it.
    pub card: ModelCard,
}

impl ModelFiles {
    /// The files of a model. `about` adds where it comes from to its card.
    pub fn make(made: Made<'_>, about: impl FnOnce(&mut ModelCard)) -> Result<Self, PartError> {
        let Made { features, normaliser, layers, activation } = made;
        let mut card = ModelCard::new(features, normaliser, layers, activation);
        about(&mut card);
        let of_card = |what| PartError::new(ModelPart::Card, what);
        let model = card.model(layers).map_err(of_card)?;
        let files = Self {
            card: card.to_toml().map_err(of_card)?.into_bytes(),
            golden: golden::encode(&model, normaliser).into_bytes(),
            weights: encode(layers).map_err(|why| PartError::new(ModelPart::Weights, why))?,
        };
        // What cannot be read back is not given out.
        files.read()?;
        Ok(files)
    }

    /// The files as some reader gives them; the first one it cannot give ends it.
    pub fn gather<E>(mut give: impl FnMut(ModelPart) -> Result<Vec<u8>, E>) -> Result<Self, E> {
        Ok(Self {
            card: give(ModelPart::Card)?,
            golden: give(ModelPart::Golden)?,
            weights: give(ModelPart::Weights)?,
        })
    }

    /// The bytes of one.
    pub fn bytes(&self, part: ModelPart) -> &[u8] {
        match part {
            ModelPart::Card => &self.card,
            ModelPart::Golden => &self.golden,
            ModelPart::Weights => &self.weights,
        }
    }

    /// The id: of each file its length and its bytes.
    pub fn id(&self) -> ModelId {
        let mut sha = Sha256::new();
        for part in ModelPart::ALL {
            sha.update((self.bytes(part).len() as u64).to_le_bytes());
            sha.update(self.bytes(part));
        }
        ModelId::of_digest(sha.finalize().into())
    }

    /// The model, checked: it says about the golden inputs what it must say.
    pub fn read(&self) -> Result<ModelRead, PartError> {
        let text = |part: ModelPart| {
            std::str::from_utf8(self.bytes(part)).map_err(|_| PartError::new(part, "is not UTF-8"))
        };
        let card = ModelCard::from_toml(text(ModelPart::Card)?)
            .map_err(|what| PartError::new(ModelPart::Card, what))?;
        let layers = decode(&self.weights, card.layers())
            .map_err(|what| PartError::new(ModelPart::Weights, what))?;
        let model = card.model(&layers).map_err(|what| PartError::new(ModelPart::Card, what))?;
        golden::check(text(ModelPart::Golden)?, &model)
            .map_err(|what| PartError::new(ModelPart::Golden, what))?;
        Ok(ModelRead { id: self.id(), model, card })
    }
}

#[cfg(test)]
mod tests;

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
fn encode(layers: &[Dense]) -> Result<Vec<u8>, String> {
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
fn decode(bytes: &[u8], widths: &[usize]) -> Result<Vec<Dense>, String> {
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
