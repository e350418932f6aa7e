"""Forms that remember what they were made from, so that nobody undoes unawares what another has done since."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any

import psycopg
from flask import Flask, request
from markupsafe import Markup

from retinue.errors import NotAllowed

FIELD = "seen"

_REFUSAL = "Somebody has changed this since the form was opened. Look at what it says now, then save yours again."

#: One who saves at a time: what was compared is there until it is changed.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('retinue form ' || %s::text, 0))"


def add_seen(app: Flask) -> None:
    """Give templates `seen(values)`, the hidden field of a form that was made from these."""
    app.add_template_global(seen_field, "seen")


def seen_field(values: Sequence[Any]) -> Markup:
    """The field; the values are JSON."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(FIELD, _digest(values))


def check_seen(connection: psycopg.Connection, what: str, read: Callable[[], Sequence[Any]]) -> None:
    """Compare with what the form was made from; `what` names what is changed. A form without the field is not checked.

    Raises:
        NotAllowed: there is something else now.
    """
    given = request.form.get(FIELD)
    if given is None:
        return
    connection.execute(_LOCK, (what,))
    if given != _digest(read()):
        raise NotAllowed(_REFUSAL)


def _digest(values: Sequence[Any]) -> str:
    return blake2b(json.dumps(values).encode(), digest_size=8).hexdigest()
