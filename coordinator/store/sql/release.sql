-- Submitting and looking at releases (pg_release_store).

-- name: FindOrAddUpstream
WITH added AS (INSERT INTO upstream (url) VALUES ($1) ON CONFLICT DO NOTHING RETURNING id)
SELECT id FROM added UNION ALL SELECT id FROM upstream WHERE url = $1 LIMIT 1

-- name: FindOpenRelease
-- The same submission, still at work, whatever upstreams were configured when it was made.
SELECT id, state, plan_only, force FROM release
WHERE channel = $1 AND NOT is_list AND match = $2::text[] AND exclude = $3::text[]
      AND state IN ('resolving', 'walking', 'planned', 'mirroring')
ORDER BY id DESC LIMIT 1 FOR UPDATE

-- name: InsertRelease
INSERT INTO release (channel, name, upstream_id, match, exclude, plan_only, force, max_missing, priority, is_list)
VALUES ($1, '', $2, $3::text[], $4::text[], $5, $6, $7, $8, $9)
RETURNING id

-- name: LiftPlan
-- What was only to be planned is wanted now: the planner decides again.
UPDATE release
SET plan_only = plan_only AND $2, force = force OR $3, max_missing = $4, priority = greatest(priority, $5),
    state = CASE WHEN state = 'planned' AND NOT $2 THEN 'walking' ELSE state END,
    plan_phase = CASE WHEN state = 'planned' AND NOT $2 THEN least(plan_phase, 4) ELSE plan_phase END
WHERE id = $1

-- name: FindList
-- From the same folder, or from the upstreams, whichever were configured.
SELECT r.id FROM release r JOIN upstream u ON u.id = r.upstream_id, upstream submitted
WHERE r.channel = $1 AND r.name = $2 AND r.is_list AND submitted.id = $3 AND r.id <> $4
      AND (u.id = submitted.id OR (u.host <> '' AND submitted.host <> ''))
      AND r.state IN ('walking', 'planned', 'mirroring')
ORDER BY r.id DESC LIMIT 1 FOR UPDATE OF r

-- name: NameList
UPDATE release SET name = $2, state = 'walking' WHERE id = $1 AND state = 'resolving'

-- name: DropRelease
DELETE FROM release WHERE id = $1

-- name: DropAbandonedLists
-- Lists whose submitter went away before the end.
DELETE FROM release
WHERE id IN (SELECT id FROM release
             WHERE is_list AND state = 'resolving' AND submitted_at < now() - interval '1 hour' LIMIT 10)

-- name: GetReleases
-- $1: one release, 0: the newest, -1: $2 that are not retired: those at work, then the newest.
WITH chosen AS (
    SELECT * FROM release WHERE ($1 <= 0 OR id = $1) AND ($1 >= 0 OR state::text <> 'retired')
    ORDER BY $1 < 0 AND state IN ('resolving', 'walking', 'mirroring') DESC, id DESC LIMIT CASE WHEN $1 < 0 THEN $2::bigint ELSE 1 END
)
SELECT r.id, r.channel, r.name, r.revision, r.state, r.message, r.is_latest, r.pinned, r.bytes_reused, r.priority,
       r.paused_at IS NOT NULL AS paused, r.pause_reason,
       (extract(epoch FROM r.submitted_at) * 1000)::bigint AS submitted_at_ms,
       coalesce((extract(epoch FROM r.settled_at) * 1000)::bigint, 0) AS settled_at_ms,
       r.plan_paths, r.plan_nars_to_fetch, r.plan_bytes_to_fetch, r.plan_nar_bytes, r.plan_disk_free_bytes,
       r.plan_disk_needed_bytes, r.plan_seconds, r.plan_missing, r.plan_fits,
       c.total, c.published, c.missing, c.set_aside, c.blocked, c.left_out, c.narinfos, c.nars, c.nars_stored, c.bytes,
       c.bytes_stored, c.drift,
       (SELECT count(*) FROM release_file f WHERE f.release_id = r.id) AS files,
       (SELECT count(*) FROM release_file f, mirror m
        WHERE f.release_id = r.id AND f.batch <= m.published_batch) AS files_published
FROM chosen r
     CROSS JOIN LATERAL (
         SELECT coalesce(sum(d.total), 0) AS total, coalesce(sum(d.published), 0) AS published,
                coalesce(sum(d.missing), 0) AS missing, coalesce(sum(d.set_aside), 0) AS set_aside,
                coalesce(sum(d.blocked), 0) AS blocked, coalesce(sum(d.left_out), 0) AS left_out,
                coalesce(sum(d.narinfos), 0) AS narinfos,
                coalesce(sum(d.nars), 0) AS nars, coalesce(sum(d.nars_stored), 0) AS nars_stored,
                coalesce(sum(d.bytes), 0) AS bytes, coalesce(sum(d.bytes_stored), 0) AS bytes_stored,
                coalesce(sum(d.drift), 0) AS drift
         FROM release_delta d WHERE d.release_id = r.id) c
ORDER BY r.id DESC

