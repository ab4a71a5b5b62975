-- From a finished walk to work (pg_plan_store). Chunks are taken in the order of path ids; every step may be
-- done again from its beginning. OFFSET 0 has references looked up one by one, whatever PostgreSQL believes of tables
-- that a walk has just filled.

-- name: NextReleaseToPlan
SELECT r.id, r.plan_phase, r.state FROM release r
WHERE (r.state = 'walking' AND r.walked_at IS NOT NULL) OR (r.state = 'mirroring' AND r.plan_phase < $1)
ORDER BY r.priority DESC, r.id LIMIT 1

-- name: SetPlanPhase
UPDATE release SET plan_phase = $2 WHERE id = $1

-- name: ClearPlanWork
WITH ready AS (DELETE FROM plan_ready) DELETE FROM plan_work

-- name: AddPlanWork
-- Paths without a depth above path $2, with how many of their references have none. Here and below those that were planned
-- for another release are passed over.
WITH chunk AS (
    SELECT rp.path_id FROM release_path rp WHERE rp.release_id = $1 AND rp.path_id > $2 AND NOT rp.planned
    ORDER BY rp.path_id LIMIT $3::bigint
), added AS (
    INSERT INTO plan_work (path_id, pending)
    SELECT c.path_id, (SELECT count(*)
                       FROM path_reference e
                            CROSS JOIN LATERAL (SELECT r.depth FROM path r WHERE r.id = e.reference OFFSET 0) r
                       WHERE e.referrer = c.path_id AND r.depth IS NULL)
    FROM chunk c CROSS JOIN LATERAL (SELECT p.depth FROM path p WHERE p.id = c.path_id OFFSET 0) p
    WHERE p.depth IS NULL
    ON CONFLICT DO NOTHING
    RETURNING path_id, pending
), ready AS (
    INSERT INTO plan_ready (path_id) SELECT path_id FROM added WHERE pending <= 0
)
SELECT max(path_id) FROM chunk

-- name: LevelPaths
-- Gives a depth to paths all of whose references have one, and to those with a narinfo what they wait for: the deepest
-- reference that is not published. The number of paths.
WITH taken AS MATERIALIZED (
    DELETE FROM plan_ready
    WHERE path_id IN (SELECT path_id FROM plan_ready ORDER BY path_id LIMIT $1::bigint) RETURNING path_id
), done AS (
    DELETE FROM plan_work w
    USING taken CROSS JOIN LATERAL (SELECT r.ctid FROM plan_work r WHERE r.path_id = taken.path_id OFFSET 0) r
    WHERE w.ctid = r.ctid
), leveled AS (
    UPDATE path p
    SET depth = coalesce(below.depth + 1, 0), watched = p.watched OR p.narinfo_id IS NOT NULL,
        waits_for = CASE WHEN NOT p.watched AND p.narinfo_id IS NOT NULL THEN below.waits_for ELSE p.waits_for END
    FROM taken
         CROSS JOIN LATERAL (
             SELECT max(r.depth) AS depth,
                    (array_agg(r.id ORDER BY r.depth DESC NULLS LAST) FILTER (WHERE r.state <> 'published'))[1]
                        AS waits_for
             FROM path_reference e
                  CROSS JOIN LATERAL (SELECT r.id, r.state, r.depth FROM path r WHERE r.id = e.reference OFFSET 0) r
             WHERE e.referrer = taken.path_id) below
    WHERE p.id = taken.path_id
), released AS (
    SELECT e.referrer, count(*) AS n
    FROM taken CROSS JOIN LATERAL (SELECT e.referrer FROM path_reference e WHERE e.reference = taken.path_id OFFSET 0) e
    GROUP BY e.referrer
), counted AS (
    UPDATE plan_work w SET pending = w.pending - released.n
    FROM released
         CROSS JOIN LATERAL (SELECT r.ctid FROM plan_work r WHERE r.path_id = released.referrer OFFSET 0) r
    WHERE w.ctid = r.ctid AND w.pending > 0
    RETURNING w.path_id, w.pending
), ready AS (
    INSERT INTO plan_ready (path_id) SELECT path_id FROM counted WHERE pending <= 0
)
SELECT count(*) FROM taken

