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
    published_batch  bigint NOT NULL DEFAULT 0,  -- the last one that the recorded head contains
    mirror_json_sha256 bytea                     -- of the /mirror.json in the newest planned batch
);
INSERT INTO mirror DEFAULT VALUES;

-- The replica that does the background work. Every such transaction locks this row and checks its epoch, so
-- background transactions run one after the other, and never on behalf of a replica that was replaced.
CREATE TABLE leader (
    singleton  boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    holder     text,
    epoch      bigint NOT NULL DEFAULT 0,
    expires_at timestamptz NOT NULL DEFAULT '-infinity',
    -- When leases were last looked after. While nobody did (the database or every replica was away), no worker
    -- could renew, so that time is given back to all leases.
    reaped_at  timestamptz NOT NULL DEFAULT '-infinity'
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
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK (sha256 IS NULL OR octet_length(sha256) = 32)
);
CREATE TABLE artifact_chunk (
    artifact_id bigint NOT NULL REFERENCES artifact ON DELETE CASCADE,
    ordinal     int    NOT NULL,
    bytes       bytea  NOT NULL CHECK (octet_length(bytes) <= 1048576),
    PRIMARY KEY (artifact_id, ordinal)
);
CREATE INDEX artifact_sha256 ON artifact (sha256) WHERE sha256 IS NOT NULL;
CREATE INDEX artifact_unfinished ON artifact (created_at) WHERE sha256 IS NULL;
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
    is_list      boolean NOT NULL DEFAULT false,   -- its roots were submitted; no channel to resolve
    state        release_state NOT NULL DEFAULT 'resolving',
    message      text NOT NULL DEFAULT '',
    not_before   timestamptz NOT NULL DEFAULT '-infinity',  -- of the next try to resolve or walk
    submitted_at timestamptz NOT NULL DEFAULT now(),
    walked_at    timestamptz,                -- the frontier was empty: the planner's turn
    plan_phase   int NOT NULL DEFAULT 0,     -- what the planner has done (plan_phase.h)
    settled_at   timestamptz,
    -- The estimate, once walked.
    plan_paths         bigint,
    plan_nars_to_fetch bigint,
    plan_bytes_to_fetch bigint,
    plan_nar_bytes     bigint,
    plan_disk_free_bytes   bigint,
    plan_disk_needed_bytes bigint,
    plan_seconds       double precision,
    plan_missing       bigint,
    plan_fits          boolean,
    -- The batch with manifest and listing, and how many state changes its manifest had seen.
    settle_batch   bigint,
    settle_changes bigint,
    -- What had been stored before this release was submitted is not counted as its work.
    bytes_reused bigint NOT NULL DEFAULT 0,
    manifest_revision int NOT NULL DEFAULT 0,
    is_latest    boolean NOT NULL DEFAULT false,
    CHECK ((state = 'settled') = (settled_at IS NOT NULL)),
    CHECK (state <> 'settled' OR settle_batch IS NOT NULL)
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
    -- Some path of a release that is being mirrored needs it now (kept by path_changed).
    needed      boolean NOT NULL DEFAULT false,
    leases      int    NOT NULL DEFAULT 0,   -- how often it was leased
    reason      text,                        -- of the last failure
    message     text,
    changed_at  timestamptz NOT NULL DEFAULT now(),
    weight      bigint GENERATED ALWAYS AS (CASE WHEN file_size > 0 THEN file_size ELSE nar_size END) STORED,
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
CREATE INDEX nar_wanted ON nar (priority DESC, depth, weight DESC, id) WHERE state = 'wanted' AND needed;
CREATE INDEX nar_job ON nar (job_id) WHERE job_id IS NOT NULL;
CREATE INDEX nar_file ON nar (file);
CREATE INDEX nar_shard ON nar (shard_id) WHERE shard_id IS NOT NULL;
CREATE INDEX nar_narinfo ON nar (narinfo_id);

