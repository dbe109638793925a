-- What follows from the catalogue, with the hash of the statements that made it.
create table metrics.derived (
    name text primary key,
    hash bytea not null,
    made_at timestamptz not null default now()
);
comment on table metrics.derived is 'Views that are made anew when the statements that make them change.';
