//! A configuration that the server pushed: which one is followed, and which one is gone back to.
//!
//! A new one is on trial until the server was reached with it. One with which it is not reached, or with which the process
//! ends again and again, is left for the last good one; it is tried once more when the server is reached with that,
//! since the server may have been away, and given up after that, until somebody changes something here or there. All of it
//! is on disk, so that it outlives the process. What cannot be read or followed at all is refused where it is read, and the
//! good one stays too. Which one it is says its text: numbers begin again when a store is put back.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use config::Pushed;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::backend::{Backend, Configured};
use crate::push::{Counters, LONGEST_PAUSE, pause};
use crate::run::{Assignment, hostname};
use crate::state::Registration;

const FILE: &str = "pushed.json";
/// How often the process may start with one before it has reached the server.
const MAX_STARTS: u32 = 3;
/// How often it is tried.
const MAX_TRIALS: u32 = 3;
/// How often the server is asked while one is on trial, or nothing is delivered whose answer could tell of one.
const SHORT_PAUSE: Duration = Duration::from_secs(10);

/// What is known of pushed configurations; shared by whoever asks for them and whoever assigns them.
#[derive(Debug)]
pub struct Steering {
    state_dir: PathBuf,
    kept: Mutex<Kept>,
    changed: Notify,
    /// Why what was kept is not known.
    damage: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    /// What the server wants.
    newest: Option<Version>,
    /// The last one with which it was reached.
    good: Option<Version>,
    /// How often the process started with the newest one and did not reach it.
    starts: u32,
    /// How often the newest one was left for the good one, with which the server was reached then.
    trials: u32,
    /// Why it was left last.
    #[serde(default)]
    left_because: String,
    /// Whether the good one is followed until the server is reached.
    is_back: bool,
    /// Why the newest one is not tried any more.
    given_up: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Version {
    version: i64,
    /// The entity tag that it came with.
    tag: String,
    text: String,
}

impl Version {
    fn pushed(&self) -> Pushed {
        Pushed { version: self.version, text: self.text.clone() }
    }
}

impl Kept {
    fn is_on_trial(&self) -> bool {
        self.newest != self.good && !self.is_back && self.given_up.is_none()
    }

    /// Whether this is what the server wants.
    fn is_newest(&self, pushed: Option<&Pushed>) -> bool {
        self.newest.as_ref().map(Version::pushed).as_ref() == pushed
    }

    /// The process starts with this one; whether it is to be left at once.
    fn start(&mut self, pushed: Option<&Pushed>) -> bool {
        if !self.is_on_trial() || !self.is_newest(pushed) {
            return false;
        }
        self.starts += 1;
        let is_enough = self.starts > MAX_STARTS;
        if is_enough {
            self.go_back(&format!("the collector ended {MAX_STARTS} times before it reached the server"));
        }
        is_enough
    }

    /// Somebody changed something here: what was given up may go now.
    fn try_again(&mut self) {
        (self.starts, self.trials, self.is_back, self.given_up) = (0, 0, false, None);
    }

    fn go_back(&mut self, why: &str) {
        let version = self.newest.as_ref().map_or(0, |newest| newest.version);
        tracing::warn!(config.version = version, why, "going back to the configuration before");
        (self.is_back, self.starts) = (true, 0);
        self.left_because = why.to_owned();
    }

    /// The server was reached, with this one in force; whether another one is to be followed now.
    fn reach(&mut self, in_force: Option<&Pushed>) -> bool {
        self.starts = 0;
        if self.is_newest(in_force) {
            *self = Self { newest: self.newest.clone(), good: self.newest.clone(), ..Self::default() };
            return false;
        }
        if !std::mem::take(&mut self.is_back) {
            return false;
        }
        // That it is not the server shows only now: it is reached with another one.
        self.trials += 1;
        if self.trials >= MAX_TRIALS {
            let why = format!("{}, {MAX_TRIALS} times, and it was reached with the one before", self.left_because);
            self.given_up = Some(why);
        }
        self.given_up.is_none()
    }

    /// The server wants this one; whether that is new.
    fn learn(&mut self, newest: Option<Version>) -> bool {
        if self.newest == newest {
            return false;
        }
        *self = Self { newest, good: self.good.take(), ..Self::default() };
        true
    }

    /// What to follow, the best first.
    fn candidates(&self) -> Vec<Option<Pushed>> {
        let pushed = |version: &Option<Version>| version.as_ref().map(Version::pushed);
        let mut candidates = vec![pushed(&self.good)];
        if self.newest != self.good && !self.is_back && self.given_up.is_none() {
            candidates.insert(0, pushed(&self.newest));
        }
        candidates
    }
}

impl Steering {
    /// What was kept in a state directory.
    #[must_use]
    pub fn look(state_dir: &Path) -> Self {
        // The server has it: what it wants is asked for anew.
        let (kept, damage) = match load(state_dir) {
            Ok(kept) => (kept, None),
            Err(error) => (Kept::default(), Some(format!("{error:#}"))),
        };
        Self { state_dir: state_dir.to_owned(), kept: Mutex::new(kept), changed: Notify::new(), damage }
    }

