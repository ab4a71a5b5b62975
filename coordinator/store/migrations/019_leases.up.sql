-- A lease and a record of a NAR cost less.

-- As before, but a lease, which changes nothing that is counted or told, ends after one look, which is also the one that
-- nar_change_begins took.
CREATE OR REPLACE FUNCTION nar_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    counts boolean;
    tells boolean;
BEGIN
    -- What a call of a worker may change is looked for by statements that mostly find nothing.
    IF NOT EXISTS (SELECT FROM changed_new) THEN
        RETURN NULL;
    END IF;
    EXECUTE $sql$
        SELECT coalesce(bool_or((n.state = 'stored') <> (o.state = 'stored') OR n.weight <> o.weight
                                OR n.file_hash_drift <> o.file_hash_drift), false),
               coalesce(bool_or((n.state <> o.state AND n.state IN ('missing', 'set_aside'))
                                OR n.upstream_id <> o.upstream_id OR n.shard_id IS DISTINCT FROM o.shard_id), false)
        FROM changed_new n JOIN changed_old o ON o.id = n.id $sql$ INTO counts, tells;
    IF counts THEN
        PERFORM pg_advisory_xact_lock_shared(18, 2);
    ELSIF NOT tells THEN
        RETURN NULL;
    END IF;
    EXECUTE $sql$
        WITH change AS MATERIALIZED (
            SELECT n.id, n.state, o.state AS old_state, n.weight, o.weight AS old_weight, n.shard_id,
                   o.shard_id AS old_shard_id, n.upstream_id, o.upstream_id AS old_upstream_id, n.url, n.reason,
                   n.message, n.file_hash_drift::int - o.file_hash_drift::int AS drift
            FROM changed_new n JOIN changed_old o ON o.id = n.id
            WHERE (n.state, n.weight, n.file_hash_drift, n.upstream_id) IS DISTINCT FROM
                  (o.state, o.weight, o.file_hash_drift, o.upstream_id)
                  OR n.shard_id IS DISTINCT FROM o.shard_id
        ), counted AS (
            INSERT INTO release_delta (release_id, nars_stored, bytes, bytes_stored, drift)
            SELECT rn.release_id,
                   sum((c.state = 'stored')::int - (c.old_state = 'stored')::int),
                   sum(c.weight - c.old_weight),
                   sum(CASE WHEN c.state = 'stored' THEN c.weight ELSE 0 END -
                       CASE WHEN c.old_state = 'stored' THEN c.old_weight ELSE 0 END),
                   sum(c.drift)
            FROM change c JOIN release_nar rn ON rn.nar_id = c.id
            WHERE (c.state = 'stored') <> (c.old_state = 'stored') OR c.weight <> c.old_weight OR c.drift <> 0
            GROUP BY rn.release_id
        ), stored AS (
            INSERT INTO stored_delta (shard_id, upstream_id, nars)
            SELECT shard_id, upstream_id, sum(nars)
            FROM (SELECT shard_id, upstream_id, 1 AS nars FROM change WHERE state = 'stored'
                  UNION ALL
                  SELECT old_shard_id, old_upstream_id, -1 FROM change WHERE old_state = 'stored') s
            GROUP BY shard_id, upstream_id HAVING sum(nars) <> 0
        )
        INSERT INTO event (nar_id, what)
        SELECT c.id, CASE c.state
                   WHEN 'stored' THEN 'its NAR was verified and recorded in a shard of worker ' || w.name
                   WHEN 'missing' THEN 'upstream has no NAR at ' || c.url || ' (' || c.reason || ')'
                   ELSE 'its NAR was set aside (' || c.reason || '): ' || coalesce(c.message, '')
               END
        FROM change c LEFT JOIN shard s ON s.id = c.shard_id LEFT JOIN worker w ON w.id = s.worker_id
        WHERE c.state <> c.old_state AND c.state IN ('stored', 'missing', 'set_aside') $sql$;
    RETURN NULL;
END $$;
DROP TRIGGER nar_change_begins ON nar;
DROP FUNCTION nar_change_begins();

