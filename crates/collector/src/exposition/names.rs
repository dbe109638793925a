//! What rows are called: their labels, and beside each identifier the name that it has, as it was read last.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use catalog::{Catalog, Kind, Set};
use wire::{Frame, Values};

use super::{SERVER, Shown};
use crate::baseline::Place;

/// A label that is an identifier, the set that names it, and how its names are labelled.
struct Named {
    /// Labels of this name are identifiers of it.
    labels: &'static [&'static str],
    set: &'static str,
    /// The label of the row that is named there.
    key: &'static str,
    /// Columns there, and what they are called here.
    names: &'static [(&'static str, &'static str)],
}

const DATABASE: &Named =
    &Named { labels: &["datid", "dbid"], set: "pg_database", key: "datid", names: &[("datname", "datname")] };

const NAMED: [&Named; 6] = [
    DATABASE,
    &Named { labels: &["userid"], set: "pg_roles", key: "roleid", names: &[("rolname", "usename")] },
    &Named {
        labels: &["relid"],
        set: "pg_class",
        key: "relid",
        names: &[("schema", "schemaname"), ("relname", "relname")],
    },
    &Named {
        labels: &["indexrelid"],
        set: "pg_index",
        key: "indexrelid",
        names: &[("schema", "schemaname"), ("relname", "indexrelname")],
    },
    &Named {
        labels: &["funcid"],
        set: "pg_proc",
        key: "funcid",
        names: &[("schema", "schemaname"), ("proname", "funcname")],
    },
    &Named {
        labels: &["seqrelid"],
        set: "pg_sequence",
        key: "seqrelid",
        names: &[("schema", "schemaname"), ("relname", "relname")],
    },
];

type Labels = Vec<(String, String)>;

/// The names of one instance's things, by database and identifier.
pub(super) struct Names<'a> {
    known: HashMap<(&'a str, &'static str, Option<i64>, i64), Labels>,
}

impl<'a> Names<'a> {
    /// From the readings of the sets that name things.
    pub(super) fn of(catalog: &Catalog, shown: &'a BTreeMap<Place, Arc<Shown>>) -> Self {
        let mut known = HashMap::new();
        for (place, shown) in shown {
            for named in NAMED.iter().filter(|named| named.set == place.set) {
                let Some(definition) = catalog.get(named.set).map(|set| &set.definition) else { continue };
                let column = |name: &str| shown.frame.column(definition.column(name)?.0);
                let Some(keys) = column(named.key) else { continue };
                for row in 0..shown.frame.rows {
                    let Some(key) = keys.int(row) else { continue };
                    let names = named.names.iter().filter_map(|(from, to)| {
                        let text = column(from).filter(|column| !column.is_null(row))?;
                        let Values::Text(texts) = &text.values else { return None };
                        Some(((*to).to_owned(), escaped(&texts[row])))
                    });
                    let names: Labels = names.collect();
                    known.insert((place.instance.as_str(), named.set, place.datid, key), names);
                }
            }
        }
        Self { known }
    }

    fn name(&self, place: &Place, named: &Named, key: i64) -> Labels {
        let find = |datid| self.known.get(&(place.instance.as_str(), named.set, datid, key));
        find(place.datid).or_else(|| find(None)).cloned().unwrap_or_default()
    }

    /// The labels of a reading.
    pub(super) fn of_place(&self, place: &Place) -> Labels {
        let mut labels = vec![(SERVER.to_owned(), escaped(&place.instance))];
        if let Some(datid) = place.datid {
            labels.push(("datid".to_owned(), datid.to_string()));
            labels.extend(self.name(place, DATABASE, datid));
        }
        labels
    }

    /// The labels of one row of it.
    pub(super) fn of_row(&self, place: &Place, set: &Set, frame: &Frame, row: usize) -> Labels {
        let mut labels = self.of_place(place);
        for (at, meta) in set.definition.columns.iter().enumerate().filter(|(_, meta)| meta.kind == Kind::Label) {
            let Some(column) = frame.column(at).filter(|column| !column.is_null(row)) else { continue };
            let text = match &column.values {
                Values::Bool(values) => values[row].to_string(),
                Values::Int(values) => values[row].to_string(),
                Values::Float(values) => values[row].to_string(),
                Values::Text(values) => escaped(&values[row]),
            };
            labels.push((meta.name.clone(), text));
            let named = NAMED.iter().find(|named| named.labels.contains(&meta.name.as_str()));
            if let (Some(named), Some(key)) = (named, column.int(row)) {
                labels.extend(self.name(place, named, key));
            }
        }
        // A row may have a label and a name of the same word: its own says more.
        let mut seen = std::collections::BTreeSet::new();
        labels.retain(|(name, _)| seen.insert(name.clone()));
        labels
    }
}

/// Whether the labels are of a relation that is known, and not the system's.
pub(super) fn is_of_users(labels: &[(String, String)]) -> bool {
    let schema = labels.iter().find(|(name, _)| name == "schemaname").map(|(_, schema)| schema.as_str());
    schema.is_some_and(|schema| {
        !["pg_catalog", "information_schema"].contains(&schema) && !schema.starts_with("pg_toast")
    })
}

/// A text as the format has it in quotes; the library writes what it is given.
pub(super) fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
