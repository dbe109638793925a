//! What is wrong with an index, and whether it may go. Pure.

use std::collections::HashMap;
use std::hash::BuildHasher;

use jiff::{SignedDuration, Timestamp};

/// Statistics younger than this say nothing about use: a weekly job has to come by once.
pub const UNUSED_AFTER_DAYS: i64 = 7;
/// An index that has been invalid for less may still be in the making.
const IN_THE_MAKING: SignedDuration = SignedDuration::from_hours(24);

/// The oids of a database and of what is in it.
pub type Key = (i64, i64);

/// What is wrong with an index, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    /// Queries cannot use it, and writes pay for it.
    Invalid,
    /// Another index of the table is the same.
    Duplicate,
    /// Nobody scanned it for as long as it is known.
    Unused,
}

/// An index.
#[derive(Clone, Debug, Default)]
pub struct Index {
    /// Its table.
    pub relid: Option<i64>,
    /// Its schema.
    pub schema: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// That of its topmost table, where it is one of a partition.
    pub root: Option<i64>,
    /// Its access method.
    pub method: Option<String>,
    /// Whether it is unique.
    pub unique: bool,
    /// Whether it is the primary key's.
    pub primary: bool,
    /// Whether it is an exclusion constraint's.
    pub exclusion: bool,
    /// Whether queries may use it.
    pub valid: bool,
    /// Whether logical replication finds rows by it.
    pub replica_identity: bool,
    /// The constraint that it is for: `p`, `u` or `x`.
    pub constraint: Option<String>,
    /// Whether a foreign key depends on it.
    pub referenced: bool,
    /// Whether a foreign key of its own table begins with its columns.
    pub supports_foreign_key: bool,
    /// Its columns.
    pub columns: Option<String>,
    /// Columns that it only carries.
    pub included: Option<String>,
    /// Whether it is of some rows only.
    pub predicate: bool,
    /// The same for indexes of a table that are the same.
    pub signature: Option<i64>,
    /// When it was first read.
    pub first_seen: Option<Timestamp>,
}

/// What is needed to judge an index.
#[derive(Clone, Copy, Debug)]
pub struct Use<'a> {
    /// Scans since its statistics began.
    pub scans: Option<i64>,
    /// Scans in the range; there may have been a reset since.
    pub in_range: Option<f64>,
    /// Since when its scans are counted.
    pub since: Option<Timestamp>,
    /// The moment of judging.
    pub at: Timestamp,
    /// Another instance of the cluster that scans it.
    pub elsewhere: Option<&'a str>,
}

impl Use<'_> {
    /// Whether somebody is known to scan it.
    fn is_used(self) -> bool {
        self.scans.is_some_and(|scans| scans > 0)
            || self.in_range.is_some_and(|scans| scans > 0.0)
            || self.elsewhere.is_some()
    }

    /// Whether it was seen for as long, without a reset between.
    fn is_known_for(self, length: SignedDuration) -> bool {
        self.since.is_some_and(|since| self.at.duration_since(since) >= length)
    }
}

/// What depends on an index.
#[must_use]
pub fn needed_for(index: &Index) -> Option<&'static str> {
    match index.constraint.as_deref() {
        _ if index.primary => Some("primary key"),
        Some("u") => Some("unique constraint"),
        Some("x") => Some("exclusion constraint"),
        _ if index.exclusion => Some("exclusion constraint"),
        _ if index.referenced => Some("foreign key"),
        _ if index.replica_identity => Some("replica identity"),
        _ if index.unique => Some("unique"),
        _ => None,
    }
}

/// What an index serves that any other one like it serves as well: the rows that point somewhere are looked for when
/// what they point at is deleted, however rarely that is.
#[must_use]
pub fn serves(index: &Index) -> Option<&'static str> {
    index.supports_foreign_key.then_some("own foreign key")
}

/// Whether it is a part of an index of a partitioned table: it comes and goes with that one.
#[must_use]
pub fn is_part(key: Key, index: &Index) -> bool {
    index.root.is_some_and(|root| root != key.1)
}

