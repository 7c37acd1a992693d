//! The fetch job: which pages are asked (`plan`), asking and storing them (`job`), and what is told of it (`report`).

pub(crate) mod job;
pub(crate) mod plan;
