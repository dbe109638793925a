//! Sums over any range are those of the raw rows, to the last unit: by a rule that is written down here a second time.

use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use wire::Reading;

use crate::watched::{Watched, statement};

const SET: &str = "pg_stat_statements";
const CELL: i64 = 300_000_000;
const DAY: i64 = 86_400_000_000;

/// What was read of one statement: when, over how long, calls and execution time.
#[derive(Clone, Copy, Debug)]
struct Row {
    time: i64,
    interval: i64,
    calls: i64,
    us: i64,
}

impl Row {
    /// What of a value of it is in a range.
    fn within(self, value: i64, start: i64, end: i64) -> i64 {
        let is_in = |moment: i64| start < moment && moment <= end;
        if self.interval <= CELL {
            return if is_in(self.time) { value } else { 0 };
        }
        let begin = self.time - self.interval;
        let reached = |moment: i64| {
            i64::try_from(i128::from(value) * i128::from(moment - begin) / i128::from(self.interval)).unwrap()
        };
        let (mut from, mut sum) = (begin, 0);
        while from < self.time {
            let upto = ((from.div_euclid(CELL) + 1) * CELL).min(self.time);
            if is_in(upto) {
                sum += reached(upto) - reached(from);
            }
            from = upto;
        }
        sum
    }
}

/// Calls and execution time of both statements.
fn sum(rows: &[Row], start: i64, end: i64) -> (i64, i64) {
    let of = |row: &Row, value: i64| row.within(value, start, end);
    let calls = rows.iter().map(|row| of(row, row.calls) + of(row, 2 * row.calls)).sum();
    (calls, rows.iter().map(|row| 2 * of(row, row.us)).sum())
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap()
}

fn reading(watched: &Watched, row: Row) -> Reading {
    let mut reading = watched.reading(
        SET,
        "12:00:00",
        Some(u64::try_from(row.interval / 1_000_000).unwrap()),
        &[statement(10, 5, 1001, row.calls, row.us), statement(10, 5, 1002, 2 * row.calls, row.us)],
    );
    reading.time_us = row.time;
    reading.started_us = row.time - 1000;
    reading
}

/// Four days up to noon, mostly in minutes, now and then over hours, once over more than a day.
fn rows(rng: &mut StdRng, now: i64) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut time = now - 4 * DAY + 123_456;
    let mut is_told = false;
    loop {
        let seconds = match rng.random_range(0..40) {
            0 => rng.random_range(301..20_000),
            1 if !is_told => {
                is_told = true;
                100_000
            }
            _ => rng.random_range(200..=300),
        };
        let interval = seconds * 1_000_000;
        time += interval + rng.random_range(0..2) * 7_000_001;
        if time > now {
            return rows;
        }
        rows.push(Row { time, interval, calls: rng.random_range(0..5000), us: rng.random_range(0..90_000_000) });
    }
}

/// Asks for ranges and compares; answers how far the last one was widened.
async fn compare(watched: &Watched, rows: &[Row], ranges: impl Iterator<Item = (i64, i64)>, what: &str) -> bool {
    let mut widened = false;
    for (start, end) in ranges {
        let path = format!("/queries?trend=false&start={}&end={}", at(start), at(end));
        let answer = watched.read(&path).await;
        let moment =
            |name: &str| answer["covered"][name].as_str().unwrap().parse::<Timestamp>().unwrap().as_microsecond();
        let (from, upto) = (moment("start"), moment("end"));
        assert!(from <= start && end <= upto && upto - from <= end - start + 2 * DAY, "{what}: {path}");
        widened |= (from, upto) != (start, end);
        let (calls, us) = sum(rows, from, upto);
        let told = |name: &str| answer["totals"][name].as_f64().unwrap_or(0.0);
        assert_eq!(told("calls"), calls as f64, "{what}: {path}");
        assert_eq!((told("total_exec_time_ms") * 1000.0).round(), us as f64, "{what}: {path}");
        let in_sql =
            "select coalesce(sum(calls), 0)::int8, coalesce(sum(total_exec_time), 0)::int8, max(covered_seconds) * 1000
            from metrics.pg_stat_statements_over($1, $2) where instance_id = $3";
        let client = watched.server.app.metrics.get().await.unwrap();
        let row = client.query_one(in_sql, &[&at(start), &at(end), &1_i32]).await.unwrap();
        assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (calls, us), "{what}: {path}");
        if let Some(covered) = row.get::<_, Option<f64>>(2) {
            assert_eq!(covered.round(), answer["covered"]["ms"].as_f64().unwrap().round(), "{what}: {path}");
        }
    }
    widened
}

