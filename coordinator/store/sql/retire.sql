-- What no release needs leaves the mirror (pg_retire_store): the release folder; narinfos, referrers before
-- references; links; entries of shards; blocks.

-- name: BeginRetirement
-- A run begins when it was asked for or $1 ms after the last one began.
UPDATE retirement SET begun_at = clock_timestamp()
WHERE finished_at >= begun_at
      AND (requested_at > begun_at OR begun_at + $1::bigint * interval '1 millisecond' <= clock_timestamp())

-- name: RetirementRuns
SELECT begun_at > finished_at AS running, requested_at > begun_at AS requested FROM retirement

-- name: FinishRetirement
UPDATE retirement SET finished_at = begun_at

-- name: RequestRetirement
UPDATE retirement SET requested_at = clock_timestamp()

-- name: RetirementClock
SELECT (extract(epoch FROM retirement_now()) * 1000)::bigint

-- name: ChannelsWithRetention
SELECT name, keep_releases, keep_days FROM channel WHERE keep_releases > 0 OR keep_days > 0 ORDER BY name

-- name: RetainedReleases
-- Those of channel $1, all submissions of a release together, the newest first.
SELECT name, max(id) AS id,
       coalesce((extract(epoch FROM max(settled_at)) * 1000)::bigint, 0) AS settled_at_ms,
       bool_or(pinned) AS pinned, bool_or(is_latest) AS latest,
       bool_or(state::text NOT IN ('settled', 'planned', 'refused', 'cancelled')) AS at_work
FROM release WHERE channel = $1 AND state::text NOT IN ('retiring', 'retired')
GROUP BY name ORDER BY max(id) DESC

-- name: LockRetainedRelease
SELECT id, pinned OR is_latest OR state::text NOT IN ('settled', 'planned', 'refused', 'cancelled') AS kept,
       settle_batch IS NOT NULL AS described
FROM release WHERE channel = $1 AND name = $2 AND state::text NOT IN ('retiring', 'retired')
ORDER BY id FOR UPDATE

-- name: PublishedReleaseFiles
SELECT DISTINCT name FROM release_file WHERE release_id = ANY($1::bigint[]) AND batch IS NOT NULL ORDER BY name

-- name: BeginRetiring
UPDATE release SET state = 'retiring', message = $2 WHERE id = ANY($1::bigint[])

-- name: NextRetiring
SELECT id FROM release WHERE state = 'retiring' ORDER BY id LIMIT 1

-- name: LetGoOfNars
DELETE FROM release_nar rn
USING (SELECT nar_id FROM release_nar WHERE release_id = $1 ORDER BY nar_id LIMIT $2::bigint) chunk
WHERE rn.release_id = $1 AND rn.nar_id = chunk.nar_id

-- name: LetGoOfPaths
-- The trigger makes them candidates.
DELETE FROM release_path rp
USING (SELECT path_id FROM release_path WHERE release_id = $1 ORDER BY path_id LIMIT $2::bigint) chunk
WHERE rp.release_id = $1 AND rp.path_id = chunk.path_id

-- name: MarkRetired
UPDATE release SET state = 'retired', retired_at = retirement_now(), message = '' WHERE id = $1

-- name: AnyCandidate
SELECT EXISTS (SELECT FROM retire_candidate)

-- name: KeepRevivedCandidates
-- Here and below a release keeps what it has, unless that is outside of the budget (left_out).
DELETE FROM retire_candidate c USING path p
WHERE p.id = c.path_id AND NOT p.left_out AND EXISTS (SELECT FROM release_path rp WHERE rp.path_id = c.path_id)

-- name: LockPaths
SELECT id FROM path WHERE id = ANY($1::bigint[]) ORDER BY id FOR UPDATE

