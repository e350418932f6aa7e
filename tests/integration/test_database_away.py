"""Asking for a database that cannot be reached."""

from __future__ import annotations

import time

import pytest

from infra.postgres.connect import CONNECT_TIMEOUT_SECONDS, Database, DatabaseUnreachable
from tests.support.postgres import free_port


def test_whoever_asks_soon_after_is_told_at_once() -> None:
    url = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    database = Database(url, application_name="tests", away_seconds=60)
    with pytest.raises(DatabaseUnreachable) as first:
        database.fetch("read_now")

    asked = time.monotonic()
    with pytest.raises(DatabaseUnreachable) as second:
        database.fetch("read_now")

    assert second.value.message == first.value.message
    assert time.monotonic() - asked < CONNECT_TIMEOUT_SECONDS / 2
    database.close()
