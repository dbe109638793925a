//! Gaps: parts of a range in which a set was not read, and why.
//!
//! A gap lies between two readings that are further apart than [`HOLE_PERCENT`] of their set's interval, before the
//! first reading, and after the last. A cumulative counter goes on meanwhile: the increment over a gap is true as a
//! sum, but nobody knows its course, and so no series is drawn from it.

mod buckets;

use catalog::Catalog;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio_postgres::Error;
use utoipa::ToSchema;

use crate::instances::beside::{beside, is_elsewhere};
use crate::range::{Grid, Range};
use crate::reader::{InstanceId, Snapshot};
use crate::unread::Standing;
use judgement::span::moment;

/// So much of an interval without a reading, in percent, is a gap: two readings are missing.
const HOLE_PERCENT: i64 = 250;
/// The newest reading may be so much older than that: it has to arrive first.
const ON_ITS_WAY: SignedDuration = SignedDuration::from_secs(20);
/// Gaps in one answer at most, the longest.
const GAPS_MOST: i64 = 1000;
/// The same over a range that is looked at in parts.
const LONG_GAPS_MOST: i64 = 100;

/// A part of a range in which a set was not read.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Gap {
    /// From when; the range's start where the gap began before it.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) start: Timestamp,
    /// To when; the range's end, or now, where the gap goes on.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) end: Timestamp,
    /// Why.
    pub(crate) reason: GapReason,
    /// The same as a sentence, with the times of the whole gap.
    pub(crate) message: String,
    /// Whether counters went on over it: sums and rates over the range have that work, though its course is not known.
    pub(crate) sums_known: bool,
}

/// Why something was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum GapReason {
    /// Nothing arrived from the collector.
    Collector,
    /// PostgreSQL could not be reached.
    Unreachable,
    /// Only this could not be read.
    Failed,
    /// It was before the first reading.
    NotWatched,
    /// The instance's version or role does not have it, or what it takes is not there: an extension, a setting.
    NotAvailable,
    /// The collector's configuration leaves it out, or nobody allowed it yet.
    SwitchedOff,
    /// The collector's role may not read it.
    NoRight,
    /// Others were read and this was not; no error is known.
    NotRead,
}

/// The gaps of a range.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gaps {
    /// In order.
    pub(crate) listed: Vec<Gap>,
    /// The readings whose intervals cover gaps.
    ends: Vec<Timestamp>,
    /// How the set stands.
    standing: Standing,
}

/// A gap by the readings at its ends.
#[derive(Clone, Copy, Debug)]
struct Hole {
    before: Option<Timestamp>,
    after: Option<Timestamp>,
    interval_us: Option<i64>,
}

/// What is known of the time within a hole.
#[derive(Clone, Debug, Default)]
struct Within {
    /// Other sets were read well after its beginning and well before its end.
    others_read: bool,
    /// The newest error of the set itself.
    own_error: Option<String>,
    /// The newest error with which several sets of PostgreSQL failed alike.
    common_error: Option<String>,
}

const EDGES: &str = "select (
        select max(r.time) from metrics.readings r
        where r.instance_id = $1 and r.set_name = $2 and r.error is null and r.time <= $3), (
        select min(r.time) from metrics.readings r
        where r.instance_id = $1 and r.set_name = $2 and r.error is null and r.time > $4), (
        select percentile_disc(0.5) within group (order by l.interval_us) from (
            select r.interval_us from metrics.readings r
            where r.instance_id = $1 and r.set_name = $2 and r.interval_us > 0 and r.time <= $4
            order by r.time desc limit 5) l)";

