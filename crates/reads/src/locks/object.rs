//! What a lock is on, in words. Pure.
//!
//! `pg_locks` tells it in numbers, and which of them mean anything depends on the kind of lock. What has no name here
//! keeps its number, with the reason.

use super::relations::Relations;
use crate::queries::names::Names;

/// Catalogs whose rows have names that are known for the whole instance.
const DATABASES: &str = "pg_database";
const ROLES: &str = "pg_authid";

/// What is locked, as `pg_locks` has it.
#[derive(Clone, Debug, Default)]
pub(super) struct Object {
    pub(super) locktype: String,
    /// The database; 0 is none, or shared.
    pub(super) datid: i64,
    pub(super) relid: Option<i64>,
    /// The relation's name, where the collector could tell it at once.
    pub(super) relation_name: Option<String>,
    pub(super) row: Option<(i32, i32)>,
    pub(super) xid: Option<i64>,
    pub(super) virtualxid: Option<String>,
    pub(super) classid: Option<i64>,
    pub(super) objid: Option<i64>,
    pub(super) objsubid: Option<i32>,
    pub(super) class: Option<String>,
}

/// Words for an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) text: String,
    /// Why something has a number instead of a name.
    pub(super) unnamed: Option<String>,
}

/// Where names are looked up.
#[derive(Clone, Copy)]
pub(super) struct Lookup<'a> {
    pub(super) databases: &'a Names,
    pub(super) roles: &'a Names,
    pub(super) relations: &'a Relations,
}

impl Object {
    pub(super) fn relation_of(datid: i64, relid: i64) -> Self {
        Self { locktype: "relation".to_owned(), datid, relid: Some(relid), ..Self::default() }
    }

    /// Whether both are one lock: who waits for a transaction wants one of several rows of it.
    pub(super) fn is_same_lock(&self, other: &Self) -> bool {
        self.locktype == other.locktype
            && self.xid == other.xid
            && self.virtualxid == other.virtualxid
            && (self.is_of_transaction()
                || (self.datid, self.relid, self.row, self.classid, self.objid, self.objsubid)
                    == (other.datid, other.relid, other.row, other.classid, other.objid, other.objsubid))
    }

    fn is_of_transaction(&self) -> bool {
        matches!(self.locktype.as_str(), "transactionid" | "virtualxid")
    }

    /// The relation, when the lock is on all of it.
    pub(super) fn whole_relation(&self) -> Option<i64> {
        self.relid.filter(|_| self.locktype == "relation")
    }

    /// The words for one that holds it.
    pub(super) fn held(&self, lookup: Lookup<'_>) -> String {
        match self.locktype.as_str() {
            "transactionid" => {
                self.xid.map_or_else(|| "its transaction".to_owned(), |xid| format!("its transaction {xid}"))
            }
            "virtualxid" => format!("its virtual transaction {}", self.virtualxid.as_deref().unwrap_or_default()),
            _ => self.words(lookup, None).text,
        }
    }

    /// The words; `of` is who has the transaction that is waited for.
    pub(super) fn words(&self, lookup: Lookup<'_>, of: Option<&str>) -> Words {
        let of = of.map(|of| format!(" of {of}")).unwrap_or_default();
        match self.locktype.as_str() {
            "relation" => self.relation(lookup, ""),
            "extend" => self.relation(lookup, "the extension of "),
            "page" => match self.row {
                Some((page, _)) => self.relation(lookup, &format!("page {page} of ")),
                None => self.relation(lookup, "a page of "),
            },
            "tuple" => self.relation(lookup, &self.row_of()),
            "transactionid" => {
                let end = self.xid.map_or_else(|| "a transaction".to_owned(), |xid| format!("transaction {xid}"));
                if self.relid.is_none() {
                    return named(format!("the end of {end}{of}"));
                }
                let row = self.relation(lookup, &self.row_of());
                Words { text: format!("{}, until {end}{of} ends", row.text), unnamed: row.unnamed }
            }
            "virtualxid" => {
                let id = self.virtualxid.as_deref().unwrap_or_default();
                named(format!("the end of virtual transaction {id}{of}"))
            }
            "advisory" => named(format!("advisory lock {}{}", self.advisory_key(), self.inside(lookup))),
            "object" => self.catalog_row(lookup),
            other => named(format!("{other}{}", self.inside(lookup))),
        }
    }

    fn row_of(&self) -> String {
        self.row.map_or_else(|| "a row of ".to_owned(), |(page, tuple)| format!("row ({page},{tuple}) of "))
    }

    /// ` in shop`; nothing for what belongs to no database.
    fn inside(&self, lookup: Lookup<'_>) -> String {
        if self.datid == 0 { String::new() } else { format!(" in {}", lookup.databases.of(self.datid)) }
    }

    fn relation(&self, lookup: Lookup<'_>, before: &str) -> Words {
        let Some(relid) = self.relid else { return named(format!("{before}a relation{}", self.inside(lookup))) };
        let place = if self.datid == 0 { ", shared by all databases".to_owned() } else { self.inside(lookup) };
        let known = self.relation_name.as_deref().or_else(|| lookup.relations.name(self.datid, relid));
        match known {
            Some(name) => named(format!("{before}{name}{place}")),
            None => Words {
                text: format!("{before}relation {relid}{place}"),
                unnamed: Some(self.why_unnamed(lookup, relid)),
            },
        }
    }

    fn why_unnamed(&self, lookup: Lookup<'_>, relid: i64) -> String {
        let database = lookup.databases.of(self.datid);
        format!(
            "The name of relation {relid} is not known: names are read in each database by itself, the sets pg_class \
             and pg_index, and those of {database} do not have it (yet); views, sequences, foreign and temporary \
             tables are never in them."
        )
    }