/// For each index that is the same as another one of its table, the one that is to stay: one that
/// something depends on before others, a valid one before an invalid one, a scanned one before an idle one, then the
/// oldest.
pub fn duplicates<S: BuildHasher>(
    indexes: &HashMap<Key, Index, S>,
    is_scanned: impl Fn(&Key) -> bool,
) -> HashMap<Key, Key> {
    let mut alike: HashMap<(i64, i64, i64), Vec<Key>> = HashMap::new();
    for (key, index) in indexes {
        if let (Some(relid), Some(signature)) = (index.relid, index.signature) {
            alike.entry((key.0, relid, signature)).or_default().push(*key);
        }
    }
    let mut duplicates = HashMap::new();
    for mut group in alike.into_values().filter(|group| group.len() > 1) {
        group.sort_by_key(|key| {
            let index = indexes.get(key);
            let needed = index.is_some_and(|one| needed_for(one).is_some() || is_part(*key, one));
            let valid = index.is_some_and(|one| one.valid);
            (!valid, !needed, !is_scanned(key), key.1)
        });
        let stays = group[0];
        duplicates.extend(group.into_iter().skip(1).map(|key| (key, stays)));
    }
    duplicates
}

/// What is thought of an index.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// The gravest thing that is wrong with it.
    pub finding: Option<Finding>,
    /// The same as a sentence, or why nothing can be said.
    pub message: Option<String>,
    /// Whether it can go: something is wrong, nothing depends on it, and nobody is known to scan it.
    pub can_go: bool,
}

