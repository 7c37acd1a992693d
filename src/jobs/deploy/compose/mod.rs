//! Which ports containers would publish, as docker says or, where there is no docker, as a careful reader of the file does.

mod ask;
mod config;
mod reader;
mod running;
mod service;
mod variables;
mod yaml;

pub use ask::services;
pub use running::running;
pub use service::{Bound, Exposure, Service, User};
pub use variables::Variables;
