//! Names of `postgres_exporter` for figures that mean the same here. The labels are ours: those of the row, and names.

/// A second name of a column.
#[derive(Clone, Copy, Debug)]
pub struct Alias {
    /// As that exporter says it.
    pub name: &'static str,
    /// The set here.
    pub set: &'static str,
    /// Its column.
    pub column: &'static str,
    /// From our unit to that one: the exporter's times of I/O are in milliseconds, its moments in seconds.
    pub scale: f64,
}

impl Alias {
    /// Whether it leaves out the system's tables and indexes, as PostgreSQL's views of that name do.
    pub(super) fn is_of_users(&self) -> bool {
        self.name.contains("_user_")
    }
}

const fn alias(name: &'static str, set: &'static str, column: &'static str, scale: f64) -> Alias {
    Alias { name, set, column, scale }
}

/// All of them.
pub const ALIASES: &[Alias] = &[
    alias("pg_stat_database_numbackends", "pg_stat_database", "numbackends", 1.0),
    alias("pg_stat_database_xact_commit", "pg_stat_database", "xact_commit", 1.0),
    alias("pg_stat_database_xact_rollback", "pg_stat_database", "xact_rollback", 1.0),
    alias("pg_stat_database_blks_read", "pg_stat_database", "blks_read", 1.0),
    alias("pg_stat_database_blks_hit", "pg_stat_database", "blks_hit", 1.0),
    alias("pg_stat_database_tup_returned", "pg_stat_database", "tup_returned", 1.0),
    alias("pg_stat_database_tup_fetched", "pg_stat_database", "tup_fetched", 1.0),
    alias("pg_stat_database_tup_inserted", "pg_stat_database", "tup_inserted", 1.0),
    alias("pg_stat_database_tup_updated", "pg_stat_database", "tup_updated", 1.0),
    alias("pg_stat_database_tup_deleted", "pg_stat_database", "tup_deleted", 1.0),
    alias("pg_stat_database_conflicts", "pg_stat_database", "conflicts", 1.0),
    alias("pg_stat_database_temp_files", "pg_stat_database", "temp_files", 1.0),
    alias("pg_stat_database_temp_bytes", "pg_stat_database", "temp_bytes", 1.0),
    alias("pg_stat_database_deadlocks", "pg_stat_database", "deadlocks", 1.0),
    alias("pg_stat_database_blk_read_time", "pg_stat_database", "blk_read_time", 1e-3),
    alias("pg_stat_database_blk_write_time", "pg_stat_database", "blk_write_time", 1e-3),
    alias("pg_stat_database_stats_reset", "pg_stat_database", "stats_reset", 1e-6),
    alias("pg_stat_bgwriter_buffers_clean_total", "pg_stat_bgwriter", "buffers_clean", 1.0),
    alias("pg_stat_bgwriter_maxwritten_clean_total", "pg_stat_bgwriter", "maxwritten_clean", 1.0),
    alias("pg_stat_bgwriter_buffers_alloc_total", "pg_stat_bgwriter", "buffers_alloc", 1.0),
    alias("pg_stat_bgwriter_stats_reset_total", "pg_stat_bgwriter", "stats_reset", 1e-6),
    alias("pg_stat_bgwriter_checkpoints_timed_total", "pg_stat_checkpointer", "num_timed", 1.0),
    alias("pg_stat_bgwriter_checkpoints_req_total", "pg_stat_checkpointer", "num_requested", 1.0),
    alias("pg_stat_bgwriter_checkpoint_write_time_total", "pg_stat_checkpointer", "write_time", 1e-3),
    alias("pg_stat_bgwriter_checkpoint_sync_time_total", "pg_stat_checkpointer", "sync_time", 1e-3),
    alias("pg_stat_bgwriter_buffers_checkpoint_total", "pg_stat_checkpointer", "buffers_written", 1.0),
    alias("pg_stat_archiver_archived_count", "pg_stat_archiver", "archived_count", 1.0),
    alias("pg_stat_archiver_failed_count", "pg_stat_archiver", "failed_count", 1.0),
    alias("pg_stat_user_tables_seq_scan", "pg_stat_all_tables", "seq_scan", 1.0),
    alias("pg_stat_user_tables_seq_tup_read", "pg_stat_all_tables", "seq_tup_read", 1.0),
    alias("pg_stat_user_tables_idx_scan", "pg_stat_all_tables", "idx_scan", 1.0),
    alias("pg_stat_user_tables_idx_tup_fetch", "pg_stat_all_tables", "idx_tup_fetch", 1.0),
    alias("pg_stat_user_tables_n_tup_ins", "pg_stat_all_tables", "n_tup_ins", 1.0),
    alias("pg_stat_user_tables_n_tup_upd", "pg_stat_all_tables", "n_tup_upd", 1.0),
    alias("pg_stat_user_tables_n_tup_del", "pg_stat_all_tables", "n_tup_del", 1.0),
    alias("pg_stat_user_tables_n_tup_hot_upd", "pg_stat_all_tables", "n_tup_hot_upd", 1.0),
    alias("pg_stat_user_tables_n_live_tup", "pg_stat_all_tables", "n_live_tup", 1.0),
    alias("pg_stat_user_tables_n_dead_tup", "pg_stat_all_tables", "n_dead_tup", 1.0),
    alias("pg_stat_user_tables_n_mod_since_analyze", "pg_stat_all_tables", "n_mod_since_analyze", 1.0),
    alias("pg_stat_user_tables_vacuum_count", "pg_stat_all_tables", "vacuum_count", 1.0),
    alias("pg_stat_user_tables_autovacuum_count", "pg_stat_all_tables", "autovacuum_count", 1.0),
    alias("pg_stat_user_tables_analyze_count", "pg_stat_all_tables", "analyze_count", 1.0),
    alias("pg_stat_user_tables_autoanalyze_count", "pg_stat_all_tables", "autoanalyze_count", 1.0),
    alias("pg_stat_user_tables_last_vacuum", "pg_stat_all_tables", "last_vacuum", 1e-6),
    alias("pg_stat_user_tables_last_autovacuum", "pg_stat_all_tables", "last_autovacuum", 1e-6),
    alias("pg_stat_user_tables_last_analyze", "pg_stat_all_tables", "last_analyze", 1e-6),
    alias("pg_stat_user_tables_last_autoanalyze", "pg_stat_all_tables", "last_autoanalyze", 1e-6),
    alias("pg_statio_user_tables_heap_blocks_read", "pg_stat_all_tables", "heap_blks_read", 1.0),
    alias("pg_statio_user_tables_heap_blocks_hit", "pg_stat_all_tables", "heap_blks_hit", 1.0),
    alias("pg_statio_user_tables_idx_blocks_read", "pg_stat_all_tables", "idx_blks_read", 1.0),
    alias("pg_statio_user_tables_idx_blocks_hit", "pg_stat_all_tables", "idx_blks_hit", 1.0),
    alias("pg_statio_user_tables_toast_blocks_read", "pg_stat_all_tables", "toast_blks_read", 1.0),
    alias("pg_statio_user_tables_toast_blocks_hit", "pg_stat_all_tables", "toast_blks_hit", 1.0),
    alias("pg_statio_user_tables_tidx_blocks_read", "pg_stat_all_tables", "tidx_blks_read", 1.0),
    alias("pg_statio_user_tables_tidx_blocks_hit", "pg_stat_all_tables", "tidx_blks_hit", 1.0),
    alias("pg_stat_user_indexes_idx_scan", "pg_stat_all_indexes", "idx_scan", 1.0),
    alias("pg_stat_user_indexes_idx_tup_read", "pg_stat_all_indexes", "idx_tup_read", 1.0),
    alias("pg_stat_user_indexes_idx_tup_fetch", "pg_stat_all_indexes", "idx_tup_fetch", 1.0),
    alias("pg_postmaster_start_time_seconds", "wal", "postmaster_start", 1e-6),
    alias("pg_replication_is_replica", "wal", "in_recovery", 1.0),
];
