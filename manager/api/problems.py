"""What is answered below `/api/v1` when something is wrong: a problem as RFC 9457 describes it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from http import HTTPStatus

from flask import Response, request
from pydantic import BaseModel, Field, ValidationError

from manager.access_log import ENVIRONMENT_KEY

#: Everything below it is for programs.
PREFIX = "/api/v1"

MEDIA_TYPE = "application/problem+json"


#: Sentences for programs where those of the pages are about pages.
SENTENCES = {
    404: "There is nothing at this address.",
    405: "This address cannot be used that way.",
    413: "The body is larger than any that makes sense.",
}


class Fault(BaseModel):
    """One thing that is wrong with a request: where, and what."""

    at: str = Field(description="The parameter or the field of the body, such as `filter.type`.")
    message: str


class Problem(BaseModel):
    """Why a request was not done (RFC 9457)."""

    type: str = Field(default="about:blank", description="The status says what kind of problem it is.")
    title: str = Field(description="The status in words.")
    status: int
    detail: str = Field(description="One sentence for people.")
    request: str = Field(description="The request's ID, under which the log has more.")
    errors: list[Fault] = Field(default=[], description="What is wrong with the request, if that is what is wrong.")


def is_for_api() -> bool:
    """Whether this request is for the API, and so its answer a problem if anything is wrong."""
    return f"{request.path}/".startswith(f"{PREFIX}/")


def problem(status: int, detail: str, *, title: str | None = None, errors: Sequence[Fault] = ()) -> Response:
    """The answer."""
    told = Problem(
        title=title or HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        request=request.environ.get(ENVIRONMENT_KEY, ""),
        errors=list(errors),
    )
    return Response(told.model_dump_json(), status, mimetype=MEDIA_TYPE)


def unfit(error: ValidationError) -> Response:
    """The answer to a request that does not fit its description."""
    faults = list(_faults(error))
    told = "; ".join(f"{fault.at}: {fault.message}" if fault.at else fault.message for fault in faults[:5])
    if request.method != "GET" and not request.is_json:
        told = "The body must be JSON, and say so: Content-Type: application/json."
    return problem(422, told, errors=faults)


def _faults(error: ValidationError) -> Iterable[Fault]:
    # The input is left out: it may hold what nobody should see in a log of answers.
    for fault in error.errors(include_url=False, include_context=False, include_input=False):
        at = ".".join(map(str, fault["loc"]))
        yield Fault(at=at, message=fault["msg"].removeprefix("Value error, "))
