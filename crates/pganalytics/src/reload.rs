//! Follows the collector's configuration while it runs: at SIGHUP, when a file that it came from is another one, and when
//! the server pushed another one.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use collector::push::Counters;
use collector::run::Assignment;
use collector::steering::Steering;
use config::Config;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::arguments::ConfigArguments;
use crate::collector_commands::{Falls, load, warn};

/// How often files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// For how long they must stay as they are: whoever writes one may not be done.
const SETTLED_AFTER: Duration = Duration::from_secs(1);

/// What tells a file from what it was.
type Mark = (u64, u64, u64, i64, i64);

/// The files that a configuration came from, as they are now.
type Files = BTreeMap<PathBuf, Option<Mark>>;

/// SIGHUP, where it does not end the process: without a terminal that could be gone.
pub(crate) fn hangup() -> std::io::Result<Option<Signal>> {
    let has_terminal = std::fs::File::open("/dev/tty").is_ok();
    if has_terminal { Ok(None) } else { signal(SignalKind::hangup()).map(Some) }
}

/// Why the configuration is read again.
#[derive(Clone, Copy, PartialEq)]
enum Why {
    /// Somebody sent a signal.
    Asked,
    /// The server pushed another one, or one is gone back from.
    Pushed,
    /// It was time to look at the files.
    Looked,
}

/// Assigns what the files say whenever that changes, for ever. What cannot be is refused, with line and reason, and
/// what was in force stays.
pub(crate) async fn follow(
    arguments: &ConfigArguments,
    steering: &Steering,
    assign: &watch::Sender<Arc<Assignment>>,
    counters: &Counters,
    mut hangup: Option<Signal>,
) {
    let mut known = files(&assign.borrow().config);
    // What was wrong the last time, while it is: what is missing may come.
    let mut refused: Option<String> = None;
    loop {
        let hung_up = async {
            match &mut hangup {
                Some(hangup) => _ = hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        let why = tokio::select! {
            () = hung_up => Why::Asked,
            () = steering.changed() => Why::Pushed,
            () = tokio::time::sleep(LOOK_EVERY) => Why::Looked,
        };
        if why == Why::Looked {
            let now = again(&known);
            if now == known && refused.is_none() {
                continue;
            }
            tokio::time::sleep(SETTLED_AFTER).await;
            if again(&known) != now {
                continue;
            }
        }
        if why != Why::Pushed && (why == Why::Asked || again(&known) != known) {
            steering.try_again();
        }
        // As they were before they are read: what changes meanwhile is seen the next time.
        let before = again(&known);
        match load(arguments, steering, Falls::Nowhere) {
            Ok(assignment) => {
                warn(&assignment);
                known = files(&assignment.config);
                refused = None;
                known.iter_mut().for_each(|(path, mark)| *mark = before.get(path).copied().unwrap_or(*mark));
                assign.send_replace(Arc::new(assignment));
            }
            Err(error) => {
                known = before;
                counters.note_configuration(Some(&error));
                let error = format!("{error:#}");
                if why != Why::Looked || refused.as_ref() != Some(&error) {
                    tracing::error!(error, "the new configuration is refused; the one so far stays in force");
                }
                refused = Some(error);
            }
        }
    }
}

fn files(config: &Config) -> Files {
    let mut files: Files = config.files().into_iter().map(|path| (path, None)).collect();
    if let Some(directory) = &config.catalog_dir {
        below(directory, &mut files);
    }
    below(&collector::custom::approvals(&config.state_dir), &mut files);
    again(&files)
}

/// The same files, and what is new in their directories, as they are now.
fn again(files: &Files) -> Files {
    let mut all = files.clone();
    for directory in files.keys().filter(|path| path.is_dir()) {
        below(directory, &mut all);
    }
    all.into_keys().map(|path| (path.clone(), path.metadata().ok().as_ref().map(mark))).collect()
}

fn below(directory: &Path, files: &mut Files) {
    files.insert(directory.to_owned(), None);
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            below(&entry.path(), files);
        } else {
            files.insert(entry.path(), None);
        }
    }
}

fn mark(metadata: &Metadata) -> Mark {
    (metadata.dev(), metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec())
}
