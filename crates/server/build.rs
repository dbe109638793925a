//! The pages are embedded: look again when they were built anew, and say so when they were not.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

const BUILT: &str = "../../web/dist";
const SOURCES: &str = "../../web/src";

fn main() {
    // A watched path that is missing would make every build a new one, so an empty folder stands in for it.
    let _ = std::fs::create_dir_all(BUILT);
    println!("cargo::rerun-if-changed={BUILT}");
    println!("cargo::rerun-if-changed={SOURCES}");
    println!("cargo::rerun-if-env-changed=PGANALYTICS_COMMIT");
    let built = newest(&Path::new(BUILT).join("index.html"));
    if let (Some(built), Some(changed)) = (built, newest(Path::new(SOURCES)))
        && built < changed
    {
        println!("cargo::warning=web/src is newer than the pages in web/dist that this binary gets: run make build");
    }
}

/// When a file below it, or it itself, changed last: seconds since 1970, and nanoseconds.
fn newest(path: &Path) -> Option<(i64, i64)> {
    let Ok(entries) = std::fs::read_dir(path) else {
        let file = std::fs::metadata(path).ok()?;
        return Some((file.mtime(), file.mtime_nsec()));
    };
    entries.flatten().filter_map(|entry| newest(&entry.path())).max()
}