-- name: NewestRelease
SELECT coalesce(max(id), 0) FROM release

-- name: MirrorStatus
SELECT index_key, db_length, published_batch, acknowledged_db_length, paused_at IS NOT NULL AS paused, pause_reason,
       (SELECT coalesce(max(b.batch), 0) FROM publish_batch b
        WHERE b.db_length <= m.acknowledged_db_length AND b.content_length <= m.acknowledged_content_length)
           AS acknowledged_batch,
       (SELECT coalesce(sum(amount), 0) FROM state_count WHERE NOT is_nar AND state = 'published') AS paths_published
FROM mirror m

-- name: WorkerStatus
SELECT w.id, w.name, w.roles, w.last_seen > clock_timestamp() - $1::bigint * interval '1 millisecond' AS alive,
       (extract(epoch FROM w.last_seen) * 1000)::bigint AS last_seen_ms, w.disk_free_bytes,
       (SELECT count(*) FROM job WHERE job.worker_id = w.id) AS jobs,
       w.paused_at IS NOT NULL AS paused, w.pause_reason, w.draining OR w.drain_at IS NOT NULL AS draining, w.version,
       w.forgotten_at IS NOT NULL AS forgotten, w.disk_full, s.shards, s.lost, s.bytes AS bytes_stored,
       c.copies, c.copies_whole, c.bytes AS copy_bytes, w.failure_domain, w.peer_address
FROM worker w CROSS JOIN LATERAL (
         SELECT count(*) AS copies, count(*) FILTER (WHERE is_whole(shard_copy, shard)) AS copies_whole,
                coalesce(sum(shard_copy.bytes), 0)::bigint AS bytes
         FROM shard_copy JOIN shard ON shard.id = shard_copy.shard_id WHERE shard_copy.worker_id = w.id) c
     CROSS JOIN LATERAL (
         SELECT count(*) AS shards, count(*) FILTER (WHERE lost_at IS NOT NULL) AS lost,
                coalesce(sum(content_byte_length) FILTER (WHERE lost_at IS NULL), 0)::bigint AS bytes
         FROM shard WHERE shard.worker_id = w.id AND db_length > 0) s ORDER BY w.name, w.id LIMIT $2

-- name: ShardStatus
SELECT s.key, w.name, s.sealed, s.content_byte_length AS bytes, coalesce(d.nars, 0) AS nars, s.lost_at IS NOT NULL AS lost,
       (SELECT count(*) FROM shard_copy c WHERE c.shard_id = s.id) AS copies,
       (SELECT count(*) FROM shard_copy c WHERE c.shard_id = s.id AND is_whole(c, s)) AS copies_whole,
       b.key IS NOT NULL AS scrubbed, coalesce(b.asked > b.answered, false) AS waits, coalesce(b.running, false) AS running,
       coalesce(b.blocks, 0) AS scrub_blocks, coalesce(b.nars, 0) AS scrub_nars, coalesce(b.bytes, 0) AS scrub_bytes,
       coalesce(b.bytes_total, 0) AS scrub_bytes_total, coalesce(b.damaged, 0) AS damaged,
       coalesce(b.repaired, 0) AS repaired, coalesce(b.given_up, 0) AS given_up,
       coalesce((extract(epoch FROM b.whole_at) * 1000)::bigint, 0) AS scrubbed_at_ms
FROM shard s JOIN worker w ON w.id = s.worker_id
     LEFT JOIN (SELECT shard_id, sum(nars)::bigint AS nars FROM stored_delta GROUP BY shard_id) d ON d.shard_id = s.id
     LEFT JOIN scrub b ON b.worker_id = w.id AND b.key = s.key
ORDER BY s.id LIMIT $1

-- name: FailuresPage
-- Of release $1, above the path $2, in the order of hashes; at most $3.
SELECT p.hash, p.name, p.attempts, p.message, (extract(epoch FROM p.changed_at) * 1000)::bigint AS since_ms,
       CASE WHEN p.state = 'published' THEN 'lost' WHEN p.blocked_by IS NULL THEN p.state::text ELSE 'blocked'
       END AS state,
       CASE WHEN p.state = 'published' THEN (SELECT n.reason FROM nar n WHERE n.id = p.nar_id)
            WHEN p.blocked_by IS NULL THEN p.reason ELSE 'blocked' END AS reason,
       b.hash || '-' || b.name AS blocked_by, a.note AS accepted
FROM release_path rp JOIN path p ON p.id = rp.path_id LEFT JOIN path b ON b.id = p.blocked_by
     LEFT JOIN accepted_failure a ON a.path_id = p.id
WHERE rp.release_id = $1 AND p.hash > $2
      AND (p.state IN ('missing', 'set_aside') OR p.blocked_by IS NOT NULL
           OR (p.state = 'published' AND p.nar_id IN (SELECT n.id FROM nar n
                                                      WHERE n.lost_shard_id IS NOT NULL
                                                            AND n.state IN ('missing', 'set_aside'))))
ORDER BY p.hash LIMIT $3::bigint
