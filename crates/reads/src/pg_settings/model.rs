//! Settings of a monitored instance.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// The settings of an instance.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Settings {
    /// By name.
    pub(crate) data: Vec<Setting>,
    /// How many there are.
    pub(crate) count: usize,
}

/// A setting.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Setting {
    /// Its name.
    pub(crate) name: String,
    /// Its value in its unit; null where it is not known.
    pub(crate) setting: Option<String>,
    /// The value's unit, such as `8kB`; null for plain numbers and words.
    pub(crate) unit: Option<String>,
    /// The value when nothing sets it.
    pub(crate) boot_val: Option<String>,
    /// Where the value comes from.
    pub(crate) source: Option<String>,
    /// Its group in PostgreSQL's documentation.
    pub(crate) category: Option<String>,
    /// PostgreSQL's own short description.
    pub(crate) short_desc: Option<String>,
    /// Whether a changed value waits for a restart.
    pub(crate) pending_restart: Option<bool>,
    /// When it was first read with this value; null where it always had it.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) changed_at: Option<Timestamp>,
}
