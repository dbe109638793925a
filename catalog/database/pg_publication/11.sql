select
  p.oid::bigint as pubid,
  p.pubname::text as pubname,
  p.pubowner::bigint as ownerid,
  p.puballtables::boolean as all_tables,
  (select count(*) from pg_catalog.pg_publication_rel as r where r.prpubid = p.oid)::bigint as tables,
  p.pubinsert::boolean as inserts,
  p.pubupdate::boolean as updates,
  p.pubdelete::boolean as deletes,
  p.pubtruncate::boolean as truncates
from pg_catalog.pg_publication as p
