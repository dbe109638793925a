-- A small web shop. Among the good there is what a database administrator should find: a column that is searched and
-- has no index, an index that nobody uses, an index that is there twice, and a table that bloats.
create table customers (
    id bigint generated always as identity primary key,
    email text not null unique,
    name text not null,
    country text not null,
    created_at timestamptz not null default now()
);
create table products (
    id bigint generated always as identity primary key,
    name text not null,
    category text not null,
    price_cents int not null
);
create table stock (
    product_id bigint primary key references products,
    quantity int not null,
    counted_at timestamptz not null default now()
) with (fillfactor = 70);
create table orders (
    id bigint generated always as identity primary key,
    customer_id bigint not null references customers,
    status text not null default 'open',
    tracking_code text,
    note text,
    placed_at timestamptz not null default now()
);
create table order_items (
    order_id bigint not null references orders on delete cascade,
    line int not null,
    product_id bigint not null references products,
    quantity int not null,
    price_cents int not null,
    primary key (order_id, line)
);
create table payments (
    id bigint generated always as identity primary key,
    order_id bigint not null references orders on delete cascade,
    method text not null,
    amount_cents bigint not null,
    paid_at timestamptz not null default now()
);
-- Vacuumed by the workload itself, and too rarely: its dead rows can be watched growing.
create table sessions (
    id bigint primary key,
    customer_id bigint,
    last_page text not null,
    basket text not null,
    last_seen timestamptz not null default now()
) with (autovacuum_enabled = off);
-- In partitions, so that a table has many files and one name.
create table visits (
    id bigint generated always as identity,
    customer_id bigint,
    page text not null,
    visited_at timestamptz not null default now(),
    primary key (id)
) partition by hash (id);
create table visits_0 partition of visits for values with (modulus 4, remainder 0);
create table visits_1 partition of visits for values with (modulus 4, remainder 1);
create table visits_2 partition of visits for values with (modulus 4, remainder 2);
create table visits_3 partition of visits for values with (modulus 4, remainder 3);

insert into customers (email, name, country, created_at)
select 'customer' || n || '@example.org', 'Customer ' || n,
       (array['DE', 'FR', 'US', 'BR', 'IN', 'JP', 'KE', 'PL'])[1 + n % 8], now() - n * interval '1 hour'
from generate_series(1, 20000) n;
insert into products (name, category, price_cents)
select 'Product ' || n, (array['books', 'garden', 'kitchen', 'music', 'sports'])[1 + n % 5], 199 + (n * 7919) % 20000
from generate_series(1, 1000) n;
insert into stock (product_id, quantity) select id, 1000000 from products;
insert into orders (customer_id, status, tracking_code, note, placed_at)
select 1 + (n * 7919::bigint) % 20000, case when n % 20 = 0 then 'open' else 'paid' end, 'TRK' || lpad(n::text, 9, '0'),
       case when n % 10 = 0 then 'please leave at the door' end, now() - (100000 - n) * interval '5 minutes'
from generate_series(1, 100000) n;
insert into order_items (order_id, line, product_id, quantity, price_cents)
select n, line, 1 + (n * 31::bigint + line * 17) % 1000, 1 + (n + line) % 3, 199 + (n * 13::bigint) % 9000
from generate_series(1, 100000) n, generate_series(1, 2) line;
insert into payments (order_id, method, amount_cents, paid_at)
select id, (array['card', 'transfer', 'invoice'])[1 + id % 3], 500 + id % 9000, placed_at + interval '10 minutes'
from orders where status = 'paid';
insert into sessions (id, customer_id, last_page, basket)
select n, n, '/', repeat('-', 200) from generate_series(1, 3000) n;
insert into visits (customer_id, page)
select 1 + (n * 7919::bigint) % 20000, '/product/' || n % 1000 from generate_series(1, 50000) n;

create index orders_customer_id_idx on orders (customer_id);
create index orders_placed_at_idx on orders (placed_at);
create index orders_note_idx on orders (note);
create index payments_order_id_idx on payments (order_id);
create index order_items_product_id_idx on order_items (product_id);
create index order_items_product_id_again_idx on order_items (product_id);
create index sessions_last_seen_idx on sessions (last_seen);

-- Statements inside a function: pg_stat_statements keeps them with toplevel = false.
create function place_order(customer bigint, product_ids bigint[]) returns bigint language plpgsql as $$
declare
    new_order bigint;
begin
    insert into orders (customer_id, tracking_code) values (customer, 'TRK' || (random() * 1e9)::bigint)
        returning id into new_order;
    insert into order_items (order_id, line, product_id, quantity, price_cents)
        select new_order, row_number() over (), p.id, 1, p.price_cents from products p where p.id = any (product_ids);
    update stock s set quantity = quantity - 1 where s.product_id = any (product_ids);
    return new_order;
end
$$;

grant usage, create on schema public to worker;
alter table sessions owner to worker;
grant select, insert, update, delete on all tables in schema public to web, worker;
grant select on all tables in schema public to report;
