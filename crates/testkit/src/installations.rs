//! The PostgreSQL installations that tests may use: the machine's, and those of `scripts/setup --majors`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cluster::Binaries;

/// Where `scripts/setup --majors` puts one installation per major, below the repository's root.
const TOOLS: &str = ".tools/postgresql";

/// Every installation, one per major, newest first. The machine's own goes before one of the tools, which has the
/// server's programs only.
#[must_use]
pub fn installations() -> Vec<Binaries> {
    let mut all = Binaries::all();
    for binaries in Binaries::among(&tools()) {
        if all.iter().all(|known| known.release() != binaries.release()) {
            all.push(binaries);
        }
    }
    all.sort_by_key(|binaries| std::cmp::Reverse(binaries.release()));
    all
}

/// The majors from 10 on that [`installations`] has, newest first: before, two numbers are one.
#[must_use]
pub fn majors() -> Vec<u32> {
    installations().iter().map(Binaries::major).filter(|major| *major >= 10).collect()
}

/// The installation of a major; without one, the newest that the machine itself has.
///
/// # Errors
/// There is none; the message says what to install.
pub fn installation(major: Option<u32>) -> anyhow::Result<Binaries> {
    let found = major.and_then(|wanted| installations().into_iter().find(|binaries| binaries.major() == wanted));
    match found {
        Some(binaries) => Ok(binaries),
        None => Binaries::find(major).context("find PostgreSQL for a test (scripts/setup --majors has 10 to 18)"),
    }
}

fn tools() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(TOOLS);
    let Ok(entries) = std::fs::read_dir(root) else { return Vec::new() };
    entries.flatten().map(|entry| entry.path().join("bin")).collect()
}
