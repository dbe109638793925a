-- What the store takes, noted once a day: growth is told from it.
create table metrics.sizes (
    table_name text not null,
    at timestamptz not null,
    bytes bigint not null,
    rows bigint,
    primary key (table_name, at)
);
create index on metrics.sizes (at);
create table metrics.instance_sizes (
    instance_id integer not null,
    at timestamptz not null,
    bytes bigint not null,
    rows bigint,
    primary key (instance_id, at)
);
create index on metrics.instance_sizes (at);
comment on table metrics.sizes is 'What each table of the store takes on the disk with its indexes, noted daily; under an empty name the whole database.';
comment on column metrics.sizes.rows is 'As PostgreSQL estimates them; null where it did not yet.';
comment on table metrics.instance_sizes is 'The share of each instance in the sets: divided by the rows that were stored of it in the 30 days before.';
