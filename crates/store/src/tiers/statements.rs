//! The statements that make buckets. `$1` and `$2` are the instances and the ends of the buckets to be made, `$3` and
//! `$4` bound the times of the rows that they are made from, `$5` has their sets where the table is of all sets.

use std::fmt::Write as _;

use super::shape::{Kept, Shape};
use super::tier::{self, LONGEST_WHOLE_US, MICROSECOND, REACH_US, Tier};

/// Deletes buckets, before they are made anew.
pub(crate) fn clear(shape: &Shape, tier: Tier) -> String {
    let table = tier.table(&shape.raw);
    let set = if shape.names_set { " and t.set_name = c.set_name" } else { "" };
    // What is said twice keeps partitions out that have none of them.
    format!(
        "with c as materialized ({cells})
         delete from metrics.\"{table}\" t using c
         where t.instance_id = c.instance_id and t.time = c.bucket{set}
             and t.instance_id = any($1) and t.time > $3 and t.time <= $4",
        cells = cells(shape),
    )
}

/// Makes buckets whole from what is below them.
pub(crate) fn remake(shape: &Shape, tier: Tier) -> String {
    let table = tier.table(&shape.raw);
    let input = if tier.finer().is_none() { from_rows(shape) } else { from_buckets(shape, tier) };
    format!(
        "with c as materialized ({cells})
         insert into metrics.\"{table}\" (instance_id, time, {names}) {merged}",
        cells = cells(shape),
        names = names(shape),
        merged = merged(shape, &input),
    )
}

/// Adds what came for cells whose rows retention has taken: rows of theirs are added to what is there and deleted;
/// of later rows that reach back to them, the readings at `$6` of the instances `$5`, the pieces are added. `$7` is
/// until when rows are gone. Answers the cells that were added to.
pub(crate) fn add(shape: &Shape) -> String {
    let (raw, table) = (&shape.raw, Tier::Minutes.table(&shape.raw));
    let is_long = is_long(shape);
    let width = Tier::Minutes.interval();
    let (first, last) = (tier::first_cell(), tier::last_cell());
    format!(
        "with c as materialized (select *, c.bucket - {width} as start from ({cells}) c),
         late as materialized (select * from unnest($5::integer[], $6::timestamptz[]) as l (instance_id, time)),
         taken as (
             delete from metrics.\"{raw}\" r using c
             where r.instance_id = c.instance_id and r.time > c.start and r.time <= c.bucket
                 and r.time > $3 and r.time <= $4
             returning r.*),
         long as (
             select r.* from taken r where {is_long}
             union all
             select r.* from late l join metrics.\"{raw}\" r on r.instance_id = l.instance_id and r.time = l.time
             where {is_long}),
         new as materialized (
             select r.instance_id, {last} as time, r.time as \"$at\", {wholes} from taken r where not {is_long}
             union all
             select r.instance_id, n.bucket, r.time, {pieces}
             from long r cross join lateral generate_series({first}, least({last}, $7), {width}) as n (bucket)
             cross join lateral ({piece}) k),
         old as (
             delete from metrics.\"{table}\" r using (select distinct instance_id, time from new) n
             where r.instance_id = n.instance_id and r.time = n.time
             returning r.instance_id, r.time, r.time as \"$at\", {buckets}),
         added as (
             insert into metrics.\"{table}\" (instance_id, time, {names}) {merged}
             returning instance_id, time)
         select distinct instance_id, time from added",
        cells = cells(shape),
        wholes = inputs(shape, |kept| &kept.whole),
        pieces = inputs(shape, |kept| &kept.piece),
        buckets = inputs(shape, |kept| &kept.bucket),
        piece = piece(),
        names = names(shape),
        merged = merged(shape, "select * from old union all select * from new"),
    )
}

fn cells(shape: &Shape) -> &'static str {
    if shape.names_set {
        "select * from unnest($1::integer[], $2::timestamptz[], $5::text[]) as c (instance_id, bucket, set_name)"
    } else {
        "select * from unnest($1::integer[], $2::timestamptz[]) as c (instance_id, bucket)"
    }
}

