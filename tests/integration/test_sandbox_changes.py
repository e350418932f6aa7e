"""The sandbox org's getUpdated and getDeleted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.local.salesforce import changes
from infra.local.salesforce.clock import stamp
from tests.support.sandbox_app import SandboxApp, code_of, sandbox_app


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[SandboxApp]:
    with sandbox_app(tmp_path) as sandbox:
        yield sandbox


def _minute(sandbox: SandboxApp) -> datetime:
    """The minute that it is in the org."""
    return sandbox.org.clock.now().replace(second=0, microsecond=0)


def _next_minute(sandbox: SandboxApp) -> datetime:
    """Go on to the next full minute."""
    return sandbox.org.clock.set(_minute(sandbox) + timedelta(minutes=1)).replace(second=0, microsecond=0)


def _ask(sandbox: SandboxApp, resource: str, start: datetime | str, end: datetime | str) -> Any:
    spelled = {
        name: value if isinstance(value, str) else value.isoformat() for name, value in (("start", start), ("end", end))
    }
    return sandbox.get(f"sobjects/Account/{resource}", query_string=spelled)


def test_updated_ids_and_up_to_when_they_are_all(sandbox: SandboxApp) -> None:
    start = _next_minute(sandbox)
    first, second = sandbox.create("Account", Name="a"), sandbox.create("Account", Name="b")
    gone = sandbox.create("Account", Name="c")
    sandbox.ask("DELETE", f"sobjects/Account/{gone}")
    end = _next_minute(sandbox)
    late = sandbox.create("Account", Name="d")
    answer = _ask(sandbox, "updated", start, end).get_json()
    assert answer == {"ids": [first, second], "latestDateCovered": stamp(end)}
    following = _ask(sandbox, "updated", answer["latestDateCovered"], end + timedelta(minutes=5)).get_json()
    assert following["ids"] == [late]
    assert following["latestDateCovered"] == stamp(_minute(sandbox))


def test_deleted_rows(sandbox: SandboxApp) -> None:
    start = _next_minute(sandbox)
    gone, back = sandbox.create("Account", Name="a"), sandbox.create("Account", Name="b")
    for record_id in (gone, back):
        sandbox.ask("DELETE", f"sobjects/Account/{record_id}")
    with sandbox.org.edit(sandbox.org.admin) as edit:
        edit.undelete([back])
        edit.hard_delete([gone])
    end = _next_minute(sandbox)
    answer = _ask(sandbox, "deleted", start, end).get_json()
    assert [row["id"] for row in answer["deletedRecords"]] == [gone]
    assert stamp(start) <= answer["deletedRecords"][0]["deletedDate"] < stamp(end)
    assert answer["latestDateCovered"] == stamp(end)
    assert answer["earliestDateAvailable"] < stamp(start)


@pytest.mark.parametrize("resource", ["updated", "deleted"])
def test_what_an_open_transaction_may_still_bring_is_not_covered(sandbox: SandboxApp, resource: str) -> None:
    start = _next_minute(sandbox)
    with sandbox.org.edit(sandbox.org.admin, hold="slow") as edit:
        (held,) = edit.insert("Account", [{"Name": "late"}])
    end = _next_minute(sandbox)
    open_answer = _ask(sandbox, resource, start, end).get_json()
    assert open_answer["latestDateCovered"] == stamp(start)
    sandbox.org.commit_held("slow")
    answer = _ask(sandbox, resource, open_answer["latestDateCovered"], end).get_json()
    assert answer["latestDateCovered"] == stamp(end)
    if resource == "updated":
        assert (open_answer["ids"], answer["ids"]) == ([], [held.id])


def test_seconds_are_ignored(sandbox: SandboxApp) -> None:
    start = _next_minute(sandbox)
    record_id = sandbox.create("Account", Name="a")
    _next_minute(sandbox)
    answer = _ask(sandbox, "updated", start + timedelta(seconds=59), start + timedelta(seconds=119)).get_json()
    assert answer == {"ids": [record_id], "latestDateCovered": stamp(start + timedelta(minutes=1))}


def test_zones_are_understood_even_unescaped(sandbox: SandboxApp) -> None:
    start = _next_minute(sandbox)
    record_id = sandbox.create("Account", Name="a")
    end = _next_minute(sandbox)
    zone = timedelta(hours=5, minutes=30)
    east = [(moment + zone).strftime("%Y-%m-%dT%H:%M:%S") for moment in (start, end)]
    for sign in ("%2B", "+"):
        path = f"sobjects/Account/updated?start={east[0]}{sign}05:30&end={east[1]}{sign}05:30"
        assert sandbox.get(path).get_json()["ids"] == [record_id]


@pytest.mark.parametrize(("resource", "days"), [("updated", 30), ("deleted", 15)])
def test_windows_that_are_refused(sandbox: SandboxApp, resource: str, days: int) -> None:
    now = datetime.now(UTC)
    refusal = (400, "INVALID_REPLICATION_DATE")
    assert _ask(sandbox, resource, now - timedelta(days=days, minutes=-2), now).status_code == 200
    assert code_of(_ask(sandbox, resource, now - timedelta(days=days, minutes=2), now)) == refusal
    minute = now.replace(second=0, microsecond=0)
    assert code_of(_ask(sandbox, resource, minute, minute + timedelta(seconds=50))) == refusal
    assert code_of(_ask(sandbox, resource, minute, minute - timedelta(minutes=5))) == refusal
    assert code_of(_ask(sandbox, resource, "yesterday", minute)) == refusal
    assert code_of(sandbox.get(f"sobjects/Account/{resource}")) == refusal


@pytest.mark.parametrize("resource", ["updated", "deleted"])
def test_too_many_ids_are_refused(sandbox: SandboxApp, resource: str, monkeypatch: pytest.MonkeyPatch) -> None:
    start = _next_minute(sandbox)
    for name in "abc":
        record_id = sandbox.create("Account", Name=name)
        if resource == "deleted":
            sandbox.ask("DELETE", f"sobjects/Account/{record_id}")
    end = _next_minute(sandbox)
    monkeypatch.setattr(changes, "MAX_IDS", 3)
    assert _ask(sandbox, resource, start, end).status_code == 200
    monkeypatch.setattr(changes, "MAX_IDS", 2)
    assert code_of(_ask(sandbox, resource, start, end)) == (400, "EXCEEDED_ID_LIMIT")


def test_only_of_objects_that_are_replicated(sandbox: SandboxApp) -> None:
    now = datetime.now(UTC)
    span = {"start": (now - timedelta(hours=1)).isoformat(), "end": now.isoformat()}
    kept = next(one for one in sandbox.org.full_schema().objects if not one.replicateable)
    answer = sandbox.get(f"sobjects/{kept.name}/updated", query_string=span)
    assert code_of(answer) == (400, "INVALID_TYPE_FOR_OPERATION")
    assert code_of(sandbox.get("sobjects/Foo/updated", query_string=span)) == (404, "NOT_FOUND")
