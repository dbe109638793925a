//! The sets of the host that an instance runs on. They are read whether or not the instance answers.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use catalog::{Scope, Set};
use wire::Frame;

use super::Baselines;
use super::recorder::Recorder;
use super::source::{At, Source};
use crate::baseline::Incarnation;
use crate::host::{self, Sources, boot};

/// How long the host's files may take: a device that is gone can make whoever asks for its size hang.
const HOST_LIMIT: Duration = Duration::from_secs(5);
/// How long the answer holds whether an instance is on this machine.
const LOCALITY_HOLDS: Duration = Duration::from_secs(60);

/// What is remembered for these sets between cycles.
#[derive(Debug, Default)]
pub(super) struct Host {
    is_here: Option<(Option<bool>, Instant)>,
    data_directory: Option<PathBuf>,
    /// Whether a reading still hangs.
    hangs: Arc<AtomicBool>,
}

impl Source for Host {
    const SCOPE: Scope = Scope::Host;
    type Due = [String];
    type Error = std::convert::Infallible;

    async fn read(&mut self, due: &[String], at: &mut At<'_>) -> Result<(), Self::Error> {
        let catalog = Arc::clone(&at.recorder.catalog);
        for set in Recorder::of_scope(&catalog, due, Self::SCOPE) {
            if host::reader(set.name()).is_none() || self.is_on_this_machine(at).await != Some(true) {
                continue;
            }
            let began = (Instant::now(), at.recorder.clock.now_us());
            match self.read_set(set, at.recorder, at.baselines, began.1).await {
                Ok(read) => at.recorder.record_beside(set, read, began, at.baselines, at.cycle),
                Err(error) => at.recorder.not_read(set, error, began.1, at.cycle),
            }
        }
        Ok(())
    }
}

impl Host {
    /// Remembers where the instance keeps its data, for when it does not answer.
    pub(super) fn keeps_data_in(&mut self, directory: Option<&String>) {
        self.data_directory = directory.map(PathBuf::from);
    }

    /// Whether the instance is known to run on this machine.
    pub(super) fn is_here(&self) -> bool {
        self.is_here.is_some_and(|(is_here, _)| is_here == Some(true))
    }

    async fn read_set(
        &self,
        set: &Set,
        recorder: &Recorder,
        baselines: &Baselines,
        started_us: i64,
    ) -> Result<(Frame, Incarnation), String> {
        if self.hangs.load(Ordering::Acquire) {
            return Err("the last reading of the host still hangs".to_owned());
        }
        let reader = host::reader(set.name()).ok_or("nothing reads it")?;
        let sources = Sources::here(self.data_directory.clone());
        let hangs = Arc::clone(&self.hangs);
        hangs.store(true, Ordering::Release);
        let last = baselines.get(&recorder.place(set.name(), None)).cloned();
        let definition = set.definition.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let life = last.as_ref().map(|last| &last.incarnation);
            let read = boot::incarnation(&sources, life, started_us).and_then(|boot| {
                let rows = (reader.read)(&sources)?;
                Ok((reader.follow(&definition, rows, last.as_deref(), &boot), boot))
            });
            hangs.store(false, Ordering::Release);
            read.map_err(|error| error.to_string())
        });
        match tokio::time::timeout(HOST_LIMIT, reading).await {
            Ok(read) => read.map_err(|error| error.to_string())?,
            Err(_) => Err(format!("the host's files did not answer within {} s", HOST_LIMIT.as_secs())),
        }
    }

    /// Whether the instance runs on this machine; asked once in a while, since a name may move.
    async fn is_on_this_machine(&mut self, at: &At<'_>) -> Option<bool> {
        if let Some((is_here, _)) = self.is_here.filter(|(_, asked)| asked.elapsed() < LOCALITY_HOLDS) {
            return is_here;
        }
        let is_here = host::is_here(at.server.connector.dsn()).await;
        self.is_here = Some((is_here, Instant::now()));
        is_here
    }
}
