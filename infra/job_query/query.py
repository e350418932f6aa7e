"""What a query asks for, read and checked; nothing of it has been looked up yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from infra.job_query.terms import Term
from retinue.states import TERMINAL, JobState, Reason

#: A moment, or how long ago it was.
Since = datetime | timedelta


@dataclass(frozen=True, slots=True)
class Span:
    """From `least` on, up to `most`, both included; None is no bound."""

    least: float | None = None
    most: float | None = None

    def narrowed(self, other: Span) -> Span:
        """What lies in both."""
        least = max((bound for bound in (self.least, other.least) if bound is not None), default=None)
        most = min((bound for bound in (self.most, other.most) if bound is not None), default=None)
        return Span(least, most)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobQuery:
    """Which jobs. What is empty or None takes all; the fields named `not_…` leave out.

    A type may end with `*`. An account is a name or an ID. `after` and `before` bound when an unfinished job was made,
    or a finished one ended.
    """

    text: str = ""
    terms: tuple[Term, ...] = ()
    ids: tuple[int, ...] = ()
    types: tuple[str, ...] = ()
    not_types: tuple[str, ...] = ()
    named_states: frozenset[JobState] = frozenset()
    not_states: frozenset[JobState] = frozenset()
    accounts: tuple[str, ...] = ()
    not_accounts: tuple[str, ...] = ()
    lanes: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()
    not_reasons: tuple[Reason, ...] = ()
    kinds: tuple[str, ...] = ()
    not_kinds: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    not_texts: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = ()
    groups: tuple[int, ...] = ()
    schedules: tuple[int, ...] = ()
    servants: tuple[int, ...] = ()
    retries_of: tuple[int, ...] = ()
    requests: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    spans: Mapping[str, Span] = field(default_factory=dict)
    after: Since | None = None
    before: Since | None = None

    @property
    def states(self) -> frozenset[JobState]:
        """The states looked in: those named, else all; without the completed ones where an error is asked for."""
        states = self.named_states or frozenset(JobState)
        if not self.named_states and (self.kinds or self.texts or self.fingerprints):
            states -= {JobState.COMPLETED}
        return states - self.not_states

    @property
    def is_over(self) -> bool:
        """Whether it asks for finished jobs alone."""
        return self.states <= TERMINAL

    def term_of(self, name: str) -> Term | None:
        """The first term of this field."""
        return next((term for term in self.terms if term.field == name), None)
