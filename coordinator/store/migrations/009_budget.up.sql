-- A mirror of a part: how many bytes of NARs it may hold, which paths that leaves out, and how often paths are asked
-- for (docs/STATE_MACHINE.md, "The budget").

-- Outside of the budget: its NAR is not fetched, and leaves if it is there.
ALTER TABLE path ADD COLUMN left_out boolean NOT NULL DEFAULT false;
CREATE INDEX path_left_out ON path (id) WHERE left_out;
-- Paths that are left out, and not blocked, missing or set aside.
ALTER TABLE release_delta ADD COLUMN left_out bigint NOT NULL DEFAULT 0;

CREATE TABLE budget (
    singleton   boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    bytes       bigint CHECK (bytes > 0),    -- NULL: there is none
    set_by      text NOT NULL DEFAULT '',    -- the replica that said so
    -- Reasons to choose anew, and how many of them the last choice has seen, or the one under way.
    changes     bigint NOT NULL DEFAULT 0,
    chosen      bigint NOT NULL DEFAULT 0,
    seen        bigint NOT NULL DEFAULT 0,
    running     boolean NOT NULL DEFAULT false,
    begun_at    timestamptz NOT NULL DEFAULT '-infinity',
    reclaimed_bytes bigint NOT NULL DEFAULT 0,  -- of retirement, when the last choice began
    -- What the last choice came to. Waiting: inside the budget, while what leaves still takes up the room.
    kept_paths  bigint NOT NULL DEFAULT 0,   -- those that wait too
    kept_bytes  bigint NOT NULL DEFAULT 0,
    waiting_paths bigint NOT NULL DEFAULT 0,
    kept_value  double precision                -- of the least valuable one that is kept
);
INSERT INTO budget DEFAULT VALUES;

-- The paths that compete, during a choice and until the next one. Every prefix in the order of (neg_value, depth,
-- path_id) is closed under References, but for cycles.
CREATE TABLE path_budget (
    path_id  bigint PRIMARY KEY,
    file_id  bigint NOT NULL,                -- the first NAR with this file: it takes up room once
    weight   bigint NOT NULL,
    depth    int    NOT NULL,
    value    double precision NOT NULL,      -- its own, then the greatest of all that need it
    neg_value double precision GENERATED ALWAYS AS (-value) STORED,
    -- 1, 2: larger than the budget, or needs one that is; 1: its referrers have not been told.
    unfit    smallint NOT NULL DEFAULT 0,
    kept     boolean NOT NULL DEFAULT false,
    waits    boolean NOT NULL DEFAULT false,    -- inside of the budget, and there is no room yet
    admitted boolean NOT NULL DEFAULT false     -- was left out and is not any more
);
CREATE INDEX path_budget_place ON path_budget (neg_value, depth, path_id);
CREATE INDEX path_budget_level ON path_budget (depth, path_id);
CREATE INDEX path_budget_file ON path_budget (file_id) WHERE kept;
CREATE INDEX path_budget_unfit ON path_budget (path_id) WHERE unfit = 1;

-- How often a path was asked for, as it was worth at that time: it halves with every half-life.
CREATE TABLE path_hits (
    path_id bigint PRIMARY KEY,
    hits    double precision NOT NULL,
    at      timestamptz NOT NULL
);
-- The last report of each gateway: one that comes twice counts once.
CREATE TABLE hit_reporter (
    gateway  text PRIMARY KEY,
    sequence bigint NOT NULL,
    at       timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX hit_reporter_at ON hit_reporter (at);

-- Bytes of NAR files on disks, on their way, or promised; copies of whole shards are beside the budget.
CREATE FUNCTION budget_use() RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT (SELECT coalesce(sum(f.bytes), 0)
            FROM (SELECT n.file, max(n.weight) AS bytes FROM nar n
                  WHERE n.state IN ('stored', 'leased') OR (n.state = 'wanted' AND n.needed)
                        OR EXISTS (SELECT FROM path p WHERE p.nar_id = n.id AND p.needed AND NOT p.left_out)
                  GROUP BY n.file) f)::bigint
           + (SELECT coalesce(sum(bytes), 0) FROM retired_copy)::bigint
           + (SELECT coalesce(sum(x.bytes), 0) FROM extra_copy x JOIN shard s ON s.id = x.shard_id
              WHERE s.lost_at IS NULL)::bigint $$;

-- As before, and: what is left out counts as such, needs no NAR, and retires if it is there.
CREATE OR REPLACE FUNCTION path_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    needs_changed boolean;
BEGIN
    EXECUTE $sql$
        WITH change AS MATERIALIZED (
            SELECT n.id, n.state, o.state AS old_state, n.blocked_by, o.blocked_by AS old_blocked_by, n.reason,
                   n.message, n.batch, n.left_out, o.left_out AS old_left_out,
                   n.left_out AND n.state IN ('known', 'stored') AND n.blocked_by IS NULL AS is_out,
                   o.left_out AND o.state IN ('known', 'stored') AND o.blocked_by IS NULL AS was_out,
                   (n.narinfo_id IS NOT NULL)::int - (o.narinfo_id IS NOT NULL)::int AS narinfos,
                   n.state <> o.state OR n.blocked_by IS DISTINCT FROM o.blocked_by
                   OR n.reason IS DISTINCT FROM o.reason AS counts,
                   n.nar_id IS NOT NULL AND (n.needed AND n.state = 'known' AND n.blocked_by IS NULL
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

CREATE OR REPLACE FUNCTION release_path_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE $sql$
        SELECT p.id FROM added a JOIN path p ON p.id = a.path_id WHERE p.nar_id IS NOT NULL
        ORDER BY p.id FOR SHARE OF p $sql$;
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
        FROM added a JOIN path p ON p.id = a.path_id GROUP BY a.release_id $sql$;
    RETURN NULL;
END $$;
