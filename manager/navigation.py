"""The pages that there are: each shows in the navigation as soon as its blueprint is registered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flask import Flask, current_app, request, url_for

from manager.roles import present_user, required_role


@dataclass(frozen=True, slots=True)
class Entry:
    """A page of the navigation. `key` goes there after `g`."""

    name: str
    endpoint: str
    icon: str
    key: str
    #: Other blueprints that belong to it.
    also: tuple[str, ...] = ()

    @property
    def blueprint(self) -> str:
        """The resource that it belongs to."""
        return self.endpoint.partition(".")[0]


ENTRIES = (
    Entry("Overview", "overview.page", "layout-dashboard", "o"),
    Entry("Jobs", "jobs.index", "layers", "j"),
    Entry("Servants", "servants.index", "server", "s"),
    Entry("Schedules", "schedules.index", "calendar-clock", "c"),
    Entry("Lanes", "lanes.index", "waypoints", "l"),
    Entry("Accounts", "accounts.index", "building-2", "a", also=("connections",)),
    Entry("Incidents", "incidents.index", "siren", "i", also=("anomalies",)),
    Entry("Cost", "cost.index", "coins", "k"),
    Entry("Audit", "audit.index", "scroll-text", "u"),
    Entry("People", "people.index", "users", "p"),
)


@dataclass(frozen=True, slots=True)
class Link:
    """An entry as it shows: where it leads, and whether one is there."""

    entry: Entry
    href: str
    current: bool


def register_navigation(app: Flask) -> None:
    """Make `navigation()` and `page_url()` known to the templates."""
    app.add_template_global(navigation)
    app.add_template_global(page_url)


def navigation() -> Iterator[Link]:
    """The pages that exist and that the present user may see."""
    for entry in ENTRIES:
        href = page_url(entry.endpoint)
        if href is not None:
            yield Link(entry, href, current=request.blueprint in (entry.blueprint, *entry.also))


def page_url(endpoint: str, **values: object) -> str | None:
    """Where a page is; None where there is none, and where the present user may not go."""
    view, user = current_app.view_functions.get(endpoint), present_user()
    role = required_role(view) if view is not None else None
    if role is None or user is None or not user.may(role):
        return None
    return url_for(endpoint, **values)  # type: ignore[arg-type] # whatever the route takes
