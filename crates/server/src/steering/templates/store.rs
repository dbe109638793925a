//! Templates in schema `pganalytics`.

use jiff::Timestamp;
use tokio_postgres::types::Json;
use tokio_postgres::{Error, GenericClient, Row, Transaction};

use super::model::ConfigTemplate;
use crate::steering::effective::Template;
use crate::steering::store::labels;
use crate::steering::tag::tag;

const COLUMNS: &str = "name, version, text, selector, priority, made_at, made_by, is_deleted";

/// A version, and whether the template was removed by it.
fn version(row: &Row) -> (ConfigTemplate, bool) {
    let (version, text): (i64, String) = (row.get(1), row.get(2));
    let template = ConfigTemplate {
        name: row.get(0),
        etag: tag(version, &[&text]),
        version,
        text,
        selector: labels(row, 3),
        priority: row.get(4),
        made_at: row.get(5),
        made_by: row.get(6),
    };
    (template, row.get(7))
}

/// All that are in force, by name.
pub(in crate::steering) async fn all(client: &impl GenericClient) -> Result<Vec<ConfigTemplate>, Error> {
    let statement = format!(
        "select {COLUMNS} from (select distinct on (name) {COLUMNS} from pganalytics.config_templates
         order by name, version desc) newest where not is_deleted order by name"
    );
    Ok(client.query(&statement, &[]).await?.iter().map(|row| version(row).0).collect())
}

/// The same, as collectors' configurations are made of them.
pub(in crate::steering) async fn in_force(client: &impl GenericClient) -> Result<Vec<Template>, Error> {
    Ok(all(client).await?.into_iter().map(Template::from).collect())
}

impl From<ConfigTemplate> for Template {
    fn from(template: ConfigTemplate) -> Self {
        let ConfigTemplate { name, version, text, selector, priority, .. } = template;
        Self { name, version, text, selector, priority }
    }
}

/// All versions of one, the newest first; whether it was removed by it stands beside each.
pub(super) async fn versions(client: &impl GenericClient, name: &str) -> Result<Vec<(ConfigTemplate, bool)>, Error> {
    let statement = format!("select {COLUMNS} from pganalytics.config_templates where name = $1 order by version desc");
    Ok(client.query(&statement, &[&name]).await?.iter().map(version).collect())
}

/// The newest version of one, also of one that was removed.
pub(super) async fn newest(client: &impl GenericClient, name: &str) -> Result<Option<(ConfigTemplate, bool)>, Error> {
    let statement =
        format!("select {COLUMNS} from pganalytics.config_templates where name = $1 order by version desc limit 1");
    Ok(client.query_opt(&statement, &[&name]).await?.as_ref().map(version))
}

/// Makes a version.
pub(super) async fn insert(
    transaction: &Transaction<'_>,
    template: &Template,
    is_deleted: bool,
    now: Timestamp,
    by: &str,
) -> Result<(), Error> {
    let statement = "insert into pganalytics.config_templates
            (name, version, text, selector, priority, is_deleted, made_at, made_by)
        values ($1, $2, $3, $4, $5, $6, $7, $8)";
    let Template { name, version, text, selector, priority } = template;
    transaction
        .execute(statement, &[name, version, text, &Json(selector), priority, &is_deleted, &now, &by])
        .await
        .map(|_| ())
}
