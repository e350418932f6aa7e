"""The parts of pages that change by themselves, and how one is rendered for all who look at it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from flask import Flask, g
from werkzeug.exceptions import Forbidden, NotFound

from manager.live.regions import Fragment, Region
from manager.roles import Role, User

Render = Callable[[dict[str, str]], str]


@dataclass(frozen=True, slots=True)
class _Part:
    role: Role
    render: Render


@dataclass
class Parts:
    """By name."""

    _parts: dict[str, _Part] = field(default_factory=dict)
    _app: Flask | None = None

    def serve(self, app: Flask) -> None:
        """Render with this application's templates."""
        self._app = app

    def declare(self, name: str, role: Role) -> Callable[[Render], Render]:
        """Take what is decorated for the part of this name."""

        def take(render: Render) -> Render:
            if name in self._parts:
                raise ValueError(f"There are two live parts named {name}.")
            self._parts[name] = _Part(role, render)
            return render

        return take

    def check(self, regions: Iterable[Region]) -> None:
        """Refuse regions that there are not, and those that the role may not see.

        Raises:
            NotFound, Forbidden
        """
        for region in regions:
            part = self._parts.get(region.part)
            if part is None:
                raise NotFound(f"There is no live part {region.part}.")
            if not region.role.covers(part.role):
                raise Forbidden(f"This needs the role {part.role}; yours is {region.role}.")

    def render(self, region: Region) -> Fragment:
        """What the region shows now. Raises what its part does."""
        if self._app is None:
            raise RuntimeError("No application has been given to render with.")
        with self._app.test_request_context("/"):
            g.user = User(None, "", region.role)
            # Each page has its own, which its script puts into the forms it sends.
            g.csrf_token = ""
            return Fragment.of(self._parts[region.part].render(region.given))
