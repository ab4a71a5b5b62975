-- What a budget of bytes holds of the releases at work, and what it leaves out (pg_budget_store; the rule is
-- domain/budget_policy.h). Chunks are bounded; a choice that was interrupted begins anew.

-- name: BudgetRow
SELECT bytes, set_by FROM budget

-- name: SetBudget
-- $1: NULL: none. Everything is chosen anew.
UPDATE budget SET bytes = $1::bigint, set_by = $2, changes = changes + 1

-- name: NoteBudgetHolder
UPDATE budget SET set_by = $1

-- name: BudgetChanged
-- Something that the choice depends on has changed.
UPDATE budget SET changes = changes + 1 WHERE bytes IS NOT NULL

-- name: BeginChoice
-- When there is a reason, when room came back that was waited for, $1 ms after the last one when paths were asked for
-- since, and $2 ms after it in any case: values fade.
UPDATE budget
SET running = true, seen = changes, begun_at = clock_timestamp(), reclaimed_bytes = r.reclaimed_bytes
FROM retirement r
WHERE NOT budget.running
      AND (budget.changes > budget.chosen
           OR (budget.bytes IS NOT NULL
               AND ((budget.waiting_paths > 0 AND r.reclaimed_bytes > budget.reclaimed_bytes)
                    OR (budget.begun_at + $1::bigint * interval '1 millisecond' <= clock_timestamp()
                        AND EXISTS (SELECT FROM hit_reporter h WHERE h.at > budget.begun_at))
                    OR budget.begun_at + $2::bigint * interval '1 millisecond' <= clock_timestamp())))

-- name: Choice
SELECT running, bytes, seen, changes > seen AS outdated FROM budget

-- name: RestartChoice
UPDATE budget SET seen = changes WHERE running

-- name: ClearChoice
TRUNCATE path_budget

-- name: FillChoice
-- Paths above $1, at most $2 looked at, that releases at work need and nothing blocks. $3 half-life of hits in ms, $4
-- bonus of what is stored, $5 the budget.
WITH chunk AS (
    SELECT id FROM path WHERE id > $1 ORDER BY id LIMIT $2::bigint
), competing AS (
    INSERT INTO path_budget (path_id, file_id, weight, depth, value, unfit)
    SELECT p.id, (SELECT min(o.id) FROM nar o WHERE o.file = n.file), n.weight, coalesce(p.depth, 0),
           CASE WHEN r.pinned THEN 'Infinity'
                ELSE ln(1 + coalesce(h.hits * power(0.5::double precision,
                                                    greatest(0, extract(epoch FROM now() - h.at) * 1000)::double precision
                                                    / $3::double precision), 0)) / ln(2::double precision)
                     - r.age_weeks + CASE WHEN n.state = 'stored' THEN $4::double precision ELSE 0 END
           END,
           CASE WHEN n.weight > $5::bigint THEN 1 ELSE 0 END
    FROM chunk JOIN path p ON p.id = chunk.id JOIN nar n ON n.id = p.nar_id
         CROSS JOIN LATERAL (
             SELECT bool_or(r.pinned) AS pinned,
                    min(CASE WHEN r.is_latest OR r.state <> 'settled' THEN 0
                             ELSE greatest(0, extract(epoch FROM now() - r.submitted_at) / 604800)
                        END)::double precision AS age_weeks
             FROM release_path rp JOIN release r ON r.id = rp.release_id
             WHERE rp.path_id = p.id AND r.state IN ('walking', 'mirroring', 'settled')) r
         LEFT JOIN path_hits h ON h.path_id = p.id
    WHERE (p.needed OR p.state = 'published') AND p.state IN ('known', 'stored', 'published') AND p.blocked_by IS NULL
          AND r.pinned IS NOT NULL
)
SELECT max(id) FROM chunk

-- name: CarryUnfit
-- What needs one that is larger than the whole budget cannot come in either.
WITH seed AS (
    SELECT path_id FROM path_budget WHERE unfit = 1 ORDER BY path_id LIMIT $1::bigint
), carried AS (
    UPDATE path_budget b SET unfit = 2 FROM seed WHERE b.path_id = seed.path_id
), reached AS (
    UPDATE path_budget b SET unfit = 1
    FROM (SELECT DISTINCT e.referrer FROM seed JOIN path_reference e ON e.reference = seed.path_id) up
    WHERE b.path_id = up.referrer AND b.unfit = 0
)
SELECT count(*) FROM seed

