-- Whose certificate or token a worker showed when it first called with one: only that one may speak for it. NULL: it never
-- showed one, or an operator had it forgotten.
ALTER TABLE worker ADD COLUMN identity text CHECK (identity <> '');