    /// One key of 64 bits, or two of 32, with their signs.
    fn advisory_key(&self) -> String {
        let halves = (self.classid.unwrap_or(0), self.objid.unwrap_or(0));
        let [high, low] = [halves.0, halves.1].map(|half| u32::try_from(half).unwrap_or(0));
        match self.objsubid {
            Some(2) => format!("({}, {})", high.cast_signed(), low.cast_signed()),
            _ => ((u64::from(high) << 32) | u64::from(low)).cast_signed().to_string(),
        }
    }

    fn catalog_row(&self, lookup: Lookup<'_>) -> Words {
        let objid = self.objid.unwrap_or(0);
        let class = self.class.clone().unwrap_or_else(|| format!("catalog {}", self.classid.unwrap_or(0)));
        match class.as_str() {
            DATABASES => named(format!("database {}", lookup.databases.of(objid))),
            ROLES => named(format!("role {}", lookup.roles.of(objid))),
            _ => Words {
                text: format!("object {objid} of {class}{}", self.inside(lookup)),
                unnamed: Some(format!("Names of what is in {class} are not read.")),
            },
        }
    }
}

fn named(text: String) -> Words {
    Words { text, unnamed: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(object: &Object, of: Option<&str>) -> Words {
        let databases = Names::known([(5, "shop"), (6, "crm")]);
        let roles = Names::known([(10, "app")]);
        let relations = Relations::known([(5, 700, "public.stock")]);
        object.words(Lookup { databases: &databases, roles: &roles, relations: &relations }, of)
    }

    fn on(locktype: &str, more: Object) -> Object {
        Object { locktype: locktype.to_owned(), ..more }
    }

    #[test]
    fn every_kind_of_lock_has_its_words() {
        let stock = Object { datid: 5, relid: Some(700), row: Some((3, 7)), ..Object::default() };
        let key = |classid, objid, objsubid| Object {
            datid: 6,
            classid: Some(classid),
            objid: Some(objid),
            objsubid: Some(objsubid),
            ..Object::default()
        };
        let catalog = |class: &str, objid, datid| Object {
            datid,
            class: Some(class.to_owned()),
            objid: Some(objid),
            ..Object::default()
        };
        let cases = [
            (on("relation", stock.clone()), "public.stock in shop"),
            (on("extend", stock.clone()), "the extension of public.stock in shop"),
            (on("page", stock.clone()), "page 3 of public.stock in shop"),
            (on("tuple", stock.clone()), "row (3,7) of public.stock in shop"),
            (
                on("transactionid", Object { xid: Some(81), ..stock }),
                "row (3,7) of public.stock in shop, until transaction 81 of session 4 ends",
            ),
            (
                on("transactionid", Object { xid: Some(81), ..Object::default() }),
                "the end of transaction 81 of session 4",
            ),
            (
                on("virtualxid", Object { virtualxid: Some("4/12".to_owned()), ..Object::default() }),
                "the end of virtual transaction 4/12 of session 4",
            ),
            (on("advisory", key(0, 42, 1)), "advisory lock 42 in crm"),
            (on("advisory", key(4_294_967_295, 4_294_967_254, 1)), "advisory lock -42 in crm"),
            (on("advisory", key(7, 4_294_967_288, 2)), "advisory lock (7, -8) in crm"),
            (on("object", catalog("pg_database", 6, 0)), "database crm"),
            (on("object", catalog("pg_authid", 10, 0)), "role app"),
            (on("frozenid", Object { datid: 6, ..Object::default() }), "frozenid in crm"),
            (
                on(
                    "relation",
                    Object {
                        relid: Some(1260),
                        relation_name: Some("pg_catalog.pg_authid".to_owned()),
                        ..Object::default()
                    },
                ),
                "pg_catalog.pg_authid, shared by all databases",
            ),
        ];
        for (object, expected) in cases {
            assert_eq!(words(&object, Some("session 4")), named(expected.to_owned()), "{object:?}");
        }
    }

    #[test]
    fn who_holds_a_transaction_holds_its_own() {
        let row = |locktype: &str, row, xid| {
            on(locktype, Object { datid: 5, relid: Some(700), row: Some(row), xid, ..Object::default() })
        };
        let databases = Names::known([(5, "shop")]);
        let roles = Names::known([]);
        let relations = Relations::known([(5, 700, "public.stock")]);
        let held =
            |object: &Object| object.held(Lookup { databases: &databases, roles: &roles, relations: &relations });
        let transaction = row("transactionid", (3, 7), Some(81));
        assert_eq!((held(&transaction).as_str(), transaction.whole_relation()), ("its transaction 81", None));
        assert!(transaction.is_same_lock(&row("transactionid", (3, 8), Some(81))), "whatever row is wanted of it");
        assert!(!transaction.is_same_lock(&row("transactionid", (3, 7), Some(82))));
        let tuple = row("tuple", (3, 7), None);
        assert_eq!(held(&tuple), "row (3,7) of public.stock in shop");
        assert!(!tuple.is_same_lock(&row("tuple", (3, 8), None)));
        assert_eq!(Object::relation_of(5, 700).whole_relation(), Some(700));
    }

    #[test]
    fn what_has_no_name_has_its_number_and_the_reason() {
        let elsewhere = words(&on("relation", Object { datid: 6, relid: Some(700), ..Object::default() }), None);
        assert_eq!(elsewhere.text, "relation 700 in crm");
        assert!(elsewhere.unnamed.unwrap().contains("those of crm do not have it"));
        let schema =
            Object { datid: 6, class: Some("pg_namespace".to_owned()), objid: Some(2200), ..Object::default() };
        let schema = words(&on("object", schema), None);
        assert_eq!(schema.text, "object 2200 of pg_namespace in crm");
        assert!(schema.unnamed.is_some());
    }
}
