//! What happens on the instance between two cycles, so that every row moves.

use anyhow::{Context, Result};
use tokio_postgres::Client;

/// How many tables there are, each with three indexes.
pub(crate) const TABLES: usize = 1000;

/// How many indexes there are.
pub(crate) const INDEXES: usize = 3 * TABLES;

/// Rows of each table.
const TABLE_ROWS: usize = 50;

/// Distinct values of an indexed column.
const OWNERS: usize = 7;

/// The most that a table is updated between two cycles.
const MOST_UPDATES: usize = 4;

/// Statements that travel in one message.
const TOGETHER: usize = 200;

/// Tables that are made in one transaction: each holds locks until its end.
const TABLES_TOGETHER: usize = 100;

/// Functions from a small range of numbers into a small range of numbers.
const FUNCTIONS: [&str; 11] = ["abs", "cbrt", "ceil", "floor", "round", "sign", "sin", "cos", "atan", "tanh", "trunc"];

pub(crate) async fn run(client: &Client, sql: &str) -> Result<()> {
    client.simple_query(sql).await.with_context(|| format!("run {sql}"))?;
    Ok(())
}

/// The table that the statements touch.
pub(crate) async fn make_orders(client: &Client) -> Result<()> {
    run(client, "create table orders (id int primary key, amount float8 not null, note text not null)").await?;
    run(client, "insert into orders select n, n % 7, repeat('x', 200) from generate_series(1, 10000) n").await?;
    run(client, "analyze orders").await
}

/// The `n`th statement: a quarter each touches no table, reads one, makes rows, and writes.
fn statement(n: usize) -> String {
    let of = |n: usize| FUNCTIONS[n % FUNCTIONS.len()];
    let kind = n / 4;
    let value = |inner: &str| format!("{}({}({}({inner})))", of(kind), of(kind / 11), of(kind / 121));
    match n % 4 {
        0 => format!("select {}", value("0.5::float8")),
        1 => format!("select {} from orders where id = 42", value("amount")),
        2 => format!("select sum({}) from generate_series(1, 100) n", value("n")),
        _ => format!("update orders set amount = {} where id = 42", value("0.5::float8")),
    }
}

/// Runs every statement, each one, two or three times.
pub(crate) async fn run_statements(client: &Client, statements: usize) -> Result<()> {
    let mut together = Vec::new();
    for n in 0..statements {
        together.extend(std::iter::repeat_n(statement(n), 1 + n % 3));
        if together.len() >= TOGETHER || n + 1 == statements {
            run(client, &together.join(";")).await?;
            together.clear();
        }
    }
    Ok(())
}

/// The tables that are touched, with their indexes.
pub(crate) async fn make_tables(client: &Client) -> Result<()> {
    // What touches them must not become statements of its own beside those that are counted.
    run(client, "set pg_stat_statements.track = 'none'").await?;
    run(client, "set enable_seqscan = off").await?;
    let numbers: Vec<usize> = (0..TABLES).collect();
    for some in numbers.chunks(TABLES_TOGETHER) {
        let made = some.iter().map(|n| {
            format!(
                "create table account_{n} (id int primary key, owner int not null, balance int not null, note text); \
                 insert into account_{n} select g, g % {OWNERS}, 0, repeat('x', 50) from generate_series(1, {TABLE_ROWS}) g; \
                 create index on account_{n} (owner); create index on account_{n} (balance); analyze account_{n}"
            )
        });
        run(client, &made.collect::<Vec<_>>().join(";")).await?;
    }
    Ok(())
}

/// Writes to every table and scans each of its indexes, and has that counted.
pub(crate) async fn touch_tables(client: &Client) -> Result<()> {
    let numbers: Vec<usize> = (0..TABLES).collect();
    for some in numbers.chunks(TABLES_TOGETHER) {
        let touched = some.iter().map(|n| {
            // Unequal counts: equal ones would be packed better than those of any real instance.
            let [times, row, owner] = rand::random::<[u32; 3]>().map(|n| n as usize);
            let update = format!("update account_{n} set balance = balance + 1 where id = {};", 1 + row % TABLE_ROWS);
            format!(
                "{} select note from account_{n} where owner = {}; select note from account_{n} where balance = 0",
                update.repeat(1 + times % MOST_UPDATES),
                owner % OWNERS
            )
        });
        run(client, &touched.collect::<Vec<_>>().join(";")).await?;
    }
    // Otherwise what was done within the last second is counted later.
    run(client, "select pg_stat_force_next_flush()").await
}
