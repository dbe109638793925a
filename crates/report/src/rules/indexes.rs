//! Indexes that cost without use, and foreign keys that miss one.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use judgement::indexes::{self, Finding, Index, Key, UNUSED_AFTER_DAYS, Use};
use judgement::span::moment;

use crate::finding::{Evidence, Judged, Rule, Severity, Value};
use crate::look::{Look, Row};
use crate::words::{are, number, subject};

/// A smaller table is read in a moment.
const SOME_ROWS: f64 = 10_000.0;

const SETS: &[&str] = &["pg_index", "pg_stat_all_indexes", "pg_class"];

/// Invalid and duplicate indexes.
pub(super) static BROKEN: Rule = Rule {
    id: "invalid-indexes",
    title: "Indexes that queries cannot use",
    threshold: "a warning for each invalid index that nobody is building at the moment; a notice for one of a partitioned \
                table to which not every partition has attached one",
    source: "indisvalid in pg_index: a failed create or reindex concurrently leaves one behind, and writes pay for it",
    needs: SETS,
    over: &[],
    check: |look, judged| {
        let invalid = judge(look).into_iter().filter(|one| one.finding == Some(Finding::Invalid));
        let (roots, invalid): (Vec<Judgement>, Vec<Judgement>) = invalid.partition(|one| one.is_root);
        let evidence = |all: Vec<Judgement>| all.into_iter().map(|one| one.evidence).collect::<Vec<Evidence>>();
        let attaching = |count| {
            let of = if count == 1 { "of a partitioned table is" } else { "of partitioned tables are" };
            format!("{} {of} not valid yet: not every partition has attached one.", number(count, "index"))
        };
        judged.found_all(Severity::Notice, attaching, evidence(roots));
        let evidence = evidence(invalid);
        if look.is_hidden("progress", "index_relid") && !evidence.is_empty() {
            let why = "whether somebody builds it at the moment is hidden from the role";
            return judged.unknown(format!("{} invalid: {why}.", are(evidence.len(), "index")));
        }
        let message = |count| {
            let it = if count == 1 { "it" } else { "them" };
            format!("{} invalid: queries cannot use {it} and writes pay for {it}.", are(count, "index"))
        };
        judged.found_all(Severity::Warning, message, evidence);
    },
};

/// Indexes twice.
pub(super) static DUPLICATE: Rule = Rule {
    id: "duplicate-indexes",
    title: "Indexes that are the same as another one",
    threshold: "a notice for each index with the table, columns, operator classes, order, expressions and condition of another; \
                those of partitions count as the one of their partitioned table",
    source: "pg_index; the one that a constraint needs, or that is scanned, stays",
    needs: SETS,
    over: &[],
    check: |look, judged| {
        let same =
            judge(look).into_iter().filter(|one| one.finding == Some(Finding::Duplicate)).map(|one| one.evidence);
        let message = |count| format!("{} the same as another one.", are(count, "index"));
        judged.found_all(Severity::Notice, message, same.collect());
    },
};

/// Indexes that nobody scans.
pub(super) static UNUSED: Rule = Rule {
    id: "unused-indexes",
    title: "Indexes that nobody scans",
    threshold: "a notice for each index without a scan in at least 7 days of statistics, that no constraint and no foreign key \
                needs, and that was there when they began as far as PostgreSQL tells",
    source: "pgAnalytics, the same as its pages: a weekly job has to come by once",
    needs: SETS,
    over: &[],
    check: unused,
};

fn unused(look: &Look<'_>, judged: &mut Judged) {
    if look.is_standby() {
        return judged.unknown("A standby counts its own scans only: look at the primary too.");
    }
    let all = judge(look);
    let young: Vec<&Judgement> = all.iter().filter(|one| one.finding.is_none() && one.later.is_none()).collect();
    if !young.is_empty() {
        let since = young.iter().filter_map(|one| one.since).max();
        let since = since.map_or_else(|| "an unknown time".to_owned(), moment);
        judged.unknown(format!(
            "Not enough data to call {} without a scan unused: statistics count since {since}; it takes {UNUSED_AFTER_DAYS} days.",
            number(young.len(), "index")
        ));
    }
    // Whoever made them knows when; PostgreSQL does not.
    let later: Vec<String> =
        all.iter().filter_map(|one| Some(format!("{}: {}", one.evidence.of, one.later.as_ref()?))).collect();
    if !later.is_empty() {
        judged.unknown(format!(
            "Not enough data to call {} without a scan unused, younger than the statistics of {} ({}).",
            number(later.len(), "index"),
            if later.len() == 1 { "its table" } else { "their tables" },
            later.join("; ")
        ));
    }
    let followers = look.rows("pg_stat_replication").len();
    let unused = all.into_iter().filter(|one| one.finding == Some(Finding::Unused)).map(|one| one.evidence);
    let message = |count| {
        let it = if count == 1 { "it is" } else { "they are" };
        format!("{} not scanned since statistics began, as far as {it} as old.", are(count, "index"))
    };
    judged.found_all(Severity::Notice, message, unused.collect());
    if followers > 0 {
        judged.mend(
            "-- look at the standbys first: they count their own scans, and an index cannot be dropped there alone",
        );
    }
}

