-- Resolving and walking releases (pg_walk_store). Bulk rows come through temporary tables.

-- name: MakeWalkStage
CREATE TEMPORARY TABLE IF NOT EXISTS stage_root (hash text COLLATE "C" NOT NULL, name text NOT NULL)
ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS stage_narinfo (
    path_id bigint NOT NULL, upstream_id bigint NOT NULL, name text NOT NULL, content bytea NOT NULL,
    url text NOT NULL, file text NOT NULL,
    compression text NOT NULL, nar_hash bytea NOT NULL, nar_size bigint NOT NULL, file_hash bytea,
    file_size bigint NOT NULL, narinfo_id bigint, nar_id bigint) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS stage_reference (
    referrer bigint NOT NULL, hash text COLLATE "C" NOT NULL, name text NOT NULL) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS stage_failure (
    path_id bigint NOT NULL, verdict text NOT NULL, reason text NOT NULL, message text NOT NULL,
    attempts int NOT NULL, retry_ms bigint NOT NULL, ruled_out bigint[] NOT NULL, refused_reason text NOT NULL,
    refused_message text NOT NULL) ON COMMIT DELETE ROWS

-- name: NextReleaseToResolve
SELECT r.id, r.channel, r.name, r.source_url, r.revision, r.upstream_id, u.url AS upstream_url, r.match,
       r.exclude, r.force
FROM release r JOIN upstream u ON u.id = r.upstream_id
WHERE r.state = 'resolving' AND NOT r.is_list AND r.not_before <= now() AND r.paused_at IS NULL
      AND (SELECT paused_at IS NULL FROM mirror)
ORDER BY r.priority DESC, r.id LIMIT 1

-- name: NextReleaseToWalk
SELECT r.id, r.channel, r.name, r.source_url, r.revision, r.upstream_id, u.url AS upstream_url, r.match,
       r.exclude, r.force
FROM release r JOIN upstream u ON u.id = r.upstream_id JOIN upstream_host h ON h.host = u.host
WHERE r.state = 'walking' AND r.walked_at IS NULL AND r.not_before <= now() AND r.paused_at IS NULL
      AND (h.paused_at IS NULL
           OR EXISTS (SELECT FROM upstream c JOIN upstream_host ch ON ch.host = c.host
                      WHERE c.preference IS NOT NULL AND ch.paused_at IS NULL))
      AND (SELECT paused_at IS NULL FROM mirror)
ORDER BY r.priority DESC, r.id LIMIT 1

-- name: LockRelease
SELECT name, source_url, revision, state, walked_at IS NOT NULL AS walked FROM release WHERE id = $1 FOR UPDATE

-- name: PinRelease
-- What it has in common with another release that is planned is taken over from there (base_id): from the newest of its
-- channel of which the same is wanted, or else from the largest.
UPDATE release r
SET name = $2, source_url = $3, revision = $4, message = '',
    base_id = coalesce(r.base_id,
                       (SELECT b.id FROM release b
                             CROSS JOIN LATERAL (SELECT b.channel = r.channel AND b.match = r.match
                                                        AND b.exclude = r.exclude AS alike) a
                        WHERE b.id <> r.id AND b.closed AND b.plan_phase >= 4
                              AND b.state IN ('planned', 'mirroring', 'settled')
                        ORDER BY a.alike DESC, CASE WHEN a.alike THEN 0 ELSE b.plan_paths END DESC, b.id DESC LIMIT 1))
WHERE r.id = $1

-- name: FindPreviousRelease
WITH this AS (SELECT id, channel, match, exclude FROM release WHERE id = $1),
other AS (
    SELECT r.id, r.name, r.match, r.exclude FROM release r, this
    WHERE r.channel = this.channel AND r.id <> this.id AND r.state NOT IN ('refused', 'cancelled', 'resolving') AND NOT r.is_list
)
SELECT coalesce((SELECT name FROM other ORDER BY id DESC LIMIT 1), '') AS name,
       coalesce((SELECT (SELECT count(*) FROM release_path rp WHERE rp.release_id = o.id AND rp.is_root)
                 FROM (SELECT other.id FROM other, this
                       WHERE other.match = this.match AND other.exclude = this.exclude
                       ORDER BY other.id DESC LIMIT 1) o), 0) AS roots

