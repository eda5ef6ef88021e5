//! The `abscope` command line.

fn main() {}
