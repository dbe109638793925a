-- Days for each tier of a set, where there were days of raw rows alone.
alter table metrics.retention drop constraint if exists retention_raw_days_check;
alter table metrics.retention rename column raw_days to days;
alter table metrics.retention add check (days between 1 and 3660);
alter table metrics.retention add column tier smallint not null default 0 check (tier between 0 and 3);
alter table metrics.retention alter column tier drop default;
alter table metrics.retention drop constraint retention_pkey;
alter table metrics.retention add primary key (set_name, tier);
comment on table metrics.retention is 'Days for which rows of a set are kept, by tier, where they differ from the built-in ones.';
comment on column metrics.retention.tier is '0: raw rows, 1: 5 minutes, 2: 1 hour, 3: 1 day.';
