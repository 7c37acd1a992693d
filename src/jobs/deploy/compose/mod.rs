//! Which ports containers would publish, as the compose program says. Where it is not here, or does not understand the files, that is
//! not judged.

mod ask;
mod config;
mod files;
mod printed;
mod running;
mod service;
mod variables;
mod yaml;

pub use ask::{Env, services};
pub use files::{Folder, sets};
pub use running::running;
pub use service::{Bound, Exposure, Service, User};
pub use variables::Variables;
