//! Which ports containers would publish, as docker says or, where there is no docker, as a careful reader of the file does.

mod config;
mod reader;
mod service;
mod variables;
mod yaml;

pub use config::from_config;
pub use reader::from_file;
pub use service::{Service, User};
pub use variables::Variables;
