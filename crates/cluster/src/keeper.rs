//! A postmaster that is kept running: looked at every second, started again when it has ended, and ever more rarely
//! while it does not stay up. What is wrong meanwhile can be asked at any time.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::cluster::Cluster;
use crate::command;
use crate::error::{Error, io};
use crate::lifecycle::Start;

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The longest pause between two attempts; the first is made at once, the second after a second, then twice as long.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Who has run for so long has not crashed in a loop.
const STAYS_AFTER: Duration = Duration::from_secs(60);

/// What stands in a server log, and what it means. The first that is found counts.
const CAUSES: [(&str, &str); 9] = [
    ("No space left on device", "its disk is full"),
    ("Disk quota exceeded", "its disk quota is used up"),
    ("Read-only file system", "its file system is read-only"),
    ("Input/output error", "its disk fails"),
    ("Permission denied", "it may not read or write its files"),
    ("Address already in use", "its port is taken"),
    ("Cannot allocate memory", "there is not enough memory"),
    ("could not locate a valid checkpoint record", "its write-ahead log is damaged"),
    ("is still in use", "processes of the one before it do not end"),
];

/// A time without the postmaster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// Since when, about.
    pub since: Instant,
    /// How it ended: "was killed (signal 9)".
    pub ended: String,
    /// How often it was tried in vain to start it.
    pub failed_starts: u32,
    /// Why the last start failed.
    pub reason: Option<String>,
    /// When the next is made.
    pub next_try: Instant,
}

impl Outage {
    /// What happened, and what is done about it.
    #[must_use]
    pub fn sentence(&self, now: Instant) -> String {
        let ago = now.saturating_duration_since(self.since).as_secs();
        let next = match self.next_try.saturating_duration_since(now).as_secs() {
            0 => "it is being started again".to_owned(),
            next => format!("next try in {next} s"),
        };
        match &self.reason {
            None => format!("PostgreSQL {} {ago} s ago; {next}", self.ended),
            Some(reason) => format!(
                "PostgreSQL {} {ago} s ago and could not be started ({} tries): {reason}; {next}",
                self.ended, self.failed_starts
            ),
        }
    }
}

/// Keeps a cluster running until it is released.
#[derive(Debug)]
pub struct Keeper {
    stop: Sender<()>,
    thread: JoinHandle<Cluster>,
    condition: Condition,
}

/// Whether the postmaster is there; can be asked by many.
#[derive(Debug, Clone, Default)]
pub struct Condition(Arc<Mutex<Option<Outage>>>);

impl Condition {
    /// What is wrong, if anything is.
    #[must_use]
    pub fn outage(&self) -> Option<Outage> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Outage>> {
        match self.0.lock() {
            Ok(guard) => guard,
            Err(poisoned) => poisoned.into_inner(),
        }
    }
}

impl Keeper {
    /// Watches a cluster that has been started.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn keep(cluster: Cluster) -> Result<Self, Error> {
        let (stop, stopped) = channel();
        let condition = Condition::default();
        let data = cluster.data_dir().to_path_buf();
        let told = condition.clone();
        let thread = std::thread::Builder::new()
            .name("store-keeper".to_owned())
            .spawn(move || watch(cluster, &stopped, &told))
            .map_err(io("watch", data))?;
        Ok(Self { stop, thread, condition })
    }

    /// Whether the postmaster is there.
    #[must_use]
    pub fn condition(&self) -> Condition {
        self.condition.clone()
    }

    /// Watches no more and gives the cluster back, as it is. `None` if watching had ended in a panic.
    #[must_use]
    pub fn release(self) -> Option<Cluster> {
        drop(self.stop);
        self.thread.join().ok()
    }
}

