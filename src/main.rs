//! The command line of Umbel.

fn main() {}
