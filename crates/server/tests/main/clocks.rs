//! Collectors and instances whose clocks are off: everything is stored, at the right time, and the skew is told.

use jiff::{SignedDuration, Timestamp};
use prost::Message as _;
use serde_json::{Value, json};
use uuid::Uuid;
use wire::{Attributes, Batch, ClockReading, Reading, Status};

use crate::watched::{INSTANCE, Watched, at, primary};

const S: i64 = 1_000_000;

/// A machine with a collector on it: its time of day is off, and so is the collector's clock, by what it was at the
/// process's start.
struct Machine {
    clock: Uuid,
    boot: Uuid,
    /// The collector's clock minus the true time, in microseconds.
    clock_off: i64,
    /// The machine's time of day minus the true time.
    day_off: i64,
}

impl Machine {
    fn off(seconds: i64) -> Self {
        Self { clock: Uuid::new_v4(), boot: Uuid::new_v4(), clock_off: seconds * S, day_off: seconds * S }
    }

    /// Another process on it.
    fn started_anew(&self) -> Self {
        Self { clock: Uuid::new_v4(), boot: self.boot, clock_off: self.day_off, day_off: self.day_off }
    }

    fn read(&self, truly: Timestamp) -> ClockReading {
        let since = truly.as_microsecond() - at("00:00:00").as_microsecond();
        ClockReading {
            id: self.clock.as_bytes().to_vec(),
            boot_id: self.boot.as_bytes().to_vec(),
            boottime_us: u64::try_from(since).unwrap(),
        }
    }

    /// A reading that truly ended at this time, in a batch that was made then.
    fn batch(&self, watched: &Watched, time: &str, mut reading: Reading, attributes: Option<Attributes>) -> Batch {
        let truly = at(time).as_microsecond();
        let moved = |us: &mut i64| *us += self.clock_off;
        moved(&mut reading.started_us);
        moved(&mut reading.time_us);
        reading.flags.iter_mut().for_each(|flag| {
            flag.start_us += self.clock_off;
            flag.end_us += self.clock_off;
        });
        let mut batch = watched.batch(vec![reading]);
        batch.created_us = truly + self.clock_off;
        batch.clock = Some(self.read(at(time)));
        batch.instances[0].attributes = attributes.map(|mut attributes| {
            attributes.clock_offset_us = attributes.clock_offset_us.map(|true_offset| true_offset - self.clock_off);
            attributes
        });
        batch
    }

    /// As it is sent at the server's time.
    fn sent(&self, watched: &Watched, mut batch: Batch) -> Batch {
        batch.status = Some(Status {
            sent_us: Some(watched.now().as_microsecond() + self.day_off),
            clock: Some(self.read(watched.now())),
            ..Status::default()
        });
        batch
    }

    /// As it is sent, and a slow line holds it up; the answer to an exchange before came in at once.
    async fn send_slowly(&self, watched: &Watched, batch: Batch, answered: bool, held_up: std::time::Duration) {
        let mut batch = self.sent(watched, batch);
        let answered = answered.then(|| wire::Answered { server_us: watched.now().as_microsecond(), ago_us: 0 });
        batch.status.as_mut().unwrap().answered = answered;
        watched.server.pass(held_up);
        watched.push(batch).await;
    }

    async fn send(&self, watched: &Watched, batch: Batch) {
        watched.push(self.sent(watched, batch)).await;
    }
}

fn databases(watched: &Watched, time: &str, commits: i64) -> Reading {
    let row = json!({"datid": 5, "xact_commit": commits, "xact_rollback": 0, "numbackends": 3});
    watched.reading("pg_stat_database", time, Some(10), &[row])
}

