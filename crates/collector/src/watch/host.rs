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
use crate::host::{self, Sources, Tablespace, boot};
use crate::read::{self, ReadError, signed};
use crate::session::Session;

/// How long the host's files may take: a device that is gone can make whoever asks for its size hang.
const HOST_LIMIT: Duration = Duration::from_secs(5);
/// The set that says which file system holds what.
const FILESYSTEMS: &str = "host_filesystems";
/// How long the answer holds whether an instance is on this machine.
const LOCALITY_HOLDS: Duration = Duration::from_secs(60);

/// What is remembered for these sets between cycles.
#[derive(Debug, Default)]
pub(super) struct Host {
    is_here: Option<(Option<bool>, Instant)>,
    data_directory: Option<PathBuf>,
    tablespaces: Option<Vec<Tablespace>>,
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
            if set.name() == FILESYSTEMS {
                self.ask_tablespaces(at).await;
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

/// Where the files of tablespaces are; those of the two that each cluster begins with are in the data directory.
const TABLESPACES: &str = "\
select coalesce(array_agg(pg_catalog.quote_ident(t.spcname)::pg_catalog.text order by t.oid), '{}') as names,
       coalesce(array_agg(t.location order by t.oid), '{}') as locations
from (select s.oid, s.spcname, pg_catalog.pg_tablespace_location(s.oid) as location
      from pg_catalog.pg_tablespace s where s.spcname not in ('pg_default', 'pg_global')) t
where t.location <> ''";

async fn tablespaces(session: &Session) -> Result<Vec<Tablespace>, ReadError> {
    let sql = signed(TABLESPACES);
    let row = session.told(session.client.query_typed_one(&sql, &[])).await?;
    let (names, locations) = (session.texts(&row, "names")?, session.texts(&row, "locations")?);
    let told = names.into_iter().flatten().zip(locations.into_iter().flatten());
    Ok(told.map(|(name, location)| Tablespace { name, location: location.into() }).collect())
}

impl Host {
    /// Remembers where the instance keeps its data, for when it does not answer.
    pub(super) fn keeps_data_in(&mut self, directory: Option<&String>) {
        self.data_directory = directory.map(PathBuf::from);
    }

    /// Asks where tablespaces are. What was told last holds while the instance does not answer.
    async fn ask_tablespaces(&mut self, at: &At<'_>) {
        let Some((main, _)) = &at.server.main else { return };
        match main.within(read::limit(), tablespaces(main)).await {
            Ok(told) => self.tablespaces = Some(told),
            // One that is dropped at this moment is an error, too.
            Err(error) => tracing::debug!(%error, "cannot ask where tablespaces are"),
        }
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
        let here = Sources::here(self.data_directory.clone());
        let sources = Sources { tablespaces: self.tablespaces.clone(), ..here };
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
