"""What is answered when something is wrong: one sentence, as a page or as JSON, whichever was asked for."""

from __future__ import annotations

import psycopg
from flask import Flask, Response, flash, jsonify, make_response, redirect, render_template, request
from psycopg import errors as postgres
from werkzeug.exceptions import HTTPException, SecurityError
from werkzeug.wrappers import Response as BaseResponse

from infra.logs import get_logger
from infra.passwords import WeakPassword
from infra.postgres.accounts import InvalidName
from infra.postgres.budget_settings import InvalidBudget
from infra.postgres.connect import DatabaseUnreachable
from infra.postgres.trouble_notes import InvalidNote
from manager.access_log import ENVIRONMENT_KEY
from manager.api.problems import SENTENCES, is_for_api, problem
from manager.back import back
from manager.cached import TakesTooLong
from manager.roles import present_user
from retinue.errors import InvalidPayload, InvalidSchedule, NotAllowed, NotFound, RetinueError, UnknownType

#: Sentences for people where Werkzeug's own are about something else.
_SENTENCES = {
    404: "There is no such page.",
    405: "This address cannot be used that way.",
    413: "That was more than a form holds.",
}

_AGAIN = " This page tries again by itself."
_AWAY = f"The database cannot be reached at the moment.{_AGAIN}"
_SLOW = f"The database did not answer in time.{_AGAIN}"
_UNPREPARED = "The database has not the schema that this version needs. Run: retinue migrate"
_STRANGE_HOST = (
    "While its password is the one that everyone knows, the manager answers only to localhost. "
    "To reach it by another name, set RETINUE_MANAGER_PASSWORD.\n"
)
_UNEXPECTED = "Something went wrong here. The log says what, under this request's ID."

#: What is refused to a person, who is told why.
REFUSALS = (
    InvalidBudget,
    InvalidNote,
    NotAllowed,
    InvalidName,
    InvalidPayload,
    InvalidSchedule,
    UnknownType,
    WeakPassword,
)

#: Characters of a refusal that are told on the next page; browsers keep cookies of 4 kB at most (RFC 6265 §6.1).
MAX_FLASHED = 500

log = get_logger(__name__)


def answer_errors(app: Flask) -> None:
    """Answer every error of `app`, expected or not; no traceback leaves the log."""
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(SecurityError, _strange_host)
    app.register_error_handler(Exception, _unexpected)
    app.register_error_handler(NotFound, _missing)
    app.register_error_handler(postgres.NumericValueOutOfRange, _too_large)
    for refusal in REFUSALS:
        app.register_error_handler(refusal, _refused)
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


def explain(error: Exception) -> str | None:
    """What is wrong, in a sentence, where it is something that comes and goes; None where it is our own mistake."""
    if isinstance(error, (postgres.QueryCanceled, TakesTooLong)):
        return _SLOW
    if isinstance(error, (postgres.UndefinedTable, postgres.UndefinedColumn, postgres.UndefinedObject)):
        return _UNPREPARED
    away = isinstance(error, (DatabaseUnreachable, psycopg.OperationalError, psycopg.InterfaceError))
    return _AWAY if away else None


def _http_error(error: HTTPException) -> Response:
    status = error.code or 500
    response = _answer(status, error.name, _sentences().get(status) or error.description or error.name)
    for name, value in error.get_headers():
        if name in ("WWW-Authenticate", "Retry-After", "Allow"):
            response.headers.add(name, value)
    return response


def _sentences() -> dict[int, str]:
    return SENTENCES if is_for_api() else _SENTENCES


def _missing(error: NotFound) -> Response:
    return _answer(404, "Not Found", error.message)


def _too_large(_error: Exception) -> Response:
    # An ID in an address may be longer than any that was ever given out.
    return _answer(404, "Not Found", _SENTENCES[404])


def _refused(error: RetinueError) -> Response | BaseResponse:
    """A form leads back to its page, which says why nothing was done."""
    if request.method == "GET" or wants_json() or present_user() is None:
        return _answer(409, "Conflict", error.message)
    # It is kept in a cookie until it is shown.
    flash(error.message if len(error.message) <= MAX_FLASHED else f"{error.message[:MAX_FLASHED]}…", "bad")
    return redirect(back("/"), 303)


def _strange_host(_error: Exception) -> Response:
    if is_for_api():
        return problem(400, _STRANGE_HOST.strip())
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
    if is_for_api():
        return problem(status, message.removesuffix(_AGAIN), title=name)
    request_id = request.environ.get(ENVIRONMENT_KEY, "")
    if wants_json():
        code = name.lower().replace(" ", "_")
        return make_response(jsonify(error={"code": code, "message": message}, request=request_id), status)
    page = render_template("error.html", status=status, name=name, message=message, request_id=request_id)
    return make_response(page, status)
