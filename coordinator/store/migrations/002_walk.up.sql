-- A walk stores each path with a handful of rows; what each of them costs decides how fast it is.

-- The frontier by itself: release_path is only added to, instead of every row being written twice with all its
-- index entries.
CREATE TABLE release_frontier (
    release_id bigint NOT NULL,
    path_id    bigint NOT NULL,
    attempts   int    NOT NULL DEFAULT 0,    -- to read its narinfo, in this walk
    not_before timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (release_id, path_id)
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 20000);
INSERT INTO release_frontier (release_id, path_id, attempts, not_before)
SELECT release_id, path_id, attempts, not_before FROM release_path WHERE NOT expanded;
DROP INDEX release_path_frontier;
ALTER TABLE release_path DROP COLUMN expanded, DROP COLUMN attempts, DROP COLUMN not_before;

-- Checking a foreign key looks up and locks the row it points at, one row at a time, five times for each path of a
-- walk. Narinfos, NARs and paths are never deleted, the walk draws their numbers in the transaction that uses
-- them, and the rows of a release go with it through the trigger.
ALTER TABLE path DROP CONSTRAINT path_narinfo_id_fkey, DROP CONSTRAINT path_nar_id_fkey;
ALTER TABLE nar DROP CONSTRAINT nar_narinfo_id_fkey, DROP CONSTRAINT nar_upstream_id_fkey;
ALTER TABLE release_path DROP CONSTRAINT release_path_release_id_fkey;
CREATE FUNCTION release_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM release_frontier WHERE release_id = OLD.id;
    DELETE FROM release_path WHERE release_id = OLD.id;
    RETURN NULL;
END $$;
CREATE TRIGGER release_deleted AFTER DELETE ON release FOR EACH ROW EXECUTE FUNCTION release_deleted();

-- Nobody asks which NAR a narinfo belongs to. Of the three columns the NarHash alone nearly always decides.
DROP INDEX nar_narinfo;
ALTER TABLE nar DROP CONSTRAINT nar_upstream_id_url_nar_hash_key, ADD UNIQUE (nar_hash, upstream_id, url);

-- As before, with one join of the old rows with the new ones instead of four.
CREATE OR REPLACE FUNCTION path_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    needs_changed boolean;
BEGIN
    EXECUTE $sql$
        WITH change AS MATERIALIZED (
            SELECT n.id, n.state, o.state AS old_state, n.blocked_by, o.blocked_by AS old_blocked_by, n.reason,
                   n.message, n.batch,
                   (n.narinfo_id IS NOT NULL)::int - (o.narinfo_id IS NOT NULL)::int AS narinfos,
                   n.state <> o.state OR n.blocked_by IS DISTINCT FROM o.blocked_by
                   OR n.reason IS DISTINCT FROM o.reason AS counts,
                   n.nar_id IS NOT NULL AND (n.needed AND n.state = 'known' AND n.blocked_by IS NULL) <>
                   (o.needed AND o.state = 'known' AND o.blocked_by IS NULL AND o.nar_id IS NOT NULL) AS needs
            FROM changed_new n JOIN changed_old o ON o.id = n.id
            WHERE n.state <> o.state OR n.blocked_by IS DISTINCT FROM o.blocked_by
                  OR n.reason IS DISTINCT FROM o.reason OR n.needed <> o.needed
        ), counted AS (
            INSERT INTO release_delta (release_id, published, missing, set_aside, blocked, narinfos, changes)
            SELECT rp.release_id,
                   sum((c.state = 'published')::int - (c.old_state = 'published')::int),
                   sum((c.state = 'missing' AND c.blocked_by IS NULL)::int -
                       (c.old_state = 'missing' AND c.old_blocked_by IS NULL)::int),
                   sum((c.state = 'set_aside' AND c.blocked_by IS NULL)::int -
                       (c.old_state = 'set_aside' AND c.old_blocked_by IS NULL)::int),
                   sum((c.blocked_by IS NOT NULL)::int - (c.old_blocked_by IS NOT NULL)::int),
                   sum(c.narinfos),
                   count(*)
            FROM change c JOIN release_path rp ON rp.path_id = c.id
            WHERE c.counts GROUP BY rp.release_id
        ), blocking AS (
            INSERT INTO block_change (path_id)
            SELECT id FROM change
            WHERE (state IN ('missing', 'set_aside') AND blocked_by IS NULL) <>
                  (old_state IN ('missing', 'set_aside') AND old_blocked_by IS NULL)
            ON CONFLICT DO NOTHING
        ), told AS (
            INSERT INTO event (path_id, what)
            SELECT id,
                   CASE state
                       WHEN 'published' THEN 'its narinfo was put into publish batch ' || batch
                       WHEN 'known' THEN 'its NAR is wanted again'
                       WHEN 'discovered' THEN 'its narinfo is asked for again'
                       WHEN 'missing' THEN 'missing upstream (' || reason || '): ' || coalesce(message, '')
                       WHEN 'set_aside' THEN 'set aside (' || reason || '): ' || coalesce(message, '')
                       ELSE state::text
                   END
            FROM change
            WHERE state <> old_state AND state <> 'stored' AND NOT (old_state = 'discovered' AND state = 'known')
        )
        SELECT coalesce(bool_or(needs), false) FROM change $sql$ INTO needs_changed;
    -- A NAR is worth fetching while a path needs it that is neither blocked nor settled otherwise.
    IF needs_changed THEN
        EXECUTE $sql$
            UPDATE nar SET needed = w.needed
            FROM (SELECT c.nar_id, bool_or(p.needed AND p.state = 'known' AND p.blocked_by IS NULL) AS needed
                  FROM (SELECT DISTINCT n.nar_id
                        FROM changed_new n JOIN changed_old o ON o.id = n.id
                        WHERE n.nar_id IS NOT NULL
                              AND (n.needed AND n.state = 'known' AND n.blocked_by IS NULL) <>
                                  (o.needed AND o.state = 'known' AND o.blocked_by IS NULL AND o.nar_id IS NOT NULL)) c
                       JOIN path p ON p.nar_id = c.nar_id
                  GROUP BY c.nar_id) w
            WHERE nar.id = w.nar_id AND nar.state IN ('wanted', 'leased') AND nar.needed <> w.needed $sql$;
    END IF;
    RETURN NULL;
END $$;