CREATE TABLE path (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash       text COLLATE "C" NOT NULL UNIQUE CHECK (length(hash) = 32),
    name       text NOT NULL,
    state      path_state NOT NULL DEFAULT 'discovered',
    narinfo_id bigint REFERENCES narinfo,
    nar_id     bigint REFERENCES nar,
    depth      int,                          -- NULL until the walk that found it ended
    cyclic     boolean NOT NULL DEFAULT false,  -- on (or between) cycles of references
    -- One reference that is not published, whichever; when it gets published another one is looked for. Watched
    -- and waiting for none: every reference is published.
    watched    boolean NOT NULL DEFAULT false,
    waits_for  bigint,
    needed     boolean NOT NULL DEFAULT false,  -- a release that is being mirrored contains it
    -- Of the causes that this path needs, directly or through others, the one with the smallest hash. A cause is
    -- a path that is missing or set aside and needs no other cause: so the answer is the same whatever the order
    -- of events, also when this path's own NAR was refused before or after.
    blocked_by bigint,
    batch      bigint,                       -- the publish batch that holds its narinfo
    attempts   int NOT NULL DEFAULT 0,       -- that failed, of the narinfo or of the NAR
    reason     text,
    message    text,
    changed_at timestamptz NOT NULL DEFAULT now(),
    CHECK (state IN ('discovered', 'missing', 'set_aside') OR (narinfo_id IS NOT NULL AND nar_id IS NOT NULL)),
    CHECK ((state = 'published') = (batch IS NOT NULL)),
    CHECK (waits_for IS NULL OR watched),
    CHECK (state <> 'published' OR (watched AND waits_for IS NULL)),
    CHECK (state NOT IN ('missing', 'set_aside') OR reason IS NOT NULL),
    CHECK (state <> 'published' OR blocked_by IS NULL)
);
CREATE INDEX path_ready ON path (depth, id)
    WHERE state = 'stored' AND needed AND watched AND waits_for IS NULL AND blocked_by IS NULL;
CREATE INDEX path_waits_for ON path (waits_for) WHERE waits_for IS NOT NULL;
CREATE INDEX path_cyclic ON path (id) WHERE cyclic AND state = 'stored';
CREATE INDEX path_nar ON path (nar_id) WHERE nar_id IS NOT NULL;
CREATE INDEX path_failed ON path (state) WHERE state IN ('missing', 'set_aside');
CREATE INDEX path_blocked ON path (blocked_by) WHERE blocked_by IS NOT NULL;

-- referrer refers to reference; never itself.
-- No foreign keys here and in release_path: paths are never deleted, and two look-ups for each of millions of
-- rows would be half the cost of a walk.
CREATE TABLE path_reference (
    referrer  bigint NOT NULL,
    reference bigint NOT NULL,
    PRIMARY KEY (referrer, reference),
    CHECK (referrer <> reference)
);
CREATE INDEX path_reference_back ON path_reference (reference);

-- Which paths a release consists of. The frontier of its walk are the rows that are not expanded.
CREATE TABLE release_path (
    release_id bigint NOT NULL REFERENCES release ON DELETE CASCADE,
    path_id    bigint NOT NULL,
    is_root    boolean NOT NULL,
    expanded   boolean NOT NULL DEFAULT false,
    attempts   int     NOT NULL DEFAULT 0,   -- to read its narinfo, in this walk
    not_before timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (release_id, path_id)
);
CREATE INDEX release_path_frontier ON release_path (release_id, path_id) WHERE NOT expanded;
CREATE INDEX release_path_back ON release_path (path_id);
CREATE INDEX release_path_root ON release_path (release_id) WHERE is_root;

-- Which NARs that makes, each once; filled when the walk has ended.
CREATE TABLE release_nar (
    release_id bigint NOT NULL REFERENCES release ON DELETE CASCADE,
    nar_id     bigint NOT NULL,
    PRIMARY KEY (release_id, nar_id)
);
CREATE INDEX release_nar_back ON release_nar (nar_id);

-- A release's counters are the sum of its rows here: triggers add a row a statement, the leader folds them into
-- one every second. So nothing is counted twice, nothing locks a counter, and reading is cheap.
CREATE TABLE release_delta (
    release_id   bigint NOT NULL REFERENCES release ON DELETE CASCADE,
    total        bigint NOT NULL DEFAULT 0,
    published    bigint NOT NULL DEFAULT 0,
    missing      bigint NOT NULL DEFAULT 0,
    set_aside    bigint NOT NULL DEFAULT 0,
    blocked      bigint NOT NULL DEFAULT 0,
    narinfos     bigint NOT NULL DEFAULT 0,
    nars         bigint NOT NULL DEFAULT 0,
    nars_stored  bigint NOT NULL DEFAULT 0,
    bytes        bigint NOT NULL DEFAULT 0,
    bytes_stored bigint NOT NULL DEFAULT 0,
    drift        bigint NOT NULL DEFAULT 0,
    changes      bigint NOT NULL DEFAULT 0  -- how often a path of it changed its state; only grows
);
CREATE INDEX release_delta_release ON release_delta (release_id);

