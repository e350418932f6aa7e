"""How an endpoint says what it answers: `@jobs.get("/<int:job_id>", responses=answers(Job, 404))`."""

from __future__ import annotations

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from flask_openapi3.types import ResponseDict
from psycopg import errors as postgres
from pydantic import BaseModel

from infra.job_query import QueryError
from infra.postgres.accounts import InvalidName
from infra.postgres.budget_settings import InvalidBudget
from infra.postgres.trouble_notes import InvalidNote
from manager.api.problems import MEDIA_TYPE, Fault, problem
from manager.api.shapes import BadPlace
from retinue.errors import InvalidPayload, InvalidSchedule, NotAllowed, RetinueError, UnknownType

#: What any request may come to, whatever it asks for.
_ALWAYS = {
    "400": "The request cannot be read, or its form token is missing.",
    "401": "Nobody has signed in, or the token is not good.",
    "403": "The role of the token or the person is too low for this.",
    "422": "A parameter or the body does not fit; `errors` says what.",
    "429": "Too many wrong passwords came from there.",
    "503": "The database cannot be reached, or does not answer in time.",
}

_SOMETIMES = {
    "404": "There is no such thing.",
    "409": "That cannot be done as things stand; `detail` says why.",
    "413": "The body is larger than any that makes sense.",
}

#: A request that says something which cannot be.
UNFIT = (InvalidName, InvalidPayload, InvalidSchedule, InvalidBudget, InvalidNote, UnknownType, BadPlace)


def resource(name: str, description: str) -> APIBlueprint:
    """A part of the API, at `/NAME` below it."""
    return APIBlueprint(
        name,
        __name__,
        url_prefix=f"/{name}",
        abp_tags=[Tag(name=name, description=description)],
        abp_responses=_problems(_ALWAYS),
        operation_id_callback=_operation_id,
    )


def answers(shape: type[BaseModel], *others: int, status: int = 200) -> ResponseDict:
    """What an endpoint answers: `shape` with its status, and problems with `others`."""
    return {str(status): shape, **_problems({str(other): _SOMETIMES[str(other)] for other in others})}


def answer(told: BaseModel, status: int = 200) -> Response:
    """The answer as JSON."""
    # Rows have the words of enums, not the enums. That answers are as they are described is tested, not warned of.
    return Response(told.model_dump_json(warnings=False), status, mimetype="application/json")


def _problems(told: dict[str, str]) -> ResponseDict:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": words, "content": {MEDIA_TYPE: {"schema": schema}}} for status, words in told.items()
    }


def _operation_id(*, bp_name: str, name: str, **_: str) -> str:
    return f"{bp_name}_{name.rstrip('_')}"


def answer_refusals(blueprint: APIBlueprint) -> None:
    """Answer what is refused in the API and everything below it."""
    blueprint.register_error_handler(NotAllowed, _refused)
    blueprint.register_error_handler(QueryError, _unreadable)
    for text in (postgres.UntranslatableCharacter, postgres.InvalidTextRepresentation):
        blueprint.register_error_handler(text, _unstorable)
    for error in UNFIT:
        blueprint.register_error_handler(error, _unfit)


def _refused(error: NotAllowed) -> Response:
    return problem(409, error.message)


def _unfit(error: RetinueError) -> Response:
    return problem(422, error.message)


def _unstorable(_error: Exception) -> Response:
    # JSON may say what no text in a database can hold: NUL, half of a surrogate pair, NaN.
    return problem(422, "The body holds a character or a number that cannot be stored.")


def _unreadable(error: QueryError) -> Response:
    return problem(422, error.message, errors=[Fault(at=f"q[{error.start}:{error.end}]", message=error.message)])
