//! Definitions by hash: how a reading of any collector, older or newer, becomes rows.
//!
//! A set's table has the columns of all definitions that were ever seen of it; each definition
//! copies into the columns that it names.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, RwLock};

use catalog::{
    Catalog, Definition, DefinitionHash, INFO_COLUMNS, Kind, MAX_NAME, RESERVED_COLUMNS, Scope, SetKind, Type, Unit,
};
use deadpool_postgres::{GenericClient, Transaction};

use crate::{Store, StoreError, derived, infos, schema, tables, tiers, views};

/// The most columns that a set may have; PostgreSQL's own limit is 1600.
const MAX_COLUMNS: usize = 500;

/// The longest help of a set or column, in bytes.
const MAX_HELP: usize = 4096;

/// Names that sets cannot have: the fixed tables of schema `metrics`.
const FIXED_TABLES: [&str; 27] = [
    "absent",
    "clocks",
    "clusters",
    "collectors",
    "cuts",
    "definitions",
    "derived",
    "discards",
    "due",
    "flags",
    "gone",
    "instance_sizes",
    "instances",
    "jobs",
    "latest",
    "leaving",
    "ledger",
    "migrations",
    "processes",
    "readings",
    "rejected",
    "retention",
    "set_states",
    "sizes",
    "statements",
    "store",
    "texts",
];

/// What users' own sets begin with.
const CUSTOM_PREFIX: &str = "x_";

/// What is done with sets that are not in this server's catalogue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CustomSets {
    /// Only when an administrator approved them.
    #[default]
    Approve,
    /// Taken in.
    Accept,
    /// Refused.
    Refuse,
}

/// A definition that this server can take readings of.
#[derive(Debug)]
pub struct Known {
    /// The definition.
    pub definition: Definition,
    /// Its hash.
    pub hash: DefinitionHash,
    /// How it is kept.
    pub kind: SetKind,
    /// The statement that its rows are written with: a copy, and a merge of what is said of infos.
    pub write_statement: Arc<str>,
}

impl Known {
    fn new(definition: Definition) -> Self {
        let kind = definition.kind();
        let write_statement = match kind {
            SetKind::Info => infos::observe_statement(&definition).into(),
            _ => tables::copy_statement(&definition).into(),
        };
        Self { hash: definition.hash(), kind, write_statement, definition }
    }

    /// Whether its table is partitioned by day.
    #[must_use]
    pub fn is_partitioned(&self) -> bool {
        tables::is_partitioned(self.kind)
    }
}

/// All known definitions.
#[derive(Debug, Default)]
pub struct Definitions {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    by_hash: HashMap<DefinitionHash, Arc<Known>>,
    /// Every set with the columns of all its definitions: the shape of its table.
    whole: BTreeMap<String, Arc<Known>>,
}

