//! The file and the environment over it, to one [`Config`].

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::backend::BackendUrl;
use crate::custom::{self, Admission, CustomSet};
use crate::dsn::{self, Dsn, Environment};
use crate::error::ConfigError;
use crate::file::{self, Document, Found, INSTANCE_SETTINGS, Settings};
use crate::layers::{self, Layered, Layers, Pushed};
use crate::print::{Line, Origin, mask_value, quoted};
use crate::schedule::{Budget, Schedule, Switches};
use crate::secret::Secret;
use crate::settings::{
    BACKEND_URL, CATALOG_DIR, CONFIG_PULL_INTERVAL, CONFIG_TRIAL, CUSTOM_SETS, DATABASES, DSN, EARLIER, ENABLED,
    EXCLUDE_DATABASES, INSTANCE_NAME, INTERVAL, LISTEN, LISTEN_EXCLUDE, MAX_QUERIES_PER_DB, MAX_SESSION_GROUPS_PER_DB,
    NAME, PGBOUNCER_DSN, POSTGRES_HOST, POSTGRES_PORT, PUSH_INTERVAL, QUERY_LIMIT_ALERT_THRESHOLD, REGISTRATION_SECRET,
    Raw, SETTINGS, SPOOL_MAX_AGE, SPOOL_MAX_BYTES, STATE_DIR, STATEMENT_BUDGET, SWITCH_INTERVAL, Setting, TLS_CA_FILE,
    TLS_VERIFY, Value,
};
use crate::{Config, Instance, Names};

/// Where the configuration is when nothing says otherwise.
pub const DEFAULT_PATH: &str = "/etc/pganalytics/collector.toml";

/// The largest file that may hold a secret.
const MAX_SECRET_FILE: u64 = 64 * 1024;

/// What to write when there is nothing to watch.
const THREE_LINES: &str = "[postgres]\n\
    dsn = \"postgresql://pganalytics@localhost:5432/postgres\"\n\
    databases = [\"*\"]\n";

type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Loads the configuration of this machine.
pub(crate) fn load(
    path: Option<&Path>,
    text: Option<String>,
    env: Lookup<'_>,
    names: &Names,
    pushed: Option<&Pushed>,
) -> Result<Config, ConfigError> {
    let (text, place) = find(path, text)?;
    // What came from the environment is not the file's fault.
    let built = Layers::read(&text, pushed, names).and_then(|layers| build(&layers, place.as_deref(), env, names));
    built.map_err(|error| match &error.path {
        Some(_) => error,
        None => ConfigError { path: place.filter(|_| error.line.is_some()), ..error },
    })
}

/// The state directory alone, whatever else the file lacks.
pub(crate) fn state_dir(path: Option<&Path>, env: Lookup<'_>, names: &Names) -> Result<PathBuf, ConfigError> {
    let (text, place) = find(path, None)?;
    let read = || {
        let layers = Layers::of_file(&text, names)?;
        let placed =
            Values { env, lines: Vec::new() }.take(STATE_DIR, layers.table(STATE_DIR.table, None), "", true)?;
        Ok(placed.and_then(|placed| Fields(&BTreeMap::from([(STATE_DIR.path(), placed)])).text(STATE_DIR)))
    };
    read()
        .map(|text| text.map(PathBuf::from).unwrap_or_default())
        .map_err(|error: ConfigError| ConfigError { path: place.filter(|_| error.line.is_some()), ..error })
}

/// The text of a configuration, and where it is.
fn find(path: Option<&Path>, text: Option<String>) -> Result<(String, Option<PathBuf>), ConfigError> {
    Ok(match (text, path) {
        (Some(text), path) => (text, path.map(Path::to_owned)),
        (None, Some(path)) => (read_file(path)?, Some(path.to_owned())),
        (None, None) if Path::new(DEFAULT_PATH).exists() => {
            (read_file(Path::new(DEFAULT_PATH))?, Some(PathBuf::from(DEFAULT_PATH)))
        }
        (None, None) => (String::new(), None),
    })
}