-- name: PeelCycles
-- Nothing is ready though something is left: cycles. What no other left path refers to lies above them.
UPDATE plan_work w SET peeled = true
WHERE NOT w.peeled
      AND NOT EXISTS (SELECT FROM path_reference e JOIN plan_work above ON above.path_id = e.referrer
                      WHERE e.reference = w.path_id AND NOT above.peeled)

-- name: MarkCycles
WITH cyclic AS (
    UPDATE plan_work SET pending = 0 WHERE NOT peeled RETURNING path_id
), ready AS (
    INSERT INTO plan_ready (path_id) SELECT path_id FROM cyclic
)
UPDATE path SET cyclic = true FROM cyclic WHERE path.id = cyclic.path_id

-- name: UnplannedReference
-- One that keeps a path from its depth for ever: it has none and is not being planned.
SELECT p.hash || '-' || p.name AS referrer, r.hash || '-' || r.name AS reference
FROM plan_work w JOIN path p ON p.id = w.path_id JOIN path_reference e ON e.referrer = w.path_id
     JOIN path r ON r.id = e.reference
WHERE r.depth IS NULL AND NOT EXISTS (SELECT FROM plan_work o WHERE o.path_id = r.id)
LIMIT 1

-- name: WatchPaths
-- Gives each path of the chunk that has none yet one unpublished reference to wait for, the deepest. Answers the chunk's
-- end.
WITH chunk AS (
    SELECT rp.path_id FROM release_path rp WHERE rp.release_id = $1 AND rp.path_id > $2 AND NOT rp.planned
    ORDER BY rp.path_id LIMIT $3::bigint
), watched AS (
    UPDATE path p
    SET watched = true,
        waits_for = (SELECT r.id
                     FROM path_reference e
                          CROSS JOIN LATERAL (SELECT r.id, r.state, r.depth FROM path r WHERE r.id = e.reference
                                              OFFSET 0) r
                     WHERE e.referrer = p.id AND r.state <> 'published' ORDER BY r.depth DESC NULLS LAST LIMIT 1)
    FROM chunk
         CROSS JOIN LATERAL (SELECT u.id FROM path u
                             WHERE u.id = chunk.path_id AND NOT u.watched AND u.narinfo_id IS NOT NULL OFFSET 0) unwatched
    WHERE p.id = unwatched.id
)
SELECT max(path_id) FROM chunk

-- name: CausesBelowRelease
-- Failed paths that paths of the chunk need and are not marked with yet.
WITH chunk AS (
    SELECT rp.path_id FROM release_path rp WHERE rp.release_id = $1 AND rp.path_id > $2 AND NOT rp.planned
    ORDER BY rp.path_id LIMIT $3::bigint
)
SELECT (SELECT max(path_id) FROM chunk) AS chunk_end, cause.id
FROM chunk JOIN path p ON p.id = chunk.path_id JOIN path_reference e ON e.referrer = p.id
     JOIN path r ON r.id = e.reference
     CROSS JOIN LATERAL (
         SELECT c.id, c.hash FROM path c
         WHERE c.id = coalesce(r.blocked_by, CASE WHEN r.state IN ('missing', 'set_aside') THEN r.id END)
     ) cause
     LEFT JOIN path b ON b.id = p.blocked_by
WHERE p.state <> 'published' AND cause.id <> p.id AND (b.hash IS NULL OR b.hash > cause.hash)
GROUP BY cause.id

-- name: AnyFailed
SELECT EXISTS (SELECT FROM path WHERE state IN ('missing', 'set_aside'))

-- name: UnplannedChunkEnd
SELECT max(path_id) FROM (SELECT path_id FROM release_path WHERE release_id = $1 AND path_id > $2 AND NOT planned
                          ORDER BY path_id LIMIT $3::bigint) c

-- name: AddReleaseNars
-- Answers the chunk's end, and which NARs are of paths that are planned for the first time.
WITH chunk AS (
    SELECT rp.path_id, rp.planned FROM release_path rp WHERE rp.release_id = $1 AND rp.path_id > $2
    ORDER BY rp.path_id LIMIT $3::bigint
), made AS MATERIALIZED (
    SELECT p.nar_id, min(p.depth) AS depth, bool_and(chunk.planned) AS planned
    FROM chunk CROSS JOIN LATERAL (SELECT p.nar_id, p.depth FROM path p WHERE p.id = chunk.path_id OFFSET 0) p
    WHERE p.nar_id IS NOT NULL GROUP BY p.nar_id
), added AS (
    INSERT INTO release_nar (release_id, nar_id) SELECT $1::bigint, nar_id FROM made ORDER BY nar_id
    ON CONFLICT DO NOTHING
), valued AS (
    UPDATE nar SET depth = c.depth FROM made c
    WHERE NOT c.planned AND nar.id = c.nar_id AND nar.state IN ('wanted', 'leased') AND nar.depth > c.depth
)
SELECT (SELECT max(path_id) FROM chunk), coalesce((SELECT array_agg(nar_id) FROM made WHERE NOT planned), '{}')

