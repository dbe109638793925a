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
-- Before PostgreSQL 10 there is no pg_monitor, and before 11 no grant lets anybody ask for files. There the same is shown
-- by functions of the schema pganalytics, which this makes in each database where a superuser runs it: each has the
-- name, the arguments and the columns of what it stands for, runs as its owner, and only this role may call it. Files are
-- those of relations only. After an upgrade to 11 or newer nothing uses them: drop schema pganalytics cascade.
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
  home constant oid := (select e.extnamespace from pg_catalog.pg_extension as e where e.extname = 'pg_stat_statements');
  outdated boolean := false;
  step record;
begin
  begin
    outdated := exists (
      select from pg_catalog.pg_available_extensions as a
      where a.name = 'pg_stat_statements' and a.installed_version <> a.default_version);
  exception when others then
    -- A control file of some extension that cannot be read is not ours to mend.
    null;
  end;
  if pg_catalog.current_database() = 'postgres' and preloaded !~ '\mpg_stat_statements\M' then
    raise warning 'pg_stat_statements is not loaded, so statements cannot be watched. Add it to '
      'shared_preload_libraries, restart PostgreSQL, and run this again.';
  end if;
  for step in
    select pg_catalog.replace(pg_catalog.replace(pg_catalog.replace(s.statement,
      '{role}', pg_catalog.quote_ident(monitor)),
      '{schema}', coalesce((
        select pg_catalog.quote_ident(n.nspname) from pg_catalog.pg_namespace as n where n.oid = home), '')),
      '{database}', pg_catalog.quote_ident(pg_catalog.current_database())) as statement, s.lost
    from pg_catalog.pg_roles as r,
    lateral (values
      ('grant pg_monitor to {role}',
        version < 100000 or (
          select pg_catalog.pg_has_role(r.oid, g.oid, 'member') from pg_catalog.pg_roles as g
          where g.rolname = 'pg_monitor'),
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
        case when version < 110000 then true
          else pg_catalog.has_function_privilege(r.oid, 'pg_catalog.pg_stat_file(text, boolean)', 'execute') end,
        'sizes of relations in this database are what VACUUM last counted'),
      -- One database with the extension is enough: its views show the statements of all.
      ('create extension pg_stat_statements',
        pg_catalog.current_database() <> 'postgres' or preloaded !~ '\mpg_stat_statements\M'
          or exists (select from pg_catalog.pg_extension where extname = 'pg_stat_statements'),
        'statements are watched only where another database has the extension'),
      ('grant usage on schema {schema} to {role}',
        home is null or pg_catalog.has_schema_privilege(r.oid, home, 'usage'),
        'statements cannot be watched from this database'),
      ('alter extension pg_stat_statements update',
        pg_catalog.current_database() <> 'postgres' or not outdated,
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

-- What stands for pg_monitor and for the right to ask for files, where there is none.
do $$
declare
  monitor constant name := pg_catalog.current_setting('pganalytics.role');
  version constant integer := pg_catalog.current_setting('server_version_num');
  superuser constant boolean := (select rolsuper from pg_catalog.pg_roles where rolname = current_user);
  stranger constant name := (
    select o.rolname from pg_catalog.pg_namespace as n join pg_catalog.pg_roles as o on o.oid = n.nspowner
    where n.nspname = 'pganalytics' and not o.rolsuper);
  as_owner constant text := 'security definer set search_path = pg_catalog';
  statement text;
begin
  if version >= 110000 then
    return;
  elsif superuser is not true or stranger is not null then
    raise warning '%. Without it, %.',
      case when stranger is not null
        then pg_catalog.format('The schema pganalytics is of %I, who is no superuser: its functions are not made', stranger)
        else 'Only a superuser can make the functions of the schema pganalytics' end,
      case when version < 100000
        then 'hidden are statements, sessions, settings and WAL files of others, and sizes of relations'
        else 'sizes of relations in this database are what VACUUM last counted' end;
    return;
  end if;
  create schema if not exists pganalytics;
  revoke all on schema pganalytics from public;
  for statement in
    select pg_catalog.format('create or replace function pganalytics.%s language %s %s as %L',
      f.signature, f.lang, as_owner, f.body)
    from (values
      (0, 100000, 'pg_stat_activity() returns setof pg_catalog.pg_stat_activity', 'sql',
        'select * from pg_catalog.pg_stat_activity'),
      (0, 100000, 'pg_stat_replication() returns setof pg_catalog.pg_stat_replication', 'sql',
        'select * from pg_catalog.pg_stat_replication'),
      (90600, 100000, 'pg_stat_wal_receiver() returns setof pg_catalog.pg_stat_wal_receiver', 'sql',
        'select * from pg_catalog.pg_stat_wal_receiver'),
      (0, 100000, 'pg_settings() returns setof pg_catalog.pg_settings', 'sql',
        'select * from pg_catalog.pg_settings'),
      -- The first eight bytes of the control file, least significant first.
      (0, 90600, 'pg_control_system() returns table (system_identifier bigint)', 'sql',
        'select bit_or(get_byte(c.bytes, i)::bigint << (8 * i))
         from (select pg_read_binary_file(''global/pg_control'', 0, 8) as bytes) as c, generate_series(0, 7) as i'),
      (90500, 100000, 'pg_ls_waldir() returns table (name text, size bigint, modification timestamptz)', 'sql',
        'select f.name, s.size, s.modification
         from pg_ls_dir(''pg_xlog'') as f (name) cross join lateral pg_stat_file(''pg_xlog/'' || f.name, true) as s
         where not s.isdir'),
      -- A file may be removed between the two looks.
      (0, 90500, 'pg_ls_waldir() returns table (name text, size bigint, modification timestamptz)', 'plpgsql',
        'declare
           s record;
         begin
           for name in select pg_ls_dir(''pg_xlog'') loop
             begin
               s := pg_stat_file(''pg_xlog/'' || name);
               if not s.isdir then
                 size := s.size;
                 modification := s.modification;
                 return next;
               end if;
             exception when undefined_file then
               null;
             end;
           end loop;
         end'),
      (90500, 110000, 'pg_stat_file(path text, missing_ok boolean, out size bigint, out modification timestamptz)', 'sql',
        'select s.size, s.modification from pg_stat_file(path, missing_ok) as s
         where path ~ ''^(base|global|pg_tblspc/[0-9]+/PG_[0-9._]+)(/[0-9]+)?/[0-9]+(_(fsm|vm|init))?([.][0-9]+)?$'''),
      (0, 90500, 'pg_stat_file(path text, missing_ok boolean, out size bigint, out modification timestamptz)', 'plpgsql',
        'declare
           s record;
         begin
           if path ~ ''^(base|global|pg_tblspc/[0-9]+/PG_[0-9._]+)(/[0-9]+)?/[0-9]+(_(fsm|vm|init))?([.][0-9]+)?$'' then
             s := pg_stat_file(path);
             size := s.size;
             modification := s.modification;
           end if;
         exception when undefined_file then
           if not missing_ok then
             raise;
           end if;
         end')
    ) as f (since, before, signature, lang, body)
    where version >= f.since and version < f.before
  loop
    execute statement;
  end loop;
  -- Its columns are those of the extension's version here, and not its view's: that would stand in the way of updates.
  drop function if exists pganalytics.pg_stat_statements(boolean);
  statement := (
    select pg_catalog.format(
      'create function pganalytics.pg_stat_statements(showtext boolean) returns table (%s) language sql %s as %L',
      pg_catalog.string_agg(pg_catalog.format('%I %s', a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod)), ', '
        order by a.attnum),
      as_owner,
      pg_catalog.format('select %s from %I.pg_stat_statements(showtext) as s',
        pg_catalog.string_agg(pg_catalog.format('s.%I', a.attname), ', ' order by a.attnum), n.nspname))
    from pg_catalog.pg_extension as e
    join pg_catalog.pg_namespace as n on n.oid = e.extnamespace
    join pg_catalog.pg_class as c on c.relnamespace = n.oid and c.relname = 'pg_stat_statements'
    join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attnum > 0
    where e.extname = 'pg_stat_statements' and version < 100000
    group by n.nspname);
  if statement is not null then
    execute statement;
  end if;
  revoke all on all functions in schema pganalytics from public;
  execute pg_catalog.format('grant usage on schema pganalytics to %I', monitor);
  execute pg_catalog.format('grant execute on all functions in schema pganalytics to %I', monitor);
end
$$;

do $$
begin
  if exists (
    select from pg_catalog.pg_roles as g where g.rolname = 'pg_monitor'
      and not pg_catalog.pg_has_role(pg_catalog.current_setting('pganalytics.role'), g.oid, 'member'))
  then
    raise exception 'The role lacks pg_monitor, which watching needs.'
      using hint = 'Run this as a superuser, or as a role that has pg_monitor with admin option.';
  end if;
end
$$;
