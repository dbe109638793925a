//! One initdb per installation and machine; every cluster of a test is a copy.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;

use anyhow::Context as _;
use cluster::{Binaries, Cluster, ClusterOptions};

use crate::place;

/// The template's data directory, made by the first process that asks; the others wait for it.
pub(crate) fn of(binaries: &Binaries) -> anyhow::Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    (binaries.directory(), binaries.version()).hash(&mut hasher);
    let base = place::base()?;
    let data = base.join(format!("template-{}-{:016x}", binaries.major(), hasher.finish()));
    if !data.exists() {
        let _lock = place::lock(&data.with_extension("lock"))?;
        if !data.exists() {
            let mut options = ClusterOptions::new(&data);
            options.binaries = Some(binaries.clone());
            Cluster::create(options).context("make the template of the tests' clusters")?;
        }
    }
    Ok(data)
}
