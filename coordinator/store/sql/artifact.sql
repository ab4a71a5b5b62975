-- Files on their way into the index drive (pg_artifacts).

-- name: NewArtifact
INSERT INTO artifact DEFAULT VALUES RETURNING id

-- name: AddArtifactChunk
INSERT INTO artifact_chunk (artifact_id, ordinal, bytes) VALUES ($1, $2, $3)
ON CONFLICT (artifact_id, ordinal) DO NOTHING

-- name: FinishArtifact
UPDATE artifact SET sha256 = $2, size_bytes = $3 WHERE id = $1 AND sha256 IS NULL

-- name: FindArtifact
SELECT id FROM artifact WHERE sha256 = $1 AND size_bytes = $2 ORDER BY id LIMIT 1

-- name: ArtifactChunk
SELECT bytes FROM artifact_chunk WHERE artifact_id = $1 AND ordinal = $2

-- name: ArtifactSize
SELECT size_bytes FROM artifact WHERE id = $1 AND sha256 IS NOT NULL

-- name: DropUnfinishedArtifacts
DELETE FROM artifact WHERE id IN (
    SELECT id FROM artifact WHERE sha256 IS NULL AND created_at < now() - interval '1 day' ORDER BY id LIMIT 100)
