-- The publish log (pg_publish_store).

-- name: PublishPosition
SELECT m.index_key, m.predecessor_key, m.published_batch, m.mirror_json_sha256,
       m.mirror_json_sha256 IS NULL AND EXISTS (SELECT FROM index_adoption) AS owes_mirror_json,
       (SELECT coalesce(max(batch), 0) FROM publish_batch) AS planned_batch,
       (SELECT coalesce((extract(epoch FROM clock_timestamp() - max(planned_at)) * 1000)::bigint, 1000000000)
        FROM publish_batch) AS idle_ms
FROM mirror m

-- name: CountReady
-- At most $1. $2, here and below: ms for which a NAR waits until a copy of its shard holds it; $3: ms of silence after
-- which a holder is not waited for.
WITH awaiting AS MATERIALIZED (
    SELECT * FROM shards_awaiting_copies($3::bigint) WHERE $2::bigint > 0
)
SELECT count(*) FROM (
    SELECT FROM path
    WHERE state = 'stored' AND needed AND watched AND waits_for IS NULL AND blocked_by IS NULL AND NOT left_out
          AND NOT EXISTS (SELECT FROM awaiting a
                               CROSS JOIN LATERAL (SELECT shard_id, blob_block_offset + blob_block_length AS blob_end,
                                                          changed_at
                                                   FROM nar WHERE id = path.nar_id OFFSET 0) n
                          WHERE n.shard_id = a.id AND n.blob_end > a.copied
                                AND n.changed_at > clock_timestamp() - $2::bigint * interval '1 millisecond'
                          OFFSET 0)
    LIMIT $1::bigint) r

-- name: NarsAtWork
SELECT EXISTS (SELECT FROM nar WHERE state = 'wanted' AND needed) OR EXISTS (SELECT FROM job)

-- name: TakeReady
WITH awaiting AS MATERIALIZED (
    SELECT * FROM shards_awaiting_copies($4::bigint) WHERE $3::bigint > 0
), ready AS (
    SELECT id FROM path
    WHERE state = 'stored' AND needed AND watched AND waits_for IS NULL AND blocked_by IS NULL AND NOT left_out
          AND NOT EXISTS (SELECT FROM awaiting a
                               CROSS JOIN LATERAL (SELECT shard_id, blob_block_offset + blob_block_length AS blob_end,
                                                          changed_at
                                                   FROM nar WHERE id = path.nar_id OFFSET 0) n
                          WHERE n.shard_id = a.id AND n.blob_end > a.copied
                                AND n.changed_at > clock_timestamp() - $3::bigint * interval '1 millisecond'
                          OFFSET 0)
    ORDER BY depth, id LIMIT $2::bigint FOR UPDATE
)
UPDATE path SET state = 'published', batch = $1, changed_at = now()
FROM ready WHERE path.id = ready.id
RETURNING path.id

-- name: Rewatch
-- Whoever waited for one of $1 waits for another one, or for none.
UPDATE path p
SET waits_for = (SELECT r.id
                 FROM path_reference e
                      CROSS JOIN LATERAL (SELECT r.id, r.state, r.depth FROM path r WHERE r.id = e.reference OFFSET 0) r
                 WHERE e.referrer = p.id AND r.state <> 'published' ORDER BY r.depth DESC NULLS LAST LIMIT 1)
WHERE p.waits_for = ANY($1::bigint[])

-- name: CyclicCandidates
SELECT id FROM path
WHERE cyclic AND state = 'stored' AND needed AND watched AND blocked_by IS NULL AND NOT left_out AND id > $1
ORDER BY id LIMIT 100

-- name: CyclicReach
-- Everything unpublished that $1 needs, itself included, and whether all of it can be published.
WITH RECURSIVE reach(id) AS (
    SELECT $1::bigint
    UNION
    SELECT e.reference FROM reach JOIN path_reference e ON e.referrer = reach.id JOIN path r ON r.id = e.reference
    WHERE r.state <> 'published'
), awaiting AS MATERIALIZED (
    SELECT * FROM shards_awaiting_copies($3::bigint) WHERE $2::bigint > 0
)
SELECT p.id, bool_and(p.state = 'stored' AND p.needed AND p.watched AND p.blocked_by IS NULL AND NOT p.left_out
                      AND NOT EXISTS (SELECT FROM awaiting a
                                           CROSS JOIN LATERAL (SELECT shard_id, changed_at,
                                                                      blob_block_offset + blob_block_length AS blob_end
                                                               FROM nar WHERE id = p.nar_id OFFSET 0) n
                                      WHERE n.shard_id = a.id AND n.blob_end > a.copied
                                            AND n.changed_at > clock_timestamp()
                                                               - $2::bigint * interval '1 millisecond'
                                      OFFSET 0)) OVER () AS ready
