//! The real binary against real clusters.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

#[path = "main/arrows.rs"]
mod arrows;
#[path = "main/browser.rs"]
mod browser;
#[path = "main/commands.rs"]
mod commands;
#[path = "main/copies.rs"]
mod copies;
#[path = "main/corpus.rs"]
mod corpus;
#[path = "main/custom_sets.rs"]
mod custom_sets;
#[path = "main/demo.rs"]
mod demo;
#[path = "main/exactness.rs"]
mod exactness;
#[path = "main/faults.rs"]
mod faults;
#[path = "main/forgotten.rs"]
mod forgotten;
#[path = "main/grafana.rs"]
mod grafana;
#[path = "main/host.rs"]
mod host;
#[path = "main/install.rs"]
mod install;
#[path = "main/life.rs"]
mod life;
#[path = "main/load.rs"]
mod load;
#[path = "main/lock_queue.rs"]
mod lock_queue;
#[path = "main/losses.rs"]
mod losses;
#[path = "main/relations.rs"]
mod relations;
#[path = "main/reload.rs"]
mod reload;
#[path = "main/report.rs"]
mod report;
#[path = "main/samples.rs"]
mod samples;
#[path = "main/secrets.rs"]
mod secrets;
#[path = "main/servers.rs"]
mod servers;
#[path = "main/spool.rs"]
mod spool;
#[path = "main/standbys.rs"]
mod standbys;
#[path = "main/statements.rs"]
mod statements;
#[path = "main/steering.rs"]
mod steering;
#[path = "main/tls.rs"]
mod tls;
#[path = "main/twice.rs"]
mod twice;
#[path = "main/upgrade.rs"]
mod upgrade;
#[path = "main/world.rs"]
mod world;
