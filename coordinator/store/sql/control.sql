-- What operators do to work (pg_control_store), and the lanes that follow from it (pg_lane_store).

-- name: LockEverything
SELECT paused_at IS NOT NULL AS paused FROM mirror FOR UPDATE

-- name: PauseEverything
-- $1: why; NULL resumes.
UPDATE mirror SET pause_reason = $1, paused_at = CASE WHEN $1::text IS NOT NULL THEN coalesce(paused_at, now()) END

-- name: LockReleaseForControl
SELECT id, channel, name, state, paused_at IS NOT NULL AS paused, settle_batch IS NOT NULL AS settling,
       state = 'walking' AND walked_at IS NOT NULL AS planning
FROM release WHERE id = $1 FOR UPDATE

-- name: PauseReleaseRow
UPDATE release
SET pause_reason = $2, paused_at = CASE WHEN $2::text IS NOT NULL THEN coalesce(paused_at, now()) END
WHERE id = $1

-- name: LockHost
SELECT paused_at IS NOT NULL AS paused FROM upstream_host WHERE host = $1 FOR UPDATE

-- name: HostNames
SELECT host FROM upstream_host WHERE host <> '' ORDER BY host LIMIT 20

-- name: PauseHostRow
UPDATE upstream_host
SET pause_reason = $2, paused_at = CASE WHEN $2::text IS NOT NULL THEN coalesce(paused_at, now()) END
WHERE host = $1

-- name: LockWorkersNamed
-- By id or name; one that was forgotten only by its id. Alive: called within the last $2 ms.
SELECT id, name, paused_at IS NOT NULL AS paused,
       last_seen > clock_timestamp() - $2::bigint * interval '1 millisecond' AS alive
FROM worker WHERE id = $1 OR (name = $1 AND forgotten_at IS NULL) ORDER BY id LIMIT 20 FOR UPDATE

-- name: PauseWorkerRow
UPDATE worker
SET pause_reason = $2, paused_at = CASE WHEN $2::text IS NOT NULL THEN coalesce(paused_at, now()) END
WHERE id = $1

-- name: DrainWorkerRow
UPDATE worker SET drain_at = CASE WHEN $2::boolean THEN coalesce(drain_at, now()) END WHERE id = $1

-- name: WorkerStanding
-- Whether the worker may be given work; locked, so that a pause or a drain comes before it or sees it.
SELECT paused_at IS NOT NULL AS paused, drain_at IS NOT NULL AS drain FROM worker WHERE id = $1 FOR SHARE

-- name: LoneShards
-- Shards that worker $1 wrote, or has a copy of that their writer lost, with a NAR that counts and lies in no shard
-- and no copy of another worker that stays; whether somebody is to hold a copy of it. At most $2.
SELECT s.key, EXISTS (SELECT FROM shard_copy c JOIN staying_worker w ON w.id = c.worker_id
                      WHERE c.shard_id = s.id AND w.id <> $1) AS assigned
FROM shard s CROSS JOIN LATERAL (
         SELECT coalesce(max(c.content_length), 0) AS copied
         FROM shard_copy c JOIN staying_worker w ON w.id = c.worker_id
         WHERE c.shard_id = s.id AND w.id <> $1) elsewhere
WHERE ((s.worker_id = $1 AND s.lost_at IS NULL)
       OR (s.lost_at IS NOT NULL AND EXISTS (SELECT FROM shard_copy c
                                             WHERE c.shard_id = s.id AND c.worker_id = $1 AND c.db_length > 0)))
      AND EXISTS (SELECT FROM nar n
                  WHERE n.shard_id = s.id AND n.blob_block_offset + n.blob_block_length > elsewhere.copied
                        AND NOT EXISTS (SELECT FROM extra_copy x JOIN shard o ON o.id = x.shard_id
                                        WHERE x.file = n.file AND x.nar_hash = n.nar_hash AND o.worker_id <> $1))
ORDER BY s.id LIMIT $2::bigint

-- name: WritesIndex
SELECT coalesce(index_worker_id = $1, false) FROM mirror

-- name: SetReleasePriority
UPDATE release SET priority = $2 WHERE id = $1

-- name: CancelReleaseRow
UPDATE release SET state = 'cancelled', message = $2, paused_at = NULL, pause_reason = NULL WHERE id = $1

-- name: FreeLane
-- The leases for lane $1, whose NARs are wanted again; they are ended by DeleteJobs.
WITH ended AS (
    SELECT id FROM job WHERE lane = $1 ORDER BY id FOR UPDATE
), freed AS (
    UPDATE nar SET state = 'wanted', job_id = NULL, changed_at = now() FROM ended WHERE nar.job_id = ended.id
)
SELECT id FROM ended

-- name: SelectFailures
-- Failed paths of release $1, with reason $2 ('': any), of the hashes $3 (none: all that nobody accepted, when $4).
SELECT p.id, p.hash
FROM release_path rp JOIN path p ON p.id = rp.path_id
WHERE rp.release_id = $1 AND p.state IN ('missing', 'set_aside') AND ($2 = '' OR p.reason = $2)
      AND CASE WHEN cardinality($3::text[]) > 0 THEN p.hash = ANY($3::text[])
               ELSE NOT $4::boolean OR NOT EXISTS (SELECT FROM accepted_failure a WHERE a.path_id = p.id) END
