-- From what was staged to its place (pg_rescan_filler); each statement may be run again. $1, $2 of chunks: above this
-- hash, up to that one.

-- name: FillRescanUpstreams
INSERT INTO upstream (url)
SELECT DISTINCT u.url
FROM (SELECT upstream AS url FROM rescan_narinfo UNION SELECT upstream FROM rescan_release) u
WHERE u.url <> '' ORDER BY u.url
ON CONFLICT DO NOTHING

-- name: FillRescanShards
-- Their writers are not known until they report them: until then a worker that nobody is stands for them.
WITH unclaimed AS (
    INSERT INTO worker (id, name, incarnation, nonce, first_seen, last_seen)
    VALUES ($1, '(unclaimed)', 0, 0, to_timestamp(0), to_timestamp(0)) ON CONFLICT DO NOTHING
), adopted AS (
    INSERT INTO adopted_shard (key, content_key, db_length, content_byte_length)
    SELECT key, content_key, db_length, content_byte_length FROM rescan_shard
    ON CONFLICT (key) DO UPDATE
    SET db_length = greatest(adopted_shard.db_length, excluded.db_length),
        content_byte_length = greatest(adopted_shard.content_byte_length, excluded.content_byte_length)
)
SELECT 1

-- name: FillUnclaimedShards
INSERT INTO shard (key, content_key, worker_id, incarnation, nonce, db_length, content_byte_length, sealed, seal_reason)
SELECT key, content_key, $1, 0, 0, db_length, content_byte_length, true,
       'it was found in the index by a rescan'
FROM rescan_shard ORDER BY key
ON CONFLICT (key) DO NOTHING

-- name: DropUnclaimedWorker
DELETE FROM worker WHERE id = $1 AND NOT EXISTS (SELECT FROM shard WHERE worker_id = $1)
                         AND NOT EXISTS (SELECT FROM shard_copy WHERE worker_id = $1)

-- name: RescanNarInfoChunk
SELECT max(hash) FROM (SELECT hash FROM rescan_narinfo WHERE hash > $1 ORDER BY hash LIMIT $2::bigint) c

-- name: NumberRescanNarInfos
UPDATE rescan_narinfo s
SET narinfo_id = coalesce((SELECT n.id FROM path p JOIN narinfo n ON n.id = p.narinfo_id
                           WHERE p.hash = s.hash AND n.content = s.content),
                          nextval(pg_get_serial_sequence('narinfo', 'id')))
WHERE s.hash > $1 AND s.hash <= $2

-- name: FillRescanNarInfos
INSERT INTO narinfo (id, content) OVERRIDING SYSTEM VALUE
SELECT narinfo_id, content FROM rescan_narinfo WHERE hash > $1 AND hash <= $2
ON CONFLICT DO NOTHING

-- name: FillRescanNars
-- $3: the batch that the index is said to hold them by. A NAR in a shard that was lost comes back as one.
INSERT INTO nar (upstream_id, url, file, nar_hash, nar_size, compression, file_hash, file_size, narinfo_id, state,
                 shard_id, blob_byte_offset, blob_block_offset, blob_block_length, linked_batch, file_hash_drift,
                 lost_shard_id, needed)
SELECT DISTINCT ON (s.nar_hash, u.id, s.url)
       u.id, s.url, s.file, s.nar_hash, s.nar_size, s.compression, s.file_hash, l.byte_length, s.narinfo_id,
       CASE WHEN h.lost_at IS NULL THEN 'stored' ELSE 'wanted' END::nar_state,
       CASE WHEN h.lost_at IS NULL THEN h.id END, l.byte_offset, l.block_offset, l.block_length, $3::bigint,
       s.file_size > 0 AND s.file_size <> l.byte_length, CASE WHEN h.lost_at IS NOT NULL THEN h.id END,
       h.lost_at IS NOT NULL
FROM rescan_narinfo s JOIN upstream u ON u.url = s.upstream JOIN rescan_link l ON l.file = s.file
     JOIN shard h ON h.key = l.shard_key
WHERE s.hash > $1 AND s.hash <= $2
ORDER BY s.nar_hash, u.id, s.url, s.hash
ON CONFLICT (nar_hash, upstream_id, url) DO NOTHING

