//! `metrics.<set>_over`: what it says of any range and step is what the raw rows say, whatever is made and due.

use std::collections::{BTreeMap, BTreeSet};

use ::store::READER;
use catalog::{Definition, Kind, Scope, Type};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::tiers::a_read;
use super::tiers_rule::{Expected, Parts, expected};
use super::tiers_store::{DAY, Fixture, HOUR, MINUTE, Read, SETS, Value, far_later, now};

/// A range and its steps, in microseconds.
#[derive(Clone, Copy, Debug)]
struct Asked {
    start: i64,
    end: i64,
    step: Option<i64>,
}

impl Asked {
    /// The end of the step that a moment falls into, as far as the range goes.
    fn step_end(self, at: i64) -> Option<i64> {
        let is_in = self.start < at && at <= self.end;
        is_in.then(|| self.step.map_or(self.end, |step| self.end.min((at + step - 1).div_euclid(step) * step)))
    }
}

fn asked() -> impl Strategy<Value = Asked> {
    let now = now().as_microsecond();
    let moment = prop_oneof![
        (0..45 * HOUR).prop_map(move |ago| now - ago),
        (0..45_i64).prop_map(move |hours| (now - hours * HOUR).div_euclid(HOUR) * HOUR),
    ];
    let steps = [MINUTE, 7 * MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 6 * HOUR, DAY];
    let step = prop_oneof![1 => Just(None), 4 => proptest::sample::select(steps.to_vec()).prop_map(Some)];
    (moment.clone(), moment, step).prop_map(|(one, other, step)| Asked {
        start: one.min(other),
        end: one.max(other),
        step,
    })
}

/// What happens: a batch, a roll-up some hours ago; after each somebody asks.
#[derive(Clone, Debug)]
enum Step {
    Batch(Vec<Read>),
    RollUp(i64),
}

fn steps() -> impl Strategy<Value = Vec<(Step, Asked)>> {
    let step = prop_oneof![
        3 => proptest::collection::vec(a_read(), 1..5).prop_map(Step::Batch),
        2 => (0..30_i64).prop_map(Step::RollUp),
    ];
    proptest::collection::vec((step, asked()), 3..9)
}

/// A piece of a reading: when, how much of the interval had passed before and after, and whether it is the last.
fn pieces(read: &Read, is_divided: bool) -> Vec<(i64, i64, i64, bool)> {
    let pieces = read.pieces(is_divided).into_iter();
    pieces.map(|(cell, from, upto, is_last)| (if is_last { read.time } else { cell }, from, upto, is_last)).collect()
}

type Key = Vec<Option<String>>;

/// What was read of a step and instance, by database and moment: least and most, in microseconds.
type Covered = BTreeMap<(i64, usize), BTreeMap<(Option<i64>, i64), [i64; 2]>>;

/// A row: the parts of each column, the seconds that were read (least and most), and which counters were measured.
#[derive(Default)]
struct Row {
    parts: Vec<Parts>,
    seconds: [f64; 2],
    measured: BTreeSet<Vec<bool>>,
}

/// The rule: rows by key (the step's end, the instance, labels), and the seconds that were read: least and most, which
/// differ where intervals overlap. Of readings of the same moment the longest counts, until they are in one bucket.
fn rule(definition: &Definition, stored: &[&Read], asked: Asked, ids: &[i32]) -> BTreeMap<Key, Row> {
    let is_divided = definition.columns.iter().any(|one| matches!(one.kind, Kind::Counter | Kind::Count));
    let mut rows: BTreeMap<Key, Row> = BTreeMap::new();
    // By step and instance, and by database and moment: several batches of one reading are one.
    let mut covered = Covered::new();
    for read in stored.iter().filter(|read| !read.error) {
        for (at, from, upto, _) in pieces(read, true) {
            let Some(end) = asked.step_end(at) else { continue };
            let one = covered.entry((end, read.instance)).or_default();
            let us = one.entry((read.datid_read(definition), at)).or_default();
            *us = [us[0].max(upto - from), us[1] + upto - from];
        }
        for (at, from, upto, is_last) in pieces(read, is_divided) {
            let Some(end) = asked.step_end(at) else { continue };
            for row in &read.rows {
                let mut key = vec![Some(end.to_string()), Some(ids[read.instance].to_string())];
                key.extend(read.datid_read(definition).map(|datid| Some(datid.to_string())));
                for (place, _) in definition.columns.iter().enumerate().filter(|(_, one)| one.kind == Kind::Label) {
                    key.push(row.value(definition, place).map(|value| match value {
                        Value::Int(value) => value.to_string(),
                        Value::Text(value) => value,
                        other => panic!("{other:?} is no label"),
                    }));
                }
                let one = rows.entry(key).or_default();
                one.parts.resize(definition.columns.len(), Parts::new());
                let columns = definition.columns.iter().enumerate();
                let counters = columns.filter(|(_, column)| matches!(column.kind, Kind::Counter | Kind::Count));
                one.measured.insert(counters.map(|(place, _)| row.value(definition, place).is_some()).collect());
                let parts = &mut one.parts;
                for (place, parts) in parts.iter_mut().enumerate() {
                    if let Some(value) = row.value(definition, place) {
                        parts.push((read.time, value, from, upto, read.interval.unwrap_or(0), is_last));
                    }
                }
            }
        }
    }
    for (key, Row { seconds, .. }) in &mut rows {
        let end: i64 = key[0].as_deref().unwrap().parse().unwrap();
        let instance = ids.iter().position(|id| key[1].as_deref() == Some(&id.to_string())).unwrap();
        *seconds = [0, 1].map(|which| {
            let mut by_database: BTreeMap<Option<i64>, i64> = BTreeMap::new();
            for ((datid, _), us) in &covered[&(end, instance)] {
                *by_database.entry(*datid).or_default() += us[which];
            }
            let us = match definition.scope {
                Scope::Database => by_database[&key[2].as_deref().map(|datid| datid.parse().unwrap())],
                _ => by_database.values().copied().max().unwrap(),
            };
            us as f64 / 1e6
        });
    }
    rows
}

