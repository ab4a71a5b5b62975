-- What is asked for all the time, by metrics and by the status page (pg_overview_store): counters, small tables and the
-- beginnings of indexes; never a scan of path or nar, whatever the mirror's size.

-- name: OverviewMirror
SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms, m.index_key, m.db_length, m.published_batch,
       m.acknowledged_db_length, m.paused_at IS NOT NULL AS paused, m.pause_reason,
       (SELECT coalesce(max(batch), 0) FROM publish_batch) - m.published_batch AS batches_pending,
       (SELECT (extract(epoch FROM b.planned_at) * 1000)::bigint FROM publish_batch b
        WHERE b.batch = m.published_batch + 1) AS batch_planned_at_ms,
       (SELECT holder IS NOT NULL AND expires_at > clock_timestamp() FROM leader) AS has_leader,
       (SELECT array_agg(version) FROM schema_version) AS schema_versions
FROM mirror m

-- name: OverviewStates
SELECT is_nar, state, sum(amount)::bigint AS amount FROM state_count GROUP BY is_nar, state

-- name: FoldStates
-- When there are twice as many rows as states.
WITH folded AS (DELETE FROM state_count WHERE (SELECT count(*) > 24 FROM state_count) RETURNING is_nar, state, amount)
INSERT INTO state_count (is_nar, state, amount)
SELECT is_nar, state, sum(amount) FROM folded GROUP BY is_nar, state HAVING sum(amount) <> 0

-- name: OverviewQueue
-- The oldest of the $1 NARs that are next in each lane; of paths, the first $2 that could be published now.
SELECT l.leases, l.oldest_lease_at_ms, r.ready, r.oldest_ready_at_ms,
       (SELECT (extract(epoch FROM min(n.changed_at)) * 1000)::bigint
        FROM (SELECT id FROM release WHERE state IN ('resolving', 'walking', 'mirroring')
              ORDER BY priority DESC, id LIMIT 100) o
             CROSS JOIN LATERAL (SELECT changed_at FROM nar
                                 WHERE lane = o.id AND nar.state = 'wanted' AND needed
                                 ORDER BY lane, upstream_id, depth, weight DESC, id LIMIT $1::bigint) n)
           AS oldest_wanted_at_ms
FROM (SELECT count(*) AS leases, (extract(epoch FROM min(leased_at)) * 1000)::bigint AS oldest_lease_at_ms FROM job) l,
     (SELECT count(*) AS ready, (extract(epoch FROM min(changed_at)) * 1000)::bigint AS oldest_ready_at_ms
      FROM (SELECT changed_at FROM path
            WHERE state = 'stored' AND needed AND watched AND waits_for IS NULL AND blocked_by IS NULL
            ORDER BY depth, id LIMIT $2::bigint) first_ones) r

-- name: OverviewLosses
-- Of the first $1 NARs of lost shards that are not linked elsewhere yet.
SELECT count(*) FILTER (WHERE is_gone) AS gone, count(*) FILTER (WHERE NOT is_gone) AS coming
FROM (SELECT state IN ('missing', 'set_aside') AS is_gone FROM nar
      WHERE lost_shard_id IS NOT NULL ORDER BY lost_shard_id, id LIMIT $1::bigint) first_ones

-- name: OverviewReleaseStates
SELECT state::text AS state, count(*) AS amount FROM release GROUP BY state

-- name: OverviewChannels
-- Those that are followed first, then those with the newest submissions; late: it points to what is not latest here.
WITH newest AS (
    SELECT channel, max(id) AS id FROM release
    WHERE NOT plan_only AND state::text NOT IN ('retiring', 'retired', 'cancelled') GROUP BY channel
)
SELECT coalesce(c.name, n.channel) AS name, coalesce(c.followed, false) AS followed, n.id AS newest_id,
       coalesce(c.seen_name, '') AS seen, coalesce(c.error, '') AS error,
       (extract(epoch FROM c.seen_at) * 1000)::bigint AS seen_at_ms,
       (extract(epoch FROM c.polled_at) * 1000)::bigint AS polled_at_ms,
       CASE WHEN c.followed AND c.seen_name <> '' AND c.seen_name IS DISTINCT FROM l.name
            THEN (extract(epoch FROM c.seen_at) * 1000)::bigint END AS late_since_ms,
       coalesce(l.name, '') AS latest, (extract(epoch FROM l.settled_at) * 1000)::bigint AS latest_settled_at_ms
FROM channel c FULL JOIN newest n ON n.channel = c.name
     LEFT JOIN release l ON l.channel = coalesce(c.name, n.channel) AND l.is_latest
WHERE coalesce(c.followed, false) OR n.id IS NOT NULL
ORDER BY coalesce(c.followed, false) DESC, n.id DESC NULLS LAST, 1 LIMIT $1

-- name: OverviewReleases
-- The newest $2 that are not retired, and those of $1.
WITH chosen AS (
    (SELECT * FROM release WHERE state::text <> 'retired' ORDER BY id DESC LIMIT $2::bigint)
    UNION
    SELECT * FROM release WHERE id = ANY($1::bigint[])
)
SELECT r.id, r.channel, r.name, r.state::text AS state, r.message, r.is_latest, r.plan_only,
       r.paused_at IS NOT NULL AS paused, r.pause_reason, (extract(epoch FROM r.submitted_at) * 1000)::bigint AS submitted_at_ms,
       (extract(epoch FROM r.settled_at) * 1000)::bigint AS settled_at_ms, c.*
