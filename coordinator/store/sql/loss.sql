-- Shards that were lost, and how their NARs come back (pg_shard_losses, pg_loss_repairer, pg_control_store).

-- name: LoseShard
-- Its writer holds less than was recorded.
UPDATE shard SET lost_at = now() WHERE id = $1 AND lost_at IS NULL AND db_length > 0
RETURNING key

-- name: HoldShardAgain
UPDATE shard SET lost_at = NULL WHERE id = $1 AND lost_at IS NOT NULL
RETURNING key

-- name: LoseShardsBut
-- Of worker $1 every shard but the ones with the keys $2.
UPDATE shard SET lost_at = now(), sealed = true, seal_reason = coalesce(seal_reason, $3)
WHERE worker_id = $1 AND lost_at IS NULL AND db_length > 0 AND NOT key = ANY($2::bytea[])
RETURNING key

-- name: RememberWorker
UPDATE worker SET forgotten_at = NULL, disk_full = $2
WHERE id = $1 AND (forgotten_at IS NOT NULL OR disk_full <> $2)

-- name: LoseDeletedNars
-- Files that the worker took out of shard $1 although the NARs in it count: they are lost like any other.
UPDATE nar
SET state = 'wanted', lost_shard_id = coalesce(lost_shard_id, shard_id), shard_id = NULL, blob_byte_offset = NULL,
    attempts = 0, not_before = '-infinity', needed = needed OR linked_batch IS NOT NULL, lane = lane_of_link(id),
    changed_at = now()
WHERE shard_id = $1 AND state = 'stored' AND file = ANY($2::text[])
RETURNING id

-- name: UnrepairedLosses
SELECT EXISTS (SELECT FROM shard WHERE unrepaired)

-- name: LockUnrepaired
-- Whoever loses one of them, or a copy of it, meanwhile, waits, and is looked at again.
SELECT id FROM shard WHERE unrepaired ORDER BY id FOR UPDATE

-- name: TakeLostNars
-- NARs of the lost shards $2 that no copy holds are wanted again, $1 files at a time: all that one file proves go
-- together. A place in a shard that was lost before stays unknown.
WITH broken AS MATERIALIZED (
    SELECT s.id, w.name, copied_length(s.id) AS copied
    FROM shard s JOIN worker w ON w.id = s.worker_id WHERE s.id = ANY($2::bigint[])
), file AS (
    SELECT DISTINCT nar.file FROM broken b JOIN nar ON nar.shard_id = b.id
    WHERE nar.blob_block_offset + nar.blob_block_length > b.copied ORDER BY nar.file LIMIT $1
), chosen AS (
    SELECT nar.id, b.name
    FROM file JOIN nar ON nar.file = file.file JOIN broken b ON b.id = nar.shard_id
    WHERE nar.blob_block_offset + nar.blob_block_length > b.copied
    ORDER BY nar.id FOR UPDATE OF nar
), taken AS (
    UPDATE nar
    SET state = 'wanted', shard_id = NULL, lost_shard_id = coalesce(nar.lost_shard_id, nar.shard_id),
        blob_byte_offset = CASE WHEN nar.lost_shard_id IS NULL THEN nar.blob_byte_offset END,
        attempts = 0, not_before = '-infinity', needed = nar.linked_batch IS NOT NULL, lane = lane_of_link(nar.id),
        changed_at = now()
    FROM chosen WHERE nar.id = chosen.id
    RETURNING nar.id, chosen.name
), told AS (
    INSERT INTO event (nar_id, what) SELECT id, 'it was lost with a shard of worker ' || name FROM taken
)
SELECT id FROM taken

-- name: EndRepair
UPDATE shard SET unrepaired = false WHERE id = ANY($1::bigint[])

-- name: DropLostExtraCopies
DELETE FROM extra_copy x USING shard s WHERE s.id = x.shard_id AND s.lost_at IS NOT NULL

-- name: AdoptLostNars
-- Those of the NARs $1 that another shard holds as well.
WITH found AS (
    SELECT DISTINCT ON (n.id) n.id, x.shard_id, x.blob_byte_offset, x.blob_block_offset, x.blob_block_length, x.bytes,
           x.file_hash_drift
    FROM nar n
         JOIN extra_copy x ON x.file = n.file AND x.nar_hash = n.nar_hash AND x.nar_size = n.nar_size
         JOIN shard s ON s.id = x.shard_id
    WHERE n.id = ANY($1::bigint[]) AND n.state = 'wanted' AND s.lost_at IS NULL
          AND NOT EXISTS (SELECT FROM nar o WHERE o.file = n.file AND o.state = 'stored')
    ORDER BY n.id, x.shard_id
), adopted AS (
    UPDATE nar
    SET state = 'stored', shard_id = f.shard_id, blob_byte_offset = f.blob_byte_offset,
        blob_block_offset = f.blob_block_offset, blob_block_length = f.blob_block_length, file_size = f.bytes,
        file_hash_drift = f.file_hash_drift,
        lost_shard_id = CASE WHEN nar.linked_batch IS NULL THEN NULL ELSE nar.lost_shard_id END, reason = NULL,
        message = NULL, changed_at = now()
    FROM found f WHERE nar.id = f.id
    RETURNING nar.id, nar.file, nar.shard_id
), taken AS (
    DELETE FROM extra_copy x USING adopted a WHERE x.shard_id = a.shard_id AND x.file = a.file
)
SELECT id FROM adopted

