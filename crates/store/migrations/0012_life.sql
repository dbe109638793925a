-- Which instance a name of a collector's configuration delivers to. One whose instance went on elsewhere has an end: what
-- was read until then is still of the instance, whenever it arrives.
create table metrics.sources (
    collector_id uuid not null,
    name text not null,
    instance_id integer not null,
    since timestamptz not null default now(),
    until timestamptz,
    -- Whether names and texts were sent before, as another instance's.
    is_sent_again boolean not null default false,
    -- Whether its collector was removed: nothing comes of it any more.
    is_over boolean not null default false
);
create unique index sources_open on metrics.sources (collector_id, name) where until is null;
create index sources_instance on metrics.sources (instance_id);
insert into metrics.sources (collector_id, name, instance_id, since)
select i.collector_id, i.name, i.id, i.first_seen from metrics.instances i;

-- The name is what is shown from here on; the collector is who delivers now, or did last.
alter table metrics.instances drop constraint if exists instances_collector_id_name_key;
create index instances_collector on metrics.instances (collector_id);
create index instances_system_identifier on metrics.instances (system_identifier);
alter table metrics.instances add column named_by text;
alter table metrics.instances add column retired_at timestamptz;
alter table metrics.instances add column retired_by text;
alter table metrics.instances add column retired_why text;
alter table metrics.instances add column continued_as integer;

-- Who changed what of an instance's life, when and why; nobody where the server did by itself.
create table metrics.instance_changes (
    instance_id integer not null,
    at timestamptz not null,
    change text not null check (change in ('renamed', 'retired', 'returned', 'adopted', 'continued')),
    by text,
    why text,
    from_name text,
    to_name text,
    collector_id uuid,
    other_id integer
);
create index instance_changes_instance on metrics.instance_changes (instance_id, at);

comment on table metrics.instances is 'Monitored PostgreSQL instances.';
comment on column metrics.instances.name is 'The name that is shown: that of the configuration, unless an administrator gave another.';
comment on column metrics.instances.named_by is 'Who gave the name; null where it is that of the configuration.';
comment on column metrics.instances.retired_at is 'Since when it is left out of the fleet; null while it is in it.';
comment on column metrics.instances.continued_as is 'The instance that its deliveries went on as.';
comment on table metrics.sources is 'Which instance each name of a collector''s configuration delivers to, or did until when.';
comment on table metrics.instance_changes is 'Who renamed, retired, or brought together instances, when and why.';
