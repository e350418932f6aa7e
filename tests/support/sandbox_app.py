"""The sandbox org's application without a server: a client that is signed in, and the org itself beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from infra.local.salesforce.app import create_app
from infra.local.salesforce.org import Org

VERSION = "v62.0"
BASE = f"/services/data/{VERSION}"


@dataclass
class SandboxApp:
    """An org, and requests to it. Tokens are made up: whose each is, `tokens` says."""

    org: Org
    app: Flask = field(init=False)
    tokens: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tokens["admin"] = self.org.admin.id
        self.app = create_app(self.org, self)

    def user_id(self, token: str) -> str | None:
        return self.tokens.get(token)

    def ask(
        self, method: str, path: str, *, by: str = "admin", headers: dict[str, str] | None = None, **rest: Any
    ) -> TestResponse:
        """A request; the path goes on after the version unless it begins with /services."""
        whole = path if path.startswith("/services") else f"{BASE}/{path}"
        sent = {"Authorization": f"Bearer {by}"} | (headers or {})
        return self.app.test_client().open(whole, method=method, headers=sent, **rest)

    def get(self, path: str, **rest: Any) -> TestResponse:
        return self.ask("GET", path, **rest)

    def post(self, path: str, body: Any, **rest: Any) -> TestResponse:
        return self.ask("POST", path, json=body, **rest)

    def patch(self, path: str, body: Any, **rest: Any) -> TestResponse:
        return self.ask("PATCH", path, json=body, **rest)

    def query(self, text: str, *, resource: str = "query", **rest: Any) -> TestResponse:
        """The answer to a query."""
        return self.ask("GET", resource, query_string={"q": text}, **rest)

    def names(self, text: str, **rest: Any) -> list[str]:
        """The names that a query of few records finds."""
        return [record["Name"] for record in self.query(text, **rest).get_json()["records"]]

    def create(self, name: str, **fields: Any) -> str:
        """A new record's id."""
        answer = self.post(f"sobjects/{name}", fields)
        assert answer.status_code == 201, answer.get_data(as_text=True)
        return str(answer.get_json()["id"])


@contextmanager
def sandbox_app(directory: Path) -> Iterator[SandboxApp]:
    """An org of its own."""
    org = Org(directory / "org.sqlite")
    try:
        yield SandboxApp(org)
    finally:
        org.close()


def code_of(answer: TestResponse) -> tuple[int, str]:
    """The status and the code of a refusal."""
    return answer.status_code, answer.get_json()[0]["errorCode"]