-- name: ForgetStoredPaths
-- Paths whose NAR is not stored any more and that are not published.
UPDATE path SET state = 'known', changed_at = now()
FROM nar WHERE nar.id = ANY($1::bigint[]) AND nar.state = 'wanted' AND path.nar_id = nar.id AND path.state = 'stored'

-- name: TakeFoundNars
-- At most $1 NARs whose lost shard is there again, or a copy of it that holds them.
WITH there AS MATERIALIZED (
    SELECT id, CASE WHEN lost_at IS NULL THEN 9223372036854775807 ELSE copied_length(id) END AS blocks
    FROM shard WHERE lost_at IS NULL OR id IN (SELECT shard_id FROM shard_copy)
)
UPDATE nar
SET state = 'stored', shard_id = lost_shard_id, lost_shard_id = NULL, job_id = NULL, reason = NULL, message = NULL,
    changed_at = now()
WHERE id IN (SELECT nar.id FROM nar JOIN there ON there.id = nar.lost_shard_id
             WHERE nar.blob_block_offset + nar.blob_block_length <= there.blocks AND nar.state <> 'stored'
                   AND nar.blob_byte_offset IS NOT NULL
                   AND NOT EXISTS (SELECT FROM nar o
                                   WHERE o.file = nar.file AND o.state = 'stored'
                                         AND (o.nar_hash, o.shard_id) <> (nar.nar_hash, nar.lost_shard_id))
             ORDER BY nar.id LIMIT $1 FOR UPDATE OF nar)
RETURNING id

-- name: RetryLostNars
-- Lost ones that could not be brought back are tried again, at most $1 of them, after $2 ms.
UPDATE nar SET state = 'wanted', attempts = 0, not_before = '-infinity', lane = lane_of_link(id), changed_at = now()
WHERE id IN (SELECT id FROM nar
             WHERE lost_shard_id IS NOT NULL AND linked_batch IS NOT NULL AND state IN ('missing', 'set_aside')
                   AND reason NOT IN ('url-of-another-nar', 'file-of-another-upstream')
                   AND changed_at < now() - $2::bigint * interval '1 millisecond'
             ORDER BY id LIMIT $1 FOR UPDATE)

-- name: CountFlips
SELECT count(*) FROM (
    SELECT FROM nar WHERE lost_shard_id IS NOT NULL AND linked_batch IS NOT NULL AND state = 'stored' LIMIT $1::bigint) n

-- name: LinksToFlip
SELECT DISTINCT ON (n.file) n.file, s.key, n.blob_byte_offset, n.blob_block_offset, n.blob_block_length, n.file_size
FROM nar n JOIN shard s ON s.id = n.shard_id
WHERE n.lost_shard_id IS NOT NULL AND n.linked_batch IS NOT NULL AND n.state = 'stored'
ORDER BY n.file, n.id LIMIT $1::bigint

-- name: MarkFlipped
-- The files $1 are linked anew in batch $2; listings of releases that hold them are to be written again.
WITH flipped AS (
    UPDATE nar SET linked_batch = $2, lost_shard_id = NULL
    WHERE file = ANY($1::text[]) AND state = 'stored' AND linked_batch IS NOT NULL
    RETURNING id
)
INSERT INTO release_delta (release_id, changes)
SELECT rn.release_id, count(*) FROM flipped JOIN release_nar rn ON rn.nar_id = flipped.id GROUP BY rn.release_id

-- name: ForgetWorker
UPDATE worker SET forgotten_at = now(), identity = NULL WHERE id = $1

-- name: CountLosses
-- What the shards of worker $1 hold, and NARs and bytes that no copy holds.
SELECT count(DISTINCT s.id) AS shards, count(nar.id) FILTER (WHERE lone) AS nars,
       coalesce(sum(nar.weight) FILTER (WHERE lone), 0)::bigint AS bytes
FROM (SELECT id, copied_length(id) AS copied FROM shard WHERE worker_id = $1 AND lost_at IS NULL) s
     JOIN nar ON nar.shard_id = s.id CROSS JOIN LATERAL (
         SELECT nar.blob_block_offset + nar.blob_block_length > s.copied AS lone) l

-- name: FreeNarsOfWorker
UPDATE nar SET state = 'wanted', job_id = NULL, changed_at = now()
FROM job WHERE nar.job_id = job.id AND job.worker_id = $1

-- name: DeleteJobsOfWorker
DELETE FROM job WHERE worker_id = $1
