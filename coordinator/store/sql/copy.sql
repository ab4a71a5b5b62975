-- Read-only copies of shards (pg_shard_copies, pg_copy_planner).

-- name: TakeOverCopies
-- Copies of the shards with the keys $2 that worker $1 has, whether or not it was to have them.
INSERT INTO shard_copy (shard_id, worker_id) SELECT id, $1 FROM shard WHERE key = ANY($2::bytea[])
ON CONFLICT DO NOTHING

-- name: MoveCopies
-- Of worker $1: the shards with the keys $2 are whole at the versions $3 (0: not known), up to the blocks $4, in $5
-- bytes.
WITH report AS (
    SELECT c.shard_id, r.version, r.content_length, r.bytes, r.content_length < c.content_length AS shrank
    FROM unnest($2::bytea[], $3::bigint[], $4::bigint[], $5::bigint[]) AS r(key, version, content_length, bytes)
         JOIN shard s ON s.key = r.key JOIN shard_copy c ON c.shard_id = s.id AND c.worker_id = $1
    WHERE (c.db_length, c.content_length, c.bytes) IS DISTINCT FROM (r.version, r.content_length, r.bytes)
), looked_through AS (
    UPDATE shard SET unrepaired = true
    FROM report r WHERE shard.id = r.shard_id AND r.version > 0 AND r.shrank AND shard.lost_at IS NOT NULL
)
UPDATE shard_copy c
SET db_length = CASE WHEN r.version > 0 THEN r.version ELSE c.db_length END,
    content_length = CASE WHEN r.version > 0 THEN r.content_length ELSE c.content_length END, bytes = r.bytes
FROM report r WHERE c.shard_id = r.shard_id AND c.worker_id = $1

-- name: LoseCopiesBut
-- Of worker $1 all that it ever had but those of the shards with the keys $2.
WITH gone AS (
    DELETE FROM shard_copy c USING shard s
    WHERE c.shard_id = s.id AND c.worker_id = $1 AND c.db_length > 0 AND NOT s.key = ANY($2::bytea[])
    RETURNING s.id, s.key
), looked_through AS (
    UPDATE shard SET unrepaired = true FROM gone WHERE shard.id = gone.id AND shard.lost_at IS NOT NULL
)
SELECT key FROM gone

-- name: CopiesOfWorker
-- What worker $1 is to hold, and who has it now ($2: silence in ms): the writer, unless it lost it, and holders. Of
-- what was lost that counts which some copy holds; the rest was taken from elsewhere.
SELECT s.key, CASE WHEN l.content_end > 0 THEN l.db_length ELSE s.db_length END AS db_length,
       CASE WHEN l.content_end > 0 THEN l.bytes ELSE s.content_byte_length END AS bytes, l.content_end,
       array(SELECT w.peer_address FROM worker w
             WHERE w.peer_address <> '' AND w.id <> $1 AND w.forgotten_at IS NULL
                   AND w.last_seen > clock_timestamp() - $2::bigint * interval '1 millisecond'
                   AND ((w.id = s.worker_id AND s.lost_at IS NULL)
                        OR EXISTS (SELECT FROM shard_copy o
                                   WHERE o.shard_id = s.id AND o.worker_id = w.id AND o.db_length > 0))
             ORDER BY w.peer_address) AS peers
FROM shard_copy c JOIN shard s ON s.id = c.shard_id CROSS JOIN LATERAL (
         SELECT coalesce(max(o.db_length), 0) AS db_length, coalesce(max(o.bytes), 0) AS bytes,
                coalesce(max(o.content_length), 0) AS content_end
         FROM shard_copy o WHERE o.shard_id = s.id AND s.lost_at IS NOT NULL) l
WHERE c.worker_id = $1 ORDER BY s.id