FROM reach JOIN path p ON p.id = reach.id
ORDER BY p.id

-- name: PublishTogether
UPDATE path SET state = 'published', batch = $1, waits_for = NULL, changed_at = now() WHERE id = ANY($2::bigint[])

-- name: InsertBatch
INSERT INTO publish_batch (batch) VALUES ($1)

-- name: UnlinkedNars
-- Files of the NARs of the paths $1 that the index does not list yet.
SELECT DISTINCT ON (n.file) n.file, s.key, n.blob_byte_offset, n.blob_block_offset, n.blob_block_length, n.file_size
FROM path p JOIN nar n ON n.id = p.nar_id JOIN shard s ON s.id = n.shard_id
WHERE p.id = ANY($1::bigint[]) AND n.linked_batch IS NULL
      AND NOT EXISTS (SELECT FROM nar o WHERE o.file = n.file AND o.linked_batch IS NOT NULL)
ORDER BY n.file, n.id

-- name: MarkLinked
UPDATE nar
SET linked_batch = coalesce((SELECT min(o.linked_batch) FROM nar o
                             WHERE o.file = nar.file AND o.linked_batch IS NOT NULL), $2)
FROM path p WHERE p.id = ANY($1::bigint[]) AND nar.id = p.nar_id AND nar.linked_batch IS NULL

-- name: NarInfosOfPaths
SELECT hash, narinfo_id FROM path WHERE id = ANY($1::bigint[]) ORDER BY hash

-- name: InsertLinks
INSERT INTO publish_operation (batch, ordinal, kind, path, linkname, metadata)
SELECT $1::bigint, o.ordinal, 'put_link', o.path, o.linkname, o.metadata
FROM unnest($2::int[], $3::text[], $4::text[], $5::text[]) AS o(ordinal, path, linkname, metadata)

-- name: InsertNarInfoPuts
INSERT INTO publish_operation (batch, ordinal, kind, path, narinfo_id)
SELECT $1::bigint, o.ordinal, 'put_narinfo', o.path, o.narinfo_id
FROM unnest($2::int[], $3::text[], $4::bigint[]) AS o(ordinal, path, narinfo_id)

-- name: InsertArtifactPut
INSERT INTO publish_operation (batch, ordinal, kind, path, artifact_id) VALUES ($1, $2, 'put_artifact', $3, $4)

-- name: InsertArtifact
INSERT INTO artifact (size_bytes, sha256) VALUES ($1, $2) RETURNING id

-- name: ShardsForMirrorJson
-- Those that an adopted index names stay in it, whether their workers have come back or not; of the others a lost one
-- as long as something points into it.
SELECT coalesce(s.key, a.key) AS key, coalesce(s.content_key, a.content_key) AS content_key,
       greatest(s.db_length, a.db_length) AS db_length,
       greatest(s.content_byte_length, a.content_byte_length) AS content_byte_length
FROM shard s FULL JOIN adopted_shard a ON a.key = s.key
WHERE greatest(s.db_length, a.db_length) > 0
      AND (s.lost_at IS NULL OR a.key IS NOT NULL OR EXISTS (SELECT FROM nar WHERE nar.shard_id = s.id)
           OR EXISTS (SELECT FROM nar WHERE nar.lost_shard_id = s.id AND nar.linked_batch IS NOT NULL))
ORDER BY s.id NULLS LAST, a.key

-- name: SetMirrorJson
UPDATE mirror SET mirror_json_sha256 = $1

-- name: PublishOperationsPage
-- Contents up to $4 bytes come along.
SELECT o.ordinal, o.kind, o.path, o.linkname, o.metadata, o.narinfo_id, o.artifact_id,
       octet_length(n.content) AS narinfo_bytes, sha256(n.content) AS narinfo_sha256,
       CASE WHEN octet_length(n.content) <= $4 THEN n.content END AS content,
       a.size_bytes AS artifact_bytes, a.sha256 AS artifact_sha256
