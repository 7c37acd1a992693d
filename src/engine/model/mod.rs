//! Models as the engine knows them: which features they see, and one scorer that gives the same bits on every machine.

pub mod feature;
pub mod network;
pub mod normaliser;
pub mod scored;
pub mod timeline;

pub use feature::{Feature, FeatureError};
pub use network::{Activation, CLASSES, Dense, Network, NetworkError};
pub use normaliser::{Normaliser, NormaliserError};
pub use scored::{Model, ModelError, SCORER, UNITS};
pub use timeline::{OtherFeatures, Speaker, Timeline};
