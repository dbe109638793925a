//! One set tried on the configured instances, without spool or server: what it reads, and what that costs.

use std::sync::Arc;

use catalog::{Catalog, Set, Version};
use config::Config;
use prost::Message as _;
use serde_json::{Value, json};
use wire::{Frame, Reading, SetState, State};

use crate::examine::{self, row_json};
use crate::startup::version_num;

/// A set as it was tried on one instance.
#[derive(Debug)]
pub struct Tried {
    /// The instance.
    pub instance: String,
    /// Its version, where it answered.
    pub version: Option<String>,
    /// The version that its statement is for; none where there is none for the instance.
    pub sql_version: Option<Version>,
    /// Its state, and those of columns that are not whole.
    pub states: Vec<SetState>,
    /// Each database's, or the instance's.
    pub readings: Vec<TriedReading>,
    /// Why nothing could be read.
    pub error: Option<String>,
}

/// One reading.
#[derive(Debug)]
pub struct TriedReading {
    /// The database, where it is of one.
    pub datid: Option<i64>,
    /// How many rows.
    pub rows: usize,
    /// The columns that came, with their types.
    pub columns: Vec<(String, &'static str)>,
    /// The first rows.
    pub sample: Vec<Value>,
    /// How long it took, seen from here.
    pub duration_ms: f64,
    /// What it takes on the way to the server, before compression.
    pub bytes: usize,
    /// Why nothing was read.
    pub error: Option<String>,
}

impl Tried {
    /// Whether it was read everywhere.
    #[must_use]
    pub fn works(&self) -> bool {
        let is_whole = |state: &SetState| state.state == State::Works as i32;
        self.error.is_none()
            && self.states.iter().all(is_whole)
            && !self.readings.is_empty()
            && self.readings.iter().all(|reading| reading.error.is_none())
    }

    /// As JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let reading = |reading: &TriedReading| {
            let columns = reading.columns.iter().map(|(name, word)| json!({ "name": name, "type": word }));
            json!({
                "datid": reading.datid,
                "rows": reading.rows,
                "columns": columns.collect::<Vec<_>>(),
                "sample": reading.sample,
                "duration_ms": reading.duration_ms,
                "bytes": reading.bytes,
                "error": reading.error,
            })
        };
        json!({
            "instance": self.instance,
            "version": self.version,
            "sql": self.sql_version.map(|version| format!("{version}.sql")),
            "states": self.states.iter().map(examine::state_json).collect::<Vec<_>>(),
            "readings": self.readings.iter().map(reading).collect::<Vec<_>>(),
            "error": self.error,
        })
    }
}

/// Tries a set of a catalogue, at most `sample` rows of which are shown. Counters are what they are since their last reset.
pub async fn dry_run(config: &Config, catalog: &Catalog, set: &str, sample: usize) -> Vec<Tried> {
    let catalog = Arc::new(catalog.clone().only(&[set]));
    let Some(tried) = catalog.get(set) else { return Vec::new() };
    let examined = examine::examine(config, &catalog, None).await;
    let told = examined.into_iter().map(|examined| {
        let attributes = examined.instance.attributes.as_ref();
        let version = attributes.map(|attributes| attributes.version.clone());
        let serves = attributes.and_then(|attributes| match &tried.extension {
            Some(_) => attributes.statements_version.as_ref().and_then(|version| version.parse().ok()),
            None => version_num(&attributes.version).map(Version::of_server),
        });
        let readings = examined.readings.iter().filter(|reading| reading.set == set);
        Tried {
            instance: examined.name,
            sql_version: serves.and_then(|version| tried.sql.range(..=version).next_back()).map(|(from, _)| *from),
            version,
            states: examined.states.into_iter().filter(|state| state.set == set).collect(),
            readings: readings.map(|reading| told(tried, reading, sample)).collect(),
            error: examined.instance.error,
        }
    });
    told.collect()
}

fn told(set: &Set, reading: &Reading, sample: usize) -> TriedReading {
    let definition = &set.definition;
    let rows = reading.decode_rows(definition).unwrap_or_else(|_| Frame::new(definition));
    let columns = definition.columns.iter().enumerate().filter(|(place, _)| rows.column(*place).is_some());
    TriedReading {
        datid: reading.datid,
        rows: rows.rows,
        columns: columns.map(|(_, column)| (column.name.clone(), column.column_type.word())).collect(),
        sample: (0..rows.rows.min(sample)).map(|row| row_json(definition, &rows, row)).collect(),
        duration_ms: reading.duration_us as f64 / 1000.0,
        bytes: reading.encoded_len(),
        error: reading.error.clone(),
    }
}
