-- Upstream hosts: shares of the cluster's limits, pauses, circuit breakers (pg_host_table, pg_breaker_store).

-- name: HostsOfWorker
-- The hosts that the worker's jobs go to, each to one.
SELECT DISTINCT u.host
FROM job j CROSS JOIN LATERAL (SELECT n.upstream_id FROM nar n WHERE n.job_id = j.id LIMIT 1) n
     JOIN upstream u ON u.id = n.upstream_id
WHERE j.worker_id = $1 AND u.host <> '' ORDER BY u.host

-- name: HostOfUpstreamId
SELECT host FROM upstream WHERE id = $1

-- name: NoteHostLimits
-- The limits of this replica, for people.
UPDATE upstream_host SET bytes_per_second = $2, requests_per_second = $3, transfers_max = $4
WHERE host = $1 AND (bytes_per_second, requests_per_second, transfers_max) IS DISTINCT FROM ($2, $3, $4)

-- name: HostPause
-- An open breaker pauses too, until a probe closed it.
SELECT greatest(0, coalesce((extract(epoch FROM greatest(nullif(paused_until, '-infinity'),
                                                         CASE WHEN breaker = 'open'
                                                              THEN clock_timestamp() + interval '1 second' END)
                                     - clock_timestamp()) * 1000)::bigint, 0)) AS pause_ms
FROM upstream_host WHERE host = $1

-- name: LockShares
-- Whoever shares out does it alone.
SELECT 1 FROM upstream_host WHERE host = $1 FOR UPDATE

-- name: OtherShares
SELECT count(*) AS holders, coalesce(sum(bytes_per_second), 0)::bigint AS bytes_per_second,
       coalesce(sum(requests_per_second), 0)::double precision AS requests_per_second,
       coalesce(sum(transfers), 0)::bigint AS transfers
FROM host_share WHERE host = $1 AND holder <> $2 AND expires_at > clock_timestamp()

-- name: HoldShare
INSERT INTO host_share (host, holder, bytes_per_second, requests_per_second, transfers, window_now, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp() + $7::bigint * interval '1 millisecond')
ON CONFLICT (host, holder) DO UPDATE
SET bytes_per_second = excluded.bytes_per_second, requests_per_second = excluded.requests_per_second,
    transfers = excluded.transfers, window_now = excluded.window_now, expires_at = excluded.expires_at

-- name: ReleaseShares
-- Shares of $1 at all hosts but $2.
DELETE FROM host_share WHERE holder = $1 AND NOT host = ANY($2::text[])

-- name: DropExpiredShares
DELETE FROM host_share WHERE expires_at < clock_timestamp() - interval '1 minute'

-- name: CountHostFailures
-- $2 failures in a row more at the host of upstream $1; at $3 of them its breaker opens for $4 ms.
UPDATE upstream_host
SET failures_in_a_row = failures_in_a_row + $2,
    breaker = CASE WHEN failures_in_a_row + $2 >= $3 THEN 'open' ELSE breaker END,
    breaker_opens = breaker_opens + CASE WHEN breaker = 'closed' AND failures_in_a_row + $2 >= $3 THEN 1 ELSE 0 END,
    breaker_until = CASE WHEN breaker = 'closed' AND failures_in_a_row + $2 >= $3
                         THEN clock_timestamp() + $4::bigint * interval '1 millisecond' ELSE breaker_until END
WHERE host = (SELECT host FROM upstream WHERE id = $1) AND host <> ''
RETURNING host, breaker, failures_in_a_row

-- name: BreakerOpens
SELECT breaker_opens FROM upstream_host WHERE host = (SELECT host FROM upstream WHERE id = $1) FOR UPDATE

-- name: HostAnswered
-- Upstreams $1 answered something that counts: nothing of the past is held against them.
UPDATE upstream_host SET failures_in_a_row = 0, breaker_opens = CASE WHEN $2::boolean THEN 0 ELSE breaker_opens END
WHERE host IN (SELECT host FROM upstream WHERE id = ANY($1::bigint[])) AND breaker = 'closed'
      AND (failures_in_a_row > 0 OR ($2::boolean AND breaker_opens > 0))

-- name: HostToProbe
-- An open breaker whose time has come (half open), with one of its upstreams.
SELECT h.host, h.breaker_opens, (SELECT u.url FROM upstream u WHERE u.host = h.host ORDER BY u.id LIMIT 1) AS url
FROM upstream_host h
WHERE h.breaker = 'open' AND h.breaker_until <= clock_timestamp() AND h.paused_at IS NULL
      AND h.paused_until <= clock_timestamp()
ORDER BY h.breaker_until LIMIT 1

-- name: CloseBreaker
UPDATE upstream_host SET breaker = 'closed', failures_in_a_row = 0 WHERE host = $1

-- name: KeepBreakerOpen
UPDATE upstream_host
SET breaker_opens = breaker_opens + 1, breaker_until = clock_timestamp() + $2::bigint * interval '1 millisecond'
WHERE host = $1