-- name: ShardsLackingCopies
-- Shards above $1 with something in them that too few failure domains hold, or are to: $2 beside the writer's, one more
-- when the writer is about to leave or lost it; at most $3. A copy that falls behind because its disk is full does not
-- count.
SELECT s.id
FROM shard s LEFT JOIN staying_worker writer ON writer.id = s.worker_id AND s.lost_at IS NULL
WHERE s.id > $1 AND s.db_length > 0 AND ($2::bigint > 0 OR writer.id IS NULL)
      AND EXISTS (SELECT FROM nar WHERE nar.shard_id = s.id)
      AND (SELECT count(DISTINCT w.failure_domain) FROM shard_copy c JOIN staying_worker w ON w.id = c.worker_id
           WHERE c.shard_id = s.id AND w.failure_domain IS DISTINCT FROM writer.failure_domain
                 AND NOT (w.disk_full AND NOT is_whole(c, s))) <
          $2::bigint + CASE WHEN writer.id IS NULL THEN 1 ELSE 0 END
ORDER BY s.id LIMIT $3::bigint

-- name: AssignCopy
-- Shard $1 to the worker with the fewest bytes of copies that is alive ($2: silence in ms), has room, and is in a
-- failure domain of its own, and is to hold less than $3 of them; if there is somebody to get it from.
WITH shard_here AS (
    SELECT id, worker_id, content_byte_length, lost_at IS NOT NULL AS lost FROM shard WHERE id = $1
), holder AS (
    SELECT w.id, w.failure_domain, w.peer_address, w.drain_at IS NULL AS stays
    FROM shard_here s JOIN worker w
         ON (w.id = s.worker_id AND NOT s.lost)
            OR EXISTS (SELECT FROM shard_copy c WHERE c.shard_id = s.id AND c.worker_id = w.id AND c.db_length > 0)
    WHERE w.forgotten_at IS NULL
), named AS (
    SELECT w.failure_domain FROM shard_copy c JOIN staying_worker w ON w.id = c.worker_id WHERE c.shard_id = $1
    UNION
    SELECT failure_domain FROM holder WHERE stays
), chosen AS (
    SELECT w.id
    FROM shard_here s CROSS JOIN staying_worker w CROSS JOIN LATERAL (
             SELECT count(*) AS shards, coalesce(sum(o.content_byte_length), 0) AS wanted,
                    coalesce(sum(greatest(o.content_byte_length - c.bytes, 0)) FILTER (WHERE NOT is_whole(c, o)), 0)
                        AS missing
             FROM shard_copy c JOIN shard o ON o.id = c.shard_id WHERE c.worker_id = w.id) copies
    WHERE 'mirror' = ANY(w.roles) AND w.peer_address <> '' AND NOT w.draining AND NOT w.disk_full
          AND w.last_seen > clock_timestamp() - $2::bigint * interval '1 millisecond'
          AND (w.id <> s.worker_id OR s.lost)
          AND NOT EXISTS (SELECT FROM shard_copy c WHERE c.shard_id = s.id AND c.worker_id = w.id)
          AND NOT w.failure_domain IN (SELECT failure_domain FROM named)
          AND copies.shards < $3::bigint AND w.disk_free_bytes > copies.missing + s.content_byte_length
          AND EXISTS (SELECT FROM holder h WHERE h.peer_address <> '' AND h.id <> w.id)
    ORDER BY copies.wanted, w.id LIMIT 1
), assigned AS (
    INSERT INTO shard_copy (shard_id, worker_id) SELECT $1, id FROM chosen ON CONFLICT DO NOTHING
    RETURNING shard_id, worker_id
)
SELECT s.key, w.name AS worker
FROM assigned a JOIN shard s ON s.id = a.shard_id JOIN worker w ON w.id = a.worker_id

-- name: ShardsUnsought
SELECT id FROM shard WHERE NOT copies_sought AND db_length > 0 ORDER BY id

-- name: MarkCopiesSought
UPDATE shard SET copies_sought = true WHERE id = ANY($1::bigint[])

-- name: ForgetCopiesOfWorker
WITH gone AS (
    DELETE FROM shard_copy WHERE worker_id = $1 RETURNING shard_id
)
UPDATE shard SET unrepaired = true FROM gone WHERE shard.id = gone.shard_id AND shard.lost_at IS NOT NULL