/// Within the parts of time that begin at `$3` and end at `$4`. `$5` is the usual interval; where both neighbours are
/// longer, the interval was another one then.
const HOLES: &str = "select distinct on (o.time - o.before, o.time) o.before, o.time, o.interval_us from (
        select p.time, p.interval_us, lag(p.time) over seq as before,
            least(lag(p.interval_us) over seq, lead(p.interval_us) over seq) as around_us
        from (select s.nth, r.time, max(r.interval_us) as interval_us
            from unnest($3::timestamptz[], $4::timestamptz[]) with ordinality as s (first, last, nth)
            join metrics.readings r on r.instance_id = $1 and r.set_name = $2 and r.error is null
                and r.time >= s.first and r.time <= s.last
            group by s.nth, r.time) p
        window seq as (partition by p.nth order by p.time)) o
    where o.before is not null
        and extract(epoch from o.time - o.before) * 1e6 > greatest($5::int8, coalesce(o.around_us, 0)) * $6::int8 / 100
    order by o.time - o.before desc, o.time limit $7";

const FIRST_TIME: &str = "select min(r.time) from metrics.readings r where r.instance_id = $1 and r.time <= $2";

/// What was read or tried of others between two moments: of PostgreSQL, or where `$5` of anything.
const WITHIN: &str = "select
        coalesce(bool_or(r.error is null and r.set_name <> $2), false),
        (array_agg(r.error order by r.started desc) filter (where r.error is not null and r.set_name = $2))[1],
        (select s.error from metrics.readings s
            where s.instance_id = $1 and s.time > $3 and s.time < $4 and s.error is not null and s.set_name <> all($6)
            group by s.error having count(distinct s.set_name) > 1 order by max(s.started) desc limit 1)
    from metrics.readings r
    where r.instance_id = $1 and r.time > $3 and r.time < $4 and ($5 or r.set_name <> all($6))";

impl Gaps {
    /// The gaps of a set in a range up to `now`.
    pub(crate) async fn read(
        snapshot: &Snapshot,
        catalog: &Catalog,
        id: InstanceId,
        set: &str,
        range: Range,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let end = range.end.min(now);
        let mut gaps = Self { standing: Standing::read(snapshot, id, set).await?, ..Self::default() };
        let mut range = Range { end, ..range };
        if let Some(gone) = buckets::gone(snapshot).await?.filter(|gone| *gone > range.start) {
            gaps.add_unread(snapshot, id, set, Range { end: end.min(gone), ..range }).await?;
            range.start = gone;
        }
        if range.start >= end {
            return Ok(gaps);
        }
        let row = snapshot.query_one(EDGES, &[&id, &set, &range.start, &end]).await?;
        let (before, after): (Option<Timestamp>, Option<Timestamp>) = (row.get(0), row.get(1));
        let usual_us = row.get::<_, Option<i64>>(2);
        let usual_us = usual_us.or_else(|| catalog.get(set).map(|set| i64::from(set.interval_seconds) * 1_000_000));
        let usual_us = usual_us.unwrap_or(60_000_000).max(1);
        let (from, to) = (before.unwrap_or(range.start), after.unwrap_or(end));
        let (firsts, lasts) = buckets::suspects(snapshot, id, set, Range { start: from, end: to }, usual_us).await?;
        let most = if firsts.len() > 1 { LONG_GAPS_MOST } else { GAPS_MOST };
        let rows = snapshot.query(HOLES, &[&id, &set, &firsts, &lasts, &usual_us, &HOLE_PERCENT, &most]).await?;
        let mut found: Vec<Hole> =
            rows.iter().map(|row| Hole { before: row.get(0), after: row.get(1), interval_us: row.get(2) }).collect();
        let (first, last) = Self::ends_of_readings(snapshot, id, set, from, to).await?;
        let usual = SignedDuration::from_micros(usual_us);
        let hole = SignedDuration::from_micros(usual_us.saturating_mul(HOLE_PERCENT) / 100);
        if before.is_none() && first.is_none_or(|first| first.duration_since(range.start) > usual) {
            found.push(Hole { before: None, after: first, interval_us: None });
        }
        if let Some(last) = last.or(before).filter(|_| after.is_none())
            && end.duration_since(last) > hole.max(usual + ON_ITS_WAY)
        {
            found.push(Hole { before: Some(last), after: None, interval_us: None });
        }
        found.sort_by_key(|hole| hole.before);
        for one in found {
            gaps.add(snapshot, catalog, id, set, range, usual, one).await?;
        }
        Ok(gaps)
    }

