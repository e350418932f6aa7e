"""Contacts: one row for each address of an account, whoever names it. Every function runs inside one commit.

What the mail and the calendars of an account write at once meets in these rows. Each function therefore takes the
account's contacts as a whole, until its transaction ends: a commit may call several of them, in any order, and none
of two commits ever waits for the other while the other waits for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from infra.postgres.arrays import numbers, texts
from infra.postgres.imports import Executor
from infra.postgres.texts import storable
from retinue.job import Commit

#: The longest address that is kept: 64 characters, `@` and 255 (RFC 5321 §4.5.3.1). The table checks it too.
MAX_ADDRESS = 320


class Seen(NamedTuple):
    """Somebody named by a message or an event.

    `address` is normalised: lower-case, its domain in IDNA's ASCII form. `seen_at` is when the message was sent or the
    event starts. `messages` and `events` are how many more live ones name the contact from now on.
    """

    address: str
    seen_at: datetime
    name: str | None = None
    messages: int = 0
    events: int = 0


_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('retinue contacts ' || %s::bigint, 0))"

# Of two names given at the same moment the same one stays, whichever is written first.
_NEWER_NAME = """excluded.named_at IS NOT NULL AND (contact.named_at IS NULL
    OR (excluded.named_at, excluded.name COLLATE "C") > (contact.named_at, contact.name COLLATE "C"))"""

_RECORD = f"""
INSERT INTO contacts AS contact (account_id, address, first_seen_at, last_seen_at, name, named_at, messages, events)
SELECT %(account_id)s, seen.*
FROM unnest(%(addresses)s::text[], %(firsts)s::timestamptz[], %(lasts)s::timestamptz[], %(names)s::text[],
            %(named_ats)s::timestamptz[], %(messages)s::bigint[], %(events)s::bigint[]) AS seen
ON CONFLICT (account_id, address) DO UPDATE
SET first_seen_at = least(contact.first_seen_at, excluded.first_seen_at),
    last_seen_at = greatest(contact.last_seen_at, excluded.last_seen_at),
    name = CASE WHEN {_NEWER_NAME} THEN excluded.name ELSE contact.name END,
    named_at = CASE WHEN {_NEWER_NAME} THEN excluded.named_at ELSE contact.named_at END,
    messages = contact.messages + excluded.messages,
    events = contact.events + excluded.events
WHERE excluded.messages <> 0 OR excluded.events <> 0 OR excluded.first_seen_at < contact.first_seen_at
   OR excluded.last_seen_at > contact.last_seen_at OR {_NEWER_NAME}
RETURNING address, id
"""  # noqa: S608 - the condition is the constant above

_FIND = "SELECT address, id FROM contacts WHERE account_id = %(account_id)s AND address = ANY(%(addresses)s::text[])"


def record_participants(tx: Commit, account_id: int, seen: Sequence[Seen]) -> dict[str, int]:
    """Make or widen the contacts of those who were seen; contact IDs by address.

    The newest name that was given stays. An address that no contact can have (empty, or longer than `MAX_ADDRESS`) is
    absent from the result.
    """
    merged = _merged(seen)
    if not merged:
        return {}
    tx.execute(_LOCK, (account_id,))
    # One message names many: to write out its moment for each of them took longer than all else here.
    written = {moment: moment.isoformat() for moment in {one.seen_at for one in seen}}
    params = {
        "account_id": account_id,
        "addresses": texts(contact.address for contact in merged),
        "firsts": texts(written[contact.first] for contact in merged),
        "lasts": texts(written[contact.last] for contact in merged),
        "names": texts(contact.named[1] if contact.named else None for contact in merged),
        "named_ats": texts(written[contact.named[0]] if contact.named else None for contact in merged),
        "messages": numbers(contact.messages for contact in merged),
        "events": numbers(contact.events for contact in merged),
    }
    found: dict[str, int] = dict(tx.execute(_RECORD, params).fetchall())
    if len(found) == len(merged):
        return found
    # What was known already is not written again, and not returned.
    return dict(tx.execute(_FIND, params).fetchall())


@dataclass(slots=True)
class _Merged:
    """All that one batch says of one address."""

    address: str
    first: datetime
    last: datetime
    named: tuple[datetime, str] | None = None
    messages: int = 0
    events: int = 0

    def add(self, seen: Seen) -> None:
        if seen.seen_at < self.first:
            self.first = seen.seen_at
        elif seen.seen_at > self.last:
            self.last = seen.seen_at
        self.messages += seen.messages
        self.events += seen.events
        # A name that only repeats the address is none.
        name = " ".join(storable(seen.name).split()) if seen.name else ""
        if name and name.strip("'\"<>").lower() != self.address:
            self.named = max(self.named or (seen.seen_at, name), (seen.seen_at, name))


def _merged(seen: Sequence[Seen]) -> list[_Merged]:
    """One entry for each address that a contact can have, in the order of addresses."""
    found: dict[str, _Merged] = {}
    for one in seen:
        address = storable(one.address)
        if not 0 < len(address) <= MAX_ADDRESS:
            continue
        contact = found.get(address)
        if contact is None:
            contact = found[address] = _Merged(address, one.seen_at, one.seen_at)
        contact.add(one)
    return sorted(found.values(), key=lambda contact: contact.address)


_COUNT = """
UPDATE contacts AS contact SET {what} = contact.{what} + change.more
FROM unnest(%(ids)s::bigint[], %(mores)s::bigint[]) AS change (id, more)
WHERE contact.id = change.id AND contact.account_id = %(account_id)s
"""
_COUNTS = {"messages": _COUNT.format(what="messages"), "events": _COUNT.format(what="events")}


def count_contacts(
    tx: Executor, account_id: int, changes: Mapping[int, int], *, what: Literal["messages", "events"]
) -> None:
    """Note how many more live messages or events name a contact, or fewer where negative; by contact ID."""
    real = {contact_id: more for contact_id, more in sorted(changes.items()) if more}
    if not real:
        return
    tx.execute(_LOCK, (account_id,))
    params = {"account_id": account_id, "ids": numbers(real), "mores": numbers(real.values())}
    tx.execute(_COUNTS[what], params)
