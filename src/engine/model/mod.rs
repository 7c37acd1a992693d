//! Models as the engine knows them: which features they see, and one scorer that gives the same bits on every machine.

pub(crate) mod feature;
pub(crate) mod network;
pub(crate) mod normaliser;
pub(crate) mod scored;
pub(crate) mod timeline;

pub use feature::{Feature, FeatureError};
pub use network::{Activation, CLASSES, Dense, Network, NetworkError};
pub use normaliser::{Normaliser, NormaliserError};
pub use scored::{Model, ModelError, SCORER, UNITS};
pub use timeline::{OtherFeatures, Speaker, Timeline};