fn read_file(path: &Path) -> Result<String, ConfigError> {
    let failed = |reason: String| ConfigError { path: Some(path.to_owned()), line: None, reason };
    let bytes = fs::read(path).map_err(|error| failed(format!("cannot be read: {error}")))?;
    file::text(bytes).map_err(|error| ConfigError { path: Some(path.to_owned()), ..error })
}

/// Values in force and where each came from.
struct Values<'a> {
    env: Lookup<'a>,
    lines: Vec<Line>,
}

/// A value and its place, for errors about it.
struct Placed {
    value: Value,
    origin: Origin,
}

impl Placed {
    fn mistake(&self, setting: &Setting, reason: impl std::fmt::Display) -> ConfigError {
        match &self.origin {
            Origin::File(Some(line)) | Origin::SecretFile(_, Some(line)) => {
                ConfigError::new(Some(*line), format!("{}: {reason}", setting.key))
            }
            Origin::Pushed(version, line) => {
                layers::about(*version, ConfigError::new(Some(*line), format!("{}: {reason}", setting.key)))
            }
            Origin::Environment(name) => ConfigError::new(None, format!("{name}: {reason}")),
            Origin::SecretFile(path, None) => ConfigError::new(None, format!("{path}: {reason}")),
            Origin::File(None) | Origin::Default => ConfigError::new(None, format!("{}: {reason}", setting.path())),
        }
    }
}

