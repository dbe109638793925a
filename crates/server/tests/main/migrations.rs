//! Schema `pganalytics`: fresh, again, at once, changed, newer.

use server::migrations::{MIGRATIONS, MigrationError, migrate};

#[tokio::test]
async fn each_file_runs_once() {
    let store = testkit::store().await.unwrap();
    let mut client = store.connect().await.unwrap();
    let all: Vec<i32> = MIGRATIONS.iter().map(|migration| migration.number).collect();
    assert_eq!(migrate(&mut client).await.unwrap(), all);
    assert_eq!(migrate(&mut client).await.unwrap(), Vec::<i32>::new());
}

#[tokio::test]
async fn servers_that_start_at_once_wait_for_each_other() {
    let store = testkit::store().await.unwrap();
    let (mut one, mut two) = (store.connect().await.unwrap(), store.connect().await.unwrap());
    let (first, second) = tokio::join!(migrate(&mut one), migrate(&mut two));
    let ran = first.unwrap().len() + second.unwrap().len();
    assert_eq!(ran, MIGRATIONS.len());
}

#[tokio::test]
async fn a_changed_file_and_a_newer_database_are_refused() {
    let store = testkit::store().await.unwrap();
    let mut client = store.connect().await.unwrap();
    migrate(&mut client).await.unwrap();
    let newer = "insert into pganalytics.migrations (number, name, checksum) values (9999, 'later', '')";
    client.execute(newer, &[]).await.unwrap();
    let error = migrate(&mut client).await.unwrap_err();
    assert!(matches!(error, MigrationError::Newer { found: 9999, .. }), "{error}");
    client.execute("delete from pganalytics.migrations where number = 9999", &[]).await.unwrap();
    client.execute("update pganalytics.migrations set checksum = '' where number = 1", &[]).await.unwrap();
    let error = migrate(&mut client).await.unwrap_err();
    assert!(matches!(error, MigrationError::Changed { number: 1, .. }), "{error}");
}

#[test]
fn every_file_stands_in_the_table_in_order() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/pganalytics");
    let mut files: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    let table: Vec<String> =
        MIGRATIONS.iter().map(|migration| format!("{:04}_{}.sql", migration.number, migration.name)).collect();
    assert_eq!(files, table);
    assert!(MIGRATIONS.iter().zip(1..).all(|(migration, number)| migration.number == number));
}
