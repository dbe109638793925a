//! What each simulated collector reads in each cycle. Everything follows from the seed, the collector's number and the
//! cycle, so that a batch that is sent again, or compared at the end, is made anew instead of kept.
//!
//! Statements are skewed as on real systems: the calls of the n-th are a constant over n. Each statement gives way to
//! another after [`LIFE`] cycles, not all at once, so that new ones with new texts come in every cycle.

use anyhow::{Context, Result};
use catalog::{Catalog, Definition, Kind, SetKind, Type};
use wire::{Frame, FrameColumn};

/// The sets that are sent, by the names of the catalogue.
pub(super) const SETS: [&str; 8] = [
    "pg_stat_statements",
    "pg_stat_statements_text",
    "pg_stat_database",
    "pg_stat_wal",
    "wal",
    "sessions",
    "pg_database",
    "pg_roles",
];

/// After how many cycles another statement takes a statement's place.
const LIFE: u64 = 50;
/// Calls in a cycle of the statement that is called most.
const MOST_CALLS: u64 = 20_000;
/// The databases' oids.
const DATABASES: [i64; 4] = [5, 16_384, 16_385, 16_386];
/// The roles' oids.
const ROLES: [i64; 3] = [10, 16_390, 16_391];
/// Sessions by state.
const SESSIONS: [Sessions; 5] = [
    Sessions { state: "active", wait: None, most: 8 },
    Sessions { state: "active", wait: Some(["IO", "DataFileRead"]), most: 4 },
    Sessions { state: "active", wait: Some(["Lock", "transactionid"]), most: 2 },
    Sessions { state: "idle", wait: Some(["Client", "ClientRead"]), most: 60 },
    Sessions { state: "idle in transaction", wait: Some(["Client", "ClientRead"]), most: 3 },
];

/// Sessions of one state and wait event.
struct Sessions {
    state: &'static str,
    /// Wait event type, wait event.
    wait: Option<[&'static str; 2]>,
    /// How many there are at most.
    most: u64,
}

/// Of what was sent once: the columns that a later version of pg_stat_statements brought are not there.
const STATEMENTS_VERSION: &str = "1.10";

/// One number out of several, the same everywhere (splitmix64).
pub(super) fn mix(parts: &[u64]) -> u64 {
    parts.iter().fold(0x9e37_79b9_7f4a_7c15, |state, part| {
        let mut mixed = (state ^ part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    })
}

/// A number of the machine as the catalogue has them.
fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The sets, and the figures in them.
#[derive(Debug)]
pub(super) struct Workload {
    seed: u64,
    statements: u64,
    /// A moment before everything that is read, microseconds since 1970.
    before_us: i64,
    definitions: Vec<Definition>,
}

/// Whose reading, and which.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cycle {
    pub(super) collector: u32,
    pub(super) cycle: u32,
    /// Whether a spool begins with it.
    pub(super) first: bool,
}

impl Workload {
    pub(super) fn new(catalog: &Catalog, seed: u64, statements: u32, before_us: i64) -> Result<Self> {
        let definition = |name: &str| {
            let set = catalog.get(name).with_context(|| format!("set {name} is not in the catalogue"))?;
            Ok(set.definition.clone())
        };
        let definitions = SETS.iter().map(|name| definition(name)).collect::<Result<_>>()?;
        Ok(Self { seed, statements: statements.into(), before_us, definitions })
    }

    /// The definitions of [`SETS`], in their order.
    pub(super) fn definitions(&self) -> &[Definition] {
        &self.definitions
    }

    /// What one set reads in a cycle; `None` where there is nothing to send of it.
    pub(super) fn frame(&self, definition: &Definition, cycle: Cycle) -> Option<Frame> {
        let rows = self.rows(definition, cycle);
        if rows.is_empty() {
            return None;
        }
        let mut frame = Frame::new(definition);
        frame.rows = rows.len();
        for (place, column) in definition.columns.iter().enumerate() {
            let Some(target) = frame.columns.get_mut(place) else { continue };
            let newer = column.since.is_some_and(|since| definition.name == SETS[0] && !is_old(since));
            // NULL as on a server that has it switched off.
            let off = column
                .requires_setting
                .as_deref()
                .is_some_and(|setting| setting.starts_with("track_io") || setting.contains("track_planning"));
            if newer || off || column.kind == Kind::Reset && definition.name != "pg_stat_wal" {
                *target = None;
                continue;
            }
            let Some(target) = target else { continue };
            target.reserve(rows.len());
            for row in &rows {
                self.cell(target, &column.name, column.column_type, column.kind, row);
            }
        }
        Some(frame)
    }

