-- Who decided what, and when: a row in the transaction of each operator's call that changed something.
CREATE TABLE audit (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        timestamptz NOT NULL DEFAULT now(),
    who       text NOT NULL,                     -- as the client says of itself
    peer      text NOT NULL,                     -- where the call came from
    operation text NOT NULL,
    object    text NOT NULL,
    decision  text NOT NULL
);
CREATE INDEX audit_at ON audit (at);
