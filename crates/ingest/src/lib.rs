//! From a request's body to committed rows, exactly once.
//!
//! ```text
//! body ─► decompress ─► protobuf | JSON ─► Incoming ─► check, encode ─► Prepared ─► queue ─► transaction
//! ```
//! Owns the checks, the ledger, the COPY encoder and the answers. Knows no HTTP: handlers turn
//! [`PushAnswer`] and [`PushError`] into responses.

mod answer;
mod body;
mod budget;
mod check;
mod clock;
mod copy;
mod due;
mod encode;
mod examine;
mod incoming;
mod infos;
mod instances;
mod json;
mod ledger;
mod many;
mod process;
mod protobuf;
mod queue;
mod said;
mod strict;
mod texts;
mod write;

use std::collections::HashSet;
use std::num::NonZero;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::thread::available_parallelism;
use std::time::Instant;

use bytes::Bytes;
use catalog::DefinitionHash;
use jiff::Timestamp;
use tokio::sync::Semaphore;
use uuid::Uuid;

pub use answer::{PushAnswer, PushError, Rejected, Said};
pub use body::{Batches, Compression, Encoding, MANY_CONTENT_TYPE, MAX_COMPRESSED, MAX_DECODED};
pub use budget::{Budget, Room};
pub use examine::{Examined, examine};
pub use many::MAX_BATCHES;
pub use strict::{Strict, Texts};

use clock::Clocks;
use encode::Prepared;
use incoming::Incoming;
use ledger::Entry;
use process::Replaced;
use queue::{Queue, Written};
use store::{CustomSets, DefinitionError, Failure, Identity, Store, StoreError, Told};
use wire::Attributes;
use write::Outcome;

/// Seconds after which a collector that found no room or no store asks again; it adds jitter.
const RETRY_AFTER_SECONDS: u32 = 5;

/// Seconds until a collector asks for its configuration again.
const NEXT_CHECK_SECONDS: u32 = 300;

/// Why a definition is refused that somebody may approve.
pub const NEEDS_APPROVAL: &str = "definition_needs_approval";

/// The most refused definitions that are remembered.
const MAX_REFUSED: usize = 10_000;

/// Takes batches in.
#[derive(Clone, Debug)]
pub struct Ingest {
    store: Arc<Store>,
    queue: Queue,
    budget: Budget,
    clocks: Arc<Clocks>,
    custom_sets: CustomSets,
    refused: Arc<Mutex<HashSet<DefinitionHash>>>,
}

/// A push as it arrives.
#[derive(Debug)]
pub struct Push {
    /// The collector that the token belongs to.
    pub collector_id: Uuid,
    /// From [`Ingest::admit`], asked for before the body was read.
    pub room: Room,
    /// From `Content-Type`.
    pub encoding: Encoding,
    /// From `Content-Encoding`.
    pub compression: Compression,
    /// The body, at most [`MAX_COMPRESSED`] bytes.
    pub body: Bytes,
    /// When it began to arrive.
    pub now: Timestamp,
    /// The same moment by the clock that nobody sets.
    pub since: Instant,
}

/// A batch on its way into the store.
struct Taken {
    began: Instant,
    arrived: (Timestamp, Instant),
    room: Room,
    prepared: Arc<Prepared>,
    written: Written,
    /// Whether names and texts are to be told again.
    is_sent_again: bool,
}

impl Ingest {
    /// Starts the writers. `buffer_bytes` is `METRICS_BUFFER_SIZE`. Needs a tokio runtime.
    #[must_use]
    pub fn start(store: Arc<Store>, buffer_bytes: u64, custom_sets: CustomSets) -> Self {
        let queue = Queue::start(&store);
        Self {
            store,
            queue,
            budget: Budget::new(buffer_bytes),
            clocks: Arc::default(),
            custom_sets,
            refused: Arc::default(),
        }
    }

    /// Bytes in flight and the most that there may be.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Takes no more batches; what waits is still written.
    pub fn close(&self) {
        self.queue.close();
    }

    /// Room for a body of so many bytes.
    ///
    /// # Errors
    /// 413 when no body may be so long, 503 when too much is in flight.
    pub fn admit(&self, collector_id: Uuid, body_bytes: u64) -> Result<Room, PushError> {
        if body_bytes > MAX_COMPRESSED as u64 {
            return Err(body::too_long(MAX_COMPRESSED));
        }
        self.budget.admit(collector_id, body_bytes).ok_or_else(busy)
    }

    /// Takes a batch in and answers after its rows are committed.
    ///
    /// # Errors
    /// When nothing of it was stored, or when that is not known.
    pub async fn push(&self, push: Push) -> Result<PushAnswer, PushError> {
        let taken = self.take(push).await?;
        self.answer(taken).await
    }

