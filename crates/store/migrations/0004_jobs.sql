-- Background work: one row for each job that the servers share. All times are by the clock of this database.
create table metrics.jobs (
    name text primary key,
    holder uuid,
    held_until timestamptz,
    host text,
    started_at timestamptz,
    finished_at timestamptz,
    duration_us bigint,
    done jsonb,
    error text,
    error_at timestamptz,
    failures integer not null default 0,
    next_at timestamptz not null default now()
);
comment on table metrics.jobs is 'Background work of the servers: who does it, when it was done last and with what result, and when it is due again.';
comment on column metrics.jobs.holder is 'The process of a server that does it now; another one may from held_until on.';
comment on column metrics.jobs.host is 'The machine of the server that did it last.';
comment on column metrics.jobs.done is 'What the last run that did not fail did, as counts.';
comment on column metrics.jobs.failures is 'How many runs failed since one did not.';
