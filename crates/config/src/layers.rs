//! The collector's own file over what its server pushed: tables key by key, instances by their names.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use crate::Names;
use crate::custom::CustomSet;
use crate::error::ConfigError;
use crate::file::{self, Document, Found, InstanceTable, Settings};
use crate::load::{distinct, instance_tables};
use crate::print::Origin;
use crate::pushed;
use crate::schedule::{Switch, Switches};
use crate::settings::{DSN, INSTANCE_NAME, Value};

/// A configuration that a server pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The server counts them for each collector.
    pub version: i64,
    /// The text.
    pub text: String,
}

/// Both, each checked on its own.
pub(crate) struct Layers {
    pub(crate) file: Document,
    pushed: Option<(i64, Document)>,
}

/// The same of the file, and of what was pushed.
#[derive(Clone, Copy)]
pub(crate) struct Layered<'a> {
    file: Option<&'a Settings>,
    pushed: Option<&'a Settings>,
    version: i64,
}

/// Which of them said something.
#[derive(Clone, Copy)]
pub(crate) enum Layer {
    File,
    Pushed(i64),
}

/// One of `[[instances]]`, of whichever says something of it.
pub(crate) struct Listed<'a> {
    pub(crate) name: String,
    pub(crate) settings: Layered<'a>,
    pub(crate) switches: Switches,
    line: usize,
}

/// A mistake in what was pushed.
pub(crate) fn about(version: i64, error: ConfigError) -> ConfigError {
    ConfigError { path: Some(PathBuf::from(format!("pushed configuration (version {version})"))), ..error }
}

impl Layer {
    pub(crate) fn origin(self, line: usize) -> Origin {
        match self {
            Self::File => Origin::File(Some(line)),
            Self::Pushed(version) => Origin::Pushed(version, line),
        }
    }
}

impl<'a> Layered<'a> {
    /// What the file says, else what was pushed, and which of them.
    pub(crate) fn settled<U>(&self, what: impl Fn(&'a Settings) -> Option<U>) -> Option<(U, Layer)> {
        let file = self.file.and_then(&what).map(|found| (found, Layer::File));
        file.or_else(|| Some((what(self.pushed?)?, Layer::Pushed(self.version))))
    }
}

impl Layers {
    /// Reads and checks both.
    pub(crate) fn read(text: &str, pushed: Option<&Pushed>, names: &Names) -> Result<Self, ConfigError> {
        let read = if pushed.is_some() { file::read_part(text, names)? } else { file::read(text, names)? };
        distinct(&instance_tables(&read)?)?;
        let pushed = match pushed {
            None => None,
            Some(Pushed { version, text }) => {
                let about = |error| about(*version, error);
                pushed::check(text, names).map_err(about)?;
                let document = file::read_part(text, names).map_err(about)?;
                Some((*version, document))
            }
        };
        let layers = Self { file: read, pushed };
        layers.refuse_short_beside_list()?;
        Ok(layers)
    }

    /// The file alone, which may lack what is pushed.
    pub(crate) fn of_file(text: &str, names: &Names) -> Result<Self, ConfigError> {
        Ok(Self { file: file::read_part(text, names)?, pushed: None })
    }

    /// The version of what was pushed.
    pub(crate) fn version(&self) -> Option<i64> {
        self.pushed.as_ref().map(|(version, _)| *version)
    }

    fn refuse_short_beside_list(&self) -> Result<(), ConfigError> {
        let Some((version, pushed)) = &self.pushed else { return Ok(()) };
        let short = pushed.tables.get(DSN.table).and_then(|short| short.values().map(|(_, line)| *line).min());
        match short {
            Some(line) if !self.file.instances.is_empty() => Err(about(
                *version,
                ConfigError::new(
                    Some(line),
                    "[postgres] is the short form for one instance, but the collector's own file lists [[instances]]: \
                     write it as one of [[instances]], with its name",
                ),
            )),
            _ => Ok(()),
        }
    }

    /// A table of settings; of what was pushed for the instance of the short form also one of a list, by its name.
    pub(crate) fn table(&self, table: &str, instance: Option<&str>) -> Layered<'_> {
        let pushed = self.pushed.as_ref().and_then(|(_, document)| {
            document.tables.get(table).or_else(|| {
                let wanted = instance.filter(|_| table == DSN.table)?;
                let listed = document.instances.iter().find(|listed| name(listed) == Some(wanted));
                listed.map(|listed| &listed.settings)
            })
        });
        self.layered(self.file.tables.get(table), pushed)
    }

