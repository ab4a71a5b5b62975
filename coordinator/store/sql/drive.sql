-- Recorded heads of drives, and what lies in shards (pg_drive_table).

-- name: LockShard
SELECT id, worker_id, incarnation, nonce, sealed, lost_at IS NOT NULL AS lost, db_length, db_tree_hash, content_length, content_tree_hash,
       content_byte_length
FROM shard WHERE key = $1 FOR UPDATE

-- name: InsertShard
INSERT INTO shard (key, content_key, worker_id, incarnation, nonce, sealed, seal_reason)
VALUES ($1, $2, $3, $4, $5, $6, CASE WHEN $6 THEN 'it came with content that nothing is recorded of' END)
ON CONFLICT (key) DO NOTHING

-- name: MoveShard
UPDATE shard
SET incarnation = $2, nonce = $3, db_length = $4, db_tree_hash = $5, content_length = $6, content_tree_hash = $7,
    content_byte_length = $8
WHERE id = $1

-- name: SealShard
UPDATE shard SET sealed = true, seal_reason = $2 WHERE id = $1 AND NOT sealed

-- name: StoreNars
-- $1 shard; then the entries, one array a column. The first stored copy counts, and a file has one content. All
-- upstreams' NARs of that file share it, if they are compressed as the one that this worker was given, whose upstream
-- was the one that was asked. Alone: no other row bears the file's name, so for this entry there is nothing else to do.
-- (A row that is added meanwhile meets a stored file when it is planned, or when its own NAR is fetched.)
WITH e AS MATERIALIZED (
    SELECT * FROM unnest($2::text[], $3::bytea[], $4::bigint[], $5::boolean[], $6::bigint[], $7::bigint[],
                         $8::bigint[], $9::bigint[])
         AS e(file, nar_hash, nar_size, drift, byte_offset, block_offset, block_length, byte_length)
), named AS MATERIALIZED (
    SELECT e.*, n.id, n.compression, n.state, n.job_id, n.leases,
           n.nar_hash = e.nar_hash AND n.nar_size = e.nar_size AS fits,
           count(*) OVER of_file AS rows, bool_or(n.state = 'stored') OVER of_file AS stored
    FROM e JOIN nar n ON n.file = e.file
    WINDOW of_file AS (PARTITION BY e.file)
), proved AS (
    SELECT DISTINCT ON (n.file) n.*
    FROM named n LEFT JOIN job j ON j.id = n.job_id
         CROSS JOIN (SELECT worker_id FROM shard WHERE id = $1::bigint) s
    WHERE n.fits AND NOT n.stored
    ORDER BY n.file, j.worker_id = s.worker_id DESC NULLS LAST, n.leases = 0, n.id
), chosen AS (
    SELECT p.*, n.id AS nar_id
    FROM proved p JOIN named n ON n.file = p.file AND n.fits AND n.compression = p.compression
    ORDER BY n.id
)
UPDATE nar
SET state = 'stored', shard_id = $1::bigint, blob_byte_offset = chosen.byte_offset,
    blob_block_offset = chosen.block_offset, blob_block_length = chosen.block_length, file_size = chosen.byte_length,
    file_hash_drift = chosen.drift, job_id = NULL,
    lost_shard_id = CASE WHEN linked_batch IS NULL THEN NULL ELSE lost_shard_id END,
    reason = NULL, message = NULL, changed_at = now()
FROM chosen
WHERE nar.id = chosen.nar_id AND nar.state <> 'stored'
RETURNING nar.id, CASE WHEN nar.id = chosen.id THEN nar.upstream_id END AS asked,
          CASE WHEN chosen.rows = 1 THEN nar.file END AS alone

-- name: ShareStoredNars
-- NARs of the files $1 that are stored under another upstream's name of the same file: one copy is enough.
WITH copy AS (
    SELECT DISTINCT ON (file) file, nar_hash, nar_size, compression, shard_id, blob_byte_offset, blob_block_offset,
           blob_block_length, file_size, file_hash_drift
    FROM nar WHERE file = ANY($1::text[]) AND state = 'stored' ORDER BY file, id
)
UPDATE nar
SET state = 'stored', shard_id = copy.shard_id, blob_byte_offset = copy.blob_byte_offset,
    blob_block_offset = copy.blob_block_offset, blob_block_length = copy.blob_block_length,
    file_size = copy.file_size, file_hash_drift = copy.file_hash_drift, job_id = NULL,
    lost_shard_id = CASE WHEN linked_batch IS NULL THEN NULL ELSE lost_shard_id END,
    reason = NULL, message = NULL, changed_at = now()
FROM copy
WHERE nar.file = copy.file AND nar.nar_hash = copy.nar_hash AND nar.nar_size = copy.nar_size
      AND nar.compression = copy.compression AND nar.state <> 'stored'
RETURNING nar.id

-- name: MoveNarsWithinShard
-- A file that was put again into the shard that counts: its place is the new one. (And a rescan cannot know the drift.)
UPDATE nar
SET blob_byte_offset = e.byte_offset, blob_block_offset = e.block_offset, blob_block_length = e.block_length,
    file_size = e.byte_length, file_hash_drift = e.drift
