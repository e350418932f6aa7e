"""Several requests in one: composite, batch, and trees of records.

Facts: "Composite", "Composite Batch", "sObject Tree" (REST API Developer Guide).
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from flask import Blueprint, Response, jsonify

from infra.local.salesforce.admission import DATA
from infra.local.salesforce.dispatch import Answer, Inner, answered
from infra.local.salesforce.errors import SalesforceError
from infra.local.salesforce.references import Failed, filled
from infra.local.salesforce.request import Caller, caller, flag, json_object, resource
from infra.local.salesforce.trees import tree_made

MAX_REQUESTS = 25

#: Of these, queries and collections together.
MAX_QUERIES = 5

_HALTED = Answer(
    412, SalesforceError(412, "BATCH_PROCESSING_HALTED", "The batch was halted since a subrequest failed").json(), {}
)
_ROLLED_BACK = "The transaction was rolled back since another operation in the same transaction failed."


def blueprint() -> Blueprint:
    """The resources."""
    pages = resource("composite", "/composite")

    @pages.post("/")
    def composite() -> Response:
        body = json_object()
        requests = _requests(body, "compositeRequest")
        _require_names(requests)
        _require_few_queries(requests)
        return jsonify({"compositeResponse": _composite(caller(), requests, whole=flag(body.get("allOrNone")))})

    @pages.post("/batch")
    def batch() -> Response:
        body = json_object()
        requests = _requests(body, "batchRequests")
        answers = _batch(caller(), requests, halts=flag(body.get("haltOnError")))
        results = [{"statusCode": answer.status, "result": answer.body} for answer in answers]
        return jsonify({"hasErrors": not all(answer.succeeded for answer in answers), "results": results})

    @pages.post("/tree/<name>")
    def tree(name: str) -> Response:
        body, status = tree_made(caller(), name, json_object())
        response = jsonify(body)
        response.status_code = status
        return response

    return pages


class _Undone(Exception):
    """Ends the transaction of a composite without its writes."""


def _requests(body: dict[str, Any], name: str) -> list[dict[str, Any]]:
    requests = body.get(name)
    if not isinstance(requests, list) or not all(isinstance(one, dict) for one in requests):
        raise SalesforceError(400, "JSON_PARSER_ERROR", f"{name} must be a list of objects")
    if not 0 < len(requests) <= MAX_REQUESTS:
        message = f"The request has {len(requests)} subrequests; from 1 to {MAX_REQUESTS} are allowed"
        raise SalesforceError(400, "LIMIT_EXCEEDED", message)
    return requests


def _require_names(requests: list[dict[str, Any]]) -> None:
    names = [one.get("referenceId") for one in requests]
    if not all(isinstance(name, str) and name for name in names) or len(set(names)) < len(names):
        raise SalesforceError(400, "JSON_PARSER_ERROR", "Each subrequest needs a referenceId of its own")


def _require_few_queries(requests: list[dict[str, Any]]) -> None:
    counted = [one for one in requests if _is_query(str(one.get("url", "")))]
    if len(counted) > MAX_QUERIES:
        message = f"A composite may have at most {MAX_QUERIES} query and collection subrequests"
        raise SalesforceError(400, "LIMIT_EXCEEDED", message)


def _is_query(url: str) -> bool:
    resource = url.partition("?")[0].rstrip("/")
    return "/query" in resource or "/composite/sobjects" in resource


def _composite(by: Caller, requests: list[dict[str, Any]], *, whole: bool) -> list[dict[str, Any]]:
    answers: dict[str, Answer] = {}
    transaction: AbstractContextManager[Any] = by.org.store.write() if whole else nullcontext()
    try:
        with transaction:
            for one in requests:
                answers[one["referenceId"]] = _referring(by, one, answers)
            if whole and not all(answer.succeeded for answer in answers.values()):
                raise _Undone
    except _Undone:
        answers = {name: _undone(answer) for name, answer in answers.items()}
    return [
        {
            "body": answer.body,
            "httpHeaders": answer.headers,
            "httpStatusCode": answer.status,
            "referenceId": name,
        }
        for name, answer in answers.items()
    ]


def _referring(by: Caller, one: dict[str, Any], answers: dict[str, Answer]) -> Answer:
    """Perform a subrequest once what it takes from earlier ones is filled in."""
    bodies = {earlier: answer.body for earlier, answer in answers.items() if answer.succeeded}
    try:
        inner = Inner(
            str(one.get("method", "")).upper(),
            filled(str(one.get("url", "")), bodies),
            filled(one.get("body"), bodies),
            {key: str(value) for key, value in (one.get("httpHeaders") or {}).items()},
        )
    except Failed as error:
        return Answer(400, SalesforceError(400, "PROCESSING_HALTED", str(error)).json(), {})
    return answered(by, inner)


def _undone(answer: Answer) -> Answer:
    if not answer.succeeded:
        return answer
    return Answer(400, SalesforceError(400, "PROCESSING_HALTED", _ROLLED_BACK).json(), {})


def _batch(by: Caller, requests: list[dict[str, Any]], *, halts: bool) -> list[Answer]:
    answers: list[Answer] = []
    for one in requests:
        if halts and any(not answer.succeeded for answer in answers):
            answers.append(_HALTED)
        elif answers:
            answers.append(_counted(by, one))
        else:
            # Each counts as a call; the first is the batch's own.
            answers.append(_alone(by, one))
    return answers


def _counted(by: Caller, one: dict[str, Any]) -> Answer:
    try:
        with by.org.usage.call("composite"):
            return _alone(by, one)
    except SalesforceError as error:
        return Answer(error.status, error.json(), {})


def _alone(by: Caller, one: dict[str, Any]) -> Answer:
    """Perform a subrequest of a batch, whose URL begins with the version."""
    url = str(one.get("url", ""))
    whole = url if url.startswith(DATA) else DATA + url.lstrip("/")
    return answered(by, Inner(str(one.get("method", "")).upper(), whole, one.get("richInput")))
