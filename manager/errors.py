"""What is answered when something is wrong: one sentence, as a page or as JSON, whichever was asked for."""

from __future__ import annotations

import psycopg
from flask import Flask, Response, jsonify, make_response, render_template, request
from psycopg import errors as postgres
from werkzeug.exceptions import HTTPException, SecurityError

from infra.logs import get_logger
from infra.postgres.connect import DatabaseUnreachable
from manager.access_log import ENVIRONMENT_KEY
from manager.cached import TakesTooLong

#: Sentences for people where Werkzeug's own are about something else.
_SENTENCES = {
    404: "There is no such page.",
    405: "This address cannot be used that way.",
    413: "That was more than a form holds.",
}

_AWAY = "The database cannot be reached at the moment. This page tries again by itself."
_SLOW = "The database did not answer in time. This page tries again by itself."
_UNPREPARED = "The database has not the schema that this version needs. Run: retinue migrate"
_STRANGE_HOST = (
    "While its password is the one that everyone knows, the manager answers only to localhost. "
    "To reach it by another name, set RETINUE_MANAGER_PASSWORD.\n"
)
_UNEXPECTED = "Something went wrong here. The log says what, under this request's ID."

log = get_logger(__name__)


def answer_errors(app: Flask) -> None:
    """Answer every error of `app`, expected or not; no traceback leaves the log."""
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(SecurityError, _strange_host)
    app.register_error_handler(Exception, _unexpected)
    for error in (DatabaseUnreachable, psycopg.OperationalError, psycopg.InterfaceError):
        app.register_error_handler(error, _database_away)
    for late in (postgres.QueryCanceled, TakesTooLong):
        app.register_error_handler(late, _database_slow)
    for missing in (postgres.UndefinedTable, postgres.UndefinedColumn, postgres.UndefinedObject):
        app.register_error_handler(missing, _schema_missing)


def wants_json() -> bool:
    """Whether the answer is for a program."""
    if request.path.startswith(("/api/", "/healthz", "/readyz")):
        return True
    accepted = request.accept_mimetypes
    return accepted["application/json"] > accepted["text/html"]


def _http_error(error: HTTPException) -> Response:
    status = error.code or 500
    response = _answer(status, error.name, _SENTENCES.get(status) or error.description or error.name)
    for name, value in error.get_headers():
        if name in ("WWW-Authenticate", "Retry-After", "Allow"):
            response.headers.add(name, value)
    return response


def _strange_host(_error: Exception) -> Response:
    # No address can be built for a host that is not trusted, so this is no page.
    return Response(_STRANGE_HOST, 400, mimetype="text/plain")


def _database_away(error: Exception) -> Response:
    return _unavailable(error, _AWAY)


def _database_slow(error: Exception) -> Response:
    return _unavailable(error, _SLOW)


def _schema_missing(error: Exception) -> Response:
    return _unavailable(error, _UNPREPARED)


def _unavailable(error: Exception, message: str) -> Response:
    log.warning("database_away", error=str(error))
    return _answer(503, "Service Unavailable", message)


def _unexpected(error: Exception) -> Response:
    log.error("request_failed", exc_info=error)
    return _answer(500, "Internal Server Error", _UNEXPECTED)


def _answer(status: int, name: str, message: str) -> Response:
    request_id = request.environ.get(ENVIRONMENT_KEY, "")
    if wants_json():
        code = name.lower().replace(" ", "_")
        return make_response(jsonify(error={"code": code, "message": message}, request=request_id), status)
    page = render_template("error.html", status=status, name=name, message=message, request_id=request_id)
    return make_response(page, status)