impl Values<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        (self.env)(name).filter(|value| !value.is_empty())
    }

    /// The value in force of a setting in a table: environment (if `with_env`), file, pushed, default.
    fn take(
        &mut self,
        setting: &'static Setting,
        table: Layered<'_>,
        shown_table: &str,
        with_env: bool,
    ) -> Result<Option<Placed>, ConfigError> {
        let from_env = if with_env { self.variable_of(setting)? } else { None };
        let found = match (from_env, table.settled(|table| table.get(setting.key))) {
            (Some(placed), _) => Some(placed),
            (None, Some(((Found::Here(value), line), layer))) => {
                Some(Placed { value: value.clone(), origin: layer.origin(*line) })
            }
            (None, Some(((Found::InFile(path), line), _))) => {
                let at = |reason| ConfigError::new(Some(*line), format!("{}_file: {reason}", setting.key));
                let value = secret_file(setting, path).map_err(at)?;
                Some(Placed { value, origin: Origin::SecretFile(path.clone(), Some(*line)) })
            }
            (None, None) => match setting.default.map(|text| setting.kind.read(&Raw::Word(text.to_owned()))) {
                Some(Ok(value)) => Some(Placed { value, origin: Origin::Default }),
                _ => None,
            },
        };
        let found = if with_env && setting.key == DSN.key { self.moved(found)? } else { found };
        self.lines.push(Line {
            table: shown_table.to_owned(),
            key: setting.key.to_owned(),
            value: found.as_ref().map(|placed| mask_value(setting.kind, &placed.value)),
            origin: found.as_ref().map_or(Origin::Default, |placed| placed.origin.clone()),
        });
        Ok(found)
    }

    /// A connection string of the file, or none, with the host and port of the variables of version 3.
    fn moved(&self, found: Option<Placed>) -> Result<Option<Placed>, ConfigError> {
        if found.as_ref().is_some_and(|found| matches!(found.origin, Origin::Environment(_))) {
            return Ok(found);
        }
        // Kubernetes sets the variable of the port to an address, for a service of that name.
        let port = self.variable(POSTGRES_PORT).filter(|port| !port.contains("://"));
        let given = [("host", POSTGRES_HOST, self.variable(POSTGRES_HOST)), ("port", POSTGRES_PORT, port)];
        let Some((_, first, _)) = given.iter().find(|(_, _, value)| value.is_some()) else { return Ok(found) };
        let origin = Origin::Environment((*first).to_owned());
        let before = match &found {
            Some(Placed { value: Value::Text(text), .. }) => text.as_str(),
            _ => "",
        };
        let given = given.iter().filter_map(|(keyword, _, value)| Some((*keyword, value.as_deref()?)));
        let moved = dsn::with(before, given).map_err(|error| error.to_string());
        let checked = moved.and_then(|moved| DSN.kind.read(&Raw::Word(moved)));
        let value = checked.map_err(|reason| ConfigError::new(None, format!("{first}: {reason}")))?;
        Ok(Some(Placed { value, origin }))
    }

    fn variable_of(&self, setting: &Setting) -> Result<Option<Placed>, ConfigError> {
        let earlier = EARLIER.iter().find(|(now, _)| *now == setting.env).map(|(_, earlier)| *earlier);
        let variable =
            earlier.filter(|earlier| self.variable(setting.env).is_none() && self.variable(earlier).is_some());
        let variable = variable.unwrap_or(setting.env);
        let file_name = format!("{}_FILE", setting.env);
        let file = if setting.secret() { self.variable(&file_name) } else { None };
        match (self.variable(variable), file) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => {
                Err(ConfigError::new(None, format!("set either {} or {file_name}, not both", setting.env)))
            }
            (Some(text), None) => match setting.kind.read(&Raw::Word(text)) {
                Ok(value) => Ok(Some(Placed { value, origin: Origin::Environment(variable.to_owned()) })),
                Err(reason) => Err(ConfigError::new(None, format!("{variable}: {reason}"))),
            },
            (None, Some(path)) => match secret_file(setting, &path) {
                Ok(value) => Ok(Some(Placed { value, origin: Origin::Environment(file_name) })),
                Err(reason) => Err(ConfigError::new(None, format!("{file_name}: {reason}"))),
            },
        }
    }

    fn switches(&mut self, layers: &Layers, names: &Names) -> Result<Switches, ConfigError> {
        let mut switches = layers.switches();
        // Those of the users' own sets are in no catalogue that is known here.
        let own: Vec<String> = switches.groups.keys().filter(|group| !names.groups.contains(group)).cloned().collect();
        for group in names.groups.iter().chain(&own) {
            for (key, kind) in [ENABLED, SWITCH_INTERVAL] {
                let variable = format!("{}_{}", group.to_uppercase(), key.to_uppercase());
                let mut origin = layers.switch_origin(&format!("{group}.{key}"));
                if let Some(text) = self.variable(&variable) {
                    let value = kind
                        .read(&Raw::Word(text))
                        .map_err(|reason| ConfigError::new(None, format!("{variable}: {reason}")))?;
                    switches.groups.entry(group.clone()).or_default().set(&value);
                    origin = Some(Origin::Environment(variable));
                }
                let Some(origin) = origin else { continue };
                self.switch_line(&switches.groups, group, group, key, origin);
            }
        }
        for set in switches.sets.keys() {
            for (key, _) in [ENABLED, SWITCH_INTERVAL] {
                let table = format!("sets.{set}");
                let Some(origin) = layers.switch_origin(&format!("{table}.{key}")) else { continue };
                self.switch_line(&switches.sets, set, &table, key, origin);
            }
        }
        Ok(switches)
    }

    /// Shows the sets of the users' own.
    fn custom_sets(&mut self, sets: &[CustomSet]) {
        for set in sets {
            let origin = set.pushed.map_or(Origin::File(Some(set.line)), |version| Origin::Pushed(version, set.line));
            let statements = set.sql.iter().map(|(version, text)| (format!("sql.{}", quoted(version)), text));
            for (key, text) in [(custom::KEYS[0].to_owned(), &set.set)].into_iter().chain(statements) {
                let table = format!("{}.{}", custom::TABLE, set.name);
                self.lines.push(Line { table, key, value: Some(quoted(text)), origin: origin.clone() });
            }
        }
    }

    fn switch_line(
        &mut self,
        switches: &BTreeMap<String, crate::Switch>,
        name: &str,
        table: &str,
        key: &str,
        origin: Origin,
    ) {
        let Some(switch) = switches.get(name) else { return };
        let value = if key == ENABLED.0 {
            switch.enabled.map(|flag| flag.to_string())
        } else {
            switch.interval.map(|seconds| seconds.to_string())
        };
        self.lines.push(Line { table: table.to_owned(), key: key.to_owned(), value, origin });
    }
}