-- name: RefuseRelease
UPDATE release SET state = 'refused', message = $2 WHERE id = $1 AND state IN ('resolving', 'walking')

-- name: DropReleasePaths
DELETE FROM release_path WHERE release_id = $1

-- name: DropReleaseFrontier
DELETE FROM release_frontier WHERE release_id = $1

-- name: DropReleaseCounters
DELETE FROM release_delta WHERE release_id = $1

-- name: DeferRelease
UPDATE release
SET message = $2, not_before = clock_timestamp() + $3::bigint * interval '1 millisecond'
WHERE id = $1 AND state IN ('resolving', 'walking')

-- name: AddReleaseFile
INSERT INTO release_file (release_id, name, sha256, size_bytes, artifact_id) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (release_id, name) DO UPDATE
SET artifact_id = coalesce(excluded.artifact_id, release_file.artifact_id), size_bytes = excluded.size_bytes
WHERE release_file.sha256 = excluded.sha256
RETURNING 1

-- name: ListReleaseFiles
SELECT name, sha256, size_bytes, artifact_id FROM release_file WHERE release_id = $1 ORDER BY name

-- name: InsertRootPaths
-- Whether a hash may have two names.
WITH listed AS MATERIALIZED (
    SELECT s.hash, s.name, p.name AS known_name
    FROM stage_root s LEFT JOIN LATERAL (SELECT p.name FROM path p WHERE p.hash = s.hash OFFSET 0) p ON true
), added AS (
    INSERT INTO path (hash, name)
    SELECT DISTINCT ON (hash) hash, name FROM listed WHERE known_name IS NULL ORDER BY hash, name
    ON CONFLICT DO NOTHING RETURNING id
)
SELECT coalesce(bool_or(name <> known_name), false)
       OR count(*) FILTER (WHERE known_name IS NULL) > (SELECT count(*) FROM added)
FROM listed

-- name: FindRootConflicts
SELECT s.hash, s.name AS listed_name, p.name AS known_name,
       EXISTS (SELECT FROM release_path rp WHERE rp.release_id = $1 AND rp.path_id = p.id AND rp.is_root)
       OR EXISTS (SELECT FROM stage_root o WHERE o.hash = s.hash AND o.name = p.name) AS in_this_release
FROM stage_root s CROSS JOIN LATERAL (SELECT p.id, p.name FROM path p WHERE p.hash = s.hash OFFSET 0) p
WHERE p.name <> s.name
ORDER BY s.hash LIMIT 20

-- name: InsertRoots
-- Here and below: what the base has too, walked and planned, is taken over from it and need not be walked.
WITH root AS (
    SELECT DISTINCT p.id, p.is_planned
    FROM stage_root s
         CROSS JOIN LATERAL (SELECT p.id, p.state IN ('known', 'stored', 'published') AND p.depth IS NOT NULL
                                          AND p.watched AS is_planned
                             FROM path p WHERE p.hash = s.hash OFFSET 0) p
), row AS (
    INSERT INTO release_path (release_id, path_id, is_root, planned)
    SELECT $1::bigint, root.id, true,
           CASE WHEN base.id IS NULL OR NOT root.is_planned THEN false
                ELSE (SELECT true FROM release_path o WHERE o.release_id = base.id AND o.path_id = root.id) IS NOT NULL
           END
    FROM root, (SELECT base_of($1) AS id OFFSET 0) base
    ON CONFLICT (release_id, path_id) DO UPDATE SET is_root = true
    RETURNING path_id, planned, xmax = 0 AS is_new
), queued AS (
    INSERT INTO release_frontier (release_id, path_id) SELECT $1, path_id FROM row WHERE is_new AND NOT planned
)
SELECT count(*) FILTER (WHERE is_new) FROM row

-- name: CountRoots
SELECT count(*) FROM release_path WHERE release_id = $1 AND is_root

-- name: BeginWalk
UPDATE release SET state = 'walking', message = '', not_before = '-infinity'
WHERE id = $1 AND state = 'resolving'