-- Work of the planner on one release: paths that have no depth yet, with the number of their references that
-- have none.
CREATE TABLE plan_work (
    path_id bigint PRIMARY KEY,
    pending int NOT NULL,
    peeled  boolean NOT NULL DEFAULT false
);
CREATE INDEX plan_work_ready ON plan_work (path_id) WHERE pending <= 0;

-- Paths that became a cause (missing or set aside, and not blocked themselves) or stopped being one: their
-- referrers' blocked_by must follow.
CREATE TABLE block_change (
    path_id bigint PRIMARY KEY
);

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
    incarnation bigint NOT NULL,             -- of the process that moved the recorded head last
    nonce       bigint NOT NULL,
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

-- Verified NAR files in shards that no row of nar points at: second copies that expired leases left behind
-- (dropped once the published link points elsewhere), and files nobody asked for (a rebuilt database; taken
-- over when a walk finds the narinfo).
CREATE TABLE extra_copy (
    shard_id bigint NOT NULL REFERENCES shard,
    file     text   NOT NULL,
    nar_hash bytea  NOT NULL,
    nar_size bigint NOT NULL,
    file_hash_drift boolean NOT NULL,
    blob_byte_offset  bigint NOT NULL,
    blob_block_offset bigint NOT NULL,
    blob_block_length bigint NOT NULL,
    bytes    bigint NOT NULL,
    PRIMARY KEY (shard_id, file)
);
CREATE INDEX extra_copy_file ON extra_copy (file);

