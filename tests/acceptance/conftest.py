"""A fresh copy of the repository for the whole run, and its stack for each test that asks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.product import Checkout, fresh_checkout


@pytest.fixture(scope="session")
def checkout() -> Iterator[Checkout]:
    """A fresh copy; the first `make` in it prepares its environment, which takes a minute or more."""
    with fresh_checkout() as made:
        yield made


@pytest.fixture
def stack(checkout: Checkout) -> Checkout:
    """The same with its stack up, whatever the test before has done to it."""
    checkout.up()
    return checkout
