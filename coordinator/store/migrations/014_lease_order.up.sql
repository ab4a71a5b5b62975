-- A NAR's depth is lowered to that of the paths that need it when a release is planned. It began with 0, so it never was,
-- and NARs were leased by size alone.
ALTER TABLE nar ALTER COLUMN depth SET DEFAULT 2147483647;
