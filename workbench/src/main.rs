//! The `workbench` binary.
fn main() {}
