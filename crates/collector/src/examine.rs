//! Looks at the configured instances once, without spool or server: `check` and `once`.

use std::sync::Arc;
use std::time::Duration;

use catalog::{Catalog, Definition, Type};
use config::Config;
use serde_json::{Map, Value, json};
pub use wire::SetState;
use wire::{Frame, FrameColumn, Reading, State, StateCode, Values};

use crate::baseline::{Baseline, ReadingTime};
use crate::watch::{Baselines, Cycle, Watch};

/// What a look at one instance gave.
#[derive(Debug)]
pub struct Examined {
    /// The instance's name.
    pub name: String,
    /// What it said of itself, or why it did not.
    pub instance: wire::Instance,
    /// What can be read; only what is not whole has a reason.
    pub states: Vec<SetState>,
    /// What could be read besides, for a price that PostgreSQL does not ask for by default.
    pub hints: Vec<SetState>,
    /// What was read.
    pub readings: Vec<Reading>,
    /// What is wrong with its configuration, although it can be read.
    pub mistakes: Vec<String>,
}

/// Reads every enabled set of every instance. Counters are what they are since their last reset;
/// with `over`, they are read twice and become the increments in between.
pub async fn examine(config: &Config, catalog: &Arc<Catalog>, over: Option<Duration>) -> Vec<Examined> {
    let mut examined = Vec::new();
    for instance in &config.instances {
        let mut watch = Watch::new(instance.clone(), Arc::clone(catalog), |setting| config.row_limit(setting));
        let sets: Vec<String> = watch.schedule().into_iter().map(|(set, _)| set).collect();
        let first = watch.cycle(&sets, &Baselines::new()).await;
        let mut states = first.instance.states.clone();
        let mut earlier = watch.read_databases(&Baselines::new()).await;
        earlier.push(first);
        let baselines = match over {
            None => earlier.iter().flat_map(|cycle| zeroed(catalog, cycle)).collect(),
            Some(pause) => {
                watch.pause(pause).await;
                let next = earlier.into_iter().flat_map(|cycle| cycle.next);
                next.map(|(place, next)| (place, Arc::new(next))).collect()
            }
        };
        if over.is_none() {
            // The second reading repeats everything that the first one sent.
            watch.forget_sent();
        }
        watch.wake();
        // What fails in a database is said with the cycle after it.
        let databases = watch.read_databases(&baselines).await;
        let mut second = watch.cycle(&sets, &baselines).await;
        second.readings.extend(databases.into_iter().flat_map(|cycle| cycle.readings));
        if !second.instance.states.is_empty() {
            states = second.instance.states.clone();
        }
        let (hints, states) = states.into_iter().partition(|state| is_hint(catalog, state));
        let mistakes = if second.instance.error.is_none() { watch.mistakes().await } else { Vec::new() };
        examined.push(Examined {
            mistakes,
            name: instance.name.clone(),
            instance: second.instance,
            states,
            hints,
            readings: second.readings,
        });
    }
    examined
}

/// Whether a column is missing because a setting is off that is as good a choice off.
pub(crate) fn is_hint(catalog: &Catalog, state: &SetState) -> bool {
    let column = catalog.get(&state.set).and_then(|set| set.definition.column(&state.column));
    let setting = column.and_then(|(_, column)| column.requires_setting.as_deref());
    state.code == StateCode::Setting as i32 && setting.is_some_and(catalog::is_optional)
}

/// Baselines of the same moments without rows: every counter counts from zero.
fn zeroed(catalog: &Catalog, cycle: &Cycle) -> Baselines {
    let mut baselines = Baselines::new();
    for (place, next) in &cycle.next {
        let Some(set) = catalog.get(&place.set) else { continue };
        let at = ReadingTime {
            incarnation: next.incarnation.clone(),
            started_us: next.time_us,
            time_us: next.time_us,
            instance_time_us: next.instance_time_us,
            since_previous_us: None,
        };
        // The columns that this version has, and no row.
        let columns = set.definition.columns.iter().zip(&next.frame.columns);
        let columns = columns.map(|(meta, column)| column.as_ref().map(|_| FrameColumn::new(meta.column_type)));
        let empty = Frame { rows: 0, columns: columns.collect() };
        let empty = Baseline::new(&set.definition, empty, next.guard.clone(), &at);
        baselines.extend(empty.ok().map(|empty| (place.clone(), Arc::new(empty))));
    }
    baselines
}

