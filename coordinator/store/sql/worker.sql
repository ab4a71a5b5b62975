-- Who the workers are (pg_worker_table).

-- name: LockWorker
SELECT incarnation, nonce, sequence, coalesce(identity, '') AS identity FROM worker WHERE id = $1 FOR UPDATE

-- name: InsertWorker
INSERT INTO worker (id, name, incarnation, nonce) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING

-- name: UpdateWorker
UPDATE worker
SET name = $2, incarnation = $3, nonce = $4, sequence = $5, roles = $6::text[], disk_free_bytes = $7,
    draining = $8, version = $9, failure_domain = $10, peer_address = $11, scrubs_nothing = $12,
    last_seen = clock_timestamp()
WHERE id = $1
