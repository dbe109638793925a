-- What tiers need besides their tables, which follow from the catalogue. Run at every start, as fixed.sql is.

-- Which buckets are not, or not any more, what the rows below them say. Written with those rows, in their
-- transaction, so that whoever sees the rows sees this; only ever added to, and deleted by who made the buckets.
create table if not exists metrics.due (
    tier smallint not null,
    instance_id integer not null,
    first timestamptz not null,
    last timestamptz not null,
    sets text[] not null,
    reading timestamptz,
    at timestamptz not null default now()
);
create index if not exists due_instance on metrics.due (instance_id);
create index if not exists due_tier_last on metrics.due (tier, last);

-- What retention has taken of a table, and what can therefore not be made from it again.
create table if not exists metrics.gone (
    table_name text primary key,
    until timestamptz not null
);

-- Readings whose rows fall into several cells; predicate and statements have the number in the same words.
create index if not exists readings_long on metrics.readings (instance_id, set_name, time)
where interval_us > 300000000;

-- How often each word of a state was read: the most frequent 20, and the rest under the empty word.
create or replace function metrics.merge_shares(parts jsonb[]) returns jsonb
language sql immutable parallel safe as $$
    select jsonb_object_agg(kept.word, kept.readings)
    from (
        select case when ranked.place <= 20 then ranked.word else '' end as word, sum(ranked.readings) as readings
        from (
            select merged.word, merged.readings,
                row_number() over (order by merged.word = '', merged.readings desc, merged.word collate "C") as place
            from (
                select share.key as word, sum(share.value::numeric) as readings
                from unnest(parts) as part cross join lateral jsonb_each_text(part) as share
                group by 1
            ) merged
        ) ranked
        group by 1
    ) kept
$$;

-- The least 2000 of several lists of ids, each once.
create or replace function metrics.merge_ids(parts text[]) returns bigint[]
language sql immutable parallel safe as $$
    select coalesce(array_agg(least.id order by least.id), '{}')
    from (
        select distinct id from unnest(parts) as part cross join lateral unnest(part::bigint[]) as id
        order by id limit 2000
    ) least
$$;

comment on table metrics.due is 'Buckets of tiers that are to be made, again or for the first time: those that end from first to last.';
comment on column metrics.due.tier is '1: 5 minutes, 2: 1 hour, 3: 1 day.';
comment on column metrics.due.reading is 'The one reading that these buckets are due for, where its interval is longer than 5 minutes.';
comment on table metrics.gone is 'Until when retention has taken the rows of a table.';
