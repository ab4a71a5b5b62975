-- Batches that a database planned and did not see applied before it was copied (pg_rescan_undo). $1: the last one that was
-- applied.

-- name: UndoPublishedPaths
UPDATE path p
SET state = CASE WHEN n.state = 'stored' THEN 'stored' ELSE 'known' END::path_state, batch = NULL, watched = false,
    waits_for = NULL, changed_at = now()
FROM nar n WHERE p.state = 'published' AND p.batch > $1 AND n.id = p.nar_id
RETURNING p.id

-- name: UndoLinks
UPDATE nar SET linked_batch = NULL WHERE linked_batch > $1

-- name: UndoUnlinks
-- Those that still have no narinfo are due at once.
UPDATE nar SET unlink_batch = NULL WHERE unlink_batch > $1

-- name: UndoSettling
-- Of a release that was settled before a newer manifest was planned: the newer one is planned again.
UPDATE release
SET settle_batch = CASE WHEN state = 'settled' THEN $1::bigint END,
    settle_changes = CASE WHEN state = 'settled' THEN -1 END
WHERE settle_batch > $1

-- name: UndoReleaseFiles
UPDATE release_file SET batch = NULL WHERE batch > $1

-- name: UndoMirrorJson
UPDATE mirror SET mirror_json_sha256 = NULL

-- name: UndoOperations
-- Folders of releases that are to leave still leave: the database has let go of them.
DELETE FROM publish_operation WHERE batch > $1 AND NOT (kind = 'remove' AND path LIKE '/channels/%')

-- name: GatherOperations
-- The rest of all batches into the first of them, behind every number that could be taken there.
WITH rest AS (
    SELECT batch, ordinal, 1000000000 + row_number() OVER (ORDER BY batch, ordinal) AS place
    FROM publish_operation WHERE batch > $1
)
UPDATE publish_operation o SET batch = $1::bigint + 1, ordinal = rest.place
FROM rest WHERE o.batch = rest.batch AND o.ordinal = rest.ordinal

-- name: UndoBatches
DELETE FROM publish_batch b
WHERE b.batch > $1 AND NOT EXISTS (SELECT FROM publish_operation o WHERE o.batch = b.batch)

-- name: PlanReleasesAgain
-- Those at work: what their paths wait for may have left the index, or come into it.
UPDATE release SET plan_phase = 0 WHERE state = 'mirroring' AND walked_at IS NOT NULL
