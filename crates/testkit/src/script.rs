//! Scripts of this repository, run by psql.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use crate::installations::installations;

/// Runs a script, whose path is from the repository's root, with psql: how it ends, and what it says.
///
/// # Errors
/// There is no psql.
pub fn psql(script: &str, dsn: &str, arguments: &[&str]) -> anyhow::Result<(Option<i32>, String)> {
    // The machine's newest: installations for tests have the server's programs only.
    let all = installations();
    let psql = all.iter().find(|binaries| binaries.has_program("psql")).map(|binaries| binaries.program("psql"));
    let ran = Command::new(psql.as_deref().unwrap_or(Path::new("psql")))
        .args(["-X", "-q", "-d", dsn, "-f"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(script))
        .args(arguments)
        .output()
        .context("run psql")?;
    Ok((ran.status.code(), String::from_utf8_lossy(&ran.stderr).into_owned()))
}
