-- The replica that does the background work (pg_leader).

-- name: TakeOrRenewLeadership
-- $1 holder, $2 its epoch (0: none), $3 ms. Renewing keeps the epoch; taking over counts it up.
UPDATE leader
SET holder = $1,
    epoch = CASE WHEN holder = $1 AND epoch = $2 THEN epoch ELSE epoch + 1 END,
    expires_at = clock_timestamp() + $3::bigint * interval '1 millisecond'
WHERE (holder = $1 AND epoch = $2) OR expires_at < clock_timestamp()
RETURNING epoch

-- name: LockLeader
SELECT 1 FROM leader WHERE holder = $1 AND epoch = $2 FOR UPDATE

-- name: ResignLeadership
UPDATE leader SET expires_at = '-infinity' WHERE holder = $1 AND epoch = $2