-- name: UnpublishedCandidates
SELECT p.id FROM retire_candidate c JOIN path p ON p.id = c.path_id LEFT JOIN nar n ON n.id = p.nar_id
WHERE p.state <> 'published' AND n.state IS DISTINCT FROM 'leased' ORDER BY p.id LIMIT $1::bigint FOR UPDATE OF p

-- name: CalmPaths
-- Of the paths $1, locked, those that no release has.
UPDATE path SET needed = false, watched = false, waits_for = NULL, left_out = false
WHERE id = ANY($1::bigint[]) AND (needed OR watched OR left_out) AND state <> 'published'
      AND NOT EXISTS (SELECT FROM release_path rp WHERE rp.path_id = path.id)

-- name: FreeCandidates
-- Published paths that no release keeps and no published path refers to.
SELECT p.id FROM retire_candidate c JOIN path p ON p.id = c.path_id
WHERE p.state = 'published'
      AND NOT EXISTS (SELECT FROM path_reference e JOIN path r ON r.id = e.referrer
                      WHERE e.reference = p.id AND r.state = 'published')
ORDER BY p.depth DESC NULLS FIRST, p.id LIMIT $1::bigint FOR UPDATE OF p

-- name: CyclicRetirees
SELECT p.id FROM retire_candidate c JOIN path p ON p.id = c.path_id
WHERE p.cyclic AND p.state = 'published' AND p.id > $1 ORDER BY p.id LIMIT 50

-- name: ReferrersReach
-- Everything published that refers to path $1, directly or through others, and it; whether no release keeps any of it.
WITH RECURSIVE reach(id) AS (
    SELECT $1::bigint
    UNION
    SELECT e.referrer FROM reach JOIN path_reference e ON e.reference = reach.id JOIN path r ON r.id = e.referrer
    WHERE r.state = 'published'
)
SELECT reach.id, bool_and(p.left_out OR NOT EXISTS (SELECT FROM release_path rp
                                                    WHERE rp.path_id = reach.id)) OVER () AS free
FROM reach JOIN path p ON p.id = reach.id ORDER BY reach.id

-- name: UnlistPaths
-- What is left out of releases at work stays needed: it may come in again.
UPDATE path
SET state = 'stored', batch = NULL, watched = false, waits_for = NULL, changed_at = now(),
    needed = left_out AND EXISTS (SELECT FROM release_path rp JOIN release r ON r.id = rp.release_id
                                  WHERE rp.path_id = path.id AND r.state IN ('walking', 'mirroring', 'settled')),
    left_out = left_out AND EXISTS (SELECT FROM release_path rp WHERE rp.path_id = path.id)
WHERE id = ANY($1::bigint[]) AND state = 'published'
      AND (left_out OR NOT EXISTS (SELECT FROM release_path rp WHERE rp.path_id = path.id))
RETURNING id, hash

-- name: UnwatchReferrers
-- Whoever is not published and waited for nothing must look for what it waits for again.
UPDATE path p SET watched = false, waits_for = NULL
FROM path_reference e
WHERE e.reference = ANY($1::bigint[]) AND p.id = e.referrer AND p.state <> 'published' AND p.watched
      AND p.waits_for IS NULL

-- name: UnlistNars
-- NARs of the paths $1 that no narinfo names any more.
UPDATE nar SET unlisted_at = retirement_now()
FROM path p
WHERE p.id = ANY($1::bigint[]) AND nar.id = p.nar_id AND nar.unlink_batch IS NULL
      AND (nar.state = 'stored' OR nar.lost_shard_id IS NOT NULL)
      AND NOT EXISTS (SELECT FROM path o WHERE o.nar_id = nar.id AND o.state = 'published')
      AND NOT EXISTS (SELECT FROM path o JOIN release_path rp ON rp.path_id = o.id
                      WHERE o.nar_id = nar.id AND NOT o.left_out)

-- name: ForgetCandidates
DELETE FROM retire_candidate WHERE path_id = ANY($1::bigint[])