/// The rows of cells, and the pieces in them of rows whose interval is longer.
fn from_rows(shape: &Shape) -> String {
    let raw = &shape.raw;
    let width = Tier::Minutes.interval();
    let set = if shape.names_set { " and r.set_name = c.set_name" } else { "" };
    let short = if shape.is_divided { format!(" and not {}", is_long(shape)) } else { String::new() };
    let mut sql = format!(
        "select r.instance_id, c.bucket as time, r.time as \"$at\", {wholes}
         from c join metrics.\"{raw}\" r
             on r.instance_id = c.instance_id{set} and r.time > c.bucket - {width} and r.time <= c.bucket
         where r.time > $3 and r.time <= $4{short}",
        wholes = inputs(shape, |kept| &kept.whole),
    );
    if shape.is_divided {
        // Found by their readings, which are few; a reading has all its rows at one time.
        let (reach, set, named) = if shape.names_set {
            (tier::reach(), "c.set_name".to_owned(), " and r.set_name = n.set_name")
        } else {
            (tier::reach(), format!("'{raw}'"), "")
        };
        let _ = write!(
            sql,
            " union all
             select r.instance_id, n.bucket, r.time, {pieces}
             from (
                 select distinct c.instance_id, c.bucket, d.set_name, d.time
                 from c join metrics.readings d
                     on d.instance_id = c.instance_id and d.set_name = {set}
                     and d.time > c.bucket - {width} and d.time <= c.bucket + {reach}
                 where d.interval_us > 300000000 and d.time > $3 and d.time <= $4 + {reach}
                     and d.time - least(d.interval_us, {REACH_US}) * {MICROSECOND} < c.bucket
             ) n
             join metrics.\"{raw}\" r on r.instance_id = n.instance_id and r.time = n.time{named}
             cross join lateral ({piece}) k
             where r.interval_us > {LONGEST_WHOLE_US} and r.time > $3 and r.time <= $4 + {reach}",
            pieces = inputs(shape, |kept| &kept.piece),
            piece = piece(),
        );
    }
    sql
}

fn from_buckets(shape: &Shape, tier: Tier) -> String {
    let set = if shape.names_set { " and r.set_name = c.set_name" } else { "" };
    format!(
        "select r.instance_id, c.bucket as time, r.time as \"$at\", {buckets}
         from c join metrics.\"{below}\" r
             on r.instance_id = c.instance_id{set} and r.time > c.bucket - {width} and r.time <= c.bucket
         where r.time > $3 and r.time <= $4",
        buckets = inputs(shape, |kept| &kept.bucket),
        below = tier.below(&shape.raw),
        width = tier.interval(),
    )
}

pub(crate) fn is_long(shape: &Shape) -> String {
    if shape.is_divided {
        format!("(r.interval_us is not null and r.interval_us > {LONGEST_WHOLE_US})")
    } else {
        "false".to_owned()
    }
}

/// The piece of the row `r` in the bucket `n`: how much of the interval had passed at its two ends, and whether it is
/// the row's last. Lengths only: what the interval of a foreign batch begins with need not be a time.
pub(crate) fn piece() -> String {
    let width_us = Tier::Minutes.width_us();
    format!(
        "select r.interval_us - greatest(b.behind_us, 0) as upto_us,
             case when b.behind_us + {width_us} >= least(r.interval_us, {REACH_US}) then 0
                  else r.interval_us - (b.behind_us + {width_us}) end as from_us,
             b.behind_us <= 0 as is_last
         from (select (extract(epoch from r.time - n.bucket) * 1000000)::bigint as behind_us) b
         where b.behind_us > -{width_us} and b.behind_us < least(r.interval_us, {REACH_US})"
    )
}

/// One row per key and bucket of what `input` selects; where a counter was measured only for a part of it, that part is
/// a row of its own, so that a rate divides by the time in which the counter was measured.
fn merged(shape: &Shape, input: &str) -> String {
    let merged = list(shape, |kept| format!("{} as \"{}\"", kept.merged, kept.name));
    let keys = shape.columns.iter().filter(|kept| kept.is_key).fold(String::new(), |mut keys, kept| {
        let _ = write!(keys, ", p.\"{}\"", kept.name);
        keys
    });
    let measured: Vec<String> = shape.counters.iter().map(|name| format!("p.\"{name}\" is null")).collect();
    let measured = if measured.is_empty() { String::new() } else { format!(", array[{}]", measured.join(", ")) };
    format!(
        "select p.instance_id, p.time, {merged}
         from (select i.*, (date_part('epoch', i.\"$at\") * 1000000)::bigint as \"$at_us\" from ({input}) i) p
         group by p.instance_id, p.time{keys}{measured}"
    )
}

fn inputs(shape: &Shape, of: impl Fn(&Kept) -> &String) -> String {
    list(shape, |kept| format!("{} as \"{}\"", of(kept), kept.name))
}

fn names(shape: &Shape) -> String {
    list(shape, |kept| format!("\"{}\"", kept.name))
}

fn list(shape: &Shape, of: impl Fn(&Kept) -> String) -> String {
    shape.columns.iter().map(of).collect::<Vec<String>>().join(", ")
}
