//! Models as the engine knows them: which features they see, and one scorer that gives the same bits on every machine.

pub(crate) mod inputs;
pub(crate) mod network;
pub(crate) mod scored;
pub(crate) mod timeline;

pub use inputs::{Feature, FeatureError};
pub use inputs::{Normaliser, NormaliserError};
pub use network::{Activation, CLASSES, Dense, Network, NetworkError};
pub use scored::{Model, ModelError, SCORER, UNITS};
pub use timeline::{OtherFeatures, Speaker, Timeline};
