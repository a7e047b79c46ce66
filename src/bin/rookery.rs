//! The console and command line, on the operator's jump box.

fn main() {}
