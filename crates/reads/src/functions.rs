//! What functions and procedures take: calls and time from `pg_stat_user_functions`, names from `pg_proc`.

mod answer;
pub mod model;
mod store;

pub use answer::list;
