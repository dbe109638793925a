//! Does the store's background work, as the one of several servers that has a job's lease.

use std::sync::Arc;
use std::time::{Duration, Instant};

use store::{Holder, Job, Outcome};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};
use uuid::Uuid;

use crate::App;
use crate::health::Doing;
use crate::occupancy::host_name;

/// How often it is looked whether a job is due, or left behind by a server that is gone.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// How long the log does not repeat why a job fails.
const SAY_AGAIN_AFTER: Duration = Duration::from_secs(300);

/// How long a server that stops tries to let go of its jobs.
const RELEASE_WITHIN: Duration = Duration::from_secs(2);

/// The jobs of a server.
#[derive(Debug)]
pub(crate) struct Jobs {
    app: Arc<App>,
    holder: Holder,
    tasks: Vec<JoinHandle<()>>,
}

impl Jobs {
    /// Begins to look after all of them.
    pub(crate) fn start(app: &Arc<App>) -> Self {
        let holder = Holder { id: Uuid::now_v7(), host: host_name() };
        let tasks = Job::ALL.map(|job| tokio::spawn(look_after(Arc::clone(app), job, holder.clone()))).into();
        Self { app: Arc::clone(app), holder, tasks }
    }

    /// Gives up what is under way; another server, or the next start, does it again.
    pub(crate) async fn stop(self) {
        for task in self.tasks {
            task.abort();
            let _ = task.await;
        }
        let Ok(store) = self.app.store() else { return };
        if !matches!(timeout(RELEASE_WITHIN, store.release_jobs(&self.holder)).await, Ok(Ok(()))) {
            tracing::info!("the store was not told that this server's jobs are free; it finds out by itself");
        }
    }
}

async fn look_after(app: Arc<App>, job: Job, holder: Holder) {
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // What was said last of what does not work, and when: the log says it once in a while.
    let mut said: Option<(&'static str, Instant)> = None;
    loop {
        ticks.tick().await;
        let Ok(store) = app.store() else { continue };
        match store.run_due(job, &holder).await {
            Ok(Outcome::Done { is_left }) => {
                app.troubles.worked(doing(job));
                if said.take().is_some() {
                    tracing::info!(job = job.name(), "background work in the store goes on");
                }
                if is_left {
                    ticks.reset_immediately();
                }
            }
            // Whichever server did it last, it worked there.
            Ok(Outcome::Left { failures: 0 }) => app.troubles.worked(doing(job)),
            Ok(Outcome::Left { .. }) => {}
            Ok(Outcome::Lost) => tracing::warn!(job = job.name(), "the lease was lost: another server may do the job"),
            Err(error) => {
                let why = error.why();
                app.troubles.note(doing(job), why, app.clock.now());
                if said.is_none_or(|(before, at)| before != why || at.elapsed() >= SAY_AGAIN_AFTER) {
                    said = Some((why, Instant::now()));
                    tracing::warn!(
                        job = job.name(),
                        error = &error as &dyn std::error::Error,
                        "background work in the store failed; it is tried again"
                    );
                }
            }
        }
    }
}

fn doing(job: Job) -> Doing {
    match job {
        Job::Partitions => Doing::Partitions,
        Job::Retention => Doing::Retention,
        Job::RollUp => Doing::RollUp,
        Job::Sizes => Doing::Sizes,
        Job::Compress => Doing::Compress,
    }
}