-- name: AdoptStoredNars
-- Of the NARs $2, or, with none, of all of the release that have a copy nobody asked for: those that lie in a shard already,
-- under another upstream or as such a copy.
WITH asked AS (
    SELECT unnest($2::bigint[]) AS nar_id
    UNION
    SELECT n.id
    FROM extra_copy x
         CROSS JOIN LATERAL (SELECT n.id FROM nar n
                             WHERE n.file = x.file AND n.nar_hash = x.nar_hash AND n.state = 'wanted' OFFSET 0) n
         CROSS JOIN LATERAL (SELECT FROM release_nar rn WHERE rn.release_id = $1 AND rn.nar_id = n.id OFFSET 0) rn
    WHERE cardinality($2::bigint[]) = 0
), found AS (
    SELECT DISTINCT ON (n.id) n.id, place.*
    FROM asked CROSS JOIN LATERAL (SELECT * FROM nar w WHERE w.id = asked.nar_id AND w.state = 'wanted' OFFSET 0) n
         CROSS JOIN LATERAL (
             SELECT o.shard_id, o.blob_byte_offset, o.blob_block_offset, o.blob_block_length, o.file_size,
                    o.file_hash_drift
             FROM nar o WHERE o.file = n.file AND o.nar_hash = n.nar_hash AND o.state = 'stored'
                          AND o.compression = n.compression
             UNION ALL
             SELECT x.shard_id, x.blob_byte_offset, x.blob_block_offset, x.blob_block_length, x.bytes,
                    x.file_hash_drift
             FROM extra_copy x WHERE x.file = n.file AND x.nar_hash = n.nar_hash AND x.nar_size = n.nar_size) place
    WHERE NOT EXISTS (SELECT FROM nar o WHERE o.file = n.file AND o.state = 'stored' AND o.nar_hash <> n.nar_hash)
    ORDER BY n.id, place.shard_id
    LIMIT $3::bigint
), adopted AS (
    UPDATE nar SET state = 'stored', shard_id = f.shard_id, blob_byte_offset = f.blob_byte_offset,
        blob_block_offset = f.blob_block_offset, blob_block_length = f.blob_block_length, file_size = f.file_size,
        file_hash_drift = f.file_hash_drift, reason = NULL, message = NULL, changed_at = now()
    FROM found f WHERE nar.id = f.id
    RETURNING nar.id, nar.file, nar.shard_id
), taken AS (
    DELETE FROM extra_copy x USING adopted a WHERE x.shard_id = a.shard_id AND x.file = a.file
)
SELECT id FROM adopted

-- name: EstimateRelease
SELECT (SELECT coalesce(sum(total), 0) FROM release_delta WHERE release_id = $1) AS paths,
       (SELECT coalesce(sum(missing), 0) FROM release_delta WHERE release_id = $1) AS missing,
       n.nars_to_fetch, n.bytes_to_fetch, n.nar_bytes, n.bytes_stored,
       w.workers, w.disk_free_bytes,
       (SELECT coalesce(sum(weight) / nullif(extract(epoch FROM max(changed_at) - min(changed_at)), 0), 0)
        FROM nar WHERE state = 'stored' AND changed_at > now() - interval '1 day')::double precision AS bytes_a_second
FROM (SELECT count(*) FILTER (WHERE nar.state IN ('wanted', 'leased')) AS nars_to_fetch,
             coalesce(sum(nar.weight) FILTER (WHERE nar.state IN ('wanted', 'leased')), 0) AS bytes_to_fetch,
             coalesce(sum(nar.nar_size) FILTER (WHERE nar.state IN ('wanted', 'leased')), 0) AS nar_bytes,
             coalesce(sum(nar.weight) FILTER (WHERE nar.state = 'stored'), 0) AS bytes_stored
      FROM release_nar rn JOIN nar ON nar.id = rn.nar_id WHERE rn.release_id = $1) n,
     (SELECT count(*) AS workers, coalesce(sum(disk_free_bytes), 0) AS disk_free_bytes
      FROM worker WHERE 'mirror' = ANY(roles) AND NOT draining AND drain_at IS NULL
                        AND last_seen > clock_timestamp() - $2::bigint * interval '1 millisecond') w

