"""Every route of the manager, for tests that go through all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Flask
from werkzeug.routing import AnyConverter, Rule

from infra.roles import Role
from manager.roles import is_for_members, is_public, required_permission, required_role


@dataclass(frozen=True)
class Route:
    """One method of one address."""

    method: str
    rule: Rule
    view: Callable[..., Any]

    @property
    def endpoint(self) -> str:
        return str(self.rule.endpoint)

    @property
    def declared(self) -> Role | str | None:
        """The least role that its view asks for, the permission of members that it does, or `public`, or nothing."""
        if is_for_members(self.view):
            return str(required_permission(self.view))
        return "public" if is_public(self.view) else required_role(self.view)

    @property
    def for_members(self) -> bool:
        """Whether it is for people of an account."""
        return is_for_members(self.view)

    @property
    def for_programs(self) -> bool:
        return self.rule.rule.startswith(("/api/", "/metrics"))

    def path(self, app: Flask, values: Mapping[str, object]) -> str:
        """An address that it answers; what `values` does not name is the first of several words, or else a 1."""
        given: dict[str, Any] = {name: values.get(name, self._any(name)) for name in self.rule.arguments}
        with app.test_request_context():
            return str(app.url_for(self.endpoint, **given))

    def _any(self, argument: str) -> object:
        """A 1 suits numbers and texts alike."""
        converter = self.rule._converters.get(argument)
        return min(converter.items) if isinstance(converter, AnyConverter) else 1

    def __str__(self) -> str:
        return f"{self.method} {self.rule.rule} ({self.endpoint})"


def routes(app: Flask) -> Iterator[Route]:
    """Each method of each rule; HEAD and OPTIONS are what GET is."""
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield Route(method, rule, app.view_functions[rule.endpoint])


def without_effect(app: Flask) -> Flask:
    """The same application, where every view does nothing but say `through`: what stands before it is as ever."""
    for endpoint, view in app.view_functions.items():
        app.view_functions[endpoint] = _stand_in(view)
    return app


def _stand_in(view: Callable[..., Any]) -> Callable[..., str]:
    def through(**_values: object) -> str:
        return "through"

    through.__dict__.update(getattr(view, "__dict__", {}))
    return through
