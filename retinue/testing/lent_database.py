"""One database lent to test after test, emptied in between: making a new one takes several times as long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

from retinue.testing.postgres import DatabaseServer

#: What a test must not have changed if the next one is to have the database too.
_SHAPE = """
    SELECT oid, relname, relnatts, relchecks, relrowsecurity, relacl::text, reloptions,
        (SELECT version_num FROM alembic_version)
    FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY oid
"""

#: Only what was touched: to truncate all tables takes many times as long. A table has pages even after a rollback, and
#: a sequence goes on from what a failed insert took of it. What is small is deleted from, which makes no new files, by
#: one statement, at whose end foreign keys are checked. A table of less than ten pages is planned for as an empty one
#: (PostgreSQL, `estimate_rel_size`), unless it was analyzed: to forget that, it is truncated.
#: What keeps its rows by a trigger lets go of them while that is off; only the owner of a table may switch it.
_EMPTY = """
    DO $$
    DECLARE deletes text; large text; counter text; guarded text[]; one text;
    BEGIN
        SELECT coalesce(array_agg(DISTINCT tgrelid::regclass::text), '{}') INTO guarded
        FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND NOT tgisinternal
            AND pg_relation_size(tgrelid) > 0;
        FOREACH one IN ARRAY guarded LOOP
            EXECUTE format('ALTER TABLE %s DISABLE TRIGGER USER', one);
        END LOOP;
        SELECT string_agg(format('touched_%s AS (DELETE FROM %s)', oid, oid::regclass), ', ') INTO deletes
        FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'
            AND pg_relation_size(oid) BETWEEN 1 AND 9 * 8192 AND reltuples < 0;
        SELECT string_agg(oid::regclass::text, ', ') INTO large
        FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'
            AND (pg_relation_size(oid) > 9 * 8192 OR reltuples >= 0);
        IF large IS NOT NULL THEN
            EXECUTE format('TRUNCATE %s CASCADE', large);
        END IF;
        IF deletes IS NOT NULL THEN
            EXECUTE format('WITH %s SELECT', deletes);
        END IF;
        FOREACH one IN ARRAY guarded LOOP
            EXECUTE format('ALTER TABLE %s ENABLE TRIGGER USER', one);
        END LOOP;
        FOR counter IN
            SELECT format('%I.%I', schemaname, sequencename) FROM pg_sequences
            WHERE schemaname = 'public' AND last_value IS NOT NULL
        LOOP
            EXECUTE format('ALTER SEQUENCE %s RESTART', counter);
        END LOOP;
    END $$
"""


@dataclass
class LentDatabase:
    """Copies of `template` on `server`: the same one as long as its borrowers leave its schema alone."""

    server: DatabaseServer
    template: str
    _made: ExitStack = field(default_factory=ExitStack)
    _url: str | None = None
    _shape: list[tuple[Any, ...]] = field(default_factory=list)

    @contextmanager
    def lend(self) -> Iterator[str]:
        """The URL of an empty database, for as long as the block lasts."""
        if self._url is None:
            self._url = self._made.enter_context(self.server.fresh_database(self.template))
            with psycopg.connect(self._url, autocommit=True) as connection:
                self._shape = connection.execute(_SHAPE).fetchall()
        yield self._url
        if not self._emptied():
            self.close()

    def close(self) -> None:
        """Drop the database; whoever borrows next has a new one."""
        self._url = None
        self._made.close()

    def _emptied(self) -> bool:
        try:
            with psycopg.connect(self._url or "", autocommit=True) as connection:
                return self._shape == connection.execute(_SHAPE).fetchall() and _empty(connection)
        except psycopg.Error:
            return False


def _empty(connection: psycopg.Connection) -> bool:
    connection.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    connection.execute(_EMPTY)
    return True
