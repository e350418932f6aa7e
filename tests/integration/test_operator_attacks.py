"""What somebody who could run any SQL in the manager's session would try, and the audit that they cannot bend."""

from __future__ import annotations

import psycopg
from psycopg import sql as compose

from infra.postgres.audit import Act, Actor, ActorKind, note
from infra.postgres.audit_chain import verify
from infra.postgres.ddl import metadata
from tests.support.operator_session import operator
from tests.support.planted import plant

__all__ = ["operator"]

Refused = psycopg.errors.InsufficientPrivilege

#: What somebody would try who could run any SQL in the manager's session.
ATTACKS = [
    "UPDATE operator_actions SET actor_name = 'nobody'",
    "DELETE FROM operator_actions",
    "TRUNCATE operator_actions",
    "TRUNCATE operator_actions, audit_chain, audit_head CASCADE",
    "INSERT INTO audit_chain (position, action_id, chain) VALUES (99, 99, sha256('x'))",
    "INSERT INTO operator_actions (id, actor_kind, actor_name, action, target_kind)"
    " VALUES (1, 'person', 'x', 'y', 'z')",
    "INSERT INTO operator_actions (at, actor_kind, actor_name, action, target_kind)"
    " VALUES (now() - interval '1 day', 'person', 'x', 'y', 'z')",
    "COPY operator_actions FROM STDIN",
    "UPDATE audit_head SET position = position + 1, chain = sha256('x')",
    "SELECT chain FROM audit_head",
    "SELECT * FROM audit_chain",
    "DELETE FROM audit_chain",
    "ALTER TABLE operator_actions DISABLE TRIGGER ALL",
    "ALTER TABLE operator_actions DISABLE TRIGGER keep",
    "ALTER TABLE operator_actions OWNER TO CURRENT_USER",
    "DROP TRIGGER chain ON operator_actions",
    "SET CONSTRAINTS ALL IMMEDIATE; SET session_replication_role = replica",
    "SET session_replication_role = replica",
    "ALTER ROLE CURRENT_USER SET session_replication_role = replica",
    "CREATE OR REPLACE FUNCTION keep_audit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "CREATE TRIGGER own BEFORE INSERT ON operator_actions FOR EACH ROW EXECUTE FUNCTION keep_audit()",
    "CREATE RULE own AS ON INSERT TO operator_actions DO INSTEAD NOTHING",
    "CREATE POLICY own ON operator_actions FOR INSERT WITH CHECK (false)",
    "SELECT audit_bytes(operator_actions) FROM operator_actions",
    "SET ROLE {owner}",
    "SET ROLE retinue_masks",
    "SET ROLE retinue_account",
    "SET SESSION AUTHORIZATION {owner}",
    "GRANT {owner} TO CURRENT_USER",
    "GRANT ALL ON audit_head TO CURRENT_USER",
    "ALTER ROLE CURRENT_USER CREATEROLE",
    "CREATE ROLE own LOGIN",
    "CREATE DATABASE own",
    "ALTER TABLE jobs ADD COLUMN own int",
    "ALTER TABLE mail_messages DISABLE ROW LEVEL SECURITY",
    "ALTER TABLE jobs SET (fillfactor = 10)",
    "ALTER SYSTEM SET log_statement = 'none'",
    "ALTER DATABASE {database} SET row_security = off",
    "DROP TABLE echoes",
    "DROP INDEX jobs_pkey",
    "DROP SCHEMA masked CASCADE",
    "DROP FUNCTION current_account()",
    "DROP OWNED BY {owner}",
    "REASSIGN OWNED BY {owner} TO CURRENT_USER",
    "CREATE TABLE own (id int)",
    "CREATE TEMP TABLE own (id int)",
    "CREATE TABLE masked.own (id int)",
    "CREATE VIEW own AS SELECT 1",
    "CREATE FUNCTION own() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE SCHEMA own",
    "CREATE EVENT TRIGGER own ON ddl_command_end EXECUTE FUNCTION keep_audit()",
    "TRUNCATE jobs",
    "DO $$ BEGIN LOCK TABLE connections IN ACCESS EXCLUSIVE MODE; END $$",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "COPY people (name) FROM PROGRAM 'echo me'",
    "COPY (SELECT 1) TO '/tmp/stolen'",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT lo_create(0)",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()",
    "SELECT pg_advisory_lock(7218310047)",
    "SELECT setval('jobs_id_seq', 1)",
    "SELECT nextval('operator_actions_id_seq')",
    "SELECT credentials FROM connections",
    "SELECT * FROM connections",
    "UPDATE connections SET credentials = credentials || 'x'",
    "UPDATE connections SET account_id = 8 RETURNING credentials",
    "DELETE FROM account_keys",
    "UPDATE account_keys SET wrapped = 'x'",
    "DELETE FROM accounts",
    "INSERT INTO accounts (name) VALUES ('own')",
    "UPDATE people SET name = 'me'",
    "UPDATE people SET oidc_subject = 'me', oidc_issuer = 'https://id.example.com'",
    "UPDATE members SET account_id = 8",
    "UPDATE members SET email = 'me@people.example'",
    "UPDATE visits SET reason = 'another'",
    "DELETE FROM visits",
    "UPDATE account_sessions SET expires_at = now() + interval '1 year'",
    "SELECT word FROM search_words",
    "SELECT * FROM message_participants",
    "SELECT * FROM mail_messages",
    "UPDATE mail_messages SET subject = ''",
    "SELECT * FROM job_history_default",
    "UPDATE jobs SET payload = '{{}}'",
    "UPDATE jobs SET state = 'running'",
    "UPDATE job_history SET state = 'completed'",
    "DELETE FROM job_history",
    "DELETE FROM job_events",
    "UPDATE alembic_version SET version_num = '0'",
    "DO $$ BEGIN DELETE FROM operator_actions; END $$",
    "WITH gone AS (DELETE FROM operator_actions RETURNING 1) SELECT * FROM gone",
    "EXPLAIN ANALYZE DELETE FROM operator_actions",
    "MERGE INTO operator_actions AS old USING (SELECT 1) AS own ON true WHEN MATCHED THEN DELETE",
    "COMMENT ON TABLE jobs IS 'own'",
    "CLUSTER jobs USING jobs_pkey",
    "REINDEX TABLE jobs",
]


