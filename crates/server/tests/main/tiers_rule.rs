//! What tiers must hold, by the rule of what a sum over a range means, written down a second time, without SQL.

use std::collections::BTreeMap;

use catalog::{Column, Extreme, Kind, Scope, Type};

use super::tiers_store::{Fixture, Read, SETS, TIERS, Value};

/// What a column of a bucket must be.
#[derive(Clone, Debug)]
pub(crate) enum Expected {
    Null,
    Exactly(String),
    Nearly(f64),
    Shares(BTreeMap<String, u64>),
    Ids(Vec<i64>),
}

impl Expected {
    pub(crate) fn is(&self, text: Option<&String>) -> bool {
        match (self, text) {
            (Self::Null, None) => true,
            (Self::Exactly(expected), Some(text)) => expected == text,
            (Self::Nearly(expected), Some(text)) => {
                let value: f64 = text.parse().unwrap();
                (value - expected).abs() <= 1e-9 * expected.abs().max(value.abs())
            }
            (Self::Shares(expected), Some(text)) => {
                serde_json::from_str::<BTreeMap<String, u64>>(text).unwrap() == *expected
            }
            (Self::Ids(ids), Some(text)) => {
                let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
                *text == format!("{{{}}}", ids.join(","))
            }
            _ => false,
        }
    }
}

/// All that falls into one bucket of one column: with its time, and as what part of the interval.
pub(crate) type Parts = Vec<(i64, Value, i64, i64, i64, bool)>;

