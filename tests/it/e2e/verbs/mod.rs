//! The verbs over run records: what they show, what they change, and what they answer to bad input.

mod crontab;
mod fixture;
mod history;
mod home;
mod logs;
mod manifests;
mod next;
mod nothing_there;
mod status;
mod stop;
