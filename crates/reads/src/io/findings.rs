//! What of I/O somebody should look into. Pure.
//!
//! That backends should neither write nor sync much themselves is said in PostgreSQL's documentation of `pg_stat_io`;
//! from when on that is much is ours.

use super::model::{Buffers, IoFinding, IoOf, Slru};

/// From this share of all blocks written on.
const BACKEND_WRITES: f64 = 0.2;
/// And from so many blocks per second on: on an idle instance shares say nothing.
const WRITTEN_PER_S: f64 = 10.0;
/// Calls of fsync per second: the few of a new index are none.
const BACKEND_FSYNCS_PER_S: f64 = 0.1;
/// Milliseconds of a read, on average; from so many reads on.
const SLOW_READ_MS: f64 = 10.0;
const READS: f64 = 100.0;
/// Pages read per second into one of the small caches.
const SLRU_READS_PER_S: f64 = 100.0;

/// What was read, and over how many seconds each.
pub(super) struct Seen<'a> {
    pub(super) data: &'a [IoOf],
    pub(super) seconds: f64,
    pub(super) slru: &'a [Slru],
    pub(super) slru_seconds: f64,
    pub(super) buffers: &'a Buffers,
    pub(super) buffers_seconds: f64,
}

/// The findings, the gravest first.
pub(super) fn findings(seen: &Seen<'_>) -> Vec<IoFinding> {
    let mut found = Vec::new();
    let mut tell = |code: &str, message: String| found.push(IoFinding { code: code.to_owned(), message });
    if let Some(message) = backend_fsyncs(seen) {
        tell("backend_fsyncs", message);
    }
    if let Some(message) = backend_writes(seen) {
        tell("backend_writes", message);
    }
    for of in seen.data.iter().filter(|of| of.figures.reads.is_some_and(|reads| reads >= READS)) {
        if let Some(ms) = of.mean_read_ms.filter(|ms| *ms >= SLOW_READ_MS) {
            let (who, object, context) = (&of.backend_type, &of.object, &of.context);
            tell(
                "slow_reads",
                format!(
                    "A read by {who} ({object}, {context}) took {ms:.0} ms on average: the disk is slow or saturated. \
                     Look at the latency of the host's devices."
                ),
            );
        }
    }
    for slru in seen.slru {
        let per_s = rate(slru.figures.blks_read, seen.slru_seconds);
        if let Some(per_s) = per_s.filter(|per_s| *per_s >= SLRU_READS_PER_S) {
            tell(
                "slru_reads",
                format!("{per_s:.0} pages per second were read into the cache {}: {}", slru.name, why(&slru.name)),
            );
        }
    }
    found
}

fn rate(sum: Option<f64>, seconds: f64) -> Option<f64> {
    sum.filter(|_| seconds > 0.0).map(|sum| sum / seconds)
}

/// Whether it is a client backend's work in shared buffers, rings aside: these write what they read in by design.
fn is_own_work(of: &IoOf) -> bool {
    of.backend_type == "client backend" && of.object == "relation" && of.context == "normal"
}

fn backend_fsyncs(seen: &Seen<'_>) -> Option<String> {
    let own = || seen.data.iter().filter(|of| is_own_work(of)).find_map(|of| of.figures.fsyncs);
    let (fsyncs, seconds) = match own() {
        Some(fsyncs) => (fsyncs, seen.seconds),
        None if seen.data.is_empty() => (seen.buffers.backend_fsyncs?, seen.buffers_seconds),
        None => return None,
    };
    rate(Some(fsyncs), seconds).filter(|per_s| *per_s >= BACKEND_FSYNCS_PER_S)?;
    Some(format!(
        "Backends called fsync {fsyncs:.0} times themselves, and waited for it: the checkpointer's queue was full, which \
         more shared_buffers or fewer checkpoints (max_wal_size) mend, or indexes were built."
    ))
}

fn backend_writes(seen: &Seen<'_>) -> Option<String> {
    // Of the shared buffers that were written by anybody, rings aside.
    let shared = || seen.data.iter().filter(|of| of.object == "relation" && of.context == "normal");
    let written = |of: &IoOf| of.figures.writes.unwrap_or(0.0);
    let (own, all, seconds) = if seen.data.is_empty() {
        let Buffers { checkpoint, clean, backend, .. } = seen.buffers;
        let own = (*backend)?;
        (own, own + (*checkpoint)? + (*clean)?, seen.buffers_seconds)
    } else {
        (shared().filter(|of| is_own_work(of)).map(written).sum(), shared().map(written).sum(), seen.seconds)
    };
    let share = own / all;
    rate(Some(all), seconds).filter(|per_s| *per_s >= WRITTEN_PER_S && share >= BACKEND_WRITES)?;
    let who = if seen.data.is_empty() { "Backends wrote or added" } else { "Client backends wrote" };
    Some(format!(
        "{who} {:.0} % of the blocks written themselves, and statements waited for it: the background writer does not keep \
         up (bgwriter_lru_maxpages, bgwriter_delay), or shared_buffers is small for what is changed.",
        share * 100.0
    ))
}