/// An index that was judged.
struct Judgement {
    finding: Option<Finding>,
    /// Whether it is of a partitioned table, and stands for those of its partitions.
    is_root: bool,
    /// What shows that it was made after its statistics began.
    later: Option<String>,
    since: Option<Timestamp>,
    bytes: i64,
    evidence: Evidence,
}

/// What is counted of an index, or of all that are parts of it.
#[derive(Clone, Copy, Default)]
struct Counted {
    scans: Option<i64>,
    in_range: Option<f64>,
    /// Since when scans are counted, and when they were read, in microseconds.
    since: Option<i64>,
    at: i64,
    pages: i64,
    /// Blocks of it that were looked at.
    blocks: Option<i64>,
    /// How many indexes of partitions this is of.
    parts: i64,
}

impl Counted {
    fn and(self, other: Self) -> Self {
        if self.parts == 0 {
            return other;
        }
        Self {
            scans: self.scans.zip(other.scans).map(|(one, other)| one.saturating_add(other)),
            in_range: self.in_range.zip(other.in_range).map(|(one, other)| one + other),
            since: self.since.max(other.since),
            at: self.at.max(other.at),
            pages: self.pages.saturating_add(other.pages),
            blocks: self.blocks.zip(other.blocks).map(|(one, other)| one.saturating_add(other)),
            parts: self.parts + other.parts,
        }
    }
}

/// What is counted of each index; of one of a partitioned table what is counted of its parts.
fn counted(look: &Look<'_>, all: &HashMap<Key, Index>) -> HashMap<Key, Counted> {
    let moved: HashMap<Key, Row<'_>> = keyed(look.moved("pg_stat_all_indexes"), "indexrelid");
    // A crash empties statistics, and those of the archiver say when that was.
    let lost_at = look.row("pg_stat_archiver").and_then(|row| row.int("stats_reset"));
    let mut counted: HashMap<Key, Counted> = HashMap::new();
    for (key, row) in keyed(look.rows("pg_stat_all_indexes"), "indexrelid") {
        let blocks = row.int("idx_blks_read").zip(row.int("idx_blks_hit"));
        let one = Counted {
            scans: row.int("scans"),
            in_range: moved.get(&key).and_then(|row| row.float("idx_scan")),
            since: row.int("stats_since").max(lost_at),
            at: look.now_us(&row),
            pages: row.int("relpages").unwrap_or(0),
            blocks: blocks.map(|(read, hit)| read.saturating_add(hit)),
            parts: 1,
        };
        counted.insert(key, one);
        let root = all.get(&key).filter(|index| indexes::is_part(key, index)).and_then(|index| index.root);
        if let Some(root) = root {
            let whole = counted.entry((key.0, root)).or_default();
            *whole = whole.and(one);
        }
    }
    counted
}

/// Rows that were written into each table and into all its indexes: inserted, or updated elsewhere than beside the old one.
fn written(look: &Look<'_>) -> HashMap<Key, i64> {
    let rows = keyed(look.rows("pg_stat_all_tables"), "relid").into_iter();
    rows.filter_map(|(key, row)| {
        let updated = row.int("n_tup_upd")?.saturating_sub(row.int("n_tup_hot_upd")?);
        Some((key, row.int("n_tup_ins")?.saturating_add(updated)))
    })
    .collect()
}

