-- NARs that cannot be had at the upstream that their narinfo came from: other upstreams are asked for a narinfo of the
-- same NAR (pg_elsewhere_store; the queue is filled where NARs fail).

-- name: LookElsewhere
-- For the paths of the failed NARs $1, if an upstream is configured that was not tried. What is imported from a folder
-- is looked for nowhere else.
INSERT INTO path_elsewhere (path_id, tried, looking)
SELECT p.id, ARRAY[n.upstream_id], true
FROM nar n JOIN path p ON p.nar_id = n.id JOIN upstream u ON u.id = n.upstream_id
     LEFT JOIN path_elsewhere e ON e.path_id = p.id
WHERE n.id = ANY($1::bigint[]) AND n.state IN ('missing', 'set_aside') AND p.state = 'known' AND u.host <> ''
      AND EXISTS (SELECT FROM upstream c WHERE c.preference IS NOT NULL AND c.id <> n.upstream_id
                                              AND NOT c.id = ANY(coalesce(e.tried, '{}')))
ORDER BY p.id
ON CONFLICT (path_id) DO UPDATE
SET tried = CASE WHEN path_elsewhere.tried @> excluded.tried THEN path_elsewhere.tried
                 ELSE path_elsewhere.tried || excluded.tried END,
    looking = true, attempts = 0, not_before = '-infinity'

-- name: LookElsewhereInOutage
-- For at most $1 paths whose NARs wait for a host that a probe has found down as well. The host may come back, so its
-- upstreams do not count as tried.
INSERT INTO path_elsewhere (path_id, tried, looking)
SELECT p.id, '{}', true
FROM upstream_host h JOIN upstream u ON u.host = h.host JOIN nar n ON n.upstream_id = u.id JOIN path p ON p.nar_id = n.id
     LEFT JOIN path_elsewhere e ON e.path_id = p.id
WHERE h.breaker = 'open' AND h.breaker_opens >= 2 AND n.state = 'wanted' AND n.needed AND n.lost_shard_id IS NULL
      AND p.state = 'known' AND e.looking IS DISTINCT FROM true
      AND EXISTS (SELECT FROM upstream c WHERE c.preference IS NOT NULL AND c.host <> h.host
                                              AND NOT c.id = ANY(coalesce(e.tried, '{}')))
ORDER BY p.id LIMIT $1::bigint
ON CONFLICT (path_id) DO UPDATE SET looking = true, attempts = 0, not_before = '-infinity'

-- name: StopLooking
-- Nothing is to be looked for any more: the NAR came, the host is back, or the path is not waited for.
UPDATE path_elsewhere e SET looking = false
WHERE e.looking
      AND NOT EXISTS (SELECT FROM path p JOIN nar n ON n.id = p.nar_id JOIN upstream u ON u.id = n.upstream_id
                           JOIN upstream_host h ON h.host = u.host
                      WHERE p.id = e.path_id AND p.state = 'known'
                            AND (n.state IN ('missing', 'set_aside') OR (n.state = 'wanted' AND h.breaker = 'open')))

-- name: AnyLooking
SELECT EXISTS (SELECT FROM path_elsewhere WHERE looking)

-- name: NextElsewhere
-- At most $2 paths that are due, with the upstream whose turn it is: the preferred one of $1 that was not tried. Those
-- for which none is left come too (0), if none of the configured ones is left either.
SELECT p.id, p.hash, p.name, e.attempts, p.nar_id, coalesce(turn.id, 0) AS upstream_id
FROM path_elsewhere e JOIN path p ON p.id = e.path_id
     LEFT JOIN LATERAL (SELECT u.id FROM upstream u
                        WHERE u.id = ANY($1::bigint[]) AND NOT u.id = ANY(e.tried)
                        ORDER BY u.preference LIMIT 1) turn ON true
WHERE e.looking AND e.not_before <= clock_timestamp() AND p.nar_id IS NOT NULL
      AND (turn.id IS NOT NULL
           OR NOT EXISTS (SELECT FROM upstream u WHERE u.preference IS NOT NULL AND NOT u.id = ANY(e.tried)))