    /// Why what the server pushed is not known, where it should be.
    #[must_use]
    pub fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
    }

    /// The process starts with this one; whether it is to be left at once for the next candidate.
    #[must_use]
    pub fn start(&self, pushed: Option<&Pushed>) -> bool {
        self.update(|kept| kept.start(pushed))
    }

    /// Somebody changed something here: what was given up is tried again.
    pub fn try_again(&self) {
        self.update(Kept::try_again);
    }

    /// What to follow, the best first; `None` is the collector's own configuration alone.
    #[must_use]
    pub fn candidates(&self) -> Vec<Option<Pushed>> {
        self.kept().candidates()
    }

    /// The version that the server wants and that is not tried any more, and why.
    #[must_use]
    pub fn given_up(&self) -> Option<(i64, String)> {
        let kept = self.kept();
        Some((kept.newest.as_ref()?.version, kept.given_up.clone()?))
    }

    /// Another one is to be followed.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// What the server wants.
    fn newest(&self) -> Option<Pushed> {
        self.kept().newest.as_ref().map(Version::pushed)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is kept, on disk too.
    fn update<T>(&self, change: impl FnOnce(&mut Kept) -> T) -> T {
        let mut kept = self.kept();
        let before = kept.clone();
        let outcome = change(&mut kept);
        if *kept != before
            && let Err(error) = save(&self.state_dir, &kept)
        {
            tracing::warn!(error = format!("{error:#}"), "what the server pushed is not on disk");
        }
        outcome
    }
}

fn load(state_dir: &Path) -> Result<Kept> {
    let path = state_dir.join(FILE);
    match fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text).with_context(|| format!("understand {}", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Kept::default()),
        Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
    }
}

fn save(state_dir: &Path, kept: &Kept) -> Result<()> {
    let (path, temporary) = (state_dir.join(FILE), state_dir.join("pushed.json.new"));
    let written = || {
        let mut file = fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&temporary)?;
        file.write_all(&serde_json::to_vec(kept)?)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        fs::File::open(state_dir)?.sync_all()
    };
    written().with_context(|| format!("write {}", path.display()))
}

