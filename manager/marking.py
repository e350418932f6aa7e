"""What the forms that mark incidents and anomalies say: who sees to it, for how long it is muted."""

from __future__ import annotations

from datetime import datetime, timedelta

import psycopg
from flask import request
from werkzeug.exceptions import BadRequest

from infra.postgres.accounts import MAX_NAME_LENGTH
from infra.postgres.people import list_people
from manager.deps import Deps

#: How long something may be muted, in days, as the form offers it; empty is until somebody ends it.
MUTES = (("1", "a day"), ("7", "a week"), ("30", "30 days"), ("", "until it is ended"))

#: People that a form offers to see to something.
OFFERED = 200


def muted_until(deps: Deps) -> datetime | None:
    """Until when the form mutes; None is until somebody ends it.

    Raises:
        BadRequest: that is none of `MUTES`.
    """
    days = request.form.get("days", "")
    if days not in {offered for offered, _ in MUTES}:
        raise BadRequest("There is no such mute.")
    return deps.clock.now() + timedelta(days=int(days)) if days else None


def assignee() -> str | None:
    """Who is to see to it; None is nobody."""
    return request.form.get("to", "").strip()[:MAX_NAME_LENGTH] or None


def names_offered(connection: psycopg.Connection) -> list[str]:
    """Who may be chosen."""
    return sorted(person.name for person in list_people(connection, limit=OFFERED) if person.disabled_at is None)
