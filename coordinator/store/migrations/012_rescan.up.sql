-- An empty or older database is filled from the index drive (docs/RECOVERY.md, "rescan"): what was read of the index
-- lies in tables of its own until all of it is there, then goes where it belongs, chunk by chunk.

-- The rescan that is under way, or the last one. A coordinator does not serve while it is not finished.
CREATE TABLE rescan (
    singleton    boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    index_key    bytea NOT NULL CHECK (octet_length(index_key) = 32),
    index_length bigint NOT NULL,
    merge        boolean NOT NULL,
    phase        int  NOT NULL DEFAULT 0,        -- RescanPhase (pg_rescan_store.h)
    position     text NOT NULL DEFAULT '',       -- within the phase: what is done up to there, inclusive
    started_at   timestamptz NOT NULL DEFAULT now(),
    finished_at  timestamptz
);

-- What the index says, each thing once.
CREATE TABLE rescan_shard (
    key         bytea PRIMARY KEY CHECK (octet_length(key) = 32),
    content_key bytea NOT NULL CHECK (octet_length(content_key) = 32),
    db_length   bigint NOT NULL,
    content_byte_length bigint NOT NULL
);
CREATE TABLE rescan_narinfo (
    hash        text COLLATE "C" PRIMARY KEY,
    name        text NOT NULL,
    content     bytea NOT NULL,
    upstream    text NOT NULL,
    url         text NOT NULL,
    file        text COLLATE "C" NOT NULL,
    compression text NOT NULL,
    nar_hash    bytea NOT NULL,
    nar_size    bigint NOT NULL,
    file_hash   bytea,
    file_size   bigint NOT NULL,
    narinfo_id  bigint                           -- once it is in its place
);
CREATE INDEX rescan_narinfo_file ON rescan_narinfo (file);
CREATE TABLE rescan_reference (
    referrer text COLLATE "C" NOT NULL,
    hash     text COLLATE "C" NOT NULL,
    name     text NOT NULL,
    PRIMARY KEY (referrer, hash)
);
-- The place is NULL in an index that went through a copy that drops metadata of links, until a listing says it.
CREATE TABLE rescan_link (
    file         text COLLATE "C" PRIMARY KEY,
    shard_key    bytea NOT NULL,
    byte_offset  bigint,
    block_offset bigint,
    block_length bigint,
    byte_length  bigint
);
CREATE TABLE rescan_release (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel      text NOT NULL,
    name         text NOT NULL,
    is_read      boolean NOT NULL DEFAULT false,
    is_latest    boolean NOT NULL DEFAULT false,
    members_known boolean NOT NULL DEFAULT false, -- manifest and listing are there and agree
    upstream     text NOT NULL DEFAULT '',
    source_url   text NOT NULL DEFAULT '',
    revision     text NOT NULL DEFAULT '',
    match        text[] NOT NULL DEFAULT '{}',
    exclude      text[] NOT NULL DEFAULT '{}',
    manifest_revision int NOT NULL DEFAULT 0,
    submitted_at text NOT NULL DEFAULT '',
    settled_at   text NOT NULL DEFAULT '',
    manifest_artifact bigint,
    listing_artifact  bigint,
    release_id   bigint,                         -- the row of release that it became
    UNIQUE (channel, name)
);
CREATE TABLE rescan_member (
    rescan_release bigint NOT NULL,
    hash       text COLLATE "C" NOT NULL,
    name       text,                             -- a listing does not say it
    state      text NOT NULL,
    reason     text,
    blocked_by text,                             -- hash
    accepted   text,
    is_root    boolean NOT NULL DEFAULT false,
    PRIMARY KEY (rescan_release, hash)
);
CREATE INDEX rescan_member_failed ON rescan_member (hash) WHERE state <> 'published';
CREATE TABLE rescan_release_file (
    rescan_release bigint NOT NULL,
    name        text NOT NULL,
    sha256      bytea NOT NULL,
    size_bytes  bigint NOT NULL,
    artifact_id bigint,                          -- NULL: not there, or with other bytes
    PRIMARY KEY (rescan_release, name)
);

-- What was found that is not as it should be, and what the database had said otherwise. Stays for the report.
CREATE TABLE rescan_finding (
    kind   text NOT NULL,
    object text NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (kind, object)
);

-- manifest.json and listing.zst of releases whose batch is not in this database's log.
CREATE TABLE rescanned_file (
    release_id  bigint NOT NULL REFERENCES release ON DELETE CASCADE,
    path        text NOT NULL,
    artifact_id bigint NOT NULL REFERENCES artifact,
    batch       bigint NOT NULL,
    PRIMARY KEY (release_id, path)
);

-- Links of the index that no narinfo names. Their time until they leave begins with the rescan.
CREATE TABLE rescanned_link (
    file        text COLLATE "C" PRIMARY KEY,
    unlisted_at timestamptz NOT NULL
);
CREATE INDEX rescanned_link_due ON rescanned_link (unlisted_at);