/// What makes one of the small caches read; names are those of 17 on, or of before.
fn why(name: &str) -> &'static str {
    match name.to_lowercase().as_str() {
        "subtransaction" | "subtrans" => {
            "long transactions beside many subtransactions (SAVEPOINT, EXCEPTION in PL/pgSQL). End the oldest transaction, \
             or give it more room (subtransaction_buffers, from 17 on)."
        }
        "multixact_member" | "multixactmember" | "multixact_offset" | "multixactoffset" => {
            "many sessions lock the same rows, as foreign keys do. Vacuum the tables with the oldest multixacts, or give it \
             more room (multixact_member_buffers, multixact_offset_buffers, from 17 on)."
        }
        "transaction" | "xact" => {
            "rows of long ago are looked at whose transactions nobody marked yet. Vacuum marks them; or give it more room \
             (transaction_buffers, from 17 on)."
        }
        "notify" => "a listener is far behind. End the one whose transaction is the oldest.",
        _ => "it is too small for what is looked up.",
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::{IoFigures, SlruFigures};
    use super::*;

    fn of(backend_type: &str, context: &str, figures: IoFigures) -> IoOf {
        IoOf {
            backend_type: backend_type.to_owned(),
            object: "relation".to_owned(),
            context: context.to_owned(),
            hit_ratio: None,
            mean_read_ms: figures.read_time_ms.zip(figures.reads).map(|(ms, reads)| ms / reads),
            mean_write_ms: None,
            mean_fsync_ms: None,
            figures,
        }
    }

    fn writes(backend_type: &str, context: &str, writes: f64, fsyncs: f64) -> IoOf {
        of(backend_type, context, IoFigures { writes: Some(writes), fsyncs: Some(fsyncs), ..IoFigures::default() })
    }

    fn codes(data: &[IoOf], slru: &[Slru], buffers: &Buffers) -> Vec<String> {
        let seen = Seen { data, seconds: 60.0, slru, slru_seconds: 60.0, buffers, buffers_seconds: 60.0 };
        findings(&seen).into_iter().map(|found| found.code).collect()
    }

    #[test]
    fn what_clients_write_into_rings_is_as_it_should_be() {
        let none = Buffers::default();
        let ring = [writes("client backend", "bulkwrite", 9e5, 0.0), writes("checkpointer", "normal", 1e4, 900.0)];
        assert_eq!(codes(&ring, &[], &none), Vec::<String>::new());
        let own = [writes("client backend", "normal", 9e3, 60.0), writes("checkpointer", "normal", 1e4, 900.0)];
        assert_eq!(codes(&own, &[], &none), ["backend_fsyncs", "backend_writes"]);
        let idle = [writes("client backend", "normal", 9.0, 1.0), writes("checkpointer", "normal", 10.0, 9.0)];
        assert_eq!(codes(&idle, &[], &none), Vec::<String>::new());
    }

    #[test]
    fn before_16_it_is_told_from_buffers() {
        let buffers = Buffers {
            checkpoint: Some(1000.0),
            clean: Some(0.0),
            backend: Some(1000.0),
            backend_fsyncs: Some(0.0),
            alloc: None,
        };
        assert_eq!(codes(&[], &[], &buffers), ["backend_writes"]);
        assert_eq!(codes(&[], &[], &Buffers { clean: None, ..buffers }), Vec::<String>::new(), "a part is not known");
    }

    #[test]
    fn slow_reads_and_caches_that_read_are_told() {
        let slow = of(
            "client backend",
            "normal",
            IoFigures { reads: Some(200.0), read_time_ms: Some(4000.0), ..IoFigures::default() },
        );
        let few = IoFigures { reads: Some(2.0), read_time_ms: Some(4000.0), ..IoFigures::default() };
        let figures = SlruFigures { blks_read: Some(12_000.0), ..SlruFigures::default() };
        let slru = [Slru { name: "Subtrans".to_owned(), figures, hit_ratio: None }];
        let found = codes(&[slow, of("autovacuum worker", "vacuum", few)], &slru, &Buffers::default());
        assert_eq!(found, ["slow_reads", "slru_reads"]);
    }
}
