-- Which of the server's configurations collectors say they follow.
alter table metrics.collectors add column config_version int8;
alter table metrics.collectors add column config_refused int8;
comment on column metrics.collectors.config_version is 'The version of the server''s configuration that is followed; null where none is.';
comment on column metrics.collectors.config_refused is 'The version of it that cannot be followed; config_error says why.';
