//! The shop's sessions: visitors, checkout, support, the report, the stock, and upkeep.

use std::time::Duration;

use rand::Rng as _;
use rand::rngs::SmallRng;
use tokio::time::sleep;
use tokio_postgres::{Client, Error};

use super::Stage;

/// As `shop.sql` fills the tables.
const CUSTOMERS: i64 = 20_000;
const PRODUCTS: i64 = 1000;
const SESSIONS: i64 = 3000;
const SEEDED_ORDERS: i64 = 100_000;

/// More orders than this are archived, so that the demo can run for weeks.
const ORDERS_KEPT: i64 = 110_000;

/// The product that everybody wants.
const BEST_SELLER: i64 = 1;

/// How long the stock is counted, with the row locked.
const COUNTING: Duration = Duration::from_millis(2500);

/// How long the spreadsheet leaves its transaction open, and then keeps away.
const LEFT_OPEN: Duration = Duration::from_secs(40);
const KEPT_AWAY: Duration = Duration::from_secs(20);

/// One in so many turns of upkeep (one every two seconds) exports, and one in so many vacuums: a minute and eight.
const EXPORT_EVERY: u64 = 30;
const VACUUM_EVERY: u64 = 240;

/// The report of the month: joins and sorts far beyond its work_mem.
const MONTHLY_REPORT: &str = "\
select date_trunc('month', o.placed_at) as month, c.country, p.category, p.name,
       sum(i.quantity * i.price_cents) as revenue_cents, count(distinct o.customer_id) as buyers,
       rank() over (partition by date_trunc('month', o.placed_at), c.country
                    order by sum(i.quantity * i.price_cents) desc) as place
from orders o
join order_items i on i.order_id = o.id
join products p on p.id = i.product_id
join customers c on c.id = o.customer_id
where o.placed_at > now() - interval '6 months'
group by month, c.country, p.category, p.name
order by month, c.country, revenue_cents desc
limit 500";

fn pause(random: &mut SmallRng, least_ms: u64, most_ms: u64) -> Duration {
    Duration::from_millis(random.random_range(least_ms..=most_ms))
}

/// A visitor looks at a product, at a category or at earlier orders; the session remembers.
pub(super) async fn visit(client: &mut Client, random: &mut SmallRng) -> Result<Duration, Error> {
    let customer = random.random_range(1..=CUSTOMERS);
    let product = random.random_range(1..=PRODUCTS);
    client.query_opt("select id, name, country from customers where id = $1", &[&customer]).await?;
    client
        .query_opt(
            "select p.name, p.price_cents, s.quantity from products p join stock s on s.product_id = p.id \
             where p.id = $1",
            &[&product],
        )
        .await?;
    match random.random_range(0..4) {
        0 => {
            client
                .query(
                    "select id, status, placed_at from orders where customer_id = $1 order by placed_at desc limit 10",
                    &[&customer],
                )
                .await?;
        }
        1 => {
            let category = ["books", "garden", "kitchen", "music", "sports"][random.random_range(0..5)];
            client
                .query(
                    "select id, name, price_cents from products where category = $1 order by price_cents limit 20",
                    &[&category],
                )
                .await?;
        }
        _ => {}
    }
    client
        .execute(
            "insert into sessions (id, customer_id, last_page, basket) values ($1, $2, $3, $4) \
             on conflict (id) do update set last_page = excluded.last_page, basket = excluded.basket, \
             last_seen = now()",
            &[&(customer % SESSIONS), &customer, &format!("/product/{product}"), &"-".repeat(200)],
        )
        .await?;
    Ok(pause(random, 60, 180))
}

/// An order, by statements or by the function, and often its payment.
pub(super) async fn check_out(client: &mut Client, random: &mut SmallRng) -> Result<Duration, Error> {
    let customer = random.random_range(1..=CUSTOMERS);
    // Not sorted, as in many a shop: two baskets with the same two products can deadlock.
    let products: Vec<i64> = (0..3).map(|_| random.random_range(BEST_SELLER + 1..=PRODUCTS)).collect();
    let order: i64 = if random.random_bool(0.4) {
        client.query_one("select place_order($1, $2)", &[&customer, &products]).await?.get(0)
    } else {
        let code = format!("TRK{:09}", random.random_range(0..1_000_000_000));
        let transaction = client.transaction().await?;
        let inserted = transaction
            .query_one(
                "insert into orders (customer_id, tracking_code) values ($1, $2) returning id",
                &[&customer, &code],
            )
            .await?;
        let order: i64 = inserted.get(0);
        for (line, product) in (1_i32..).zip(&products) {
            transaction
                .execute(
                    "insert into order_items (order_id, line, product_id, quantity, price_cents) \
                     select $1, $2, id, 1, price_cents from products where id = $3",
                    &[&order, &line, product],
                )
                .await?;
            transaction.execute("update stock set quantity = quantity - 1 where product_id = $1", &[product]).await?;
        }
        transaction.commit().await?;
        order
    };
    if random.random_bool(0.9) {
        let transaction = client.transaction().await?;
        transaction
            .execute(
                "insert into payments (order_id, method, amount_cents) \
                 select $1, $2, coalesce(sum(quantity * price_cents), 0) from order_items where order_id = $1",
                &[&order, &"card"],
            )
            .await?;
        transaction.execute("update orders set status = 'paid' where id = $1", &[&order]).await?;
        transaction.commit().await?;
    }
    Ok(pause(random, 150, 450))
}

