-- The tables of schema metrics that do not follow from the catalogue. Stores from before there were migrations have
-- some of them, so every statement leaves alone what is there.

do $$
begin
    if to_regnamespace('metrics') is null then
        create schema metrics;
    end if;
end
$$;

-- Made once. When a collector sees another one it sends texts and infos again.
create table if not exists metrics.store (
    one boolean primary key default true check (one),
    id uuid not null,
    made_at timestamptz not null default now()
);

create table if not exists metrics.instances (
    id integer generated always as identity primary key,
    collector_id uuid not null,
    name text not null,
    system_identifier text,
    role text,
    version_num integer,
    version text,
    host text,
    port integer,
    timeline bigint,
    postmaster_start timestamptz,
    clock_offset_us bigint,
    max_connections integer,
    track text,
    statements_version text,
    last_seen timestamptz,
    attributes_at timestamptz,
    states_at timestamptz,
    error text,
    error_at timestamptz,
    first_seen timestamptz not null default now(),
    unique (collector_id, name)
);

create table if not exists metrics.readings (
    instance_id integer not null,
    set_name text not null,
    datid bigint,
    started timestamptz not null,
    time timestamptz not null,
    interval_us bigint,
    rows integer not null,
    duration_us bigint not null,
    error text,
    late_cycles integer not null
) partition by range (time);
create index if not exists readings_instance_set_time on metrics.readings (instance_id, set_name, time);

create table if not exists metrics.cuts (
    instance_id integer not null,
    set_name text not null,
    time timestamptz not null,
    per bigint not null,
    rows integer not null,
    ids bigint[] not null
) partition by range (time);
create index if not exists cuts_instance_set_time on metrics.cuts (instance_id, set_name, time);

-- The newest reading of each set, so that freshness costs no scan.
create table if not exists metrics.latest (
    instance_id integer not null,
    set_name text not null,
    last_reading_started timestamptz,
    last_reading_time timestamptz,
    rows integer,
    error text,
    error_at timestamptz,
    primary key (instance_id, set_name)
);

create table if not exists metrics.flags (
    instance_id integer not null,
    set_name text not null,
    start timestamptz not null,
    "end" timestamptz not null,
    reason text not null,
    entries jsonb,
    entries_total integer not null
);
create index if not exists flags_instance_end on metrics.flags (instance_id, "end");

create table if not exists metrics.set_states (
    instance_id integer not null,
    set_name text not null,
    column_name text not null,
    state text not null,
    code text not null,
    message text not null,
    fix text not null,
    since timestamptz not null,
    checked_at timestamptz not null,
    primary key (instance_id, set_name, column_name)
);

create table if not exists metrics.texts (
    instance_id integer not null,
    major integer not null,
    dbid bigint not null,
    queryid bigint not null,
    query text not null,
    state text not null default 'ok',
    captured_at timestamptz not null,
    primary key (instance_id, major, dbid, queryid)
);

create table if not exists metrics.definitions (
    hash bytea primary key,
    set_name text not null,
    definition jsonb not null,
    first_seen timestamptz not null default now()
);

create table if not exists metrics.ledger (
    collector_id uuid not null,
    epoch uuid not null,
    seen int8multirange not null,
    last_at timestamptz not null,
    primary key (collector_id, epoch)
);

create table if not exists metrics.collectors (
    collector_id uuid primary key,
    version text not null,
    hostname text not null,
    spool_records bigint,
    spool_bytes bigint,
    spool_max_bytes bigint,
    cpu_us bigint,
    peak_memory_bytes bigint,
    late_cycles bigint,
    refused_batches bigint,
    received_at timestamptz not null,
    batch_created_at timestamptz,
    lag_us bigint,
    last_reading_started timestamptz,
    last_reading_time timestamptz
);

-- Which cluster answers under an instance's name, and from when on: another one gives the same oids to other things.
create table if not exists metrics.clusters (
    instance_id integer not null,
    since timestamptz not null,
    system_identifier text not null,
    primary key (instance_id, since)
);
insert into metrics.clusters (instance_id, since, system_identifier)
select i.id, '-infinity', i.system_identifier from metrics.instances i
where i.system_identifier <> '' and not exists (select from metrics.clusters c where c.instance_id = i.id);

-- From when on, and until when, the cluster answered that did at a moment.
create or replace function metrics.cluster_since(instance integer, at timestamptz) returns timestamptz
language sql stable as $$
    select coalesce(max(c.since), '-infinity') from metrics.clusters c where c.instance_id = instance and c.since <= at
