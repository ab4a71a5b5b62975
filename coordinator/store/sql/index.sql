-- The index drive: its writer, its recorded head, and heads that were taken over (pg_index_table).

-- name: LockMirror
SELECT m.index_key, m.index_content_key, m.index_worker_id, m.published_batch, m.db_length, m.db_tree_hash, m.content_length,
       m.content_tree_hash, m.content_byte_length,
       -- One that said that it leaves has stopped writing before.
       coalesce((SELECT w.last_seen > clock_timestamp() - $1::bigint * interval '1 millisecond' AND NOT w.draining
                 FROM worker w WHERE w.id = m.index_worker_id), false) AS writer_alive,
       coalesce((SELECT w.name FROM worker w WHERE w.id = m.index_worker_id), '') AS writer_name
FROM mirror m FOR UPDATE OF m

-- name: ClaimIndex
UPDATE mirror
SET index_key = $1, index_content_key = $2, index_worker_id = $3,
    predecessor_key = CASE WHEN index_key IS NULL THEN nullif($4::bytea, '') ELSE predecessor_key END

-- name: HeadAfterBatch
SELECT applied_at IS NOT NULL AS applied, db_length, db_tree_hash, content_length, content_tree_hash,
       content_byte_length
FROM publish_batch WHERE batch = $1

-- name: PlanOfBatch
-- One number under which two batches were planned, before and after a loss of commits, is told apart by when.
SELECT (extract(epoch FROM planned_at) * 1000000)::bigint AS plan FROM publish_batch WHERE batch = $1

-- name: LastBatchWithin
-- The last batch that an index drive with these lengths still holds whole.
SELECT batch, db_length, db_tree_hash, content_length, content_tree_hash, content_byte_length
FROM (SELECT batch, db_length, db_tree_hash, content_length, content_tree_hash, content_byte_length
      FROM publish_batch WHERE db_length IS NOT NULL
      UNION ALL
      SELECT after_batch, db_length, db_tree_hash, content_length, content_tree_hash, content_byte_length
      FROM index_adoption) h
WHERE db_length <= $1 AND content_length <= $2 ORDER BY batch DESC, db_length DESC LIMIT 1

-- name: AdoptionBeyond
-- A head beyond this length that the log did not make.
SELECT after_batch, db_length FROM index_adoption WHERE db_length > $1 ORDER BY id LIMIT 1

-- name: ApplyBatch
UPDATE publish_batch
SET applied_at = now(), db_length = $2, db_tree_hash = $3, content_length = $4, content_tree_hash = $5,
    content_byte_length = $6
WHERE batch = $1 AND applied_at IS NULL

-- name: MoveIndex
UPDATE mirror
SET published_batch = $1, db_length = $2, db_tree_hash = $3, content_length = $4, content_tree_hash = $5,
    content_byte_length = $6

-- name: AdoptIndex
WITH adopted AS (
    INSERT INTO index_adoption (after_batch, recorded_db_length, db_length, db_tree_hash, content_length,
                                content_tree_hash, content_byte_length)
    SELECT published_batch, db_length, $1, $2, $3, $4, $5 FROM mirror)
-- Whatever /mirror.json is in the index: the next batch brings it in full.
UPDATE mirror
SET db_length = $1, db_tree_hash = $2, content_length = $3, content_tree_hash = $4, content_byte_length = $5,
    mirror_json_sha256 = NULL

-- name: AdoptShards
INSERT INTO adopted_shard (key, content_key, db_length, content_byte_length)
SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::bigint[])
ON CONFLICT (key) DO UPDATE
SET db_length = greatest(adopted_shard.db_length, excluded.db_length),
    content_byte_length = greatest(adopted_shard.content_byte_length, excluded.content_byte_length)

-- name: AdoptLatest
INSERT INTO adopted_latest (channel, name, submitted_at)
SELECT c.channel, c.name, to_timestamp(c.ms / 1000.0) FROM unnest($1::text[], $2::text[], $3::bigint[]) AS c(channel, name, ms)
ON CONFLICT (channel) DO UPDATE SET name = excluded.name, submitted_at = excluded.submitted_at

-- name: LeaveOutOutdated
-- Batches that were planned before the adoption and are not in the index say what the mirror consisted of and which
-- release was the latest, by knowledge that is older than the index.
DELETE FROM publish_operation
WHERE batch > (SELECT published_batch FROM mirror)
      AND (path = $1 OR path IN (SELECT '/channels/' || channel || '/latest' FROM adopted_latest))

-- name: ForgetOlderAdoptedLatest
-- Where this database had come further than the index.
DELETE FROM adopted_latest a
WHERE EXISTS (SELECT FROM release r
              WHERE r.channel = a.channel AND r.is_latest AND (r.name = a.name OR r.submitted_at >= a.submitted_at))

-- name: AcknowledgeIndex
UPDATE mirror
SET acknowledged_db_length = greatest(acknowledged_db_length, least($1, db_length)),
    acknowledged_content_length = greatest(acknowledged_content_length, least($2, content_length)),
    acknowledged_at = clock_timestamp()
WHERE acknowledged_db_length < least($1, db_length) OR acknowledged_content_length < least($2, content_length)
