//! The pages are embedded: look again when they were built anew.

fn main() {
    // A watched path that is missing would make every build a new one, so an empty folder stands in for it.
    let _ = std::fs::create_dir_all("../../web/dist");
    println!("cargo::rerun-if-changed=../../web/dist");
    println!("cargo::rerun-if-env-changed=PGANALYTICS_COMMIT");
}
