//! The live loop over the network, against simulated venues and servers that answer as a test says.

mod clock;
mod dark;
mod downtime;
mod drill;
mod empty;
mod protocols;
mod recorded;
mod refusals;