/// Judges an index. `same_as` is the one that is to stay, `needed_for` what depends on this one and no other.
#[must_use]
pub fn judge(index: &Index, how: Use<'_>, same_as: Option<&str>, needed_for: Option<&str>) -> Judgement {
    let is_idle = how.scans == Some(0) && !how.is_used();
    let found = |finding, message: String, can_go: bool| Judgement {
        finding: Some(finding),
        message: Some(message),
        can_go: can_go && is_idle && needed_for.is_none(),
    };
    if !index.valid {
        let message = "Queries cannot use it and writes pay for it: building it failed, or is not through.";
        return found(Finding::Invalid, message.to_owned(), how.is_known_for(IN_THE_MAKING));
    }
    if let Some(same_as) = same_as {
        let used = if how.is_used() { ", but it is scanned" } else { "" };
        return found(Finding::Duplicate, format!("It is the same as {same_as}{used}."), true);
    }
    if !is_idle || needed_for.or(serves(index)).is_some() {
        return Judgement::default();
    }
    let since = how.since.map(|since| since.strftime("%-d %b %Y %H:%M").to_string());
    match since {
        Some(since) if how.is_known_for(SignedDuration::from_hours(24 * UNUSED_AFTER_DAYS)) => {
            found(Finding::Unused, format!("No scan since {since}."), true)
        }
        since => {
            let known =
                since.map_or_else(|| "nobody knows since when".to_owned(), |since| format!("since {since} only"));
            let message =
                format!("Not enough data to call it unused: no scan, {known}; it takes {UNUSED_AFTER_DAYS} days.");
            Judgement { message: Some(message), ..Judgement::default() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: i64) -> Timestamp {
        Timestamp::from_second(day * 86_400).unwrap()
    }

    fn plain() -> Index {
        Index { relid: Some(1), valid: true, signature: Some(7), ..Index::default() }
    }

    fn idle() -> Use<'static> {
        Use { scans: Some(0), in_range: Some(0.0), since: Some(at(0)), at: at(7), elsewhere: None }
    }

    /// The finding, and whether the index can go.
    fn judged(index: &Index, how: Use<'_>, same_as: Option<&str>) -> (Option<Finding>, bool) {
        let judgement = judge(index, how, same_as, needed_for(index));
        (judgement.finding, judgement.can_go)
    }

    #[test]
    fn unused_takes_a_week_of_statistics_and_nothing_that_needs_it() {
        let unused = judge(&plain(), idle(), None, None);
        assert_eq!((unused.finding, unused.can_go), (Some(Finding::Unused), true));
        assert_eq!(unused.message.as_deref(), Some("No scan since 1 Jan 1970 00:00."));
        for how in [
            Use { since: Some(at(1)), ..idle() },
            Use { since: None, ..idle() },
            Use { scans: None, ..idle() },
            Use { scans: Some(1), ..idle() },
            // Scanned in the range, and reset since.
            Use { in_range: Some(3.0), ..idle() },
            Use { elsewhere: Some("standby"), ..idle() },
        ] {
            assert_eq!(judged(&plain(), how, None), (None, false), "{how:?}");
        }
        let young = judge(&plain(), Use { since: Some(at(6)), ..idle() }, None, None);
        let why = "Not enough data to call it unused: no scan, since 7 Jan 1970 00:00 only; it takes 7 days.";
        assert_eq!(young.message.as_deref(), Some(why));
        for needed in [
            Index { unique: true, ..plain() },
            Index { primary: true, ..plain() },
            Index { exclusion: true, ..plain() },
            Index { constraint: Some("u".to_owned()), ..plain() },
            Index { replica_identity: true, ..plain() },
            Index { referenced: true, ..plain() },
        ] {
            assert_eq!(judged(&needed, idle(), None), (None, false), "{needed:?}");
            assert_eq!(judged(&needed, idle(), Some("other")), (Some(Finding::Duplicate), false), "{needed:?}");
        }
        let serving = Index { supports_foreign_key: true, ..plain() };
        assert_eq!(judged(&serving, idle(), None), (None, false));
        assert_eq!(
            judged(&serving, idle(), Some("other")),
            (Some(Finding::Duplicate), true),
            "the other one serves it"
        );
    }

    #[test]
    fn what_is_scanned_cannot_go() {
        for how in [
            Use { scans: Some(1), ..idle() },
            Use { in_range: Some(1.0), ..idle() },
            Use { elsewhere: Some("standby"), ..idle() },
            Use { scans: None, ..idle() },
        ] {
            assert_eq!(judged(&plain(), how, Some("other")), (Some(Finding::Duplicate), false), "{how:?}");
        }
        assert_eq!(judged(&plain(), idle(), Some("other")), (Some(Finding::Duplicate), true));
        let scanned = judge(&plain(), Use { scans: Some(1), ..idle() }, Some("other"), None);
        assert_eq!(scanned.message.as_deref(), Some("It is the same as other, but it is scanned."));
    }

    #[test]
    fn the_gravest_comes_first_and_what_may_be_in_the_making_stays() {
        let invalid = Index { valid: false, ..plain() };
        assert_eq!(judged(&invalid, idle(), Some("other")), (Some(Finding::Invalid), true));
        assert_eq!(judged(&invalid, Use { since: Some(at(7)), ..idle() }, None), (Some(Finding::Invalid), false));
    }

    #[test]
    fn of_equal_indexes_the_one_that_is_needed_stays() {
        let indexes: HashMap<Key, Index> = [
            ((1, 10), plain()),
            ((1, 11), Index { unique: true, constraint: Some("u".to_owned()), ..plain() }),
            ((1, 12), Index { valid: false, unique: true, ..plain() }),
            ((1, 13), Index { signature: Some(8), ..plain() }),
            ((1, 14), Index { relid: Some(2), ..plain() }),
            // The same oids in another database are other indexes.
            ((2, 11), plain()),
        ]
        .into();
        assert_eq!(duplicates(&indexes, |_| false), [((1, 10), (1, 11)), ((1, 12), (1, 11))].into());
        let part = Index { root: Some(5), ..plain() };
        let beside: HashMap<Key, Index> = [((1, 10), plain()), ((1, 20), part)].into();
        assert_eq!(duplicates(&beside, |_| false), [((1, 10), (1, 20))].into(), "a part cannot go by itself");
        let twins: HashMap<Key, Index> = [((1, 10), plain()), ((1, 20), plain())].into();
        assert_eq!(duplicates(&twins, |_| false), [((1, 20), (1, 10))].into(), "the oldest stays");
        assert_eq!(duplicates(&twins, |key| key.1 == 20), [((1, 10), (1, 20))].into(), "the scanned one stays");
    }
}