    /// Reads, checks and encodes a batch, and puts it into the queue.
    async fn take(&self, push: Push) -> Result<Taken, PushError> {
        let began = Instant::now();
        let Push { collector_id, room, encoding, compression, body, now, since } = push;
        let (mut incoming, decoded_bytes) = self.read(encoding, compression, body, now).await?;
        if incoming.collector_id != collector_id {
            return Err(PushError::WrongCollector);
        }
        let correction = self.clocks.correct(&self.store, &incoming, now).await.map_err(unavailable)?;
        incoming.shift(correction.offset_us);
        if incoming.created_us < now.as_microsecond() - check::OLDEST_US {
            let days = check::OLDEST_US / 86_400_000_000;
            let reason = format!("the batch is older than {days} days: the ledger may have forgotten it");
            return Err(PushError::Invalid { code: "too_old", reason });
        }
        let room = room.grow(decoded_bytes + encode::weigh(&incoming)?).ok_or_else(busy)?;

        let numbered = self.store.instance_ids(collector_id, &told(&incoming), now).await.map_err(unavailable)?;
        let is_sent_again = numbered.iter().any(|one| one.is_sent_again);
        let ids: Vec<i32> = numbered.into_iter().map(|one| one.id).collect();
        let prepared = blocking(move || encode::encode(incoming, &ids, now, correction)).await?;
        let prepared = Arc::new(prepared);
        let written = self.queue.put(Arc::clone(&prepared)).map_err(unavailable)?;
        Ok(Taken { began, arrived: (now, since), room, prepared, written, is_sent_again })
    }

    /// Waits until a batch is written, and says what became of it.
    async fn answer(&self, taken: Taken) -> Result<PushAnswer, PushError> {
        let Taken { began, arrived: (now, since), room, prepared, written, is_sent_again } = taken;
        let Entry { outcome, known } = written.entry().await.map_err(unavailable)?;
        drop(room);
        if let Outcome::Replaced(Replaced { since, hostname }) = outcome {
            return Err(PushError::IdentityInUse { since, hostname });
        }
        if let (Some(note), Outcome::Stored) = (prepared.clock, &outcome) {
            self.clocks.saved(prepared.collector_id, note);
        }
        let said = Said { hostname: prepared.hostname.clone(), version: prepared.version.clone() };

        let duplicate = outcome == Outcome::Duplicate;
        let (rows_by_set, rejected) = match outcome {
            Outcome::Stored => (prepared.rows_by_set.clone(), prepared.rejected.clone()),
            Outcome::Duplicate | Outcome::Replaced(_) => Default::default(),
            Outcome::Rejected(mut by_store) => {
                by_store.extend(prepared.rejected.iter().cloned());
                (Default::default(), by_store)
            }
        };
        Ok(PushAnswer {
            status: "accepted",
            batch_id: prepared.key.map(|(epoch, sequence)| format!("{epoch}/{sequence}")),
            duplicate,
            last_sequence: known.last_sequence,
            last_epoch: known.last_epoch,
            lane: prepared.lane,
            forgotten: known.forgotten || is_sent_again,
            last_process: known.last_process,
            last_process_ago_ms: known.last_process_ago_ms,
            deduplicated: prepared.key.is_some(),
            rows_inserted: rows_by_set.values().sum(),
            rows_by_set,
            rejected,
            answered_at: now.saturating_add(since.elapsed()).unwrap_or(now),
            processing_time_ms: began.elapsed().as_secs_f64() * 1000.0,
            store_id: self.store.store_id(),
            next_config_version: None,
            next_check_in_seconds: NEXT_CHECK_SECONDS,
            said,
        })
    }

    /// Takes a definition in; answers its hash. Readings of one that is refused are rejected from
    /// here on, so that a collector does not ask again and again.
    ///
    /// # Errors
    /// 422 when it breaks a rule or contradicts what is stored, 503 when the store fails.
    pub async fn define(&self, definition: catalog::Definition) -> Result<DefinitionHash, PushError> {
        self.define_as(definition, self.custom_sets).await
    }

    /// The same with another word on sets that are not this server's.
    ///
    /// # Errors
    /// As [`Ingest::define`].
    pub async fn define_as(
        &self,
        definition: catalog::Definition,
        custom: CustomSets,
    ) -> Result<DefinitionHash, PushError> {
        let hash = definition.hash();
        match self.store.add_definition(definition, custom).await {
            Ok(()) => {
                self.refused().remove(&hash);
                Ok(hash)
            }
            Err(error @ (DefinitionError::Invalid { .. } | DefinitionError::NeedsApproval { .. })) => {
                let is_open = matches!(error, DefinitionError::NeedsApproval { .. });
                let code = if is_open { NEEDS_APPROVAL } else { "invalid_definition" };
                let mut refused = self.refused();
                if refused.len() < MAX_REFUSED {
                    refused.insert(hash);
                }
                Err(PushError::Invalid { code, reason: error.to_string() })
            }
            Err(DefinitionError::Store(source)) => Err(unavailable(source)),
        }
    }