/// What the columns of a row must be; of a gauge the mean stands for sum and number.
fn told(definition: &Definition, parts: &[Parts]) -> BTreeMap<String, Expected> {
    let columns = definition.columns.iter().zip(parts).filter(|(column, _)| column.kind != Kind::Label);
    let mut told: BTreeMap<String, Expected> = columns.flat_map(|(column, parts)| expected(column, parts)).collect();
    let gauges: Vec<String> = told.keys().filter_map(|name| name.strip_suffix("_sum").map(str::to_owned)).collect();
    for gauge in gauges {
        let (sum, number) =
            (told.remove(&format!("{gauge}_sum")).unwrap(), told.remove(&format!("{gauge}_n")).unwrap());
        let mean = match (sum, number) {
            (Expected::Nearly(sum), Expected::Exactly(number)) => {
                Expected::Nearly(sum / number.parse::<f64>().unwrap())
            }
            _ => Expected::Null,
        };
        told.insert(format!("{gauge}_mean"), mean);
    }
    told
}

/// A moment as a statement has it.
fn moment(micros: i64) -> String {
    format!("timestamptz '{}'", Timestamp::from_microsecond(micros).unwrap())
}

async fn check(fixture: &Fixture, stored: &[Read], asked: Asked) {
    let ids = fixture.client.query("select id from metrics.instances order by name = 'two'", &[]).await.unwrap();
    let ids: Vec<i32> = ids.iter().map(|row| row.get(0)).collect();
    for (place, (_, set, _)) in SETS.iter().enumerate() {
        let definition = fixture.definition(set);
        let of_set: Vec<&Read> = stored.iter().filter(|read| read.set == place).collect();
        let step = asked.step.map_or("null".to_owned(), |us| format!("interval '{} seconds'", us / 1_000_000));
        let call = format!("metrics.{set}_over({}, {}, {step})", moment(asked.start), moment(asked.end));
        let statement = fixture.client.prepare(&format!("select * from {call}")).await.unwrap();
        let names: Vec<String> = statement.columns().iter().map(|column| column.name().to_owned()).collect();
        let is_moment = |name: &str| {
            let whole = name.trim_end_matches("_min");
            name == "time"
                || definition.columns.iter().any(|one| one.name == whole && one.column_type == Type::Timestamptz)
        };
        let texts: Vec<String> = names
            .iter()
            .map(|name| match is_moment(name) {
                true => format!(
                    "case when isfinite(\"{name}\") then (extract(epoch from \"{name}\") * 1000000)::bigint::text
                          else \"{name}\"::text end"
                ),
                false => format!("\"{name}\"::text"),
            })
            .collect();
        let rows = fixture.client.query(&format!("select {} from {call}", texts.join(", ")), &[]).await.unwrap();
        let mut rule = rule(&definition, &of_set, asked, &ids);
        let is_key = |name: &str| {
            ["time", "instance_id", "datid_read"].contains(&name)
                || definition.column(name).is_some_and(|(_, column)| column.kind == Kind::Label)
        };
        for row in rows {
            let values: Vec<(&String, Option<String>)> =
                names.iter().enumerate().map(|(at, name)| (name, row.get(at))).collect();
            let key: Key = values.iter().filter(|(name, _)| is_key(name)).map(|(_, value)| value.clone()).collect();
            let Some(Row { parts, seconds, measured }) = rule.remove(&key) else {
                panic!("{call} has {key:?}, which nothing was read of")
            };
            let mut told = told(&definition, &parts);
            for (name, value) in values.iter().filter(|(name, _)| !is_key(name)) {
                if *name == "covered_seconds" {
                    let covered: f64 = value.as_deref().unwrap().parse().unwrap();
                    let [least, most] = seconds;
                    assert!(
                        least - 1e-5 <= covered && covered <= most + 1e-5,
                        "{call} {key:?}: {covered} s, not {seconds:?}"
                    );
                    continue;
                }
                let place = definition.column(name).map(|(place, _)| place);
                if let Some(place) = place.filter(|_| measured.len() > 1) {
                    let column = &definition.columns[place];
                    if matches!(column.kind, Kind::Gauge | Kind::State | Kind::Reset) {
                        // Where counters were measured for a part of a bucket it has two rows, of which neither is later.
                        told.remove(name.as_str());
                        let mut each = parts[place].iter().map(|part| expected(column, &vec![part.clone()]));
                        let is_one = value.is_none() || each.any(|one| one[0].1.is(value.as_ref()));
                        assert!(is_one, "{call} {key:?}: {name} is {value:?}, which was not read");
                        continue;
                    }
                }
                let expected = told.remove(name.as_str()).unwrap_or_else(|| panic!("{name} is of no column"));
                assert!(expected.is(value.as_ref()), "{call} {key:?}: {name} is {value:?}, not {expected:?}");
            }
            assert!(told.is_empty(), "{call} lacks {told:?}");
        }
        assert!(rule.is_empty(), "{call} lacks {:?}", rule.keys());
    }
}

