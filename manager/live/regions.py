"""What a page shows of a part, and how it names it so that nobody can ask for another."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from flask import current_app
from itsdangerous import BadSignature, URLSafeSerializer
from jinja2 import Undefined
from markupsafe import Markup
from werkzeug.exceptions import BadRequest

from manager.live.wire import Shared
from manager.roles import Role

_SALT = "retinue.live"

# The page counts ages on by itself: what differs only in how it says them is no change.
_TOLD_TIME = re.compile(r"(<time [^>]*>)[^<]*</time>")

_DIGEST = re.compile(r"(?:[0-9a-f]{12})?")


@dataclass(frozen=True, slots=True)
class Region:
    """A part with its parameters, as people of one role see it: rendered once for all who look at it."""

    part: str
    parameters: tuple[tuple[str, str], ...]
    role: Role

    @property
    def given(self) -> dict[str, str]:
        """The parameters by name."""
        return dict(self.parameters)


@dataclass(frozen=True, slots=True)
class Fragment:
    """A region's content, and what tells it from another."""

    html: str
    digest: str
    #: As JSON, the same for all who are sent it.
    encoded: Shared

    @classmethod
    def of(cls, html: str) -> Fragment:
        """Two fragments that differ in nothing but ages have the same digest."""
        told = _TOLD_TIME.sub(r"\1</time>", html)
        digest = hashlib.sha256(told.encode()).hexdigest()[:12]
        return cls(html, digest, Shared.of(json.dumps(html, ensure_ascii=False).encode()))


def is_digest(text: str) -> bool:
    """Whether a fragment may have this digest; the empty text stands for none."""
    return _DIGEST.fullmatch(text) is not None


def live(part: str, **parameters: object) -> Markup:
    """The attribute that makes an element's content live: `<section id="x" {{ live("servants", type=t) }}>`.

    A parameter that is None, or that the template does not know, is left out.
    """
    given = {name: str(value) for name, value in parameters.items() if not _is_left_out(value)}
    return Markup('data-live="{}"').format(_signer().dumps([part, given]))


def _is_left_out(value: object) -> bool:
    return value is None or isinstance(value, Undefined)


def read_region(token: str, role: Role) -> Region:
    """The region that `live` named.

    Raises:
        BadRequest: it was not named here.
    """
    try:
        part, given = _signer().loads(token)
    except BadSignature as error:
        raise BadRequest("This page is out of date. Load it again.") from error
    return Region(part, _ordered(given), role)


def _ordered(given: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(given.items()))


def _signer() -> URLSafeSerializer:
    if current_app.secret_key is None:
        raise RuntimeError("The application has no key to sign with.")
    return URLSafeSerializer(current_app.secret_key, salt=_SALT)
