-- Shards that were lost with their worker's disk, and their NARs until they are back.

-- When it was found that the writer does not hold what was recorded.
ALTER TABLE shard ADD COLUMN lost_at timestamptz;
ALTER TABLE shard ADD CHECK (lost_at IS NULL OR sealed);
CREATE INDEX shard_worker ON shard (worker_id);
CREATE INDEX shard_lost ON shard (id) WHERE lost_at IS NOT NULL;

-- The lost shard that the NAR was in, and that the index's link (if there is one) names until it flips.
ALTER TABLE nar ADD COLUMN lost_shard_id bigint REFERENCES shard;
CREATE INDEX nar_lost ON nar (lost_shard_id, id) WHERE lost_shard_id IS NOT NULL;

-- What the index links to is needed, whether or not a path waits for it.
CREATE FUNCTION nar_stays_needed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.needed := true;
    RETURN NEW;
END $$;
CREATE TRIGGER nar_stays_needed BEFORE UPDATE ON nar
    FOR EACH ROW WHEN (NEW.lost_shard_id IS NOT NULL AND NEW.linked_batch IS NOT NULL
                       AND NEW.state IN ('wanted', 'leased') AND NOT NEW.needed)
    EXECUTE FUNCTION nar_stays_needed();

-- What the index links to has a lane even when no release at work needs it.
CREATE FUNCTION lane_of_link(bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT coalesce(lane_of($1), (SELECT r.id FROM release r WHERE r.state IN ('walking', 'mirroring', 'settled')
                                  ORDER BY r.paused_at IS NULL DESC, r.id DESC LIMIT 1)) $$;

-- The operator said that its disk is gone. Cleared when it calls all the same.
ALTER TABLE worker ADD COLUMN forgotten_at timestamptz;
-- It takes no work for want of room.
ALTER TABLE worker ADD COLUMN disk_full boolean NOT NULL DEFAULT false;
