//! What a server may hand to its collectors: the file's own language, without what a collector takes from its own
//! machine alone. The server checks with it before it stores a text, the collector before it follows one.

use crate::Names;
use crate::dsn::has_password;
use crate::error::ConfigError;
use crate::file::{self, Document, Found, InstanceTable, Settings};
use crate::load::{distinct, instance_tables};
use crate::settings::{CATALOG_DIR, CUSTOM_SETS, DSN, Kind, LISTEN, SETTINGS, STATE_DIR, Setting, Value};

impl Setting {
    /// Whether a server may set it; otherwise why not, and what to do instead.
    ///
    /// # Errors
    /// The reason, as the end of a sentence.
    pub fn pushable(&self) -> Result<(), &'static str> {
        let is = |other: &Setting| self.path() == other.path();
        match self.table {
            "backend" => Err("where and as whom a collector delivers is set on its own machine, in its file or its \
                 environment: otherwise whoever can change it here could send its data elsewhere"),
            "tls" => Err("whom a collector trusts is set on its own machine, in its file or its environment"),
            _ if is(STATE_DIR) => Err("what was not delivered yet lies there: set it on the collector's own machine, \
                 and restart it"),
            _ if is(LISTEN) => Err("it opens a port on the collector's machine: set it there"),
            _ if is(CATALOG_DIR) => Err("its statements run in PostgreSQL: set it on the collector's own machine"),
            _ if is(CUSTOM_SETS) => Err("it says whether this server may have statements run in PostgreSQL: set it \
                 on the collector's own machine"),
            _ => Ok(()),
        }
    }
}

/// Checks a text. Of several mistakes the first in the text is reported.
pub(crate) fn check(text: &str, names: &Names) -> Result<(), ConfigError> {
    let document = file::read_part(text, names)?;
    let mut mistakes = local(&document);
    let instances = instance_tables(&document).and_then(|tables| distinct(&tables));
    mistakes.extend(instances.err());
    match mistakes.into_iter().min_by_key(|mistake| mistake.line) {
        Some(first) => Err(first),
        None => Ok(()),
    }
}

/// Checks what somebody writes for collectors: sets are written apart, and come to it.
pub(crate) fn check_written(text: &str, names: &Names) -> Result<(), ConfigError> {
    check(text, names)?;
    match file::read_part(text, names)?.custom_sets.first() {
        Some(set) => Err(ConfigError::new(
            Some(set.line),
            "a set of your own is not part of a configuration here: write it with PUT /custom-sets/{name}, or on the page \
             Custom sets, and say there which collectors it is for",
        )),
        None => Ok(()),
    }
}

/// What belongs to the collector's own machine.
fn local(document: &Document) -> Vec<ConfigError> {
    let mut mistakes = Vec::new();
    for (table, settings) in &document.tables {
        mistakes.extend(of_table(table, settings));
    }
    for InstanceTable { settings, .. } in &document.instances {
        mistakes.extend(of_table(DSN.table, settings));
    }
    mistakes
}

fn of_table<'a>(table: &'a str, settings: &'a Settings) -> impl Iterator<Item = ConfigError> + 'a {
    let all = SETTINGS.iter().filter(move |setting| setting.table == table);
    all.filter_map(move |setting| {
        let (found, line) = settings.get(setting.key)?;
        let refused = |reason: String| Some(ConfigError::new(Some(*line), reason));
        if let Err(why) = setting.pushable() {
            let name = if setting.table == "collector" {
                setting.key.to_owned()
            } else {
                format!("[{table}] {}", setting.key)
            };
            return refused(format!("{name} cannot be set by the server: {why}"));
        }
        match found {
            Found::InFile(_) => refused(format!(
                "{0}_file cannot be set by the server: write it into the collector's own file, or set {1}_FILE there",
                setting.key, setting.env
            )),
            Found::Here(Value::Text(text)) if setting.kind == Kind::Conninfo && has_password(text) => refused(format!(
                "{}: it has a password, which would be stored on the server: leave it out, and give the collector's \
                 machine a password file (~/.pgpass, or passfile= in the connection string)",
                setting.key
            )),
            Found::Here(_) => None,
        }
    })
}
