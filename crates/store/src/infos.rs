//! Infos have validity: a row holds from `valid_from` until `valid_to`, and saying it again moves `seen_at` alone, so that a
//! year of repetitions costs what a day costs, and what holds now is one row of each key.
//!
//! What is said is merged by the time that it is of, not by the order in which it arrives:
//! ```text
//! holds      ──X──────────────────────X┤──Z──►     X was said first and again (seen_at)
//! said late         Y
//! then       ──X────┤──Y──────────────X┤──Z──►
//! ```
//! What is gone is said too: a row with `removed`. Another cluster under an instance's name begins rows of its own, whatever
//! they say, as the same oid is another thing there.

use catalog::{Definition, Kind, Scope};
use deadpool_postgres::Transaction;

use crate::StoreError;

/// Per cent of a page that rows fill: all of its rows can be marked as seen again, in it and without touching an index.
pub(crate) const FILLFACTOR: u32 = 45;

/// The columns that tell one thing from another, after the instance.
pub(crate) fn key(definition: &Definition) -> Vec<&str> {
    let database = (definition.scope == Scope::Database).then_some("datid_read");
    let labels = definition.columns.iter().filter(|column| column.kind == Kind::Label);
    database.into_iter().chain(labels.map(|column| column.name.as_str())).collect()
}

/// What a key's rows say.
fn values(definition: &Definition) -> Vec<&str> {
    let values = definition.columns.iter().filter(|column| column.kind != Kind::Label);
    std::iter::once("removed").chain(values.map(|column| column.name.as_str())).collect()
}

/// `prefix."a", prefix."b"`. What statements name themselves begins with `_`, as no column of a set does.
fn list(prefix: &str, names: &[&str]) -> String {
    names.iter().map(|name| format!("{prefix}.\"{name}\"")).collect::<Vec<_>>().join(", ")
}

/// The statement that takes in what was said of keys, each at most once; what has no whole key is left out. Its parameters are arrays of one length: the
/// instances, the times, whether it is gone, the databases where the set is read in each, and the definition's columns.
/// Its caller holds the instances' rows locked, so that nobody else merges the same keys.
pub(crate) fn observe_statement(definition: &Definition) -> String {
    let set = &definition.name;
    let (key, values) = (key(definition), values(definition));
    let mut places = vec!["$1::integer[]".to_owned(), "$2::timestamptz[]".to_owned(), "$3::boolean[]".to_owned()];
    let mut names = vec!["instance_id", "_at", "removed"];
    let database = (definition.scope == Scope::Database).then_some(("datid_read", "bigint"));
    let columns = definition.columns.iter().map(|column| (column.name.as_str(), column.column_type.in_store()));
    for (name, column_type) in database.into_iter().chain(columns) {
        places.push(format!("${}::{column_type}[]", places.len() + 1));
        names.push(name);
    }
    let (places, names) = (places.join(", "), names.iter().map(|n| format!("\"{n}\"")).collect::<Vec<_>>().join(", "));
    let same_key = |a: &str, b: &str| {
        let own: String = key.iter().map(|name| format!(" and {a}.\"{name}\" = {b}.\"{name}\"")).collect();
        format!("{a}.instance_id = {b}.instance_id{own}")
    };
    let own = ["instance_id"].iter().chain(&key).copied().collect::<Vec<_>>();
    let all = own.iter().chain(&values).copied().collect::<Vec<_>>();
    let (of_s, of_r, of_p) = (list("s", &values), list("r", &values), list("p", &all));
    let inserted = all.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    format!(
        "with told as materialized (select * from unnest({places}) as u ({names})),
         clusters as materialized (
             select m.*, metrics.cluster_since(m.instance_id, m._at) as _since,
                 metrics.cluster_until(m.instance_id, m._at) as _until
             from (select distinct instance_id, _at from told) m),
         said as materialized (
             select distinct on ({own_of_u}) u.*, c._since, c._until
             from told u join clusters c on c.instance_id = u.instance_id and c._at = u._at
             where ({own_of_u}) is not null order by {own_of_u}),
         placed as materialized (
             select {own_of_s}, {of_s}, s._at, h.valid_from as _held_from, h.seen_at as _held_seen,
                 coalesce(h.covers and h.valid_from >= s._since and h.same, false) as _repeated,
                 coalesce(h.covers, false) as _covers,
                 h.covers and h.seen_at > s._at as _seen_later,
                 n.valid_from as _next_from,
                 coalesce(n.same and n.valid_from < s._until, false) as _continues,
                 case when h.covers and h.seen_at > s._at then h.seen_at
                      when h.covers then h.valid_to
                      else coalesce(n.valid_from, 'infinity') end as _ends
             from said s
             left join lateral (
                 select r.valid_from, r.valid_to, r.seen_at, r.valid_to > s._at as covers,
                     row({of_r}) is not distinct from row({of_s}) as same
                 from metrics.\"{set}\" r where {key_of_s} and r.valid_from <= s._at
                 order by r.valid_from desc limit 1) h on true
             left join lateral (
                 select r.valid_from, row({of_r}) is not distinct from row({of_s}) as same
                 from metrics.\"{set}\" r where {key_of_s} and r.valid_from > s._at
                 order by r.valid_from limit 1) n on true),
         seen as (
             update metrics.\"{set}\" r set seen_at = p._at from placed p
             where {key_of_p} and r.valid_from = p._held_from and p._repeated and p._at > p._held_seen),
         later as (
             insert into metrics.\"{set}\" (valid_from, valid_to, seen_at, {inserted})
             select r.seen_at, r.valid_to, r.seen_at, {all_of_r}
             from placed p join metrics.\"{set}\" r on {key_of_p} and r.valid_from = p._held_from
             where p._covers and not p._repeated and p._seen_later),
         cut as (
             update metrics.\"{set}\" r set valid_to = p._at,
                 seen_at = case when p._seen_later then r.valid_from else r.seen_at end
             from placed p
             where {key_of_p} and r.valid_from = p._held_from and p._covers and not p._repeated and p._at > p._held_from),
         replaced as (
             delete from metrics.\"{set}\" r using placed p
             where {key_of_p} and r.valid_from = p._held_from and p._covers and not p._repeated and p._at = p._held_from),
         earlier as (
             update metrics.\"{set}\" r set valid_from = p._at from placed p
             where {key_of_p} and r.valid_from = p._next_from and p._continues and p._ends = p._next_from and not p._repeated)
         insert into metrics.\"{set}\" (valid_from, valid_to, seen_at, {inserted})
         select p._at, p._ends, p._at, {of_p} from placed p
         where not p._repeated and not (p._continues and p._ends = p._next_from)",
        own_of_u = list("u", &own),
        own_of_s = list("s", &own),
        all_of_r = list("r", &all),
        key_of_s = same_key("r", "s"),
        key_of_p = same_key("r", "p"),
    )
}

