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

-- As before, and: what is left out counts as such. (path_changed follows in 010.)
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
