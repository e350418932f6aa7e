"""What pages load: stylesheets, scripts, fonts and icons, under an address that changes with them."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path

from flask import Blueprint, Response, send_from_directory
from markupsafe import Markup

from manager.roles import public

STATIC = Path(__file__).with_name("static")
ICONS = STATIC / "vendor" / "lucide"

#: A year, in seconds: what lies under one address never changes.
KEPT_SECONDS = 31_536_000

_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_ATTRIBUTES = re.compile(r"<svg[^>]*>", re.DOTALL)


def assets_blueprint() -> Blueprint:
    """Serves the static files, and gives templates `asset()` and `icon()`."""
    blueprint = Blueprint("assets", __name__)
    version = digest(STATIC)
    blueprint.add_app_template_global(icon)

    @blueprint.app_template_global()
    def asset(name: str) -> str:
        """The address of a static file."""
        return f"/assets/{version}/{name}"

    @blueprint.get("/assets/<given>/<path:name>")
    @public
    def file(given: str, name: str) -> Response:
        # A page that was loaded from an older version gets today's file rather than none, and does not keep it.
        return send_from_directory(STATIC, name, max_age=KEPT_SECONDS if given == version else 0)

    return blueprint


def digest(directory: Path) -> str:
    """Of all files below: another one whenever one of them changes."""
    found = hashlib.sha256()
    for path in sorted(path for path in directory.rglob("*") if path.is_file()):
        found.update(str(path.relative_to(directory)).encode())
        found.update(path.read_bytes())
    return found.hexdigest()[:12]


@cache
def icon(name: str, *, size: int = 16) -> Markup:
    """One of the icons, to stand in the page itself, where it has the colour of the text; it says nothing to readers.

    Raises:
        FileNotFoundError: `files.json` of manager.npm does not list it.
    """
    drawing = _COMMENT.sub("", (ICONS / f"{name}.svg").read_text("utf-8"))
    opening = (
        f'<svg class="icon" width="{size}" height="{size}" viewBox="0 0 24 24" fill="none" stroke="currentColor" '
        'stroke-width="2" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">'
    )
    return Markup(" ".join(_ATTRIBUTES.sub(opening, drawing).split()))  # noqa: S704 - files of ours, not anyone's words
