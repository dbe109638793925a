//! Who waits for whom, as a tree, whatever tells one from another. Pure.
//!
//! Sessions queue: who waits behind another waits for the holder as well, so that "blocked by" is no tree. Each session
//! stands once, below the one it waits for that has the fewest behind it: the queue is then a path. A circle, which
//! PostgreSQL ends as a deadlock a moment later, has no root: the one with the most behind it stands for it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// A place in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place<K> {
    pub(super) who: K,
    /// Roots are 1.
    pub(super) level: usize,
    pub(super) blocked_by: Vec<K>,
    /// How many wait for it, directly or behind others.
    pub(super) blocks: usize,
    pub(super) circular: bool,
}

/// The tree from its roots down; who blocks most comes first. `waits` are pairs of who waits and for whom, and
/// `since` puts those that block as many into the order of their waiting.
pub(super) fn tree<K: Copy + Ord>(waits: &[(K, K)], since: impl Fn(K) -> i64) -> Vec<Place<K>> {
    let mut blockers: BTreeMap<K, BTreeSet<K>> = BTreeMap::new();
    let mut waiting: BTreeMap<K, BTreeSet<K>> = BTreeMap::new();
    let mut all = BTreeSet::new();
    for (pid, blocker) in waits {
        blockers.entry(*pid).or_default().insert(*blocker);
        waiting.entry(*blocker).or_default().insert(*pid);
        all.extend([*pid, *blocker]);
    }
    let behind = behind(&all, &waiting);
    let blocks = |pid: K| behind[&pid].0;
    let circular = |pid: K| behind[&pid].1;
    let order = |pid: &K| (Reverse(blocks(*pid)), since(*pid), *pid);
    let mut children: BTreeMap<K, Vec<K>> = BTreeMap::new();
    for (pid, by) in &blockers {
        let parent = by.iter().copied().filter(|by| by != pid).min_by_key(|by| (blocks(*by), *by));
        if let Some(parent) = parent {
            children.entry(parent).or_default().push(*pid);
        }
    }
    for below in children.values_mut() {
        below.sort_by_key(order);
    }
    let mut places = Vec::new();
    let mut placed = BTreeSet::new();
    let mut ordered: Vec<K> = all.iter().copied().collect();
    ordered.sort_by_key(|pid| (blockers.contains_key(pid), order(pid)));
    // Those that do not wait come first; what is left after them is behind a circle, the one with the most first.
    for root in ordered {
        let mut stack = vec![(root, 1)];
        while let Some((pid, level)) = stack.pop() {
            if !placed.insert(pid) {
                continue;
            }
            let blocked_by = blockers.get(&pid).map(|by| by.iter().copied().collect()).unwrap_or_default();
            places.push(Place { who: pid, level, blocked_by, blocks: blocks(pid), circular: circular(pid) });
            let below = children.get(&pid).map_or(&[][..], Vec::as_slice);
            stack.extend(below.iter().rev().map(|child| (*child, level + 1)));
        }
    }
    places
}

/// For each how many others are behind it, and whether it is behind itself.
fn behind<K: Copy + Ord>(all: &BTreeSet<K>, waiting: &BTreeMap<K, BTreeSet<K>>) -> BTreeMap<K, (usize, bool)> {
    let numbers: BTreeMap<K, usize> = all.iter().copied().zip(0..).collect();
    let next: Vec<Vec<usize>> =
        all.iter().map(|pid| waiting.get(pid).into_iter().flatten().map(|one| numbers[one]).collect()).collect();
    let behind = numbers.iter().map(|(pid, start)| {
        let mut seen = vec![false; next.len()];
        let mut left = vec![*start];
        while let Some(number) = left.pop() {
            for one in &next[number] {
                if !seen[*one] {
                    seen[*one] = true;
                    left.push(*one);
                }
            }
        }
        let circular = seen[*start];
        let reached = seen.into_iter().filter(|seen| *seen).count();
        (*pid, (reached - usize::from(circular), circular))
    });
    behind.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(waits: &[(i32, i32)]) -> Vec<(i32, usize, usize, bool)> {
        let places = tree(waits, i64::from);
        places.iter().map(|place| (place.who, place.level, place.blocks, place.circular)).collect()
    }

    #[test]
    fn a_queue_is_a_path_and_everyone_behind_is_counted() {
        // 3 waits for 2 and for 1, 2 waits for 1, 4 waits for 1 alone; 9 blocks one other.
        let waits = [(3, 1), (3, 2), (2, 1), (4, 1), (8, 9)];
        assert_eq!(
            shape(&waits),
            [
                (1, 1, 3, false),
                (2, 2, 1, false),
                (3, 3, 0, false),
                (4, 2, 0, false),
                (9, 1, 1, false),
                (8, 2, 0, false)
            ]
        );
        assert_eq!(tree(&waits, i64::from)[2].blocked_by, [1, 2]);
        assert_eq!(shape(&[]), []);
    }

    #[test]
    fn one_that_waits_for_two_holders_stands_once() {
        assert_eq!(shape(&[(3, 1), (3, 2)]), [(1, 1, 1, false), (3, 2, 0, false), (2, 1, 1, false)]);
    }

    #[test]
    fn circles_end() {
        // 5 waits behind a circle of 1, 2 and 3.
        let places = shape(&[(1, 2), (2, 3), (3, 1), (5, 2)]);
        assert_eq!(places.len(), 4);
        assert_eq!(places.iter().map(|place| place.0).collect::<BTreeSet<_>>(), BTreeSet::from([1, 2, 3, 5]));
        assert!(places.iter().all(|(pid, _, _, circular)| *circular == (*pid != 5)));
        assert_eq!(places[0], (1, 1, 3, true));
        assert_eq!(shape(&[(7, 7)]), [(7, 1, 0, true)]);
        // Parallel workers of two leaders may wait for each other's leader.
        assert_eq!(shape(&[(1, 2), (2, 1)]), [(1, 1, 1, true), (2, 2, 1, true)]);
    }

    #[test]
    fn a_long_queue_is_no_deep_recursion() {
        let waits: Vec<(i32, i32)> = (1..200).flat_map(|pid| (0..pid).map(move |before| (pid, before))).collect();
        let places = tree(&waits, i64::from);
        assert_eq!((places.len(), places[199].level, places[0].blocks), (200, 200, 199));
    }
}