ORDER BY p.id

-- name: WalkAgain
-- Puts the paths $2 into the frontier, whatever was tried before.
INSERT INTO release_frontier (release_id, path_id) SELECT $1, unnest($2::bigint[])
ON CONFLICT (release_id, path_id) DO UPDATE
SET attempts = 0, not_before = '-infinity', ruled_out = '{}', reason = NULL, message = NULL

-- name: ReopenRelease
-- The release is walked and planned once more for the sake of its frontier, and settles with a new manifest.
UPDATE release
SET state = 'walking', walked_at = NULL, plan_phase = 0, settled_at = NULL, settle_batch = NULL,
    settle_changes = NULL, not_before = '-infinity', force = force OR state IN ('mirroring', 'settled'), message = ''
WHERE id = $1

-- name: AcceptFailures
INSERT INTO accepted_failure (path_id, note) SELECT unnest($1::bigint[]), $2
ON CONFLICT (path_id) DO UPDATE SET note = excluded.note, at = now()

-- name: AcceptNoLonger
DELETE FROM accepted_failure WHERE path_id = ANY($1::bigint[])

-- name: RecordPathEvents
INSERT INTO event (path_id, what) SELECT unnest($1::bigint[]), $2

-- name: CountAcceptance
-- Manifests of the releases that contain the paths have something new to say.
INSERT INTO release_delta (release_id, changes)
SELECT release_id, count(*) FROM release_path WHERE path_id = ANY($1::bigint[]) GROUP BY release_id

-- name: NextReleaseToRelane
-- What was only planned was never armed.
SELECT id, lane_changes, state IN ('walking', 'mirroring', 'settled') AS at_work, state = 'planned' AS unarmed
FROM release WHERE lane_changes <> lanes_done ORDER BY priority DESC, id LIMIT 1

-- name: RelaneNars
-- One that is not at work any more ($4: it is) leaves its own lane alone: in the others its NARs are where they were.
WITH chunk AS (
    SELECT nar_id FROM release_nar WHERE release_id = $1 AND nar_id > $2 ORDER BY nar_id LIMIT $3::bigint
), placed AS (
    SELECT n.id, lane_of(n.id) AS lane FROM chunk JOIN nar n ON n.id = chunk.nar_id WHERE n.state IN ('wanted', 'leased') AND ($4::boolean OR n.lane = $1)
), moved AS (
    UPDATE nar SET lane = placed.lane FROM placed WHERE nar.id = placed.id AND nar.lane IS DISTINCT FROM placed.lane
)
SELECT max(nar_id) FROM chunk

-- name: DisarmPaths
-- Of a release that is not at work any more: what no other one needs is needed no longer.
WITH chunk AS (
    SELECT path_id FROM release_path WHERE release_id = $1 AND path_id > $2 ORDER BY path_id LIMIT $3::bigint
), disarmed AS (
    UPDATE path p SET needed = false
    FROM chunk
    WHERE p.id = chunk.path_id AND p.needed AND p.state <> 'published'
          AND NOT EXISTS (SELECT FROM release_path rp JOIN release r ON r.id = rp.release_id
                          WHERE rp.path_id = p.id AND r.state IN ('walking', 'mirroring', 'settled'))
)
SELECT max(path_id) FROM chunk

-- name: FinishRelane
UPDATE release SET lanes_done = $2 WHERE id = $1

-- name: HostStatus
SELECT h.host, h.paused_at IS NOT NULL AS paused, h.pause_reason,
       greatest(0, coalesce((extract(epoch FROM nullif(h.paused_until, '-infinity') - clock_timestamp()) * 1000)::bigint, 0))
           AS held_back_ms,
       CASE WHEN h.breaker = 'closed' THEN 'closed' WHEN h.breaker_until > clock_timestamp() THEN 'open'
            ELSE 'half_open' END AS breaker,
       h.failures_in_a_row, h.bytes_per_second, h.requests_per_second, h.transfers_max,
       (SELECT coalesce(sum(s.window_now), 0) FROM host_share s
        WHERE s.host = h.host AND s.expires_at > clock_timestamp()) AS window_now
FROM upstream_host h WHERE h.host <> '' ORDER BY h.host LIMIT $1::bigint

-- name: UpstreamCaches
-- All but folders; the configured ones in their order, then the others.
SELECT u.host, u.url, coalesce(u.preference, 0) AS preference, u.public_keys, coalesce(n.stored, 0) AS nars_stored
FROM upstream u
     LEFT JOIN (SELECT upstream_id, sum(nars)::bigint AS stored FROM stored_delta GROUP BY upstream_id) n
          ON n.upstream_id = u.id
WHERE u.host <> '' ORDER BY u.preference NULLS LAST, u.id LIMIT $1::bigint
