//! What is wrong with an index, and whether it may go. Pure.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::model::Finding;
use crate::relations::Key;
use crate::relations::names::Index;

/// Statistics younger than this say nothing about use: a weekly job has to come by once.
pub(super) const UNUSED_AFTER_DAYS: i64 = 7;

/// What is needed to judge an index.
#[derive(Clone, Copy, Debug)]
pub(super) struct Use<'a> {
    pub(super) scans: Option<i64>,
    pub(super) since: Option<Timestamp>,
    pub(super) at: Timestamp,
    /// Another instance of the cluster that scans it.
    pub(super) elsewhere: Option<&'a str>,
}

/// What depends on an index.
pub(super) fn needed_for(index: &Index) -> Option<&'static str> {
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

/// For each index that is the same as another one of its table, the one that is to stay: one that
/// something depends on before others, a valid one before an invalid one, then the oldest.
pub(super) fn duplicates(indexes: &HashMap<Key, Index>) -> HashMap<Key, Key> {
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
            let (needed, valid) =
                (index.is_some_and(|one| needed_for(one).is_some()), index.is_some_and(|one| one.valid));
            (!valid, !needed, key.1)
        });
        let stays = group[0];
        duplicates.extend(group.into_iter().skip(1).map(|key| (key, stays)));
    }
    duplicates
}

/// The gravest thing that is wrong with an index, as a sentence too. `same_as` is the one that is to stay.
pub(super) fn finding(index: &Index, how: Use<'_>, same_as: Option<&str>) -> Option<(Finding, String)> {
    if !index.valid {
        let message = "Queries cannot use it and writes pay for it: building it failed, or is not through.";
        return Some((Finding::Invalid, message.to_owned()));
    }
    if let Some(same_as) = same_as {
        return Some((Finding::Duplicate, format!("It is the same as {same_as}.")));
    }
    let is_old = |since: Timestamp| how.at.duration_since(since) >= SignedDuration::from_hours(24 * UNUSED_AFTER_DAYS);
    let unused = how.scans == Some(0) && how.elsewhere.is_none() && needed_for(index).is_none();
    match how.since {
        Some(since) if unused && is_old(since) => {
            Some((Finding::Unused, format!("No scan since {}.", since.strftime("%-d %b %Y %H:%M"))))
        }
        _ => None,
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
        Use { scans: Some(0), since: Some(at(0)), at: at(7), elsewhere: None }
    }

    #[test]
    fn unused_takes_a_week_of_statistics_and_nothing_that_needs_it() {
        let judge = |index: &Index, how: Use<'_>| finding(index, how, None).map(|(finding, _)| finding);
        assert_eq!(judge(&plain(), idle()), Some(Finding::Unused));
        assert_eq!(finding(&plain(), idle(), None).unwrap().1, "No scan since 1 Jan 1970 00:00.");
        assert_eq!(judge(&plain(), Use { since: Some(at(1)), ..idle() }), None);
        assert_eq!(judge(&plain(), Use { since: None, ..idle() }), None, "nobody knows since when");
        assert_eq!(judge(&plain(), Use { scans: None, ..idle() }), None);
        assert_eq!(judge(&plain(), Use { scans: Some(1), ..idle() }), None);
        assert_eq!(judge(&plain(), Use { elsewhere: Some("standby"), ..idle() }), None);
        for needed in [
            Index { unique: true, ..plain() },
            Index { primary: true, ..plain() },
            Index { exclusion: true, ..plain() },
            Index { constraint: Some("u".to_owned()), ..plain() },
            Index { replica_identity: true, ..plain() },
            Index { referenced: true, ..plain() },
        ] {
            assert_eq!(judge(&needed, idle()), None, "{needed:?}");
        }
    }

    #[test]
    fn the_gravest_comes_first() {
        let invalid = Index { valid: false, ..plain() };
        assert_eq!(finding(&invalid, idle(), Some("other")).unwrap().0, Finding::Invalid);
        let twice = finding(&plain(), idle(), Some("other")).unwrap();
        assert_eq!(twice, (Finding::Duplicate, "It is the same as other.".to_owned()));
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
        let duplicates = duplicates(&indexes);
        assert_eq!(duplicates, [((1, 10), (1, 11)), ((1, 12), (1, 11))].into());
    }
}
