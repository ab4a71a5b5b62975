-- Whose the workers are (pg_worker_identity).

-- name: WorkerIdentity
SELECT coalesce(identity, '') AS identity FROM worker WHERE id = $1

-- name: PinWorker
UPDATE worker SET identity = $2 WHERE id = $1 AND identity IS NULL
