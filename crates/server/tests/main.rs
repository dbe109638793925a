//! The real router over a real store. The modules mirror the URLs, and below them ingest and store.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

#[path = "main/auth.rs"]
mod auth;
#[path = "main/authorization.rs"]
mod authorization;
#[path = "main/batch.rs"]
mod batch;
#[path = "main/clocks.rs"]
mod clocks;
#[path = "main/clusters.rs"]
mod clusters;
#[path = "main/collectors.rs"]
mod collectors;
#[path = "main/conventions.rs"]
mod conventions;
#[path = "main/custom_sets.rs"]
mod custom_sets;
#[path = "main/databases.rs"]
mod databases;
#[path = "main/fixed_store.rs"]
mod fixed_store;
#[path = "main/fixture.rs"]
mod fixture;
#[path = "main/foreign.rs"]
mod foreign;
#[path = "main/functions.rs"]
mod functions;
#[path = "main/golden.rs"]
mod golden;
#[path = "main/groups.rs"]
mod groups;
#[path = "main/health.rs"]
mod health;
#[path = "main/host.rs"]
mod host;
#[path = "main/indexes.rs"]
mod indexes;
#[path = "main/infos.rs"]
mod infos;
#[path = "main/ingest.rs"]
mod ingest;
#[path = "main/ingest_faults.rs"]
mod ingest_faults;
#[path = "main/ingest_json.rs"]
mod ingest_json;
#[path = "main/inputs.rs"]
mod inputs;
#[path = "main/instances.rs"]
mod instances;
#[path = "main/io.rs"]
mod io;
#[path = "main/jobs.rs"]
mod jobs;
#[path = "main/layouts.rs"]
mod layouts;
#[path = "main/leaving.rs"]
mod leaving;
#[path = "main/life.rs"]
mod life;
#[path = "main/limits.rs"]
mod limits;
#[path = "main/listener.rs"]
mod listener;
#[path = "main/locks.rs"]
mod locks;
#[path = "main/logical.rs"]
mod logical;
#[path = "main/many_batches.rs"]
mod many_batches;
#[path = "main/metrics.rs"]
mod metrics;
#[path = "main/migrations.rs"]
mod migrations;
#[path = "main/monitored.rs"]
mod monitored;
#[path = "main/openapi.rs"]
mod openapi;
#[path = "main/over.rs"]
mod over;
#[path = "main/pages.rs"]
mod pages;
#[path = "main/pg_settings.rs"]
mod pg_settings;
#[path = "main/progress.rs"]
mod progress;
#[path = "main/queries.rs"]
mod queries;
#[path = "main/ranges.rs"]
mod ranges;
#[path = "main/rates.rs"]
mod rates;
#[path = "main/reader.rs"]
mod reader;
#[path = "main/replication.rs"]
mod replication;
#[path = "main/retention.rs"]
mod retention;
#[path = "main/samples.rs"]
mod samples;
#[path = "main/schema.rs"]
mod schema;
#[path = "main/serve.rs"]
mod serve;
#[path = "main/sessions.rs"]
mod sessions;
#[path = "main/sizes.rs"]
mod sizes;
#[path = "main/steering.rs"]
mod steering;
#[path = "main/store.rs"]
mod store;
#[path = "main/support.rs"]
mod support;
#[path = "main/tables.rs"]
mod tables;
#[path = "main/tiers.rs"]
mod tiers;
#[path = "main/tiers_rule.rs"]
mod tiers_rule;
#[path = "main/tiers_store.rs"]
mod tiers_store;
#[path = "main/tls.rs"]
mod tls;
#[path = "main/users.rs"]
mod users;
#[path = "main/wal.rs"]
mod wal;
#[path = "main/watched.rs"]
mod watched;
