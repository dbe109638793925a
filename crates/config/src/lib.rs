//! The collector's configuration file and libpq's connection strings.
