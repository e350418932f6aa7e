"""The error tree: shallow, every class says what happened, and messages survive whatever a subclass does."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime

import pytest

from retinue import errors
from retinue.errors import BudgetExhausted, JobError, LaneBlocked, RateLimited, RetinueError, TransientError

CLASSES = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, RetinueError)]

#: Those that a message alone makes.
PLAIN = [error for error in CLASSES if error not in (RateLimited, LaneBlocked, BudgetExhausted)]


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: error.__name__)
def test_every_class_says_what_happened(error: type[RetinueError]) -> None:
    doc = (error.__doc__ or "").strip()
    assert doc[:1].isupper()
    assert doc.endswith(".")


@pytest.mark.parametrize("error", PLAIN, ids=lambda e: e.__name__)
def test_the_docstring_is_the_message_when_none_is_given(error: type[RetinueError]) -> None:
    assert error().message == (error.__doc__ or "").strip().splitlines()[0]
    assert error("this one").message == str(error("this one")) == "this one"


def test_the_tree_is_shallow() -> None:
    assert max(error.__mro__.index(RetinueError) for error in CLASSES) <= 3


def test_what_a_handler_raises_is_a_job_error() -> None:
    names = {"TransientError", "JobTimeout", "RateLimited", "PermanentError", "CredentialError", "JobCancelled"}
    names |= {"LaneBlocked", "BudgetExhausted", "PermissionWithdrawn", "SettingsRefused"}
    assert {error.__name__ for error in CLASSES if issubclass(error, JobError)} == names | {"JobError"}


def test_a_subclass_without_a_docstring_says_what_its_base_says() -> None:
    class Flaky(TransientError):
        pass

    assert Flaky().message == TransientError().message


def test_a_subclass_that_tells_its_base_nothing_still_has_a_message() -> None:
    class Own(TransientError):
        def __init__(self, code: int) -> None:
            Exception.__init__(self)
            self.code = code

    assert Own(5).message == "Own"


def test_a_limit_names_its_reset_with_a_time_zone() -> None:
    reset_at = datetime(2030, 1, 1, tzinfo=UTC)
    assert RateLimited(reset_at=reset_at).reset_at == reset_at
    with pytest.raises(ValueError, match="reset_at needs a time zone, got 2030-01-01T00:00:00"):
        RateLimited(reset_at=datetime(2030, 1, 1))  # noqa: DTZ001 - the fault under test


@pytest.mark.parametrize("error", PLAIN, ids=lambda e: e.__name__)
def test_an_error_can_be_copied_to_another_process(error: type[RetinueError]) -> None:
    copied = pickle.loads(pickle.dumps(error("why")))  # noqa: S301 - our own bytes
    assert (type(copied), copied.message) == (error, "why")
