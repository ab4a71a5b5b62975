-- Roles with least rights for a coordinator's database. Run by a superuser (or whoever may create roles), in the database:
--
--   psql -v ON_ERROR_STOP=1 -v database=hypercore_nixos -f deploy/postgres/roles.sql postgresql:///hypercore_nixos
--
--   hypercore_nixos_owner    owns all tables. `coordinator migrate` and `coordinator rescan` are run as it, by a person
--   hypercore_nixos_runtime  reads and writes rows: `coordinator serve --no-migrate`. Makes, alters and drops nothing
--   hypercore_nixos_reader   only reads: Grafana, psql by hand, pg_dump
--
-- Nobody can log in as these; README.md beside this makes users of them. Run it again after each `coordinator migrate`; it
-- may be run at any time, also on a database whose tables another user made: they become the owner's.
\if :{?database}
\else
  \set database hypercore_nixos
\endif

SELECT format('CREATE ROLE %I NOLOGIN', name)
FROM unnest(ARRAY['hypercore_nixos_owner', 'hypercore_nixos_runtime', 'hypercore_nixos_reader']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec

BEGIN;

-- Nobody gets in, or makes anything, because he is somebody. TEMPORARY: walks stage rows in temporary tables.
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO hypercore_nixos_owner, hypercore_nixos_runtime, hypercore_nixos_reader;
GRANT TEMPORARY ON DATABASE :"database" TO hypercore_nixos_owner, hypercore_nixos_runtime;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO hypercore_nixos_runtime, hypercore_nixos_reader;
GRANT USAGE, CREATE ON SCHEMA public TO hypercore_nixos_owner;

-- What was made before by somebody else.
SELECT format('ALTER %s %I.%I OWNER TO hypercore_nixos_owner',
              CASE c.relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p', 'v', 'S')
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.classid = 'pg_class'::regclass AND d.deptype IN ('i', 'a', 'e'))
\gexec
SELECT format('ALTER TYPE public.%I OWNER TO hypercore_nixos_owner', t.typname)
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE n.nspname = 'public' AND t.typtype IN ('e', 'd') \gexec
SELECT format('ALTER ROUTINE %s OWNER TO hypercore_nixos_owner', p.oid::regprocedure)
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = 'public' AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e') \gexec

-- Of today, and of what the owner will make.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO hypercore_nixos_runtime;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO hypercore_nixos_runtime;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO hypercore_nixos_reader;
GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO hypercore_nixos_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE hypercore_nixos_owner IN SCHEMA public
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO hypercore_nixos_runtime;
ALTER DEFAULT PRIVILEGES FOR ROLE hypercore_nixos_owner IN SCHEMA public GRANT USAGE ON SEQUENCES TO hypercore_nixos_runtime;
ALTER DEFAULT PRIVILEGES FOR ROLE hypercore_nixos_owner IN SCHEMA public GRANT SELECT ON TABLES TO hypercore_nixos_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE hypercore_nixos_owner IN SCHEMA public GRANT SELECT ON SEQUENCES TO hypercore_nixos_reader;
-- The schema's version is the owner's alone. The one table that is emptied at a stroke holds what a budget chooses from.
SELECT statement
FROM (VALUES ('public.schema_version', 'REVOKE INSERT, UPDATE, DELETE ON public.schema_version FROM hypercore_nixos_runtime'),
             ('public.path_budget', 'GRANT TRUNCATE ON public.path_budget TO hypercore_nixos_runtime')) AS v (name, statement)
WHERE to_regclass(name) IS NOT NULL \gexec

COMMIT;