-- name: TellUnlisted
INSERT INTO event (path_id, what)
SELECT id, CASE WHEN left_out THEN 'it is outside of the budget' ELSE 'no release needs it' END
           || ': its narinfo left the index with publish batch ' || $2::bigint
FROM path WHERE id = ANY($1::bigint[])

-- name: InsertRemovals
INSERT INTO publish_operation (batch, ordinal, kind, path)
SELECT $1::bigint, $2::int + o.place::int, 'remove', o.path
FROM unnest($3::text[]) WITH ORDINALITY AS o(path, place)

-- name: DueFiles
-- Files that no narinfo named for $1 ms.
SELECT DISTINCT file FROM nar
WHERE unlisted_at <= retirement_now() - $1::bigint * interval '1 millisecond' AND unlink_batch IS NULL
      AND (state = 'stored' OR lost_shard_id IS NOT NULL)
ORDER BY file LIMIT $2::bigint

-- name: UnlinkedFiles
-- Files whose link has left the index.
WITH gone AS MATERIALIZED (
    SELECT file FROM nar WHERE unlink_batch <= (SELECT published_batch FROM mirror)
)
SELECT DISTINCT file FROM gone ORDER BY file LIMIT $1::bigint

-- name: LockNarsOfFiles
-- As planning and storing do: so either sees what the other did.
SELECT id FROM nar WHERE file = ANY($1::text[]) ORDER BY id FOR UPDATE

-- name: LockPathsOfFiles
SELECT p.id FROM nar n JOIN path p ON p.nar_id = n.id WHERE n.file = ANY($1::text[]) ORDER BY p.id FOR UPDATE OF p

-- name: ReviveFiles
-- What a release needs again stays.
UPDATE nar SET unlisted_at = NULL, unlink_batch = NULL
WHERE file = ANY($1::text[]) AND (unlisted_at IS NOT NULL OR unlink_batch IS NOT NULL)
      AND EXISTS (SELECT FROM nar o JOIN path p ON p.nar_id = o.id
                  WHERE o.file = nar.file
                        AND (p.state = 'published'
                             OR (NOT p.left_out
                                 AND EXISTS (SELECT FROM release_path rp WHERE rp.path_id = p.id))))

-- name: RetiringFiles
-- Of the files $1 those that were not revived; whether the index links to them.
SELECT file, bool_or(linked_batch IS NOT NULL) AS linked FROM nar WHERE file = ANY($1::text[])
GROUP BY file HAVING bool_or(unlisted_at IS NOT NULL OR unlink_batch IS NOT NULL) ORDER BY file

-- name: MarkUnlinked
-- $2: those that had a link, which leaves with batch $3.
-- One that is lost is not looked for any longer.
UPDATE nar
SET linked_batch = NULL, lost_shard_id = NULL, needed = needed AND (state = 'stored' OR unlisted_at IS NULL),
    unlisted_at = CASE WHEN state = 'stored' THEN unlisted_at END,
    unlink_batch = CASE WHEN state <> 'stored' THEN NULL WHEN file = ANY($2::text[]) THEN $3::bigint ELSE 0 END
WHERE file = ANY($1::text[])

-- name: InsertRetiredCopies
INSERT INTO retired_copy (shard_id, blob_block_offset, file, blob_byte_offset, blob_block_length, bytes)
SELECT DISTINCT ON (n.shard_id, n.blob_block_offset) n.shard_id, n.blob_block_offset, n.file, n.blob_byte_offset,
       n.blob_block_length, n.file_size
FROM nar n JOIN shard s ON s.id = n.shard_id
WHERE n.file = ANY($1::text[]) AND n.state = 'stored' AND n.unlink_batch IS NOT NULL AND NOT s.sealed
ON CONFLICT DO NOTHING

-- name: KeepSealedCopies
-- A sealed shard is never appended to: what lies in it stays, and is there for whoever needs it again.
INSERT INTO extra_copy (shard_id, file, nar_hash, nar_size, file_hash_drift, blob_byte_offset, blob_block_offset,
                        blob_block_length, bytes)
