//! The service in simulated time: clocks that jump, services that die between any two steps, runs that live on.

mod away;
mod late;
mod naive;
mod seeds;
mod world;
mod zones;
