//! Text-file cases: what a user could write, and what comes of it.

mod cases;
mod dsn;
mod file;
