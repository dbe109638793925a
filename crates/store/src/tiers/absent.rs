//! What of the rows that buckets are made from is not there: gone by retention, or on its way out.

use std::collections::BTreeMap;

use deadpool_postgres::Transaction;
use jiff::Timestamp;

use super::tier::Tier;
use crate::StoreError;

/// Whether the rows of a bucket are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// All that were ever stored.
    There,
    /// Not now: retention was cut off or held back while it took them, and will go on.
    Away,
    /// Only what came after retention took the others.
    Gone,
    /// Some of the others, not all.
    Lost,
}

/// A partition that retention is taking.
#[derive(Clone, Debug)]
struct Leaving {
    table: String,
    first: i64,
    until: i64,
    is_attached: bool,
}

/// What is absent.
#[derive(Debug, Default)]
pub(crate) struct Absent {
    gone: BTreeMap<String, i64>,
    leaving: Vec<Leaving>,
}

impl Absent {
    pub(crate) async fn read(transaction: &Transaction<'_>) -> Result<Self, StoreError> {
        let micros = |moment: Timestamp| moment.as_microsecond();
        let gone = transaction.query("select table_name, until from metrics.gone", &[]).await?;
        let sql = "select l.table_name, l.first, l.until,
                exists (select from pg_catalog.pg_inherits i
                        join pg_catalog.pg_class c on c.oid = i.inhrelid
                        where c.relname = l.partition_name and not i.inhdetachpending)
            from metrics.leaving l";
        let leaving = transaction.query(sql, &[]).await?;
        Ok(Self {
            gone: gone.iter().map(|row| (row.get(0), micros(row.get(1)))).collect(),
            leaving: leaving
                .iter()
                .map(|row| Leaving {
                    table: row.get(0),
                    first: micros(row.get(1)),
                    until: micros(row.get(2)),
                    is_attached: row.get(3),
                })
                .collect(),
        })
    }

    /// Until when rows of a table are gone.
    pub(crate) fn until(&self, table: &str) -> i64 {
        self.gone.get(table).copied().unwrap_or(i64::MIN)
    }

    /// Of the rows that the bucket of a tier is made from, which ends at a moment.
    pub(crate) fn of(&self, table: &str, tier: Tier, end: i64) -> Presence {
        let start = end - tier.width_us();
        let until = self.until(table);
        let is_gone = match tier {
            Tier::Minutes => end <= until,
            _ => start < until,
        };
        let touches = |one: &&Leaving| one.table == table && end >= one.first && start < one.until;
        for leaving in self.leaving.iter().filter(touches) {
            // Of this one the bucket has no more than the moment that it begins with.
            if is_gone && end <= leaving.first {
                continue;
            }
            if !leaving.is_attached {
                return Presence::Away;
            }
            // Later ones are gone already: it is held back alone.
            if is_gone {
                let is_whole = start >= leaving.first && end < leaving.until;
                return if is_whole { Presence::There } else { Presence::Lost };
            }
        }
        if is_gone { Presence::Gone } else { Presence::There }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CELL: i64 = 300_000_000;

    fn absent(gone: i64, leaving: Option<(i64, i64, bool)>) -> Absent {
        let leaving = leaving.map(|(first, until, is_attached)| Leaving {
            table: "x".to_owned(),
            first: first * CELL,
            until: until * CELL,
            is_attached,
        });
        Absent { gone: BTreeMap::from([("x".to_owned(), gone * CELL)]), leaving: leaving.into_iter().collect() }
    }

    fn of(absent: &Absent, ends: [i64; 4]) -> [Presence; 4] {
        ends.map(|end| absent.of("x", Tier::Minutes, end * CELL))
    }

    #[test]
    fn a_partition_on_its_way_out_is_neither_there_nor_gone() {
        use Presence::{Away, Gone, There};
        assert_eq!(of(&absent(10, None), [9, 10, 11, 20]), [Gone, Gone, There, There]);
        assert_eq!(of(&absent(10, Some((10, 20, false))), [10, 11, 20, 21]), [Gone, Away, Away, There]);
        assert_eq!(of(&absent(10, Some((10, 20, true))), [10, 11, 20, 21]), [Gone, There, There, There]);
        assert_eq!(of(&absent(0, Some((10, 20, false))), [9, 10, 11, 20]), [There, Away, Away, Away]);
        assert_eq!(absent(0, Some((0, 9, false))).of("y", Tier::Minutes, CELL), There);
    }

    #[test]
    fn one_that_is_held_back_is_whole_but_for_its_end() {
        use Presence::{Gone, Lost, There};
        assert_eq!(of(&absent(30, Some((10, 20, true))), [10, 11, 19, 20]), [Gone, There, There, Lost]);
        assert_eq!(of(&absent(30, Some((10, 20, true))), [21, 30, 31, 40]), [Gone, Gone, There, There]);
    }
}
