-- Of a release that follows another most paths were planned for that one: what is planned stays so, and work is done for
-- what changed.

-- Walked, and its paths are closed under References: whatever one of them refers to is in it too. NULL: not walked yet.
-- False: nobody knows, for good.
ALTER TABLE release ADD COLUMN closed boolean DEFAULT false,
    -- While it is walked: the closed release whose paths it takes over as they are.
    ADD COLUMN base_id bigint;
ALTER TABLE release ALTER COLUMN closed SET DEFAULT NULL;
-- Had been walked and planned when the release took it over, and nothing that was worked out then has been undone since.
ALTER TABLE release_path ADD COLUMN planned boolean NOT NULL DEFAULT false;

-- The base of release $1, as long as something may be taken over from it.
CREATE FUNCTION base_of(bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT b.id FROM release r JOIN release b ON b.id = r.base_id
    WHERE r.id = $1 AND b.closed AND b.plan_phase >= 4 AND b.state IN ('planned', 'mirroring', 'settled') $$;
-- Whether path $2 may be taken over from base $1, if there is one.
CREATE FUNCTION planned_in(bigint, bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT $1 IS NOT NULL
           AND EXISTS (SELECT FROM release_path o WHERE o.release_id = $1 AND o.path_id = $2)
           AND EXISTS (SELECT FROM path p WHERE p.id = $2 AND p.state IN ('known', 'stored', 'published')
                                                AND p.depth IS NOT NULL AND p.watched) $$;

-- Whoever undoes what was worked out for a path has it planned again. When a path gets other references, or one that had failed
-- is read after all, those that are being walked expand it again, and the others may lack something now.
CREATE FUNCTION path_unplanned() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed boolean := NEW.depth IS NULL AND NEW.narinfo_id IS DISTINCT FROM OLD.narinfo_id;
BEGIN
    UPDATE release_path SET planned = false WHERE path_id = NEW.id AND planned;
    IF changed OR OLD.state IN ('missing', 'set_aside') THEN
        UPDATE release r SET closed = false
        FROM release_path rp
        WHERE rp.path_id = NEW.id AND r.id = rp.release_id AND r.walked_at IS NOT NULL AND r.closed
              AND (changed
                   OR EXISTS (SELECT FROM path_reference e
                              WHERE e.referrer = NEW.id
                                    AND NOT EXISTS (SELECT FROM release_path o
                                                    WHERE o.release_id = r.id AND o.path_id = e.reference)));
        INSERT INTO release_frontier (release_id, path_id)
        SELECT rp.release_id, rp.path_id FROM release_path rp JOIN release r ON r.id = rp.release_id
        WHERE rp.path_id = NEW.id AND r.state IN ('resolving', 'walking') AND r.walked_at IS NULL
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END $$;
-- (What is discovered was neither walked nor planned.)
CREATE TRIGGER path_unplanned AFTER UPDATE OF state, narinfo_id, depth, watched ON path FOR EACH ROW
    WHEN (OLD.state <> 'discovered'
          AND ((OLD.depth IS NOT NULL AND NEW.depth IS NULL) OR (OLD.watched AND NOT NEW.watched)
               OR (NEW.depth IS NULL AND NEW.narinfo_id IS DISTINCT FROM OLD.narinfo_id)
               OR (OLD.state IN ('missing', 'set_aside') AND NEW.state IN ('known', 'stored', 'published'))))
    EXECUTE FUNCTION path_unplanned();

-- A walk must not end before what it took over was closed under References. A coordinator that does not know of that walks
-- everything.
CREATE FUNCTION walk_ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO release_frontier (release_id, path_id)
    SELECT rp.release_id, rp.path_id FROM release_path rp JOIN path p ON p.id = rp.path_id
    WHERE rp.release_id = NEW.id AND p.state IN ('known', 'stored', 'published')
    ON CONFLICT DO NOTHING;
    NEW.base_id := NULL;
    NEW.walked_at := NULL;
    RETURN NEW;
END $$;
CREATE TRIGGER walk_ends BEFORE UPDATE OF walked_at ON release FOR EACH ROW
    WHEN (OLD.walked_at IS NULL AND NEW.walked_at IS NOT NULL AND NEW.base_id IS NOT NULL)
    EXECUTE FUNCTION walk_ends();

-- What is taken over, and NARs, are counted for a release under one lock (18, 1 for paths, 2 for NARs) instead of one for each
-- row. Whoever changes what counts holds it together with others when it looks for the releases that have the row; whoever
-- adds rows to a release holds it alone when it counts them. Each looks with a snapshot that was taken under the lock, so
-- the one sees the other's row, or the other the one's change. (Triggers of one kind fire in the order of their names.)
CREATE FUNCTION path_change_begins() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM changed_new) THEN
        PERFORM pg_advisory_xact_lock_shared(18, 1);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER path_change_begins AFTER UPDATE ON path REFERENCING NEW TABLE AS changed_new
    FOR EACH STATEMENT EXECUTE FUNCTION path_change_begins();

-- (A lease changes nothing that is counted.)
CREATE FUNCTION nar_change_begins() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    counts boolean;
BEGIN
    IF NOT EXISTS (SELECT FROM changed_new) THEN
        RETURN NULL;
    END IF;
    EXECUTE $sql$
        SELECT coalesce(bool_or((n.state = 'stored') <> (o.state = 'stored') OR n.weight <> o.weight
                                OR n.file_hash_drift <> o.file_hash_drift), false)
        FROM changed_new n JOIN changed_old o ON o.id = n.id $sql$ INTO counts;
    IF counts THEN
        PERFORM pg_advisory_xact_lock_shared(18, 2);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER nar_change_begins AFTER UPDATE ON nar REFERENCING OLD TABLE AS changed_old NEW TABLE AS changed_new
    FOR EACH STATEMENT EXECUTE FUNCTION nar_change_begins();

-- As before (017) for what is not taken over: lists are added to by others than the leader, so the lock of the row also keeps
-- it from retiring.
CREATE OR REPLACE FUNCTION release_path_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM added WHERE planned) THEN
        PERFORM pg_advisory_xact_lock(18, 1);
    END IF;
    EXECUTE $sql$
        SELECT p.id
        FROM (SELECT path_id FROM added WHERE NOT planned ORDER BY path_id) a
             CROSS JOIN LATERAL (SELECT id FROM path WHERE id = a.path_id AND nar_id IS NOT NULL FOR SHARE) p $sql$;
    EXECUTE $sql$
        INSERT INTO release_delta (release_id, total, published, missing, set_aside, blocked, left_out, narinfos,
                                   changes)
        SELECT a.release_id, count(*),
               count(*) FILTER (WHERE p.state = 'published'),
               count(*) FILTER (WHERE p.state = 'missing' AND p.blocked_by IS NULL),
               count(*) FILTER (WHERE p.state = 'set_aside' AND p.blocked_by IS NULL),
               count(*) FILTER (WHERE p.blocked_by IS NOT NULL),
               count(*) FILTER (WHERE p.left_out AND p.state IN ('known', 'stored') AND p.blocked_by IS NULL),
               count(*) FILTER (WHERE p.narinfo_id IS NOT NULL),
               count(*)
        FROM added a
             CROSS JOIN LATERAL (SELECT state, blocked_by, left_out, narinfo_id FROM path WHERE id = a.path_id OFFSET 0) p
        GROUP BY a.release_id $sql$;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION release_nar_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM added) THEN
        RETURN NULL;
    END IF;
    PERFORM pg_advisory_xact_lock(18, 2);
    EXECUTE $sql$
        INSERT INTO release_delta (release_id, nars, nars_stored, bytes, bytes_stored, drift)
        SELECT a.release_id, count(*), count(*) FILTER (WHERE n.state = 'stored'), sum(n.weight),
               coalesce(sum(n.weight) FILTER (WHERE n.state = 'stored'), 0),
               count(*) FILTER (WHERE n.file_hash_drift)
        FROM added a
             CROSS JOIN LATERAL (SELECT state, weight, file_hash_drift FROM nar WHERE id = a.nar_id OFFSET 0) n
        GROUP BY a.release_id $sql$;
    RETURN NULL;
END $$;