/// Asks the server for what it wants, for ever: when it says that there is something, and otherwise as often as
/// configured.
pub async fn pull(
    steering: &Steering,
    mut assignments: watch::Receiver<std::sync::Arc<Assignment>>,
    counters: &Counters,
) {
    let mut trial: Option<Instant> = None;
    let mut failures = 0_u32;
    loop {
        let assignment = Arc::clone(&assignments.borrow_and_update());
        let config = &assignment.config;
        let asked = ask(steering, &assignment).await;
        let length = match asked {
            Ok(newest) => {
                failures = 0;
                let in_force = counters.in_force();
                let is_other = steering.update(|kept| {
                    let is_other = kept.reach(in_force.as_ref());
                    newest.is_some_and(|newest| kept.learn(newest)) || is_other
                });
                counters.note_known(steering.newest().map(|newest| newest.version));
                if is_other {
                    steering.changed.notify_one();
                }
                Duration::from_secs(config.config_pull_interval.into())
            }
            Err(error) => {
                let error = format!("{error:#}");
                if config.instances.is_empty() && failures == 0 {
                    tracing::warn!(error, "the server was not asked what to watch; it is tried again");
                } else {
                    tracing::debug!(error, "the server was not asked for a configuration");
                }
                pause(&mut failures, LONGEST_PAUSE).min(Duration::from_secs(config.config_pull_interval.into()))
            }
        };
        let is_tried = steering.kept().is_on_trial() && steering.newest() == counters.in_force();
        trial = is_tried.then(|| trial.unwrap_or_else(Instant::now));
        let length = if is_tried || config.instances.is_empty() { length.min(SHORT_PAUSE) } else { length };
        if trial.is_some_and(|began| began.elapsed() >= config.config_trial) {
            let within = config.config_trial.as_secs();
            steering.update(|kept| kept.go_back(&format!("the server was not reached within {within} s with it")));
            steering.changed.notify_one();
        }
        tokio::select! {
            () = tokio::time::sleep(length.mul_f64(0.9 + rand::random::<f64>() / 5.0)) => {}
            () = counters.told_of_configuration() => {}
            changed = assignments.changed() => {
                if changed.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        }
    }
}

/// What the server wants, if that is another one than what is known.
async fn ask(steering: &Steering, assignment: &Assignment) -> Result<Option<Option<Version>>> {
    let config = &assignment.config;
    let backend = Backend::new(config)?;
    let registration = match Registration::load(&steering.state_dir)? {
        Some(kept) => kept,
        // Whoever delivers registers, where there is something to deliver.
        None if !config.instances.is_empty() => anyhow::bail!("not registered yet"),
        None => {
            let secret = config.registration_secret.as_ref().context("no registration secret")?;
            let registration = backend.register(&config.name, &hostname(), secret.expose()).await?;
            registration.save(&steering.state_dir)?;
            tracing::info!(collector.id = %registration.collector_id, "registered");
            registration
        }
    };
    let known = steering.kept().newest.as_ref().map(|newest| newest.tag.clone());
    Ok(match backend.configuration(&registration, known.as_deref()).await? {
        Configured::AsKnown => None,
        Configured::Nothing => Some(None),
        Configured::Pushed { pushed: Pushed { version, text }, tag } => Some(Some(Version { version, tag, text })),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(version: i64) -> Option<Version> {
        Some(Version { version, tag: format!("\"{version}\""), text: format!("# {version}") })
    }

    fn reach(kept: &mut Kept, in_force: Option<i64>) -> bool {
        kept.reach(in_force.and_then(version).map(|version| version.pushed()).as_ref())
    }

    fn start(kept: &mut Kept, with: i64) -> bool {
        kept.start(version(with).map(|version| version.pushed()).as_ref())
    }

    fn versions(kept: &Kept) -> Vec<Option<i64>> {
        kept.candidates().iter().map(|one| one.as_ref().map(|one| one.version)).collect()
    }

    /// With version 1 in force and version 2 wanted.
    fn on_trial() -> Kept {
        let mut kept = Kept::default();
        assert!(kept.learn(version(1)));
        assert!(!reach(&mut kept, Some(1)));
        assert!(kept.learn(version(2)) && !kept.learn(version(2)));
        assert_eq!(versions(&kept), [Some(2), Some(1)]);
        kept
    }

    #[test]
    fn what_the_server_was_reached_with_is_good() {
        let mut kept = on_trial();
        assert!(!reach(&mut kept, Some(1)), "the one before is still in force");
        assert_eq!(versions(&kept), [Some(2), Some(1)]);
        assert!(!reach(&mut kept, Some(2)));
        assert_eq!(versions(&kept), [Some(2)]);
        assert!(kept.learn(None), "there is none any more");
        assert_eq!(versions(&kept), [None, Some(2)]);
        assert!(!reach(&mut kept, None));
        assert_eq!(versions(&kept), [None]);
    }

    #[test]
    fn one_that_cuts_off_is_tried_again_and_then_given_up() {
        let mut kept = on_trial();
        for _ in 1..MAX_TRIALS {
            kept.go_back("why");
            assert_eq!(versions(&kept), [Some(1)]);
            assert!(reach(&mut kept, Some(1)), "it may have been the server");
            assert_eq!(versions(&kept), [Some(2), Some(1)]);
        }
        kept.go_back("why");
        assert!(!reach(&mut kept, Some(1)) && kept.given_up.is_some());
        assert_eq!(versions(&kept), [Some(1)]);
        assert!(kept.learn(version(3)), "another one is another matter");
        assert_eq!(versions(&kept), [Some(3), Some(1)]);
    }

    #[test]
    fn one_with_which_the_process_ends_is_left() {
        let mut kept = on_trial();
        for _ in 0..9 {
            assert!(!start(&mut kept, 1), "it could not be followed: the one before was");
        }
        for _ in 0..MAX_STARTS {
            assert!(!start(&mut kept, 2));
        }
        assert!(start(&mut kept, 2));
        assert_eq!(versions(&kept), [Some(1)]);
        let mut good = Kept { newest: version(1), good: version(1), ..Kept::default() };
        assert!((0..9).all(|_| !start(&mut good, 1)), "a good one is no trial");
    }

    #[test]
    fn the_text_says_which_one_it_is() {
        let mut kept = on_trial();
        assert!(!reach(&mut kept, Some(2)));
        let other = Version { text: "# of a store that was put back".to_owned(), ..version(2).unwrap() };
        assert!(kept.learn(Some(other)));
        assert!(!reach(&mut kept, Some(2)), "that is the one before, of the same number");
        assert_eq!(kept.good, version(2));
    }

    #[test]
    fn what_was_given_up_is_tried_again_when_something_changes_here() {
        let mut kept = on_trial();
        for _ in 0..MAX_TRIALS {
            kept.go_back("why");
            reach(&mut kept, Some(1));
        }
        assert_eq!(versions(&kept), [Some(1)]);
        kept.try_again();
        assert_eq!(versions(&kept), [Some(2), Some(1)]);
    }

    #[test]
    fn it_is_kept_on_disk() {
        let directory = tempfile::tempdir().unwrap();
        let steering = Steering::look(directory.path());
        assert_eq!(steering.candidates(), [None]);
        steering.update(|kept| kept.learn(version(1)));
        let first = steering.newest();
        for nth in 0..=MAX_STARTS {
            assert_eq!(Steering::look(directory.path()).start(first.as_ref()), nth == MAX_STARTS);
        }
        let again = Steering::look(directory.path());
        assert!(again.kept().is_back);
        std::fs::write(directory.path().join(FILE), "{").unwrap();
        assert_eq!(Steering::look(directory.path()).candidates(), [None], "what is damaged is asked for anew");
    }
}
