//! Settings of a monitored instance.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// The settings of an instance.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Settings {
    /// By name.
    pub data: Vec<Setting>,
    /// How many there are.
    pub count: usize,
}

/// A setting.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// Its value in its unit; null where it is not known.
    pub setting: Option<String>,
    /// The value's unit, such as `8kB`; null for plain numbers and words.
    pub unit: Option<String>,
    /// The value when nothing sets it.
    pub boot_val: Option<String>,
    /// Where the value comes from.
    pub source: Option<String>,
    /// Its group in PostgreSQL's documentation.
    pub category: Option<String>,
    /// PostgreSQL's own short description.
    pub short_desc: Option<String>,
    /// Whether a changed value waits for a restart.
    pub pending_restart: Option<bool>,
    /// When it was first read with this value; null where it always had it.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub changed_at: Option<Timestamp>,
}