/// The mode of a file with a secret that everybody can get at; its group may.
#[must_use]
pub fn open_to_everybody(metadata: &fs::Metadata) -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;
    let mode = metadata.mode() & 0o7777;
    (metadata.is_file() && mode & 0o007 != 0).then_some(mode)
}

fn secret_file(setting: &Setting, path: &str) -> Result<Value, String> {
    let metadata = fs::metadata(path).map_err(|error| format!("cannot read {path}: {error}"))?;
    if let Some(mode) = open_to_everybody(&metadata) {
        return Err(format!("everybody on this machine can get at {path} (mode {mode:04o}): chmod 600 {path}"));
    }
    let size = metadata.len();
    if size > MAX_SECRET_FILE {
        return Err(format!("{path} is larger than {MAX_SECRET_FILE} bytes"));
    }
    let text = fs::read_to_string(path).map_err(|error| format!("cannot read {path}: {error}"))?;
    let text = text.trim_end_matches(['\n', '\r']);
    if text.is_empty() {
        return Err(format!("{path} is empty"));
    }
    setting.kind.read(&Raw::Word(text.to_owned())).map_err(|reason| format!("{path}: {reason}"))
}

/// The instances' tables, after the check that the short form does not stand beside them.
pub(crate) fn instance_tables(document: &Document) -> Result<Vec<(Option<usize>, &Settings)>, ConfigError> {
    let short = document.tables.get("postgres");
    if let (Some(first), Some(_)) = (document.instances.first(), short) {
        return Err(ConfigError::new(
            Some(first.line),
            "[postgres] is the short form for one instance: write it as another [[instances]]",
        ));
    }
    Ok(document.instances.iter().map(|instance| (Some(instance.line), &instance.settings)).collect())
}

/// Refuses a second instance of one name.
pub(crate) fn distinct(instances: &[(Option<usize>, &Settings)]) -> Result<(), ConfigError> {
    let mut seen: HashSet<String> = HashSet::new();
    for (_, settings) in instances {
        let Some((Found::Here(Value::Text(name)), line)) = settings.get(INSTANCE_NAME.key) else { continue };
        if !seen.insert(catalog::names::key(name)) {
            return Err(ConfigError::new(Some(*line), "two instances have this name, or ones that look alike"));
        }
    }
    Ok(())
}

/// Tokens and statement texts go nowhere unencrypted.
fn clear_text(url: &BackendUrl) -> Result<(), String> {
    if url.https || url.is_loopback() {
        return Ok(());
    }
    Err(format!(
        "{} is another machine, and http:// would show tokens and statement texts on the way: use https:// \
         (a proxy in front of the server does TLS; [tls] ca_file names a private authority), or a tunnel to 127.0.0.1",
        url.text
    ))
}

fn verify_off(url: &str) -> Result<(), String> {
    match BackendUrl::parse(url) {
        Ok(url) if !url.is_loopback() => Err("verify = false is accepted for a server on this machine only; \
             for a private authority set ca_file"
            .to_owned()),
        _ => Ok(()),
    }
}