-- name: NextLevelOfChoice
SELECT max(depth) FROM path_budget WHERE depth < $1::bigint

-- name: SpreadValues
-- What paths of depth $1 above path $2 refer to is worth as much as they are, at least. Irregular: how many of those
-- do not lie below.
WITH chunk AS (
    SELECT path_id, value FROM path_budget WHERE depth = $1::int AND path_id > $2 AND unfit = 0
    ORDER BY path_id LIMIT $3::bigint
), raise AS (
    SELECT e.reference, max(c.value) AS value FROM chunk c JOIN path_reference e ON e.referrer = c.path_id
    GROUP BY e.reference
), raised AS (
    UPDATE path_budget b SET value = raise.value FROM raise WHERE b.path_id = raise.reference AND b.value < raise.value
    RETURNING b.depth
)
SELECT max(path_id) AS chunk_end, count(*) AS paths, (SELECT count(*) FROM raised WHERE depth >= $1::int) AS irregular
FROM chunk

-- name: KeepPrefix
-- After the place ($1, $2, $3), at most $4 paths: those are kept whose files fit into $5 bytes, up to the first that
-- does not.
WITH chunk AS (
    SELECT path_id, file_id, weight, neg_value, depth FROM path_budget
    WHERE unfit = 0 AND (neg_value, depth, path_id) > ($1::double precision, $2::int, $3::bigint)
    ORDER BY neg_value, depth, path_id LIMIT $4::bigint
), fresh AS (
    SELECT c.*, row_number() OVER (PARTITION BY file_id ORDER BY neg_value, depth, path_id) = 1
                AND NOT EXISTS (SELECT FROM path_budget k WHERE k.file_id = c.file_id AND k.kept) AS pays
    FROM chunk c
), running AS (
    SELECT *, sum(CASE WHEN pays THEN weight ELSE 0 END) OVER (ORDER BY neg_value, depth, path_id) AS bytes FROM fresh
), kept AS (
    UPDATE path_budget b SET kept = true FROM running r WHERE b.path_id = r.path_id AND r.bytes <= $5::bigint
)
SELECT r.neg_value::text AS place, r.depth, r.path_id, (SELECT count(*) FROM running) AS paths,
       row_number() OVER (ORDER BY r.neg_value, r.depth, r.path_id) AS kept, r.bytes, (-r.neg_value)::text AS value
FROM running r WHERE r.bytes <= $5::bigint ORDER BY r.neg_value DESC, r.depth DESC, r.path_id DESC LIMIT 1

-- name: TrimChoice
-- Of the kept ones after the place ($1 depth, $2 path), at most $3 looked at: one that refers to one that is not kept
-- is not kept either. In the order of depth one round is enough but for cycles. $4: the room is waited for.
WITH chunk AS (
    SELECT path_id, depth FROM path_budget WHERE kept AND (depth, path_id) > ($1::int, $2::bigint)
    ORDER BY depth, path_id LIMIT $3::bigint
), trimmed AS (
    UPDATE path_budget b SET kept = false, admitted = false, waits = $4::boolean
    FROM (SELECT DISTINCT c.path_id
          FROM chunk c JOIN path_reference e ON e.referrer = c.path_id JOIN path_budget r ON r.path_id = e.reference
          WHERE NOT r.kept) open
    WHERE b.path_id = open.path_id
    RETURNING 1
)
SELECT depth, path_id, (SELECT count(*) FROM trimmed) AS trimmed
FROM chunk ORDER BY depth DESC, path_id DESC LIMIT 1

-- name: LeaveOut
-- Paths above $1, at most $2 looked at, that releases have and the choice has not.
WITH chunk AS (
    SELECT id FROM path WHERE id > $1 ORDER BY id LIMIT $2::bigint
), outside AS (
    SELECT p.id FROM chunk JOIN path p ON p.id = chunk.id LEFT JOIN path_budget b ON b.path_id = p.id
    WHERE NOT p.left_out AND (p.needed OR p.state IN ('stored', 'published')) AND b.kept IS NOT TRUE
          AND EXISTS (SELECT FROM release_path rp WHERE rp.path_id = p.id)
    ORDER BY p.id FOR UPDATE OF p
), left_out AS (
    UPDATE path SET left_out = true FROM outside WHERE path.id = outside.id
)
SELECT max(id) FROM chunk

