"""Forms carry a token of their session, so that no other site can send one in a person's name."""

from __future__ import annotations

from flask import Flask, g
from flask_wtf.csrf import CSRFProtect, generate_csrf
from markupsafe import Markup, escape
from werkzeug.exceptions import BadRequest

#: Where scripts send the token of `<meta name="csrf">`.
HEADER = "X-CSRFToken"
FIELD = "csrf_token"

_REFUSAL = "This form is out of date, or was sent from elsewhere. Go back, load the page again, and send it once more."


def csrf_checks(app: Flask) -> CSRFProtect:
    """Make `csrf()` and `csrf_token()` known to the templates; whoever guards the views calls `check_form`."""
    app.config.update(
        WTF_CSRF_CHECK_DEFAULT=False,
        WTF_CSRF_FIELD_NAME=FIELD,
        WTF_CSRF_HEADERS=[HEADER],
        # A form is as good as its session.
        WTF_CSRF_TIME_LIMIT=None,
        # Over HTTPS the cookie has the prefix that only this very host can set, and a proxy may rename the host.
        WTF_CSRF_SSL_STRICT=False,
    )
    app.jinja_env.globals["csrf"] = csrf_field
    return CSRFProtect(app)


def csrf_field() -> Markup:
    """The hidden field that every form has."""
    # A page may have a thousand.
    return Markup(f'<input type="hidden" name="{FIELD}" value="{escape(generate_csrf())}">')  # noqa: S704 - a word of ours


def renew_token() -> None:
    """Give a new session a token of its own, now rather than with its first page."""
    g.pop(FIELD, None)
    generate_csrf()


def check_form(checks: CSRFProtect) -> None:
    """Check that a request which changes something carries its session's token.

    Raises:
        BadRequest: it does not.
    """
    try:
        checks.protect()
    except BadRequest:
        raise BadRequest(_REFUSAL) from None