/// Why a definition is refused.
#[derive(Debug, thiserror::Error)]
pub enum DefinitionError {
    /// It breaks a rule.
    #[error("definition of set {set}: {reason}")]
    Invalid {
        /// The set.
        set: String,
        /// The rule.
        reason: String,
    },
    /// An administrator has to approve it first.
    #[error("set {set} waits until an administrator approves it on the server (CUSTOM_SETS=approve)")]
    NeedsApproval {
        /// The set.
        set: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Definitions {
    /// The sets of a catalogue alone, as before any store is there.
    #[must_use]
    pub fn of(catalog: &Catalog) -> Self {
        let all: Vec<Definition> = catalog.sets().map(|set| set.definition.clone()).collect();
        let whole = all.iter().map(|one| (one.name.clone(), one.clone())).collect();
        Self::new(whole, &all)
    }

    pub(crate) fn new(whole: BTreeMap<String, Definition>, all: &[Definition]) -> Self {
        let definitions = Self::default();
        definitions.remember(whole.into_values(), all.iter().cloned());
        definitions
    }

    /// The definition of a hash.
    #[must_use]
    pub fn get(&self, hash: DefinitionHash) -> Option<Arc<Known>> {
        self.read().by_hash.get(&hash).cloned()
    }

    /// A set with all its columns, by name.
    #[must_use]
    pub fn set(&self, name: &str) -> Option<Arc<Known>> {
        self.read().whole.get(name).cloned()
    }

    /// All sets with all their columns, in order of their names.
    #[must_use]
    pub fn sets(&self) -> Vec<Arc<Known>> {
        self.read().whole.values().cloned().collect()
    }

    fn remember(&self, whole: impl Iterator<Item = Definition>, all: impl Iterator<Item = Definition>) {
        let mut inner = match self.inner.write() {
            Ok(guard) => guard,
            Err(poisoned) => poisoned.into_inner(),
        };
        for definition in all {
            let known = Arc::new(Known::new(definition));
            inner.by_hash.insert(known.hash, known);
        }
        for definition in whole {
            let known = Arc::new(Known::new(definition));
            inner.by_hash.insert(known.hash, Arc::clone(&known));
            inner.whole.insert(known.definition.name.clone(), known);
        }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Inner> {
        match self.inner.read() {
            Ok(guard) => guard,
            Err(poisoned) => poisoned.into_inner(),
        }
    }
}

impl Store {
    /// Looks for hashes that another server, or an earlier run, has stored.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn refresh_definitions(&self, hashes: &[DefinitionHash]) -> Result<(), StoreError> {
        let wanted: Vec<&[u8]> = hashes.iter().map(|hash| hash.0.as_slice()).collect();
        let client = self.client().await?;
        let any = client.query_opt("select from metrics.definitions where hash = any($1) limit 1", &[&wanted]).await?;
        if any.is_some() {
            self.remember_definitions(load(&client).await?)?;
        }
        Ok(())
    }

    /// Takes up definitions that are stored.
    pub(crate) fn remember_definitions(&self, stored: Vec<Definition>) -> Result<(), StoreError> {
        let mut whole: BTreeMap<String, Definition> =
            self.definitions.sets().iter().map(|k| (k.definition.name.clone(), k.definition.clone())).collect();
        for definition in &stored {
            join(&mut whole, definition)
                .map_err(|reason| StoreError::Definition { set: definition.name.clone(), reason })?;
        }
        self.definitions.remember(whole.into_values(), stored.into_iter());
        Ok(())
    }

    /// Whether a definition could be taken in beside what is stored.
    ///
    /// # Errors
    /// When it breaks a rule or contradicts what is stored, or when the store fails.
    pub async fn check_definition(&self, definition: &Definition) -> Result<(), DefinitionError> {
        let invalid =
            |reason: String| DefinitionError::Invalid { set: definition.name.chars().take(MAX_NAME).collect(), reason };
        check(definition).map_err(invalid)?;
        let stored = load(&self.client().await?).await?;
        self.joined(stored, definition).map(|_| ()).map_err(invalid)
    }

    /// All sets that are known or stored, and this one with them.
    fn joined(&self, stored: Vec<Definition>, definition: &Definition) -> Result<BTreeMap<String, Definition>, String> {
        let mut whole: BTreeMap<String, Definition> =
            self.definitions.sets().iter().map(|k| (k.definition.name.clone(), k.definition.clone())).collect();
        for stored in stored {
            join(&mut whole, &stored)?;
        }
        let before = whole.get(&definition.name).cloned();
        join(&mut whole, definition)?;
        if let Some(joined) = whole.get(&definition.name) {
            check(joined)?;
            // What was there before tiers were has none, and is taken as ever.
            if before.is_none_or(|before| tiers::check(&before, &whole).is_ok()) {
                tiers::check(joined, &whole)?;
            }
        }
        Ok(whole)
    }

    /// Takes in a collector's definition: checks it, widens the set's table, remembers it.
    ///
    /// # Errors
    /// When it breaks a rule or contradicts what is stored, or when the store fails.
    pub async fn add_definition(&self, definition: Definition, custom: CustomSets) -> Result<(), DefinitionError> {
        let invalid =
            |reason: String| DefinitionError::Invalid { set: definition.name.chars().take(MAX_NAME).collect(), reason };
        check(&definition).map_err(invalid)?;
        let is_ours = self.catalog.get(&definition.name).is_some();
        if !is_ours {
            if !definition.name.starts_with(CUSTOM_PREFIX) {
                return Err(invalid(format!(
                    "this server's catalogue has no such set; own sets begin with {CUSTOM_PREFIX}"
                )));
            }
            match custom {
                CustomSets::Accept => {}
                CustomSets::Approve => return Err(DefinitionError::NeedsApproval { set: definition.name }),
                CustomSets::Refuse => return Err(invalid("own sets are switched off (CUSTOM_SETS=refuse)".to_owned())),
            }
        }
        let mut client = self.client().await?;
        let mut transaction = client.transaction().await.map_err(StoreError::from)?;
        schema::lock(&transaction).await?;
        // What other servers added meanwhile counts too.
        let mut whole = self.joined(load(&transaction).await?, &definition).map_err(invalid)?;
        if let Some(joined) = whole.get(&definition.name)
            && tables::create_or_widen(&transaction, self.layout, &self.catalog, joined).await?
        {
            tiers::create_or_widen(&transaction, self.layout, &self.catalog, joined, &whole).await?;
            derived::refresh(&mut transaction, &views::all(&whole)).await?;
            derived::refresh(&mut transaction, &tiers::functions(&whole)).await?;
        }
        insert(&transaction, &definition).await?;
        transaction.commit().await.map_err(StoreError::from)?;
        let joined = whole.remove(&definition.name);
        self.definitions.remember(joined.into_iter(), std::iter::once(definition));
        Ok(())
    }
}

/// All stored definitions, oldest first.
pub(crate) async fn load(client: &impl GenericClient) -> Result<Vec<Definition>, StoreError> {
    let rows =
        client.query("select set_name, definition from metrics.definitions order by first_seen, hash", &[]).await?;
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        let set: String = row.get(0);
        let stored: serde_json::Value = row.get(1);
        let definition = serde_json::from_value(stored)
            .map_err(|error| StoreError::Definition { set, reason: format!("stored definition: {error}") })?;
        all.push(definition);
    }
    Ok(all)
}

pub(crate) async fn insert(transaction: &Transaction<'_>, definition: &Definition) -> Result<(), StoreError> {
    let set = &definition.name;
    let as_json = serde_json::to_value(definition)
        .map_err(|error| StoreError::Definition { set: set.clone(), reason: error.to_string() })?;
    transaction
        .execute(
            "insert into metrics.definitions (hash, set_name, definition) values ($1, $2, $3) on conflict do nothing",
            &[&definition.hash().0.as_slice(), set, &as_json],
        )
        .await?;
    Ok(())
}

/// Adds a definition's new columns to the whole of its set.
pub(crate) fn join(whole: &mut BTreeMap<String, Definition>, definition: &Definition) -> Result<(), String> {
    let Some(known) = whole.get_mut(&definition.name) else {
        whole.insert(definition.name.clone(), definition.clone());
        return Ok(());
    };
    known.may_become(definition).map_err(|error| error.to_string())?;
    if known.kind() != definition.kind() {
        return Err(format!("it was kept as {:?} and cannot become {:?}", known.kind(), definition.kind()));
    }
    for column in &definition.columns {
        if known.column(&column.name).is_none() {
            known.columns.push(column.clone());
        }
    }
    Ok(())
}

/// The rules that keep a definition from naming or making anything but its own table.
pub(crate) fn check(definition: &Definition) -> Result<(), String> {
    check_name(&definition.name)?;
    let name = definition.name.as_str();
    let digits =
        name.rsplit_once('_').is_some_and(|(_, end)| end.len() == 8 && end.bytes().all(|b| b.is_ascii_digit()));
    if FIXED_TABLES.contains(&name) || digits || name.ends_with(views::SUFFIX) {
        return Err(format!("the name {name} is taken"));
    }
    if definition.columns.is_empty() || definition.columns.len() > MAX_COLUMNS {
        return Err(format!("a set has 1 to {MAX_COLUMNS} columns"));
    }
    if definition.help.len() > MAX_HELP {
        return Err("help is too long".to_owned());
    }
    let kind = definition.kind();
    let mut seen = BTreeSet::new();
    for column in &definition.columns {
        check_name(&column.name)?;
        let place = &column.name;
        if !seen.insert(place.as_str()) {
            return Err(format!("column {place} stands twice"));
        }
        if RESERVED_COLUMNS.contains(&place.as_str()) || kind == SetKind::Info && INFO_COLUMNS.contains(&place.as_str())
        {
            return Err(format!("column {place}: every table has a column of this name already"));
        }
        if column.help.len() > MAX_HELP {
            return Err(format!("column {place}: help is too long"));
        }
        if (column.unit == Unit::Microseconds) != (column.column_type == Type::Duration) {
            return Err(format!("column {place}: unit microseconds and type duration go together"));
        }
        let fits = match (kind, column.kind) {
            (_, Kind::Label) => column.column_type != Type::Float8,
            (SetKind::Texts, Kind::Text) => column.column_type == Type::Text,
            (SetKind::Info, Kind::Info) | (SetKind::Events, Kind::Event) => true,
            (SetKind::Figures, Kind::Reset | Kind::Since) => column.column_type == Type::Timestamptz,
            (SetKind::Figures, Kind::Counter | Kind::Count) => {
                matches!(column.column_type, Type::Int4 | Type::Int8 | Type::Float8 | Type::Duration)
            }
            (SetKind::Figures, Kind::Gauge | Kind::State) => true,
            _ => false,
        };
        if !fits {
            return Err(format!("column {place}: its kind does not fit its type or the other columns"));
        }
    }
    if kind == SetKind::Texts && text_places(definition).is_none() {
        return Err("a text set has the labels dbid and queryid and the text query".to_owned());
    }
    let no_datid = definition.scope != Scope::Database || kind != SetKind::Texts;
    if no_datid { Ok(()) } else { Err("a text set is not read per database".to_owned()) }
}

/// The positions of dbid, queryid and query in a text set.
pub fn text_places(definition: &Definition) -> Option<(usize, usize, usize)> {
    let place = |name: &str, kind: Kind| definition.column(name).filter(|(_, c)| c.kind == kind).map(|(at, _)| at);
    let is_int = |at: usize| matches!(definition.columns[at].column_type, Type::Int8 | Type::Oid | Type::Int4);
    let (dbid, queryid) = (place("dbid", Kind::Label)?, place("queryid", Kind::Label)?);
    let query = place("query", Kind::Text)?;
    (is_int(dbid) && is_int(queryid) && definition.columns.len() == 3).then_some((dbid, queryid, query))
}

fn check_name(name: &str) -> Result<(), String> {
    let starts = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    let rest = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if starts && rest && name.len() <= MAX_NAME {
        Ok(())
    } else {
        Err(format!("a name is lower-case letters, digits and _, at most {MAX_NAME}, first a letter"))
    }
}