$$;
create or replace function metrics.cluster_until(instance integer, at timestamptz) returns timestamptz
language sql stable as $$
    select coalesce(min(c.since), 'infinity') from metrics.clusters c where c.instance_id = instance and c.since > at
$$;

-- How far each clock of a collector is from ours, and from when on: what was added to the times that it stamped.
create table if not exists metrics.clocks (
    collector_id uuid not null,
    clock uuid not null,
    since timestamptz not null,
    offset_us bigint not null,
    primary key (collector_id, clock, since)
);

-- Which process of a collector is taken: the newest one. Those before it, the last heard of first, are refused.
create table if not exists metrics.processes (
    collector_id uuid primary key,
    process uuid not null,
    since timestamptz not null,
    hostname text not null,
    -- The process that the last stored batch came from, and when that was.
    delivered uuid,
    delivered_at timestamptz,
    replaced uuid[] not null default '{}',
    -- How often one of those came since, and what the last one was.
    refusals bigint not null default 0,
    refused_at timestamptz,
    refused_hostname text
);

-- Why nothing can be spooled by a collector now, since when, and how many cycles that took.
alter table metrics.collectors add column if not exists spool_error text;
alter table metrics.collectors add column if not exists spool_error_since timestamptz;
alter table metrics.collectors add column if not exists unspooled_cycles bigint;

create table if not exists metrics.discards (
    collector_id uuid not null,
    set_name text not null,
    reason text not null,
    rows bigint not null,
    at timestamptz not null
);
-- Of what is damaged nobody knows how many rows it had.
alter table metrics.discards add column if not exists readings bigint not null default 0;
create index if not exists discards_collector_at on metrics.discards (collector_id, at);

create table if not exists metrics.rejected (
    collector_id uuid not null,
    epoch uuid,
    sequence bigint,
    set_name text not null,
    column_name text,
    reason text not null,
    rows bigint not null,
    at timestamptz not null
);
create index if not exists rejected_collector_at on metrics.rejected (collector_id, at);

-- Days of raw rows, where they differ from the built-in ones.
create table if not exists metrics.retention (
    set_name text primary key,
    raw_days integer not null check (raw_days between 1 and 3660)
);

-- What was added to tables that older servers made. Asked for first: `alter table` waits for all who read.
do $$
begin
    if not exists (select from pg_attribute where attrelid = 'metrics.collectors'::regclass
            and attname = 'clock_ahead_us') then
        alter table metrics.collectors add column clock_ahead_us bigint;
    end if;
    if not exists (select from pg_attribute where attrelid = 'metrics.readings'::regclass
            and attname = 'clock_offset_us') then
        alter table metrics.readings add column clock_offset_us bigint;
    end if;
end
$$;

comment on table metrics.clusters is 'The clusters that answered under an instance''s name, by system identifier, each from a moment on.';
comment on table metrics.clocks is 'How far each clock of a collector was from the server''s, and from when on.';
comment on table metrics.processes is 'Which process of each collector is taken, and which others were refused.';
comment on column metrics.collectors.clock_ahead_us is 'How far the time of day of its machine is ahead of the server''s.';
comment on column metrics.readings.clock_offset_us is 'The instance''s clock minus the time of the reading, in microseconds.';
comment on table metrics.instances is 'Monitored PostgreSQL instances, one per collector and configured name.';
comment on table metrics.readings is 'Every reading of a set, with its interval; interval_us is null where only a baseline was taken.';
comment on table metrics.latest is 'The newest reading and the newest error of every set.';
comment on table metrics.flags is 'Parts of time in which something is known to be missing.';
comment on table metrics.cuts is 'What a row limit summed into the row "others".';
comment on table metrics.set_states is 'What can be read, what cannot, why, and what mends it.';
comment on table metrics.texts is 'Statement texts by instance, major version, database and queryid.';
comment on table metrics.definitions is 'Definitions of sets by their hash.';
comment on table metrics.ledger is 'The batches that are stored, as ranges of sequence numbers.';
comment on table metrics.collectors is 'What each collector last said of itself.';
comment on table metrics.discards is 'Rows that collectors lost, and why.';
comment on table metrics.rejected is 'Rows that the server refused, and why.';
comment on table metrics.retention is 'Days of raw rows per set, where they differ from the built-in ones.';