-- The publish log: the index drive's blocks are a pure function of it.
CREATE TABLE publish_batch (
    batch      bigint PRIMARY KEY CHECK (batch > 0),   -- 1, 2, 3, ... without a hole
    planned_at timestamptz NOT NULL DEFAULT now(),
    applied_at timestamptz,
    -- The index drive's head after it; an index that was lost is built again batch by batch and must come by
    -- the same heads.
    db_length   bigint,
    db_tree_hash bytea,
    content_length bigint,
    content_tree_hash bytea,
    content_byte_length bigint,
    CHECK ((applied_at IS NULL) = (db_length IS NULL))
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

-- ---------------------------------------------------------------------------------------------------------
-- What follows from a state by itself. Statement triggers, so that no writer can forget it. The statements are
-- EXECUTEd because a plan made for one changed row must not be used for twenty thousand.

CREATE FUNCTION path_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE $sql$
        INSERT INTO release_delta (release_id, published, missing, set_aside, blocked, narinfos, changes)
        SELECT rp.release_id,
               sum((n.state = 'published')::int - (o.state = 'published')::int),
               sum((n.state = 'missing' AND n.blocked_by IS NULL)::int -
                   (o.state = 'missing' AND o.blocked_by IS NULL)::int),
               sum((n.state = 'set_aside' AND n.blocked_by IS NULL)::int -
                   (o.state = 'set_aside' AND o.blocked_by IS NULL)::int),
               sum((n.blocked_by IS NOT NULL)::int - (o.blocked_by IS NOT NULL)::int),
               sum((n.narinfo_id IS NOT NULL)::int - (o.narinfo_id IS NOT NULL)::int),
               count(*)
        FROM changed_new n JOIN changed_old o ON o.id = n.id JOIN release_path rp ON rp.path_id = n.id
        WHERE n.state <> o.state OR n.blocked_by IS DISTINCT FROM o.blocked_by
              OR n.reason IS DISTINCT FROM o.reason
        GROUP BY rp.release_id $sql$;
    EXECUTE $sql$
        INSERT INTO block_change (path_id)
        SELECT n.id FROM changed_new n JOIN changed_old o ON o.id = n.id
        WHERE (n.state IN ('missing', 'set_aside') AND n.blocked_by IS NULL) <>
              (o.state IN ('missing', 'set_aside') AND o.blocked_by IS NULL)
        ON CONFLICT DO NOTHING $sql$;
    EXECUTE $sql$
        INSERT INTO event (path_id, what)
        SELECT n.id,
               CASE n.state
                   WHEN 'published' THEN 'its narinfo was put into publish batch ' || n.batch
                   WHEN 'known' THEN 'its NAR is wanted again'
                   WHEN 'discovered' THEN 'its narinfo is asked for again'
                   WHEN 'missing' THEN 'missing upstream (' || n.reason || '): ' || coalesce(n.message, '')
                   WHEN 'set_aside' THEN 'set aside (' || n.reason || '): ' || coalesce(n.message, '')
                   ELSE n.state::text
               END
        FROM changed_new n JOIN changed_old o ON o.id = n.id
        WHERE n.state <> o.state AND n.state <> 'stored' AND NOT (o.state = 'discovered' AND n.state = 'known') $sql$;
    -- A NAR is worth fetching while a path needs it that is neither blocked nor settled otherwise.
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
    RETURN NULL;
END $$;
CREATE TRIGGER path_changed AFTER UPDATE ON path
    REFERENCING OLD TABLE AS changed_old NEW TABLE AS changed_new
    FOR EACH STATEMENT EXECUTE FUNCTION path_changed();

-- The lock makes whoever changes such a path at this moment see the new row, or us see its change.
CREATE FUNCTION release_path_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE $sql$
        SELECT p.id FROM added a JOIN path p ON p.id = a.path_id WHERE p.nar_id IS NOT NULL
        ORDER BY p.id FOR SHARE OF p $sql$;
    EXECUTE $sql$
        INSERT INTO release_delta (release_id, total, published, missing, set_aside, blocked, narinfos, changes)
        SELECT a.release_id, count(*),
               count(*) FILTER (WHERE p.state = 'published'),
               count(*) FILTER (WHERE p.state = 'missing' AND p.blocked_by IS NULL),
               count(*) FILTER (WHERE p.state = 'set_aside' AND p.blocked_by IS NULL),
               count(*) FILTER (WHERE p.blocked_by IS NOT NULL),
               count(*) FILTER (WHERE p.narinfo_id IS NOT NULL),
               count(*)
        FROM added a JOIN path p ON p.id = a.path_id GROUP BY a.release_id $sql$;
    RETURN NULL;
END $$;
CREATE TRIGGER release_path_added AFTER INSERT ON release_path
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION release_path_added();

CREATE FUNCTION nar_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE $sql$
        INSERT INTO release_delta (release_id, nars_stored, bytes, bytes_stored, drift)
        SELECT rn.release_id,
               sum((n.state = 'stored')::int - (o.state = 'stored')::int),
               sum(n.weight - o.weight),
               sum(CASE WHEN n.state = 'stored' THEN n.weight ELSE 0 END -
                   CASE WHEN o.state = 'stored' THEN o.weight ELSE 0 END),
               sum(n.file_hash_drift::int - o.file_hash_drift::int)
        FROM changed_new n JOIN changed_old o ON o.id = n.id JOIN release_nar rn ON rn.nar_id = n.id
        WHERE n.state <> o.state OR n.weight <> o.weight OR n.file_hash_drift <> o.file_hash_drift
        GROUP BY rn.release_id $sql$;
    EXECUTE $sql$
        INSERT INTO event (nar_id, what)
        SELECT n.id, CASE n.state
                   WHEN 'stored' THEN 'its NAR was verified and recorded in a shard of worker ' || w.name
                   WHEN 'missing' THEN 'upstream has no NAR at ' || n.url || ' (' || n.reason || ')'
                   ELSE 'its NAR was set aside (' || n.reason || '): ' || coalesce(n.message, '')
               END
        FROM changed_new n JOIN changed_old o ON o.id = n.id
             LEFT JOIN shard s ON s.id = n.shard_id LEFT JOIN worker w ON w.id = s.worker_id
        WHERE n.state <> o.state AND n.state IN ('stored', 'missing', 'set_aside') $sql$;
    RETURN NULL;
END $$;
CREATE TRIGGER nar_changed AFTER UPDATE ON nar
    REFERENCING OLD TABLE AS changed_old NEW TABLE AS changed_new
    FOR EACH STATEMENT EXECUTE FUNCTION nar_changed();

CREATE FUNCTION release_nar_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE $sql$
        SELECT n.id FROM added a JOIN nar n ON n.id = a.nar_id ORDER BY n.id FOR SHARE OF n $sql$;
    EXECUTE $sql$
        INSERT INTO release_delta (release_id, nars, nars_stored, bytes, bytes_stored, drift)
        SELECT a.release_id, count(*), count(*) FILTER (WHERE n.state = 'stored'), sum(n.weight),
               coalesce(sum(n.weight) FILTER (WHERE n.state = 'stored'), 0),
               count(*) FILTER (WHERE n.file_hash_drift)
        FROM added a JOIN nar n ON n.id = a.nar_id GROUP BY a.release_id $sql$;
    RETURN NULL;
END $$;
CREATE TRIGGER release_nar_added AFTER INSERT ON release_nar
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION release_nar_added();
