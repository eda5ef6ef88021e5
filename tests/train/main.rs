//! Training against outside oracles, frozen in `fixtures/train` with the scripts that made them, and
//! the whole command.

mod command;
mod elastic_net;
mod leakage;
mod simulated;
mod statistics;
mod table;
