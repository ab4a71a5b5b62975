-- What `coordinator why` tells of a path (pg_path_facts). Each statement looks a few rows up, whatever the size.

-- name: WhyPath
SELECT p.id, p.hash, p.name, p.state, p.reason, p.message, p.attempts, p.batch, p.needed, p.left_out, p.nar_id,
       (extract(epoch FROM p.changed_at) * 1000)::bigint AS since_ms,
       b.hash || '-' || b.name AS cause, b.state AS cause_state, b.reason AS cause_reason, u.url AS upstream,
       EXISTS (SELECT FROM path_elsewhere e WHERE e.path_id = p.id AND e.looking) AS looking_elsewhere,
       p.state = 'published' AND (p.left_out OR NOT EXISTS (SELECT FROM release_path rp WHERE rp.path_id = p.id)) AS leaving,
       a.note AS accepted, (extract(epoch FROM a.at) * 1000)::bigint AS accepted_at_ms
FROM path p LEFT JOIN path b ON b.id = p.blocked_by LEFT JOIN nar n ON n.id = p.nar_id
     LEFT JOIN upstream u ON u.id = n.upstream_id
     LEFT JOIN accepted_failure a ON a.path_id = p.id AND p.state IN ('missing', 'set_aside')
WHERE p.hash = $1

-- name: WhyNar
SELECT n.state, u.url || '/' || n.url AS url, n.file, n.compression, n.nar_hash, n.nar_size, n.file_hash, n.file_size,
       n.file_hash_drift, n.needed, n.leases, n.attempts, n.reason, n.message, n.linked_batch,
       (extract(epoch FROM n.changed_at) * 1000)::bigint AS since_ms, n.unlink_batch IS NOT NULL AS unlinked,
       CASE WHEN n.not_before > clock_timestamp() THEN (extract(epoch FROM n.not_before) * 1000)::bigint END
           AS next_try_ms,
       (extract(epoch FROM n.unlisted_at) * 1000)::bigint AS unlisted_at_ms, l.key AS lost_shard, lw.name AS lost_worker
FROM nar n JOIN upstream u ON u.id = n.upstream_id LEFT JOIN shard l ON l.id = n.lost_shard_id
     LEFT JOIN worker lw ON lw.id = l.worker_id
WHERE n.id = $1

-- name: WhyLease
SELECT j.id, j.worker_id, w.name, j.attempt, (extract(epoch FROM j.leased_at) * 1000)::bigint AS leased_at_ms,
       (extract(epoch FROM j.expires_at) * 1000)::bigint AS expires_at_ms,
       (extract(epoch FROM w.last_seen) * 1000)::bigint AS worker_seen_ms
FROM nar n JOIN job j ON j.id = n.job_id JOIN worker w ON w.id = j.worker_id WHERE n.id = $1

-- name: WhyPlace
-- $2: ms of silence after which a worker is away.
SELECT s.id, s.key, s.worker_id, w.name, s.sealed, s.lost_at IS NOT NULL AS lost, s.db_length, s.content_length,
       s.content_byte_length, n.blob_block_offset, n.blob_block_length, n.blob_byte_offset, n.file_size,
       w.last_seen > clock_timestamp() - $2::bigint * interval '1 millisecond' AS alive
FROM nar n JOIN shard s ON s.id = n.shard_id JOIN worker w ON w.id = s.worker_id
WHERE n.id = $1 AND n.state = 'stored'

-- name: WhyCopies
-- Workers that are to hold a copy of shard $1, and whether it holds what ends at block $2.
SELECT w.name, c.content_length >= $2::bigint AS holds
FROM shard_copy c JOIN worker w ON w.id = c.worker_id
WHERE c.shard_id = $1 AND w.forgotten_at IS NULL ORDER BY w.name, w.id LIMIT 20

-- name: WhyPublication
SELECT m.index_key, m.published_batch, b.db_length,
       (extract(epoch FROM b.planned_at) * 1000)::bigint AS planned_at_ms,
       (extract(epoch FROM b.applied_at) * 1000)::bigint AS applied_at_ms
FROM mirror m LEFT JOIN publish_batch b ON b.batch = $1

