-- Operators hold, end and order work; workers are drained; failures are accepted.

-- By a person; final unless the same is submitted again. (Not to be used by other statements of this migration.)
ALTER TYPE release_state ADD VALUE 'cancelled';

-- A pause: since when, and why. What is paused leases nothing new and is neither walked nor resolved.
ALTER TABLE mirror ADD COLUMN paused_at timestamptz, ADD COLUMN pause_reason text,
    ADD CHECK ((paused_at IS NULL) = (pause_reason IS NULL));
ALTER TABLE release ADD COLUMN paused_at timestamptz, ADD COLUMN pause_reason text,
    ADD CHECK ((paused_at IS NULL) = (pause_reason IS NULL));
ALTER TABLE worker ADD COLUMN paused_at timestamptz, ADD COLUMN pause_reason text,
    ADD COLUMN drain_at timestamptz,  -- an operator has it drained; `draining` is what it says of itself
    ADD CHECK ((paused_at IS NULL) = (pause_reason IS NULL));

-- What several upstreams (URLs) on one host have in common: it is the host that asks us to slow down.
CREATE TABLE upstream_host (
    host         text PRIMARY KEY,           -- host[:port] in small letters; '' for folders
    paused_at    timestamptz,
    pause_reason text,
    -- Retry-After of a 429 or 503 holds back everything that goes to this host.
    paused_until timestamptz NOT NULL DEFAULT '-infinity',
    CHECK ((paused_at IS NULL) = (pause_reason IS NULL))
);
ALTER TABLE upstream
    ADD COLUMN host text GENERATED ALWAYS AS (lower(split_part(split_part(url, '://', 2), '/', 1))) STORED;
INSERT INTO upstream_host (host, paused_until) SELECT host, max(paused_until) FROM upstream GROUP BY host;
-- upstream.paused_until and nar.priority stay for coordinators of 0.1.0 that still run on this database.
CREATE FUNCTION upstream_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO upstream_host (host) VALUES (NEW.host) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER upstream_added AFTER INSERT ON upstream FOR EACH ROW EXECUTE FUNCTION upstream_added();

-- A NAR is fetched once for all releases that need it, and waits in the lane of one of them: of those at work the
-- first by priority, then the smaller, so that a few paths never wait behind a whole release that needs them too.
-- Lanes of one priority are served by turns. A release whose place in that order changed has lane_changes ahead of
-- lanes_done until the background has gone through its NARs; who may be served is asked at each lease, so a pause
-- or a cancellation needs no such round to take effect.
ALTER TABLE release ADD COLUMN lane_changes int NOT NULL DEFAULT 1, ADD COLUMN lanes_done int NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN lane bigint;
ALTER TABLE nar ADD COLUMN lane bigint;
DROP INDEX nar_wanted;
CREATE INDEX nar_wanted ON nar (lane, upstream_id, depth, weight DESC, id) WHERE state = 'wanted' AND needed;
CREATE INDEX job_lane ON job (lane);

CREATE FUNCTION lane_of(bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT r.id FROM release_nar rn JOIN release r ON r.id = rn.release_id
    WHERE rn.nar_id = $1 AND r.state IN ('walking', 'mirroring', 'settled')
    ORDER BY r.paused_at IS NULL DESC, r.priority DESC, r.plan_bytes_to_fetch NULLS LAST, r.id LIMIT 1 $$;

CREATE FUNCTION release_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.priority <> OLD.priority OR (NEW.paused_at IS NULL) <> (OLD.paused_at IS NULL)
       OR (NEW.state <> OLD.state
           AND (NEW.state = 'mirroring' OR NEW.state NOT IN ('resolving', 'walking', 'settled'))) THEN
        NEW.lane_changes := OLD.lane_changes + 1;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER release_changed BEFORE UPDATE ON release FOR EACH ROW EXECUTE FUNCTION release_changed();

-- Failures that an operator accepts as they are: listed as such in manifests. They still block what needs them.
CREATE TABLE accepted_failure (
    path_id bigint PRIMARY KEY,
    note    text NOT NULL CHECK (note <> ''),
    at      timestamptz NOT NULL DEFAULT now()
);

-- The cluster's limits at a host, as the replicas' options last said (0: none), and its circuit breaker: open, nothing
-- is leased from it until a probe went well; from breaker_until on it may be probed (half open).
ALTER TABLE upstream_host
    ADD COLUMN bytes_per_second    bigint NOT NULL DEFAULT 0 CHECK (bytes_per_second >= 0),
    ADD COLUMN requests_per_second double precision NOT NULL DEFAULT 0 CHECK (requests_per_second >= 0),
    ADD COLUMN transfers_max       int NOT NULL DEFAULT 0 CHECK (transfers_max >= 0),
    ADD COLUMN failures_in_a_row   int NOT NULL DEFAULT 0,
    ADD COLUMN breaker             text NOT NULL DEFAULT 'closed' CHECK (breaker IN ('closed', 'open')),
    ADD COLUMN breaker_opens       int NOT NULL DEFAULT 0,   -- since a NAR from it was last stored
    ADD COLUMN breaker_until       timestamptz NOT NULL DEFAULT '-infinity';

-- Who may be using how much of those limits. Whoever does not renew a share stops using it before it expires here.
CREATE TABLE host_share (
    host       text NOT NULL,
    holder     text NOT NULL,                -- a worker's id, or the walk of a replica
    bytes_per_second    bigint NOT NULL,
    requests_per_second double precision NOT NULL,
    transfers  int NOT NULL,
    window_now int NOT NULL DEFAULT 0,       -- transfers at once that the holder finds good; for people
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (host, holder)
);
