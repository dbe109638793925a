//! One line on the terminal while a load runs; nothing where there is no terminal.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use tokio::time::Instant;

use super::counted::{Counted, get};

/// How often the line is written anew.
const EVERY: Duration = Duration::from_secs(1);

/// Shows how far it is, for ever.
pub(super) async fn show(counted: &Counted, what: &str, collectors: u32) {
    if !std::io::stderr().is_terminal() {
        std::future::pending::<()>().await;
    }
    let began = Instant::now();
    let mut before = get(&counted.rows_acknowledged);
    loop {
        tokio::time::sleep(EVERY).await;
        let rows = get(&counted.rows_acknowledged);
        let (latency, _) = counted.latencies();
        write(&format!(
            "{what} {:.0} s · {} of {collectors} collectors · {rows} rows · {} rows/s · p99 {:.0} ms",
            began.elapsed().as_secs_f64(),
            get(&counted.registered),
            rows - before,
            latency.p99
        ));
        before = rows;
    }
}

/// Takes the line away.
pub(super) fn end() {
    if std::io::stderr().is_terminal() {
        write("");
    }
}

fn write(line: &str) {
    // Where it cannot be told, the load goes on.
    let _ = write!(std::io::stderr(), "\r\x1b[K{line}");
}
