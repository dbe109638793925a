//! What fuzzing begins with, and what it found once: fuzz/corpus, through the same code as the fuzzer's.
#![expect(unreachable_pub, reason = "the fuzzer has it in a crate")]

use std::path::Path;

#[path = "../../../../fuzz/src/batch.rs"]
mod batch;
#[path = "../../../../fuzz/src/json.rs"]
mod json;
#[path = "../../../../fuzz/src/spool.rs"]
mod spool;

fn replay(target: &str, run: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let inputs: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!inputs.is_empty(), "{target} has no corpus");
    for input in inputs {
        run(&std::fs::read(input).unwrap());
    }
}

#[test]
fn batches_are_answered_or_refused() {
    replay("batch", batch::run);
}

#[test]
fn json_is_answered_or_refused() {
    replay("json", json::run);
}

#[test]
fn a_spool_opens_whatever_stands_in_its_files() {
    replay("spool", spool::run);
}
