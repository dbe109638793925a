-- What collectors say of the configuration that they were to follow.
alter table metrics.collectors add column config_error text;
alter table metrics.collectors add column config_error_since timestamptz;
comment on column metrics.collectors.config_error is 'Why the newest configuration is not followed; null while it is.';
comment on column metrics.collectors.config_error_since is 'Since when.';
