-- Read-only copies of shards on other workers, under the same key.

-- Workers of one failure domain may fail together.
ALTER TABLE worker ADD COLUMN failure_domain text NOT NULL DEFAULT '';
-- HOST:PORT where others read its drives and copies; empty: they cannot.
ALTER TABLE worker ADD COLUMN peer_address text NOT NULL DEFAULT '';

-- Who is to hold a copy, and what of it is there: the newest version that is whole, and where its last blob ends.
CREATE TABLE shard_copy (
    shard_id       bigint NOT NULL REFERENCES shard,
    worker_id      text   NOT NULL REFERENCES worker,
    db_length      bigint NOT NULL DEFAULT 0,
    content_length bigint NOT NULL DEFAULT 0,
    bytes          bigint NOT NULL DEFAULT 0,
    assigned_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (shard_id, worker_id)
);
CREATE INDEX shard_copy_worker ON shard_copy (worker_id);

-- Holders were looked for, whether any was found or not.
ALTER TABLE shard ADD COLUMN copies_sought boolean NOT NULL DEFAULT false;

-- It was lost, or a copy of it was: its NARs have yet to be looked through.
ALTER TABLE shard ADD COLUMN unrepaired boolean NOT NULL DEFAULT false;
UPDATE shard SET unrepaired = true WHERE lost_at IS NOT NULL;
CREATE INDEX shard_unrepaired ON shard (id) WHERE unrepaired;

-- Whoever finds it lost, a coordinator of the release before too, has its NARs looked through.
CREATE FUNCTION shard_loss_is_repaired() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.unrepaired := NEW.lost_at IS NOT NULL;
    RETURN NEW;
END $$;
CREATE TRIGGER shard_loss_is_repaired BEFORE UPDATE OF lost_at ON shard
    FOR EACH ROW WHEN ((OLD.lost_at IS NULL) <> (NEW.lost_at IS NULL)) EXECUTE FUNCTION shard_loss_is_repaired();

-- Up to which block of its content some copy holds everything that counts.
CREATE FUNCTION copied_length(bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT coalesce(max(content_length), 0) FROM shard_copy WHERE shard_id = $1 $$;

-- Everything that counts is there. Of what was lost that is what some copy holds.
CREATE FUNCTION is_whole(copy shard_copy, of_shard shard) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT copy.db_length >= of_shard.db_length
           OR (of_shard.lost_at IS NOT NULL AND copy.db_length > 0
               AND copy.content_length >= copied_length(of_shard.id)) $$;

-- Who counts on to hold copies: not who is about to leave for good, or has.
CREATE VIEW staying_worker AS
    SELECT * FROM worker WHERE forgotten_at IS NULL AND drain_at IS NULL;

-- Shards of which not everything may be published yet, and up to which block of their content it may: who is to hold a
-- copy has yet to be said, or is there ($1: called within so many ms) and fetching.
CREATE FUNCTION shards_awaiting_copies(bigint) RETURNS TABLE (id bigint, copied bigint) LANGUAGE sql STABLE AS $$
    SELECT s.id, copied_length(s.id)
    FROM shard s
    WHERE s.lost_at IS NULL AND s.db_length > 0
          AND (NOT s.copies_sought
               OR EXISTS (SELECT FROM shard_copy c JOIN staying_worker w ON w.id = c.worker_id
                          WHERE c.shard_id = s.id AND NOT w.draining AND NOT w.disk_full
                                AND w.last_seen > clock_timestamp() - $1 * interval '1 millisecond')) $$;