FROM unnest($2::text[], $3::bytea[], $4::bigint[], $5::boolean[], $6::bigint[], $7::bigint[], $8::bigint[],
            $9::bigint[])
     AS e(file, nar_hash, nar_size, drift, byte_offset, block_offset, block_length, byte_length)
WHERE nar.file = e.file AND nar.nar_hash = e.nar_hash AND nar.state = 'stored' AND nar.shard_id = $1
      AND (nar.blob_byte_offset, nar.blob_block_offset, nar.file_hash_drift) <> (e.byte_offset, e.block_offset, e.drift)

-- name: RecordExtraCopies
INSERT INTO extra_copy (shard_id, file, nar_hash, nar_size, file_hash_drift, blob_byte_offset, blob_block_offset,
                        blob_block_length, bytes)
SELECT $1::bigint, e.file, e.nar_hash, e.nar_size, e.drift, e.byte_offset, e.block_offset, e.block_length, e.byte_length
FROM unnest($2::text[], $3::bytea[], $4::bigint[], $5::boolean[], $6::bigint[], $7::bigint[], $8::bigint[],
            $9::bigint[])
     AS e(file, nar_hash, nar_size, drift, byte_offset, block_offset, block_length, byte_length)
WHERE NOT EXISTS (SELECT FROM nar
                  WHERE nar.file = e.file AND nar.nar_hash = e.nar_hash AND nar.state = 'stored'
                        AND nar.shard_id = $1)
ON CONFLICT (shard_id, file) DO UPDATE
SET nar_hash = excluded.nar_hash, nar_size = excluded.nar_size, file_hash_drift = excluded.file_hash_drift,
    blob_byte_offset = excluded.blob_byte_offset, blob_block_offset = excluded.blob_block_offset,
    blob_block_length = excluded.blob_block_length, bytes = excluded.bytes

-- name: ForgetExtraCopies
DELETE FROM extra_copy WHERE shard_id = $1 AND file = ANY($2::text[])

-- name: DroppableCopies
-- Copies whose file the index, as recorded, links to in another shard.
SELECT DISTINCT x.file
FROM extra_copy x JOIN nar n ON n.file = x.file CROSS JOIN mirror m
WHERE x.shard_id = $1 AND n.state = 'stored' AND n.shard_id <> $1 AND n.linked_batch <= m.published_batch
      AND n.lost_shard_id IS NULL
ORDER BY x.file LIMIT $2

-- name: StorePathsOfNars
UPDATE path SET state = 'stored', reason = NULL, message = NULL, changed_at = now()
WHERE nar_id = ANY($1::bigint[]) AND state IN ('known', 'missing', 'set_aside')

-- name: StorePathsOfStoredNars
-- Of the NARs $1 those that are stored.
UPDATE path SET state = 'stored', reason = NULL, message = NULL, changed_at = now()
FROM nar WHERE nar.id = ANY($1::bigint[]) AND nar.state = 'stored' AND path.nar_id = nar.id
               AND path.state IN ('known', 'missing', 'set_aside')

-- name: QuarantineRivals
-- One URL, two NarHashes, and one of them was proved right: whoever claims the other one is wrong. That is the
-- reason whatever was found out about the claim before, so that the order of events does not show. When another
-- upstream has another file of the same name it may well be right, but a mirror keeps one file of a name.
UPDATE nar
SET state = 'set_aside', job_id = NULL, reason = rival.reason, changed_at = now(),
    message = CASE rival.reason
                  WHEN 'url-of-another-nar'
                  THEN 'another narinfo proved that ' || nar.url || ' holds a NAR with another hash'
                  ELSE 'the mirror keeps another file of this name, which came from ' || rival.upstream || ': /nar/' ||
                       nar.file
              END
FROM (SELECT n.id, min(u.url) AS upstream,
             CASE WHEN bool_or(o.upstream_id = n.upstream_id) THEN 'url-of-another-nar'
                  ELSE 'file-of-another-upstream' END AS reason
      FROM nar n JOIN nar o ON o.file = n.file JOIN upstream u ON u.id = o.upstream_id
      WHERE n.file = ANY($1::text[]) AND n.state <> 'stored' AND o.state = 'stored'
            AND (o.nar_hash <> n.nar_hash OR o.compression <> n.compression)
      GROUP BY n.id) rival
WHERE nar.id = rival.id AND nar.state <> 'stored' AND nar.reason IS DISTINCT FROM rival.reason
RETURNING nar.id

-- name: FailPathsOfNars
-- Only the narinfos that make the claim are affected, and those of them not for which other upstreams are asked.
UPDATE path
SET state = nar.state::text::path_state, reason = nar.reason, message = nar.message, attempts = nar.attempts,
    changed_at = now()
FROM nar
WHERE path.nar_id = nar.id AND nar.id = ANY($1::bigint[]) AND nar.state IN ('missing', 'set_aside')
      AND NOT EXISTS (SELECT FROM path_elsewhere e WHERE e.path_id = path.id AND e.looking)
      AND (path.state = 'known'
           OR (path.state IN ('missing', 'set_aside')
               AND nar.reason IN ('url-of-another-nar', 'file-of-another-upstream')))
