//! Several batches in one request.

use prost::Message;
use serde_json::{Value, json};
use uuid::Uuid;
use wire::{Batch, compress};

use crate::metrics::Measured;
use crate::support::Answer;

const MANY: &str = "application/x-protobuf; batches=many";

impl Measured {
    /// A batch with so many statements.
    fn sized(&self, sequence: u64, statements: usize) -> Batch {
        let mut batch = self.batch(sequence);
        batch.readings.push(self.statements(&self.definition("pg_stat_statements"), 5, &vec![1; statements]));
        batch
    }

    async fn push_body(&self, kind: &str, compression: &str, body: Vec<u8>) -> Answer {
        let call = self.server.post("/metrics/push").bearer(&self.token).header("Content-Type", kind);
        call.header("Content-Encoding", compression).body(body).send().await
    }

    pub(crate) async fn push_many(&self, batches: &[Batch]) -> Answer {
        let body: Vec<u8> = batches.iter().flat_map(Batch::encode_length_delimited_to_vec).collect();
        self.push_body(MANY, "zstd", compress(&body).unwrap()).await
    }

    async fn rows(&self) -> Value {
        self.get("/metrics/count").await.expect(200)["count"].clone()
    }
}

/// Status, rows, and whether it was a duplicate or which error it was.
fn summary(answers: &Value) -> Vec<Value> {
    let answers = answers["answers"].as_array().unwrap().iter();
    answers
        .map(|one| match one["status"].as_u64() {
            Some(202) => json!([202, one["body"]["rows_inserted"], one["body"]["duplicate"]]),
            status => json!([status, one["body"]["error"]]),
        })
        .collect()
}

#[tokio::test]
async fn each_batch_has_the_answer_that_it_would_have_alone() {
    let measured = Measured::new().await;
    let mut foreign = measured.sized(3, 1);
    foreign.collector_id = Uuid::now_v7().as_bytes().to_vec();
    let mut unknown = measured.sized(4, 1);
    unknown.readings[0].definition = vec![7; 16];
    let mut old = measured.sized(5, 1);
    old.created_us -= 15 * 86_400_000_000;
    let batches = [
        measured.sized(1, 3),
        measured.sized(2, 2),
        measured.sized(1, 3),
        foreign,
        unknown,
        old,
        Batch::default(),
        measured.sized(6, 1),
    ];
    let answer = measured.push_many(&batches).await;
    let answers = answer.expect(200);
    let expected = [
        json!([202, 3, false]),
        json!([202, 2, false]),
        json!([202, 0, true]),
        json!([403, "wrong_collector"]),
        json!([409, "unknown_definition"]),
        json!([422, "too_old"]),
        json!([415, "unsupported_media_type"]),
        json!([202, 1, false]),
    ];
    assert_eq!(summary(&answers), expected);
    let epoch = Uuid::from_slice(&batches[0].epoch).unwrap();
    assert_eq!(answers["answers"][7]["body"]["batch_id"], format!("{epoch}/6"));
    assert_eq!(answers["answers"][7]["body"]["last_sequence"], 6);
    let refused = &answers["answers"][4]["body"];
    assert_eq!(refused["details"][0]["reason"], "07".repeat(16), "what is asked for is named: {refused}");
    assert_eq!(refused["request_id"], answer.header("x-request-id"));
    assert_eq!(measured.rows().await, 6);
    // Of each, what it is answered alone.
    assert_eq!(measured.push(&batches[1]).await.expect(202)["duplicate"], true);
    measured.push(&batches[4]).await.refused(409, "unknown_definition");
}

#[tokio::test]
async fn compressed_batches_travel_as_they_lie_in_a_spool() {
    let measured = Measured::new().await;
    let mut body = Vec::new();
    for sequence in 1..=3 {
        let batch = measured.sized(sequence, 2);
        let (spooled, length) = (batch.encode_to_vec(), batch.encoded_len());
        let mut delimiter = Vec::new();
        prost::encode_length_delimiter(length, &mut delimiter).unwrap();
        body.extend(compress(&delimiter).unwrap());
        // The status that is appended when it is sent is a frame of its own.
        body.extend(compress(&spooled[..length - 1]).unwrap());
        body.extend(compress(&spooled[length - 1..]).unwrap());
    }
    let answers = measured.push_body(MANY, "zstd", body).await.expect(200);
    assert_eq!(summary(&answers), vec![json!([202, 2, false]); 3]);
}

#[tokio::test]
async fn a_body_that_cannot_be_taken_apart_stores_nothing() {
    let measured = Measured::new().await;
    let whole: Vec<u8> =
        [1, 2].iter().flat_map(|nth| measured.sized(*nth, 1).encode_length_delimited_to_vec()).collect();
    let gibibyte = [0x80, 0x80, 0x80, 0x80, 0x04];
    let bad: [(&[u8], &[u8]); 5] =
        [(b"", b""), (&whole, &[0x80]), (&whole, &gibibyte), (&whole[..whole.len() - 1], b""), (&whole, &[3, 1, 2])];
    for (begin, end) in bad {
        let body = [begin, end].concat();
        measured.push_body(MANY, "identity", body.clone()).await.refused(400, "invalid_body");
        measured.push_body(MANY, "zstd", compress(&body).unwrap()).await.refused(400, "invalid_body");
    }
    measured.push_body(MANY, "identity", vec![0; 257]).await.refused(413, "payload_too_large");
    measured.push_body(MANY, "zstd", compress(&vec![0; 65 << 20]).unwrap()).await.refused(413, "payload_too_large");
    for kind in ["application/json; batches=many", "application/x-protobuf; batches=some"] {
        measured.push_body(kind, "identity", whole.clone()).await.refused(415, "unsupported_media_type");
    }
    assert_eq!(measured.rows().await, 0);
    // However it is written.
    for kind in ["application/x-protobuf;batches=\"many\"", "Application/X-Protobuf ; charset=binary ; Batches = MANY"]
    {
        measured.push_body(kind, "identity", whole.clone()).await.expect(200);
    }
    assert_eq!(measured.rows().await, 2);
    measured
        .push_body("application/x-protobuf; batches=one", "identity", measured.sized(3, 1).encode_to_vec())
        .await
        .expect(202);
}

#[tokio::test]
async fn a_body_of_more_than_may_be_in_flight_is_taken_in_parts() {
    // Each batch alone weighs more than a third of the room.
    let measured = Measured::with(&[("METRICS_BUFFER_SIZE", "1048576")]).await;
    let batches: Vec<Batch> = (1..=20).map(|sequence| measured.sized(sequence, 700)).collect();
    let answers = measured.push_many(&batches).await.expect(200);
    assert_eq!(summary(&answers), vec![json!([202, 700, false]); 20]);
    assert_eq!(measured.rows().await, 20 * 700);
    assert_eq!(measured.server.get("/health").send().await.expect(200)["ingest"]["queue_bytes"], 0);
}
