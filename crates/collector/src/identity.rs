//! Who an instance is, as it says itself at the beginning of a cycle.

use std::collections::{BTreeSet, HashMap};

use tokio_postgres::types::Type;

use crate::baseline::Incarnation;
use crate::coverage::Grants;
use crate::helpers::{self, Helpers};
use crate::read::{ReadError, signed};
use crate::session::Session;

/// What an instance said of itself, over one connection.
#[derive(Clone, Debug)]
pub struct Identity {
    /// `server_version_num`.
    pub version_num: u32,
    /// `server_version`.
    pub version: String,
    /// Whether it is in recovery.
    pub standby: bool,
    /// The life of its statistics.
    pub incarnation: Incarnation,
    /// Its timeline.
    pub timeline: Option<u32>,
    /// Its clock, microseconds since 1970.
    pub clock_us: i64,
    /// Its clock minus the collector's, in microseconds; 0 until [`Self::seen_at`].
    pub clock_offset_us: i64,
    /// `max_connections`.
    pub max_connections: u32,
    /// What the role of the connection may do.
    pub grants: Grants,
    /// Settings that some column or explanation needs, by name; absent where unknown to the server.
    pub settings: HashMap<String, String>,
}

/// Settings that explanations need, besides those that columns name.
pub const SETTINGS: [&str; 4] =
    ["pg_stat_statements.track", "pg_stat_statements.max", "shared_preload_libraries", "data_directory"];

/// Parts of the question that differ by version.
struct Parts {
    /// What a crash recovery starts anew.
    marker: &'static str,
    system_identifier: String,
    /// Of a standby: the one that it receives. That of a primary is in the name of its WAL file, because the control file
    /// lags after a promotion.
    received: String,
    walfile_name: &'static str,
    current_position: &'static str,
    /// The values of the settings `$1`. `current_setting` raises where the role may not see one, and `pg_settings`, which
    /// hides it, costs more.
    settings: String,
}

/// The first version with `pg_control_system`, and with a view of the WAL receiver.
const SHOWS_CONTROL_FILE: u32 = 90_600;

impl Parts {
    fn of(session: &Session, functions: &BTreeSet<String>) -> Self {
        let helpers = Helpers {
            version_num: session.version_num.unwrap_or(u32::MAX),
            functions: functions.clone(),
            ..Helpers::default()
        };
        let shows_control_file = !session.is_before(SHOWS_CONTROL_FILE);
        let control = match (shows_control_file, functions.contains("pg_control_system")) {
            (true, _) => {
                "(select c.system_identifier::pg_catalog.text from pg_catalog.pg_control_system() c)".to_owned()
            }
            (false, true) => {
                format!("(select c.system_identifier::pg_catalog.text from {}.pg_control_system() c)", helpers::SCHEMA)
            }
            (false, false) => "null::pg_catalog.text".to_owned(),
        };
        let received = if shows_control_file {
            helpers.through("(select w.received_tli from pg_catalog.pg_stat_wal_receiver w)")
        } else {
            "null::pg_catalog.int4".to_owned()
        };
        if session.is_before(helpers::PG_MONITOR_SINCE) {
            return Self {
                marker: "(select a.stats_reset from pg_catalog.pg_stat_archiver a)",
                system_identifier: control,
                received,
                walfile_name: "pg_xlogfile_name",
                current_position: "pg_current_xlog_location",
                settings: helpers.through(
                    "select s.setting from pg_catalog.unnest($1::pg_catalog.text[]) with ordinality as n (name, place)
                     left join pg_catalog.pg_settings s on s.name = n.name order by n.place",
                ),
            };
        }
        Self {
            marker: "(select min(a.backend_start) from pg_catalog.pg_stat_activity a where a.backend_type = 'checkpointer')",
            system_identifier: control,
            received,
            walfile_name: "pg_walfile_name",
            current_position: "pg_current_wal_lsn",
            settings: "select case when pg_catalog.pg_has_role(current_user, 'pg_read_all_settings', 'usage')
                           then pg_catalog.current_setting(n.name, true)
                           else (select s.setting from pg_catalog.pg_settings s where s.name = n.name) end
                       from pg_catalog.unnest($1::pg_catalog.text[]) with ordinality as n (name, place)
                       order by n.place"
                .to_owned(),
        }
    }

