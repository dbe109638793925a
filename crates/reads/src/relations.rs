//! What tables and indexes share: when each database was read, what relations are called, how large they are.

pub(crate) mod bloat;
pub(crate) mod model;
pub(crate) mod names;
pub(crate) mod readings;
pub(crate) mod sizes;

/// A relation: the database's oid and its own.
pub(crate) type Key = (i64, i64);

/// The sum of two figures, of which either may not be known.
pub(crate) fn plus<T: std::ops::Add<Output = T>>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one + other),
        (one, other) => one.or(other),
    }
}

/// Orders by a figure; what is not known comes last either way.
pub(crate) fn compare(one: Option<f64>, other: Option<f64>, ascending: bool) -> std::cmp::Ordering {
    match (one, other) {
        (Some(one), Some(other)) if ascending => one.total_cmp(&other),
        (Some(one), Some(other)) => other.total_cmp(&one),
        (one, other) => other.is_some().cmp(&one.is_some()),
    }
}
