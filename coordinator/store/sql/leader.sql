-- The replica that does the background work (pg_leader).

-- name: LockBackgroundWork
-- Of whoever does background work, or takes it over, to the end of the transaction. Not the row: locking that writes to the
-- log and waits for the disk, even when there is nothing to do.
SELECT pg_advisory_xact_lock(19, 1)

-- name: IsLeader
SELECT 1 FROM leader WHERE holder = $1 AND epoch = $2

-- name: RenewLeadership
-- $1 holder, $2 its epoch, $3 ms.
UPDATE leader SET expires_at = clock_timestamp() + $3::bigint * interval '1 millisecond'
WHERE holder = $1 AND epoch = $2
RETURNING epoch

-- name: HasNoLeader
SELECT 1 FROM leader WHERE expires_at < clock_timestamp()

-- name: TakeLeadership
UPDATE leader
SET holder = $1, epoch = epoch + 1, expires_at = clock_timestamp() + $2::bigint * interval '1 millisecond'
WHERE expires_at < clock_timestamp()
RETURNING epoch

-- name: ResignLeadership
UPDATE leader SET expires_at = '-infinity' WHERE holder = $1 AND epoch = $2
