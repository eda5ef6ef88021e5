//! Training against outside oracles, frozen in `fixtures/train` with the scripts that made them.

mod elastic_net;
mod statistics;
mod table;
