"""A fleet of real processes for each fault test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import fleet as support


@pytest.fixture
def fleet() -> Iterator[support.Fleet]:
    """PostgreSQL and SQS of the test's own, to start schedulers and servants on."""
    with support.fleet() as made:
        yield made
