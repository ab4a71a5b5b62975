-- Several upstreams: which are configured, in which order, and what the others say of a path that one lacks.

ALTER TABLE upstream
    -- The place in the order of preference, as the replicas' options last said; NULL: not among them (any more).
    ADD COLUMN preference int,
    -- Keys whose signatures are believed of this one's narinfos; for people.
    ADD COLUMN public_keys text[] NOT NULL DEFAULT '{}';

-- What a walk has learnt of a path so far: these upstreams need not be asked for its narinfo again. The reason is that
-- of the first one that was refused; without one they all lack it.
ALTER TABLE release_frontier
    ADD COLUMN ruled_out bigint[] NOT NULL DEFAULT '{}',
    ADD COLUMN reason    text,
    ADD COLUMN message   text;

-- Paths whose NAR cannot be had at the upstream that their narinfo came from: other upstreams are asked for a narinfo
-- of the same NAR. A row stays when that is over, so that nobody is asked twice.
CREATE TABLE path_elsewhere (
    path_id    bigint PRIMARY KEY,
    tried      bigint[] NOT NULL,            -- upstreams, the first one included
    looking    boolean NOT NULL,
    attempts   int NOT NULL DEFAULT 0,       -- at the upstream whose turn it is
    not_before timestamptz NOT NULL DEFAULT '-infinity'
);
CREATE INDEX path_elsewhere_looking ON path_elsewhere (not_before) WHERE looking;
