-- What `coordinator shards` and `coordinator jobs` list (pg_inventory_store): small tables, counters and the beginnings of
-- indexes, as in metrics.sql.

-- name: InventoryWorker
-- By id or name; one that was forgotten only by its id.
SELECT id FROM worker WHERE id = $1 OR (name = $1 AND forgotten_at IS NULL) ORDER BY id LIMIT 20

-- name: InventoryIndex
SELECT m.index_key AS key, m.index_worker_id AS worker_id, w.name AS worker_name, m.db_length, m.content_byte_length,
       (extract(epoch FROM b.applied_at) * 1000)::bigint AS published_at_ms
FROM mirror m LEFT JOIN worker w ON w.id = m.index_worker_id
     LEFT JOIN publish_batch b ON b.batch = m.published_batch
WHERE m.index_key IS NOT NULL

-- name: InventoryShards
-- Above the shard $1; that one of the workers $2 writes or is to hold, of all when there are none; in the state $3, or
-- any when it is empty; at most $4.
SELECT s.id, s.key, s.worker_id, w.name AS worker_name, s.db_length, s.content_byte_length, s.seal_reason,
       (extract(epoch FROM s.created_at) * 1000)::bigint AS created_at_ms,
       CASE WHEN s.lost_at IS NOT NULL THEN 'lost' WHEN s.sealed THEN 'sealed' ELSE 'open' END AS state,
       coalesce(d.nars, 0) AS nars,
       (SELECT count(*) FROM shard_copy c WHERE c.shard_id = s.id) AS copies,
       (SELECT count(*) FROM shard_copy c WHERE c.shard_id = s.id AND is_whole(c, s)) AS copies_whole
FROM shard s JOIN worker w ON w.id = s.worker_id
     LEFT JOIN (SELECT shard_id, sum(nars)::bigint AS nars FROM stored_delta GROUP BY shard_id) d ON d.shard_id = s.id
WHERE s.id > $1
      AND (cardinality($2::text[]) = 0 OR s.worker_id = ANY($2::text[])
           OR EXISTS (SELECT FROM shard_copy c WHERE c.shard_id = s.id AND c.worker_id = ANY($2::text[])))
      AND ($3::text = ''
           OR $3::text = CASE WHEN s.lost_at IS NOT NULL THEN 'lost' WHEN s.sealed THEN 'sealed' ELSE 'open' END)
ORDER BY s.id LIMIT $4::bigint

-- name: InventoryLeaseCount
SELECT count(*) FROM job WHERE cardinality($1::text[]) = 0 OR worker_id = ANY($1::text[])

-- name: InventoryLeases
-- Of the workers $1, or of all; the oldest $2.
SELECT j.id, j.worker_id, w.name AS worker_name, coalesce(j.lane, 0) AS release_id, j.attempt, j.bytes, j.bytes_done,
       (SELECT count(*) FROM nar WHERE nar.job_id = j.id) AS nars,
       (extract(epoch FROM j.leased_at) * 1000)::bigint AS leased_at_ms,
       (extract(epoch FROM j.expires_at) * 1000)::bigint AS expires_at_ms,
       j.expires_at < clock_timestamp() AS late
FROM job j JOIN worker w ON w.id = j.worker_id
WHERE cardinality($1::text[]) = 0 OR j.worker_id = ANY($1::text[])
ORDER BY j.leased_at, j.id LIMIT $2::bigint
