//! Builds the crate anew when a set is added: the folder's content is part of the binary.

fn main() {
    println!("cargo::rerun-if-changed=../../catalog");
}
