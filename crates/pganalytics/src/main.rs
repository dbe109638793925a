//! The one binary: arguments, subcommands, demo.

fn main() {}