FROM publish_operation o LEFT JOIN narinfo n ON n.id = o.narinfo_id LEFT JOIN artifact a ON a.id = o.artifact_id
WHERE o.batch = $1 AND o.ordinal > $2 ORDER BY o.ordinal LIMIT $3::bigint

-- name: NarInfoPiece
SELECT substring(content FROM $2::int FOR $3::int) FROM narinfo WHERE id = $1

-- name: BatchExists
SELECT 1 FROM publish_batch WHERE batch = $1

-- name: ReleasesToSettle
-- Every path is published, missing, set aside, blocked or left out, and no manifest says so yet.
SELECT r.id, c.changes
FROM release r CROSS JOIN LATERAL (
         SELECT sum(total) AS total, sum(published + missing + set_aside + blocked + left_out) AS final,
                sum(changes)::bigint AS changes
         FROM release_delta d WHERE d.release_id = r.id) c
WHERE r.plan_phase >= $1 AND c.total = c.final AND c.total > 0
      AND ((r.state = 'mirroring' AND r.settle_batch IS NULL)
           OR (r.state IN ('mirroring', 'settled') AND r.settle_changes < c.changes))
ORDER BY r.priority DESC, r.id LIMIT 10

-- name: ReleaseIsFinal
-- While it is chosen anew what the budget holds, and what it leaves out is on its way out of the index, nothing is.
SELECT NOT EXISTS (SELECT FROM block_change)
       AND NOT EXISTS (SELECT FROM budget WHERE running OR changes > chosen)
       AND NOT EXISTS (SELECT FROM release_path rp JOIN path p ON p.id = rp.path_id
                       WHERE rp.release_id = $1 AND p.blocked_by IS NULL
                             AND CASE WHEN p.left_out THEN p.state NOT IN ('known', 'stored', 'missing', 'set_aside')
                                      ELSE p.state NOT IN ('published', 'missing', 'set_aside') END)
       AND NOT EXISTS (SELECT FROM release_nar rn JOIN nar n ON n.id = rn.nar_id
                       WHERE rn.release_id = $1 AND (n.state = 'leased' OR (n.state = 'wanted' AND n.needed)))
       AND NOT EXISTS (SELECT FROM release_file f WHERE f.release_id = $1 AND f.artifact_id IS NULL)

