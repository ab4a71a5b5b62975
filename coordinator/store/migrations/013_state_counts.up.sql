-- How many paths and NARs are in each state, without counting them: what operators look at, and metrics.

-- The sum of the rows of one state is its count: triggers add rows a statement, the leader folds them. A NAR that is
-- wanted by nobody at work counts as 'idle'.
CREATE TABLE state_count (
    is_nar boolean NOT NULL,
    state  text    NOT NULL,
    amount bigint  NOT NULL
);

CREATE FUNCTION nar_word(nar_state, boolean) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN $1 = 'wanted' AND NOT $2 THEN 'idle' ELSE $1::text END $$;

-- One function for each kind of statement: a trigger has only the transition tables that its kind has.
CREATE FUNCTION paths_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO state_count (is_nar, state, amount)
        SELECT false, state::text, count(*) FROM rows_new GROUP BY state;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO state_count (is_nar, state, amount)
        SELECT false, state::text, -count(*) FROM rows_old GROUP BY state;
    ELSE
        INSERT INTO state_count (is_nar, state, amount)
        SELECT false, state::text, sum(n)
        FROM (SELECT state, 1 AS n FROM rows_new UNION ALL SELECT state, -1 FROM rows_old) c
        GROUP BY state HAVING sum(n) <> 0;
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION nars_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO state_count (is_nar, state, amount)
        SELECT true, nar_word(state, needed), count(*) FROM rows_new GROUP BY 2;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO state_count (is_nar, state, amount)
        SELECT true, nar_word(state, needed), -count(*) FROM rows_old GROUP BY 2;
    ELSE
        INSERT INTO state_count (is_nar, state, amount)
        SELECT true, word, sum(n)
        FROM (SELECT nar_word(state, needed) AS word, 1 AS n FROM rows_new
              UNION ALL SELECT nar_word(state, needed), -1 FROM rows_old) c
        GROUP BY word HAVING sum(n) <> 0;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER paths_counted_insert AFTER INSERT ON path REFERENCING NEW TABLE AS rows_new
    FOR EACH STATEMENT EXECUTE FUNCTION paths_counted();
CREATE TRIGGER paths_counted_update AFTER UPDATE ON path REFERENCING OLD TABLE AS rows_old NEW TABLE AS rows_new
    FOR EACH STATEMENT EXECUTE FUNCTION paths_counted();
CREATE TRIGGER paths_counted_delete AFTER DELETE ON path REFERENCING OLD TABLE AS rows_old
    FOR EACH STATEMENT EXECUTE FUNCTION paths_counted();
CREATE TRIGGER nars_counted_insert AFTER INSERT ON nar REFERENCING NEW TABLE AS rows_new
    FOR EACH STATEMENT EXECUTE FUNCTION nars_counted();
CREATE TRIGGER nars_counted_update AFTER UPDATE ON nar REFERENCING OLD TABLE AS rows_old NEW TABLE AS rows_new
    FOR EACH STATEMENT EXECUTE FUNCTION nars_counted();
CREATE TRIGGER nars_counted_delete AFTER DELETE ON nar REFERENCING OLD TABLE AS rows_old
    FOR EACH STATEMENT EXECUTE FUNCTION nars_counted();

-- The triggers' locks keep writers away until this is committed.
INSERT INTO state_count (is_nar, state, amount)
SELECT false, state::text, count(*) FROM path GROUP BY state
UNION ALL
SELECT true, nar_word(state, needed), count(*) FROM nar GROUP BY 2;