SELECT DISTINCT ON (n.shard_id, n.file) n.shard_id, n.file, n.nar_hash, n.nar_size, n.file_hash_drift,
       n.blob_byte_offset, n.blob_block_offset, n.blob_block_length, n.file_size
FROM nar n JOIN shard s ON s.id = n.shard_id
WHERE n.file = ANY($1::text[]) AND n.state = 'stored' AND n.unlink_batch IS NOT NULL AND s.sealed
      AND s.lost_at IS NULL
ON CONFLICT DO NOTHING

-- name: ForgetPathsOfFiles
-- As if nobody had read their narinfos: whoever needs them again reads them anew.
UPDATE path
SET state = 'discovered', narinfo_id = NULL, nar_id = NULL, depth = NULL, cyclic = false, needed = false,
    watched = false, waits_for = NULL, blocked_by = NULL, attempts = 0, reason = NULL, message = NULL,
    left_out = false, changed_at = now()
FROM nar n
WHERE n.file = ANY($1::text[]) AND n.state = 'stored' AND path.nar_id = n.id AND path.state = 'stored'
      AND NOT EXISTS (SELECT FROM release_path rp WHERE rp.path_id = path.id)
RETURNING path.id

-- name: ForgetLeftOutNarsOfFiles
-- Of paths that releases have: their narinfos stay, so they come in again without a walk.
UPDATE path SET state = 'known', attempts = 0, changed_at = now()
FROM nar n
WHERE n.file = ANY($1::text[]) AND n.state = 'stored' AND path.nar_id = n.id AND path.state = 'stored'
      AND path.left_out

-- name: ForgetReferencesOfPaths
WITH elsewhere AS (DELETE FROM path_elsewhere WHERE path_id = ANY($1::bigint[]))
DELETE FROM path_reference WHERE referrer = ANY($1::bigint[])

-- name: TellForgottenPaths
-- Instead of what the trigger says.
UPDATE event SET what = 'its NAR left the mirror; its narinfo is read anew when a release needs it'
WHERE path_id = ANY($1::bigint[]) AND at = now() AND what = 'its narinfo is asked for again'

-- name: ForgetNarsOfFiles
UPDATE nar
SET state = 'wanted', needed = false, shard_id = NULL, blob_byte_offset = NULL, blob_block_offset = NULL,
    blob_block_length = NULL, linked_batch = NULL, unlisted_at = NULL, unlink_batch = NULL, attempts = 0,
    not_before = '-infinity', changed_at = now()
WHERE file = ANY($1::text[]) AND state = 'stored' AND unlink_batch IS NOT NULL

-- name: MarkEntriesGone
-- The shard has no entry for these files any more, or one of a newer copy.
UPDATE retired_copy SET entry_gone = true WHERE shard_id = $1 AND file = ANY($2::text[]) AND NOT entry_gone

-- name: FilesToDelete
SELECT DISTINCT file FROM retired_copy WHERE shard_id = $1 AND NOT entry_gone ORDER BY file LIMIT $2::bigint

-- name: BlobsToClear
SELECT blob_byte_offset, blob_block_offset, blob_block_length, bytes FROM retired_copy
WHERE shard_id = $1 AND entry_gone ORDER BY blob_block_offset LIMIT $2::bigint

-- name: TakeCleared
WITH gone AS (
    DELETE FROM retired_copy WHERE shard_id = $1 AND entry_gone AND blob_block_offset = ANY($2::bigint[])
    RETURNING bytes
)
UPDATE retirement
SET reclaimed_nars = reclaimed_nars + g.nars, reclaimed_bytes = reclaimed_bytes + g.bytes
FROM (SELECT count(*) AS nars, coalesce(sum(bytes), 0) AS bytes FROM gone) g WHERE g.nars > 0