fn watch(mut cluster: Cluster, stopped: &Receiver<()>, told: &Condition) -> Cluster {
    // Attempts since it last stayed up, also those after which it ran for a moment.
    let mut attempts = 0_u32;
    let mut started = Instant::now();
    let mut log_offset = log_length(&cluster);
    while stopped.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
        let now = Instant::now();
        let outage = told.outage();
        let Some(mut outage) = outage.or_else(|| {
            if cluster.is_running() {
                return None;
            }
            if now.duration_since(started) >= STAYS_AFTER {
                attempts = 0;
            }
            let outage = Outage {
                since: now,
                ended: how_it_ended(&mut cluster, log_offset),
                failed_starts: 0,
                reason: None,
                next_try: now + pause(attempts),
            };
            tracing::error!(path = %cluster.data_dir().display(), "{}", outage.sentence(now));
            Some(outage)
        }) else {
            log_offset = log_length(&cluster);
            continue;
        };
        // A start takes its time.
        *told.lock() = Some(outage.clone());
        if now >= outage.next_try {
            attempts = attempts.saturating_add(1);
            match cluster.start() {
                Ok(start) => {
                    started = Instant::now();
                    log_offset = log_length(&cluster);
                    let seconds = started.duration_since(outage.since).as_secs();
                    let adopted = start == Start::Adopted;
                    tracing::warn!(attempts, adopted, "PostgreSQL runs again, {seconds} s after it {}", outage.ended);
                    *told.lock() = None;
                    continue;
                }
                Err(error) => {
                    outage.failed_starts += 1;
                    outage.reason = Some(reason(&error));
                    outage.next_try = Instant::now() + pause(attempts);
                    tracing::error!(error = &error as &dyn std::error::Error, "{}", outage.sentence(Instant::now()));
                }
            }
        }
        *told.lock() = Some(outage);
    }
    cluster
}

/// How long is waited before an attempt, after so many.
fn pause(attempts: u32) -> Duration {
    match attempts {
        0 => Duration::ZERO,
        more => LONGEST_PAUSE.min(Duration::from_secs(1 << (more - 1).min(10))),
    }
}

fn log_length(cluster: &Cluster) -> u64 {
    std::fs::metadata(cluster.log_file()).map_or(0, |metadata| metadata.len())
}

fn how_it_ended(cluster: &mut Cluster, log_offset: u64) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    let status = cluster.reap();
    if let Some(signal) = status.and_then(|status| status.signal()) {
        return format!("was killed (signal {signal})");
    }
    let words = command::log_tail(&cluster.log_file(), log_offset);
    match cause(&words) {
        Some(cause) => format!("ended because {cause}"),
        None if words.contains("shut down") || words.contains("shutdown request") => "was shut down".to_owned(),
        None => "ended".to_owned(),
    }
}

/// Why a start failed, in words that may be shown to anybody: the log has the rest.
fn reason(error: &Error) -> String {
    match error {
        Error::StartFailed { tail, .. } => cause(tail).unwrap_or("the reason stands in its log").to_owned(),
        Error::StartTimeout { seconds, .. } => format!("it is not ready after {seconds} s"),
        Error::MissingMajor { major, .. } => format!("PostgreSQL {major} is not installed any more"),
        Error::NoBinaries { .. } | Error::NoProgram { .. } => "PostgreSQL is not installed any more".to_owned(),
        Error::Io { source, .. } => source.kind().to_string(),
        _ => "the reason stands in the server's log".to_owned(),
    }
}

fn cause(words: &str) -> Option<&'static str> {
    CAUSES.iter().find(|(word, _)| words.contains(word)).map(|(_, cause)| *cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute_and_no_further() {
        let seconds: Vec<u64> = [0, 1, 2, 3, 6, 7, 8, 4_000_000].map(|attempts| pause(attempts).as_secs()).to_vec();
        assert_eq!(seconds, [0, 1, 2, 4, 32, 60, 60, 60]);
    }

    #[test]
    fn a_full_disk_is_told_in_a_sentence() {
        let now = Instant::now();
        let words = "PANIC:  could not write to file \"pg_wal/xlogtemp.7\": No space left on device";
        let outage = Outage {
            since: now,
            ended: format!("ended because {}", cause(words).unwrap()),
            failed_starts: 3,
            reason: Some("its disk is full".to_owned()),
            next_try: now + Duration::from_secs(8),
        };
        let told = outage.sentence(now + Duration::from_secs(2));
        let expected = "PostgreSQL ended because its disk is full 2 s ago and could not be started (3 tries): its disk \
                        is full; next try in 6 s";
        assert_eq!(told, expected);
        let outage = Outage { ended: "was killed (signal 9)".to_owned(), failed_starts: 0, reason: None, ..outage };
        let told = outage.sentence(now + Duration::from_secs(9));
        assert_eq!(told, "PostgreSQL was killed (signal 9) 9 s ago; it is being started again");
    }
}
