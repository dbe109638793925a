//! The rows of a set of infos that hold at a moment: each says from when on and until when it does.

/// A query, without brackets, of the rows that hold at `$2` and that the cluster of that moment gave; `$1` is the
/// instance. What is gone has a row too, with `removed`.
pub(crate) fn valid(set: &str) -> String {
    format!(
        "select r.* from metrics.\"{set}\" r
         where r.instance_id = $1 and r.valid_from <= $2 and r.valid_to > $2
             and r.valid_from >= (select metrics.cluster_since($1, $2))"
    )
}

/// A query of the row nearest to `$2` of each key, the last before it or else the first after it, of the cluster that
/// answered then. Rows without `known`, as of what is gone, do not count.
pub(crate) fn nearest(set: &str, key: &[&str], known: &str) -> String {
    let key = key.iter().map(|column| format!("r.\"{column}\"")).collect::<Vec<_>>().join(", ");
    format!(
        "select distinct on ({key}) r.* from metrics.\"{set}\" r
         where r.instance_id = $1 and r.\"{known}\" is not null
             and r.valid_from >= (select metrics.cluster_since($1, $2))
             and r.valid_from < (select metrics.cluster_until($1, $2))
         order by {key}, r.valid_from > $2,
             case when r.valid_from > $2 then r.valid_from end, r.valid_from desc"
    )
}
