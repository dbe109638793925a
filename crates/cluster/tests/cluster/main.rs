//! Clusters of the machine's newest PostgreSQL: made, started, adopted, killed, followed.

mod lifecycle;
mod standby;

use std::path::Path;
use std::process::Command;

use cluster::{Cluster, ClusterOptions};

/// A place that the account of root's clusters may enter, gone at the end of the test.
fn place() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).expect("our own directory");
    directory
}

/// Options for a throw-away cluster that does not wait for the disk.
fn options(data: &Path) -> ClusterOptions {
    let mut options = ClusterOptions::new(data).setting("fsync", "off");
    options.throw_away = true;
    options
}

/// What psql prints for a statement, or its error.
fn query(cluster: &Cluster, sql: &str) -> Result<String, String> {
    let output = Command::new("psql")
        .args(["--no-psqlrc", "-AtX", "-v", "ON_ERROR_STOP=1", "-d", &cluster.dsn("postgres"), "-c", sql])
        .output()
        .expect("psql, which comes with the server");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}
