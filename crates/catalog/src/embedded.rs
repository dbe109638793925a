//! The catalogue as a whole: the sets that come with the binary, and those of `CATALOG_DIR`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rust_embed::RustEmbed;

use crate::definition::Kind;
use crate::set::{SAMPLE_COUNTS, Set, SetError};

/// What the names of users' own sets begin with, so that ours never collide with them.
pub const USERS_PREFIX: &str = "x_";

#[derive(RustEmbed)]
#[folder = "../../catalog"]
struct Files;

/// All sets, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    sets: BTreeMap<String, Set>,
}

/// What is wrong with a catalogue.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// A set does not parse or breaks a rule.
    #[error("catalogue set {set}: {source}")]
    Set {
        /// The set's folder.
        set: String,
        /// What is wrong with it.
        source: SetError,
    },
    /// A folder could not be read.
    #[error("read catalogue {path}")]
    Read {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The sets contradict each other.
    #[error("catalogue set {set}: {reason}")]
    Rule {
        /// The set.
        set: String,
        /// What is wrong.
        reason: String,
    },
}

/// The files of the catalogue as (path below its root, content).
type Sources = BTreeMap<String, String>;

impl Catalog {
    /// The sets that come with the binary.
    ///
    /// # Errors
    /// Never for a released binary: a test reads the whole catalogue.
    pub fn embedded() -> Result<Self, CatalogError> {
        let sources = Files::iter()
            .filter_map(|path| Some((path.to_string(), Files::get(&path)?)))
            .map(|(path, file)| (path, String::from_utf8_lossy(&file.data).into_owned()))
            .collect();
        let catalog = Self::from_sources(&sources)?;
        catalog.check()?;
        Ok(catalog)
    }

    /// These sets, and over them those of a folder of the same shape (`<scope>/<set>/set.toml`): new
    /// ones named `x_…`, and compatible replacements of ours.
    ///
    /// # Errors
    /// When the folder cannot be read or one of its sets is wrong.
    pub fn with_dir(mut self, root: &Path) -> Result<Self, CatalogError> {
        let mut sources = Sources::new();
        for scope in folders(root)? {
            for set in folders(&scope)? {
                for file in entries(&set)?.into_iter().filter(|file| is_part_of_a_set(file)) {
                    let below = file.strip_prefix(root).unwrap_or(&file).to_string_lossy().into_owned();
                    let content = std::fs::read_to_string(&file)
                        .map_err(|source| CatalogError::Read { path: file.clone(), source })?;
                    sources.insert(below, content);
                }
            }
        }
        for (name, set) in Self::from_sources(&sources)?.sets {
            let rule = |reason: String| CatalogError::Rule { set: name.clone(), reason };
            match self.sets.get(&name) {
                Some(own) => own.definition.may_become(&set.definition).map_err(|e| rule(e.to_string()))?,
                None if name.starts_with(USERS_PREFIX) => {}
                None => return Err(rule(format!("a set of your own has a name that begins with {USERS_PREFIX}"))),
            }
            self.sets.insert(name, set);
        }
        self.check()?;
        Ok(self)
    }

    /// These sets and one of the users' own.
    ///
    /// # Errors
    /// When its name is that of another set or no name for one, or its guard is no set.
    pub fn with(mut self, set: Set) -> Result<Self, CatalogError> {
        let rule = |reason: &str| CatalogError::Rule { set: set.name().to_owned(), reason: reason.to_owned() };
        if !set.is_users() {
            return Err(rule("a set of your own has a name that begins with x_"));
        }
        if self.sets.contains_key(set.name()) {
            return Err(rule("there is one of this name"));
        }
        self.sets.insert(set.name().to_owned(), set);
        self.check()?;
        Ok(self)
    }

    /// All but the set of this name.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.sets.remove(name);
        self
    }

    /// Only the sets of these names, with those that guard them or count their samples.
    #[must_use]
    pub fn only(mut self, names: &[&str]) -> Self {
        let named = names.iter().filter_map(|name| self.sets.get(*name));
        let beside: Vec<String> = named.flat_map(|set| set.beside().map(str::to_owned).collect::<Vec<_>>()).collect();
        self.sets.retain(|name, _| names.contains(&name.as_str()) || beside.contains(name));
        self
    }

    /// The sets that are read with another one, and never by themselves.
    #[must_use]
    pub fn read_beside(&self) -> BTreeSet<&str> {
        self.sets().flat_map(Set::beside).collect()
    }

    /// A set by name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Set> {
        self.sets.get(name)
    }

    /// All sets in order of their names.
    pub fn sets(&self) -> impl Iterator<Item = &Set> {
        self.sets.values()
    }

    /// The groups of those sets, in order.
    #[must_use]
    pub fn groups(&self) -> Vec<String> {
        let groups: BTreeSet<&String> = self.sets().map(|set| &set.group).collect();
        groups.into_iter().cloned().collect()
    }

    fn from_sources(sources: &Sources) -> Result<Self, CatalogError> {
        let mut catalog = Self::default();
        for (path, set_toml) in sources.iter().filter(|(path, _)| path.ends_with("/set.toml")) {
            let folder = path.trim_end_matches("set.toml");
            let mut parts = folder.trim_end_matches('/').rsplit('/');
            let name = parts.next().unwrap_or_default().to_owned();
            let scope = parts.next().unwrap_or_default();
            let sql = sources
                .range(folder.to_owned()..)
                .take_while(|(file, _)| file.starts_with(folder))
                .filter(|(file, _)| file.ends_with(".sql"))
                .map(|(file, content)| (&file[folder.len()..], content.as_str()));
            let set =
                Set::parse(&name, set_toml, sql).map_err(|source| CatalogError::Set { set: name.clone(), source })?;
            if set.definition.scope.folder() != scope {
                let reason = format!("stands in folder {scope}, and its scope is {}", set.definition.scope.folder());
                return Err(CatalogError::Rule { set: name, reason });
            }
            if catalog.sets.insert(name.clone(), set).is_some() {
                return Err(CatalogError::Rule { set: name, reason: "stands in two scopes".to_owned() });
            }
        }
        Ok(catalog)
    }

    fn check(&self) -> Result<(), CatalogError> {
        for set in self.sets() {
            let guard_is_known = set.guard.as_ref().is_none_or(|guard| self.sets.contains_key(guard));
            if !guard_is_known {
                let reason = format!("guard {} is no set", set.guard.as_deref().unwrap_or_default());
                return Err(CatalogError::Rule { set: set.name().to_owned(), reason });
            }
            let Some(sample) = &set.sample else { continue };
            let counts = self.sets.get(&sample.counted_in);
            let is_count = |of: &Set, name| of.definition.column(name).is_some_and(|(_, it)| it.kind == Kind::Count);
            if !counts.is_some_and(|of| SAMPLE_COUNTS.iter().all(|name| is_count(of, name))) {
                let reason = format!("counted_in {} is no set with {}", sample.counted_in, SAMPLE_COUNTS.join(" and "));
                return Err(CatalogError::Rule { set: set.name().to_owned(), reason });
            }
        }
        Ok(())
    }
}

fn is_part_of_a_set(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "toml" || extension == "sql")
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, CatalogError> {
    let fail = |source| CatalogError::Read { path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        paths.push(entry.map_err(fail)?.path());
    }
    paths.sort();
    Ok(paths)
}

fn folders(root: &Path) -> Result<Vec<PathBuf>, CatalogError> {
    Ok(entries(root)?.into_iter().filter(|path| path.is_dir()).collect())
}
