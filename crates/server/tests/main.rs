//! The server over a real store.

#[path = "main/fixture.rs"]
mod fixture;
#[path = "main/ingest.rs"]
mod ingest;
#[path = "main/ingest_faults.rs"]
mod ingest_faults;
#[path = "main/ingest_json.rs"]
mod ingest_json;
#[path = "main/store.rs"]
mod store;
