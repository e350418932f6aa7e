"""A search over an account's people, opportunities, contacts and the subjects of its messages, by how words begin.

The table `search_words` has a row for each word of a text; one range of one index answers for each kind, and never
reads more than `WINDOW` rows of it, however common a word is. Of several words the longest is looked up and the others
are looked for in the texts found, anywhere in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar

import psycopg

from infra.postgres.account_view.values import moment_of_version
from infra.postgres.rows import rows_as
from infra.postgres.texts import storable
from infra.postgres.word_rules import MAX_WORD, words_of

#: Lines of each kind, and the most words that are looked for.
LIMIT, MOST_WORDS = 20, 8

#: With several words: so many texts that have the longest one are looked through for the others.
WINDOW = 500


@dataclass(frozen=True, slots=True)
class FoundPerson:
    """A person; `at` is when it was last seen."""

    id: int
    address: str
    name: str | None
    at: datetime
    looked_at: int = field(repr=False)


@dataclass(frozen=True, slots=True)
class FoundRecord:
    """An opportunity or a contact of Salesforce."""

    connection_id: int
    external_id: str
    name: str | None
    email: str | None
    modified: int
    looked_at: int = field(repr=False)

    @property
    def changed_at(self) -> datetime | None:
        """When it was last changed at the provider."""
        return moment_of_version(self.modified)


@dataclass(frozen=True, slots=True)
class FoundMessage:
    """A message by its subject."""

    id: int
    subject: str | None
    at: datetime
    looked_at: int = field(repr=False)


@dataclass(frozen=True, slots=True)
class Found:
    """What was found of each kind: what has the very word first, the newest of it before the rest.

    `searched` is False where nothing was looked for: no word was given, or all that could be searched is masked.
    """

    people: list[FoundPerson] = field(default_factory=list)
    opportunities: list[FoundRecord] = field(default_factory=list)
    crm_contacts: list[FoundRecord] = field(default_factory=list)
    messages: list[FoundMessage] = field(default_factory=list)
    searched: bool = True


class _Line(Protocol):
    @property
    def looked_at(self) -> int: ...


T = TypeVar("T", bound=_Line)


def search(
    connection: psycopg.Connection, account_id: int, text: str, *, masked: bool = False, limit: int = LIMIT
) -> Found:
    """What has all words of `text`, at most `limit` of each kind.

    With `masked`, for support within an account, nothing is asked: every text that is searched is masked there, so
    nothing could match, and views hide the index that makes it fast. Beyond `WINDOW` texts with the longest word, some
    that have all words may be left out: another word, or more of one, finds them.
    """
    words = _wanted(text)
    if masked or not words:
        return Found(searched=False)
    search_of = _Search(connection, account_id, words, max(1, min(limit, WINDOW)))
    return Found(
        people=search_of.lines(FoundPerson, "view_search_people", "person"),
        opportunities=search_of.lines(FoundRecord, "view_search_records", "Opportunity"),
        crm_contacts=search_of.lines(FoundRecord, "view_search_records", "Contact"),
        messages=search_of.lines(FoundMessage, "view_search_messages", "message"),
    )


@dataclass(frozen=True, slots=True)
class _Search:
    connection: psycopg.Connection
    account_id: int
    words: Sequence[str]
    limit: int

    def lines(self, record: type[T], name: str, source: str) -> list[T]:
        params: dict[str, Any] = {
            "account_id": self.account_id,
            "source": source,
            "lead": max(self.words, key=len),
            "words": list(self.words),
            "window": WINDOW,
            "limit": self.limit,
        }
        return rows_as(self.connection, record, name, params)


def _wanted(text: str) -> list[str]:
    """The words that are looked for, as the table has them but for their case."""
    return [word[:MAX_WORD] for word in words_of(storable(text))][:MOST_WORDS]