    fn sql(&self) -> String {
        let Self { marker, system_identifier, received, walfile_name, current_position, settings } = self;
        format!(
            "\
select pg_catalog.current_setting('server_version_num')::pg_catalog.int4 as version_num,
       pg_catalog.current_setting('server_version') as version,
       r.standby,
       pg_catalog.pg_postmaster_start_time() as postmaster_start,
       {marker} as checkpointer_start,
       pg_catalog.clock_timestamp() as clock,
       {system_identifier} as system_identifier,
       case when r.standby then {received}
            else ('x' || pg_catalog.substr(pg_catalog.{walfile_name}(pg_catalog.{current_position}()), 1, 8))
                 ::pg_catalog.bit(32)::pg_catalog.int4
       end as timeline,
       pg_catalog.current_setting('max_connections')::pg_catalog.int4 as max_connections,
       current_user::pg_catalog.text as role,
       (select o.rolsuper from pg_catalog.pg_roles o where o.rolname = current_user) as superuser,
       pg_catalog.current_database()::pg_catalog.text as database,
       array(select g.rolname::pg_catalog.text from pg_catalog.pg_roles g
             where g.rolname like 'pg\\_%' and pg_catalog.pg_has_role(current_user, g.oid, 'usage')) as member_of,
       array({settings}) as settings
from (select pg_catalog.pg_is_in_recovery() as standby) r"
        )
    }
}

impl Identity {
    /// Asks.
    ///
    /// # Errors
    /// When PostgreSQL raises an error.
    pub async fn read(session: &Session, settings: &[String]) -> Result<Self, ReadError> {
        let functions = Helpers::functions(session).await?;
        let sql = signed(&Parts::of(session, &functions).sql());
        let settings_named = [(&settings as _, Type::TEXT_ARRAY)];
        let row = session.told(session.client.query_typed_one(&sql, &settings_named)).await?;
        let micros = |moment: jiff::Timestamp| moment.as_microsecond();
        let values = session.texts(&row, "settings")?;
        let incarnation = Incarnation {
            system_identifier: session.text(&row, "system_identifier")?,
            postmaster_start_us: micros(row.try_get("postmaster_start")?),
            checkpointer_start_us: row.try_get::<_, Option<jiff::Timestamp>>("checkpointer_start")?.map(micros),
        };
        let version_num = row.try_get::<_, i32>("version_num")?.unsigned_abs();
        let role = session.text(&row, "role")?;
        Ok(Self {
            version_num,
            version: session.text(&row, "version")?,
            standby: row.try_get("standby")?,
            incarnation,
            timeline: row.try_get::<_, Option<i32>>("timeline")?.map(i32::cast_unsigned),
            clock_us: micros(row.try_get("clock")?),
            clock_offset_us: 0,
            max_connections: row.try_get::<_, i32>("max_connections")?.unsigned_abs(),
            grants: Grants {
                member_of: session.texts(&row, "member_of")?.into_iter().flatten().collect(),
                helpers: Helpers {
                    version_num,
                    superuser: row.try_get::<_, Option<bool>>("superuser")?.unwrap_or(false),
                    functions,
                    database: session.text(&row, "database")?,
                    role: role.clone(),
                },
                role,
            },
            settings: settings.iter().zip(values).filter_map(|(name, value)| Some((name.clone(), value?))).collect(),
        })
    }

    /// The same, with its clock compared to the collector's as it stood when the answer came.
    #[must_use]
    pub const fn seen_at(mut self, now_us: i64) -> Self {
        self.clock_offset_us = self.clock_us.saturating_sub(now_us);
        self
    }
}