/// The columns of a set's tiers after the keys, and what they must be.
pub(crate) fn expected(column: &catalog::Column, parts: &Parts) -> Vec<(String, Expected)> {
    let name = &column.name;
    let text = |value: &Value| match value {
        Value::Int(value) if column.column_type == Type::Timestamptz && *value == i64::MAX => "infinity".to_owned(),
        Value::Int(value) if column.column_type == Type::Timestamptz && *value == i64::MIN => "-infinity".to_owned(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::Text(value) => value.clone(),
    };
    let whole = |value: &Value| match value {
        Value::Float(_) => Expected::Nearly(text(value).parse().unwrap()),
        _ => Expected::Exactly(text(value)),
    };
    let or_null = |value: Option<Expected>| value.unwrap_or(Expected::Null);
    let lasts: Vec<&(i64, Value, i64, i64, i64, bool)> = parts.iter().filter(|part| part.5).collect();
    let by = |a: &(i64, Value), b: &(i64, Value)| a.partial_cmp(b).unwrap();
    let last = lasts.iter().map(|part| (part.0, part.1.clone())).max_by(by);
    let last = (name.clone(), or_null(last.map(|(_, value)| whole(&value))));
    let number = |value: &Value| match value {
        Value::Int(value) => value.to_string().parse::<f64>().unwrap(),
        Value::Float(value) => *value,
        _ => f64::NAN,
    };
    let earliest = || {
        let finite = lasts.iter().filter_map(|part| match part.1 {
            Value::Int(moment) if moment != i64::MAX && moment != i64::MIN => Some(moment),
            _ => None,
        });
        or_null(finite.min().map(|moment| Expected::Exactly(moment.to_string())))
    };
    match column.kind {
        Kind::Counter | Kind::Count if column.column_type == Type::Float8 => {
            let share = |value: f64, part: i64, interval: i64| {
                match value {
                    _ if part == interval => value,
                    // Too small to have parts.
                    tiny if tiny < 1e-280 => 0.0,
                    _ => value * (part as f64 / interval as f64),
                }
            };
            let sum: f64 = parts
                .iter()
                .map(|(_, value, from, upto, interval, _)| {
                    share(number(value), *upto, *interval)
                        - if *from == 0 { 0.0 } else { share(number(value), *from, *interval) }
                })
                .sum();
            vec![(name.clone(), if parts.is_empty() { Expected::Null } else { Expected::Nearly(sum) })]
        }
        Kind::Counter | Kind::Count => {
            let reached = |value: i64, part: i64, interval: i64| {
                if part == interval {
                    i128::from(value)
                } else {
                    i128::from(value) * i128::from(part) / i128::from(interval)
                }
            };
            let sum: i128 = parts
                .iter()
                .map(|(_, value, from, upto, interval, _)| {
                    let Value::Int(value) = value else { panic!("{name} is a whole number") };
                    reached(*value, *upto, *interval) - if *from == 0 { 0 } else { reached(*value, *from, *interval) }
                })
                .sum();
            let sum = sum.min(i128::from(i64::MAX));
            vec![(name.clone(), if parts.is_empty() { Expected::Null } else { Expected::Exactly(sum.to_string()) })]
        }
        Kind::Gauge
            if matches!(column.column_type, Type::Int4 | Type::Int8 | Type::Float8 | Type::Duration | Type::Lsn) =>
        {
            let order = |a: &&Value, b: &&Value| a.partial_cmp(b).unwrap();
            let values = || lasts.iter().map(|part| &part.1);
            let least = (format!("{name}_min"), or_null(values().min_by(order).map(whole)));
            let greatest = (format!("{name}_max"), or_null(values().max_by(order).map(whole)));
            match column.extreme {
                Some(Extreme::Least) => return vec![least],
                Some(Extreme::Greatest) => return vec![greatest],
                None if column.column_type == Type::Lsn => return vec![last, least, greatest],
                None => {}
            }
            let sum: f64 = values().map(number).sum();
            vec![
                last,
                least,
                greatest,
                (format!("{name}_sum"), if lasts.is_empty() { Expected::Null } else { Expected::Nearly(sum) }),
                (format!("{name}_n"), Expected::Exactly(lasts.len().to_string())),
            ]
        }
        Kind::State => {
            let mut shares: BTreeMap<String, u64> = BTreeMap::new();
            lasts.iter().for_each(|part| *shares.entry(text(&part.1)).or_default() += 1);
            let shares = if shares.is_empty() { Expected::Null } else { Expected::Shares(shares) };
            vec![last, (format!("{name}_shares"), shares)]
        }
        Kind::Since => vec![(name.clone(), earliest())],
        Kind::Gauge if column.column_type == Type::Timestamptz => {
            let least = (format!("{name}_min"), earliest());
            if column.extreme.is_some() { vec![least] } else { vec![last, least] }
        }
        _ => vec![last],
    }
}

fn is_counter(column: &Column) -> bool {
    matches!(column.kind, Kind::Counter | Kind::Count)
}

/// A key with the counters that were not measured, and what the columns after it must be.
pub(crate) type Bucket = (Vec<Option<String>>, BTreeMap<String, Expected>);

/// A table: its name, its columns, and what it must hold.
pub(crate) type Table = (String, Vec<(String, Type)>, Vec<Bucket>);

/// What every table of tiers must hold for what was stored.
pub(crate) fn model(fixture: &Fixture, stored: &[Read], instances: &[i32]) -> Vec<Table> {
    let mut tables = Vec::new();
    for (suffix, width) in TIERS {
        let bucket_of = |cell: i64| (cell + width - 1).div_euclid(width) * width;
        for (set, (_, name, _)) in SETS.iter().enumerate() {
            let definition = fixture.definition(name);
            let is_divided = definition.columns.iter().any(|column| matches!(column.kind, Kind::Counter | Kind::Count));
            // Of each key and bucket: rows, covered time, and the parts of each column.
            let mut buckets: BTreeMap<Vec<Option<String>>, (i64, i64, Vec<Parts>)> = BTreeMap::new();
            for read in stored.iter().filter(|read| read.set == set && !read.error) {
                for (cell, from, upto, is_last) in read.pieces(is_divided) {
                    for row in &read.rows {
                        let mut key =
                            vec![Some(instances[read.instance].to_string()), Some(bucket_of(cell).to_string())];
                        key.extend(read.datid_read(&definition).map(|datid| Some(datid.to_string())));
                        for (at, _) in definition.columns.iter().enumerate().filter(|(_, c)| c.kind == Kind::Label) {
                            key.push(row.value(&definition, at).map(|value| match value {
                                Value::Int(value) => value.to_string(),
                                Value::Text(value) => value,
                                other => panic!("{other:?} is no label"),
                            }));
                        }
                        // What measures other counters is a row of its own.
                        let unmeasured = definition
                            .columns
                            .iter()
                            .enumerate()
                            .filter(|(at, column)| is_counter(column) && row.value(&definition, *at).is_none());
                        key.push(Some(
                            unmeasured.map(|(_, column)| column.name.as_str()).collect::<Vec<_>>().join(" "),
                        ));
                        let bucket =
                            buckets.entry(key).or_insert_with(|| (0, 0, vec![Parts::new(); definition.columns.len()]));
                        bucket.0 += i64::from(is_last);
                        bucket.1 += upto - from;
                        for at in 0..definition.columns.len() {
                            if let Some(value) = row.value(&definition, at) {
                                let interval = read.interval.unwrap_or(0);
                                bucket.2[at].push((read.time, value, from, upto, interval, is_last));
                            }
                        }
                    }
                }
            }
            let mut columns = vec![("instance_id".to_owned(), Type::Int4), ("time".to_owned(), Type::Timestamptz)];
            if definition.scope == Scope::Database {
                columns.push(("datid_read".to_owned(), Type::Oid));
            }
            let labels = definition.columns.iter().filter(|column| column.kind == Kind::Label);
            columns.extend(labels.map(|column| (column.name.clone(), column.column_type)));
            columns.push(("raw_rows".to_owned(), Type::Int4));
            columns.push(("interval_us".to_owned(), Type::Int8));
            for column in definition.columns.iter().filter(|column| column.kind != Kind::Label) {
                let of_tiers = expected(column, &Parts::new());
                columns.extend(of_tiers.into_iter().map(|(name, _)| {
                    let keeps_type = !name.ends_with("_shares") && !name.ends_with("_sum") && !name.ends_with("_n");
                    (name, if keeps_type { column.column_type } else { Type::Text })
                }));
            }
            let rows = buckets.into_iter().map(|(key, (rows, covered, parts))| {
                let mut values = BTreeMap::from([
                    ("raw_rows".to_owned(), Expected::Exactly(rows.to_string())),
                    ("interval_us".to_owned(), Expected::Exactly(covered.to_string())),
                ]);
                for (column, parts) in definition.columns.iter().zip(&parts).filter(|(c, _)| c.kind != Kind::Label) {
                    values.extend(expected(column, parts));
                }
                (key, values)
            });
            tables.push((format!("{name}{suffix}"), columns, rows.collect()));
        }
        tables.push(readings_model(fixture, stored, instances, suffix, width));
        tables.push(cuts_model(stored, instances, suffix, width));
    }
    tables
}

pub(crate) fn readings_model(fixture: &Fixture, stored: &[Read], instances: &[i32], suffix: &str, width: i64) -> Table {
    let names = ["readings", "failures", "rows", "covered_us", "late_cycles"];
    let mut buckets: BTreeMap<Vec<Option<String>>, [i64; 5]> = BTreeMap::new();
    for read in stored {
        let definition = fixture.definition(SETS[read.set].1);
        for (cell, from, upto, is_last) in read.pieces(true) {
            let key = vec![
                Some(instances[read.instance].to_string()),
                Some(((cell + width - 1).div_euclid(width) * width).to_string()),
                Some(SETS[read.set].1.to_owned()),
                read.datid_read(&definition).map(|datid| datid.to_string()),
            ];
            let rows = if read.error { 0 } else { i64::try_from(read.rows.len()).unwrap() };
            let covered = if read.error { 0 } else { upto - from };
            let at_the_end = [i64::from(!read.error), i64::from(read.error), rows, 0, i64::from(read.late_cycles)];
            let sums = buckets.entry(key).or_default();
            for at in 0..5 {
                sums[at] += if is_last { at_the_end[at] } else { 0 };
            }
            sums[3] += covered;
        }
    }
    let mut columns = vec![
        ("instance_id".to_owned(), Type::Int4),
        ("time".to_owned(), Type::Timestamptz),
        ("set_name".to_owned(), Type::Text),
        ("datid".to_owned(), Type::Oid),
    ];
    columns.extend(names.map(|name| (name.to_owned(), Type::Int8)));
    let rows = buckets.into_iter().map(|(key, sums)| {
        (
            key,
            names
                .iter()
                .zip(sums)
                .map(|(name, sum)| ((*name).to_owned(), Expected::Exactly(sum.to_string())))
                .collect(),
        )
    });
    (format!("readings{suffix}"), columns, rows.collect())
}

pub(crate) fn cuts_model(stored: &[Read], instances: &[i32], suffix: &str, width: i64) -> Table {
    let mut buckets: BTreeMap<Vec<Option<String>>, (i64, Vec<i64>)> = BTreeMap::new();
    for read in stored {
        for (per, rows, ids) in &read.cuts {
            let key = vec![
                Some(instances[read.instance].to_string()),
                Some(((read.time + width - 1).div_euclid(width) * width).to_string()),
                Some(SETS[read.set].1.to_owned()),
                Some(per.to_string()),
            ];
            let cut = buckets.entry(key).or_default();
            cut.0 += i64::from(*rows);
            cut.1.extend(ids);
        }
    }
    let columns = [
        ("instance_id", Type::Int4),
        ("time", Type::Timestamptz),
        ("set_name", Type::Text),
        ("per", Type::Int8),
        ("rows", Type::Int8),
        ("ids", Type::Text),
    ];
    let rows = buckets.into_iter().map(|(key, (rows, mut ids))| {
        ids.sort_unstable();
        ids.dedup();
        let rows = ("rows".to_owned(), Expected::Exactly(rows.to_string()));
        (key, BTreeMap::from([rows, ("ids".to_owned(), Expected::Ids(ids))]))
    });
    (
        format!("cuts{suffix}"),
        columns.map(|(name, column_type)| (name.to_owned(), column_type)).to_vec(),
        rows.collect(),
    )
}

/// Compares every row of every tier with what the rule says of what was stored.
pub(crate) async fn compare(fixture: &Fixture, stored: &[Read]) {
    let ids = fixture.client.query("select id from metrics.instances order by name = 'two'", &[]).await.unwrap();
    let instances: Vec<i32> = ids.iter().map(|row| row.get(0)).collect();
    for (table, columns, expected) in model(fixture, stored, &instances) {
        let mut found: BTreeMap<Vec<Option<String>>, Vec<Option<String>>> = BTreeMap::new();
        let base = TIERS.iter().find_map(|(suffix, _)| table.strip_suffix(suffix)).unwrap();
        let is_set = SETS.iter().any(|(_, name, _)| *name == base);
        let counters: Vec<String> = if is_set {
            let definition = fixture.definition(base);
            definition.columns.iter().filter(|column| is_counter(column)).map(|column| column.name.clone()).collect()
        } else {
            Vec::new()
        };
        let keys = expected.first().map_or(0, |(key, _)| key.len()) - usize::from(is_set && !expected.is_empty());
        for row in fixture.rows(&table, &columns).await {
            let (key, values) = row.split_at(keys);
            let mut key = key.to_vec();
            if is_set {
                let named = columns.iter().skip(keys).zip(values);
                let unmeasured = named.filter(|((name, _), value)| counters.contains(name) && value.is_none());
                key.push(Some(unmeasured.map(|((name, _), _)| name.as_str()).collect::<Vec<_>>().join(" ")));
            }
            assert!(found.insert(key.clone(), values.to_vec()).is_none(), "{table}: {key:?} stands twice");
        }
        for (key, expected) in &expected {
            let Some(values) = found.remove(key) else { panic!("{table} lacks {key:?}") };
            for ((name, _), value) in columns.iter().skip(keys).zip(&values) {
                let expected = &expected[name];
                assert!(expected.is(value.as_ref()), "{table} {key:?}: {name} is {value:?}, not {expected:?}");
            }
        }
        assert!(found.is_empty(), "{table} has more: {found:?}");
    }
}