    fn refused(&self) -> MutexGuard<'_, HashSet<DefinitionHash>> {
        match self.refused.lock() {
            Ok(guard) => guard,
            Err(poisoned) => poisoned.into_inner(),
        }
    }

    /// The common form of a body, and its length after decompression.
    async fn read(
        &self,
        encoding: Encoding,
        compression: Compression,
        body: Bytes,
        now: Timestamp,
    ) -> Result<(Incoming, u64), PushError> {
        match encoding {
            Encoding::Json => {
                let store = Arc::clone(&self.store);
                blocking(move || {
                    let decoded = compression.decode(&body)?;
                    Ok((json::parse(&decoded, store.definitions(), now)?, decoded.len() as u64))
                })
                .await?
            }
            Encoding::Protobuf => {
                let (batch, length) = blocking(move || {
                    let decoded = compression.decode(&body)?;
                    Ok((protobuf::parse(&decoded)?, decoded.len() as u64))
                })
                .await??;
                let unknown = protobuf::unknown_hashes(&batch, self.store.definitions())?;
                if !unknown.is_empty() {
                    self.store.refresh_definitions(&unknown).await.map_err(unavailable)?;
                    let mut hashes = protobuf::unknown_hashes(&batch, self.store.definitions())?;
                    hashes.retain(|hash| !self.refused().contains(hash));
                    if !hashes.is_empty() {
                        return Err(PushError::UnknownDefinition { hashes });
                    }
                }
                Ok((protobuf::unfold(batch, self.store.definitions())?, length))
            }
        }
    }
}

/// What a batch tells of its instances, behind them of those that only lost something.
fn told(incoming: &Incoming) -> Vec<Told<'_>> {
    let moment = |us: i64| Timestamp::from_microsecond(us).unwrap_or(Timestamp::UNIX_EPOCH);
    let at = moment(incoming.created_us);
    let of = |place: usize, name| {
        let begun = incoming.readings.iter().filter(|reading| reading.instance == place);
        let begins = begun.map(|reading| moment(reading.started_us)).min().unwrap_or(at);
        let instance = incoming.instances.get(place);
        let attributes = instance.and_then(|instance| instance.attributes.as_ref());
        // What is read of databases has a batch of its own, behind the one that tells who the instance is.
        let is_whole = attributes.is_some() || instance.is_none_or(|instance| instance.error.is_some());
        let is_part = incoming.lane.is_some() && !is_whole;
        let tells = |said: &&Attributes| !said.system_identifier.is_empty() && said.postmaster_start_us > 0;
        let identity = attributes.filter(tells).map(|said| Identity {
            system_identifier: &said.system_identifier,
            started: moment(said.postmaster_start_us),
            role: &said.role,
        });
        Told { name, at, begins, identity, is_part }
    };
    let names = incoming.instances.iter().map(|instance| &instance.name);
    let names = names.chain(incoming.lost.iter().map(|lost| &lost.instance));
    names.enumerate().map(|(place, name)| of(place, name.as_str())).collect()
}

/// Runs what takes long without waiting where it does not hold up other requests; as many at a time as there are
/// processors: of thousands that arrive at once each would take a thread and memory, and be no sooner.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, PushError> {
    static PLACES: LazyLock<Semaphore> =
        LazyLock::new(|| Semaphore::new(available_parallelism().map_or(1, NonZero::get)));
    // It is never closed.
    let _place = PLACES.acquire().await;
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "a batch could not be read");
        PushError::Malformed { reason: "the batch could not be read".to_owned() }
    })
}

fn busy() -> PushError {
    PushError::Busy { retry_after: RETRY_AFTER_SECONDS }
}

fn unavailable(error: StoreError) -> PushError {
    if error.failure() == Failure::Values {
        let state = error.sql_state().map_or("", |state| state.code());
        return PushError::Invalid {
            code: "invalid_values",
            reason: format!("the store refused its values ({state})"),
        };
    }
    if let Some(why) = error.short() {
        tracing::warn!(why = why.words(), "a batch is put off");
        return PushError::Short { retry_after: RETRY_AFTER_SECONDS, why };
    }
    tracing::error!(error = &error as &dyn std::error::Error, "the store is not available for ingest");
    PushError::Unavailable { retry_after: RETRY_AFTER_SECONDS, why: error.why() }
}
