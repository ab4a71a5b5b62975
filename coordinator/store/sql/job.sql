-- Leases (pg_job_table). Rows of nar are the queue; a row of job is one lease on some of them.

-- name: RenewJobs
UPDATE job
SET expires_at = clock_timestamp() + $2::bigint * interval '1 millisecond', bytes_done = r.bytes_done
FROM unnest($3::bigint[], $4::bigint[]) AS r(id, bytes_done)
WHERE job.id = r.id AND job.worker_id = $1

-- name: GiveUpJobs
-- Jobs that the worker does not list.
UPDATE nar SET state = 'wanted', job_id = NULL, changed_at = now()
FROM job
WHERE nar.job_id = job.id AND job.worker_id = $1 AND NOT job.id = ANY($2::bigint[])

-- name: EndJobs
-- Those, and the ones of which nothing is left to do.
DELETE FROM job
WHERE worker_id = $1
      AND (NOT id = ANY($2::bigint[]) OR NOT EXISTS (SELECT FROM nar WHERE nar.job_id = job.id))

-- name: FailedNars
-- Of the failures ($1 NARs, $2 their jobs) those that are still this worker's ($3) to report.
SELECT nar.id, nar.attempts, nar.upstream_id, nar.file, h.breaker <> 'closed' AS host_in_trouble
FROM unnest($1::bigint[], $2::bigint[]) AS f(nar_id, job_id)
     JOIN job ON job.id = f.job_id AND job.worker_id = $3
     JOIN nar ON nar.id = f.nar_id AND nar.job_id = f.job_id
     JOIN upstream u ON u.id = nar.upstream_id JOIN upstream_host h ON h.host = u.host
ORDER BY nar.id FOR UPDATE OF nar

-- name: SettleFailedNars
UPDATE nar
SET state = f.state::nar_state, job_id = NULL, attempts = f.attempts,
    not_before = clock_timestamp() + f.delay_ms * interval '1 millisecond', reason = f.reason,
    message = f.message, changed_at = now()
FROM unnest($1::bigint[], $2::text[], $3::int[], $4::bigint[], $5::text[], $6::text[])
     AS f(id, state, attempts, delay_ms, reason, message)
WHERE nar.id = f.id

-- name: RecordNarEvents
INSERT INTO event (nar_id, what) SELECT * FROM unnest($1::bigint[], $2::text[])

-- name: PauseUpstream
UPDATE upstream_host
SET paused_until = greatest(paused_until, clock_timestamp() + $2::bigint * interval '1 millisecond')
WHERE host = (SELECT host FROM upstream WHERE id = $1)

-- name: LanesWithWork
-- Lanes, and the upstreams of each, from which a NAR of at most $1 bytes can be leased now; at most $2. By priority;
-- at equal priority the lane for which the least is leased at this moment comes first, so each gets its share
-- however long it is. (What is leased for the only lane is not summed up.)
WITH pair AS MATERIALIZED (
    SELECT r.id AS lane, u.id AS upstream_id, r.priority
    FROM release r CROSS JOIN upstream u JOIN upstream_host h ON h.host = u.host CROSS JOIN mirror m
    WHERE r.state IN ('walking', 'mirroring', 'settled') AND r.paused_at IS NULL AND m.paused_at IS NULL
          AND h.paused_at IS NULL AND h.paused_until <= clock_timestamp() AND h.breaker = 'closed'
), open AS (
    SELECT lane, upstream_id, priority
    FROM pair
    WHERE EXISTS (SELECT FROM nar n
                  WHERE n.lane = pair.lane AND n.upstream_id = pair.upstream_id AND n.state = 'wanted' AND n.needed
                        AND n.not_before <= now() AND n.weight <= $1::bigint
                  OFFSET 0)
)
SELECT lane, upstream_id
FROM open
ORDER BY priority DESC,
         CASE WHEN (SELECT count(*) FROM open) > 1
              THEN (SELECT coalesce(sum(j.bytes), 0) FROM job j WHERE j.lane = open.lane) END, lane, upstream_id
LIMIT $2::bigint

