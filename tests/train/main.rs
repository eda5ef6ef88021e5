//! Training against outside oracles, frozen in `fixtures/train` with the scripts that made them, and
//! the whole command.

#[path = "../common/mod.rs"]
mod common;

mod command;
mod elastic_net;
mod leakage;
mod simulated;
mod statistics;
mod table;
