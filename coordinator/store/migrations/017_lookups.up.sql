-- As before (001, 009), and: rows of path and nar are looked up one by one. Joined, a batch of 5,000 rows had PostgreSQL
-- read the whole table twice, so a release of n paths read n * n / 2,500 rows.
CREATE OR REPLACE FUNCTION release_path_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE $sql$
        SELECT p.id
        FROM (SELECT path_id FROM added ORDER BY path_id) a
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
    EXECUTE $sql$
        SELECT n.id
        FROM (SELECT nar_id FROM added ORDER BY nar_id) a
             CROSS JOIN LATERAL (SELECT id FROM nar WHERE id = a.nar_id FOR SHARE) n $sql$;
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

-- Checking it locked the release's row once for each of its NARs.
ALTER TABLE release_nar DROP CONSTRAINT release_nar_release_id_fkey;
CREATE OR REPLACE FUNCTION release_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM release_frontier WHERE release_id = OLD.id;
    DELETE FROM release_path WHERE release_id = OLD.id;
    DELETE FROM release_nar WHERE release_id = OLD.id;
    RETURN NULL;
END $$;