-- name: TellMovedNars
-- Where this database and the index differ about a place, the index is the newer one.
INSERT INTO rescan_finding (kind, object, reason)
SELECT DISTINCT 'place', '/nar/' || n.file, 'the database had it in another shard; the index''s link counts'
FROM rescan_narinfo s JOIN upstream u ON u.url = s.upstream JOIN rescan_link l ON l.file = s.file
     JOIN shard h ON h.key = l.shard_key
     JOIN nar n ON n.nar_hash = s.nar_hash AND n.upstream_id = u.id AND n.url = s.url
WHERE s.hash > $1 AND s.hash <= $2 AND n.state = 'stored' AND n.shard_id <> h.id AND h.lost_at IS NULL
      AND (n.linked_batch IS NULL OR n.linked_batch <= $3)
ON CONFLICT DO NOTHING

-- name: TakeRescanNars
-- Known ones that the index links to are stored there, whatever was known of them.
UPDATE nar n
SET state = 'stored', shard_id = h.id, blob_byte_offset = l.byte_offset, blob_block_offset = l.block_offset,
    blob_block_length = l.block_length, file_size = l.byte_length, job_id = NULL, lost_shard_id = NULL,
    linked_batch = coalesce(n.linked_batch, $3), unlisted_at = NULL, unlink_batch = NULL, reason = NULL, message = NULL,
    changed_at = now()
FROM rescan_narinfo s JOIN upstream u ON u.url = s.upstream JOIN rescan_link l ON l.file = s.file
     JOIN shard h ON h.key = l.shard_key
WHERE s.hash > $1 AND s.hash <= $2 AND n.nar_hash = s.nar_hash AND n.upstream_id = u.id AND n.url = s.url
      AND h.lost_at IS NULL AND (n.linked_batch IS NULL OR n.linked_batch <= $3)
      AND (n.state <> 'stored' OR n.linked_batch IS NULL OR n.unlisted_at IS NOT NULL OR n.unlink_batch IS NOT NULL
           OR (n.shard_id, n.blob_byte_offset) <> (h.id, l.byte_offset))

-- name: FillRescanPaths
INSERT INTO path (hash, name, state, narinfo_id, nar_id, watched, needed, batch)
SELECT s.hash, s.name, 'published', s.narinfo_id, n.id, true, true, $3::bigint
FROM rescan_narinfo s JOIN upstream u ON u.url = s.upstream
     JOIN nar n ON n.nar_hash = s.nar_hash AND n.upstream_id = u.id AND n.url = s.url
WHERE s.hash > $1 AND s.hash <= $2
ORDER BY s.hash
ON CONFLICT DO NOTHING

-- name: TakeRescanPaths
-- Known ones that the index publishes are published, with the narinfo that the index has.
UPDATE path p
SET state = 'published', name = s.name, narinfo_id = s.narinfo_id, nar_id = n.id, watched = true, waits_for = NULL,
    needed = true, blocked_by = NULL, batch = coalesce(p.batch, $3), reason = NULL, message = NULL,
    depth = CASE WHEN p.narinfo_id = s.narinfo_id THEN p.depth END, changed_at = now()
FROM rescan_narinfo s JOIN upstream u ON u.url = s.upstream
     JOIN nar n ON n.nar_hash = s.nar_hash AND n.upstream_id = u.id AND n.url = s.url
WHERE s.hash > $1 AND s.hash <= $2 AND p.hash = s.hash AND (p.batch IS NULL OR p.batch <= $3)
      AND (p.state <> 'published' OR p.narinfo_id <> s.narinfo_id OR p.nar_id <> n.id)
RETURNING p.id

-- name: FillRescanFailedPaths
-- What manifests call missing or set aside and the index does not publish; of several the newest manifest's word.
INSERT INTO path (hash, name, state, reason, needed)
SELECT DISTINCT ON (m.hash) m.hash, m.name, m.state::path_state, m.reason, true
FROM rescan_member m JOIN rescan_release r ON r.id = m.rescan_release
WHERE m.state IN ('missing', 'set_aside') AND NOT EXISTS (SELECT FROM rescan_narinfo s WHERE s.hash = m.hash)
ORDER BY m.hash, r.submitted_at DESC, r.id DESC
ON CONFLICT DO NOTHING

-- name: TakeRescanFailedPaths
UPDATE path p SET state = m.state::path_state, reason = m.reason, message = NULL, changed_at = now()
FROM (SELECT DISTINCT ON (m.hash) m.hash, m.state, m.reason
      FROM rescan_member m JOIN rescan_release r ON r.id = m.rescan_release
      WHERE m.state IN ('missing', 'set_aside') AND NOT EXISTS (SELECT FROM rescan_narinfo s WHERE s.hash = m.hash)
      ORDER BY m.hash, r.submitted_at DESC, r.id DESC) m
