"""Visits: operators who look at an account as its own people do, read-only and masked.

asked → granted → open → ended, or refused; where the account's policy is `allowed`, a visit begins at once. It lasts
`VISIT_MINUTES` at most, and a person has one open at a time; both are rules of the database.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from urllib.parse import urlsplit

import psycopg

from infra.postgres.rows import rows_as
from infra.postgres.statements import statement
from retinue.errors import NotAllowed, NotFound

#: A reason of fewer characters says nothing.
MIN_REASON = 8
MAX_REASON = 1000

#: What is asked for and not answered is forgotten after this time, in hours; what is granted may be begun as long.
ASKED_HOURS = 24


class AssumePolicy(StrEnum):
    """What an account's admins let operators do."""

    ALLOWED = "allowed"
    APPROVAL = "approval"
    OFF = "off"


class VisitState(StrEnum):
    """Where a visit stands."""

    ASKED = "asked"
    GRANTED = "granted"
    OPEN = "open"
    ENDED = "ended"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit.

    `decided_by` is the member who let it be or refused it; `expires_at` is when it ends by itself; `unmasked` is how
    many masked values it was shown.
    """

    id: int
    account_id: int
    account_name: str
    person_id: int | None
    person_name: str
    reason: str
    ticket_url: str | None
    state: VisitState
    asked_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    began_at: datetime | None
    expires_at: datetime | None
    ended_at: datetime | None
    unmasked: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "state", VisitState(self.state))


def ask_visit(
    connection: psycopg.Connection,
    *,
    account_id: int,
    person_id: int,
    person_name: str,
    reason: str,
    ticket_url: str | None = None,
    begin: bool = True,
) -> Visit:
    """A new visit of this person: open where the account lets everybody in, and asked for where its admins decide.

    With `begin=False` it waits until the person begins it, wherever it may.

    Raises:
        NotFound: there is no such account.
        NotAllowed: the account is closed to operators, the person has a visit already, or the reason says nothing.
    """
    reason, ticket_url = reason.strip(), (ticket_url or "").strip() or None
    _check(reason, ticket_url)
    policy = _policy(connection, account_id)
    _end_expired(connection, person_id)
    params = {
        "account_id": account_id,
        "person_id": person_id,
        "person_name": person_name,
        "reason": reason,
        "ticket_url": ticket_url,
    }
    # Who asks again takes back what they asked before: an account's admins have one visit of each person to decide.
    connection.execute(statement("withdraw_visit"), params)
    (visit_id,) = connection.execute(statement("ask_visit"), params).fetchall()[0]
    if policy is AssumePolicy.ALLOWED and begin:
        return begin_visit(connection, visit_id, person_id=person_id)
    return find_visit(connection, visit_id)


def begin_visit(connection: psycopg.Connection, visit_id: int, *, person_id: int) -> Visit:
    """Open a visit of this person that may begin; one that is open stays so.

    Raises:
        NotFound: it is not this person's.
        NotAllowed: nobody has let it be, it is over, or the person has another one open.
    """
    visit = find_visit(connection, visit_id)
    if visit.person_id != person_id:
        raise NotFound(f"There is no visit {visit_id} of yours.")
    _policy(connection, visit.account_id)
    _end_expired(connection, person_id)
    if visit.state is VisitState.OPEN:
        return visit
    try:
        # By itself, so that what the caller has done until now stays.
        with connection.transaction():
            begun = connection.execute(statement("begin_visit"), {"id": visit_id, "hours": ASKED_HOURS}).fetchone()
    except psycopg.errors.UniqueViolation:
        raise NotAllowed("You have assumed another account: leave it first.") from None
    if begun is None:
        raise NotAllowed(f"Visit {visit_id} is {visit.state}: it cannot begin. Ask for another one.")
    return find_visit(connection, visit_id)


def decide_visit(connection: psycopg.Connection, visit_id: int, *, account_id: int, by: str, granted: bool) -> Visit:
    """Let a visit be that was asked for, or refuse it, as an admin of its account.

    Raises:
        NotFound: it is not this account's.
        NotAllowed: it was decided already.
    """
    visit = find_visit(connection, visit_id)
    if visit.account_id != account_id:
        raise NotFound(f"There is no visit {visit_id}.")
    if connection.execute(statement("decide_visit"), {"id": visit_id, "by": by, "granted": granted}).rowcount == 0:
        raise NotAllowed(f"This visit is {visit.state} already.")
    return find_visit(connection, visit_id)


def end_visit(connection: psycopg.Connection, visit_id: int) -> bool:
    """End a visit that is open; its session sees nothing from then on. False where it was over."""
    return connection.execute(statement("end_visit"), {"id": visit_id}).rowcount > 0


def count_unmasked(connection: psycopg.Connection, visit_id: int) -> None:
    """One masked value more was shown to a visit; its account's admins see how many."""
    connection.execute(statement("count_unmasked"), {"id": visit_id})


