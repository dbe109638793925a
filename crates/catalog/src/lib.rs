//! What is measured. A *set* is what is read together: a folder `catalog/<scope>/<set>/` with
//! `set.toml` (its meaning) and one `<version>.sql` per range of versions (its reading).
//!
//! This crate owns parsing, checking, choosing SQL for a version, and what follows from a set:
//! its definition's hash, its table, its reference page; and it knows what its proposals cost. It reads no database and knows no wire.
//!
//! ```text
//! catalog/ ─► Catalog::embedded() ─┐
//! CATALOG_DIR ─► Catalog::with_dir ─┤
//! pushed ─► SetFiles ─► Catalog::with ─┴► Set ─► sql_for(version) · definition() · reference
//! ```

mod costs;
mod definition;
mod embedded;
mod files;
pub mod lexer;
pub mod names;
mod quote;
mod reference;
mod set;
pub mod statement;
mod version;

pub use costs::{cost, costs, is_optional};
pub use definition::{Column, Definition, DefinitionHash, Extreme, Incompatible, Kind, Scope, SetKind, Type, Unit};
pub use embedded::{Catalog, CatalogError, USERS_PREFIX};
pub use files::{FilesError, MAX_SET, SetFiles};
pub use quote::{identifier, is_invisible, literal, one_line};
pub use reference::reference;
pub use set::{
    Availability, INFO_COLUMNS, Limit, MAX_NAME, RESERVED_COLUMNS, Role, SAMPLE_COUNTS, Sample, Set, SetError,
    WithoutGrant,
};
pub use version::{Version, VersionError};

/// Ends every statement that a collector sends: its work can be told from that of others who use the same role. It
/// stands last because PostgreSQL 18 leaves out what stands before a statement's first word.
pub const SIGNATURE: &str = "/* pganalytics */";
