//! The newest row of each key of a set of infos. They are stored when they change and again every day, so that over a
//! year most rows say the same: each key is looked for by the index, and no row is read that is not the answer.

/// A query, without brackets, of the newest row of each key at or before `$2` that the cluster of that moment gave;
/// `$1` is the instance. The index of the set's table begins with the instance and goes on with these columns.
pub(crate) fn newest(set: &str, key: &[&str]) -> String {
    let newest = format!("select r.* from {} and r.time <= $2 order by r.time desc limit 1", rows_of(set, key));
    format!("{} select n.* from keys k cross join since s cross join lateral ({newest}) n", keys(set, key))
}

/// The same with the earliest row after `$2` for keys that have none before it. Rows without `known` do not count.
pub(crate) fn nearest(set: &str, key: &[&str], known: &str) -> String {
    let rows = format!("{} and r.{known} is not null", rows_of(set, key));
    format!(
        "{} select n.* from keys k cross join since s cross join lateral (
             select u.* from (
                 (select r.*, 1 as place from {rows} and r.time <= $2 order by r.time desc limit 1)
                 union all
                 (select r.*, 2 from {rows} and r.time > $2 and r.time < s.until order by r.time limit 1)) u
             order by u.place limit 1) n",
        keys(set, key)
    )
}

/// The table with the condition that makes them rows of the key `k` that the cluster between `s.since` and `s.until` gave.
fn rows_of(set: &str, key: &[&str]) -> String {
    let of_key: String = key.iter().map(|column| format!(" and r.\"{column}\" = k.\"{column}\"")).collect();
    format!("metrics.\"{set}\" r where r.instance_id = $1{of_key} and r.time >= s.since")
}

/// All keys, from one to the next; and from when on and until when the cluster answered that did at `$2`.
fn keys(set: &str, key: &[&str]) -> String {
    let list = |of: &str| key.iter().map(|column| format!("{of}.\"{column}\"")).collect::<Vec<_>>().join(", ");
    let (own, last) = (list("r"), list("k"));
    format!(
        "with recursive keys as (
             (select {own} from metrics.\"{set}\" r where r.instance_id = $1 order by {own} limit 1)
             union all
             select n.* from keys k cross join lateral (
                 select {own} from metrics.\"{set}\" r
                 where r.instance_id = $1 and ({own}) > ({last}) order by {own} limit 1) n),
         since as materialized (
             select metrics.cluster_since($1, $2) as since, metrics.cluster_until($1, $2) as until)"
    )
}
