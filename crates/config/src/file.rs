//! The TOML text to settings with their lines. Every key is known here or refused.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeInteger, DeString, DeTable, DeValue};

use crate::Names;
use crate::custom::{self, CustomSet};
use crate::error::ConfigError;
use crate::nearest::hint;
use crate::schedule::{Switch, Switches};
use crate::settings::{
    DATABASES, DSN, ENABLED, EXCLUDE_DATABASES, INSTANCE_NAME, PGBOUNCER_DSN, Raw, SETTINGS, STATEMENT_BUDGET,
    SWITCH_INTERVAL, Setting, TABLES, Value,
};

/// The largest configuration that is read.
pub const MAX_FILE: usize = 1024 * 1024;

/// What users' own sets begin with; whether they exist is known where their catalogue is.
const OWN_SETS: &str = "x_";

/// The settings that `[[instances]]` has, too.
pub(crate) const INSTANCE_SETTINGS: [&Setting; 6] =
    [INSTANCE_NAME, DSN, DATABASES, EXCLUDE_DATABASES, STATEMENT_BUDGET, PGBOUNCER_DSN];

/// A value of the file, or the file that holds it.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    Here(Value),
    InFile(String),
}

/// Settings of one table by their keys, with their lines.
pub(crate) type Settings = BTreeMap<&'static str, (Found, usize)>;

/// One of `[[instances]]`.
pub(crate) struct InstanceTable {
    pub(crate) line: usize,
    pub(crate) settings: Settings,
    pub(crate) switches: Switches,
}

/// A file, checked on its own.
#[derive(Default)]
pub(crate) struct Document {
    /// By table.
    pub(crate) tables: BTreeMap<&'static str, Settings>,
    pub(crate) instances: Vec<InstanceTable>,
    pub(crate) switches: Switches,
    /// The lines of switches, by `table.key`, for showing them.
    pub(crate) switch_lines: BTreeMap<String, usize>,
    pub(crate) custom_sets: Vec<CustomSet>,
}

/// The text of a file.
pub(crate) fn text(bytes: Vec<u8>) -> Result<String, ConfigError> {
    if bytes.len() > MAX_FILE {
        return Err(ConfigError::new(None, format!("is larger than {MAX_FILE} bytes")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        ConfigError::new(Some(line), "is not UTF-8")
    })
}

/// Reads a text that stands for itself. Of several mistakes the first in the text is reported.
pub(crate) fn read(text: &str, names: &Names) -> Result<Document, ConfigError> {
    read_with(text, names, &[INSTANCE_NAME, DSN])
}

/// Reads a text that is laid under or over another one, which may have what an instance lacks here, but for its name.
pub(crate) fn read_part(text: &str, names: &Names) -> Result<Document, ConfigError> {
    read_with(text, names, &[INSTANCE_NAME])
}

fn read_with(text: &str, names: &Names, required: &[&Setting]) -> Result<Document, ConfigError> {
    if text.len() > MAX_FILE {
        return Err(ConfigError::new(None, format!("the configuration is larger than {MAX_FILE} bytes")));
    }
    let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect();
    let mut reader = Reader { ends, names, required, mistakes: Vec::new(), document: Document::default() };
    let root = match DeTable::parse(text) {
        Ok(root) => root.into_inner(),
        Err(error) => {
            let line = error.span().map(|span| reader.line(span.start));
            return Err(ConfigError::new(line, format!("not TOML: {}", error.message())));
        }
    };
    reader.root(&root);
    match reader.mistakes.into_iter().min_by_key(|mistake| mistake.line) {
        Some(first) => Err(first),
        None => Ok(reader.document),
    }
}

struct Reader<'a> {
    /// Where each line ends.
    ends: Vec<usize>,
    names: &'a Names,
    /// What each of `[[instances]]` must have.
    required: &'a [&'a Setting],
    mistakes: Vec<ConfigError>,
    document: Document,
}

type Entry<'a> = (&'a Spanned<DeString<'a>>, &'a Spanned<DeValue<'a>>);