fn build(layers: &Layers, place: Option<&Path>, env: Lookup<'_>, names: &Names) -> Result<Config, ConfigError> {
    let lists_instances = !layers.file.instances.is_empty();
    let mut values = Values { env, lines: Vec::new() };
    let mut placed: BTreeMap<String, Placed> = BTreeMap::new();
    for setting in SETTINGS {
        if setting.table == DSN.table && lists_instances {
            if let Some(found) = values.variable_of(setting)? {
                return Err(found.mistake(setting, "it belongs to [postgres], but the file lists [[instances]]"));
            }
            continue;
        }
        // What is pushed for an instance of the short form may be a list, with its name.
        let name = if setting.table == DSN.table { Fields(&placed).instance_name() } else { None };
        let table = layers.table(setting.table, name.as_deref());
        if let Some(found) = values.take(setting, table, setting.table, true)? {
            placed.insert(setting.path(), found);
        }
    }
    let switches = values.switches(layers, names)?;
    let get = Fields(&placed);

    let url = get.text(BACKEND_URL).map(|url| BackendUrl::parse(&url)).transpose();
    let url = url.map_err(|reason| ConfigError::new(None, reason))?;
    if let (Some(found), Some(url)) = (placed.get(&BACKEND_URL.path()), &url) {
        clear_text(url).map_err(|reason| found.mistake(BACKEND_URL, reason))?;
    }
    let verify = get.flag(TLS_VERIFY);
    if let (false, Some(found), Some(url)) = (verify, placed.get(&TLS_VERIFY.path()), &url) {
        verify_off(&url.text).map_err(|reason| found.mistake(TLS_VERIFY, reason))?;
    }
    let interval = get.whole(INTERVAL);
    let schedule = Schedule { layers: vec![switches], interval, override_intervals: false };
    let name = get.text(NAME).or_else(host_name).unwrap_or_else(|| "collector".to_owned());

    let mut config = Config {
        path: place.map(Path::to_owned),
        pushed: layers.version(),
        name,
        interval,
        interval_given: placed.get(&INTERVAL.path()).is_some_and(|found| found.origin != Origin::Default),
        push_interval: get.whole(PUSH_INTERVAL),
        config_pull_interval: get.whole(CONFIG_PULL_INTERVAL),
        config_trial: Duration::from_secs(get.number(CONFIG_TRIAL)),
        state_dir: get.text(STATE_DIR).map(PathBuf::from).unwrap_or_default(),
        catalog_dir: get.text(CATALOG_DIR).map(PathBuf::from),
        custom_sets: get.text(CUSTOM_SETS).map(|word| Admission::of(&word)).unwrap_or_default(),
        defined: layers.custom_sets(),
        max_queries_per_db: get.whole(MAX_QUERIES_PER_DB),
        max_session_groups_per_db: get.whole(MAX_SESSION_GROUPS_PER_DB),
        query_limit_alert_threshold: get.share(QUERY_LIMIT_ALERT_THRESHOLD),
        spool_max_bytes: get.number(SPOOL_MAX_BYTES),
        spool_max_age: Duration::from_secs(get.number(SPOOL_MAX_AGE)),
        listen: get.text(LISTEN).and_then(|address| address.parse().ok()),
        listen_exclude: get.list(LISTEN_EXCLUDE),
        backend_url: url,
        registration_secret: get.text(REGISTRATION_SECRET).map(Secret::new),
        tls_verify: verify,
        tls_ca_file: get.text(TLS_CA_FILE).map(PathBuf::from),
        instances: Vec::new(),
        nothing_to_watch: None,
        warnings: Vec::new(),
        schedule,
        lines: Vec::new(),
    };

    let short = get.instance_name().unwrap_or_else(|| config.name.clone());
    let listed = layers.instances();
    match placed.get(&DSN.path()).filter(|_| !lists_instances) {
        Some(dsn) => {
            let own = listed.iter().find(|own| own.name == short).map(|own| own.switches.clone()).unwrap_or_default();
            let instance = instance(&get, dsn, short.clone(), own.clone(), &config, env)?;
            values.instance_switches(&own);
            config.instances.push(instance);
        }
        None if listed.is_empty() => {
            let file = place.unwrap_or(Path::new(DEFAULT_PATH)).display();
            let reason = format!("no PostgreSQL to watch: set POSTGRES_DSN, or write to {file}\n\n{THREE_LINES}");
            if config.backend_url.is_none() {
                return Err(ConfigError::new(None, reason));
            }
            // The server may push some.
            config.nothing_to_watch = Some(reason);
        }
        None => {}
    }
    for listed in listed {
        if config.instances.iter().any(|instance| instance.name == listed.name) {
            continue;
        }
        let mut own: BTreeMap<String, Placed> = BTreeMap::new();
        for setting in INSTANCE_SETTINGS {
            if let Some(found) = values.take(setting, listed.settings, "[instances]", false)? {
                own.insert(setting.path(), found);
            }
        }
        let Some(dsn) = own.get(&DSN.path()) else {
            return Err(listed.lacks_dsn());
        };
        let instance = instance(&Fields(&own), dsn, listed.name, listed.switches.clone(), &config, env)?;
        values.instance_switches(&listed.switches);
        config.instances.push(instance);
    }
    for instance in &config.instances {
        let about = |warning: &String| format!("instance {}: {warning}", instance.name);
        config.warnings.extend(instance.dsn.warnings.iter().map(about));
    }
    values.custom_sets(&config.defined);
    config.lines = values.lines;
    Ok(config)
}