def end_visits_of(
    connection: psycopg.Connection, *, person_id: int | None = None, account_id: int | None = None
) -> int:
    """End all open visits of a person, or of an account; how many there were."""
    return connection.execute(statement("end_visits"), {"person_id": person_id, "account_id": account_id}).rowcount


def find_visit(connection: psycopg.Connection, visit_id: int) -> Visit:
    """Raises NotFound: there is none."""
    found = rows_as(connection, Visit, "list_visits", _wanted(id=visit_id))
    if not found:
        raise NotFound(f"There is no visit {visit_id}.")
    return found[0]


def list_visits(
    connection: psycopg.Connection, *, account_id: int, before: int | None = None, limit: int = 50
) -> list[Visit]:
    """An account's visits, the newest first, those before the visit `before`."""
    return rows_as(connection, Visit, "list_visits", _wanted(account_id=account_id, before=before, limit=limit))


def visits_of(connection: psycopg.Connection, person_id: int) -> list[Visit]:
    """A person's visits that are not over, the newest first."""
    return rows_as(connection, Visit, "list_visits", _wanted(person_id=person_id, unended=True))


def set_assume_policy(connection: psycopg.Connection, account_id: int, policy: AssumePolicy) -> AssumePolicy:
    """Say what operators may do from now on; what it was. `off` ends the visits that are open."""
    (before,) = connection.execute(statement("set_assume_policy"), {"id": account_id, "policy": policy}).fetchall()[0]
    if policy is AssumePolicy.OFF:
        end_visits_of(connection, account_id=account_id)
    return AssumePolicy(before)


def assume_policy(connection: psycopg.Connection, account_id: int) -> AssumePolicy:
    """Raises NotFound: there is no such account."""
    row = connection.execute(statement("find_assume_policy"), {"id": account_id}).fetchone()
    if row is None:
        raise NotFound(f"There is no account {account_id}.")
    return AssumePolicy(row[0])


def _policy(connection: psycopg.Connection, account_id: int) -> AssumePolicy:
    """What it is until the end of the transaction: an admin who closes the account waits, and ends what began."""
    locked = connection.execute(statement("lock_assume_policy"), {"id": account_id}).fetchone()
    if locked is not None and locked[0] is not None:
        raise NotAllowed("This account is being erased.")
    policy = assume_policy(connection, account_id)
    if policy is AssumePolicy.OFF:
        raise NotAllowed("The admins of this account do not let anybody assume it.")
    return policy


def _end_expired(connection: psycopg.Connection, person_id: int) -> None:
    connection.execute(statement("end_expired_visits"), {"person_id": person_id})


def _check(reason: str, ticket_url: str | None) -> None:
    if not MIN_REASON <= len(reason) <= MAX_REASON or not reason.replace("\n", " ").isprintable():
        raise NotAllowed(
            f"Say why, in {MIN_REASON} to {MAX_REASON} characters: the account's admins and the audit will read it."
        )
    if ticket_url is None:
        return
    parts = urlsplit(ticket_url)
    if parts.scheme not in ("http", "https") or not parts.hostname or not ticket_url.isprintable() or " " in ticket_url:
        raise NotAllowed("The ticket's link begins with https:// and holds no blanks.")


def _wanted(**given: object) -> dict[str, object]:
    unbound = {"id": None, "account_id": None, "person_id": None, "before": None, "unended": False, "limit": 100}
    return unbound | given
