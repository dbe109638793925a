-- Makes the role that Grafana signs in to the store with. Run it as a superuser, or as the owner of the store's tables
-- with the right to create roles, in the store's database, once:
--
--   psql -X -d pganalytics -f grafana/read-only-role.sql
--   psql -X -d pganalytics -c '\password pganalytics_grafana'
--
-- It reads what was measured (schema metrics), also tables that are still to come, and nothing of accounts
-- (schema pganalytics). A query of it ends after half a minute.
\set ON_ERROR_STOP on
set client_min_messages = warning;
begin;

-- The server makes this role by itself, where it may.
select not exists (select from pg_catalog.pg_roles where rolname = 'pganalytics_read') as is_new \gset
\if :is_new
  create role pganalytics_read nologin;
\endif
grant usage on schema metrics to pganalytics_read;
grant select on all tables in schema metrics to pganalytics_read;
-- Partitions and the tables of new sets are made by the owner of those that are there.
select pg_catalog.format('alter default privileges for role %I in schema metrics grant select on tables to pganalytics_read',
    pg_catalog.pg_get_userbyid(c.relowner))
from pg_catalog.pg_class as c
where c.oid = 'metrics.instances'::pg_catalog.regclass
\gexec

select not exists (select from pg_catalog.pg_roles where rolname = 'pganalytics_grafana') as is_new \gset
\if :is_new
  create role pganalytics_grafana login;
\endif
alter role pganalytics_grafana connection limit 10;
alter role pganalytics_grafana set default_transaction_read_only = on;
alter role pganalytics_grafana set statement_timeout = '30s';
grant pganalytics_read to pganalytics_grafana;
commit;