-- name: ExpandKnown
-- Here and below OFFSET 0 has paths looked up one by one, whatever is believed of a frontier that was empty a moment ago.
WITH known AS MATERIALIZED (
    SELECT f.path_id
    FROM release_frontier f CROSS JOIN LATERAL (SELECT p.state FROM path p WHERE p.id = f.path_id OFFSET 0) p
    WHERE f.release_id = $1 AND p.state IN ('known', 'stored', 'published')
    ORDER BY f.path_id LIMIT $2::bigint
)
DELETE FROM release_frontier f
USING known CROSS JOIN LATERAL (SELECT r.ctid FROM release_frontier r
                                WHERE r.release_id = $1 AND r.path_id = known.path_id OFFSET 0) r
WHERE f.ctid = r.ctid
RETURNING known.path_id

-- name: JoinReferences
-- Those that the release has are left out at once: nearly all of them.
WITH row AS (
    INSERT INTO release_path (release_id, path_id, is_root, planned)
    SELECT $1::bigint, e.reference, false, CASE WHEN base.id IS NULL THEN false ELSE planned_in(base.id, e.reference) END
    FROM (SELECT DISTINCT reference FROM path_reference WHERE referrer = ANY($2::bigint[])) e
         LEFT JOIN LATERAL (SELECT true AS is_there FROM release_path o
                            WHERE o.release_id = $1 AND o.path_id = e.reference OFFSET 0) o ON true
         CROSS JOIN (SELECT base_of($1) AS id OFFSET 0) base
    WHERE o.is_there IS NULL
    ON CONFLICT DO NOTHING RETURNING path_id, planned
)
INSERT INTO release_frontier (release_id, path_id) SELECT $1, path_id FROM row WHERE NOT planned

-- name: LockBase
-- Of a release whose frontier is empty: its base, whether that is closed as long as it is there, and whether the larger part
-- of it was taken over, so that it is worth while to look at the rest of it.
SELECT r.base_id,
       b.closed AND b.walked_at IS NOT NULL AND b.state::text NOT IN ('refused', 'cancelled', 'retiring', 'retired')
       AND 2 * (SELECT sum(d.total) FROM release_delta d WHERE d.release_id = r.id)
           >= (SELECT sum(d.total) FROM release_delta d WHERE d.release_id = b.id) AS usable
FROM release r LEFT JOIN release b ON b.id = r.base_id
WHERE r.id = $1 AND r.base_id IS NOT NULL
      AND NOT EXISTS (SELECT FROM release_frontier f WHERE f.release_id = $1)
FOR UPDATE OF r

-- name: JoinFromBase
-- A base $2 is closed, so what is taken over from it can refer to nothing outside of the release but to what the base has and
-- the release has not. Of that what is referred to joins. The number of paths.
WITH RECURSIVE gone AS MATERIALIZED (
    SELECT b.path_id FROM release_path b
    WHERE b.release_id = $2
          AND NOT EXISTS (SELECT FROM release_path o WHERE o.release_id = $1 AND o.path_id = b.path_id)
), wanted(path_id, planned) AS (
    SELECT g.path_id, planned_in($2, g.path_id)
    FROM gone g
         CROSS JOIN LATERAL (SELECT FROM path_reference e
                                  CROSS JOIN LATERAL (SELECT FROM release_path o
                                                      WHERE o.release_id = $1 AND o.path_id = e.referrer OFFSET 0) o
                                  CROSS JOIN LATERAL (SELECT FROM path p
                                                      WHERE p.id = e.referrer
                                                            AND p.state IN ('known', 'stored', 'published') OFFSET 0) p
                             WHERE e.reference = g.path_id LIMIT 1) e
    UNION
    SELECT e.reference, planned_in($2, e.reference)
    FROM wanted w
         CROSS JOIN LATERAL (SELECT e.reference FROM path_reference e WHERE e.referrer = w.path_id OFFSET 0) e
         LEFT JOIN LATERAL (SELECT true AS is_there FROM release_path o
                            WHERE o.release_id = $1 AND o.path_id = e.reference OFFSET 0) o ON true
    WHERE w.planned AND o.is_there IS NULL
), row AS (
    INSERT INTO release_path (release_id, path_id, is_root, planned)
    SELECT $1::bigint, path_id, false, planned FROM wanted ORDER BY path_id
    ON CONFLICT DO NOTHING RETURNING path_id, planned
), queued AS (
    INSERT INTO release_frontier (release_id, path_id) SELECT $1, path_id FROM row WHERE NOT planned
)
SELECT count(*) FROM row

