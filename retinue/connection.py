"""A connection as a handler sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol


class Call(Protocol):
    """One request to the provider, while it goes on."""

    def learn(self, headers: Mapping[str, str] | None = None, *, status: int | None = None, body: str = "") -> None:
        """Pass on what the answer says about limits: its headers and status, and the body of a refusal."""


class Calls(Protocol):
    """What counts a connection's calls; the runtime in servants implements it."""

    def begin(self, cost: int, *, urgent: bool | None) -> AbstractContextManager[Call]: ...


class UncountedCall:
    """A call that nobody counts."""

    def learn(self, headers: Mapping[str, str] | None = None, *, status: int | None = None, body: str = "") -> None:
        """Nothing to do."""


class Uncounted:
    """Lets every call through: outside of servants, and in tests."""

    @contextmanager
    def begin(self, cost: int, *, urgent: bool | None) -> Iterator[Call]:
        yield UncountedCall()


def uncounted() -> AbstractContextManager[Call]:
    """A call that is let through and that nobody counts."""
    return Uncounted().begin(1, urgent=None)


#: Makes new credentials of the stored ones; what it gives back unchanged is not written.
Renewal = Callable[[Mapping[str, str]], Mapping[str, str]]


class Keeper(Protocol):
    """What keeps the credentials of connections; `infra.postgres.vault` implements it."""

    def renew(self, connection_id: int, renewal: Renewal) -> Mapping[str, str]: ...


@dataclass(frozen=True, slots=True)
class Connection:
    """An account's authorised link to one provider, its credentials opened and kept out of every `repr`."""

    id: int
    account_id: int
    provider: str
    name: str
    config: Mapping[str, Any]
    credentials: Mapping[str, str] = field(repr=False)
    calls: Calls = field(default_factory=Uncounted, repr=False, compare=False)
    #: None where nothing is stored: in tests.
    keeper: Keeper | None = field(default=None, repr=False, compare=False)

    def call(self, cost: int = 1, *, urgent: bool | None = None) -> AbstractContextManager[Call]:
        """Around each request: takes `cost` from the connection's budget, and tells its breaker how it ended.

        A call of an urgent job (priority 0 to 2), or one that says so, may use the budget's reserve.

        Raises:
            BudgetExhausted: nothing is left; let it through, and the job is put back until the reset.
            LaneBlocked: the connection was found broken meanwhile; likewise.
        """
        return self.calls.begin(cost, urgent=urgent)

    def renew(self, renewal: Renewal) -> Mapping[str, str]:
        """Have `renewal` make new credentials of the stored ones, and store them; returns those that are stored then.

        At most one renewal of a connection runs at a time, whichever process asks: whoever waited is given what the
        one before has stored, and gives it back if it will do. `credentials` stays as it was opened.

        Raises:
            TransientError: another renewal takes too long, or the new credentials could not be stored.
            PermanentError: the connection was deleted.
            CredentialError: the stored credentials cannot be opened.
        """
        if self.keeper is None:
            return renewal(self.credentials)
        return self.keeper.renew(self.id, renewal)
