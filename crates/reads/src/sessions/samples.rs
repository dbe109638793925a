//! Rows of `session_samples`: sessions over the samples that `session_sampling` says were taken.

use tokio_postgres::Error;

use super::model::Samples;
use super::store::{Of, Sums, by_name};
use crate::parts::Parts;
use crate::range::{Grid, Range};
use crate::reader::{InstanceId, Snapshot};
use crate::readings::{Counted, step_of};

/// The groups of sessions that were found.
pub(super) const SAMPLES: &str = "session_samples";
/// How many samples there were.
const SAMPLING: &str = "session_sampling";
/// From this share of missed samples on it is said.
const MANY_MISSED: f64 = 0.1;

/// Whether a row is the sum of what a row limit cut: such have no role, which only autovacuum has not either.
pub(super) const IS_CUT: &str = "s.userid = 0 and s.backend_type <> 'autovacuum worker'";

/// Whose samples.
#[derive(Clone, Debug, Default)]
pub(super) struct Whose {
    pub(super) of: Of,
    pub(super) application: Option<String>,
    pub(super) queryid: Option<i64>,
}

/// The samples of a range, per step of a grid; `None` where none were to be taken.
pub(super) async fn taken(
    snapshot: &Snapshot,
    id: InstanceId,
    range: Range,
    grid: Grid,
) -> Result<Option<(Counted, Samples)>, Error> {
    let Some(tiered) = snapshot.tiered(SAMPLING) else { return Ok(None) };
    let parts = Parts::on(snapshot, id, tiered, range, grid).await?;
    let sql = format!(
        "select {}, sum(r.taken)::int8, sum(r.missed)::int8 from ({}) r
         where r.instance_id = $1 and r.time > $2 and r.time <= $3 group by 1",
        step_of("r.time"),
        parts.rows(&["taken", "missed"])
    );
    let step_us = grid.step_us();
    let rows = snapshot.query_once(&sql, &[&id, &range.start, &range.end, &grid.start, &step_us]).await?;
    let count = |place: usize| rows.iter().filter_map(|row| row.get::<_, Option<i64>>(place)).sum::<i64>();
    let samples = Samples::of(count(1), count(2));
    let counted = Counted::of(grid, rows.iter().map(|row| (row.get(0), row.get::<_, Option<i64>>(1).unwrap_or(0))));
    Ok((samples.taken + samples.missed > 0).then_some((counted, samples)))
}

/// In how many samples sessions of a kind were found, by `what` tells them apart.
pub(super) async fn sums(
    snapshot: &Snapshot,
    id: InstanceId,
    range: Range,
    grid: Grid,
    what: &str,
    whose: &Whose,
    condition: &str,
) -> Result<Sums, Error> {
    let Some(tiered) = snapshot.tiered(SAMPLES) else { return Ok(Sums::new()) };
    let parts = Parts::on(snapshot, id, tiered, range, grid).await?;
    let columns = [
        "datid",
        "userid",
        "application_name",
        "backend_type",
        "queryid",
        "state",
        "wait_event_type",
        "wait_event",
        "samples",
    ];
    let sql = format!(
        "select {}, {what}, sum(s.samples)::float8 from ({}) s
         where s.instance_id = $1 and s.time > $2 and s.time <= $3 and {condition}
             and ($6::int8[] is null or s.datid = any($6)) and ($7::int8[] is null or s.userid = any($7))
             and ($8::text is null or s.application_name = $8) and ($9::int8 is null or s.queryid = $9)
         group by 1, 2 order by 1",
        step_of("s.time"),
        parts.rows(&columns)
    );
    let (step_us, Of { databases, roles }) = (grid.step_us(), &whose.of);
    let (application, queryid) = (&whose.application, &whose.queryid);
    let rows = snapshot
        .query_once(
            &sql,
            &[&id, &range.start, &range.end, &grid.start, &step_us, databases, roles, application, queryid],
        )
        .await?;
    Ok(by_name(&rows))
}

/// How many sessions, over all samples, are in sums of which it is not known whose they were.
pub(super) async fn cut(
    snapshot: &Snapshot,
    id: InstanceId,
    range: Range,
    grid: Grid,
    condition: &str,
) -> Result<i64, Error> {
    let Some(tiered) = snapshot.tiered(SAMPLES) else { return Ok(0) };
    let parts = Parts::on(snapshot, id, tiered, range, grid).await?;
    let columns = ["userid", "backend_type", "state", "wait_event_type", "wait_event", "samples"];
    let sql = format!(
        "select coalesce(sum(s.samples), 0)::int8 from ({}) s
         where s.instance_id = $1 and s.time > $2 and s.time <= $3 and {condition} and {IS_CUT}",
        parts.rows(&columns)
    );
    Ok(snapshot.query_one(&sql, &[&id, &range.start, &range.end]).await?.get(0))
}

impl Whose {
    /// Whether some are told from others by what sums of a row limit do not tell.
    pub(super) fn is_of_some(&self) -> bool {
        let Self { of: Of { databases, roles }, application, queryid } = self;
        databases.is_some() || roles.is_some() || application.is_some() || queryid.is_some()
    }
}

impl Samples {
    /// Says that more may be of those who were asked for.
    pub(super) fn note_cut(&mut self, cut: i64) {
        if cut == 0 {
            return;
        }
        let mean = cut as f64 / self.taken.max(1) as f64;
        let words = format!(
            "Of {mean:.2} sessions on average it is not known whose they were, because there were more groups than \
             max_session_groups_per_db: some of them may be among those that are asked for."
        );
        self.message = Some(self.message.take().map_or(words.clone(), |before| format!("{before} {words}")));
    }

    fn of(taken: i64, missed: i64) -> Self {
        let share = missed as f64 / (taken + missed).max(1) as f64;
        let message = (share > MANY_MISSED).then(|| {
            format!(
                "{missed} of {} samples were missed ({:.0} %): nothing is known of those seconds.",
                taken + missed,
                share * 100.0
            )
        });
        Self { taken, missed, message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_missed_samples_are_said() {
        assert_eq!(Samples::of(95, 5).message, None);
        assert_eq!(Samples::of(0, 0).message, None);
        let many = "30 of 100 samples were missed (30 %): nothing is known of those seconds.";
        assert_eq!(Samples::of(70, 30).message.as_deref(), Some(many));
    }
}
