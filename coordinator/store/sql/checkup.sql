-- What `coordinator doctor` asks a database (pg_checkup).

-- name: CheckupServer
SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int / 10000 AS major,
       pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean AS read_only,
       (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms, current_user::text AS role,
       current_database()::text AS name, coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_create,
       coalesce(bool_and(has_table_privilege(to_regclass(t), p)), true) AS may_write
FROM unnest(ARRAY['path', 'nar', 'release', 'job', 'shard', 'mirror']) t,
     unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) p

-- name: CheckupPath
-- A path whose narinfo came from upstream $1.
SELECT p.hash FROM nar n JOIN upstream u ON u.id = n.upstream_id JOIN path p ON p.nar_id = n.id
WHERE u.url = $1 ORDER BY n.id DESC LIMIT 1
