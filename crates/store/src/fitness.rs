//! Whether a store can be kept where `DATABASE_URL` points: asked before anything is made there.

use tokio_postgres::Client;

use crate::StoreError;

/// The oldest major that a store can be kept in: the ledger needs multiranges.
pub const OLDEST_STORE: u32 = 14;

/// What a database says of itself, and of the role that is to keep a schema in it.
#[derive(Clone, Debug)]
struct Place {
    /// `server_version_num`.
    version_num: i32,
    version: String,
    is_standby: bool,
    is_read_only: bool,
    may_create: bool,
    has_schema: bool,
    role: String,
    database: String,
}

/// Refuses a place that no store can be kept in.
///
/// # Errors
/// [`StoreError::Unfit`] with what is wrong and what mends it.
pub async fn check(client: &Client, schema: &str) -> Result<(), StoreError> {
    let row = client
        .query_one(
            "select current_setting('server_version_num')::int4, current_setting('server_version'),
                 pg_is_in_recovery(), current_setting('transaction_read_only') = 'on',
                 has_database_privilege(current_database(), 'create'), to_regnamespace($1) is not null,
                 quote_ident(current_user), quote_ident(current_database())",
            &[&schema],
        )
        .await?;
    let place = Place {
        version_num: row.get(0),
        version: row.get(1),
        is_standby: row.get(2),
        is_read_only: row.get(3),
        may_create: row.get(4),
        has_schema: row.get(5),
        role: row.get(6),
        database: row.get(7),
    };
    place.reason().map_or(Ok(()), |reason| Err(StoreError::Unfit(reason)))
}

/// Refuses a PostgreSQL that is too old, by its version.
pub fn too_old(major: u32, version: &str) -> Option<String> {
    (major < OLDEST_STORE).then(|| format!("the store needs PostgreSQL {OLDEST_STORE} or newer, here is {version}"))
}

impl Place {
    fn reason(&self) -> Option<String> {
        let Self { version, role, database, .. } = self;
        if let Some(reason) = too_old(u32::try_from(self.version_num / 10_000).unwrap_or(0), version) {
            return Some(reason);
        }
        if self.is_standby {
            return Some("the store cannot be kept in a standby: DATABASE_URL must name its primary".to_owned());
        }
        if self.is_read_only {
            return Some(format!(
                "role {role} may only read in database {database}: the store needs one that writes (`alter role {role} \
                 reset default_transaction_read_only`, where that is what says so)"
            ));
        }
        if !self.has_schema && !self.may_create {
            return Some(format!(
                "role {role} may not create schemas in database {database}: `grant create on database {database} to \
                 {role}`"
            ));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_before_what_follows_from_it() {
        let good = Place {
            version_num: 150_004,
            version: "15.4".to_owned(),
            is_standby: false,
            is_read_only: false,
            may_create: true,
            has_schema: false,
            role: "pga".to_owned(),
            database: "\"The store\"".to_owned(),
        };
        assert_eq!(good.reason(), None);
        assert_eq!(Place { may_create: false, has_schema: true, ..good.clone() }.reason(), None);
        let old = Place { version_num: 130_020, version: "13.20".to_owned(), may_create: false, ..good.clone() };
        assert_eq!(old.reason().unwrap(), "the store needs PostgreSQL 14 or newer, here is 13.20");
        let standby = Place { is_standby: true, is_read_only: true, ..good.clone() };
        assert!(standby.reason().unwrap().contains("must name its primary"));
        let read_only = Place { is_read_only: true, may_create: false, ..good.clone() };
        assert!(read_only.reason().unwrap().starts_with("role pga may only read in database \"The store\": "));
        let denied = Place { may_create: false, ..good }.reason().unwrap();
        assert!(denied.ends_with("`grant create on database \"The store\" to pga`"), "{denied}");
    }
}
