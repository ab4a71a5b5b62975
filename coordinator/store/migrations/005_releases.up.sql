-- Releases come and go: channels that are followed, what of each is kept, and the way of what no release needs any
-- more out of the mirror (docs/STATE_MACHINE.md, "Retirement").

-- New values cannot be used before this migration is committed, so nothing below names them.
ALTER TYPE release_state ADD VALUE IF NOT EXISTS 'retiring';  -- its folder is gone, its paths are let go of
ALTER TYPE release_state ADD VALUE IF NOT EXISTS 'retired';
ALTER TABLE release DROP CONSTRAINT IF EXISTS release_check;
ALTER TABLE release ADD CONSTRAINT release_settled_at CHECK (state <> 'settled' OR settled_at IS NOT NULL);
ALTER TABLE release ADD COLUMN pinned boolean NOT NULL DEFAULT false,  -- never retired
                    ADD COLUMN retired_at timestamptz;
CREATE INDEX release_channel ON release (channel, id);

-- Retirement's clock, and nothing else's: tests put another function in its place.
CREATE FUNCTION retirement_now() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT now()';

-- A channel that is followed, or that has a retention of its own.
CREATE TABLE channel (
    name         text PRIMARY KEY,
    followed     boolean NOT NULL DEFAULT false,
    match        text[] NOT NULL DEFAULT '{}',
    exclude      text[] NOT NULL DEFAULT '{}',
    max_missing  double precision NOT NULL DEFAULT -1,   -- negative: the coordinator's default
    priority     int NOT NULL DEFAULT 0,
    interval_ms  bigint NOT NULL DEFAULT 300000 CHECK (interval_ms > 0),
    debounce_ms  bigint NOT NULL DEFAULT 60000 CHECK (debounce_ms >= 0),
    -- Keep so many releases, and all of so many days; 0: no such rule. Both 0: everything is kept.
    keep_releases int NOT NULL DEFAULT 0 CHECK (keep_releases >= 0),
    keep_days     int NOT NULL DEFAULT 0 CHECK (keep_days >= 0),
    next_poll_at timestamptz NOT NULL DEFAULT '-infinity',
    polled_at    timestamptz,                -- when the channel last answered
    failures     int NOT NULL DEFAULT 0,     -- in a row
    error        text NOT NULL DEFAULT '',   -- of the last poll
    etag         text NOT NULL DEFAULT '',   -- of the last answer
    -- Where the channel points, and since when as far as we know.
    seen_url     text NOT NULL DEFAULT '',
    seen_name    text NOT NULL DEFAULT '',
    seen_at      timestamptz,
    submitted_url text NOT NULL DEFAULT '',
    submitted_at timestamptz
);
CREATE INDEX channel_poll ON channel (next_poll_at) WHERE followed;

-- Paths that a release let go of: looked at once more, whether another one needs them.
CREATE TABLE retire_candidate (
    path_id bigint PRIMARY KEY
);
CREATE FUNCTION release_path_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO retire_candidate (path_id) SELECT DISTINCT path_id FROM removed ORDER BY path_id
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER release_path_removed AFTER DELETE ON release_path
    REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION release_path_removed();

-- A NAR that no narinfo names any more is retiring: unlisted_at is when the last one left. Its link leaves by
-- unlink_batch (0: it had none).
ALTER TABLE nar ADD COLUMN unlisted_at timestamptz, ADD COLUMN unlink_batch bigint;
CREATE INDEX nar_unlisted ON nar (unlisted_at) WHERE unlisted_at IS NOT NULL AND unlink_batch IS NULL;
CREATE INDEX nar_unlinked ON nar (unlink_batch) WHERE unlink_batch IS NOT NULL;

-- Files of shards that nothing refers to any more: first the entry goes, then, when the head without it is recorded,
-- the blocks.
CREATE TABLE retired_copy (
    shard_id bigint NOT NULL REFERENCES shard,
    blob_block_offset bigint NOT NULL,
    file     text   NOT NULL,
    blob_byte_offset  bigint NOT NULL,
    blob_block_length bigint NOT NULL,
    bytes    bigint NOT NULL,
    entry_gone boolean NOT NULL DEFAULT false,
    PRIMARY KEY (shard_id, blob_block_offset)
);
CREATE INDEX retired_copy_entry ON retired_copy (shard_id, file) WHERE NOT entry_gone;

-- What retirement has done, and whether it was asked to begin.
CREATE TABLE retirement (
    singleton    boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    requested_at timestamptz NOT NULL DEFAULT '-infinity',
    begun_at     timestamptz NOT NULL DEFAULT '-infinity',   -- of the last run that began
    finished_at  timestamptz NOT NULL DEFAULT '-infinity',   -- begun_at of the last one that is over
    reclaimed_nars  bigint NOT NULL DEFAULT 0,
    reclaimed_bytes bigint NOT NULL DEFAULT 0
);
INSERT INTO retirement DEFAULT VALUES;
