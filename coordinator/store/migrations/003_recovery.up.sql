-- An index that outlives this database: what was taken over from its holders (docs/RECOVERY.md).

-- A head of the index that this database's log did not make. The next batch goes onto it; the log cannot build the
-- drive below it.
CREATE TABLE index_adoption (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    adopted_at  timestamptz NOT NULL DEFAULT now(),
    after_batch bigint NOT NULL,             -- the last one that had been applied here
    recorded_db_length bigint NOT NULL,      -- of the head that was recorded before
    db_length   bigint NOT NULL,
    db_tree_hash bytea NOT NULL,
    content_length bigint NOT NULL,
    content_tree_hash bytea NOT NULL,
    content_byte_length bigint NOT NULL
);

-- Shards that the adopted index names. Their workers may not have come back yet, or never will; what the index links
-- to must stay in /mirror.json.
CREATE TABLE adopted_shard (
    key         bytea PRIMARY KEY CHECK (octet_length(key) = 32),
    content_key bytea NOT NULL CHECK (octet_length(content_key) = 32),
    db_length   bigint NOT NULL,
    content_byte_length bigint NOT NULL
);

-- What `latest` of a channel was in the adopted index. A release that was submitted before that one does not take its
-- place again; the row goes when a later one does.
CREATE TABLE adopted_latest (
    channel     text PRIMARY KEY,
    name        text NOT NULL,
    submitted_at timestamptz NOT NULL
);

ALTER TABLE mirror
    -- What other holders have whole: batches up to here need not stay in the log for recovery.
    ADD COLUMN acknowledged_db_length bigint NOT NULL DEFAULT 0,
    ADD COLUMN acknowledged_content_length bigint NOT NULL DEFAULT 0,
    ADD COLUMN acknowledged_at timestamptz,
    -- The mirror that this one replaces.
    ADD COLUMN predecessor_key bytea CHECK (octet_length(predecessor_key) = 32);
