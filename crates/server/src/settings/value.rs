//! From names and texts to values that fit the table, each with where it came from.

use std::collections::BTreeMap;
use std::fmt::{Debug, Display};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;

use super::Secret;
use super::table::{Kind, Setting, Standing};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nothing was said.
    Default,
    /// This environment variable.
    Environment(String),
    /// This file, named by `NAME_FILE`.
    File(PathBuf),
}

impl Display for Origin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::Environment(name) => write!(formatter, "environment {name}"),
            Self::File(path) => write!(formatter, "file {}", path.display()),
        }
    }
}

/// What is wrong with one setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The variable as it was given.
    pub name: String,
    /// What is wrong, and what was expected.
    pub reason: String,
}

impl Problem {
    pub(super) fn new(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { name: name.into(), reason: reason.into() }
    }
}

/// All that is wrong with the settings, one a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct SettingsError(pub Vec<Problem>);

impl Display for SettingsError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let line = if index == 0 { "" } else { "\n" };
            write!(formatter, "{line}{} {}", problem.name, problem.reason)?;
        }
        Ok(())
    }
}

/// Checked texts by name.
#[derive(Clone)]
pub(super) struct Values(BTreeMap<&'static str, (String, Origin)>);

impl Debug for Values {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

impl Values {
    pub(super) fn read(
        settings: &'static [Setting],
        lookup: &impl Fn(&str) -> Option<String>,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut values = BTreeMap::new();
        for setting in settings {
            match given(setting, lookup) {
                Err(problem) => problems.push(problem),
                Ok(Some((text, name, origin))) => match check(setting, &text) {
                    Ok(()) => _ = values.insert(setting.name, (text, origin)),
                    Err(reason) => problems.push(Problem::new(name, reason)),
                },
                Ok(None) => {
                    let default = setting.default.map(str::to_owned);
                    let default = if setting.name == "DATA_DIR" { data_dir(lookup, problems) } else { default };
                    if let Some(text) = default {
                        values.insert(setting.name, (text, Origin::Default));
                    }
                }
            }
        }
        Self(values)
    }

    pub(super) fn is_default(&self, name: &str) -> bool {
        self.0.get(name).is_none_or(|(_, origin)| *origin == Origin::Default)
    }

    pub(super) fn optional(&self, name: &str) -> Option<String> {
        self.0.get(name).map(|(text, _)| text.clone())
    }

    pub(super) fn text(&self, name: &str) -> String {
        self.optional(name).expect("the table gives it a default")
    }

    pub(super) fn secret(&self, name: &str) -> Option<Secret> {
        self.optional(name).map(Secret)
    }

    pub(super) fn parsed<T: FromStr<Err: Debug>>(&self, name: &str) -> T {
        self.text(name).parse().expect("checked against its kind")
    }

    pub(super) fn number<T: TryFrom<u64, Error: Debug>>(&self, name: &str) -> T {
        T::try_from(self.parsed::<u64>(name)).expect("checked against the bounds of its kind")
    }

    pub(super) fn seconds(&self, name: &str) -> Duration {
        Duration::from_secs(self.number(name))
    }

    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let text = self.optional(name).unwrap_or_default();
        text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }

    /// A value as it may be shown, and where it came from.
    pub(super) fn shown(&self, setting: &Setting) -> (String, String) {
        match self.0.get(setting.name) {
            Some((_, origin)) if setting.secret => ("***".to_owned(), origin.to_string()),
            Some((text, origin)) => (text.clone(), origin.to_string()),
            None => {
                let help = setting.default_help.unwrap_or("nothing");
                (String::new(), format!("not set: {}", help.replace('`', "")))
            }
        }
    }
}

type Given = (String, String, Origin);

/// The text given for a setting, the variable that gave it, and its origin. An empty text is none.
fn given(setting: &Setting, lookup: &impl Fn(&str) -> Option<String>) -> Result<Option<Given>, Problem> {
    let mut found: Option<Given> = None;
    for name in std::iter::once(&setting.name).chain(setting.aliases) {
        let direct = lookup(name).filter(|text| !text.is_empty());
        let direct = direct.map(|text| (text, (*name).to_owned(), Origin::Environment((*name).to_owned())));
        let from_file = if setting.secret { from_file(name, lookup)? } else { None };
        for candidate in [direct, from_file].into_iter().flatten() {
            match &found {
                Some(first) if first.0 != candidate.0 => {
                    let reason = format!("contradicts {}: set one of them", first.1);
                    return Err(Problem::new(candidate.1, reason));
                }
                Some(_) => {}
                None => found = Some(candidate),
            }
        }
    }
    Ok(found)
}

fn from_file(name: &str, lookup: &impl Fn(&str) -> Option<String>) -> Result<Option<Given>, Problem> {
    let variable = format!("{name}_FILE");
    let Some(path) = lookup(&variable).filter(|path| !path.is_empty()) else { return Ok(None) };
    let path = PathBuf::from(path);
    let metadata = std::fs::metadata(&path).ok();
    if let Some(mode) = metadata.as_ref().and_then(config::open_to_everybody) {
        let shown = path.display();
        let reason =
            format!("names a file that everybody on this machine can get at (mode {mode:04o}): chmod 600 {shown}");
        return Err(Problem::new(variable, reason));
    }
    match std::fs::read_to_string(&path) {
        Ok(text) if text.trim().is_empty() => {
            Err(Problem::new(variable, format!("names an empty file: {}", path.display())))
        }
        Ok(text) => Ok(Some((text.trim_end_matches(['\r', '\n']).to_owned(), variable, Origin::File(path)))),
        Err(error) => Err(Problem::new(variable, format!("cannot be read: {}: {error}", path.display()))),
    }
}

fn check(setting: &Setting, text: &str) -> Result<(), String> {
    let fits = match setting.kind {
        Kind::Text => !text.trim().is_empty(),
        Kind::PostgresUrl => config::dsn::Dsn::check(text).is_ok(),
        Kind::Path => !text.contains('\0'),
        Kind::Number { least, most, .. } => text.parse::<u64>().is_ok_and(|number| (least..=most).contains(&number)),
        Kind::Flag => text == "true" || text == "false",
        Kind::OneOf(words) => words.contains(&text),
        Kind::Address => text.parse::<IpAddr>().is_ok(),
        Kind::Networks => text.split(',').all(|network| self::network(network.trim()).is_some()),
        Kind::SocketAddress => text.parse::<SocketAddr>().is_ok(),
        Kind::LogLevels => text.split(',').all(|level| is_log_level(level.trim())),
        Kind::Origins => text.split(',').all(|origin| is_origin(origin.trim())),
    };
    if !fits {
        let got = if setting.secret { String::new() } else { format!(", not {text:?}") };
        return Err(format!("expected {}{got}", setting.kind.expected()));
    }
    let says_what_is_so = setting.default == Some(text);
    if setting.standing == Standing::Later && !says_what_is_so {
        return Err("is not supported yet: leave it out".to_owned());
    }
    Ok(())
}

/// A network, or an address as one of its own; everybody is none.
pub(super) fn network(text: &str) -> Option<IpNet> {
    let network = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    network.filter(|network| network.prefix_len() > 0)
}

fn is_log_level(directive: &str) -> bool {
    let (module, level) = directive.split_once('=').unwrap_or(("all", directive));
    let known = ["error", "warn", "info", "debug", "trace", "off"].contains(&level);
    known && !module.is_empty() && module.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
}

fn is_origin(origin: &str) -> bool {
    let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    host.is_some_and(|host| !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || ".-:[]".contains(c)))
}

fn data_dir(lookup: &impl Fn(&str) -> Option<String>, problems: &mut Vec<Problem>) -> Option<String> {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    if is_root {
        return Some("/var/lib/pganalytics".to_owned());
    }
    let absolute = |name| lookup(name).filter(|path| Path::new(path).is_absolute());
    let base = absolute("XDG_DATA_HOME").or_else(|| absolute("HOME").map(|home| format!("{home}/.local/share")));
    if base.is_none() {
        problems
            .push(Problem::new("DATA_DIR", "is not set, and neither HOME nor XDG_DATA_HOME says where to keep data"));
    }
    base.map(|base| format!("{base}/pganalytics"))
}
