"""What every template knows: marks, navigation, and the theme that was chosen."""

from __future__ import annotations

from flask import Flask, request

from manager.marks import mark_of
from manager.navigation import register_navigation
from manager.seen import add_seen

THEMES = ("light", "dark")


def register_ui(app: Flask) -> None:
    """Make these known to the templates."""
    register_navigation(app)
    add_seen(app)
    app.add_template_global(mark_of)
    app.add_template_global(chosen_theme)


def chosen_theme() -> str | None:
    """What the reader chose; None for what the system says."""
    chosen = request.cookies.get("theme")
    return chosen if chosen in THEMES else None