-- name: LeaveBase
UPDATE release SET base_id = NULL WHERE id = $1

-- name: WalkWithoutBase
INSERT INTO release_frontier (release_id, path_id)
SELECT rp.release_id, rp.path_id
FROM release_path rp CROSS JOIN LATERAL (SELECT p.state FROM path p WHERE p.id = rp.path_id OFFSET 0) p
WHERE rp.release_id = $1 AND p.state IN ('known', 'stored', 'published')
ON CONFLICT DO NOTHING

-- name: NextFrontier
SELECT p.id, p.hash, p.name, f.attempts, f.ruled_out, coalesce(f.reason, '') AS reason,
       coalesce(f.message, '') AS message, f.ruled_out = '{}' AND f.reason IS NULL AS is_fresh
FROM release_frontier f
     CROSS JOIN LATERAL (SELECT p.id, p.hash, p.name, p.state FROM path p WHERE p.id = f.path_id OFFSET 0) p
WHERE f.release_id = $1 AND f.path_id > $2 AND f.not_before <= clock_timestamp()
      AND (cardinality($4::bigint[]) = 0 OR NOT f.ruled_out @> $4::bigint[])
      AND p.state IN ('discovered', 'missing', 'set_aside')
ORDER BY f.path_id LIMIT $3::bigint

-- name: NextFrontierReady
SELECT (extract(epoch FROM min(greatest(not_before, clock_timestamp())) FILTER (WHERE NOT others)
                - clock_timestamp()) * 1000)::bigint,
       coalesce(bool_or(others), false)
FROM (SELECT not_before, cardinality($2::bigint[]) > 0 AND ruled_out @> $2::bigint[] AS others
      FROM release_frontier WHERE release_id = $1) f

-- name: ConfigureUpstream
INSERT INTO upstream (url, preference, public_keys) VALUES ($1, $2, $3::text[])
ON CONFLICT (url) DO UPDATE SET preference = excluded.preference, public_keys = excluded.public_keys
RETURNING id

-- name: ForgetOtherUpstreams
UPDATE upstream SET preference = NULL, public_keys = '{}' WHERE preference IS NOT NULL AND NOT id = ANY($1::bigint[])

-- name: HostIsPaused
SELECT coalesce((SELECT paused_at IS NOT NULL FROM upstream_host WHERE host = $1), false)

-- name: InsertWalkedNars
INSERT INTO nar (upstream_id, url, file, nar_hash, nar_size, compression, file_hash, file_size, narinfo_id)
SELECT DISTINCT ON (s.upstream_id, s.url, s.nar_hash) s.upstream_id, s.url, s.file, s.nar_hash, s.nar_size,
       s.compression, s.file_hash, s.file_size, s.narinfo_id
FROM stage_narinfo s WHERE s.narinfo_id IS NOT NULL
ORDER BY s.upstream_id, s.url, s.nar_hash, s.path_id
ON CONFLICT (upstream_id, url, nar_hash) DO NOTHING

-- name: PrepareWalkSave
-- The batch is small against the tables: look rows up. What the walk keeps in memory (path_cache.h) counts on
-- commits that last.
SET LOCAL enable_seqscan = off; SET LOCAL random_page_cost = 1.1; SET LOCAL synchronous_commit = on

-- name: FindDiscovered
SELECT id FROM path WHERE id = ANY($1::bigint[]) AND state = 'discovered'

-- name: DrawNarInfoIds
SELECT nextval('narinfo_id_seq') FROM generate_series(1, $1::bigint)

-- name: InsertPlainNars
-- Answers only those that nobody knew.
INSERT INTO nar (upstream_id, narinfo_id, url, file, nar_hash, nar_size, compression, file_hash, file_size)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bytea[], $6::bigint[], $7::text[],
                     $8::bytea[], $9::bigint[])
ON CONFLICT (upstream_id, url, nar_hash) DO NOTHING
RETURNING narinfo_id, id