fn judge(look: &Look<'_>) -> Vec<Judgement> {
    let all = known(look);
    let counted = counted(look, &all);
    let written = written(look);
    let in_the_making: HashSet<Key> = look
        .rows("progress")
        .iter()
        .filter_map(|row| Some((row.int("datid")?, row.int("index_relid").filter(|relid| *relid > 0)?)))
        .collect();
    let is_scanned = |key: &Key| counted.get(key).and_then(|one| one.scans).is_some_and(|scans| scans > 0);
    let duplicates = indexes::duplicates(&all, is_scanned);
    let block = look.number("block_size").unwrap_or(8192);
    let mut judged = Vec::new();
    for (key, index) in &all {
        let (Some(count), Some(name)) = (counted.get(key).copied(), look.relation(key.0, key.1)) else { continue };
        if look.is_system(key.0, key.1) || in_the_making.contains(key) {
            continue;
        }
        let since = count.since.and_then(|us| Timestamp::from_microsecond(us).ok());
        let at = Timestamp::from_microsecond(count.at).unwrap_or_default();
        let how = Use { scans: count.scans, in_range: count.in_range, since, at, elsewhere: None };
        let other = duplicates.get(key).and_then(|other| look.relation(other.0, other.1));
        let mut judgement = indexes::judge(index, how, other.as_deref(), indexes::needed_for(index));
        // What is part of another one is told with that.
        if indexes::is_part(*key, index) && judgement.finding != Some(Finding::Invalid) || judgement.message.is_none() {
            continue;
        }
        let is_root = index.root == Some(key.1);
        let table = index.relid.and_then(|relid| look.relation(key.0, relid));
        let rows = index.relid.and_then(|relid| written.get(&(key.0, relid)).copied());
        let later = younger(index, count, rows).filter(|_| judgement.finding == Some(Finding::Unused));
        if later.is_some() {
            judgement.finding = None;
        }
        let bytes = count.pages.saturating_mul(block);
        let mut evidence = Evidence::of(name.clone())
            .within(look.database(key.0))
            .maybe("on", table.map(Value::Text))
            .maybe("columns", index.columns.clone().map(Value::Text))
            .maybe("indexes of partitions", is_root.then_some(Value::Count(count.parts)))
            .with("size", Value::Bytes(bytes))
            .maybe("scans", how.scans.map(Value::Count))
            .maybe("counted since", since.map(Value::Moment))
            .maybe("same as", other.map(Value::Text));
        evidence.fix = fix(look, index, &name, is_root, &judgement);
        judged.push(Judgement { finding: judgement.finding, is_root, later, since, bytes, evidence });
    }
    judged.sort_by(|one, other| other.bytes.cmp(&one.bytes).then_with(|| one.evidence.of.cmp(&other.evidence.of)));
    judged
}

/// What shows that an index was made after its statistics began: each row that is written is written into the index too,
/// which takes a look at a block of it at least.
fn younger(index: &Index, count: Counted, written: Option<i64>) -> Option<String> {
    let (blocks, rows) = (count.blocks?, written?);
    // Of some rows only, or of none itself.
    let is_of_all = !index.predicate && count.parts == 1;
    let counted = |count: i64, noun| number(usize::try_from(count).unwrap_or(0), noun);
    (is_of_all && blocks < rows)
        .then(|| format!("{} of it looked at for {} written", counted(blocks, "block"), counted(rows, "row")))
}

/// What mends what is wrong with an index.
fn fix(look: &Look<'_>, index: &Index, name: &str, is_root: bool, judgement: &indexes::Judgement) -> Option<String> {
    // One that is only unique may have failed for its rows, and building it again fails again.
    let is_needed = indexes::needed_for(index).is_some_and(|what| what != "unique");
    match judgement.finding? {
        Finding::Invalid if is_root => {
            Some(format!("-- for each partition without one: alter index {name} attach partition …;"))
        }
        Finding::Invalid if is_needed && look.major() >= 12 => Some(format!("reindex index concurrently {name};")),
        Finding::Invalid if is_needed => Some(format!("reindex index {name};")),
        Finding::Invalid => Some(format!(
            "drop index concurrently {name}; -- and build it again if it is wanted: a unique one may have failed for its rows"
        )),
        // PostgreSQL drops it with those of the partitions, and not concurrently.
        _ if judgement.can_go && is_root => {
            Some(format!("drop index {name}; -- locks the table and its partitions meanwhile"))
        }
        _ if judgement.can_go => Some(format!("drop index concurrently {name};")),
        _ => None,
    }
}

fn keyed<'a>(rows: Vec<Row<'a>>, column: &str) -> HashMap<Key, Row<'a>> {
    rows.into_iter().filter_map(|row| Some(((row.datid?, row.int(column)?), row))).collect()
}

fn known(look: &Look<'_>) -> HashMap<Key, Index> {
    let text = |row: &Row<'_>, column: &str| row.text(column).map(str::to_owned);
    let index = |row: &Row<'_>| Index {
        relid: row.int("relid"),
        schema: text(row, "schema"),
        name: text(row, "relname"),
        root: row.int("root_relid"),
        method: text(row, "amname"),
        unique: row.yes("is_unique"),
        primary: row.yes("is_primary"),
        exclusion: row.yes("is_exclusion"),
        valid: row.yes("is_valid"),
        replica_identity: row.yes("is_replica_identity"),
        constraint: text(row, "contype"),
        referenced: row.yes("is_referenced"),
        supports_foreign_key: row.yes("supports_foreign_key"),
        columns: text(row, "columns"),
        included: text(row, "included"),
        predicate: row.yes("has_predicate"),
        signature: row.int("signature"),
        first_seen: None,
    };
    let rows = look.rows("pg_index").into_iter();
    rows.filter_map(|row| Some(((row.datid?, row.int("indexrelid")?), index(&row)))).collect()
}