#[test]
fn any_range_and_step_is_what_the_raw_rows_say() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = Config { cases: 10, max_shrink_iters: 40, failure_persistence: None, ..Config::default() };
    let checked = TestRunner::new(config).run(&steps(), |steps| {
        let run = async {
            let fixture = Fixture::new().await;
            let mut stored: Vec<Read> = Vec::new();
            let mut sequence = 0;
            for (step, asked) in &steps {
                match step {
                    Step::Batch(readings) => {
                        sequence += 1;
                        fixture.push(sequence, readings).await;
                        stored.extend(readings.iter().cloned());
                    }
                    Step::RollUp(hours) => {
                        fixture.roll_up(now() - SignedDuration::from_hours(*hours)).await;
                    }
                }
                check(&fixture, &stored, *asked).await;
            }
            fixture.roll_up(far_later()).await;
            for (_, asked) in steps {
                check(&fixture, &stored, asked).await;
            }
        };
        runtime.block_on(run);
        Ok(())
    });
    checked.unwrap();
}

#[tokio::test]
async fn conditions_reach_the_tables_and_who_only_reads_may_ask() {
    let fixture = Fixture::new().await;
    let client = &fixture.client;
    let asked = "from metrics.x_all_over(now() - interval '90 days', now(), interval '1 day') o
        where o.instance_id = 1 and o.key = 7";
    let plan = client.query(&format!("explain select sum(o.calls) {asked}"), &[]).await.unwrap();
    let plan: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
    let plan = plan.join("\n");
    assert!(!plan.contains("Function Scan on x_all_over"), "it is put in the place of its call:\n{plan}");
    assert!(plan.contains("key = 7"), "and the label is looked for where the rows are:\n{plan}");
    client.simple_query(&format!("set role {READER}")).await.unwrap();
    client.query(&format!("select * {asked}"), &[]).await.unwrap();
    client.query("select * from metrics.readings_over('x_all', now() - interval '1 day', now())", &[]).await.unwrap();
    let refused = client.query("select * from metrics.readings_over('nix', now(), now())", &[]).await.unwrap_err();
    assert_eq!(refused.as_db_error().unwrap().message(), "there is no set nix");
    // What makes no sense is refused, what is empty has no rows.
    for bad in ["interval '1 month'", "interval '1 year'", "interval '0'", "interval '-1 h'"] {
        let sql = format!("select * from metrics.x_all_over('2026-03-01', '2026-03-02', {bad})");
        let refused = client.query(&sql, &[]).await.unwrap_err();
        assert!(refused.as_db_error().unwrap().message().starts_with("a step must be"), "{bad}: {refused:?}");
    }
    for empty in ["now(), now()", "now(), '2000-01-01'", "null, now()", "'-infinity', 'infinity'"] {
        let rows = client.query(&format!("select * from metrics.x_all_over({empty}, '1 day')"), &[]).await.unwrap();
        assert!(rows.is_empty(), "{empty}");
    }
}