-- name: UpdatePlainPaths
UPDATE path p
SET state = 'known', name = s.name, narinfo_id = s.narinfo_id, nar_id = s.nar_id, reason = NULL, message = NULL,
    attempts = 0, watched = false, waits_for = NULL, depth = NULL, changed_at = now()
FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[]) s (path_id, name, narinfo_id, nar_id)
WHERE p.id = s.path_id AND p.state = 'discovered'

-- name: FindOrAddPaths
-- In the order of hashes, as all who add paths. A path that another transaction adds meanwhile is not answered.
WITH wanted AS MATERIALIZED (
    SELECT * FROM unnest($1::text[], $2::text[]) w (hash, name)
), added AS (
    INSERT INTO path (hash, name) SELECT hash, name FROM wanted ON CONFLICT DO NOTHING RETURNING id, hash
)
SELECT id, hash, true AS is_new FROM added
UNION ALL
SELECT p.id, p.hash, false FROM wanted w JOIN path p ON p.hash = w.hash

-- name: JoinPaths
WITH row AS (
    INSERT INTO release_path (release_id, path_id, is_root, planned)
    SELECT $1::bigint, j.path_id, false, CASE WHEN base.id IS NULL THEN false ELSE planned_in(base.id, j.path_id) END
    FROM unnest($2::bigint[]) j (path_id)
         LEFT JOIN LATERAL (SELECT true AS is_there FROM release_path o
                            WHERE o.release_id = $1 AND o.path_id = j.path_id OFFSET 0) o ON true
         CROSS JOIN (SELECT base_of($1) AS id OFFSET 0) base
    WHERE o.is_there IS NULL
    ON CONFLICT DO NOTHING RETURNING path_id, planned
), queued AS (
    INSERT INTO release_frontier (release_id, path_id) SELECT $1, path_id FROM row WHERE NOT planned
)
SELECT path_id FROM row WHERE NOT planned

-- name: NumberWalkedNarInfos
-- Which of the narinfos count: those of paths that are not stored yet and whose narinfo is new or differs.
UPDATE stage_narinfo s
SET narinfo_id = CASE WHEN n.content = s.content THEN n.id
                      ELSE nextval(pg_get_serial_sequence('narinfo', 'id')) END
FROM path p LEFT JOIN narinfo n ON n.id = p.narinfo_id
WHERE p.id = s.path_id
      AND (p.state IN ('discovered', 'missing', 'set_aside') OR (p.state = 'known' AND n.content <> s.content))

-- name: CountChangedNarInfos
SELECT count(*) FILTER (WHERE n.content <> s.content AND r.nar_hash = s.nar_hash) AS narinfos_changed,
       count(*) FILTER (WHERE r.nar_hash <> s.nar_hash) AS nar_hashes_changed
FROM stage_narinfo s JOIN path p ON p.id = s.path_id JOIN narinfo n ON n.id = p.narinfo_id
     JOIN nar r ON r.id = p.nar_id

-- name: InsertWalkedNarInfos
INSERT INTO narinfo (id, content) OVERRIDING SYSTEM VALUE
SELECT narinfo_id, content FROM stage_narinfo WHERE narinfo_id IS NOT NULL
ON CONFLICT DO NOTHING

-- name: LockWalkedNars
-- So that whoever stores such a NAR at this moment sees our paths, or we see its state.
SELECT n.id
FROM stage_narinfo s JOIN nar n ON n.upstream_id = s.upstream_id AND n.url = s.url AND n.nar_hash = s.nar_hash
WHERE s.narinfo_id IS NOT NULL ORDER BY n.id FOR UPDATE OF n

-- name: FindWalkedNars
UPDATE stage_narinfo s SET nar_id = n.id
FROM nar n
WHERE s.narinfo_id IS NOT NULL AND n.upstream_id = s.upstream_id AND n.url = s.url AND n.nar_hash = s.nar_hash

-- name: ReviveWalkedNars
UPDATE nar
SET state = 'wanted', attempts = 0, not_before = '-infinity', reason = NULL, message = NULL, changed_at = now()
FROM stage_narinfo s WHERE nar.id = s.nar_id AND nar.state IN ('missing', 'set_aside')
RETURNING nar.id

