-- Channels that are followed, and what is kept of each (pg_channel_store).

-- name: FollowChannel
INSERT INTO channel (name, followed, match, exclude, max_missing, priority, interval_ms, debounce_ms, keep_releases,
                     keep_days)
VALUES ($1, true, $2::text[], $3::text[], $4, $5, $6, $7, greatest($8::int, 0), greatest($9::int, 0))
ON CONFLICT (name) DO UPDATE
SET followed = true, match = excluded.match, exclude = excluded.exclude, max_missing = excluded.max_missing,
    priority = excluded.priority, interval_ms = excluded.interval_ms, debounce_ms = excluded.debounce_ms,
    keep_releases = CASE WHEN $8 < 0 THEN channel.keep_releases ELSE $8 END,
    keep_days = CASE WHEN $9 < 0 THEN channel.keep_days ELSE $9 END,
    next_poll_at = '-infinity'

-- name: FollowNamedChannel
-- As a server's option says: whatever was set by command stays.
INSERT INTO channel (name, followed) VALUES ($1, true)
ON CONFLICT (name) DO UPDATE SET followed = true WHERE NOT channel.followed

-- name: UnfollowChannel
UPDATE channel SET followed = false, error = '' WHERE name = $1 AND followed

-- name: SetRetention
INSERT INTO channel (name, keep_releases, keep_days) VALUES ($1, greatest($2::int, 0), greatest($3::int, 0))
ON CONFLICT (name) DO UPDATE
SET keep_releases = CASE WHEN $2 < 0 THEN channel.keep_releases ELSE $2 END,
    keep_days = CASE WHEN $3 < 0 THEN channel.keep_days ELSE $3 END

-- name: ListChannels
SELECT c.name, c.followed, c.keep_releases, c.keep_days, c.interval_ms, c.debounce_ms, c.seen_name, c.error,
       coalesce((extract(epoch FROM c.seen_at) * 1000)::bigint, 0) AS seen_at_ms,
       coalesce((extract(epoch FROM c.polled_at) * 1000)::bigint, 0) AS polled_at_ms,
       coalesce(r.name, '') AS latest,
       coalesce((extract(epoch FROM r.settled_at) * 1000)::bigint, 0) AS latest_settled_at_ms
FROM channel c LEFT JOIN release r ON r.channel = c.name AND r.is_latest
WHERE $1 = '' OR c.name = $1
ORDER BY c.name LIMIT $2

-- name: NextChannelToPoll
SELECT name, etag, seen_url, failures, interval_ms FROM channel WHERE followed AND next_poll_at <= now()
ORDER BY next_poll_at, name LIMIT 1

-- name: SawChannel
-- $2 url and $3 name of where it points; '' both: where it pointed before.
UPDATE channel
SET polled_at = clock_timestamp(), failures = 0, error = '', etag = $4,
    seen_at = CASE WHEN $2 <> '' AND $2 <> seen_url THEN clock_timestamp() ELSE seen_at END,
    seen_url = CASE WHEN $2 = '' THEN seen_url ELSE $2 END, seen_name = CASE WHEN $2 = '' THEN seen_name ELSE $3 END
WHERE name = $1

-- name: ChannelFailed
UPDATE channel SET failures = failures + 1, error = $2 WHERE name = $1

-- name: DelayChannel
UPDATE channel SET next_poll_at = clock_timestamp() + $2::bigint * interval '1 millisecond' WHERE name = $1

-- name: FollowFacts
SELECT c.followed, c.match, c.exclude, c.max_missing, c.priority, c.debounce_ms, c.seen_name,
       (extract(epoch FROM clock_timestamp() - c.seen_at) * 1000)::bigint AS seen_for_ms,
       CASE WHEN c.submitted_url = c.seen_url
            THEN (extract(epoch FROM clock_timestamp() - c.submitted_at) * 1000)::bigint
            ELSE -1 END AS submitted_for_ms,
       EXISTS (SELECT FROM release r
               WHERE r.channel = c.name AND r.source_url = c.seen_url AND NOT r.plan_only AND r.match = c.match
                     AND r.exclude = c.exclude) AS release_known,
       EXISTS (SELECT FROM release r
               WHERE r.channel = c.name AND r.state = 'resolving' AND r.source_url = '' AND NOT r.plan_only
                     AND r.match = c.match AND r.exclude = c.exclude) AS pinning
FROM channel c WHERE c.name = $1 AND c.seen_url <> ''

-- name: MarkChannelSubmitted
UPDATE channel SET submitted_url = seen_url, submitted_at = clock_timestamp() WHERE name = $1