ORDER BY p.nar_id, p.id LIMIT $2::bigint

-- name: LockFailedNar
-- NARs before paths, as all who store them.
SELECT id, state, upstream_id, nar_hash, nar_size, depth, needed FROM nar WHERE id = $1 FOR UPDATE

-- name: LockPathElsewhere
SELECT p.id FROM path p JOIN path_elsewhere e ON e.path_id = p.id
WHERE p.id = $1 AND p.nar_id = $2 AND p.state = 'known' AND e.looking FOR UPDATE OF p, e

-- name: ReferencesOfPath
SELECT r.hash FROM path_reference e JOIN path r ON r.id = e.reference WHERE e.referrer = $1 ORDER BY r.hash

-- name: AddNarInfo
INSERT INTO narinfo (content) VALUES ($1) RETURNING id

-- name: AddNarElsewhere
-- One that is known keeps its row; one that failed there before is tried again.
INSERT INTO nar (upstream_id, url, file, nar_hash, nar_size, compression, file_hash, file_size, narinfo_id, depth)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (nar_hash, upstream_id, url) DO UPDATE
SET state = CASE WHEN nar.state IN ('missing', 'set_aside') THEN 'wanted' ELSE nar.state END,
    attempts = CASE WHEN nar.state IN ('missing', 'set_aside') THEN 0 ELSE nar.attempts END,
    not_before = CASE WHEN nar.state IN ('missing', 'set_aside') THEN '-infinity' ELSE nar.not_before END,
    depth = least(nar.depth, excluded.depth)
RETURNING id, file

-- name: MovePathToNar
UPDATE path SET narinfo_id = $2, nar_id = $3, changed_at = now() WHERE id = $1

-- name: MoveReleasesToNar
-- Releases that have path $1 need NAR $3 from now on, and not NAR $2 if no other path of theirs does.
WITH added AS (
    INSERT INTO release_nar (release_id, nar_id)
    SELECT rn.release_id, $3::bigint
    FROM release_nar rn JOIN release_path rp ON rp.release_id = rn.release_id AND rp.path_id = $1
    WHERE rn.nar_id = $2
    ON CONFLICT DO NOTHING
), gone AS (
    DELETE FROM release_nar rn
    WHERE rn.nar_id = $2
          AND NOT EXISTS (SELECT FROM path p JOIN release_path rp ON rp.path_id = p.id
                          WHERE p.nar_id = $2 AND p.id <> $1 AND rp.release_id = rn.release_id)
    RETURNING rn.release_id
)
INSERT INTO release_delta (release_id, nars, bytes, drift)
SELECT gone.release_id, -1, -n.weight, -n.file_hash_drift::int FROM gone JOIN nar n ON n.id = $2

-- name: PlaceMovedNar
-- Lane and need of NAR $2, which took the place of NAR $1.
UPDATE nar
SET lane = CASE WHEN nar.id = $2 THEN lane_of(nar.id) ELSE nar.lane END,
    needed = EXISTS (SELECT FROM path p
                     WHERE p.nar_id = nar.id AND p.needed AND p.state = 'known' AND p.blocked_by IS NULL
                           AND NOT p.left_out)
WHERE nar.id IN ($1::bigint, $2::bigint) AND nar.state IN ('wanted', 'leased')

-- name: FoundElsewhere
UPDATE path_elsewhere SET looking = false WHERE path_id = $1

-- name: NotElsewhere
-- Not at upstream $2.
UPDATE path_elsewhere
SET tried = CASE WHEN $2 = ANY(tried) THEN tried ELSE tried || $2::bigint END, attempts = 0, not_before = '-infinity'
WHERE path_id = $1

-- name: ElsewhereLater
UPDATE path_elsewhere
SET attempts = $2, not_before = clock_timestamp() + $3::bigint * interval '1 millisecond' WHERE path_id = $1

-- name: TellPath
INSERT INTO event (path_id, what) VALUES ($1, $2)

-- name: UrlOfUpstream
SELECT url FROM upstream WHERE id = $1
