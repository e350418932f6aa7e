"""Headers that keep browsers from doing what these pages never ask for."""

from __future__ import annotations

from flask import Flask, Response, request

#: Everything comes from this site; nothing is inline; nobody may frame it.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # Not no-referrer: with it, browsers would hide where a form comes from, from this site too.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def harden(app: Flask) -> None:
    """Set the headers on every answer, and let nothing but static files be kept by a cache."""

    @app.after_request
    def set_headers(response: Response) -> Response:
        response.headers.update(_HEADERS)
        if request.endpoint not in ("static", "assets.file"):
            response.headers["Cache-Control"] = "no-store"
        return response