/// Support looks for a parcel: there is no index on the tracking code.
pub(super) async fn search(client: &mut Client, random: &mut SmallRng) -> Result<Duration, Error> {
    let code = format!("TRK{:09}", random.random_range(1..=SEEDED_ORDERS));
    client.query("select id, customer_id, status, placed_at from orders where tracking_code = $1", &[&code]).await?;
    Ok(pause(random, 600, 1400))
}

/// The monthly report.
pub(super) async fn report(client: &mut Client) -> Result<Duration, Error> {
    client.query(MONTHLY_REPORT, &[]).await?;
    Ok(Duration::from_secs(20))
}

/// The best seller is counted by hand, in one transaction.
pub(super) async fn count_stock(client: &mut Client, stage: &Stage) -> Result<Duration, Error> {
    let transaction = client.transaction().await?;
    transaction.query_one("select quantity from stock where product_id = $1 for update", &[&BEST_SELLER]).await?;
    stage.sale.notify_waiters();
    sleep(COUNTING).await;
    transaction
        .execute("update stock set quantity = 1000000, counted_at = now() where product_id = $1", &[&BEST_SELLER])
        .await?;
    transaction.commit().await?;
    Ok(Duration::from_secs(15))
}

/// Everybody wants the best seller while it is being counted; one of three is impatient.
pub(super) async fn buy_best_seller(
    client: &mut Client,
    random: &mut SmallRng,
    stage: &Stage,
) -> Result<Duration, Error> {
    stage.sale.notified().await;
    let transaction = client.transaction().await?;
    if random.random_ratio(1, 3) {
        transaction.execute("set local lock_timeout = '1500ms'", &[]).await?;
    }
    transaction.execute("update stock set quantity = quantity - 1 where product_id = $1", &[&BEST_SELLER]).await?;
    sleep(Duration::from_millis(200)).await;
    transaction.commit().await?;
    Ok(Duration::ZERO)
}

/// Somebody reads a figure into a spreadsheet and goes for a coffee with the transaction open.
pub(super) async fn leave_open(client: &mut Client) -> Result<Duration, Error> {
    let transaction =
        client.build_transaction().isolation_level(tokio_postgres::IsolationLevel::RepeatableRead).start().await?;
    transaction.query("select country, count(*) from customers group by country order by country", &[]).await?;
    sleep(LEFT_OPEN).await;
    transaction.commit().await?;
    Ok(KEPT_AWAY)
}

/// What the worker does: fulfil, archive, refresh, export, vacuum.
pub(super) async fn keep_up(client: &mut Client, turn: u64) -> Result<Duration, Error> {
    client
        .query(
            "select o.id, o.placed_at from orders o where o.status = 'open' order by o.placed_at limit 50 \
             for update skip locked",
            &[],
        )
        .await?;
    client
        .execute(
            "delete from orders where id in (select id from orders order by placed_at limit least(500, \
             greatest(0, (select max(id) - min(id) from orders) - $1)))",
            &[&ORDERS_KEPT],
        )
        .await?;
    if turn.is_multiple_of(EXPORT_EVERY) {
        client.execute("drop table if exists order_export", &[]).await?;
        client
            .execute(
                "create table order_export as select id, customer_id, status from orders \
                 where placed_at > now() - interval '1 day'",
                &[],
            )
            .await?;
        client.execute("create index order_export_customer_id_idx on order_export (customer_id)", &[]).await?;
        client.execute("alter table order_export add column exported_at timestamptz default now()", &[]).await?;
    }
    if turn.is_multiple_of(VACUUM_EVERY) {
        client.execute("vacuum sessions", &[]).await?;
    }
    Ok(Duration::from_secs(2))
}