-- As before, but when the NAR of a path is stored nobody looks whether it is still worth fetching.
CREATE OR REPLACE FUNCTION path_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    needs_changed boolean;
BEGIN
    IF NOT EXISTS (SELECT FROM changed_new) THEN
        RETURN NULL;
    END IF;
    EXECUTE $sql$
        WITH change AS MATERIALIZED (
            SELECT n.id, n.state, o.state AS old_state, n.blocked_by, o.blocked_by AS old_blocked_by, n.reason,
                   n.message, n.batch, n.left_out, o.left_out AS old_left_out,
                   n.left_out AND n.state IN ('known', 'stored') AND n.blocked_by IS NULL AS is_out,
                   o.left_out AND o.state IN ('known', 'stored') AND o.blocked_by IS NULL AS was_out,
                   (n.narinfo_id IS NOT NULL)::int - (o.narinfo_id IS NOT NULL)::int AS narinfos,
                   n.state <> o.state OR n.blocked_by IS DISTINCT FROM o.blocked_by
                   OR n.reason IS DISTINCT FROM o.reason AS counts,
                   n.nar_id IS NOT NULL AND n.state <> 'stored' AND (n.needed AND n.state = 'known' AND n.blocked_by IS NULL
                                             AND NOT n.left_out) <>
                   (o.needed AND o.state = 'known' AND o.blocked_by IS NULL AND NOT o.left_out
                    AND o.nar_id IS NOT NULL) AS needs
            FROM changed_new n JOIN changed_old o ON o.id = n.id
            WHERE n.state <> o.state OR n.blocked_by IS DISTINCT FROM o.blocked_by
                  OR n.reason IS DISTINCT FROM o.reason OR n.needed <> o.needed OR n.left_out <> o.left_out
        ), counted AS (
            INSERT INTO release_delta (release_id, published, missing, set_aside, blocked, left_out, narinfos, changes)
            SELECT rp.release_id,
                   sum((c.state = 'published')::int - (c.old_state = 'published')::int),
                   sum((c.state = 'missing' AND c.blocked_by IS NULL)::int -
                       (c.old_state = 'missing' AND c.old_blocked_by IS NULL)::int),
                   sum((c.state = 'set_aside' AND c.blocked_by IS NULL)::int -
                       (c.old_state = 'set_aside' AND c.old_blocked_by IS NULL)::int),
                   sum((c.blocked_by IS NOT NULL)::int - (c.old_blocked_by IS NOT NULL)::int),
                   sum(c.is_out::int - c.was_out::int),
                   sum(c.narinfos),
                   count(*)
            FROM change c JOIN release_path rp ON rp.path_id = c.id
            WHERE c.is_out <> c.was_out OR (c.counts AND NOT c.is_out) GROUP BY rp.release_id
        ), blocking AS (
            INSERT INTO block_change (path_id)
            SELECT id FROM change
            WHERE (state IN ('missing', 'set_aside') AND blocked_by IS NULL) <>
                  (old_state IN ('missing', 'set_aside') AND old_blocked_by IS NULL)
            ON CONFLICT DO NOTHING
        ), retiring AS (
            INSERT INTO retire_candidate (path_id)
            SELECT id FROM change
            WHERE left_out AND state IN ('stored', 'published')
                  AND (NOT old_left_out OR old_state NOT IN ('stored', 'published'))
            ON CONFLICT DO NOTHING
        ), told AS (
            INSERT INTO event (path_id, what)
            SELECT id,
                   CASE state
                       WHEN 'published' THEN 'its narinfo was put into publish batch ' || batch
                       WHEN 'known' THEN CASE WHEN left_out THEN 'its NAR is not here: it is outside of the budget'
                                              ELSE 'its NAR is wanted again' END
                       WHEN 'discovered' THEN 'its narinfo is asked for again'
                       WHEN 'missing' THEN 'missing upstream (' || reason || '): ' || coalesce(message, '')
                       WHEN 'set_aside' THEN 'set aside (' || reason || '): ' || coalesce(message, '')
                       ELSE state::text
                   END
            FROM change
            WHERE state <> old_state AND state <> 'stored' AND NOT (old_state = 'discovered' AND state = 'known')
        )
        SELECT coalesce(bool_or(needs), false) FROM change $sql$ INTO needs_changed;
    -- A NAR is worth fetching while a path needs it that is neither blocked nor left out nor settled otherwise.
    IF needs_changed THEN
        EXECUTE $sql$
            UPDATE nar SET needed = w.needed
            FROM (SELECT c.nar_id, bool_or(p.needed AND p.state = 'known' AND p.blocked_by IS NULL
                                           AND NOT p.left_out) AS needed
                  FROM (SELECT DISTINCT n.nar_id
                        FROM changed_new n JOIN changed_old o ON o.id = n.id
                        WHERE n.nar_id IS NOT NULL
                              AND (n.needed AND n.state = 'known' AND n.blocked_by IS NULL AND NOT n.left_out) <>
                                  (o.needed AND o.state = 'known' AND o.blocked_by IS NULL AND NOT o.left_out
                                   AND o.nar_id IS NOT NULL)) c
                       JOIN path p ON p.nar_id = c.nar_id
                  GROUP BY c.nar_id) w
            WHERE nar.id = w.nar_id AND nar.state IN ('wanted', 'leased') AND nar.needed <> w.needed $sql$;
    END IF;
    RETURN NULL;
END $$;

-- As before, with a word for each group instead of one for each row: an enum's text is not immutable, so nar_word, which says
-- that it is, was called for each row instead of becoming part of the statement.
CREATE OR REPLACE FUNCTION nar_word(nar_state, boolean) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN $1 = 'wanted' AND NOT $2 THEN 'idle' ELSE $1::text END $$;
CREATE OR REPLACE FUNCTION nars_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO state_count (is_nar, state, amount)
        SELECT true, nar_word(state, needed), count(*) FROM rows_new GROUP BY state, needed;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO state_count (is_nar, state, amount)
        SELECT true, nar_word(state, needed), -count(*) FROM rows_old GROUP BY state, needed;
    ELSE
        INSERT INTO state_count (is_nar, state, amount)
        SELECT true, nar_word(state, needed), sum(n)
        FROM (SELECT state, needed, 1 AS n FROM rows_new UNION ALL SELECT state, needed, -1 FROM rows_old) c
        GROUP BY state, needed HAVING sum(n) <> 0;
    END IF;
    RETURN NULL;
END $$;