impl Values<'_> {
    fn instance_switches(&mut self, switches: &Switches) {
        for (prefix, tables) in [("instances.", &switches.groups), ("instances.sets.", &switches.sets)] {
            for (name, switch) in tables {
                let table = format!("{prefix}{name}");
                let enabled = switch.enabled.map(|flag| (ENABLED.0, flag.to_string()));
                let interval = switch.interval.map(|seconds| (SWITCH_INTERVAL.0, seconds.to_string()));
                for (key, value) in enabled.into_iter().chain(interval) {
                    // Lines of nested tables are not kept per instance: the file is origin enough.
                    let origin = Origin::File(None);
                    self.lines.push(Line { table: table.clone(), key: key.to_owned(), value: Some(value), origin });
                }
            }
        }
    }
}

fn instance(
    get: &Fields<'_>,
    dsn: &Placed,
    name: String,
    switches: Switches,
    config: &Config,
    env: Lookup<'_>,
) -> Result<Instance, ConfigError> {
    let Value::Text(conninfo) = &dsn.value else {
        return Err(dsn.mistake(DSN, "expected a connection string"));
    };
    let resolved = Dsn::parse(conninfo, &Environment::new(env)).map_err(|error| dsn.mistake(DSN, error))?;
    let resolve = |(found, text): (&Placed, String)| {
        Dsn::parse(&text, &Environment::new(env)).map_err(|error| found.mistake(PGBOUNCER_DSN, error))
    };
    let pgbouncer = get.0.get(&PGBOUNCER_DSN.path()).zip(get.text(PGBOUNCER_DSN)).map(resolve).transpose()?;
    let mut schedule = config.schedule.clone();
    schedule.layers.insert(0, switches);
    Ok(Instance {
        name,
        conninfo: Secret::new(conninfo.clone()),
        dsn: resolved,
        databases: get.list(DATABASES),
        exclude_databases: get.list(EXCLUDE_DATABASES),
        pgbouncer,
        statement_budget: Budget::of_share(get.share(STATEMENT_BUDGET)),
        schedule,
    })
}

/// Values by setting, with the type that the setting's kind promises.
struct Fields<'a>(&'a BTreeMap<String, Placed>);

impl Fields<'_> {
    /// The name of the instance of the short form, where one is given.
    fn instance_name(&self) -> Option<String> {
        self.text(INSTANCE_NAME).or_else(|| self.text(NAME)).or_else(host_name)
    }

    fn value(&self, setting: &Setting) -> Option<&Value> {
        self.0.get(&setting.path()).map(|placed| &placed.value)
    }

    fn text(&self, setting: &Setting) -> Option<String> {
        match self.value(setting) {
            Some(Value::Text(text)) => Some(text.clone()),
            _ => None,
        }
    }

    fn number(&self, setting: &Setting) -> u64 {
        match self.value(setting) {
            Some(Value::Number(number)) => *number,
            _ => unreachable!("{} has a default that is a number", setting.path()),
        }
    }

    fn whole(&self, setting: &Setting) -> u32 {
        u32::try_from(self.number(setting)).expect("the setting's limits fit")
    }

    fn share(&self, setting: &Setting) -> f64 {
        match self.value(setting) {
            Some(Value::Share(share)) => *share,
            _ => unreachable!("{} has a default that is a share", setting.path()),
        }
    }

    fn flag(&self, setting: &Setting) -> bool {
        match self.value(setting) {
            Some(Value::Flag(flag)) => *flag,
            _ => unreachable!("{} has a default that is a flag", setting.path()),
        }
    }

    fn list(&self, setting: &Setting) -> Vec<String> {
        match self.value(setting) {
            Some(Value::List(list)) => list.clone(),
            _ => unreachable!("{} has a default that is a list", setting.path()),
        }
    }
}

fn host_name() -> Option<String> {
    let text = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(text.trim().to_owned()).filter(|name| !name.is_empty())
}