/// Foreign keys whose own side has no index.
pub(super) static FOREIGN_KEYS: Rule = Rule {
    id: "foreign-keys-without-index",
    title: "Foreign keys without an index",
    threshold: "a notice for each foreign key of a table with 10 000 rows or more no index of which begins with its columns",
    source: "PostgreSQL's documentation: each delete or update of what is referenced reads the whole table",
    needs: &["pg_constraint", "pg_index", "pg_class", "pg_stat_all_tables"],
    over: &[],
    check: foreign_keys,
};

fn foreign_keys(look: &Look<'_>, judged: &mut Judged) {
    let mut covers: HashMap<Key, Vec<Vec<String>>> = HashMap::new();
    for row in look.rows("pg_index").into_iter().filter(|row| row.yes("is_valid") && !row.yes("has_predicate")) {
        if let (Some(datid), Some(relid), Some(columns)) = (row.datid, row.int("relid"), row.text("columns")) {
            covers.entry((datid, relid)).or_default().push(columns_of(columns));
        }
    }
    let mut sizes: HashMap<Key, f64> = HashMap::new();
    for row in look.rows("pg_stat_all_tables") {
        if let (Some(datid), Some(relid)) = (row.datid, row.int("relid")) {
            let rows = row.float("reltuples").unwrap_or(0.0).max(row.float("n_live_tup").unwrap_or(0.0));
            sizes.insert((datid, relid), rows);
        }
    }
    let classes = keyed(look.rows("pg_class"), "relid");
    let mut missing: Vec<(f64, Evidence)> = Vec::new();
    for row in look.rows("pg_constraint").into_iter().filter(|row| row.text("contype") == Some("f")) {
        let (Some(datid), Some(relid), Some(columns)) = (row.datid, row.int("relid"), row.text("columns")) else {
            continue;
        };
        let key = (datid, relid);
        let wanted: HashSet<String> = columns_of(columns).into_iter().collect();
        let begins = |index: &Vec<String>| {
            index.iter().take(wanted.len()).filter(|column| wanted.contains(*column)).count() == wanted.len()
        };
        let rows = sizes.get(&key).copied().unwrap_or(0.0);
        let (Some(name), true) = (look.relation(datid, relid), rows >= SOME_ROWS) else { continue };
        if covers.get(&key).is_some_and(|indexes| indexes.iter().any(begins)) {
            continue;
        }
        let is_part = classes.get(&key).is_some_and(|class| class.yes("is_partition"));
        let referenced = row.int("references_relid").and_then(|relid| look.relation(datid, relid));
        let mut evidence = Evidence::of(name.clone())
            .within(look.database(datid))
            .maybe("constraint", row.text("conname").map(|name| Value::Text(name.to_owned())))
            .with("columns", Value::Text(columns.to_owned()))
            .maybe("references", referenced.map(Value::Text))
            .with("rows", crate::activity::whole(rows));
        if !is_part {
            evidence = evidence.fix(format!("create index concurrently on {name} ({columns});"));
        }
        missing.push((rows, evidence));
    }
    missing.sort_by(|one, other| other.0.total_cmp(&one.0));
    let message = |count| {
        let keys = subject(count, "foreign key", ["has", "have"]);
        format!("{keys} no index: deleting what is referenced reads the whole table.")
    };
    judged.found_all(Severity::Notice, message, missing.into_iter().map(|(_, evidence)| evidence).collect());
}

/// The columns of a list in which names are quoted, without their order.
fn columns_of(list: &str) -> Vec<String> {
    let (mut columns, mut column, mut quoted) = (Vec::new(), String::new(), false);
    for letter in list.chars() {
        match letter {
            '"' => {
                quoted = !quoted;
                column.push(letter);
            }
            ',' if !quoted => columns.push(std::mem::take(&mut column)),
            letter => column.push(letter),
        }
    }
    columns.push(column);
    let bare = |column: String| {
        let column = column.trim();
        column.strip_suffix(" desc").unwrap_or(column).to_owned()
    };
    columns.into_iter().map(bare).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_columns_come_apart() {
        assert_eq!(columns_of("a, b desc"), ["a", "b"]);
        assert_eq!(columns_of("\"a, \"\"b\", c"), ["\"a, \"\"b\"", "c"]);
    }
}