-- name: ShadowChoice
-- A choice of its own, which nobody else sees.
CREATE TEMPORARY TABLE path_budget (LIKE path_budget INCLUDING ALL) ON COMMIT DROP

-- name: WouldLeaveOut
-- What LeaveOut would take.
WITH leaving AS (
    SELECT p.state, p.nar_id FROM path p LEFT JOIN path_budget b ON b.path_id = p.id
    WHERE NOT p.left_out AND (p.needed OR p.state IN ('stored', 'published')) AND b.kept IS NOT TRUE
          AND EXISTS (SELECT FROM release_path rp WHERE rp.path_id = p.id)
), file AS (
    SELECT DISTINCT ON (n.file) n.weight
    FROM leaving l JOIN nar n ON n.id = l.nar_id
    WHERE n.state = 'stored'
          AND NOT EXISTS (SELECT FROM path_budget k
                          WHERE k.kept AND k.file_id = (SELECT min(o.id) FROM nar o WHERE o.file = n.file))
    ORDER BY n.file
)
SELECT (SELECT count(*) FROM leaving WHERE state = 'published') AS paths, (SELECT count(*) FROM file) AS nars,
       (SELECT coalesce(sum(weight), 0) FROM file)::bigint AS bytes

-- name: BudgetUse
SELECT budget_use()

-- name: BudgetRoom
-- NULL: there is no budget.
SELECT CASE WHEN bytes IS NOT NULL THEN greatest(0, bytes - budget_use()) END FROM budget

-- name: AdmitPrefix
-- Of the kept paths after the place ($1, $2, $3), at most $4 looked at, those that were left out come in: what takes up
-- room already, and the first ones whose files fit into $5 bytes. The others wait.
WITH chunk AS (
    SELECT b.path_id, b.file_id, b.weight, b.neg_value, b.depth, p.left_out, p.nar_id
    FROM path_budget b JOIN path p ON p.id = b.path_id
    WHERE b.kept AND (b.neg_value, b.depth, b.path_id) > ($1::double precision, $2::int, $3::bigint)
    ORDER BY b.neg_value, b.depth, b.path_id LIMIT $4::bigint
), asking AS (
    SELECT c.*, row_number() OVER (PARTITION BY file_id ORDER BY neg_value, depth, path_id) = 1 AS first,
           EXISTS (SELECT FROM path_budget k WHERE k.file_id = c.file_id AND k.kept AND k.admitted)
           OR EXISTS (SELECT FROM nar n JOIN nar o ON o.file = n.file
                      WHERE n.id = c.nar_id
                            AND (o.state IN ('stored', 'leased') OR (o.state = 'wanted' AND o.needed)
                                 OR EXISTS (SELECT FROM path q
                                            WHERE q.nar_id = o.id AND q.needed AND NOT q.left_out)))
           OR EXISTS (SELECT FROM nar n JOIN extra_copy x ON x.file = n.file AND x.nar_hash = n.nar_hash
                           JOIN shard s ON s.id = x.shard_id
                      WHERE n.id = c.nar_id AND s.lost_at IS NULL) AS free
    FROM chunk c WHERE c.left_out
), running AS (
    SELECT *, sum(CASE WHEN first AND NOT free THEN weight ELSE 0 END)
                  OVER (ORDER BY neg_value, depth, path_id) AS bytes
    FROM asking
), verdict AS (
    SELECT path_id, free OR bytes <= $5::bigint AS comes, CASE WHEN bytes <= $5::bigint THEN bytes ELSE 0 END AS bytes
    FROM running
), marked AS (
    UPDATE path_budget b SET admitted = v.comes, kept = v.comes, waits = NOT v.comes
    FROM verdict v WHERE b.path_id = v.path_id
)
SELECT c.neg_value::text AS place, c.depth, c.path_id,
       (SELECT coalesce(max(bytes), 0) FROM verdict)::bigint AS bytes,
       (SELECT coalesce(bool_or(NOT comes), false) FROM verdict) AS full
FROM chunk c ORDER BY c.neg_value DESC, c.depth DESC, c.path_id DESC LIMIT 1

-- name: AdmittedChunk
SELECT b.path_id, p.nar_id, n.file
FROM path_budget b JOIN path p ON p.id = b.path_id JOIN nar n ON n.id = p.nar_id
WHERE b.admitted AND b.kept AND b.path_id > $1 ORDER BY b.path_id LIMIT $2::bigint