    fn rows(&self, definition: &Definition, cycle: Cycle) -> Vec<Row> {
        let base = mix(&[self.seed, cycle.collector.into()]);
        let moment = mix(&[base, cycle.cycle.into()]);
        let numbered = |count: usize| (0..count).map(|nth| Row::new(nth, mix(&[moment, nth as u64]))).collect();
        match (definition.name.as_str(), definition.kind()) {
            ("pg_stat_statements", _) => self.running(cycle, base).map(|(_, row)| row).collect(),
            (_, SetKind::Texts) => {
                self.running(cycle, base).filter(|(age, _)| *age == 0 || cycle.cycle == 0).map(|(_, row)| row).collect()
            }
            ("pg_stat_database", _) => numbered(DATABASES.len()),
            ("sessions", _) => numbered(SESSIONS.len()),
            ("pg_database", _) if cycle.first => numbered(DATABASES.len()),
            ("pg_roles", _) if cycle.first => numbered(ROLES.len()),
            (_, SetKind::Info) => Vec::new(),
            _ => numbered(1),
        }
    }

    /// The statements that run in a cycle, with the age of each in cycles.
    fn running(&self, cycle: Cycle, base: u64) -> impl Iterator<Item = (u64, Row)> {
        (0..self.statements).map(move |place| {
            let begun = u64::from(cycle.cycle) + mix(&[base, place, 1]) % LIFE;
            let queryid = mix(&[base, place, begun / LIFE, 2]);
            let chance = mix(&[queryid, cycle.cycle.into()]);
            // Half as many up to half as many again.
            let calls = 1 + MOST_CALLS * (50 + chance % 101) / 100 / (place + 1);
            let mean_us = 50 + queryid % 20_000;
            (begun % LIFE, Row { nth: int(place), chance, queryid, calls, mean_us })
        })
    }

    fn cell(&self, column: &mut FrameColumn, name: &str, column_type: Type, kind: Kind, row: &Row) {
        let nth = usize::try_from(row.nth).unwrap_or(0);
        let database = DATABASES[nth % DATABASES.len()];
        let role = ROLES[nth % ROLES.len()];
        let session = &SESSIONS[nth % SESSIONS.len()];
        let ms = row.mean_us.div_ceil(1000);
        match name {
            "userid" | "roleid" => column.push_int(role),
            "dbid" | "datid" => column.push_int(database),
            "queryid" => column.push_int(row.queryid.cast_signed()),
            "toplevel" | "rolcanlogin" | "datallowconn" => column.push_bool(true),
            "query" => column.push_text(&text(row.queryid)),
            "calls" => column.push_int(int(row.calls)),
            "total_exec_time" => column.push_int(int(row.calls * row.mean_us)),
            "min_exec_time" => column.push_int(int(row.mean_us / 3)),
            "max_exec_time" => column.push_int(int(row.mean_us * 4)),
            #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
            "exec_time_sumsq" => column.push_float((row.calls * ms * ms) as f64),
            "rows" => column.push_int(int(row.calls * (row.queryid % 5))),
            "xact_commit" => column.push_int(int(1000 + row.chance % 100_000)),
            "position" => column.push_int(int((1 << 40) + row.chance % (1 << 30))),
            "backend_type" => column.push_text("client backend"),
            "state" => column.push_text(session.state),
            "wait_event_type" | "wait_event" => match session.wait {
                Some([kind, event]) => column.push_text(if name == "wait_event" { event } else { kind }),
                None => column.push_null(),
            },
            "sessions" if kind == Kind::Gauge => column.push_int(int(1 + row.chance % session.most)),
            "datname" => column.push_text(&format!("app_{nth}")),
            "rolname" | "owner" => column.push_text(&format!("role_{}", nth % ROLES.len())),
            _ => self.other(column, name, column_type, kind, row),
        }
    }

    /// A figure that means nothing here: most are zero, as in reality.
    fn other(&self, column: &mut FrameColumn, name: &str, column_type: Type, kind: Kind, row: &Row) {
        let chance = mix(&[row.chance, name.len() as u64, u64::from(name.as_bytes().first().copied().unwrap_or(0))]);
        let constant = kind == Kind::Info;
        match column_type {
            Type::Bool => column.push_bool(false),
            Type::Text => column.push_text("C"),
            Type::Timestamptz => column.push_int(self.before_us),
            Type::Float8 => column.push_float(0.0),
            Type::Int4 => column.push_int(if constant { -1 } else { int(chance % 100) }),
            Type::Int8 | Type::Oid | Type::Lsn | Type::Duration => {
                column.push_int(if constant || !chance.is_multiple_of(4) { 0 } else { int(chance % 1_000_000) });
            }
        }
    }
}

/// What a row is made from.
struct Row {
    nth: i64,
    chance: u64,
    queryid: u64,
    calls: u64,
    mean_us: u64,
}

impl Row {
    fn new(nth: usize, chance: u64) -> Self {
        Self { nth: int(nth as u64), chance, queryid: 0, calls: 0, mean_us: 0 }
    }
}

fn is_old(since: catalog::Version) -> bool {
    STATEMENTS_VERSION.parse::<catalog::Version>().is_ok_and(|ours| since <= ours)
}

/// A statement's text, 60 to 1000 characters long.
fn text(queryid: u64) -> String {
    let columns: Vec<String> = (0..1 + queryid % 60).map(|nth| format!("t.column_{nth}")).collect();
    format!(
        "select {} from app.table_{:x} t where t.id = $1 and t.kind = any ($2) order by t.created_at desc limit $3",
        columns.join(", "),
        queryid >> 40
    )
}
