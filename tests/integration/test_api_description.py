"""The API is as its document says: the document is valid, and no request that anybody thinks of is answered otherwise.

`API_EXAMPLES` is how many requests each operation gets: few in the test, many in `make proof-api`; `SEED` picks others.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator, validate
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks

from infra.roles import Role
from manager.api.problems import PREFIX
from manager.api.shapes import Shape
from tests.support.api_site import ApiSite, api_site

__all__ = ["api_site"]

#: What must hold of every answer.
CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]

FEW = 4


@pytest.fixture(scope="module")
def document(api_site: ApiSite) -> dict[str, Any]:
    described: dict[str, Any] = api_site.get("/openapi.json")
    return described


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    validate(document, cls=OpenAPIV31SpecValidator)
    assert document["openapi"].startswith("3.1")


def test_every_operation_has_a_name_of_its_own_and_says_what_it_does(document: dict[str, Any]) -> None:
    described = [operation for _, _, operation in operations(document)]
    names = [operation["operationId"] for operation in described]
    assert len(names) == len({*names}) > 60
    assert all(operation["summary"].endswith(".") for operation in described)


def test_the_document_names_every_route(document: dict[str, Any], api_site: ApiSite) -> None:
    """But for itself and its page."""
    described = {(method.upper(), path) for method, path, _ in operations(document)}
    served = {
        (method, _without_converters(rule.rule))
        for rule in api_site.app.url_map.iter_rules()
        if rule.rule.startswith(f"{PREFIX}/")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert served - described == {("GET", f"{PREFIX}/openapi.json")}
    assert described <= served


def test_no_two_shapes_have_one_name() -> None:
    """The document has one place for each name, and the last one would stand for all."""
    told: dict[str, set[str]] = {}
    for shape in _shapes(Shape):
        schema = shape.model_json_schema(mode="serialization")
        for name, described in ({shape.__name__: schema} | schema.get("$defs", {})).items():
            told.setdefault(name, set()).add(json.dumps({**described, "$defs": {}}, sort_keys=True))
    assert {name for name, schemas in told.items() if len(schemas) > 1} == set()


def _shapes(of: type[Shape]) -> Iterator[type[Shape]]:
    for shape in of.__subclasses__():
        yield from _shapes(shape)
        if shape.__module__.startswith("manager.api.") and shape.__pydantic_generic_metadata__["parameters"] == ():
            yield shape


def test_every_list_that_goes_on_is_bounded(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        given = {parameter["name"]: parameter["schema"] for parameter in operation.get("parameters", [])}
        if method == "get" and "after" in given:
            assert given["limit"]["maximum"] <= 500, path


def test_no_request_is_answered_but_as_described(document: dict[str, Any], api_site: ApiSite) -> None:
    _ask_everything(document, api_site, FEW)


@pytest.mark.proof
@pytest.mark.timeout(3600)
def test_of_many_requests_none_is_answered_but_as_described(document: dict[str, Any], api_site: ApiSite) -> None:
    asked = _ask_everything(document, api_site, int(os.environ.get("API_EXAMPLES", "300")))
    print(f"\n{asked:,} requests: no answer that is not described")  # noqa: T201 - a proof tells what it saw


def _ask_everything(document: dict[str, Any], site: ApiSite, examples: int) -> int:
    """Ask each operation so often; raises where an answer is not what the document says."""
    schema = schemathesis.openapi.from_dict(document)
    schema.app = site.app
    asked, wrong = 0, list[BaseException]()
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), f"{found.err()}"
        try:
            _asking(site, found.ok(), examples)()
        except FailureGroup as failures:
            wrong.append(failures)
        asked += examples
    if wrong:
        raise BaseExceptionGroup("answers that are not described", wrong)
    return asked


def _asking(
    site: ApiSite, operation: schemathesis.APIOperation[Any, Any, Any, Any], examples: int
) -> Callable[[], None]:
    headers = {"Authorization": f"Bearer {site.tokens[Role.ADMIN]}"}

    @seed(int(os.environ.get("SEED", "1")))
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), is_known=st.booleans())
    def ask(case: schemathesis.Case[Any], is_known: bool) -> None:
        if is_known:
            # Nobody guesses the ID of something that there is.
            for name in case.path_parameters or {}:
                case.path_parameters[name] = site.known[name]
        case.call_and_validate(headers=headers, checks=CHECKS)

    return ask


def _without_converters(rule: str) -> str:
    return rule.replace("<int:", "{").replace("<", "{").replace(">", "}")
