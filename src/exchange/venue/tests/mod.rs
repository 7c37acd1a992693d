//! What holds for every venue alike; what is special of each is written in `sent/`.

mod check;
mod fuzz;
mod garbage;
mod requests;
mod wire;
