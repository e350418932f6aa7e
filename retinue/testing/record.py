"""What a job did, kept for a test to look at; and the services of a job without a database."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from retinue.connection import Connection
from retinue.errors import LeaseLost, PermanentError
from retinue.groups import Group
from retinue.job import Commit, Job, JobServices
from retinue.outcomes import Completed
from retinue.settlement import completed

#: Says which rows a statement gives: `answers(query, params)`.
Answers = Callable[[str, Any], Sequence[tuple[Any, ...]]]


class Statement(NamedTuple):
    """A statement run by `tx.execute`, as it was given."""

    query: str
    params: Any


class Anomaly(NamedTuple):
    """What `job.anomaly` reported."""

    name: str
    fields: Mapping[str, Any]


@dataclass(slots=True)
class Committed:
    """One `job.commit()` that landed."""

    statements: list[Statement] = field(default_factory=list)
    #: What `tx.checkpoint` kept, as JSON gives it back; None if it was not called.
    checkpoint: Any = None
    #: What `tx.complete` was told.
    completed: Completed | None = None


class Rows:
    """A cursor over rows that a test made up."""

    def __init__(self, rows: Sequence[tuple[Any, ...]]) -> None:
        self.rowcount = len(rows)
        self._rows = iter(rows)

    def fetchone(self) -> tuple[Any, ...] | None:
        return next(self._rows, None)

    def fetchall(self) -> list[tuple[Any, ...]]:
        return list(self._rows)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return self._rows


class MemoryCommit:
    """A `Commit` that runs nothing: statements give the rows that the test made up, or none."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    @property
    def connection(self) -> Any:
        raise RuntimeError("tx.connection needs a database: run(…, database=…), with the fixture retinue_database")

    def execute(self, query: str, params: Any = None) -> Rows:
        return Rows(self._answers(query, params))

    def checkpoint(self, value: Any) -> None:
        """Nothing to do: it is kept by whoever records it."""

    def complete(self, outcome: Completed) -> None:
        """Likewise."""

    def group(self, children: Iterable[Any] = (), *, name: str, **rules: Any) -> Group:
        raise RuntimeError("tx.group needs a database: run(…, database=…), with the fixture retinue_database")


class MemoryServices:
    """`JobServices` without a database: commits run nothing, connections are those that the test made up."""

    def __init__(self, connections: Sequence[Connection] = (), *, answers: Answers | None = None) -> None:
        self._connections = {connection.id: connection for connection in connections}
        self._answers = answers or (lambda _query, _params: [])

    @contextmanager
    def commit(self, job: Job[Any]) -> Iterator[MemoryCommit]:
        tx = MemoryCommit(self._answers)
        yield tx

    def connection(self, job: Job[Any], connection_id: int) -> Connection:
        found = self._connections.get(connection_id)
        if found is None or found.account_id != job.account_id:
            raise PermanentError(f"account {job.account_id} has no connection {connection_id}")
        return found

    def anomaly(self, job: Job[Any], name: str, fields: Mapping[str, Any]) -> None:
        """Nothing to do: it is kept by whoever records it."""


class RecordedCommit:
    """A commit on its way to the one behind it, written down."""

    def __init__(self, tx: Commit, kept: Committed) -> None:
        self._tx = tx
        self._kept = kept

    @property
    def connection(self) -> Any:
        return self._tx.connection

    def execute(self, query: str, params: Any = None) -> Any:
        self._kept.statements.append(Statement(query, params))
        return self._tx.execute(query, params)

    def checkpoint(self, value: Any) -> None:
        self._kept.checkpoint = json.loads(json.dumps(value, allow_nan=False))
        self._tx.checkpoint(value)

    def complete(self, outcome: Completed) -> None:
        settlement = completed(0, 0, outcome)
        if settlement.error is not None:
            raise PermanentError(settlement.error["message"])
        self._kept.completed = outcome
        self._tx.complete(outcome)

    def group(self, children: Iterable[Any] = (), *, name: str, **rules: Any) -> Group:
        return self._tx.group(children, name=name, **rules)


class Recorder:
    """`JobServices` that hands everything on to those behind it and keeps what landed.

    After `lose_lease_after` commits the attempt no longer holds its job.
    """

    def __init__(self, services: JobServices, *, lose_lease_after: int | None = None) -> None:
        self._services = services
        self._lose_lease_after = lose_lease_after
        self.commits: list[Committed] = []
        self.anomalies: list[Anomaly] = []

    @contextmanager
    def commit(self, job: Job[Any]) -> Iterator[RecordedCommit]:
        if self._lose_lease_after is not None and len(self.commits) >= self._lose_lease_after:
            raise LeaseLost(f"attempt {job.attempt} no longer holds job {job.id}: the test took its lease away")
        kept = Committed()
        with self._inner(job) as tx:
            yield RecordedCommit(tx, kept)
        self.commits.append(kept)
        if kept.checkpoint is not None:
            job.checkpoint = kept.checkpoint
        job.settled = job.settled or kept.completed is not None

    def connection(self, job: Job[Any], connection_id: int) -> Connection:
        return self._services.connection(job, connection_id)

    def anomaly(self, job: Job[Any], name: str, fields: Mapping[str, Any]) -> None:
        self.anomalies.append(Anomaly(name, dict(fields)))
        self._services.anomaly(job, name, fields)

    def _inner(self, job: Job[Any]) -> AbstractContextManager[Commit]:
        return self._services.commit(job)