    fn layered<'a>(&self, file: Option<&'a Settings>, pushed: Option<&'a Settings>) -> Layered<'a> {
        let version = self.version().unwrap_or_default();
        Layered { file, pushed, version }
    }

    /// The instances that are listed, those of the file first.
    pub(crate) fn instances(&self) -> Vec<Listed<'_>> {
        let beneath = self.pushed.as_ref().map(|(_, document)| document.instances.as_slice()).unwrap_or_default();
        let by_name: HashMap<_, _> = beneath.iter().map(|under| (name(under), under)).collect();
        let own: HashSet<_> = self.file.instances.iter().map(name).collect();
        let mut listed: Vec<Listed<'_>> = Vec::new();
        for own in &self.file.instances {
            listed.extend(self.listed(Some(own), by_name.get(&name(own)).copied()));
        }
        for alone in beneath.iter().filter(|alone| !own.contains(&name(alone))) {
            listed.extend(self.listed(None, Some(alone)));
        }
        listed
    }

    fn listed<'a>(&self, own: Option<&'a InstanceTable>, under: Option<&'a InstanceTable>) -> Option<Listed<'a>> {
        let either = own.or(under)?;
        let mut switches = own.map(|own| own.switches.clone()).unwrap_or_default();
        if let Some(under) = under {
            switches.fill(&under.switches);
        }
        Some(Listed {
            name: name(either)?.to_owned(),
            settings: self.layered(own.map(|own| &own.settings), under.map(|under| &under.settings)),
            switches,
            line: either.line,
        })
    }

    /// The switches of groups and sets.
    pub(crate) fn switches(&self) -> Switches {
        let mut switches = self.file.switches.clone();
        if let Some((_, pushed)) = &self.pushed {
            switches.fill(&pushed.switches);
        }
        switches
    }

    /// Sets of the users' own, each as a whole from the file, else from what was pushed.
    pub(crate) fn custom_sets(&self) -> Vec<CustomSet> {
        let own = self.file.custom_sets.iter().map(|set| set.clone().of(Layer::File));
        let mut sets: Vec<CustomSet> = own.collect();
        if let Some((version, pushed)) = &self.pushed {
            for set in &pushed.custom_sets {
                if sets.iter().all(|own| own.name != set.name) {
                    sets.push(set.clone().of(Layer::Pushed(*version)));
                }
            }
        }
        sets.sort_by(|one, other| one.name.cmp(&other.name));
        sets
    }

    /// Where a switch was said, by `table.key`.
    pub(crate) fn switch_origin(&self, place: &str) -> Option<Origin> {
        let file = self.file.switch_lines.get(place).map(|line| Layer::File.origin(*line));
        file.or_else(|| {
            let (version, pushed) = self.pushed.as_ref()?;
            Some(Layer::Pushed(*version).origin(*pushed.switch_lines.get(place)?))
        })
    }
}

impl Listed<'_> {
    /// It is to be watched, and nothing says where it is.
    pub(crate) fn lacks_dsn(&self) -> ConfigError {
        match (self.settings.file, self.settings.pushed) {
            (None, Some(_)) => about(
                self.settings.version,
                ConfigError::new(
                    Some(self.line),
                    format!(
                        "[[instances]] lacks its dsn: the collector's own file has no instance \"{}\" that it could \
                         be an addition to",
                        self.name
                    ),
                ),
            ),
            _ => ConfigError::new(Some(self.line), "[[instances]] lacks its dsn"),
        }
    }
}

fn name(instance: &InstanceTable) -> Option<&str> {
    match instance.settings.get(INSTANCE_NAME.key) {
        Some((Found::Here(Value::Text(name)), _)) => Some(name),
        _ => None,
    }
}

impl Switches {
    /// Takes from another one what this one does not say.
    fn fill(&mut self, under: &Self) {
        for (own, under) in [(&mut self.groups, &under.groups), (&mut self.sets, &under.sets)] {
            for (name, switch) in under {
                let Switch { enabled, interval } = own.entry(name.clone()).or_default();
                *enabled = enabled.or(switch.enabled);
                *interval = interval.or(switch.interval);
            }
        }
    }
}