WHERE p.hash = m.hash AND p.state IN ('discovered', 'known')

-- name: FillRescanAcceptances
INSERT INTO accepted_failure (path_id, note)
SELECT DISTINCT ON (p.id) p.id, m.accepted FROM rescan_member m JOIN path p ON p.hash = m.hash
WHERE m.state <> 'published' AND m.accepted <> '' AND p.state IN ('missing', 'set_aside')
ORDER BY p.id, m.rescan_release DESC
ON CONFLICT DO NOTHING

-- name: FillRescanBlockedPaths
-- Their narinfos are not in the index: whoever wants them again reads them anew.
INSERT INTO path (hash, name, state, blocked_by, needed)
SELECT DISTINCT ON (m.hash) m.hash, m.name, 'discovered', b.id, true
FROM rescan_member m JOIN rescan_release r ON r.id = m.rescan_release
     JOIN path b ON b.hash = m.blocked_by AND b.state IN ('missing', 'set_aside')
WHERE m.state = 'blocked' AND NOT EXISTS (SELECT FROM rescan_narinfo s WHERE s.hash = m.hash)
ORDER BY m.hash, r.submitted_at DESC, r.id DESC
ON CONFLICT DO NOTHING

-- name: TakeRescanBlockedPaths
UPDATE path p SET blocked_by = m.cause
FROM (SELECT DISTINCT ON (m.hash) m.hash, b.id AS cause
      FROM rescan_member m JOIN rescan_release r ON r.id = m.rescan_release
           JOIN path b ON b.hash = m.blocked_by AND b.state IN ('missing', 'set_aside')
      WHERE m.state = 'blocked' AND NOT EXISTS (SELECT FROM rescan_narinfo s WHERE s.hash = m.hash)
      ORDER BY m.hash, r.submitted_at DESC, r.id DESC) m
WHERE p.hash = m.hash AND p.state <> 'published' AND p.blocked_by IS NULL AND p.id <> m.cause

-- name: FillRescanReferencedPaths
INSERT INTO path (hash, name)
SELECT DISTINCT ON (e.hash) e.hash, e.name
FROM rescan_reference e JOIN rescan_narinfo s ON s.hash = e.referrer
WHERE e.referrer > $1 AND e.referrer <= $2
ORDER BY e.hash, e.name
ON CONFLICT DO NOTHING

-- name: ForgetRescanReferences
-- Of narinfos that were replaced.
DELETE FROM path_reference e USING path p, path r, rescan_narinfo s
WHERE s.hash > $1 AND s.hash <= $2 AND p.hash = s.hash AND e.referrer = p.id AND r.id = e.reference
      AND NOT EXISTS (SELECT FROM rescan_reference n WHERE n.referrer = s.hash AND n.hash = r.hash)

-- name: FillRescanReferences
INSERT INTO path_reference (referrer, reference)
SELECT p.id, r.id
FROM rescan_reference e JOIN rescan_narinfo s ON s.hash = e.referrer JOIN path p ON p.hash = e.referrer
     JOIN path r ON r.hash = e.hash
WHERE e.referrer > $1 AND e.referrer <= $2 AND p.id <> r.id
ORDER BY p.id, r.id
ON CONFLICT DO NOTHING

-- name: TellVanishedPaths
-- Published as this database says, by a batch ($1) that the index has come by, and not there: retired since.
INSERT INTO rescan_finding (kind, object, reason)
SELECT 'vanished', '/nix/store/' || p.hash || '-' || p.name, 'the database had it as published, the index does not'
FROM path p
WHERE p.state = 'published' AND p.batch <= $1 AND NOT EXISTS (SELECT FROM rescan_narinfo s WHERE s.hash = p.hash)
ON CONFLICT DO NOTHING

-- name: UnpublishVanishedPaths
UPDATE path p
SET state = CASE WHEN n.state = 'stored' THEN 'stored' ELSE 'known' END::path_state, batch = NULL, watched = false,
    waits_for = NULL, changed_at = now()
FROM nar n
WHERE p.state = 'published' AND p.batch <= $1 AND n.id = p.nar_id
      AND NOT EXISTS (SELECT FROM rescan_narinfo s WHERE s.hash = p.hash)
RETURNING p.id

-- name: CandidatesOfVanished
INSERT INTO retire_candidate (path_id)
SELECT id FROM unnest($1::bigint[]) AS v(id) ORDER BY id
ON CONFLICT DO NOTHING

