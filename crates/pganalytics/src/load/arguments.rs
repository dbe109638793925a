//! What a load is to be like.

use std::time::Duration;

use clap::Args;
use config::BackendUrl;
use jiff::{Span, SpanRelativeTo};

/// The most connections that simulated collectors share.
const MOST_CONNECTIONS: i64 = 2000;
/// The most collectors; their names and ports of one machine end somewhere.
const MOST_COLLECTORS: i64 = 1_000_000;
/// The most statements of one collector in a cycle.
const MOST_STATEMENTS: i64 = 50_000;
/// The most batches in one request that a server takes.
const MOST_BATCHES: i64 = 256;

/// How the load is to be.
#[derive(Args, Clone, Debug)]
pub(crate) struct LoadArguments {
    /// The server, as in http://127.0.0.1:8080
    #[arg(long, value_name = "URL", value_parser = BackendUrl::parse)]
    pub(super) url: BackendUrl,
    /// The secret that collectors register with
    #[arg(long, value_name = "SECRET", env = "REGISTRATION_SECRET", hide_env_values = true)]
    pub(super) registration_secret: String,
    /// How many collectors, each with one instance
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=MOST_COLLECTORS))]
    pub(super) collectors: u32,
    /// How many statements each instance has in a cycle
    #[arg(long, value_name = "M", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=MOST_STATEMENTS))]
    pub(super) statements: u32,
    /// How often each collector reads and delivers
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time)]
    pub(super) interval: Duration,
    /// How long collectors read; what is not acknowledged then is still sent for --grace
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = time)]
    pub(super) duration: Duration,
    /// How long, after that, what is not acknowledged is sent again
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time)]
    pub(super) grace: Duration,
    /// The same seed gives the same names, statements and figures
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(super) seed: u64,
    /// The most connections that all collectors share
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=MOST_CONNECTIONS))]
    pub(super) connections: u32,
    /// The most batches in one request, where more than one waits
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=MOST_BATCHES))]
    pub(super) batches_per_request: u16,
    /// Each collector's clock is off, by its own amount up to this, ahead or behind
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = time)]
    pub(super) clock_drift: Duration,
    /// How often each collector starts anew meanwhile, with a new spool: a new epoch, and a first reading without increments
    #[arg(long, value_name = "TIMES", default_value_t = 0)]
    pub(super) restarts: u32,
    /// All collectors come at the same moment of each interval instead of spread over it
    #[arg(long)]
    pub(super) bursts: bool,
    /// The share of batches that are sent twice, half of them on two connections at once (0 to 1)
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    pub(super) duplicates: f64,
    /// The share of batches that are sent after the one that follows them (0 to 1)
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    pub(super) out_of_order: f64,
    /// What each collector has in its spool when it begins, as after an outage: 1d is a day of readings
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = time)]
    pub(super) backlog: Duration,
    /// The store (libpq's URI or keywords): rows are counted and compared there when the load ends
    #[arg(long, value_name = "DSN")]
    pub(super) store_url: Option<String>,
    /// The server's process on this machine, to measure what it takes
    #[arg(long, value_name = "PID")]
    pub(super) server_pid: Option<u32>,
    /// Remove the registered collectors at the end; what they delivered stays. Needs --user, an administrator
    #[arg(long, requires = "user", requires = "password")]
    pub(super) cleanup: bool,
    /// The administrator for --cleanup
    #[arg(long, value_name = "NAME")]
    pub(super) user: Option<String>,
    /// The administrator's password
    #[arg(long, value_name = "PASSWORD", env = "PGANALYTICS_PASSWORD", hide_env_values = true)]
    pub(super) password: Option<String>,
    /// Print the report as JSON
    #[arg(long)]
    pub(super) json: bool,
}

impl LoadArguments {
    /// What does not go together, in a sentence.
    pub(super) fn contradiction(&self) -> Option<String> {
        if self.interval < Duration::from_millis(100) {
            return Some("--interval: expected at least 100ms".to_owned());
        }
        let cycles = self.cycles();
        if self.restarts >= cycles {
            let restarts = self.restarts;
            return Some(format!("--restarts {restarts}: expected fewer than the {cycles} cycles of --duration"));
        }
        if self.backlog > Duration::from_secs(13 * 86_400) {
            return Some(
                "--backlog: expected at most 13d: a server takes nothing that is older than 14 days".to_owned(),
            );
        }
        None
    }

    /// How often each collector reads while the load lasts.
    pub(super) fn cycles(&self) -> u32 {
        times(self.duration, self.interval).max(1)
    }

    /// How many readings wait in each spool at the beginning.
    pub(super) fn backlog_cycles(&self) -> u32 {
        times(self.backlog, self.interval)
    }
}

fn times(whole: Duration, part: Duration) -> u32 {
    u32::try_from(whole.as_micros() / part.as_micros().max(1)).unwrap_or(u32::MAX)
}

/// A length of time as in `60s`, `10m`, `1h30m` or `1d`.
fn time(text: &str) -> Result<Duration, String> {
    let wrong = || format!("expected a time as in 60s, 10m or 1d, got {text:?}");
    let span: Span = text.parse().map_err(|_| wrong())?;
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    Duration::try_from(length).map_err(|_| wrong())
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| format!("expected a share from 0 to 1, as in 0.1, got {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let seconds = |text| time(text).unwrap().as_secs();
        assert_eq!([seconds("60s"), seconds("10m"), seconds("1d"), seconds("1h 30m")], [60, 600, 86_400, 5400]);
        for wrong in ["", "60", "-5s", "soon", "1y"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
        assert!(share("0.5").is_ok() && share("1.5").is_err() && share("NaN").is_err());
    }
}
