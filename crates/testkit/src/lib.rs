//! Throw-away PostgreSQL clusters and fault injection for tests.
//!
//! Owns the clusters that tests run against: [`Pg`] is one to watch, copied from a template that was made once on
//! this machine; [`store`] is a fresh database on the one store cluster of a test run; [`replication_pair`] is a
//! primary with its standby; [`Proxy`] puts faults between a client and a server. What a killed test leaves behind is
//! cleared away by the next one that starts a cluster. Knows nothing of pgAnalytics itself: migrations are passed in.

mod installations;
mod pair;
mod pg;
mod place;
mod pooler;
mod proxy;
mod ratios;
mod reaper;
mod script;
mod store;
mod template;

pub use cluster::{Binaries, Mode};
pub use installations::{installation, installations, majors};
pub use pair::{Pair, log_shipping_pair, replication_pair};
pub use pg::{Pg, PgOptions, connect};
pub use pooler::PgBouncer;
pub use proxy::{Fault, Proxy, Upstream};
pub use ratios::{Ratios, median, percentile};
pub use script::psql;
pub use store::{StoreDatabase, store, store_from};
