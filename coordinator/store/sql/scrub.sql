-- Scrubs: which drives are to be gone through, and how that stands (pg_scrub_store).

-- name: ScrubbingWorker
SELECT incarnation, name FROM worker WHERE id = $1

-- name: RecordScrubs
-- Of worker $1, one array a column; at the end of a whole round what was asked for before it began is answered. A word that
-- was never given here was given in another database.
INSERT INTO scrub AS s (worker_id, key, kind, asked, answered, running, blocks, nars, bytes, bytes_total, damaged,
                        repaired, given_up, whole_at)
SELECT $1, r.key, r.kind, a.answered, a.answered, NOT r.whole, r.blocks, r.nars, r.bytes, r.bytes_total, r.damaged,
       r.repaired, r.given_up, CASE WHEN r.whole THEN now() END
FROM unnest($2::bytea[], $3::text[], $4::bigint[], $5::boolean[], $6::bigint[], $7::bigint[], $8::bigint[],
            $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[])
     AS r(key, kind, ask, whole, blocks, nars, bytes, bytes_total, damaged, repaired, given_up)
     CROSS JOIN LATERAL (SELECT CASE WHEN r.whole THEN r.ask ELSE 0 END AS answered) a
ON CONFLICT (worker_id, key) DO UPDATE
SET kind = excluded.kind, running = excluded.running,
    answered = CASE WHEN excluded.answered <= s.asked THEN greatest(s.answered, excluded.answered) ELSE s.answered END,
    blocks = excluded.blocks, nars = excluded.nars, bytes = excluded.bytes, bytes_total = excluded.bytes_total,
    damaged = excluded.damaged, repaired = excluded.repaired, given_up = excluded.given_up,
    whole_at = coalesce(excluded.whole_at, s.whole_at)

-- name: ScrubOrders
SELECT key, asked FROM scrub WHERE worker_id = $1 AND asked > answered ORDER BY key LIMIT $2::bigint

-- name: TellScrubLosses
-- Into the history of the NARs that shard $1 holds, or held until its worker took them out, under the names $2.
INSERT INTO event (nar_id, what)
SELECT nar.id, r.message
FROM unnest($2::text[], $3::text[]) AS r(file, message)
     JOIN shard s ON s.key = $1 JOIN nar ON nar.file = r.file AND s.id IN (nar.shard_id, nar.lost_shard_id)

-- name: ScrubbedDrives
-- Everything that can be scrubbed, and how that stands. $2: ms of silence after which a worker is not waited for.
WITH drive AS (
    SELECT worker_id, key, 'shard' AS kind FROM shard WHERE db_length > 0 AND lost_at IS NULL
    UNION ALL
    SELECT c.worker_id, s.key, 'copy' FROM shard_copy c JOIN shard s ON s.id = c.shard_id WHERE c.db_length > 0
    UNION ALL
    SELECT index_worker_id, index_key, 'index' FROM mirror WHERE index_key IS NOT NULL AND index_worker_id IS NOT NULL
)
SELECT d.worker_id, w.name, d.key, d.kind, coalesce(s.asked > s.answered, false) AS waits,
       coalesce(s.running, false) AS running, coalesce(s.blocks, 0) AS blocks, coalesce(s.nars, 0) AS nars,
       coalesce(s.bytes, 0) AS bytes, coalesce(s.bytes_total, 0) AS bytes_total, coalesce(s.damaged, 0) AS damaged,
       coalesce(s.repaired, 0) AS repaired, coalesce(s.given_up, 0) AS given_up,
       coalesce((extract(epoch FROM s.whole_at) * 1000)::bigint, 0) AS whole_at_ms,
       CASE WHEN w.last_seen < clock_timestamp() - $2::bigint * interval '1 millisecond' THEN 'silent'
            WHEN w.scrubs_nothing THEN 'off' ELSE '' END AS hindrance
FROM drive d JOIN worker w ON w.id = d.worker_id LEFT JOIN scrub s ON s.worker_id = d.worker_id AND s.key = d.key
WHERE w.forgotten_at IS NULL
ORDER BY w.name, w.id, d.kind, d.key LIMIT $1::bigint

-- name: AskForScrubs
INSERT INTO scrub AS s (worker_id, key, kind, asked)
SELECT r.worker_id, r.key, r.kind, 1 FROM unnest($1::text[], $2::bytea[], $3::text[]) AS r(worker_id, key, kind)
ORDER BY 1, 2
ON CONFLICT (worker_id, key) DO UPDATE SET asked = s.asked + 1

-- name: ShardNamed
SELECT id FROM shard WHERE key = $1

-- name: FilesOfShard
-- At most $4 files of shard $1 with names behind $2, or of those only that $3 names.
SELECT DISTINCT ON (nar.file COLLATE "C") nar.file, upstream.url || '/' || nar.url AS url, nar.compression, nar.nar_hash,
       nar.nar_size
FROM nar JOIN upstream ON upstream.id = nar.upstream_id
WHERE nar.shard_id = $1 AND nar.state = 'stored' AND nar.file COLLATE "C" > $2
      AND (cardinality($3::text[]) = 0 OR nar.file = ANY($3::text[]))
ORDER BY nar.file COLLATE "C", nar.id LIMIT $4::bigint

-- name: OthersWithShard
-- Addresses of workers but $2 that have shard $1 or a copy of it and called within $3 ms.
SELECT DISTINCT w.peer_address
FROM shard s JOIN worker w
     ON (w.id = s.worker_id AND s.lost_at IS NULL)
        OR EXISTS (SELECT FROM shard_copy c WHERE c.shard_id = s.id AND c.worker_id = w.id AND c.db_length > 0)
WHERE s.id = $1 AND w.id <> $2 AND w.peer_address <> '' AND w.forgotten_at IS NULL
      AND w.last_seen > clock_timestamp() - $3::bigint * interval '1 millisecond'
ORDER BY w.peer_address