FROM chosen r
     CROSS JOIN LATERAL (
         SELECT sum(d.total)::bigint AS total, sum(d.published)::bigint AS published, sum(d.missing)::bigint AS missing,
                sum(d.set_aside)::bigint AS set_aside, sum(d.blocked)::bigint AS blocked, sum(d.left_out)::bigint AS left_out,
                sum(d.narinfos)::bigint AS narinfos, sum(d.nars)::bigint AS nars,
                sum(d.nars_stored)::bigint AS nars_stored, sum(d.bytes)::bigint AS bytes,
                sum(d.bytes_stored)::bigint AS bytes_stored
         FROM release_delta d WHERE d.release_id = r.id) c
ORDER BY r.id DESC

-- name: OverviewWorkers
SELECT w.name, w.roles, w.last_seen > clock_timestamp() - $1::bigint * interval '1 millisecond' AS alive,
       (extract(epoch FROM w.last_seen) * 1000)::bigint AS last_seen_ms, w.disk_free_bytes, w.disk_full,
       (SELECT count(*) FROM job WHERE job.worker_id = w.id) AS jobs, w.paused_at IS NOT NULL AS paused,
       w.pause_reason, w.draining OR w.drain_at IS NOT NULL AS draining, w.version, s.*, c.*, b.*
FROM worker w
     CROSS JOIN LATERAL (
         SELECT count(*) AS shards, count(*) FILTER (WHERE lost_at IS NOT NULL) AS shards_lost,
                coalesce(sum(db_length), 0)::bigint AS shard_entries,
                coalesce(sum(content_byte_length) FILTER (WHERE lost_at IS NULL), 0)::bigint AS shard_bytes
         FROM shard WHERE shard.worker_id = w.id AND db_length > 0) s
     CROSS JOIN LATERAL (
         SELECT count(*) AS copies, count(*) FILTER (WHERE is_whole(shard_copy, shard)) AS copies_whole,
                coalesce(sum(shard_copy.bytes), 0)::bigint AS copy_bytes
         FROM shard_copy JOIN shard ON shard.id = shard_copy.shard_id WHERE shard_copy.worker_id = w.id) c
     CROSS JOIN LATERAL (
         SELECT (extract(epoch FROM min(whole_at)) * 1000)::bigint AS scrubbed_at_ms,
                coalesce(sum(damaged), 0)::bigint AS scrub_damaged,
                coalesce(sum(given_up), 0)::bigint AS scrub_given_up
         FROM scrub WHERE scrub.worker_id = w.id) b
WHERE w.forgotten_at IS NULL
ORDER BY alive DESC, w.name, w.id LIMIT $2

-- name: OverviewHosts
SELECT host, paused_at IS NOT NULL AS paused, pause_reason, breaker, failures_in_a_row,
       CASE WHEN paused_until > clock_timestamp() THEN (extract(epoch FROM paused_until) * 1000)::bigint
       END AS held_back_until_ms
FROM upstream_host WHERE host <> '' ORDER BY breaker = 'open' DESC, paused_at IS NOT NULL DESC, host LIMIT $1

-- name: OverviewEvents
-- Of the last $1 events the newest $2 that are not the rule.
SELECT e.id, (extract(epoch FROM e.at) * 1000)::bigint AS at_ms, e.what,
       (SELECT p.hash || '-' || p.name FROM path p
        WHERE p.id = e.path_id OR (e.path_id IS NULL AND p.nar_id = e.nar_id) ORDER BY p.id LIMIT 1) AS path
FROM (SELECT * FROM event ORDER BY id DESC LIMIT $1::bigint) e
WHERE e.what NOT LIKE 'its narinfo was put into publish batch%' AND e.what NOT LIKE 'its NAR was verified and recorded%'
ORDER BY e.id DESC LIMIT $2

-- name: FailuresOfRelease
-- Of release $1, above the hash $2, with hash or name beginning as $3; at most $4, in the order of hashes. What failed is
-- found by the indexes of failed paths: they are few, or the mirror is broken as a whole.
WITH failed AS MATERIALIZED (
    SELECT id FROM path WHERE state IN ('missing', 'set_aside')
    UNION
    SELECT id FROM path WHERE blocked_by IS NOT NULL
    UNION
    SELECT p.id FROM nar n JOIN path p ON p.nar_id = n.id
    WHERE n.lost_shard_id IS NOT NULL AND n.state IN ('missing', 'set_aside') AND p.state = 'published'
)
SELECT p.hash, p.name, p.attempts, (extract(epoch FROM p.changed_at) * 1000)::bigint AS since_ms,
       CASE WHEN p.state = 'published' THEN 'lost' WHEN p.blocked_by IS NULL THEN p.state::text ELSE 'blocked'
       END AS state,
       CASE WHEN p.state = 'published' THEN (SELECT n.reason FROM nar n WHERE n.id = p.nar_id)
            WHEN p.blocked_by IS NULL THEN p.reason ELSE 'blocked' END AS reason,
       coalesce(p.message, '') AS message, b.hash || '-' || b.name AS blocked_by, a.note AS accepted
FROM failed f JOIN path p ON p.id = f.id JOIN release_path rp ON rp.release_id = $1 AND rp.path_id = p.id
     LEFT JOIN path b ON b.id = p.blocked_by LEFT JOIN accepted_failure a ON a.path_id = p.id
WHERE p.hash > $2 AND (starts_with(p.hash || '-' || p.name, $3) OR starts_with(p.name, $3))
ORDER BY p.hash LIMIT $4::bigint

-- name: ReleaseExists
SELECT EXISTS (SELECT FROM release WHERE id = $1)
