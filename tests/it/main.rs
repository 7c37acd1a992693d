//! Everything that is tested from outside, in one binary.
//! `cfg(test)` always holds here; it tells clippy that every function is test code.

#[cfg(test)]
mod box_check;
#[cfg(test)]
mod chaos;
#[cfg(test)]
mod compute;
#[cfg(test)]
mod containers;
#[cfg(test)]
mod deploy;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod e2e;
#[cfg(test)]
mod foreign;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod golden_money;
#[cfg(test)]
mod health;
#[cfg(test)]
mod imports;
#[cfg(test)]
mod model;
#[cfg(test)]
mod notices;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod quality;
#[cfg(test)]
mod remote;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod scale;
#[cfg(test)]
mod schedule;
#[cfg(test)]
mod serve;
#[cfg(test)]
mod simulate;
#[cfg(test)]
mod store;
#[cfg(test)]
mod support;
#[cfg(test)]
mod sweep;
#[cfg(test)]
mod tidy;
#[cfg(test)]
mod train;