    /// Adds those of a time whose readings are kept by buckets alone: of parts of a bucket nobody knows.
    async fn add_unread(&mut self, snapshot: &Snapshot, id: InstanceId, set: &str, range: Range) -> Result<(), Error> {
        for (start, end) in buckets::unread(snapshot, id, set, range).await? {
            let was_watched = start > range.start || buckets::was_watched(snapshot, id, start).await?;
            let (reason, message) = if self.standing.explains(start, SignedDuration::ZERO) {
                if self.standing.is_beside() {
                    continue;
                }
                not_read(&self.standing, set, start, end, false)
            } else if was_watched {
                let others_read = buckets::others_read(snapshot, id, set, (start, end)).await?;
                explain(&Within { others_read, ..Within::default() }, set, start, end, false)
            } else {
                (GapReason::NotWatched, format!("Not watched before {}.", moment(end)))
            };
            self.listed.push(Gap { start, end, reason, message, sums_known: false });
        }
        Ok(())
    }

    /// The first and the last reading between two moments.
    async fn ends_of_readings(
        snapshot: &Snapshot,
        id: InstanceId,
        set: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<(Option<Timestamp>, Option<Timestamp>), Error> {
        let sql = "select min(r.time), max(r.time) from metrics.readings r where r.instance_id = $1
            and r.set_name = $2 and r.error is null and r.time >= $3 and r.time <= $4";
        let row = snapshot.query_one(sql, &[&id, &set, &from, &to]).await?;
        Ok((row.get(0), row.get(1)))
    }

    #[expect(clippy::too_many_arguments, reason = "one hole with all that tells of it")]
    async fn add(
        &mut self,
        snapshot: &Snapshot,
        catalog: &Catalog,
        id: InstanceId,
        set: &str,
        range: Range,
        usual: SignedDuration,
        hole: Hole,
    ) -> Result<(), Error> {
        let mut from = hole.before.unwrap_or(range.start);
        let covers_hole = hole.before.zip(hole.after).zip(hole.interval_us).is_some_and(|((before, after), us)| {
            // Nearly all of it: the two clocks that measure it may differ a little.
            i128::from(us) * 10 >= after.duration_since(before).as_micros() * 9
        });
        // An interval that begins within the gap ends it.
        let begins = |after: Timestamp| after - SignedDuration::from_micros(hole.interval_us.unwrap_or(0));
        let to = hole.after.map_or(range.end, |after| if covers_hole { after } else { begins(after) });
        let (start, end) = (from.max(range.start), to.min(range.end));
        if start >= end {
            return Ok(());
        }
        if hole.before.is_none() {
            let watched: Option<Timestamp> = snapshot.query_one(FIRST_TIME, &[&id, &to]).await?.get(0);
            let Some(watched) = watched.filter(|watched| *watched + usual * 2 < to) else {
                let message = match hole.after {
                    Some(after) => format!("Not watched before {}.", moment(after)),
                    None => "Nothing was ever read of it.".to_owned(),
                };
                self.listed.push(Gap { start, end, reason: GapReason::NotWatched, message, sums_known: false });
                return Ok(());
            };
            // Others were read before this was.
            if watched > start {
                let message = format!("Not watched before {}.", moment(watched));
                let reason = GapReason::NotWatched;
                self.listed.push(Gap { start, end: watched.min(end), reason, message, sums_known: false });
            }
            from = watched.max(from);
        }
        let start = from.max(start);
        if start >= end {
            return Ok(());
        }
        let goes_on = hole.after.is_none();
        let is_explained = goes_on && (hole.before.is_none() || self.standing.explains(from, usual));
        if is_explained && self.standing.is_beside() {
            return Ok(());
        }
        let within = Self::within(snapshot, catalog, id, set, (from, to), usual).await?;
        let (reason, message) = if is_explained && within.others_read {
            not_read(&self.standing, set, from, to, true)
        } else {
            explain(&within, set, from, to, goes_on)
        };
        if covers_hole {
            self.ends.extend(hole.after);
        }
        self.listed.push(Gap { start, end, reason, message, sums_known: covers_hole });
        Ok(())
    }

    async fn within(
        snapshot: &Snapshot,
        catalog: &Catalog,
        id: InstanceId,
        set: &str,
        (from, to): (Timestamp, Timestamp),
        usual: SignedDuration,
    ) -> Result<Within, Error> {
        let any = catalog.get(set).is_some_and(is_elsewhere);
        let beside: Vec<&str> = beside(catalog).into_iter().filter(|name| any || *name != set).collect();
        // What was read near its ends is no news: sets go one after the other, and some come back earlier than others.
        let early = from + usual;
        let late = (to - usual.max(to.duration_since(from) / 4)).max(early);
        let row = snapshot.query_one(WITHIN, &[&id, &set, &early, &late, &any, &beside]).await?;
        let whole = snapshot.query_one(WITHIN, &[&id, &set, &from, &to, &any, &beside]).await?;
        Ok(Within {
            others_read: row.get(0),
            own_error: whole.get(1),
            common_error: if any { None } else { whole.get(2) },
        })
    }

    /// The readings whose intervals cover gaps: their increments are sums, and no part of a series.
    pub(crate) fn ends(&self) -> &[Timestamp] {
        &self.ends
    }

    /// Whether what ends at a moment is drawn in no step of a grid: a reading over a gap where steps are finer than
    /// buckets, else what is of a step that lies in a gap whole.
    pub(crate) fn hide(&self, end: Timestamp, grid: Grid) -> bool {
        if grid.has_buckets() { self.hold(grid, grid.step_of(end)) } else { self.ends.contains(&end) }
    }

    /// Whether a step of buckets lies in a gap whole: it has pieces of what was read over the gap, and nobody knows
    /// their course.
    pub(crate) fn hold(&self, grid: Grid, step: i64) -> bool {
        let step_us = grid.step_ms * 1000;
        let start = grid.start.as_microsecond() + step * step_us;
        let is_over = |gap: &Gap| gap.start.as_microsecond() <= start && start + step_us <= gap.end.as_microsecond();
        grid.has_buckets() && self.listed.iter().any(is_over)
    }
}

fn when(from: Timestamp, to: Timestamp, goes_on: bool) -> String {
    if goes_on { format!("since {}", moment(from)) } else { format!("from {} to {}", moment(from), moment(to)) }
}

/// Why a set was not read although others were, as the collector says it.
fn not_read(standing: &Standing, set: &str, from: Timestamp, to: Timestamp, goes_on: bool) -> (GapReason, String) {
    let (reason, why) = standing.reason();
    (reason, format!("{set} was not read {}: {why}.", when(from, to, goes_on)))
}

fn explain(within: &Within, set: &str, from: Timestamp, to: Timestamp, goes_on: bool) -> (GapReason, String) {
    let when = when(from, to, goes_on);
    let stop = |error: &str| error.trim_end_matches('.').to_owned();
    match within {
        Within { others_read: true, own_error: Some(error), .. } => {
            (GapReason::Failed, format!("{set} could not be read {when}: {}.", stop(error)))
        }
        Within { others_read: true, own_error: None, .. } => {
            (GapReason::NotRead, format!("{set} was not read {when}, though others were."))
        }
        Within { common_error: Some(error), .. } => {
            (GapReason::Unreachable, format!("PostgreSQL could not be reached {when}: {}.", stop(error)))
        }
        Within { own_error: Some(error), .. } => {
            (GapReason::Failed, format!("{set} could not be read {when}: {}.", stop(error)))
        }
        _ if goes_on => (GapReason::Collector, format!("Nothing has arrived from the collector {when}.")),
        _ => (
            GapReason::Collector,
            format!("Nothing was read {when}: the collector was not running, or what it read did not arrive."),
        ),
    }
}