-- name: ReservedBytes
-- What other releases at work still have to fetch.
SELECT coalesce(sum(n.weight), 0) FROM nar n
WHERE n.state IN ('wanted', 'leased') AND n.needed
      AND NOT EXISTS (SELECT FROM release_nar rn WHERE rn.release_id = $1 AND rn.nar_id = n.id)

-- name: PlanOptions
SELECT plan_only, force, state FROM release WHERE id = $1 FOR UPDATE

-- name: RecordPlan
UPDATE release
SET plan_paths = $2, plan_nars_to_fetch = $3, plan_bytes_to_fetch = $4, plan_nar_bytes = $5,
    plan_disk_free_bytes = $6, plan_disk_needed_bytes = $7, plan_seconds = $8, plan_missing = $9, plan_fits = $10,
    bytes_reused = $11
WHERE id = $1

-- name: DecideRelease
UPDATE release SET state = $2::release_state, message = $3, plan_phase = $4 WHERE id = $1

-- name: SayOfRelease
UPDATE release SET message = $2 WHERE id = $1 AND message <> $2

-- name: ArmRelease
-- With a budget what comes new is outside of it until that is chosen.
WITH chunk AS (
    SELECT rp.path_id FROM release_path rp WHERE rp.release_id = $1 AND rp.path_id > $2
    ORDER BY rp.path_id LIMIT $3::bigint
), armed AS (
    UPDATE path p SET needed = true, left_out = p.left_out OR (budget.bytes IS NOT NULL AND p.state <> 'published')
    FROM chunk, budget WHERE p.id = chunk.path_id AND NOT p.needed
)
SELECT max(path_id) FROM chunk

-- name: NextBlockChange
-- The path is locked: who is changing it finds it in block_change, adds nothing there, and is not seen before he commits.
WITH next AS (SELECT path_id FROM block_change ORDER BY path_id LIMIT 1)
SELECT p.id AS path_id, p.state IN ('missing', 'set_aside') AND p.blocked_by IS NULL AS is_cause
FROM path p JOIN next ON next.path_id = p.id FOR NO KEY UPDATE OF p

-- name: ForgetBlockChange
DELETE FROM block_change WHERE path_id = $1

-- name: SpreadCause
-- Marks everything that needs the cause $1, unless it is marked with one of a smaller hash. What is
-- marked with $1 already is passed through, so that new referrers are found too.
WITH RECURSIVE cause AS (
    SELECT id, hash FROM path WHERE id = $1
), up(id) AS (
    SELECT e.referrer
    FROM path_reference e JOIN path p ON p.id = e.referrer LEFT JOIN path b ON b.id = p.blocked_by, cause
    WHERE e.reference = cause.id AND e.referrer <> cause.id AND p.state <> 'published'
          AND (b.hash IS NULL OR b.hash >= cause.hash)
    UNION
    SELECT e.referrer
    FROM up JOIN path_reference e ON e.reference = up.id JOIN path p ON p.id = e.referrer
         LEFT JOIN path b ON b.id = p.blocked_by, cause
    WHERE e.referrer <> cause.id AND p.state <> 'published' AND (b.hash IS NULL OR b.hash >= cause.hash)
)
UPDATE path SET blocked_by = $1 FROM up WHERE path.id = up.id AND path.blocked_by IS DISTINCT FROM $1

-- name: LiftCause
-- Unmarks what was blocked by $1 and answers which other causes it may be blocked by now.
WITH lifted AS (
    UPDATE path SET blocked_by = NULL WHERE blocked_by = $1 RETURNING id
)
SELECT DISTINCT cause.id
FROM lifted JOIN path_reference e ON e.referrer = lifted.id JOIN path r ON r.id = e.reference
     JOIN path cause ON cause.id = coalesce(r.blocked_by, CASE WHEN r.state IN ('missing', 'set_aside') THEN r.id END)
WHERE cause.id <> $1
