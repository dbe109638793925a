//! The pages are embedded: look again when they were built anew, and say so when they were not.

use std::path::Path;
use std::time::SystemTime;

const BUILT: &str = "../../web/dist";
const SOURCES: &str = "../../web/src";

fn main() {
    // A watched path that is missing would make every build a new one, so an empty folder stands in for it.
    let _ = std::fs::create_dir_all(BUILT);
    println!("cargo::rerun-if-changed={BUILT}");
    println!("cargo::rerun-if-changed={SOURCES}");
    println!("cargo::rerun-if-env-changed=PGANALYTICS_COMMIT");
    let built = std::fs::metadata(format!("{BUILT}/index.html")).and_then(|file| file.modified());
    if let (Ok(built), Some(changed)) = (built, newest(Path::new(SOURCES)))
        && built < changed
    {
        println!("cargo::warning=web/src is newer than the pages in web/dist that this binary gets: run make build");
    }
}

/// When a file below it changed last.
fn newest(path: &Path) -> Option<SystemTime> {
    let Ok(entries) = std::fs::read_dir(path) else { return std::fs::metadata(path).ok()?.modified().ok() };
    entries.flatten().filter_map(|entry| newest(&entry.path())).max()
}
