//! The check job: each part passes on a sound box, and says what is wrong with a broken one.

mod broken;
mod fixture;
mod sound;