#[tokio::test]
async fn sums_of_any_range_are_those_of_the_raw_rows() {
    let watched = Watched::new().await;
    let store = watched.server.app.store().unwrap();
    let mut rng = StdRng::seed_from_u64(7);
    let now = watched.now().as_microsecond();
    let mut all = rows(&mut rng, now);
    // The newest come first, as after an outage.
    for some in all.rchunks(100) {
        let readings = some.iter().map(|row| reading(&watched, *row)).collect();
        watched.deliver(readings).await;
    }
    let mut ranges = |count: usize| {
        let mut ranges = vec![(now - 4 * DAY, now), (now - 3 * DAY, now - DAY)];
        for _ in 0..count {
            let on_grid = rng.random_bool(0.5);
            let mut moment = || now - rng.random_range(0..4 * DAY);
            let (one, other) = (moment(), moment());
            let snap = |moment: i64| if on_grid { moment / CELL * CELL } else { moment };
            let (one, other) = (snap(one), snap(other));
            if one != other {
                ranges.push((one.min(other), one.max(other)));
            }
        }
        ranges.into_iter()
    };
    compare(&watched, &all, ranges(20), "from rows").await;
    while store.roll_up(watched.now()).await.unwrap().is_left {}
    compare(&watched, &all, ranges(40), "from tiers").await;
    // Late rows, a short one and one over hours, make buckets due again: nobody makes them yet.
    for (days, interval) in [(1, 60), (2, 40_000), (3, 250)] {
        let late = Row { time: now - days * DAY + 77_777_777, interval: interval * 1_000_000, calls: 999, us: 1001 };
        watched.deliver(vec![reading(&watched, late)]).await;
        all.push(late);
    }
    compare(&watched, &all, ranges(40), "with buckets due").await;
    while store.roll_up(watched.now()).await.unwrap().is_left {}
    compare(&watched, &all, ranges(20), "made again").await;
    // Rows are kept for less than what tells of their readings.
    let client = watched.server.app.metrics.get().await.unwrap();
    client.execute("insert into metrics.retention (set_name, tier, days) values ($1, 0, 2)", &[&SET]).await.unwrap();
    store.drop_expired(watched.now()).await.unwrap();
    assert!(compare(&watched, &all, ranges(40), "with readings of rows that are gone").await, "none was widened");
    let (start, end) = (now - 80 * 12 * CELL, now - 79 * 12 * CELL);
    let fine = watched.read(&format!("/queries?start={}&end={}", at(start), at(end))).await;
    let steps = fine["data"].as_array().unwrap().iter().flat_map(|row| row["trend"].as_array().unwrap());
    assert_eq!(steps.filter(|value| !value.is_null()).count(), 0, "nothing is known of minutes: {fine}");
    client.execute("delete from metrics.retention", &[]).await.unwrap();
    // Retention takes the raw rows of the first days, later those of all.
    for days in [29, 40] {
        let later = watched.now() + SignedDuration::from_hours(24 * days);
        while store.roll_up(later).await.unwrap().is_left {}
        store.drop_expired(later).await.unwrap();
        let widened = compare(&watched, &all, ranges(20), &format!("after {days} days")).await;
        assert!(widened, "what has no raw rows any more is answered in whole buckets");
        // What readings brought is what is there, also where retention has taken a part.
        let client = watched.server.app.metrics.get().await.unwrap();
        let there = "select count(*) from metrics.pg_stat_statements";
        let there: i64 = client.query_one(there, &[]).await.unwrap().get(0);
        let counts = watched.server.get("/metrics/count").bearer(&watched.viewer).send().await.expect(200);
        assert_eq!(counts["sets"][SET]["rows"], there, "after {days} days");
    }
    // What was read is known from buckets alone now, and what was not.
    let gaps =
        async |start: &str, end: &str| watched.read(&format!("/queries?start={start}&end={end}")).await["gaps"].clone();
    assert_eq!(gaps("2026-02-27T00:00:00Z", "2026-02-27T00:00:01Z").await, json!([]));
    let before = gaps("2026-02-24T00:00:00Z", "2026-02-26T00:00:00Z").await;
    assert_eq!(before[0]["reason"], "not_watched", "{before}");
    assert_eq!((before[0]["start"].as_str(), before.as_array().unwrap().len()), (Some("2026-02-24T00:00:00Z"), 1));
}