-- name: ForgetVanishedLinks
UPDATE nar SET linked_batch = NULL, unlink_batch = NULL
WHERE linked_batch <= $1 AND NOT EXISTS (SELECT FROM rescan_link l WHERE l.file = nar.file)

-- name: TellVanishedReleases
INSERT INTO rescan_finding (kind, object, reason)
SELECT DISTINCT 'retired', r.channel || '/' || r.name, 'its folder has left the index since: it is let go of here too'
FROM release r
WHERE r.settle_batch <= $1 AND r.state::text IN ('settled', 'planned')
      AND NOT EXISTS (SELECT FROM rescan_release x WHERE x.channel = r.channel AND x.name = r.name)
ON CONFLICT DO NOTHING

-- name: RetireVanishedReleases
UPDATE release r SET state = 'retiring', message = 'it had left the index when a rescan looked', is_latest = false
WHERE r.settle_batch <= $1 AND r.state::text IN ('settled', 'planned')
      AND NOT EXISTS (SELECT FROM rescan_release x WHERE x.channel = r.channel AND x.name = r.name)

-- name: TellLeavingReleases
-- The database planned that they leave, in batches that the index does not have yet.
WITH leaving AS (
    DELETE FROM rescan_release x
    WHERE EXISTS (SELECT FROM publish_operation o CROSS JOIN mirror m
                  WHERE o.batch > m.published_batch AND o.kind = 'remove'
                        AND o.path = '/channels/' || x.channel || '/' || x.name || '/manifest.json')
    RETURNING channel, name
)
INSERT INTO rescan_finding (kind, object, reason)
SELECT 'leaving', channel || '/' || name, 'this database has it leave the index: it is not taken in again'
FROM leaving ON CONFLICT DO NOTHING

-- name: NextRescanReleaseToFill
SELECT x.id, x.channel, x.name, coalesce(x.release_id, 0) AS release_id, x.manifest_revision, x.members_known
FROM rescan_release x WHERE x.id > $1 ORDER BY x.id LIMIT 1

-- name: FindRescanRelease
-- The submission that the index describes, if this database knows of one.
SELECT id, state, manifest_revision FROM release
WHERE channel = $1 AND name = $2 AND state::text NOT IN ('retiring', 'retired', 'refused', 'cancelled')
ORDER BY settle_batch IS NULL, id DESC LIMIT 1

-- name: InsertRescanRelease
INSERT INTO release (channel, name, upstream_id, source_url, revision, match, exclude, max_missing, is_list, state,
                     submitted_at)
SELECT x.channel, x.name, u.id, x.source_url, x.revision, x.match, x.exclude, $2, x.source_url = '', 'mirroring',
       coalesce(nullif(x.submitted_at, '')::timestamptz, now())
FROM rescan_release x JOIN upstream u ON u.url = x.upstream WHERE x.id = $1
RETURNING id

-- name: ResumeRescanRelease
-- One that was at work when this database was copied, and has settled since.
UPDATE release SET state = 'mirroring', settled_at = NULL, plan_phase = 0, walked_at = coalesce(walked_at, now())
WHERE id = $1

-- name: SetRescanReleaseRow
UPDATE rescan_release SET release_id = $2 WHERE id = $1

-- name: FillRescanReleaseFiles
INSERT INTO release_file (release_id, name, sha256, size_bytes, artifact_id, batch)
SELECT $2::bigint, f.name, f.sha256, f.size_bytes, f.artifact_id,
       CASE WHEN f.artifact_id IS NOT NULL THEN $3::bigint END
FROM rescan_release_file f WHERE f.rescan_release = $1
ON CONFLICT (release_id, name) DO UPDATE
SET artifact_id = coalesce(release_file.artifact_id, excluded.artifact_id),
    batch = coalesce(release_file.batch, excluded.batch)

-- name: FillRescanMemberPaths
-- Members that nothing else names: a listing says the hash alone. The name is put right when the narinfo is read.
INSERT INTO path (hash, name)
SELECT m.hash, coalesce(m.name, 'unknown') FROM rescan_member m
WHERE m.rescan_release = $1 AND NOT EXISTS (SELECT FROM path p WHERE p.hash = m.hash)
ORDER BY m.hash
ON CONFLICT DO NOTHING

-- name: RescanMemberChunk
SELECT max(hash) FROM (SELECT hash FROM rescan_member WHERE rescan_release = $1 AND hash > $2
                       ORDER BY hash LIMIT $3::bigint) c

