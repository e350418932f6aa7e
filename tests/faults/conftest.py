"""A fleet of real processes for each fault test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import fleet as support
from tests.support.caller import offer
from tests.support.fleet import Fleet
from tests.support.provider_server import ProviderServer, provider_server


@pytest.fixture
def fleet() -> Iterator[support.Fleet]:
    """PostgreSQL and SQS of the test's own, to start schedulers and servants on."""
    with support.fleet() as made:
        yield made


@pytest.fixture
def server() -> Iterator[ProviderServer]:
    with provider_server() as made:
        yield made


@pytest.fixture
def calling_fleet(fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    """A fleet whose processes know the calling servant."""
    offer(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    fleet.machine.extra["PYTHONPATH"] = str(tmp_path)
    return fleet