-- name: WhyWalk
-- The frontier of the walk that comes to it first, and what holds that up.
SELECT r.id, f.attempts, f.reason, f.message,
       CASE WHEN f.not_before > clock_timestamp() THEN (extract(epoch FROM f.not_before) * 1000)::bigint END
           AS next_try_ms,
       (SELECT array_agg(u.url ORDER BY u.preference NULLS LAST, u.id) FROM upstream u WHERE u.id = ANY(f.ruled_out))
           AS ruled_out,
       CASE WHEN m.paused_at IS NOT NULL THEN 'everything' WHEN r.paused_at IS NOT NULL THEN 'its release'
            WHEN h.paused THEN 'its upstream' END AS paused,
       CASE WHEN m.paused_at IS NOT NULL THEN m.pause_reason WHEN r.paused_at IS NOT NULL THEN r.pause_reason
            WHEN h.paused THEN h.reason END AS pause_reason,
       CASE WHEN h.held_back THEN (extract(epoch FROM h.until) * 1000)::bigint END AS held_back_until_ms,
       coalesce(h.down, false) AS breaker_open
FROM release_path rp JOIN release r ON r.id = rp.release_id
     JOIN release_frontier f ON f.release_id = rp.release_id AND f.path_id = rp.path_id CROSS JOIN mirror m
     CROSS JOIN LATERAL (
         SELECT bool_and(paused_at IS NOT NULL) AS paused, min(pause_reason) AS reason,
                bool_and(paused_until > clock_timestamp()) AS held_back, min(paused_until) AS until,
                bool_and(breaker <> 'closed') AS down
         FROM upstream_host
         WHERE host IN (SELECT u.host FROM upstream u WHERE u.id = r.upstream_id OR u.preference IS NOT NULL)) h
WHERE rp.path_id = $1 AND r.state IN ('resolving', 'walking')
ORDER BY r.paused_at IS NULL DESC, r.priority DESC, r.id LIMIT 1

-- name: WhyHold
-- What holds up NAR $1.
SELECT CASE WHEN m.paused_at IS NOT NULL THEN 'everything' WHEN h.paused_at IS NOT NULL THEN 'its upstream'
            WHEN l.paused_at IS NOT NULL THEN 'its release' END AS paused,
       CASE WHEN m.paused_at IS NOT NULL THEN m.pause_reason WHEN h.paused_at IS NOT NULL THEN h.pause_reason
            WHEN l.paused_at IS NOT NULL THEN l.pause_reason END AS pause_reason,
       CASE WHEN h.paused_until > clock_timestamp() THEN (extract(epoch FROM h.paused_until) * 1000)::bigint END
           AS held_back_until_ms,
       h.breaker <> 'closed' AS breaker_open
FROM nar n CROSS JOIN mirror m JOIN upstream u ON u.id = n.upstream_id JOIN upstream_host h ON h.host = u.host
     LEFT JOIN release l ON l.id = n.lane
WHERE n.id = $1

-- name: WhyMirrors
-- Workers that call, silent for at most $1 ms, and those of them that are given work.
SELECT count(*) AS mirrors,
       count(*) FILTER (WHERE paused_at IS NULL AND drain_at IS NULL AND NOT draining AND NOT disk_full) AS at_work
FROM worker
WHERE forgotten_at IS NULL AND 'mirror' = ANY(roles)
      AND last_seen > clock_timestamp() - $1::bigint * interval '1 millisecond'

-- name: WhyWaitingFor
SELECT r.hash || '-' || r.name AS name, count(*) OVER () AS total FROM path_reference e JOIN path r ON r.id = e.reference
WHERE e.referrer = $1 AND r.state <> 'published' ORDER BY r.hash LIMIT 20

-- name: WhyReleases
SELECT r.id, r.channel, r.name, r.state, rp.is_root, r.paused_at IS NOT NULL AS paused, r.message,
       count(*) OVER () AS total
FROM release_path rp JOIN release r ON r.id = rp.release_id
WHERE rp.path_id = $1 ORDER BY r.id DESC LIMIT 20

-- name: WhyHistory
SELECT (extract(epoch FROM at) * 1000)::bigint AS at_ms, what
FROM (SELECT * FROM event WHERE path_id = $1 UNION ALL SELECT * FROM event WHERE nar_id = $2
      ORDER BY id DESC LIMIT 200) e
ORDER BY id
