//! Which cluster answers under an instance's name: a restore, a new `initdb` or `pg_upgrade` puts another one there,
//! which gives the same oids to other databases, roles and relations. So what is told by oid is of one cluster only.

use jiff::{SignedDuration, Timestamp};
use tokio_postgres::Error;

use crate::range::Range;
use crate::reader::{InstanceId, Snapshot};
use judgement::span::moment;

/// A range, and the part of it that is of one cluster.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OfOneCluster {
    /// From when on the cluster of the range's end answered.
    pub(crate) range: Range,
    /// Whether another one answered before it; that was when the range begins, or in it.
    pub(crate) since: Option<Timestamp>,
}

impl OfOneCluster {
    /// The part of the range in which the cluster of its end answered.
    pub(crate) async fn read(snapshot: &Snapshot, id: InstanceId, asked: Range) -> Result<Self, Error> {
        let since: Option<Timestamp> = snapshot.query_one(SINCE, &[&id, &asked.end]).await?.get(0);
        // A reading may begin with the cluster itself.
        let start = since.map_or(asked.start, |since| asked.start.max(since - MOMENT)).min(asked.end - MOMENT);
        Ok(Self { range: Range { start, ..asked }, since })
    }

    /// The period of equal length before it, unless that was another cluster's; then why nothing can be compared.
    pub(crate) fn before(&self) -> Result<Option<Range>, String> {
        let before = self.range.before();
        match (before, self.since) {
            (Some(before), Some(since)) if before.start < since => {
                Err(format!("No earlier data: another cluster answered until {}.", moment(since)))
            }
            _ => Ok(before),
        }
    }
}

const SINCE: &str = "select nullif(metrics.cluster_since($1, $2), '-infinity')";
/// A range begins after its first moment, and is never empty.
const MOMENT: SignedDuration = SignedDuration::from_micros(1);
