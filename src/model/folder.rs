//! The three files of a model as bytes: how they are made, what they must hold, and the id they have together.

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::{card::Card, golden, weights};
use crate::{
    domain::model_id::ModelId,
    engine::model::{Activation, Dense, Feature, Model, Normaliser},
};

/// One of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// What is known about the model.
    Card,
    /// What it must say about some inputs.
    Golden,
    /// Its weights.
    Weights,
}

impl Part {
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
    pub part: Part,
    /// What is wrong with it.
    pub what: String,
}

impl PartError {
    fn new(part: Part, what: impl Into<String>) -> Self {
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
pub struct Files {
    card: Vec<u8>,
    golden: Vec<u8>,
    weights: Vec<u8>,
}

/// A model that was read, with what is known about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    /// Its id.
    pub id: ModelId,
    /// It can be asked.
    pub model: Model,
    /// What is known about it.
    pub card: Card,
}

impl Files {
    /// The files of a model. `about` adds where it comes from to its card.
    pub fn make(made: Made<'_>, about: impl FnOnce(&mut Card)) -> Result<Self, PartError> {
        let Made { features, normaliser, layers, activation } = made;
        let mut card = Card::new(features, normaliser, layers, activation);
        about(&mut card);
        let of_card = |what| PartError::new(Part::Card, what);
        let model = card.model(layers).map_err(of_card)?;
        let files = Self {
            card: card.to_toml().map_err(of_card)?.into_bytes(),
            golden: golden::encode(&model, normaliser).into_bytes(),
            weights: weights::encode(layers).map_err(|why| PartError::new(Part::Weights, why))?,
        };
        // What cannot be read back is not given out.
        files.read()?;
        Ok(files)
    }

    /// The files as some reader gives them; the first one it cannot give ends it.
    pub fn gather<E>(mut give: impl FnMut(Part) -> Result<Vec<u8>, E>) -> Result<Self, E> {
        Ok(Self {
            card: give(Part::Card)?,
            golden: give(Part::Golden)?,
            weights: give(Part::Weights)?,
        })
    }

    /// The bytes of one.
    pub fn bytes(&self, part: Part) -> &[u8] {
        match part {
            Part::Card => &self.card,
            Part::Golden => &self.golden,
            Part::Weights => &self.weights,
        }
    }

    /// The id: of each file its length and its bytes.
    pub fn id(&self) -> ModelId {
        let mut sha = Sha256::new();
        for part in Part::ALL {
            sha.update((self.bytes(part).len() as u64).to_le_bytes());
            sha.update(self.bytes(part));
        }
        ModelId::of_digest(sha.finalize().into())
    }

    /// The model, checked: it says about the golden inputs what it must say.
    pub fn read(&self) -> Result<Read, PartError> {
        let text = |part: Part| {
            std::str::from_utf8(self.bytes(part)).map_err(|_| PartError::new(part, "is not UTF-8"))
        };
        let card =
            Card::from_toml(text(Part::Card)?).map_err(|what| PartError::new(Part::Card, what))?;
        let layers = weights::decode(&self.weights, card.layers())
            .map_err(|what| PartError::new(Part::Weights, what))?;
        let model = card.model(&layers).map_err(|what| PartError::new(Part::Card, what))?;
        golden::check(text(Part::Golden)?, &model)
            .map_err(|what| PartError::new(Part::Golden, what))?;
        Ok(Read { id: self.id(), model, card })
    }
}

#[cfg(test)]
mod tests;
