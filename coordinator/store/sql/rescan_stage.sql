-- What a rescan reads of the index on its way into the database (pg_rescan_store): staged, checked. Nothing else is
-- changed here.

-- name: GetRescan
SELECT index_key, index_length, merge, phase, position, finished_at IS NOT NULL AS finished FROM rescan FOR UPDATE

-- name: RescanUnfinished
SELECT EXISTS (SELECT FROM rescan WHERE finished_at IS NULL)

-- name: RescanStanding
SELECT m.index_key, m.db_length, m.published_batch,
       (SELECT count(*) FROM release WHERE state::text <> 'retired') AS releases,
       (SELECT count(*) FROM path WHERE state = 'published') AS paths
FROM mirror m FOR UPDATE

-- name: ClearRescan
TRUNCATE rescan, rescan_shard, rescan_narinfo, rescan_reference, rescan_link, rescan_release, rescan_member,
         rescan_release_file, rescan_finding

-- name: InsertRescan
INSERT INTO rescan (index_key, index_length, merge) VALUES ($1, $2, $3)

-- name: MoveRescan
UPDATE rescan SET phase = $1, position = $2

-- name: FinishRescan
UPDATE rescan SET finished_at = now()

-- name: DropRescanStage
TRUNCATE rescan_shard, rescan_narinfo, rescan_reference, rescan_link, rescan_release, rescan_member,
         rescan_release_file

-- name: AddRescanFinding
INSERT INTO rescan_finding (kind, object, reason) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING

-- name: AddRescanRelease
INSERT INTO rescan_release (channel, name) VALUES ($1, $2) ON CONFLICT DO NOTHING

-- name: NextRescanRelease
SELECT id, channel, name FROM rescan_release WHERE NOT is_read ORDER BY id LIMIT 1

-- name: ForgetRescanMembers
WITH files AS (DELETE FROM rescan_release_file WHERE rescan_release = $1)
DELETE FROM rescan_member WHERE rescan_release = $1

-- name: StageRescanMembers
INSERT INTO rescan_member (rescan_release, hash, name, state, reason, blocked_by, accepted)
SELECT $1::bigint, m.hash, nullif(m.name, ''), m.state, nullif(m.reason, ''), nullif(m.blocked_by, ''),
       nullif(m.accepted, '')
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
     AS m(hash, name, state, reason, blocked_by, accepted)
ON CONFLICT DO NOTHING

-- name: StageRescanPlaces
-- Places that a listing says, for links that have lost theirs.
UPDATE rescan_link l
SET byte_offset = p.byte_offset, block_offset = p.block_offset, block_length = p.block_length,
    byte_length = p.byte_length
FROM unnest($1::text[], $2::bytea[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
     AS p(file, shard_key, byte_offset, block_offset, block_length, byte_length)
WHERE l.file = p.file AND l.shard_key = p.shard_key AND l.byte_offset IS NULL

-- name: MarkRescanRoots
WITH root AS (
    SELECT * FROM unnest($2::text[], $3::text[]) AS r(hash, name)
)
UPDATE rescan_member m SET is_root = true, name = coalesce(m.name, root.name)
FROM root WHERE m.rescan_release = $1 AND m.hash = root.hash

-- name: GuessRescanRoots
-- Without its list: what no other path of the release refers to.
UPDATE rescan_member m SET is_root = true
WHERE m.rescan_release = $1
      AND NOT EXISTS (SELECT FROM rescan_reference e JOIN rescan_member o ON o.hash = e.referrer
                      WHERE e.hash = m.hash AND o.rescan_release = $1)

-- name: DescribeRescanRelease
UPDATE rescan_release
SET upstream = $2, source_url = $3, revision = $4, match = $5::text[], exclude = $6::text[], manifest_revision = $7,
    submitted_at = $8, settled_at = $9, members_known = $10, is_latest = $11,
    manifest_artifact = nullif($12::bigint, 0), listing_artifact = nullif($13::bigint, 0), is_read = true
WHERE id = $1

-- name: DropRescanRelease
DELETE FROM rescan_release WHERE id = $1

-- name: AddRescanReleaseFile
INSERT INTO rescan_release_file (rescan_release, name, sha256, size_bytes, artifact_id)
VALUES ($1, $2, $3, $4, nullif($5::bigint, 0))

-- name: CheckRescanLinks
-- A link that leads into a shard that /mirror.json does not list is treated as absent, here as by every reader.
WITH bad AS (
    DELETE FROM rescan_link l
    WHERE NOT EXISTS (SELECT FROM rescan_shard s WHERE s.key = l.shard_key) OR l.byte_offset IS NULL
    RETURNING file, byte_offset
)
INSERT INTO rescan_finding (kind, object, reason)
SELECT 'link', '/nar/' || file,
       CASE WHEN byte_offset IS NULL THEN 'neither its metadata nor a listing says where in the shard it lies'
            ELSE 'it leads into a shard that /mirror.json does not list' END
FROM bad ON CONFLICT DO NOTHING

-- name: CheckRescanNarInfos
WITH bad AS (
    DELETE FROM rescan_narinfo s WHERE NOT EXISTS (SELECT FROM rescan_link l WHERE l.file = s.file)
    RETURNING hash, file
)
INSERT INTO rescan_finding (kind, object, reason)
SELECT 'narinfo', '/' || hash || '.narinfo', 'the mirror has no sound link to its NAR, /nar/' || file
FROM bad ON CONFLICT DO NOTHING

-- name: CheckRescanFiles
-- A file has one content, so of two signed claims about it one is wrong, and nobody can tell which without reading it.
WITH rival AS (
    SELECT file FROM rescan_narinfo GROUP BY file
    HAVING count(DISTINCT (nar_hash, nar_size, compression)) > 1
), bad AS (
    DELETE FROM rescan_narinfo s USING rival WHERE s.file = rival.file RETURNING s.hash, s.file
)
INSERT INTO rescan_finding (kind, object, reason)
SELECT 'narinfo', '/' || hash || '.narinfo', 'another narinfo says of the same /nar/' || file ||
       ' that it has another NarHash'
FROM bad ON CONFLICT DO NOTHING