-- name: ManifestHead
SELECT r.channel, r.name, r.revision, r.source_url, u.url AS upstream, r.manifest_revision + 1 AS manifest_revision,
       to_json(r.match)::text AS match, to_json(r.exclude)::text AS exclude, r.max_missing,
       to_char(r.submitted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS submitted_at,
       to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS settled_at,
       c.total, c.published, c.missing, c.set_aside, c.blocked, c.left_out, c.changes, n.nars, n.bytes, n.drift,
       o.bytes AS bytes_left_out, b.bytes AS budget_bytes
FROM release r JOIN upstream u ON u.id = r.upstream_id
     CROSS JOIN LATERAL (
         SELECT sum(total) AS total, sum(published) AS published, sum(missing) AS missing,
                sum(set_aside) AS set_aside, sum(blocked) AS blocked, sum(left_out) AS left_out,
                sum(changes)::bigint AS changes
         FROM release_delta d WHERE d.release_id = r.id) c
     CROSS JOIN LATERAL (
         SELECT count(*) AS nars, coalesce(sum(weight), 0) AS bytes, count(*) FILTER (WHERE file_hash_drift) AS drift
         FROM release_nar rn JOIN nar ON nar.id = rn.nar_id
         WHERE rn.release_id = r.id
               AND EXISTS (SELECT FROM path p WHERE p.nar_id = nar.id AND p.state = 'published')) n
     CROSS JOIN LATERAL (
         SELECT coalesce(sum(weight), 0) AS bytes
         FROM release_nar rn JOIN nar ON nar.id = rn.nar_id
         WHERE rn.release_id = r.id
               AND EXISTS (SELECT FROM path p WHERE p.nar_id = nar.id AND p.left_out)
               AND NOT EXISTS (SELECT FROM path p WHERE p.nar_id = nar.id AND p.state = 'published')) o
     CROSS JOIN budget b
WHERE r.id = $1

-- name: ManifestUpstreams
-- Where the narinfos of the published paths of release $1 are from.
SELECT u.url, count(*) AS paths
FROM release_path rp JOIN path p ON p.id = rp.path_id JOIN nar n ON n.id = p.nar_id
     JOIN upstream u ON u.id = n.upstream_id
WHERE rp.release_id = $1 AND p.state = 'published'
GROUP BY u.id ORDER BY u.url

-- name: ManifestFailures
DECLARE manifest_failures NO SCROLL CURSOR FOR
SELECT '/nix/store/' || p.hash || '-' || p.name AS store_path,
       CASE WHEN p.blocked_by IS NOT NULL THEN 'blocked' WHEN p.state IN ('missing', 'set_aside') THEN p.state::text
            ELSE 'left_out' END AS state,
       CASE WHEN p.state IN ('missing', 'set_aside') THEN p.reason ELSE 'budget' END AS reason,
       '/nix/store/' || b.hash || '-' || b.name AS blocked_by, a.note AS accepted
FROM release_path rp JOIN path p ON p.id = rp.path_id LEFT JOIN path b ON b.id = p.blocked_by
     LEFT JOIN accepted_failure a ON a.path_id = p.id
WHERE rp.release_id = $1 AND p.state <> 'published'
ORDER BY p.hash

-- name: ListingRows
DECLARE listing_rows NO SCROLL CURSOR FOR
SELECT p.hash, n.file, n.weight, s.key, n.blob_byte_offset, n.blob_block_offset, n.blob_block_length
FROM release_path rp JOIN path p ON p.id = rp.path_id JOIN nar n ON n.id = p.nar_id JOIN shard s ON s.id = n.shard_id
WHERE rp.release_id = $1 AND p.state = 'published'
ORDER BY p.hash

-- name: LockSettling
SELECT r.channel, r.name, r.state, r.max_missing, r.is_latest,
       coalesce((SELECT max(o.id) FROM release o WHERE o.channel = r.channel AND o.is_latest), 0) AS latest_id,
       NOT EXISTS (SELECT FROM adopted_latest a
                   WHERE a.channel = r.channel AND a.name <> r.name AND r.submitted_at < a.submitted_at)
           AS newer_than_adopted,
       c.changes
FROM release r CROSS JOIN LATERAL (
         SELECT sum(changes)::bigint AS changes FROM release_delta d WHERE d.release_id = r.id) c
WHERE r.id = $1 FOR UPDATE OF r

-- name: FindWiderRelease
-- Another submission of the same release that holds all our paths and more, and has a manifest.
SELECT coalesce((
    SELECT max(o.id) FROM release r JOIN release o ON o.channel = r.channel AND o.name = r.name AND o.id <> r.id
    WHERE r.id = $1 AND o.settle_batch IS NOT NULL AND o.state IN ('mirroring', 'settled')
          AND (SELECT sum(total) FROM release_delta WHERE release_id = o.id) >
              (SELECT sum(total) FROM release_delta WHERE release_id = r.id)
          AND NOT EXISTS (SELECT FROM release_path rp
                          WHERE rp.release_id = r.id
                                AND NOT EXISTS (SELECT FROM release_path x
                                                WHERE x.release_id = o.id AND x.path_id = rp.path_id))), 0)

-- name: UnpublishedReleaseFiles
SELECT name, artifact_id FROM release_file WHERE release_id = $1 AND batch IS NULL AND artifact_id IS NOT NULL
ORDER BY name

-- name: MarkReleaseFiles
UPDATE release_file SET batch = $2 WHERE release_id = $1 AND batch IS NULL AND artifact_id IS NOT NULL

-- name: ForgetAdoptedLatest
DELETE FROM adopted_latest WHERE channel = $1

-- name: ClearLatest
UPDATE release SET is_latest = false WHERE channel = $1 AND is_latest

-- name: RecordSettling
UPDATE release
SET settle_batch = $2, settle_changes = $3, manifest_revision = manifest_revision + 1, is_latest = is_latest OR $4,
    message = $5
WHERE id = $1

-- name: SettleReleases
-- The batch with its manifest has come into the index.
UPDATE release SET state = 'settled', settled_at = now()
FROM mirror m WHERE release.state = 'mirroring' AND release.settle_batch <= m.published_batch
RETURNING release.id