-- name: WouldRetire
-- What only the releases $1 need.
WITH let_go AS (
    SELECT DISTINCT rp.path_id FROM release_path rp WHERE rp.release_id = ANY($1::bigint[])
), free AS (
    SELECT p.id, p.state, p.nar_id FROM let_go l JOIN path p ON p.id = l.path_id
    WHERE NOT EXISTS (SELECT FROM release_path o
                      WHERE o.path_id = l.path_id AND NOT o.release_id = ANY($1::bigint[]))
), file AS (
    SELECT DISTINCT ON (n.file) n.file, n.file_size FROM free f JOIN nar n ON n.id = f.nar_id
    WHERE n.state = 'stored'
          AND NOT EXISTS (SELECT FROM nar o JOIN path p ON p.nar_id = o.id JOIN release_path rp ON rp.path_id = p.id
                          WHERE o.file = n.file AND NOT p.left_out AND NOT rp.release_id = ANY($1::bigint[]))
    ORDER BY n.file
)
SELECT (SELECT count(*) FROM free WHERE state = 'published') AS paths,
       (SELECT count(*) FROM file) AS nars, (SELECT coalesce(sum(file_size), 0) FROM file) AS bytes

-- name: Retiring
-- Files that no narinfo names, and which of them are due after $1 ms; those in sealed shards give nothing back.
SELECT count(*) AS nars, coalesce(sum(f.bytes), 0) AS bytes,
       count(*) FILTER (WHERE f.due_at <= retirement_now()) AS due_nars,
       coalesce(sum(f.bytes) FILTER (WHERE f.due_at <= retirement_now()), 0) AS due_bytes,
       coalesce((extract(epoch FROM min(f.due_at)) * 1000)::bigint, 0) AS next_due_ms
FROM (SELECT DISTINCT ON (n.file) n.file, n.file_size AS bytes,
             n.unlisted_at + $1::bigint * interval '1 millisecond' AS due_at
      FROM nar n JOIN shard s ON s.id = n.shard_id
      WHERE n.unlisted_at IS NOT NULL AND n.unlink_batch IS NULL AND n.state = 'stored' AND NOT s.sealed
            AND NOT EXISTS (SELECT FROM nar o JOIN path p ON p.nar_id = o.id JOIN release_path rp ON rp.path_id = p.id
                            WHERE o.file = n.file AND NOT p.left_out)
      ORDER BY n.file, n.unlisted_at DESC) f

-- name: Leaving
SELECT (SELECT count(*) FROM release WHERE state = 'retiring') AS releases,
       (SELECT count(*) FROM retire_candidate) AS paths,
       (SELECT count(DISTINCT file) FROM nar WHERE unlink_batch IS NOT NULL) AS links,
       (SELECT EXISTS (SELECT FROM publish_operation o CROSS JOIN mirror m
                       WHERE o.batch > m.published_batch AND o.kind = 'remove')) AS removals,
       c.copies, c.bytes, c.away_copies, c.away_bytes, r.reclaimed_nars, r.reclaimed_bytes,
       r.begun_at > r.finished_at OR r.requested_at > r.begun_at AS running
FROM retirement r CROSS JOIN (
    SELECT count(*) FILTER (WHERE alive) AS copies, coalesce(sum(bytes) FILTER (WHERE alive), 0) AS bytes,
           count(*) FILTER (WHERE NOT alive) AS away_copies,
           coalesce(sum(bytes) FILTER (WHERE NOT alive), 0) AS away_bytes
    FROM (SELECT x.bytes, NOT s.sealed AND w.last_seen > clock_timestamp() - $1::bigint * interval '1 millisecond'
                          AS alive
          FROM retired_copy x JOIN shard s ON s.id = x.shard_id JOIN worker w ON w.id = s.worker_id) x) c

-- name: ReleasesOfName
SELECT id FROM release WHERE channel = $1 AND name = $2 AND state::text NOT IN ('retiring', 'retired') ORDER BY id
