-- Looking at releases, comparing them, reading what was published of them, pinning (pg_release_catalog).

-- name: CatalogPage
-- The releases of channel $1 ('': of all) below number $2, the newest first; at most $3.
SELECT r.id FROM release r WHERE ($1 = '' OR r.channel = $1) AND r.id < $2 ORDER BY r.id DESC LIMIT $3::bigint

-- name: FindReleaseById
SELECT id FROM release WHERE id = $1

-- name: FindReleaseOfChannel
-- $1 channel, $2 name ('': the channel's latest). Of several submissions the one that is described.
SELECT id FROM release
WHERE channel = $1 AND CASE WHEN $2 = '' THEN is_latest ELSE name = $2 END
ORDER BY is_latest DESC, settle_batch IS NULL, id DESC LIMIT 1

-- name: FindReleaseByName
SELECT id FROM release WHERE name = $1 ORDER BY is_latest DESC, settle_batch IS NULL, id DESC LIMIT 1

-- name: ReleaseTitle
SELECT channel, name, state, walked_at IS NOT NULL AS walked FROM release WHERE id = $1

-- name: DiffPage
-- Of $3 paths of release $1 above path $4 those that release $2 does not have. The last row has the chunk's end
-- and no hash.
WITH chunk AS (
    SELECT rp.path_id FROM release_path rp WHERE rp.release_id = $1 AND rp.path_id > $4
    ORDER BY rp.path_id LIMIT $3::bigint
), only_here AS (
    SELECT c.path_id FROM chunk c
    WHERE NOT EXISTS (SELECT FROM release_path o WHERE o.release_id = $2 AND o.path_id = c.path_id)
)
SELECT p.id, p.hash, p.name, p.state::text AS state, p.nar_id, coalesce(n.weight, 0) AS bytes
FROM only_here o JOIN path p ON p.id = o.path_id LEFT JOIN nar n ON n.id = p.nar_id
UNION ALL
SELECT max(path_id), NULL, NULL, NULL, NULL, NULL FROM chunk HAVING count(*) > 0

-- name: DiffBytes
-- The NARs of release $1 that release $2 does not have, each once.
SELECT count(*) AS nars, coalesce(sum(n.weight), 0) AS bytes
FROM release_nar rn JOIN nar n ON n.id = rn.nar_id
WHERE rn.release_id = $1 AND NOT EXISTS (SELECT FROM release_nar o WHERE o.release_id = $2 AND o.nar_id = rn.nar_id)

-- name: FindReleaseArtifact
-- The file at path $2 of the index, as the newest manifest batch of the release that the index holds has it. A release
-- that a rescan found has no such batch in this log.
SELECT f.artifact_id
FROM release r JOIN release s ON s.channel = r.channel AND s.name = r.name
     CROSS JOIN LATERAL (
         SELECT o.artifact_id, o.batch FROM publish_operation o
         WHERE o.batch = s.settle_batch AND o.path = $2 AND o.kind = 'put_artifact'
         UNION ALL
         SELECT x.artifact_id, x.batch FROM rescanned_file x
         WHERE x.release_id = s.id AND x.path = $2 AND x.batch = s.settle_batch) f
     CROSS JOIN mirror m
WHERE r.id = $1 AND f.batch <= m.published_batch AND s.state::text NOT IN ('retiring', 'retired')
ORDER BY f.batch DESC LIMIT 1

-- name: PinReleases
-- All submissions of the release.
UPDATE release SET pinned = $2
FROM release chosen
WHERE chosen.id = $1 AND release.channel = chosen.channel AND release.name = chosen.name
      AND release.state::text NOT IN ('retiring', 'retired', 'refused')
