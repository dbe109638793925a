//! The collector's configuration file and libpq's connection strings.
//!
//! Used by the collector, and by the server, which checks pushed configurations with the
//! collector's own parser. Nothing global is read: the environment is a closure that the caller
//! passes in, and so are the names of groups and sets.

pub mod dsn;
mod nearest;
mod secret;

pub use dsn::{Dsn, DsnError, Environment, Host, RootCert, SslMode};
pub use secret::{MASK, Secret};
