-- A tier of weeks.
alter table metrics.retention drop constraint if exists retention_tier_check;
alter table metrics.retention add check (tier between 0 and 4);
comment on column metrics.retention.tier is '0: raw rows, 1: 5 minutes, 2: 1 hour, 3: 1 day, 4: 1 week.';
comment on column metrics.due.tier is '1: 5 minutes, 2: 1 hour, 3: 1 day, 4: 1 week.';
