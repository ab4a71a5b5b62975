-- Scrubs: background rounds through what lies on workers' disks (worker/scrub).

CREATE TABLE scrub (
    worker_id text  NOT NULL REFERENCES worker ON DELETE CASCADE,
    key       bytea NOT NULL CHECK (octet_length(key) = 32),
    kind      text  NOT NULL CHECK (kind IN ('shard', 'copy', 'index')),
    -- How often somebody asked for a round, and the last such word that a whole round came after.
    asked     bigint NOT NULL DEFAULT 0,
    answered  bigint NOT NULL DEFAULT 0,
    -- The counts are of the round under way; else of the last whole one.
    running   boolean NOT NULL DEFAULT false,
    blocks    bigint NOT NULL DEFAULT 0,
    nars      bigint NOT NULL DEFAULT 0,
    bytes     bigint NOT NULL DEFAULT 0,
    bytes_total bigint NOT NULL DEFAULT 0,
    damaged   bigint NOT NULL DEFAULT 0,
    repaired  bigint NOT NULL DEFAULT 0,
    given_up  bigint NOT NULL DEFAULT 0,
    whole_at  timestamptz,                   -- the last whole round ended; NULL: there was none
    PRIMARY KEY (worker_id, key)
);
CREATE INDEX scrub_asked ON scrub (worker_id) WHERE asked > answered;