-- name: FillRescanMembers
INSERT INTO release_path (release_id, path_id, is_root)
SELECT $1::bigint, p.id, m.is_root FROM rescan_member m JOIN path p ON p.hash = m.hash
WHERE m.rescan_release = $2 AND m.hash > $3 AND m.hash <= $4
ORDER BY p.id
ON CONFLICT (release_id, path_id) DO NOTHING

-- name: TellOpenRescanReleases
-- Depths are given over closed sets only. A release with a path that refers to one outside of it is walked instead.
WITH open AS (
    UPDATE rescan_release x SET members_known = false
    WHERE x.members_known AND x.release_id IS NOT NULL
          AND EXISTS (SELECT FROM release_path rp JOIN path_reference e ON e.referrer = rp.path_id
                      WHERE rp.release_id = x.release_id
                            AND NOT EXISTS (SELECT FROM release_path o
                                            WHERE o.release_id = x.release_id AND o.path_id = e.reference))
    RETURNING channel, name
)
INSERT INTO rescan_finding (kind, object, reason)
SELECT 'listing', '/channels/' || channel || '/' || name || '/listing.zst',
       'the release is not closed under References'
FROM open ON CONFLICT DO NOTHING

-- name: NextRescanReleaseToPlan
SELECT r.id FROM rescan_release x JOIN release r ON r.id = x.release_id
WHERE x.members_known AND r.state = 'mirroring' AND r.plan_phase < $1 ORDER BY r.id LIMIT 1

-- name: ClearRescanFrontier
DELETE FROM release_frontier WHERE release_id = $1

-- name: FillRescanFrontier
-- Paths whose narinfos nobody has read: blocked ones, which a retry reads, and what was left out. $2: all that is known
-- too, to find what else belongs to the release; nobody is asked for those.
INSERT INTO release_frontier (release_id, path_id)
SELECT rp.release_id, rp.path_id FROM release_path rp JOIN path p ON p.id = rp.path_id
WHERE rp.release_id = $1 AND (p.state = 'discovered' OR ($2::boolean AND p.state NOT IN ('missing', 'set_aside')))
ON CONFLICT DO NOTHING

-- name: RescanReleaseIsComplete
SELECT NOT EXISTS (SELECT FROM release_path rp JOIN path p ON p.id = rp.path_id
                   WHERE rp.release_id = $1 AND p.blocked_by IS NULL
                         AND p.state NOT IN ('published', 'missing', 'set_aside')) AS complete,
       EXISTS (SELECT FROM release_path rp WHERE rp.release_id = $1 AND rp.is_root) AS has_roots,
       NOT EXISTS (SELECT FROM release_file f WHERE f.release_id = $1 AND f.artifact_id IS NULL) AS has_files

-- name: SettleRescanRelease
UPDATE release r
SET state = 'settled', settled_at = coalesce(nullif(x.settled_at, '')::timestamptz, now()), plan_phase = $3,
    walked_at = coalesce(walked_at, r.submitted_at), settle_batch = $4, manifest_revision = x.manifest_revision,
    message = '', force = true,
    settle_changes = (SELECT coalesce(sum(changes), 0) FROM release_delta d WHERE d.release_id = r.id),
    bytes_reused = (SELECT coalesce(sum(bytes_stored), 0) FROM release_delta d WHERE d.release_id = r.id)
FROM rescan_release x WHERE x.id = $1 AND r.id = $2

-- name: ReopenRescanRelease
-- $3: 'walking', or 'resolving' when its own files have to be fetched again.
UPDATE release r
SET state = $3::release_state, walked_at = NULL, plan_phase = 0, settled_at = NULL, settle_batch = NULL,
    settle_changes = NULL, manifest_revision = x.manifest_revision, force = true,
    message = 'a rescan found it incomplete in the index'
FROM rescan_release x WHERE x.id = $1 AND r.id = $2

-- name: LeaveRescanLatest
UPDATE release SET is_latest = false WHERE channel = $2 AND is_latest AND id <> $1

-- name: SetRescanLatest
UPDATE release SET is_latest = true WHERE id = $1

-- name: FillRescannedFiles
INSERT INTO rescanned_file (release_id, path, artifact_id, batch)
SELECT x.release_id, '/channels/' || x.channel || '/' || x.name || '/' || f.name, f.artifact_id, $2::bigint
FROM rescan_release x
     CROSS JOIN LATERAL (VALUES ('manifest.json', x.manifest_artifact), ('listing.zst', x.listing_artifact))
         AS f(name, artifact_id)
