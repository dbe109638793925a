//! Throw-away PostgreSQL clusters and fault injection for tests.
