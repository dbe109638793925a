-- Makes the role that pgAnalytics reads an instance with, with the least that it needs. Run it in the database postgres
-- of each primary (its standbys get it from there), and again after an upgrade of pgAnalytics: it changes only what is
-- not yet so. In every other database that is to be watched it grants the one function below, and connect where
-- public has it not:
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
--   usage on the extension's schema   statements, where pg_stat_statements has a schema of its own
--   pg_stat_file(text, boolean)       sizes of relations without a lock; without it, what VACUUM last counted
--
-- It can read no row of any table of yours that is not public, and change nothing.
--
-- A superuser can do all of it. Who has CREATEROLE, and from 16 on pg_monitor with admin option as on managed services,
-- can do what is needed; of the rest, what is not allowed is warned of and left out.
\set ON_ERROR_STOP on
set client_min_messages = warning;
\if :{?role}
\else
  \set role pganalytics
\endif
-- A block between dollars sees no variables of psql.
select pg_catalog.set_config('pganalytics.role', :'role', false) as role \gset

select not exists (select from pg_catalog.pg_roles where rolname = :'role') as is_new \gset
\if :is_new
  create role :"role" login;
\endif

do $$
declare
  monitor constant name := pg_catalog.current_setting('pganalytics.role');
  version constant integer := pg_catalog.current_setting('server_version_num');
  -- Not known to everybody.
  preloaded constant text := (select setting from pg_catalog.pg_settings where name = 'shared_preload_libraries');
  -- Of the extension, where it is.
  home constant text := (
    select pg_catalog.quote_ident(n.nspname) from pg_catalog.pg_extension as e
    join pg_catalog.pg_namespace as n on n.oid = e.extnamespace where e.extname = 'pg_stat_statements');
  step record;
begin
  if pg_catalog.current_database() = 'postgres' and preloaded !~ '\mpg_stat_statements\M' then
    raise warning 'pg_stat_statements is not loaded, so statements cannot be watched. Add it to '
      'shared_preload_libraries, restart PostgreSQL, and run this again.';
  end if;
  for step in
    select pg_catalog.replace(pg_catalog.replace(pg_catalog.replace(s.statement,
      '{role}', pg_catalog.quote_ident(monitor)),
      '{schema}', coalesce(home, '')),
      '{database}', pg_catalog.quote_ident(pg_catalog.current_database())) as statement, s.lost
    from pg_catalog.pg_roles as r,
    lateral (values
      ('grant pg_monitor to {role}',
        pg_catalog.pg_has_role(r.oid, 'pg_monitor', 'member'),
        'hidden are statements, sessions and settings of others: most of it'),
      -- A monitor that piles up connections does harm: three are all that the collector ever opens, two are spare.
      ('alter role {role} connection limit 5',
        r.rolconnlimit = 5,
        'nothing but the collector itself bounds its connections'),
      -- Whatever happens to the collector's own limits, these hold.
      ('alter role {role} set default_transaction_read_only = on',
        r.rolconfig @> array['default_transaction_read_only=on'],
        'nothing but the collector itself keeps its transactions read only'),
      ('alter role {role} set lock_timeout = ''1s''',
        r.rolconfig @> array['lock_timeout=1s'],
        'nothing but the collector itself bounds its waiting for locks'),
      ('alter role {role} set statement_timeout = ''1min''',
        r.rolconfig @> array['statement_timeout=1min'],
        'nothing but the collector itself bounds its statements'),
      ('alter role {role} set log_min_duration_statement = -1',
        r.rolconfig @> array['log_min_duration_statement=-1'],
        'its statements may stand in the log'),
      ('grant pg_use_reserved_connections to {role}',
        version < 160000 or exists (
          select from pg_catalog.pg_auth_members as m
          join pg_catalog.pg_roles as g on g.oid = m.roleid and g.rolname = 'pg_use_reserved_connections'
          where m.member = r.oid),
        'it cannot look inside when all ordinary connections are taken'),
      ('grant connect on database {database} to {role}',
        pg_catalog.has_database_privilege(r.oid, pg_catalog.current_database(), 'connect'),
        'nothing in this database is watched'),
      -- Rights to functions are each database's own.
      ('grant execute on function pg_catalog.pg_stat_file(text, boolean) to {role}',
        pg_catalog.has_function_privilege(r.oid, 'pg_catalog.pg_stat_file(text, boolean)', 'execute'),
        'sizes of relations in this database are what VACUUM last counted'),
      -- One database with the extension is enough: its views show the statements of all.
      ('create extension pg_stat_statements',
        pg_catalog.current_database() <> 'postgres' or preloaded !~ '\mpg_stat_statements\M'
          or exists (select from pg_catalog.pg_extension where extname = 'pg_stat_statements'),
        'statements are watched only where another database has the extension'),
      ('grant usage on schema {schema} to {role}',
        home is null or pg_catalog.has_schema_privilege(r.oid, home::pg_catalog.regnamespace, 'usage'),
        'statements cannot be watched from this database'),
      ('alter extension pg_stat_statements update',
        pg_catalog.current_database() <> 'postgres' or not exists (
          select from pg_catalog.pg_available_extensions as a
          where a.name = 'pg_stat_statements' and a.installed_version <> a.default_version),
        'columns of its newer version are missing')
    ) as s (statement, is_so, lost)
    where r.rolname = monitor and s.is_so is not true
  loop
    begin
      execute step.statement;
    exception when others then
      raise warning '%: %. Without it, %.', step.statement, sqlerrm, step.lost;
    end;
  end loop;
end
$$;

do $$
begin
  if not pg_catalog.pg_has_role(pg_catalog.current_setting('pganalytics.role'), 'pg_monitor', 'member') then
    raise exception 'The role lacks pg_monitor, which watching needs.'
      using hint = 'Run this as a superuser, or as a role that has pg_monitor with admin option.';
  end if;
end
$$;
