//! What is said of infos is merged into what holds, by the statement of their set: of each key one saying at a time, in the
//! order of the times that they are of.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use catalog::Scope;
use deadpool_postgres::Transaction;
use store::{Known, StoreError};
use tokio_postgres::types::{IsNull, Kind, ToSql, Type};
use wire::{Bitmap, Frame};

use crate::copy::Rows;
use crate::encode::Prepared;

/// What one reading said of the keys of a set.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) known: Arc<Known>,
    pub(crate) instance_id: i32,
    pub(crate) time_us: i64,
    pub(crate) datid: Option<i64>,
    pub(crate) frame: Frame,
    /// The rows of what is gone.
    pub(crate) removed: Bitmap,
}

impl Said {
    /// About how many bytes the database is sent of it.
    pub(crate) fn bytes(&self) -> u64 {
        (self.frame.rows as u64).saturating_mul(self.known.definition.columns.len() as u64 * 12 + 40)
    }
}

/// Merges what batches say. Which cluster an instance is must be written before.
pub(crate) async fn write(transaction: &Transaction<'_>, batches: &[&Arc<Prepared>]) -> Result<(), StoreError> {
    let mut all: Vec<&Said> =
        batches.iter().flat_map(|batch| &batch.infos).filter(|said| said.frame.rows > 0).collect();
    if all.is_empty() {
        return Ok(());
    }
    // Who merges the same keys at once waits here.
    let mut ids: Vec<i32> = all.iter().map(|said| said.instance_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let lock = transaction
        .prepare_cached("select from metrics.instances where id = any($1) order by id for no key update")
        .await?;
    transaction.execute(&lock, &[&ids]).await?;
    all.sort_by_key(|said| said.time_us);
    for wave in waves(&all) {
        for said in wave.into_values() {
            merge(transaction, &said).await?;
        }
    }
    Ok(())
}

/// Sayings that can be merged at once, by statement, in order: of each instance, set and database one.
fn waves<'a>(all: &[&'a Said]) -> Vec<BTreeMap<&'a Arc<str>, Vec<&'a Said>>> {
    let mut waves: Vec<BTreeMap<&Arc<str>, Vec<&Said>>> = Vec::new();
    let mut taken: BTreeMap<(i32, &str, Option<i64>), usize> = BTreeMap::new();
    for said in all {
        let definition = &said.known.definition;
        // Only where a set is read in each database does the database tell its keys apart.
        let datid = said.datid.filter(|_| definition.scope == Scope::Database);
        let nth = taken.entry((said.instance_id, &definition.name, datid)).or_default();
        if waves.len() == *nth {
            waves.push(BTreeMap::new());
        }
        waves[*nth].entry(&said.known.write_statement).or_default().push(said);
        *nth += 1;
    }
    waves
}

/// Merges sayings of one definition.
async fn merge(transaction: &Transaction<'_>, all: &[&Said]) -> Result<(), StoreError> {
    let Some(definition) = all.first().map(|said| &said.known.definition) else { return Ok(()) };
    let each = |cell: &dyn Fn(&mut Rows, &Said, usize)| {
        let mut array = Array::default();
        for said in all {
            for row in 0..said.frame.rows {
                cell(&mut array.cells, said, row);
            }
            array.count += said.frame.rows;
        }
        array
    };
    let mut arrays = vec![
        each(&|cells, said, _| cells.int4(said.instance_id)),
        each(&|cells, said, _| cells.moment(said.time_us)),
        each(&|cells, said, row| cells.bool(said.removed.get(row))),
    ];
    if definition.scope == Scope::Database {
        arrays.push(each(&|cells, said, _| cells.int8_or_null(said.datid)));
    }
    for (at, column) in definition.columns.iter().enumerate() {
        arrays.push(each(&|cells, said, row| cells.cell_or_null(column.column_type, said.frame.column(at), row)));
    }
    let parameters: Vec<&(dyn ToSql + Sync)> = arrays.iter().map(|array| array as &(dyn ToSql + Sync)).collect();
    let statement = transaction.prepare_cached(&all[0].known.write_statement).await?;
    transaction.execute(&statement, &parameters).await?;
    Ok(())
}

/// A parameter that is an array, its elements as COPY has them.
#[derive(Debug, Default)]
struct Array {
    count: usize,
    cells: Rows,
}

impl ToSql for Array {
    fn to_sql(&self, of: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let Kind::Array(element) = of.kind() else { return Err("the parameter is no array".into()) };
        out.put_i32(i32::from(self.count > 0));
        out.put_i32(1);
        out.put_u32(element.oid());
        if self.count > 0 {
            out.put_i32(i32::try_from(self.count)?);
            out.put_i32(1);
        }
        out.put_slice(self.cells.bytes());
        Ok(IsNull::No)
    }

    fn accepts(of: &Type) -> bool {
        matches!(of.kind(), Kind::Array(_))
    }

    tokio_postgres::types::to_sql_checked!();
}
