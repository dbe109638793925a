//! Tables of a Citus cluster: what has an instance is distributed by it, what all instances share is on every machine.

use deadpool_postgres::Transaction;

use crate::StoreError;

/// Fixed tables whose rows are of an instance each. What is due is beside the rows that it is due for, so that both
/// become visible together.
const DISTRIBUTED: [&str; 7] = ["readings", "cuts", "flags", "latest", "set_states", "texts", "due"];

/// Fixed tables that statements on distributed ones join with.
const REFERENCE: [&str; 7] = ["instances", "sources", "clusters", "definitions", "gone", "leaving", "retention"];

/// Functions that run where the rows are.
const FUNCTIONS: [&str; 2] = ["merge_shares(jsonb[])", "merge_ids(text[])"];

/// The statement that distributes an empty table, rows of one instance beside those of the other tables.
pub(super) fn distribute(table: &str) -> String {
    format!("select create_distributed_table('metrics.\"{table}\"', 'instance_id');")
}

/// Distributes the fixed tables of a new store. What is in neither list is on the first machine alone: batches, jobs,
/// collectors.
pub(super) async fn adopt(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    prepare_rewriting(transaction).await?;
    for table in REFERENCE {
        transaction.simple_query(&format!("select create_reference_table('metrics.{table}')")).await?;
    }
    for table in DISTRIBUTED {
        transaction.simple_query(&distribute(table)).await?;
    }
    for function in FUNCTIONS {
        transaction.simple_query(&format!("select create_distributed_function('metrics.{function}')")).await?;
    }
    Ok(())
}

/// A transaction that changes tables of both kinds goes to one shard after the other.
pub(super) async fn prepare_rewriting(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    transaction.simple_query("set local citus.multi_shard_modify_mode = 'sequential'").await?;
    Ok(())
}
