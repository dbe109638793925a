-- What administrators say of collectors; templates are chosen by it.
alter table pganalytics.collectors add column labels jsonb not null default '{}';

-- Every configuration that a collector was to follow. The newest version counts; none is ever changed or removed.
create table pganalytics.configurations (
    collector_id uuid not null references pganalytics.collectors,
    version int8 not null,
    written text not null,
    effective text not null,
    templates jsonb not null,
    made_at timestamptz not null,
    made_by text,
    why text not null,
    restored_from int8,
    primary key (collector_id, version),
    constraint configurations_why_known check (why in ('written', 'restored', 'template', 'labels', 'registered'))
);
comment on column pganalytics.configurations.written is 'As it was written for this collector alone.';
comment on column pganalytics.configurations.effective is 'What the collector gets: that over the templates that applied.';

-- What many collectors have in common, by their labels. The newest version of a name counts.
create table pganalytics.config_templates (
    name text not null,
    version int8 not null,
    text text not null,
    selector jsonb not null,
    priority int4 not null,
    is_deleted boolean not null,
    made_at timestamptz not null,
    made_by text,
    primary key (name, version)
);
comment on column pganalytics.config_templates.selector is 'The labels that a collector must have; without any it is for all.';
comment on column pganalytics.config_templates.priority is 'Of two templates that say the same setting the one of higher priority wins.';
