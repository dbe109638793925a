//! Which of a view's numbers tell how far a phase is. Those of phases that are over stay as they were.

use super::model::{Stage, WorkUnit};

/// The numbers of a row, by their columns.
pub(super) trait Numbers {
    fn of(&self, column: &str) -> Option<i64>;
}

/// How far a command of this view is in its phase.
pub(super) fn stage(view: &str, phase: &str, numbers: &impl Numbers) -> Option<Stage> {
    let of = |done: &str, total: &str, unit: WorkUnit| {
        let (done, total) = (numbers.of(done)?, numbers.of(total).filter(|total| *total > 0));
        let share = total.map(|total| (done as f64 / total as f64).clamp(0.0, 1.0));
        Some(Stage { unit, done, total, share })
    };
    let known = |stage: Option<Stage>| stage.filter(|stage| stage.total.is_some());
    match (view, phase) {
        ("pg_stat_progress_vacuum", "scanning heap") => of("heap_blks_scanned", "heap_blks_total", WorkUnit::Blocks),
        ("pg_stat_progress_vacuum", "vacuuming heap") => of("heap_blks_vacuumed", "heap_blks_total", WorkUnit::Blocks),
        ("pg_stat_progress_vacuum", "vacuuming indexes" | "cleaning up indexes") => {
            known(of("indexes_processed", "indexes_total", WorkUnit::Indexes))
        }
        ("pg_stat_progress_analyze", "acquiring sample rows" | "acquiring inherited sample rows") => {
            known(of("sample_blks_scanned", "sample_blks_total", WorkUnit::Blocks))
        }
        ("pg_stat_progress_analyze", "computing extended statistics") => {
            known(of("ext_stats_computed", "ext_stats_total", WorkUnit::Statistics))
        }
        ("pg_stat_progress_create_index", waiting) if waiting.starts_with("waiting") => {
            known(of("lockers_done", "lockers_total", WorkUnit::Sessions))
        }
        ("pg_stat_progress_create_index", working) => {
            let rows = || known(of("tuples_done", "tuples_total", WorkUnit::Rows));
            let blocks = || known(of("blocks_done", "blocks_total", WorkUnit::Blocks));
            if working.contains("scan") { blocks().or_else(rows) } else { rows().or_else(blocks) }
        }
        ("pg_stat_progress_cluster", "seq scanning heap") => {
            known(of("heap_blks_scanned", "heap_blks_total", WorkUnit::Blocks))
        }
        ("pg_stat_progress_cluster", "index scanning heap") => of("heap_tuples_scanned", "", WorkUnit::Rows),
        ("pg_stat_progress_cluster", "writing new heap") => {
            of("heap_tuples_written", "heap_tuples_scanned", WorkUnit::Rows)
        }
        ("pg_stat_progress_cluster", "rebuilding index") => of("index_rebuild_count", "", WorkUnit::Indexes),
        ("pg_stat_progress_copy", _) => known(of("bytes_processed", "bytes_total", WorkUnit::Bytes))
            .or_else(|| of("tuples_processed", "", WorkUnit::Rows)),
        ("pg_stat_progress_basebackup", "streaming database files") => {
            of("backup_streamed", "backup_total", WorkUnit::Bytes)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Known(&'static [(&'static str, i64)]);

    impl Numbers for Known {
        fn of(&self, column: &str) -> Option<i64> {
            self.0.iter().find(|(name, _)| *name == column).map(|(_, number)| *number)
        }
    }

    fn told(view: &str, phase: &str, numbers: &'static [(&'static str, i64)]) -> Option<(WorkUnit, i64, Option<f64>)> {
        let view = format!("pg_stat_progress_{view}");
        stage(&view, phase, &Known(numbers)).map(|stage| (stage.unit, stage.done, stage.share))
    }

    #[test]
    fn a_phase_tells_by_its_own_numbers() {
        let vacuum = &[("heap_blks_total", 100), ("heap_blks_scanned", 100), ("heap_blks_vacuumed", 25)];
        assert_eq!(told("vacuum", "scanning heap", vacuum), Some((WorkUnit::Blocks, 100, Some(1.0))));
        assert_eq!(told("vacuum", "vacuuming heap", vacuum), Some((WorkUnit::Blocks, 25, Some(0.25))));
        // Before 17 nobody counts the indexes.
        assert_eq!(told("vacuum", "vacuuming indexes", vacuum), None);
        assert_eq!(told("vacuum", "truncating heap", vacuum), None);

        let index = &[
            ("lockers_total", 2),
            ("lockers_done", 1),
            ("blocks_total", 10),
            ("blocks_done", 10),
            ("tuples_total", 8),
            ("tuples_done", 2),
        ];
        let of = |phase| told("create_index", phase, index);
        assert_eq!(of("waiting for writers before build"), Some((WorkUnit::Sessions, 1, Some(0.5))));
        assert_eq!(of("building index: scanning table"), Some((WorkUnit::Blocks, 10, Some(1.0))));
        assert_eq!(of("building index: loading tuples in tree"), Some((WorkUnit::Rows, 2, Some(0.25))));
        assert_eq!(told("create_index", "initializing", &[("tuples_total", 0), ("tuples_done", 0)]), None);

        // The size of a pipe is not known, and that of a backup only where it was asked for.
        let pipe = &[("bytes_total", 0), ("bytes_processed", 5), ("tuples_processed", 3)];
        assert_eq!(told("copy", "", pipe), Some((WorkUnit::Rows, 3, None)));
        let backup = &[("backup_streamed", 7)];
        assert_eq!(told("basebackup", "streaming database files", backup), Some((WorkUnit::Bytes, 7, None)));
        // An estimate may be passed.
        let past = &[("backup_streamed", 7), ("backup_total", 6)];
        assert_eq!(told("basebackup", "streaming database files", past), Some((WorkUnit::Bytes, 7, Some(1.0))));
    }
}
