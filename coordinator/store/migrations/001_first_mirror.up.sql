-- The whole state of a mirror. docs/STATE_MACHINE.md draws the states and says who moves them; the CHECKs here
-- keep every row in one of them. Times are the database's clock. Rows that are worked through as a queue are
-- narrow, and finished ones leave the partial indexes.

-- One mirror per database: its index drive, and what was accepted of it by compare-and-set.
CREATE TABLE mirror (
    singleton        boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    index_key        bytea CHECK (octet_length(index_key) = 32),
    index_content_key bytea CHECK (octet_length(index_content_key) = 32),
    index_worker_id  text,
    db_length        bigint NOT NULL DEFAULT 0,
    db_tree_hash     bytea  NOT NULL DEFAULT '',
    content_length   bigint NOT NULL DEFAULT 0,
    content_tree_hash bytea NOT NULL DEFAULT '',
    content_byte_length bigint NOT NULL DEFAULT 0,
    published_batch  bigint NOT NULL DEFAULT 0
);
INSERT INTO mirror DEFAULT VALUES;

-- The replica that does the background work. Every such transaction checks its epoch.
CREATE TABLE leader (
    singleton  boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    holder     text,
    epoch      bigint NOT NULL DEFAULT 0,
    expires_at timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO leader DEFAULT VALUES;

CREATE TABLE upstream (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    url       text NOT NULL UNIQUE,          -- without a trailing slash
    -- Retry-After of a 429 or 503 holds back everything that goes to this upstream.
    paused_until timestamptz NOT NULL DEFAULT '-infinity'
);

-- Bytes that go into the index as a file: a release's own files, manifest.json, listing.zst, mirror.json.
CREATE TABLE artifact (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    size_bytes bigint NOT NULL DEFAULT 0,
    sha256     bytea,                        -- NULL while it is being written
    CHECK (sha256 IS NULL OR octet_length(sha256) = 32)
);
CREATE TABLE artifact_chunk (
    artifact_id bigint NOT NULL REFERENCES artifact ON DELETE CASCADE,
    ordinal     int    NOT NULL,
    bytes       bytea  NOT NULL CHECK (octet_length(bytes) <= 1048576),
    PRIMARY KEY (artifact_id, ordinal)
);
ALTER TABLE artifact_chunk ALTER COLUMN bytes SET STORAGE EXTERNAL;

CREATE TYPE release_state AS ENUM ('resolving', 'walking', 'planned', 'mirroring', 'settled', 'refused');

CREATE TABLE release (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel      text NOT NULL,
    name         text NOT NULL,              -- '' until the channel's redirect was pinned
    upstream_id  bigint NOT NULL REFERENCES upstream,
    source_url   text NOT NULL DEFAULT '',   -- the pinned release directory
    revision     text NOT NULL DEFAULT '',
    match        text[] NOT NULL DEFAULT '{}',
    exclude      text[] NOT NULL DEFAULT '{}',
    plan_only    boolean NOT NULL DEFAULT false,
    force        boolean NOT NULL DEFAULT false,
    max_missing  double precision NOT NULL,
    priority     int NOT NULL DEFAULT 0,
    state        release_state NOT NULL DEFAULT 'resolving',
    message      text NOT NULL DEFAULT '',
    submitted_at timestamptz NOT NULL DEFAULT now(),
    walked_at    timestamptz,
    settled_at   timestamptz,
    -- What had been stored before this release was submitted is not counted as its work.
    bytes_reused bigint NOT NULL DEFAULT 0,
    manifest_revision int NOT NULL DEFAULT 0,
    is_latest    boolean NOT NULL DEFAULT false,
    CHECK ((state = 'settled') = (settled_at IS NOT NULL))
);
CREATE UNIQUE INDEX release_latest ON release (channel) WHERE is_latest;
CREATE INDEX release_open ON release (priority DESC, id) WHERE state IN ('resolving', 'walking', 'mirroring');

-- The release's own files, each with the SHA-256 of the release page.
CREATE TABLE release_file (
    release_id  bigint NOT NULL REFERENCES release ON DELETE CASCADE,
    name        text   NOT NULL,
    sha256      bytea  NOT NULL,
    size_bytes  bigint NOT NULL,
    artifact_id bigint REFERENCES artifact,  -- NULL until fetched and checked
    batch       bigint,                      -- the publish batch that holds it
    PRIMARY KEY (release_id, name)
);

CREATE TYPE path_state AS ENUM (
    'discovered',  -- named by a list or by a reference; narinfo not read yet
    'known',       -- narinfo verified; NAR not stored
    'stored',      -- its NAR is durable in a shard and recorded
    'published',   -- its narinfo is in a publish batch that the index holds or will hold
    'missing',     -- upstream has no narinfo, or no NAR
    'set_aside'    -- refused, with a reason
);

-- A verified narinfo, verbatim. Never changed: a newer one of the same path is a new row.
CREATE TABLE narinfo (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    content bytea NOT NULL
);

-- The unit of work is (upstream, URL); its verdict stands per (URL, NarHash), because the URL is unsigned.
CREATE TYPE nar_state AS ENUM ('wanted', 'leased', 'stored', 'missing', 'set_aside');
CREATE TABLE nar (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    upstream_id bigint NOT NULL REFERENCES upstream,
    url         text   NOT NULL,             -- as in the narinfo: nar/...
    file        text   NOT NULL,             -- /nar/<file> in the drives
    nar_hash    bytea  NOT NULL CHECK (octet_length(nar_hash) = 32),
    nar_size    bigint NOT NULL CHECK (nar_size > 0),
    compression text   NOT NULL,
    file_hash   bytea,
    file_size   bigint NOT NULL DEFAULT 0,   -- upstream's word; once stored, the real size
    narinfo_id  bigint NOT NULL REFERENCES narinfo,
    state       nar_state NOT NULL DEFAULT 'wanted',
    depth       int    NOT NULL DEFAULT 0,   -- 0 refers to nothing; leased in ascending order
    priority    int    NOT NULL DEFAULT 0,
    attempts    int    NOT NULL DEFAULT 0,   -- those that count against the NAR
    not_before  timestamptz NOT NULL DEFAULT '-infinity',
    job_id      bigint,
    reason      text,                        -- of the last failure
    message     text,
    changed_at  timestamptz NOT NULL DEFAULT now(),
    shard_id    bigint,
    blob_byte_offset  bigint,
    blob_block_offset bigint,
    blob_block_length bigint,
    linked_batch bigint,                     -- the publish batch that holds its /nar link
    file_hash_drift boolean NOT NULL DEFAULT false,
    UNIQUE (upstream_id, url, nar_hash),
    CHECK ((state = 'leased') = (job_id IS NOT NULL)),
    CHECK ((state = 'stored') = (shard_id IS NOT NULL AND blob_byte_offset IS NOT NULL)),
    CHECK (state NOT IN ('missing', 'set_aside') OR reason IS NOT NULL)
);
CREATE INDEX nar_wanted ON nar (priority DESC, depth, file_size DESC, id) WHERE state = 'wanted';
CREATE INDEX nar_job ON nar (job_id) WHERE job_id IS NOT NULL;
CREATE INDEX nar_file ON nar (file);
CREATE INDEX nar_shard ON nar (shard_id) WHERE shard_id IS NOT NULL;

CREATE TABLE path (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash       text COLLATE "C" NOT NULL UNIQUE CHECK (length(hash) = 32),
    name       text NOT NULL,
    state      path_state NOT NULL DEFAULT 'discovered',
    narinfo_id bigint REFERENCES narinfo,
    nar_id     bigint REFERENCES nar,
    depth      int,                          -- NULL until the walk that found it ended
    -- References other than itself that are not published; the path may be published at 0.
    waiting_refs int NOT NULL DEFAULT 0 CHECK (waiting_refs >= 0),
    -- A missing or set aside path that this one needs, directly or through others.
    blocked_by bigint REFERENCES path,
    batch      bigint,                       -- the publish batch that holds its narinfo
    attempts   int NOT NULL DEFAULT 0,
    not_before timestamptz NOT NULL DEFAULT '-infinity',
    reason     text,
    message    text,
    changed_at timestamptz NOT NULL DEFAULT now(),
    CHECK (state IN ('discovered', 'missing', 'set_aside') OR (narinfo_id IS NOT NULL AND nar_id IS NOT NULL)),
    CHECK ((state = 'published') = (batch IS NOT NULL)),
    CHECK (state NOT IN ('missing', 'set_aside') OR reason IS NOT NULL),
    CHECK (state <> 'published' OR blocked_by IS NULL)
);
CREATE INDEX path_ready ON path (depth, id) WHERE state = 'stored' AND waiting_refs = 0 AND blocked_by IS NULL;
CREATE INDEX path_nar ON path (nar_id) WHERE nar_id IS NOT NULL;
CREATE INDEX path_failed ON path (state) WHERE state IN ('missing', 'set_aside');
CREATE INDEX path_blocked ON path (blocked_by) WHERE blocked_by IS NOT NULL;

-- referrer refers to reference; never itself.
CREATE TABLE path_reference (
    referrer  bigint NOT NULL REFERENCES path,
    reference bigint NOT NULL REFERENCES path,
    PRIMARY KEY (referrer, reference),
    CHECK (referrer <> reference)
);
CREATE INDEX path_reference_back ON path_reference (reference);

-- Which paths a release consists of. The frontier of its walk are the rows that are not expanded.
CREATE TABLE release_path (
    release_id bigint NOT NULL REFERENCES release ON DELETE CASCADE,
    path_id    bigint NOT NULL REFERENCES path,
    is_root    boolean NOT NULL,
    expanded   boolean NOT NULL DEFAULT false,
    PRIMARY KEY (release_id, path_id)
);
CREATE INDEX release_path_frontier ON release_path (release_id, path_id) WHERE NOT expanded;
CREATE INDEX release_path_back ON release_path (path_id);

CREATE TABLE worker (
    id           text PRIMARY KEY CHECK (length(id) = 32),
    name         text NOT NULL,
    roles        text[] NOT NULL DEFAULT '{}',
    incarnation  bigint NOT NULL,
    nonce        bigint NOT NULL,
    sequence     bigint NOT NULL DEFAULT 0,
    disk_free_bytes bigint NOT NULL DEFAULT 0,
    draining     boolean NOT NULL DEFAULT false,
    version      text NOT NULL DEFAULT '',
    first_seen   timestamptz NOT NULL DEFAULT now(),
    last_seen    timestamptz NOT NULL DEFAULT now()
);

-- A lease on some NARs. It ends by completion (row deleted, NARs in a final state or wanted again) or by expiry.
CREATE TABLE job (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    worker_id  text NOT NULL REFERENCES worker,
    attempt    int NOT NULL DEFAULT 1,
    expires_at timestamptz NOT NULL,
    leased_at  timestamptz NOT NULL DEFAULT now(),
    bytes      bigint NOT NULL,
    bytes_done bigint NOT NULL DEFAULT 0
);
CREATE INDEX job_worker ON job (worker_id);
CREATE INDEX job_expiry ON job (expires_at);
ALTER TABLE nar ADD FOREIGN KEY (job_id) REFERENCES job;

-- A drive of NARs with one writer for ever. The recorded head moves by compare-and-set only.
CREATE TABLE shard (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key         bytea NOT NULL UNIQUE CHECK (octet_length(key) = 32),
    content_key bytea NOT NULL CHECK (octet_length(content_key) = 32),
    worker_id   text  NOT NULL REFERENCES worker,
    incarnation bigint NOT NULL,
    db_length   bigint NOT NULL DEFAULT 0,
    db_tree_hash bytea NOT NULL DEFAULT '',
    content_length bigint NOT NULL DEFAULT 0,
    content_tree_hash bytea NOT NULL DEFAULT '',
    content_byte_length bigint NOT NULL DEFAULT 0,
    -- Shorter than recorded, or unknown to us when it came with content: never appended to again (rule 4).
    sealed      boolean NOT NULL DEFAULT false,
    seal_reason text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    CHECK (NOT sealed OR seal_reason IS NOT NULL)
);
ALTER TABLE nar ADD FOREIGN KEY (shard_id) REFERENCES shard;

-- Second copies of a NAR file that expired leases left behind; dropped once the published link points elsewhere.
CREATE TABLE extra_copy (
    shard_id bigint NOT NULL REFERENCES shard,
    file     text   NOT NULL,
    bytes    bigint NOT NULL,
    PRIMARY KEY (shard_id, file)
);

-- The publish log: the index drive's blocks are a pure function of it.
CREATE TABLE publish_batch (
    batch      bigint PRIMARY KEY CHECK (batch > 0),   -- 1, 2, 3, ... without a hole
    planned_at timestamptz NOT NULL DEFAULT now(),
    applied_at timestamptz
);
CREATE TYPE publish_kind AS ENUM ('put_narinfo', 'put_artifact', 'put_link', 'remove');
CREATE TABLE publish_operation (
    batch       bigint NOT NULL REFERENCES publish_batch,
    ordinal     int    NOT NULL,
    kind        publish_kind NOT NULL,
    path        text   NOT NULL,             -- in the index drive
    narinfo_id  bigint REFERENCES narinfo,
    artifact_id bigint REFERENCES artifact,
    linkname    text,
    metadata    text,                        -- JSON text, byte for byte what goes into the entry
    PRIMARY KEY (batch, ordinal),
    CHECK ((kind = 'put_narinfo') = (narinfo_id IS NOT NULL)),
    CHECK ((kind = 'put_artifact') = (artifact_id IS NOT NULL)),
    CHECK ((kind = 'put_link') = (linkname IS NOT NULL))
);

-- What happened to a path or NAR, for `coordinator why`.
CREATE TABLE event (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT now(),
    path_id bigint,
    nar_id  bigint,
    what    text NOT NULL,
    CHECK (path_id IS NOT NULL OR nar_id IS NOT NULL)
);
CREATE INDEX event_path ON event (path_id) WHERE path_id IS NOT NULL;
CREATE INDEX event_nar ON event (nar_id) WHERE nar_id IS NOT NULL;
