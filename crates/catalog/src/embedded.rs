//! The catalogue as a whole: the sets that come with the binary, and those of `CATALOG_DIR`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rust_embed::RustEmbed;

use crate::set::{Set, SetError};

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../../catalog"]
#[allow_missing = true]
struct Files;

/// All sets, by name.
#[derive(Clone, Debug, Default)]
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
        Self::from_sources(&sources)
    }

    /// These sets, and over them those of a folder of the same shape (`<scope>/<set>/set.toml`).
    ///
    /// # Errors
    /// When the folder cannot be read or one of its sets is wrong.
    pub fn with_dir(mut self, root: &Path) -> Result<Self, CatalogError> {
        let mut sources = Sources::new();
        for scope in folders(root)? {
            for set in folders(&scope)? {
                for file in entries(&set)? {
                    let below = file.strip_prefix(root).unwrap_or(&file).to_string_lossy().into_owned();
                    let content = std::fs::read_to_string(&file)
                        .map_err(|source| CatalogError::Read { path: file.clone(), source })?;
                    sources.insert(below, content);
                }
            }
        }
        self.sets.extend(Self::from_sources(&sources)?.sets);
        self.check()?;
        Ok(self)
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

    fn from_sources(sources: &Sources) -> Result<Self, CatalogError> {
        let mut catalog = Self::default();
        for (path, set_toml) in sources.iter().filter(|(path, _)| path.ends_with("/set.toml")) {
            let folder = path.trim_end_matches("set.toml");
            let name = folder.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
            let sql = sources
                .range(folder.to_owned()..)
                .take_while(|(file, _)| file.starts_with(folder))
                .filter(|(file, _)| file.ends_with(".sql"))
                .map(|(file, content)| (&file[folder.len()..], content.as_str()));
            let set =
                Set::parse(&name, set_toml, sql).map_err(|source| CatalogError::Set { set: name.clone(), source })?;
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
        }
        Ok(())
    }
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