WHERE x.id = $1 AND f.artifact_id IS NOT NULL AND x.release_id IS NOT NULL
ON CONFLICT (release_id, path) DO UPDATE SET artifact_id = excluded.artifact_id, batch = excluded.batch

-- name: RetireUnneededPaths
-- In the index, and in no release: they were on their way out.
INSERT INTO retire_candidate (path_id)
SELECT p.id FROM rescan_narinfo s JOIN path p ON p.hash = s.hash
WHERE p.state = 'published' AND NOT EXISTS (SELECT FROM release_path rp WHERE rp.path_id = p.id)
ORDER BY p.id
ON CONFLICT DO NOTHING

-- name: FillRescannedLinks
INSERT INTO rescanned_link (file, unlisted_at)
SELECT l.file, retirement_now() FROM rescan_link l
WHERE NOT EXISTS (SELECT FROM nar n WHERE n.file = l.file)
ON CONFLICT DO NOTHING

-- name: DropTakenExtraCopies
-- Workers may have reported their shards before: what was an extra copy is what the index links to.
DELETE FROM extra_copy x USING nar n
WHERE n.shard_id = x.shard_id AND n.file = x.file AND n.state = 'stored'

-- name: RescanFindingKinds
SELECT kind, count(*) AS n FROM rescan_finding GROUP BY kind ORDER BY kind

-- name: RescanFindings
SELECT object, reason FROM rescan_finding WHERE kind = $1 ORDER BY object LIMIT $2::bigint

-- name: RescanCounts
SELECT (SELECT count(*) FROM path WHERE state = 'published') AS published,
       (SELECT count(*) FROM path WHERE state = 'missing' AND blocked_by IS NULL) AS missing,
       (SELECT count(*) FROM path WHERE state = 'set_aside' AND blocked_by IS NULL) AS set_aside,
       (SELECT count(*) FROM path WHERE blocked_by IS NOT NULL) AS blocked,
       (SELECT count(*) FROM nar WHERE state = 'stored') AS nars,
       (SELECT coalesce(sum(file_size), 0) FROM nar WHERE state = 'stored') AS bytes,
       (SELECT count(*) FROM shard) AS shards,
       (SELECT count(*) FROM shard WHERE worker_id = $1) AS unclaimed,
       (SELECT count(*) FROM release WHERE state = 'settled') AS settled,
       (SELECT count(*) FROM release WHERE state::text IN ('walking', 'resolving')) AS reopened,
       (SELECT count(*) FROM rescanned_link) AS unnamed_links

-- name: RescanStaged
SELECT (SELECT count(*) FROM rescan_narinfo) AS narinfos, (SELECT count(*) FROM rescan_link) AS links,
       (SELECT count(*) FROM rescan_shard) AS shards, (SELECT count(*) FROM rescan_release) AS releases

-- name: ReopenUnread
-- Of settled releases those with a path whose narinfo nobody has read and that nothing blocks any more.
UPDATE release
SET state = 'walking', walked_at = NULL, plan_phase = 0, settled_at = NULL, settle_batch = NULL, settle_changes = NULL,
    not_before = '-infinity', force = true, message = ''
WHERE state = 'settled'
      AND EXISTS (SELECT FROM release_frontier f JOIN path p ON p.id = f.path_id
                  WHERE f.release_id = release.id AND p.state = 'discovered' AND p.blocked_by IS NULL)

-- name: ClaimShard
-- $4: everything that the index says of it is there: the worker lists what it holds from the beginning.
UPDATE shard
SET worker_id = $2, incarnation = $3, db_length = CASE WHEN $4::boolean THEN 0 ELSE db_length END,
    content_byte_length = CASE WHEN $4::boolean THEN 0 ELSE content_byte_length END
WHERE id = $1

-- name: DueRescannedLinks
SELECT file FROM rescanned_link WHERE unlisted_at <= retirement_now() - $1::bigint * interval '1 millisecond'
ORDER BY file LIMIT $2::bigint

-- name: DropRescannedLinks
-- What a NAR that is wanted or stored by now is linked as stays. Answers the others.
WITH dropped AS (DELETE FROM rescanned_link WHERE file = ANY($1::text[]) RETURNING file)
SELECT file FROM dropped d WHERE NOT EXISTS (SELECT FROM nar n WHERE n.file = d.file) ORDER BY file
