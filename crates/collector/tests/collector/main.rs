//! The collector against real servers of every major that is installed, and its parts against models.
#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

mod abandoned;
mod bloat;
mod budget;
mod catalogue;
mod changes;
mod databases;
mod delivery;
mod exposition;
mod faults;
mod foreign;
mod host;
mod increments;
mod integer_keys;
mod io;
mod lanes;
mod limits;
mod locks;
mod logical;
mod look;
mod pooler;
mod presets;
mod progress;
mod recovery;
mod replication;
mod rig;
mod samples;
mod schema;
mod sequences;
mod spool;
mod statements;
mod texts;
mod versions;
mod watch;
