-- Sets of the users' own (x_…) that are written on the server. The newest version of a name counts.
create table pganalytics.custom_sets (
    name text not null,
    version int8 not null,
    set_toml text not null,
    sql jsonb not null,
    definition_hash bytea not null,
    selector jsonb not null,
    collectors jsonb not null,
    note text,
    is_deleted boolean not null,
    made_at timestamptz not null,
    made_by text,
    primary key (name, version)
);
create index custom_sets_definition on pganalytics.custom_sets (definition_hash);
comment on column pganalytics.custom_sets.sql is 'The statements, by the lowest version that each serves.';
comment on column pganalytics.custom_sets.selector is 'The labels that a collector must have; without any it is for all.';
comment on column pganalytics.custom_sets.collectors is 'The collectors that it is for; without any for all.';

-- Definitions of sets that collectors brought and this server does not know, with CUSTOM_SETS=approve.
create table pganalytics.set_definitions (
    hash bytea primary key,
    set_name text not null,
    definition jsonb not null,
    collector_id uuid not null references pganalytics.collectors,
    first_seen timestamptz not null,
    state text not null,
    decided_at timestamptz,
    decided_by text,
    constraint set_definitions_state_known check (state in ('waiting', 'approved', 'refused'))
);

alter table pganalytics.configurations add column custom_sets jsonb not null default '[]';
comment on column pganalytics.configurations.custom_sets is 'The custom sets in it, with their versions.';
alter table pganalytics.configurations drop constraint configurations_why_known;
alter table pganalytics.configurations add constraint configurations_why_known
    check (why in ('written', 'restored', 'template', 'labels', 'registered', 'custom_set'));
