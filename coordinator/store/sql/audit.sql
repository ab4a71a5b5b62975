-- Who decided what (pg_audit).

-- name: RecordAudit
-- $6: the characters that are kept of each text.
INSERT INTO audit (who, peer, operation, object, decision) VALUES ($1, $2, $3, left($4, $6::int), left($5, $6::int))

-- name: ListAudit
-- At most $3 since $1 (Unix ms) below the number $2, the newest first.
SELECT id, (extract(epoch FROM at) * 1000)::bigint AS at_ms, who, peer, operation, object, decision
FROM audit WHERE at >= to_timestamp($1::bigint / 1000.0) AND id < $2::bigint ORDER BY id DESC LIMIT $3::bigint

-- name: PruneAudit
-- At most $2 that are older than $1 ms.
DELETE FROM audit
WHERE id IN (SELECT id FROM audit WHERE at < now() - $1::bigint * interval '1 millisecond' ORDER BY at LIMIT $2::bigint)
