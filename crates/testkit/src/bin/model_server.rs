//! The simulated model server as a program.

fn main() {}
