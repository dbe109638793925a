select
  d.oid::bigint as datid,
  d.datname::text as datname,
  pg_get_userbyid(d.datdba)::text as owner,
  pg_encoding_to_char(d.encoding)::text as encoding,
  d.datcollate::text as datcollate,
  d.datctype::text as datctype,
  d.datlocprovider::text as datlocprovider,
  d.datlocale::text as datlocale,
  d.datcollversion::text as datcollversion,
  d.datistemplate::boolean as is_template,
  d.datallowconn::boolean as datallowconn,
  d.datconnlimit::integer as datconnlimit,
  d.dattablespace::bigint as dattablespace
from pg_catalog.pg_database as d
