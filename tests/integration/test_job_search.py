"""Pages of jobs: every way to them gives what a plain look at all rows would."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from infra.job_query import QueryError, parse_query
from infra.postgres import job_paths, job_search
from infra.postgres.job_paths import Phase
from infra.postgres.job_search import JobPage, Place, read_place, search_jobs
from retinue.states import TERMINAL, JobState, arrivals

TYPES = ("email.sync", "email.watch", "salesforce.sync", "system.echo")
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ERRORS = (None, ("TransientError", "the server was too SLOW"), ("PermanentError", "no 100% such thing"))


@dataclass(frozen=True)
class Row:
    """A job as the test made it."""

    id: int
    type: str
    account: int | None
    state: JobState
    reason: str
    lane: str
    attempt: int
    priority: int
    at: datetime
    error: tuple[str, str] | None
    group: int | None
    schedule: int | None
    retry_of: int | None
    ran: float | None

    @property
    def over(self) -> bool:
        return self.state in TERMINAL


def made(draw: random.Random, number: int) -> Row:
    state = draw.choice(list(JobState))
    account = draw.choice([None, 1, 2, 3])
    return Row(
        id=number,
        type=draw.choice(TYPES),
        account=account,
        state=state,
        reason=draw.choice(sorted(arrivals()[state])),
        lane=draw.choice(["system", "connection_id:5", f"account:{account}"]),
        attempt=draw.randrange(4),
        priority=draw.randrange(10),
        # Many end at the same moment, as a batch does, and on several days.
        at=NOW - timedelta(hours=draw.randrange(90)),
        error=draw.choice(ERRORS),
        group=draw.choice([None, None, 7]),
        schedule=draw.choice([None, None, 4]),
        retry_of=draw.choice([None, None, 1]),
        ran=draw.choice([0.5, 90.0]) if state in TERMINAL else None,
    )


@pytest.fixture
def rows(sql: psycopg.Connection) -> list[Row]:
    draw = random.Random(20261120)  # noqa: S311 - rows of a test
    sql.execute("INSERT INTO accounts (id, name) VALUES (1, 'acme'), (2, 'Kestrel, Freight'), (3, 'third')")
    made_rows = [made(draw, number) for number in range(1, 401)]
    for row in made_rows:
        _insert(sql, row)
    return made_rows


def _insert(sql: psycopg.Connection, row: Row) -> None:
    error = None if row.error is None else {"kind": row.error[0], "message": row.error[1], "fingerprint": "8aa7d072"}
    columns: dict[str, Any] = {
        "id": row.id,
        "type": row.type,
        "account_id": row.account,
        "lane": row.lane,
        "state": row.state,
        "reason": row.reason,
        "attempt": row.attempt,
        "priority": row.priority,
        "created_at": row.at,
        "error": None if error is None else Jsonb(error),
        "group_id": row.group,
        "retry_of": row.retry_of,
        "schedule_id": row.schedule,
        "fire_at": None if row.schedule is None else NOW + timedelta(seconds=row.id),
    }
    if row.over:
        columns |= {"finished_at": row.at, "run_seconds": row.ran}
    if row.state is JobState.RUNNING:
        columns |= {"servant_id": 1, "lease_until": NOW, "claimed_at": NOW}
    table = "job_history" if row.over else "jobs"
    query = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})"  # noqa: S608 - the test's own column names
    sql.execute(query.encode(), list(columns.values()))


def all_pages(sql: psycopg.Connection, text: str, **options: Any) -> list[int]:
    """The IDs on all pages, in their order; each page begins where a token says."""
    found: list[int] = []
    place: Place | None = None
    while True:
        page = search_jobs(sql, parse_query(text), after=place, **options)
        found += [job.id for job in page.jobs]
        if page.following is None:
            return found
        assert read_place(page.following.token) == page.following
        place = read_place(page.following.token)


def expected(rows: list[Row], fits: Callable[[Row], bool], *, by_number: bool = False) -> list[int]:
    """In flight, then waiting, each the newest first; then ended, the latest first."""
    phases = {JobState.QUEUED: 0, JobState.RUNNING: 0, JobState.PENDING: 1}

    def order(row: Row) -> tuple[int, float, int]:
        return phases.get(row.state, 2), -row.at.timestamp() if row.over and not by_number else 0, -row.id

    return [row.id for row in sorted(filter(fits, rows), key=order)]


def failed(row: Row) -> bool:
    return row.state in (JobState.FAILED, JobState.CANCELLED)


CASES: dict[str, Callable[[Row], bool]] = {
    "": lambda row: True,
    "state:failed": lambda row: row.state is JobState.FAILED,
    "state:unfinished": lambda row: not row.over,
    "state:pending": lambda row: row.state is JobState.PENDING,
    "state:running,completed": lambda row: row.state in (JobState.RUNNING, JobState.COMPLETED),
    "type:email.*": lambda row: row.type.startswith("email."),
    "-type:email.sync": lambda row: row.type != "email.sync",
    "type:email.sync state:ended -state:completed": lambda row: row.type == "email.sync" and failed(row),
    "account:acme": lambda row: row.account == 1,
    'account:"Kestrel, Freight",3': lambda row: row.account in (2, 3),
    "-account:acme state:ended": lambda row: row.account != 1 and row.over,
    "account:acme type:email.sync state:failed,cancelled": lambda row: (
        row.account == 1 and row.type == "email.sync" and failed(row)
    ),
    "error:~slow": lambda row: row.state is not JobState.COMPLETED and row.error is not None and "SLOW" in row.error[1],
    "error:~100% error:~such": lambda row: (
        row.state is not JobState.COMPLETED and row.error is not None and "100%" in row.error[1]
    ),
    "error:~_": lambda row: False,
    "-error:~slow state:failed": lambda row: (
        row.state is JobState.FAILED and (row.error is None or "SLOW" not in row.error[1])
    ),
    "error:TransientError state:completed": lambda row: (
        row.state is JobState.COMPLETED and row.error is not None and row.error[0] == "TransientError"
    ),
    "-error:TransientError state:failed": lambda row: (
        row.state is JobState.FAILED and (row.error is None or row.error[0] != "TransientError")
    ),
    "fingerprint:8aa7d072": lambda row: row.state is not JobState.COMPLETED and row.error is not None,
    "fingerprint:00000000": lambda row: False,
    "reason:poison,retry": lambda row: row.reason in ("poison", "retry"),
    "-reason:enqueue state:pending": lambda row: row.state is JobState.PENDING and row.reason != "enqueue",
    "lane:system": lambda row: row.lane == "system",
    "connection:5 type:system.echo": lambda row: row.lane == "connection_id:5" and row.type == "system.echo",
    "group:7": lambda row: row.group == 7,
    "schedule:4": lambda row: row.schedule == 4,
    "retry_of:1 state:ended": lambda row: row.retry_of == 1 and row.over,
    "attempts:>=2": lambda row: row.attempt >= 2,
    "attempts:<0": lambda row: False,
    "priority:>3 priority:<6": lambda row: row.priority in (4, 5),
    "ran:>1m state:ended": lambda row: row.over and row.ran == 90,
    "after:2026-11-18T00:00 before:2026-11-19": lambda row: (
        datetime(2026, 11, 18, tzinfo=UTC) <= row.at < datetime(2026, 11, 19, tzinfo=UTC)
    ),
    "before:2026-11-18 state:failed": lambda row: (
        row.state is JobState.FAILED and row.at < datetime(2026, 11, 18, tzinfo=UTC)
    ),
    "id:17,3,400": lambda row: row.id in (17, 3, 400),
    "state:failed -state:failed": lambda row: False,
    "type:nothing.*": lambda row: False,
}


@pytest.mark.parametrize("text", CASES)
def test_pages_together_are_all_jobs_that_fit_in_their_order(
    sql: psycopg.Connection, rows: list[Row], text: str
) -> None:
    everything = expected(rows, CASES[text], by_number="group:" in text or "retry_of:" in text)
    if "id:" in text:
        everything.sort(reverse=True)
    assert all_pages(sql, text, limit=7) == everything
    assert all_pages(sql, text) == everything


@pytest.mark.parametrize("text", ["", "type:email.*", "account:acme", "lane:system", "error:~slow"])
def test_a_search_without_time_gives_the_same_in_more_steps(
    sql: psycopg.Connection, rows: list[Row], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_search, "_FIRST_WINDOW", 10)
    monkeypatch.setattr(job_paths, "MAX_WAITING", 5)
    monkeypatch.setattr(job_paths, "MAX_IN_FLIGHT", 5)
    assert all_pages(sql, text, limit=7, search_seconds=0) == expected(rows, CASES[text])


def test_a_search_whose_time_is_up_says_how_far_it_looked(
    sql: psycopg.Connection, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_search, "_FIRST_WINDOW", 10)
    page = search_jobs(sql, parse_query("state:failed error:~nowhere"), limit=5, search_seconds=0)
    assert (page.jobs, page.unfinished_search) == ([], True)
    looked_at = [row.at for row in rows if failed(row)]
    assert page.looked_back_to in looked_at
    assert page.looked_back_to < max(looked_at)


def test_an_account_of_its_own_sees_no_other(sql: psycopg.Connection, rows: list[Row]) -> None:
    assert all_pages(sql, "", account_id=1) == expected(rows, lambda row: row.account == 1)
    assert all_pages(sql, "account:acme", account_id=1) == expected(rows, lambda row: row.account == 1)
    for other in ("third", "nobody"):
        with pytest.raises(QueryError, match=f"^There is no account '{other}'.$"):
            all_pages(sql, f"account:{other}", account_id=1)
    assert all_pages(sql, "id:1,2,3,4,5,6,7,8,9,10,11,12", account_id=1) == sorted(
        (row.id for row in rows if row.id <= 12 and row.account == 1), reverse=True
    )


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("state:failed account:nobody", "account:nobody", "There is no account 'nobody'"),
        ("type:email.snyc", "type:email.snyc", "Did you mean email.sync?"),
    ],
)
def test_what_there_is_not_is_pointed_at(
    sql: psycopg.Connection, rows: list[Row], text: str, place: str, says: str
) -> None:
    with pytest.raises(QueryError, match="There is no") as raised:
        search_jobs(sql, parse_query(text))
    assert says in raised.value.message
    assert text[raised.value.start : raised.value.end] == place


@pytest.mark.parametrize(
    "token",
    [
        None,
        "",
        "ended",
        "ended.",
        "nowhere.1",
        "ended.1.x",
        "ended.1." + "9" * 19,
        "ended.-1",
        "ended.1.999999999999999999",
    ],
)
def test_a_token_that_names_no_place_is_the_beginning(token: str | None) -> None:
    assert read_place(token) is None


def test_places_and_their_tokens() -> None:
    place = Place(Phase.ENDED, 7, datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC))
    assert read_place(place.token) == place
    assert read_place("waiting.99999999999999999999") is None
    assert read_place("waiting.9999999999999999999") == Place(Phase.WAITING)


def test_secrets_are_masked(sql: psycopg.Connection) -> None:
    _insert(sql, made(random.Random(1), 1))  # noqa: S311 - a row of a test
    sql.execute("""UPDATE jobs SET error = '{"kind": "E", "message": "http://me:hunter2@h/ password=hunter2"}'""")
    sql.execute(
        """UPDATE job_history SET error = '{"kind": "E", "message": "http://me:hunter2@h/ password=hunter2"}'"""
    )
    page: JobPage = search_jobs(sql, parse_query(""))
    assert len(page.jobs) == 1
    assert "hunter2" not in str(page.jobs)
