-- Counters, and what PostgreSQL knows of its tables (pg_lease_reaper, pg_statistics).

-- name: ReleasesToFold
SELECT release_id FROM release_delta GROUP BY release_id HAVING count(*) > 1 LIMIT 100

-- name: FoldCounters
WITH old AS (DELETE FROM release_delta WHERE release_id = $1 RETURNING *)
INSERT INTO release_delta (release_id, total, published, missing, set_aside, blocked, left_out, narinfos, nars,
                           nars_stored, bytes, bytes_stored, drift, changes)
SELECT release_id, sum(total), sum(published), sum(missing), sum(set_aside), sum(blocked), sum(left_out), sum(narinfos),
       sum(nars), sum(nars_stored), sum(bytes), sum(bytes_stored), sum(drift), sum(changes)
FROM old GROUP BY release_id

-- name: FoldStored
-- Only what several rows say.
WITH several AS (
    SELECT shard_id, upstream_id FROM stored_delta GROUP BY shard_id, upstream_id HAVING count(*) > 1
), old AS (
    DELETE FROM stored_delta d USING several s
    WHERE d.shard_id = s.shard_id AND d.upstream_id = s.upstream_id RETURNING d.*
)
INSERT INTO stored_delta (shard_id, upstream_id, nars)
SELECT shard_id, upstream_id, sum(nars) FROM old GROUP BY shard_id, upstream_id HAVING sum(nars) <> 0

-- name: GrownTables
-- Of the tables $1 those that grew by half since their statistics were made, and that we may make them of. (A table
-- without any has no pages, as far as pg_class knows.)
SELECT c.relname FROM pg_class c
WHERE c.oid = ANY(SELECT t::regclass FROM unnest($1::text[]) t) AND pg_has_role(c.relowner, 'USAGE')
      AND pg_relation_size(c.oid) / current_setting('block_size')::bigint > 32 + c.relpages + c.relpages / 2