/// The times that readings of a set are stored at.
async fn stored(watched: &Watched, set: &str) -> Vec<Timestamp> {
    let client = watched.server.app.metrics.get().await.unwrap();
    let sql = format!("select time from metrics.{set} order by time");
    client.query(&sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

async fn instance(watched: &Watched) -> Value {
    watched.get(INSTANCE).await.expect(200)
}

#[tokio::test]
async fn whatever_the_clock_says_rows_are_stored_at_the_true_time_and_the_skew_is_told() {
    for (seconds, sentence) in [
        (7200, "The collector's clock is 2 h ahead."),
        (300, "The collector's clock is 5 min ahead."),
        (-200, "The collector's clock is 3 min 20 s behind."),
        (-30 * 86_400, "The collector's clock is 30 d behind."),
        (400 * 86_400, "The collector's clock is 400 d ahead."),
    ] {
        let watched = Watched::silent().await;
        let machine = Machine::off(seconds);
        let mut told = primary();
        told.clock_offset_us = Some(0);
        let mut first = databases(&watched, "11:59:49", 50);
        first.flags.push(crate::watched::flag(wire::FlagReason::Reset, "11:59:30", "11:59:49"));
        for (time, reading) in [("11:59:49", first), ("11:59:59", databases(&watched, "11:59:59", 70))] {
            machine.send(&watched, machine.batch(&watched, time, reading, Some(told.clone()))).await;
        }
        assert_eq!(stored(&watched, "pg_stat_database").await, [at("11:59:49"), at("11:59:59")], "{seconds}");
        let client = watched.server.app.metrics.get().await.unwrap();
        let flag = client.query_one("select start, \"end\" from metrics.flags", &[]).await.unwrap();
        let [start, end]: [Timestamp; 2] = std::array::from_fn(|nth| flag.get(nth));
        assert_eq!([start, end], [at("11:59:30"), at("11:59:49")], "{seconds}");
        let said = instance(&watched).await;
        let reset = "Statistics of pg_stat_database were reset shortly before 2026-03-01 11:59:49 UTC: work just before \
                     that may be missing.";
        assert_eq!(said["reasons"], json!([sentence, reset]), "{seconds}");
        assert_eq!((&said["tps"], &said["data_age_ms"]), (&json!(7.0), &json!(1000.0)), "{seconds}");
        assert_eq!(said["last_seen"], "2026-03-01T12:00:00Z", "{seconds}");
        let collectors = watched.get("/collectors").await.expect(200);
        assert_eq!(collectors["data"][0]["clock_message"], sentence);
        assert_eq!(collectors["data"][0]["clock_ahead_ms"], json!(seconds as f64 * 1000.0));
    }
}

#[tokio::test]
async fn the_network_is_no_skew() {
    let watched = Watched::silent().await;
    let machine = Machine::off(-1);
    for time in ["11:59:39", "11:59:49", "11:59:59"] {
        machine.send(&watched, machine.batch(&watched, time, databases(&watched, time, 1), None)).await;
    }
    assert_eq!(
        stored(&watched, "pg_stat_database").await,
        ["11:59:38", "11:59:48", "11:59:58"].map(at),
        "a second is left alone, so that intervals line up"
    );
    assert_eq!(instance(&watched).await["reasons"], json!([]));
    let client = watched.server.app.metrics.get().await.unwrap();
    let offsets = client.query("select offset_us from metrics.clocks", &[]).await.unwrap();
    assert_eq!(offsets.iter().map(|row| row.get(0)).collect::<Vec<i64>>(), [0]);
}

#[tokio::test]
async fn a_slow_request_is_no_slow_clock() {
    let slow = std::time::Duration::from_secs(11);
    // No answer was had before, or one was.
    for answered in [false, true] {
        let watched = Watched::silent().await;
        let machine = Machine::off(0);
        for time in ["11:59:49", "11:59:59"] {
            let batch = machine.batch(&watched, time, databases(&watched, time, 1), None);
            machine.send_slowly(&watched, batch, answered, slow).await;
        }
        assert_eq!(stored(&watched, "pg_stat_database").await, ["11:59:49", "11:59:59"].map(at), "{answered}");
        assert_eq!(instance(&watched).await["reasons"], json!([]), "{answered}");
    }
    // One that is wrong is corrected by what is proven of it, however slow the line is.
    let watched = Watched::silent().await;
    let machine = Machine::off(-200);
    let batch = machine.batch(&watched, "11:59:49", databases(&watched, "11:59:49", 1), None);
    machine.send_slowly(&watched, batch, true, slow).await;
    assert_eq!(stored(&watched, "pg_stat_database").await, [at("11:59:49")]);
    let said = instance(&watched).await;
    assert_eq!(said["reasons"][0], "The collector's clock is 3 min 20 s behind.", "{said}");
}

#[tokio::test]
async fn an_answer_tells_when_it_was_made() {
    let watched = Watched::silent().await;
    let batch = watched.batch(vec![databases(&watched, "11:59:59", 1)]);
    let call = watched.server.post("/metrics/push").bearer(&watched.token);
    let call = call.header("Content-Type", "application/x-protobuf").body(batch.encode_to_vec());
    let answer = call.send().await.expect(202);
    let told: Timestamp = answer["answered_at"].as_str().unwrap().parse().unwrap();
    let since = told.duration_since(watched.now());
    assert!(!since.is_negative() && since < SignedDuration::from_secs(60), "{told}");
}

#[tokio::test]
async fn a_step_in_mid_run_moves_no_row_and_a_backlog_from_before_it_neither() {
    let watched = Watched::silent().await;
    let mut machine = Machine::off(0);
    machine.send(&watched, machine.batch(&watched, "11:59:00", databases(&watched, "11:59:00", 1), None)).await;
    // The server is away; the time of day is set an hour back, then two forward; the process goes on.
    let backlog: Vec<Batch> = ["11:59:10", "11:59:20"]
        .map(|time| machine.batch(&watched, time, databases(&watched, time, 2), None))
        .into_iter()
        .collect();
    machine.day_off = -3600 * S;
    let behind = machine.batch(&watched, "11:59:30", databases(&watched, "11:59:30", 3), None);
    machine.day_off = 7200 * S;
    let ahead = machine.batch(&watched, "11:59:40", databases(&watched, "11:59:40", 4), None);
    // And is started anew, by the time of day that it finds.
    let anew = machine.started_anew();
    let after = anew.batch(&watched, "11:59:50", databases(&watched, "11:59:50", 5), None);
    // What is sent last of all is from before the step, and by the clock of the process before.
    for batch in [after, ahead, behind] {
        anew.send(&watched, batch).await;
    }
    for batch in backlog {
        anew.send(&watched, batch).await;
    }
    let times = ["11:59:00", "11:59:10", "11:59:20", "11:59:30", "11:59:40", "11:59:50"].map(at);
    assert_eq!(stored(&watched, "pg_stat_database").await, times);
    assert_eq!(instance(&watched).await["reasons"], json!(["The collector's clock is 2 h ahead."]));
    let client = watched.server.app.metrics.get().await.unwrap();
    let rows = client.query("select clock, offset_us from metrics.clocks order by offset_us desc", &[]).await.unwrap();
    let kept: Vec<(Uuid, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(kept, [(machine.clock, 0), (anew.clock, -7200 * S)]);
}

#[tokio::test]
async fn after_a_start_of_the_machine_what_was_measured_before_it_counts() {
    let watched = Watched::silent().await;
    let before = Machine::off(600);
    before.send(&watched, before.batch(&watched, "11:58:00", databases(&watched, "11:58:00", 1), None)).await;
    let left = before.batch(&watched, "11:58:10", databases(&watched, "11:58:10", 2), None);
    // The machine starts anew with the right time; the spool is delivered by the new process.
    Machine::off(0).send(&watched, left).await;
    assert_eq!(stored(&watched, "pg_stat_database").await, [at("11:58:00"), at("11:58:10")]);
    assert_eq!(instance(&watched).await["reasons"], json!([]));
}

#[tokio::test]
async fn ages_are_by_the_instances_own_clock() {
    // The collector's clock and the instance's, in seconds off the true time.
    for (collector, own) in [(-200, 0), (7200, 7200), (0, -600), (300, -600), (0, 600)] {
        let watched = Watched::silent().await;
        let machine = Machine::off(collector);
        let mut told = primary();
        told.clock_offset_us = Some(own * S);
        // By the instance's clock it began 20 s before the reading.
        let began = at("11:59:39") + SignedDuration::from_secs(own);
        let began = began.to_string()["2026-03-01T".len()..].trim_end_matches('Z').to_owned();
        let session = json!({"pid": 7, "backend_start": &began, "backend_type": "client backend", "state": "active",
            "application_name": "shop", "client_addr": "", "datid": 5, "userid": 10, "xact_start": &began,
            "query_start": &began, "state_change": &began, "query": "select 1"});
        let wait = json!({"pid": 7, "blocker_pid": 1, "waitstart": &began, "xact_start": &began});
        for (set, row) in [("pg_stat_activity", session), ("lock_waits", wait)] {
            let reading = watched.reading(set, "11:59:59", Some(10), &[row]);
            let batch = machine.batch(&watched, "11:59:59", reading, Some(told.clone()));
            machine.send(&watched, batch).await;
        }
        let sessions = watched.read("/activity").await;
        let session = &sessions["data"][0];
        assert_eq!(
            (&session["xact_age_ms"], &session["query_age_ms"], &session["state_age_ms"]),
            (&json!(20_000.0), &json!(20_000.0), &json!(20_000.0)),
            "{collector} {own}: {sessions}"
        );
        let locks = watched.read("/locks").await;
        assert_eq!(locks["oldest_wait_ms"], json!(20_000.0), "{collector} {own}: {locks}");
        let reasons = instance(&watched).await["reasons"].to_string();
        assert_eq!(reasons.contains("PostgreSQL's clock is"), own != 0, "{reasons}");
    }
}

#[tokio::test]
async fn silence_is_by_arrival() {
    let watched = Watched::silent().await;
    let machine = Machine::off(-200);
    // An hour of backlog is being delivered: what arrives is old, the collector is not silent.
    let old = machine.batch(&watched, "11:00:00", databases(&watched, "11:00:00", 1), None);
    machine.send(&watched, old).await;
    let said = instance(&watched).await;
    assert_ne!(said["state"], "no_data", "{said}");
    assert_eq!(said["last_seen"], "2026-03-01T12:00:00Z");
    watched.server.pass(std::time::Duration::from_secs(180));
    let said = instance(&watched).await;
    assert_eq!(
        (&said["state"], &said["reasons"][0]),
        (&json!("no_data"), &json!("The collector is silent since 2026-03-01 12:00:00 UTC."))
    );
}

/// Two processes with one identity, as of a copied state directory.
#[tokio::test]
async fn a_process_that_was_replaced_is_refused_and_told_when_it_comes_again() {
    let watched = Watched::silent().await;
    let (older, newer) = (Machine::off(0), Machine::off(0));
    let of = |machine: &Machine, time: &str| machine.batch(&watched, time, databases(&watched, time, 1), None);
    older.send(&watched, of(&older, "11:59:29")).await;
    newer.send(&watched, of(&newer, "11:59:39")).await;
    let told = "Two collectors run with one identity: the one on host db-1.example, since 2026-03-01 12:00:00 UTC, is \
                taken, the one on host db-1.example is refused.";
    for nth in [1, 2] {
        let batch = older.sent(&watched, of(&older, "11:59:49"));
        let call = watched.server.post("/metrics/push").bearer(&watched.token);
        let call = call.header("Content-Type", "application/x-protobuf").body(batch.encode_to_vec());
        let refused = call.send().await.refused(403, "identity_in_use");
        let said = refused["message"].as_str().unwrap();
        let began = "Another collector with this identity began at 2026-03-01 12:00:00 UTC on host db-1.example: only";
        assert!(said.starts_with(began), "{said}");
        // One that ended while its last batch was on its way comes once.
        let reasons = instance(&watched).await["reasons"].to_string();
        assert_eq!(reasons.contains(told), nth == 2, "{reasons}");
    }
    newer.send(&watched, of(&newer, "11:59:49")).await;
    assert_eq!(stored(&watched, "pg_stat_database").await, ["11:59:29", "11:59:39", "11:59:49"].map(at));
    let collectors = watched.get("/collectors").await.expect(200);
    assert_eq!(collectors["data"][0]["status"], "active", "{collectors}");
    // A third one that begins is taken, and who tells no process always was.
    let third = Machine::off(0);
    third.send(&watched, of(&third, "11:59:59")).await;
    watched.deliver(vec![databases(&watched, "11:59:58", 1)]).await;
    let reasons = instance(&watched).await["reasons"].to_string();
    assert!(!reasons.contains("one identity"), "{reasons}");
}
