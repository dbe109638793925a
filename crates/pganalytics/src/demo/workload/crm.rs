//! The customer register's sessions: its own traffic, and statements as an object mapper writes them.

use std::time::Duration;

use rand::Rng as _;
use rand::rngs::SmallRng;
use tokio_postgres::{Client, Error};

/// As `crm.sql` fills the table.
const CONTACTS: i64 = 20_000;

/// The columns that a mapper may or may not load: with two ways to look, up to 510 statements.
const COLUMNS: [&str; 8] = ["first_name", "last_name", "email", "phone", "company", "city", "country", "score"];

/// Statements of one burst, and the pause to the next.
const BURST: usize = 60;
const BETWEEN_BURSTS: Duration = Duration::from_secs(25);

/// Somebody looks up a company, and an activity is noted.
pub(super) async fn work(client: &mut Client, random: &mut SmallRng) -> Result<Duration, Error> {
    let contact = random.random_range(1..=CONTACTS);
    let company = format!("Company {}", contact % 500);
    client
        .query(
            "select id, first_name, last_name, stage from contacts where company = $1 order by score desc",
            &[&company],
        )
        .await?;
    client
        .query(
            "select kind, happened_at from activities where contact_id = $1 order by happened_at desc limit 10",
            &[&contact],
        )
        .await?;
    let kind = ["call", "mail", "visit"][random.random_range(0..3)];
    client.execute("select log_activity($1, $2)", &[&contact, &kind]).await?;
    if random.random_ratio(1, 20) {
        client
            .query("select stage, count(*), avg(score)::float8 from contacts group by stage order by stage", &[])
            .await?;
    }
    Ok(Duration::from_millis(random.random_range(200..=600)))
}

/// A burst of statements that differ in what they load.
pub(super) async fn map_objects(client: &mut Client, random: &mut SmallRng) -> Result<Duration, Error> {
    for _ in 0..BURST {
        let statement = mapped(random.random_range(1..1_u32 << COLUMNS.len()), random.random_bool(0.5));
        client.query(&statement, &[&random.random_range(1..=CONTACTS)]).await?;
    }
    Ok(BETWEEN_BURSTS)
}

/// The statement that loads the columns whose bits are set.
fn mapped(columns: u32, with_activities: bool) -> String {
    let loaded: Vec<String> = (0_u32..)
        .zip(COLUMNS)
        .filter(|(bit, _)| columns & (1 << bit) != 0)
        .map(|(_, column)| format!("t0.{column}"))
        .collect();
    let loaded = loaded.join(", ");
    if with_activities {
        format!(
            "select t0.id, {loaded}, t1.kind, t1.happened_at from contacts t0 \
             left outer join activities t1 on t1.contact_id = t0.id where t0.id = $1"
        )
    } else {
        format!("select t0.id, {loaded} from contacts t0 where t0.id = $1 limit 21")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_of_columns_is_another_statement() {
        let all: std::collections::BTreeSet<String> =
            (1..1_u32 << COLUMNS.len()).flat_map(|columns| [mapped(columns, false), mapped(columns, true)]).collect();
        assert_eq!(all.len(), 510);
        assert_eq!(
            mapped(0b101, false),
            "select t0.id, t0.first_name, t0.email from contacts t0 where t0.id = $1 limit 21"
        );
    }
}