impl Examined {
    /// Whether it cannot be read, or not as it is configured.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.instance.error.is_some() || !self.mistakes.is_empty()
    }

    /// Whether something of it was asked for and not read.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        let said = self.states.iter().any(|state| state.state == State::Error as i32);
        said || self.instance.error.is_some() || self.readings.iter().any(|reading| reading.error.is_some())
    }

    /// Whether something could be read and is not, and somebody can mend that; a hint is no such thing.
    #[must_use]
    pub fn is_degraded(&self) -> bool {
        let mendable = |state: &SetState| {
            let codes = [StateCode::Setting, StateCode::Privilege, StateCode::Extension, StateCode::Failed];
            // A version is too old for good, or an update of the extension brings a newer one.
            codes.iter().any(|code| *code as i32 == state.code) || !state.fix.is_empty()
        };
        self.has_failed() || self.states.iter().any(|state| state.state != State::Works as i32 && mendable(state))
    }

    /// What was read, as JSON.
    #[must_use]
    pub fn to_json(&self, catalog: &Catalog) -> Value {
        let sets: Vec<Value> = self
            .readings
            .iter()
            .filter_map(|reading| {
                let definition = &catalog.get(&reading.set)?.definition;
                let rows = reading.decode_rows(definition).ok()?;
                Some(json!({
                    "set": reading.set,
                    "datid": reading.datid,
                    "time": moment(reading.time_us),
                    "interval_ms": reading.interval_us.map(|us| us / 1000),
                    "duration_ms": reading.duration_us as f64 / 1000.0,
                    "error": reading.error,
                    "rows": (0..rows.rows).map(|row| row_json(definition, &rows, row)).collect::<Vec<_>>(),
                }))
            })
            .collect();
        json!({
            "instance": self.name,
            "error": self.instance.error,
            "attributes": self.attributes_json(),
            "states": self.states_json(),
            "hints": self.hints_json(),
            "sets": sets,
        })
    }

    /// What the instance said of itself.
    #[must_use]
    pub fn attributes_json(&self) -> Value {
        self.instance.attributes.as_ref().map_or(Value::Null, |attributes| {
            json!({
                "version": attributes.version,
                "role": attributes.role,
                "system_identifier": attributes.system_identifier,
                "timeline": attributes.timeline,
                "host": attributes.host,
                "port": attributes.port,
                "started_at": moment(attributes.postmaster_start_us),
                "pg_stat_statements": attributes.statements_version,
            })
        })
    }

    /// The state of each set and of each column that is not whole.
    #[must_use]
    pub fn states_json(&self) -> Value {
        self.states.iter().map(state_json).collect()
    }

    /// The columns that could be read besides.
    #[must_use]
    pub fn hints_json(&self) -> Value {
        self.hints.iter().map(state_json).collect()
    }
}

pub(crate) fn state_json(state: &SetState) -> Value {
    json!({
        "set": state.set,
        "column": (!state.column.is_empty()).then_some(&state.column),
        "state": state_word(state.state),
        "reason": (!state.message.is_empty()).then_some(&state.message),
        "fix": (!state.fix.is_empty()).then_some(&state.fix),
    })
}

/// The word for a state.
#[must_use]
pub fn state_word(state: i32) -> &'static str {
    match State::try_from(state) {
        Ok(State::Works) => "works",
        Ok(State::Degraded) => "degraded",
        Ok(State::Missing) => "missing",
        Ok(State::Error) | Err(_) => "error",
    }
}

/// One row by the rules of the API: 64-bit labels, moments and WAL positions as text.
pub(crate) fn row_json(definition: &Definition, frame: &Frame, row: usize) -> Value {
    let mut object = Map::new();
    for (place, meta) in definition.columns.iter().enumerate() {
        let Some(column) = frame.column(place).filter(|column| !column.is_null(row)) else { continue };
        let value = match &column.values {
            Values::Bool(values) => values[row].into(),
            Values::Float(values) => values[row].into(),
            Values::Text(values) => (*values[row]).into(),
            Values::Int(values) => match meta.column_type {
                Type::Int8 if meta.kind == catalog::Kind::Label => values[row].to_string().into(),
                Type::Lsn => lsn(values[row]).into(),
                Type::Timestamptz => moment(values[row]),
                _ => values[row].into(),
            },
        };
        object.insert(meta.name.clone(), value);
    }
    Value::Object(object)
}

fn lsn(position: i64) -> String {
    let position = position.cast_unsigned();
    format!("{:X}/{:X}", position >> 32, position & 0xffff_ffff)
}

fn moment(us: i64) -> Value {
    match us {
        i64::MIN => "-infinity".into(),
        i64::MAX => "infinity".into(),
        us => jiff::Timestamp::from_microsecond(us).map_or(Value::Null, |moment| moment.to_string().into()),
    }
}