-- name: LeftOutChunk
-- All that is left out, when there is no budget any more.
SELECT p.id AS path_id, p.nar_id, n.file FROM path p LEFT JOIN nar n ON n.id = p.nar_id
WHERE p.left_out AND p.id > $1 ORDER BY p.id LIMIT $2::bigint

-- name: LockNars
-- NARs before paths, as all who store them.
SELECT id FROM nar WHERE id = ANY($1::bigint[]) ORDER BY id FOR UPDATE

-- name: PlaceNars
UPDATE nar SET lane = lane_of(id)
WHERE id = ANY($1::bigint[]) AND state IN ('wanted', 'leased') AND lane IS DISTINCT FROM lane_of(id)

-- name: ComeIn
-- The paths $1 are left out no more. Those that left the index look for what they wait for again.
UPDATE path p
SET left_out = false, watched = p.watched OR (p.narinfo_id IS NOT NULL AND p.needed),
    waits_for = CASE WHEN p.watched THEN p.waits_for
                     WHEN p.narinfo_id IS NOT NULL AND p.needed
                     THEN (SELECT r.id FROM path_reference e JOIN path r ON r.id = e.reference
                           WHERE e.referrer = p.id AND r.state <> 'published'
                           ORDER BY r.depth DESC NULLS LAST LIMIT 1) END
FROM (SELECT id FROM path WHERE id = ANY($1::bigint[]) ORDER BY id FOR UPDATE) locked
WHERE p.id = locked.id AND p.left_out

-- name: FinishChoice
-- $1: bytes that were kept, $2: the least value.
UPDATE budget
SET running = false, chosen = seen, kept_bytes = $1, kept_value = $2::double precision,
    kept_paths = (SELECT count(*) FROM path_budget WHERE kept OR waits),
    waiting_paths = (SELECT count(*) FROM path_budget WHERE waits)

-- name: ForgetFadedHits
-- At most $3 paths that were not asked for any more: worth less than $2 hits, with a half-life of $1 ms.
DELETE FROM path_hits
WHERE path_id IN (SELECT path_id FROM path_hits
                  WHERE hits * power(0.5::double precision, extract(epoch FROM now() - at)::double precision * 1000
                                                            / $1::double precision) < $2::double precision
                  LIMIT $3::bigint)

-- name: TakeHitReport
-- $1 gateway, $2 its sequence number. No row: that one was counted before.
INSERT INTO hit_reporter (gateway, sequence) VALUES ($1, $2)
ON CONFLICT (gateway) DO UPDATE SET sequence = excluded.sequence, at = now()
WHERE hit_reporter.sequence < excluded.sequence
RETURNING 1

-- name: AddHits
-- Hashes that nobody knows count for nothing. $3 half-life in ms.
INSERT INTO path_hits (path_id, hits, at)
SELECT p.id, sum(h.hits), now()
FROM unnest($1::text[], $2::bigint[]) AS h(hash, hits) JOIN path p ON p.hash = h.hash
GROUP BY p.id ORDER BY p.id
ON CONFLICT (path_id) DO UPDATE
SET hits = path_hits.hits * power(0.5::double precision,
                                  greatest(0, extract(epoch FROM excluded.at - path_hits.at) * 1000)::double precision
                                  / $3::double precision) + excluded.hits,
    at = excluded.at

-- name: ForgetReporters
-- Gateways that were not heard of for so long, at most $1 of them.
DELETE FROM hit_reporter
WHERE gateway IN (SELECT gateway FROM hit_reporter WHERE at < now() - interval '30 days' LIMIT $1::bigint)

-- name: BudgetStatus
SELECT b.bytes, b.running OR b.changes > b.chosen AS choosing, b.kept_paths, b.kept_bytes, b.waiting_paths,
       least(greatest(coalesce(b.kept_value, 0), -1e6), 1e6) AS kept_value,
       (SELECT count(*) FROM path WHERE left_out AND state IN ('known', 'stored') AND blocked_by IS NULL) AS left_out
FROM budget b

-- name: LeftOutPath
-- Why path $1 is left out.
SELECT b.bytes, least(coalesce(b.kept_value, 0), 1e6) AS kept_value,
       CASE WHEN c.value IS NOT NULL THEN least(c.value, 1e6) END AS value, coalesce(c.waits, false) AS waits,
       coalesce(c.unfit, 0) > 0 AS unfit
FROM path p CROSS JOIN budget b LEFT JOIN path_budget c ON c.path_id = p.id WHERE p.id = $1 AND p.left_out
