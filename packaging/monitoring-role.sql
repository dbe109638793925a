-- Makes the role that pgAnalytics reads an instance with, with the least that it needs. Run it as a superuser in the
-- database postgres of each primary (its standbys get it from there), and again after an upgrade of pgAnalytics: it
-- changes only what is not yet so. In every other database that is to be watched it grants the one function below:
--
--   psql -X -d postgres -f monitoring-role.sql
--   for db in $(psql -XAtc 'select datname from pg_database where datallowconn'); do
--       psql -X -d "$db" -f monitoring-role.sql
--   done
--
-- `-v role=monitor` names the role otherwise. It gets no password here: \password pganalytics gives it one, or let
-- pg_hba.conf admit it by peer, cert or gss. What it is granted, and what is lost without it:
--
--   pg_monitor                        other users' statements, sessions, settings, the WAL directory: most of it
--   pg_use_reserved_connections (16)  a look inside when all ordinary connections are taken
--   pg_stat_file(text, boolean)       sizes of relations without a lock; without it, what VACUUM last counted
--
-- It can read no row of any table of yours that is not public, and change nothing.
\set ON_ERROR_STOP on
set client_min_messages = warning;
\if :{?role}
\else
  \set role pganalytics
\endif

begin;

select not exists (select from pg_catalog.pg_roles where rolname = :'role') as is_new \gset
\if :is_new
  create role :"role" login;
\endif

-- A monitor that piles up connections does harm: three are all that the collector ever opens, two are spare.
alter role :"role" connection limit 5;
-- Whatever happens to the collector's own limits, these hold.
alter role :"role" set default_transaction_read_only = on;
alter role :"role" set lock_timeout = '1s';
alter role :"role" set statement_timeout = '1min';
alter role :"role" set log_min_duration_statement = -1;

grant pg_monitor to :"role";
select pg_catalog.current_setting('server_version_num')::int >= 160000 as has_reserved_connections \gset
\if :has_reserved_connections
  grant pg_use_reserved_connections to :"role";
\endif

-- Rights to functions are each database's own.
grant execute on function pg_catalog.pg_stat_file(text, boolean) to :"role";

commit;

-- One database with the extension is enough: its views show the statements of all.
select pg_catalog.current_database() = 'postgres' as is_maintenance,
       pg_catalog.current_setting('shared_preload_libraries') ~ '\mpg_stat_statements\M' as is_preloaded \gset
\if :is_maintenance
  \if :is_preloaded
    create extension if not exists pg_stat_statements;
    alter extension pg_stat_statements update;
  \else
    \warn 'pg_stat_statements is not loaded, so statements cannot be watched. Add it to shared_preload_libraries,'
    \warn 'restart PostgreSQL, and run this again.'
  \endif
\endif