/// The statement that deletes what no longer holds at any moment within so many days (`$2`) before `$1`.
pub(crate) fn expire(set: &str) -> String {
    format!(
        "delete from metrics.\"{set}\" r where r.valid_to < $1::timestamptz - make_interval(days => $2)
             or (r.removed and r.valid_from < $1::timestamptz - make_interval(days => $2))"
    )
}

/// Gives validity to a table from before there was one, which has a row for each time that something was said.
pub(crate) async fn convert(transaction: &Transaction<'_>, definition: &Definition) -> Result<(), StoreError> {
    tracing::info!(set = definition.name, "rows that say the same again become one row with its validity");
    transaction.simple_query(&conversion(definition)).await?;
    Ok(())
}

/// The table itself stays, so that what stands on it does.
fn conversion(definition: &Definition) -> String {
    let set = &definition.name;
    let (key, values) = (key(definition), values(definition));
    let own = ["instance_id"].iter().chain(&key).copied().collect::<Vec<_>>();
    let all = own.iter().chain(&values).copied().collect::<Vec<_>>();
    let inserted = all.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let (own_of_t, all_of_t, values_of_t) = (list("t", &own), list("t", &all), list("t", &values));
    format!(
        "alter table metrics.\"{set}\" rename column \"time\" to valid_from;
         alter table metrics.\"{set}\" add column valid_to timestamptz, add column seen_at timestamptz;
         create table metrics.\"$converted\" as
         with told as (
             select t.*, c.since as _since, lag(c.since) over of_key as _since_before,
                 row_number() over of_key as _nth,
                 row({values_of_t}) is not distinct from lag(row({values_of_t})) over of_key as _same
             from metrics.\"{set}\" t
             left join (
                 select k.instance_id, k.since, lead(k.since, 1, 'infinity') over (
                     partition by k.instance_id order by k.since) as until
                 from metrics.clusters k) c
                 on c.instance_id = t.instance_id and t.valid_from >= c.since and t.valid_from < c.until
             window of_key as (partition by {own_of_t} order by t.valid_from)),
         periods as (
             select t.*, count(*) filter (where t._nth = 1 or not t._same or t._since is distinct from t._since_before)
                 over (partition by {own_of_t} order by t._nth) as _period
             from told t),
         firsts as (
             select distinct on ({own_of_t}, t._period) {all_of_t}, t.valid_from,
                 max(t.valid_from) over (partition by {own_of_t}, t._period) as _last
             from periods t order by {own_of_t}, t._period, t._nth)
         select {all_of_t}, t.valid_from, t._last as seen_at,
             lead(t.valid_from, 1, 'infinity') over (partition by {own_of_t} order by t.valid_from) as valid_to
         from firsts t;
         truncate metrics.\"{set}\";
         alter table metrics.\"{set}\" set (fillfactor = {FILLFACTOR});
         insert into metrics.\"{set}\" (valid_from, valid_to, seen_at, {inserted})
         select t.valid_from, t.valid_to, t.seen_at, {all_of_t} from metrics.\"$converted\" t;
         drop table metrics.\"$converted\";
         alter table metrics.\"{set}\" alter column valid_to set not null, alter column seen_at set not null;"
    )
}
