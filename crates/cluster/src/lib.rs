//! Private PostgreSQL clusters: find binaries, initdb, start, adopt, stop.
