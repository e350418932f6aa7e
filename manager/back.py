"""Where a form leads: back to the page it was on, and never to another site."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from flask import request

# Printable ASCII without the backslash, which browsers read as a slash; `//host` is another site's address.
_OWN_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]{0,2000}")


def own_path(wanted: str | None) -> str | None:
    """`wanted`, if it is a path of this site, with its query."""
    return wanted if wanted and _OWN_PATH.fullmatch(wanted) else None


def back(default: str) -> str:
    """The page that this form was on: as the form's `next` says, or as the browser does; else `default`."""
    return own_path(request.form.get("next")) or own_path(_referrer()) or default


def _referrer() -> str | None:
    try:
        parts = urlsplit(request.referrer or "")
    except ValueError:
        return None
    if parts.netloc != request.host:
        return None
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
