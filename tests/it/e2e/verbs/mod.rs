//! The verbs over run records: what they show, what they change, and what they answer to bad input.

mod bad;
mod crontab;
mod fixture;
mod history;
mod home;
mod logs;
mod manifests;
mod next;
mod pause;
mod retry;
mod status;
mod stop;