-- name: RevivePathsOfNars
UPDATE path SET state = 'known', reason = NULL, message = NULL, attempts = 0, changed_at = now()
WHERE nar_id = ANY($1::bigint[]) AND state IN ('missing', 'set_aside')

-- name: LookElsewhereAnew
-- What other upstreams said of a NAR that could not be had is of the past.
DELETE FROM path_elsewhere e USING stage_narinfo s WHERE e.path_id = s.path_id AND s.narinfo_id IS NOT NULL

-- name: ForgetOldReferences
-- Of paths whose narinfo was replaced.
DELETE FROM path_reference e USING stage_narinfo s JOIN path p ON p.id = s.path_id
WHERE p.narinfo_id = s.narinfo_id AND e.referrer = s.path_id

-- name: UpdateWalkedPaths
-- What was inside of the budget, if there is one, was another NAR, or none.
UPDATE path p
SET state = CASE WHEN n.state = 'stored' THEN 'stored' ELSE 'known' END::path_state, name = s.name,
    narinfo_id = s.narinfo_id, nar_id = s.nar_id, reason = NULL, message = NULL, attempts = 0, watched = false,
    waits_for = NULL, depth = NULL, changed_at = now(),
    left_out = p.left_out OR (p.needed AND (SELECT bytes IS NOT NULL FROM budget))
FROM stage_narinfo s JOIN nar n ON n.id = s.nar_id
WHERE p.id = s.path_id AND s.narinfo_id IS NOT NULL AND p.state NOT IN ('stored', 'published')

-- name: InsertReferencedPaths
INSERT INTO path (hash, name) SELECT DISTINCT ON (hash) hash, name FROM stage_reference ORDER BY hash, name
ON CONFLICT DO NOTHING

-- name: InsertReferences
INSERT INTO path_reference (referrer, reference)
SELECT r.referrer, p.id
FROM stage_reference r JOIN stage_narinfo s ON s.path_id = r.referrer
     JOIN path referrer ON referrer.id = s.path_id AND referrer.narinfo_id = s.narinfo_id
     JOIN path p ON p.hash = r.hash
WHERE p.id <> r.referrer
ON CONFLICT DO NOTHING

-- name: FailWalkedPaths
UPDATE path p
SET state = f.verdict::path_state, reason = f.reason, message = f.message, attempts = f.attempts, changed_at = now()
FROM stage_failure f
WHERE p.id = f.path_id AND f.verdict <> 'later' AND p.state IN ('discovered', 'missing', 'set_aside')

-- name: DelayWalkedPaths
UPDATE release_frontier w
SET attempts = f.attempts, not_before = clock_timestamp() + f.retry_ms * interval '1 millisecond',
    ruled_out = f.ruled_out, reason = nullif(f.refused_reason, ''), message = nullif(f.refused_message, '')
FROM stage_failure f
WHERE w.release_id = $1 AND w.path_id = f.path_id AND f.verdict = 'later'

-- name: LeaveFrontier
DELETE FROM release_frontier WHERE release_id = $1 AND path_id = ANY($2::bigint[])

-- name: JoinWalkedReferences
WITH row AS (
    INSERT INTO release_path (release_id, path_id, is_root, planned)
    SELECT $1::bigint, e.reference, false, CASE WHEN base.id IS NULL THEN false ELSE planned_in(base.id, e.reference) END
    FROM (SELECT DISTINCT e.reference FROM stage_narinfo s JOIN path_reference e ON e.referrer = s.path_id) e,
         (SELECT base_of($1) AS id OFFSET 0) base
    ON CONFLICT DO NOTHING RETURNING path_id, planned
), queued AS (
    INSERT INTO release_frontier (release_id, path_id) SELECT $1, path_id FROM row WHERE NOT planned
)
SELECT count(*) FROM row WHERE NOT planned

-- name: FrontierIsEmpty
SELECT NOT EXISTS (SELECT FROM release_frontier WHERE release_id = $1)

-- name: FinishWalk
UPDATE release SET walked_at = coalesce(walked_at, now()), closed = coalesce(closed, true),
    message = '' WHERE id = $1