-- name: LeaseJob
-- $1 worker, $2 lease ms, $3 bytes a job, $4 NARs a job, $5 narinfo bytes a job, $6 the largest NAR that fits,
-- $7 lane, $8 upstream. References before referrers, large before small at equal depth; the first always, so a
-- large one goes alone. The lane is locked: whoever pauses or cancels it comes before this lease or sees it.
WITH served AS (
    SELECT id FROM release
    WHERE id = $7 AND state IN ('walking', 'mirroring', 'settled') AND paused_at IS NULL FOR SHARE
), candidate AS (
    SELECT nar.id, nar.weight, nar.depth, nar.leases, nar.narinfo_id
    FROM nar
    WHERE nar.state = 'wanted' AND nar.needed AND nar.lane = (SELECT id FROM served) AND nar.upstream_id = $8
          AND nar.not_before <= now() AND nar.weight <= $6::bigint
    ORDER BY nar.depth, nar.weight DESC, nar.id
    LIMIT $4::bigint
    FOR UPDATE OF nar SKIP LOCKED
), sized AS (
    SELECT c.id, c.weight, c.leases, row_number() OVER w AS place, sum(c.weight) OVER w AS bytes,
           sum(octet_length(narinfo.content)) OVER w AS narinfo_bytes
    FROM candidate c JOIN narinfo ON narinfo.id = c.narinfo_id
    WINDOW w AS (ORDER BY c.depth, c.weight DESC, c.id ROWS UNBOUNDED PRECEDING)
), chosen AS (
    SELECT id, weight, leases, narinfo_bytes FROM sized WHERE place = 1 OR (bytes <= $3::bigint AND narinfo_bytes <= $5::bigint)
), lease AS (
    INSERT INTO job (worker_id, attempt, expires_at, bytes, lane)
    SELECT $1::text, max(leases) + 1, clock_timestamp() + $2::bigint * interval '1 millisecond', sum(weight), $7
    FROM chosen HAVING count(*) > 0
    RETURNING id, bytes
), leased AS (
    UPDATE nar SET state = 'leased', job_id = lease.id, leases = nar.leases + 1, changed_at = now()
    FROM chosen, lease WHERE nar.id = chosen.id
)
SELECT id, bytes, (SELECT count(*) FROM chosen) AS nars, (SELECT max(narinfo_bytes) FROM chosen) AS narinfo_bytes
FROM lease

-- name: WorkerLoad
SELECT count(DISTINCT job.id) AS jobs, coalesce(sum(octet_length(narinfo.content)), 0) AS narinfo_bytes
FROM job LEFT JOIN nar ON nar.job_id = job.id LEFT JOIN narinfo ON narinfo.id = nar.narinfo_id
WHERE job.worker_id = $1

-- name: JobsOfWorker
-- In the order in which they should be done.
SELECT job.id AS job_id, job.attempt, nar.id AS nar_id, upstream.url || '/' || nar.url AS url, nar.file,
       nar.compression, nar.nar_hash, nar.nar_size, nar.file_hash, nar.file_size, narinfo.content, lost.key AS lost_key,
       nar.blob_byte_offset, nar.blob_block_offset, nar.blob_block_length,
       (SELECT '/nix/store/' || p.hash || '-' || p.name FROM path p WHERE p.nar_id = nar.id
        ORDER BY p.narinfo_id = nar.narinfo_id DESC, p.id LIMIT 1) AS store_path
FROM job JOIN nar ON nar.job_id = job.id JOIN upstream ON upstream.id = nar.upstream_id
     JOIN narinfo ON narinfo.id = nar.narinfo_id
     LEFT JOIN shard lost ON lost.id = nar.lost_shard_id AND nar.blob_byte_offset IS NOT NULL
WHERE job.worker_id = $1
ORDER BY job.id, nar.depth, nar.weight DESC, nar.id

-- name: NextPublish
-- The batch to append after batch $1, if there is one, and which planning of it that is.
SELECT (extract(epoch FROM planned_at) * 1000000)::bigint AS plan FROM publish_batch WHERE batch = $1 + 1

-- name: IndexKey
SELECT index_key FROM mirror

-- name: AnyOpenRelease
SELECT EXISTS (SELECT FROM release WHERE state IN ('resolving', 'walking', 'mirroring'))
       OR EXISTS (SELECT FROM nar WHERE state = 'wanted' AND needed)

-- name: ReapGap
-- Milliseconds since leases were last looked after; marks this moment.
UPDATE leader
SET reaped_at = clock_timestamp()
FROM (SELECT reaped_at AS before FROM leader) l
RETURNING CASE WHEN l.before = '-infinity' THEN 0
               ELSE (extract(epoch FROM clock_timestamp() - l.before) * 1000)::bigint END AS gap_ms

-- name: ExtendLeases
UPDATE job SET expires_at = expires_at + $1::bigint * interval '1 millisecond'

-- name: ExpireLeases
-- NARs of leases that ran out are wanted again; at most $1 leases.
WITH expired AS (
    SELECT job.id, worker.name FROM job JOIN worker ON worker.id = job.worker_id
    WHERE job.expires_at < clock_timestamp()
    ORDER BY job.expires_at LIMIT $1 FOR UPDATE OF job SKIP LOCKED
), freed AS (
    UPDATE nar SET state = 'wanted', job_id = NULL, changed_at = now()
    FROM expired WHERE nar.job_id = expired.id
    RETURNING nar.id, expired.name
), told AS (
    INSERT INTO event (nar_id, what) SELECT id, 'the lease of worker ' || name || ' ran out' FROM freed
)
SELECT id FROM expired

-- name: DeleteJobs
DELETE FROM job WHERE id = ANY($1::bigint[])
