-- Collectors that have a spool for each instance say which one an epoch is of: the newest epoch of each tells whether its
-- state is an older one.
alter table metrics.ledger add column lane uuid;
comment on column metrics.ledger.lane is 'The spool of the collector that the epoch is of; null where it has one for all instances.';