impl Reader<'_> {
    fn line(&self, offset: usize) -> usize {
        self.ends.partition_point(|end| *end < offset) + 1
    }

    fn mistake(&mut self, line: usize, reason: String) {
        self.mistakes.push(ConfigError::new(Some(line), reason));
    }

    fn root(&mut self, root: &DeTable<'_>) {
        for (key, value) in root {
            let name: &str = key.get_ref();
            let line = self.line(key.span().start);
            if let Some(table) = TABLES.iter().find(|table| **table == name) {
                let settings: Vec<&'static Setting> =
                    SETTINGS.iter().copied().filter(|setting| setting.table == *table).collect();
                if let Some(found) = self.table(value, &format!("[{name}]"), line) {
                    let read = self.settings(found, &settings, &format!("[{name}]"), |_, _, _| false);
                    self.document.tables.insert(table, read);
                }
            } else if name == "instances" {
                self.instances(value, line);
            } else if name == "sets" {
                let mut sets = BTreeMap::new();
                self.sets(value, line, "", &mut sets);
                self.document.switches.sets = sets;
            } else if name == custom::TABLE {
                self.custom_sets(value, line);
            } else if self.is_group(name) {
                if let Some(switch) = self.switch(value, line, name) {
                    self.document.switches.groups.insert(name.to_owned(), switch);
                }
            } else {
                let known = TABLES.iter().copied().chain(["instances", "sets", custom::TABLE]);
                let near = hint(name, known.chain(self.names.groups.iter().map(String::as_str)));
                self.mistake(line, format!("unknown table or key \"{}\"{near}", shown(name)));
            }
        }
    }

    fn table<'a>(&mut self, value: &'a Spanned<DeValue<'a>>, name: &str, line: usize) -> Option<&'a DeTable<'a>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.mistake(line, format!("{name} must be a table"));
        }
        table
    }

    /// Reads the settings of a table; keys that are none are offered to `other`, which says whether
    /// it took them.
    fn settings(
        &mut self,
        table: &DeTable<'_>,
        settings: &[&'static Setting],
        place: &str,
        mut other: impl FnMut(&mut Self, Entry<'_>, usize) -> bool,
    ) -> Settings {
        let mut read = Settings::new();
        for (key, value) in table {
            let name: &str = key.get_ref();
            let line = self.line(key.span().start);
            let plain = settings.iter().find(|setting| setting.key == name);
            let secret = || {
                let stem = name.strip_suffix("_file")?;
                settings.iter().find(|setting| setting.secret() && setting.key == stem)
            };
            let (setting, found) = if let Some(setting) = plain {
                (setting, setting.kind.read(&raw(value.get_ref())).map(Found::Here))
            } else if let Some(setting) = secret() {
                let file = value.get_ref().as_str().filter(|path| !path.is_empty());
                (setting, file.map(|path| Found::InFile(path.to_owned())).ok_or_else(|| "expected a path".to_owned()))
            } else {
                if !other(self, (key, value), line) {
                    let files: Vec<String> = settings
                        .iter()
                        .filter(|setting| setting.secret())
                        .map(|setting| format!("{}_file", setting.key))
                        .collect();
                    let known = settings.iter().map(|setting| setting.key).chain(files.iter().map(String::as_str));
                    let near = hint(name, known);
                    self.mistake(line, format!("unknown key \"{}\" in {place}{near}", shown(name)));
                }
                continue;
            };
            match found {
                Err(reason) => self.mistake(line, format!("{name}: {reason}")),
                Ok(_) if read.contains_key(setting.key) => {
                    self.mistake(line, format!("give either {0} or {0}_file, not both", setting.key));
                }
                Ok(found) => {
                    read.insert(setting.key, (found, line));
                }
            }
        }
        read
    }

    fn instances(&mut self, value: &Spanned<DeValue<'_>>, line: usize) {
        let Some(list) = value.get_ref().as_array() else {
            return self.mistake(line, "instances are written as [[instances]], one table for each".to_owned());
        };
        for member in list.iter() {
            let member_line = self.line(member.span().start);
            let Some(table) = self.table(member, "[[instances]]", member_line) else { continue };
            let mut switches = Switches::default();
            let settings = self.settings(table, &INSTANCE_SETTINGS, "[[instances]]", |reader, (key, nested), at| {
                let name: &str = key.get_ref();
                if name == "sets" {
                    reader.sets(nested, at, "instances.", &mut switches.sets);
                } else if reader.is_group(name) {
                    if let Some(switch) = reader.switch(nested, at, &format!("instances.{name}")) {
                        switches.groups.insert(name.to_owned(), switch);
                    }
                } else {
                    return false;
                }
                true
            });
            for required in self.required {
                if !settings.contains_key(required.key) {
                    self.mistake(member_line, format!("[[instances]] lacks its {}", required.key));
                }
            }
            self.document.instances.push(InstanceTable { line: member_line, settings, switches });
        }
    }

    fn sets(&mut self, value: &Spanned<DeValue<'_>>, line: usize, prefix: &str, into: &mut BTreeMap<String, Switch>) {
        let Some(table) = self.table(value, &format!("[{prefix}sets]"), line) else { return };
        for (key, nested) in table {
            let name: &str = key.get_ref();
            let key_line = self.line(key.span().start);
            if !name.starts_with(OWN_SETS) && self.names.sets.iter().all(|set| set != name) {
                let near = hint(name, self.names.sets.iter().map(String::as_str));
                self.mistake(key_line, format!("unknown set \"{}\" in [{prefix}sets]{near}", shown(name)));
            } else if let Some(switch) = self.switch(nested, key_line, &format!("{prefix}sets.{name}")) {
                into.insert(name.to_owned(), switch);
            }
        }
    }

    /// Whether a table is that of a group; which ones users' own sets have is known where their catalogue is.
    fn is_group(&self, name: &str) -> bool {
        name.starts_with(OWN_SETS) || self.names.groups.iter().any(|group| group == name)
    }

    fn custom_sets(&mut self, value: &Spanned<DeValue<'_>>, line: usize) {
        let Some(table) = self.table(value, &format!("[{}]", custom::TABLE), line) else { return };
        for (key, nested) in table {
            let name: &str = key.get_ref();
            let at = self.line(key.span().start);
            let place = format!("[{}.{}]", custom::TABLE, shown(name));
            if !name.starts_with(OWN_SETS) {
                self.mistake(at, format!("{place}: a set of your own has a name that begins with {OWN_SETS}"));
                continue;
            }
            let Some(files) = self.table(nested, &place, at) else { continue };
            let mut found =
                CustomSet { name: name.to_owned(), set: String::new(), sql: BTreeMap::new(), pushed: None, line: at };
            for (key, value) in files {
                let key_line = self.line(key.span().start);
                let word: &str = key.get_ref();
                let (text, statements) = (value.get_ref().as_str(), value.get_ref().as_table());
                match (custom::KEYS.iter().position(|known| *known == word), text, statements) {
                    (Some(0), Some(text), _) => text.clone_into(&mut found.set),
                    (Some(1), _, Some(statements)) => {
                        for (version, statement) in statements {
                            match statement.get_ref().as_str() {
                                Some(text) => _ = found.sql.insert(version.get_ref().to_string(), text.to_owned()),
                                None => self.mistake(key_line, format!("{place} sql: expected texts by versions")),
                            }
                        }
                    }
                    (Some(_), ..) => {
                        self.mistake(key_line, format!("{place}: set is a text, and sql texts by versions"))
                    }
                    (None, ..) => {
                        let near = hint(word, custom::KEYS);
                        self.mistake(key_line, format!("unknown key \"{}\" in {place}{near}", shown(word)));
                    }
                }
            }
            self.document.custom_sets.push(found);
        }
    }

    fn switch(&mut self, value: &Spanned<DeValue<'_>>, line: usize, name: &str) -> Option<Switch> {
        let table = self.table(value, &format!("[{name}]"), line)?;
        let mut switch = Switch::default();
        for (key, nested) in table {
            let found: &str = key.get_ref();
            let key_line = self.line(key.span().start);
            let Some((_, kind)) = [ENABLED, SWITCH_INTERVAL].into_iter().find(|(known, _)| *known == found) else {
                let near = hint(found, [ENABLED.0, SWITCH_INTERVAL.0]);
                self.mistake(key_line, format!("unknown key \"{}\" in [{name}]{near}", shown(found)));
                continue;
            };
            match kind.read(&raw(nested.get_ref())) {
                Err(reason) => self.mistake(key_line, format!("{found}: {reason}")),
                Ok(read) => {
                    switch.set(&read);
                    self.document.switch_lines.insert(format!("{name}.{found}"), key_line);
                }
            }
        }
        Some(switch)
    }
}

impl Switch {
    /// Takes the value of whichever of its two keys has that type.
    pub(crate) fn set(&mut self, value: &Value) {
        match value {
            Value::Flag(flag) => self.enabled = Some(*flag),
            Value::Number(seconds) => self.interval = u32::try_from(*seconds).ok(),
            _ => {}
        }
    }
}

/// A key as an error shows it: somebody may have pasted anything.
fn shown(key: &str) -> String {
    key.chars().take(60).flat_map(char::escape_debug).collect()
}

fn raw(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Integer(number) => integer(number).map_or(Raw::Other("integer"), Raw::Integer),
        DeValue::Float(number) => number.as_str().parse().map_or(Raw::Other("float"), Raw::Float),
        DeValue::Boolean(flag) => Raw::Flag(*flag),
        DeValue::Datetime(_) => Raw::Other("datetime"),
        DeValue::Table(_) => Raw::Other("table"),
        DeValue::Array(list) => {
            let texts: Option<Vec<String>> =
                list.iter().map(|member| member.get_ref().as_str().map(str::to_owned)).collect();
            texts.map_or(Raw::Other("array"), Raw::Texts)
        }
    }
}

fn integer(number: &DeInteger<'_>) -> Option<i128> {
    i128::from_str_radix(number.as_str(), number.radix()).ok()
}
