//! One configuration laid over another: tables key by key, `[[instances]]` by their names.

use toml::{Table, Value};

use crate::error::ConfigError;
use crate::settings::INSTANCE_NAME;

/// The key of `[[instances]]`.
const INSTANCES: &str = "instances";

/// What both say, where `over` wins: tables are merged key by key, instances of one name key by key too, lists as a
/// whole. The result is written anew, in one order and without comments: the same two say the same text again.
///
/// # Errors
/// When one of them is not TOML.
pub fn merge(over: &str, under: &str) -> Result<String, ConfigError> {
    let (over, mut merged) = (read(over)?, read(under)?);
    lay(over, &mut merged, true);
    toml::to_string(&merged).map_err(|error| ConfigError::new(None, format!("cannot be written as TOML: {error}")))
}

fn read(text: &str) -> Result<Table, ConfigError> {
    text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map(|span| text.as_bytes()[..span.start.min(text.len())].iter());
        let line = line.map(|bytes| bytes.filter(|byte| **byte == b'\n').count() + 1);
        ConfigError::new(line, format!("not TOML: {}", error.message()))
    })
}

fn lay(over: Table, under: &mut Table, is_root: bool) {
    for (key, value) in over {
        match (value, under.get_mut(&key)) {
            (Value::Table(above), Some(Value::Table(below))) => lay(above, below, false),
            (Value::Array(above), Some(Value::Array(below))) if is_root && key == INSTANCES => {
                lay_instances(above, below);
            }
            (value, _) => {
                under.insert(key, value);
            }
        }
    }
}

/// Those of the same name become one; others come after what was there.
fn lay_instances(over: Vec<Value>, under: &mut Vec<Value>) {
    for instance in over {
        let place = name(&instance).and_then(|wanted| under.iter().position(|below| name(below) == Some(wanted)));
        match (instance, place.and_then(|place| under.get_mut(place))) {
            (Value::Table(above), Some(Value::Table(below))) => lay(above, below, false),
            (instance, _) => under.push(instance),
        }
    }
}

fn name(instance: &Value) -> Option<&str> {
    instance.get(INSTANCE_NAME.key)?.as_str().map(str::trim)
}