def test_raw_sql_can_do_none_of_the_dangerous_things(sql: psycopg.Connection, operator: psycopg.Connection) -> None:
    plant(sql, 7)
    names = {"owner": sql.info.user, "database": sql.info.dbname}
    before = shape_and_rows(sql)
    answers = {attack: answer_to(operator, attack.format(**names)) for attack in ATTACKS}
    # For want of a right, and not because an attack is misspelt.
    allowed = {attack: f"{answer}" for attack, answer in answers.items() if not isinstance(answer, Refused)}
    assert allowed == {}
    assert "canary" not in str(answers)
    assert shape_and_rows(sql) == before


def answer_to(operator: psycopg.Connection, attack: str) -> psycopg.Error | None:
    """How the server refuses it; None where it does not."""
    try:
        operator.execute(attack.encode())
    except psycopg.Error as error:
        return error
    return None


def shape_and_rows(sql: psycopg.Connection) -> list[object]:
    """Tables with their rights and switches, triggers, roles, and how many rows each table has."""
    shapes = [
        "SELECT oid, relname, relowner, relacl::text, relrowsecurity, relnatts, reloptions FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace ORDER BY oid",
        "SELECT oid, tgenabled FROM pg_trigger ORDER BY oid",
        "SELECT oid, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY oid",
        "SELECT datacl::text FROM pg_database WHERE datname = current_database()",
    ]
    found: list[object] = [sql.execute(shape.encode()).fetchall() for shape in shapes]
    for table in metadata.sorted_tables:
        counted = compose.SQL("SELECT count(*) FROM {}").format(compose.Identifier(table.name))
        found.append((table.name, sql.execute(counted).fetchall()))
    return found


def test_what_is_noted_is_chained_though_it_has_no_right_on_the_chain(
    sql: psycopg.Connection, operator: psycopg.Connection
) -> None:
    actor = Actor(ActorKind.PERSON, 1, "Ada")
    for number in range(3):
        with operator.transaction():
            note(operator, actor, Act("job.retry", "job", number))
            note(operator, actor, Act("job.cancel", "job", number))
    with operator.transaction(force_rollback=True):
        note(operator, actor, Act("job.undone", "job", 9))
    found = verify(sql)
    assert (found.verified, found.broken) == (6, None)
