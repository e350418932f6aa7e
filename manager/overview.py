"""The first page, and the same as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, jsonify, render_template, request, url_for
from markupsafe import escape

from infra.postgres.overview import Overview as Read
from infra.postgres.overview import OverviewReader
from manager.cached import Cached
from manager.charts import SPANS, Choice, chosen_span
from manager.charts.blueprint import chart_text
from manager.charts.reader import WorkReader
from manager.deps import Deps
from manager.errors import explain
from manager.heartbeats import Heartbeat, Patience
from manager.passes import passes_of
from manager.present import present
from manager.roles import Role, requires
from manager.views import FleetView, OverviewView, ServantView

#: Everyone who looks within this time sees the same, in seconds.
FRESH_SECONDS = 1

#: The number of problems that other pages tell may be so old when they are loaded, in seconds. It is renewed as soon as
#: they are open.
TROUBLES_FRESH_SECONDS = 5

#: Servants that the page lists; those in trouble come first.
SHOWN_SERVANTS = 12

_GRAVITY = {Heartbeat.LOST: 0, Heartbeat.LATE: 1, Heartbeat.FRESH: 2}


class Overview:
    """What the page and its parts show."""

    def __init__(self, deps: Deps, works: WorkReader) -> None:
        patience = Patience.with_servants(deps.settings)
        reader = OverviewReader(deps.database, late_seconds=patience.late, lost_seconds=patience.lost)
        self._settings = deps.settings
        self._look = Cached(lambda: self._present(reader.read()), fresh_seconds=FRESH_SECONDS, clock=deps.clock)
        deps.live.when_rung(self._look.expire)
        self._works = works
        self._last: dict[str, dict[str, Any]] = {}

    def view(self) -> OverviewView:
        """Everything at one moment. Raises what the database does."""
        return self._look.get()[1]

    def _present(self, read: Read) -> tuple[Read, OverviewView]:
        return read, present(read, self._settings)

    def told(self, span: str | None = None) -> dict[str, Any]:
        """What the templates know."""
        read, view = self._look.get()
        shown = _most_urgent(view.servants)
        choice = chosen_span(span)
        told = self._last[choice.name] = {
            "view": view,
            "work": self._works.get(choice),
            "fleet": _together([row.servants for row in view.types]),
            "shown": shown,
            "left_out": view.servants_left_out + len(view.servants) - len(shown),
            "passes": passes_of(view.schedulers),
            "incidents": read.incidents,
            "left_out_incidents": read.incidents_left_out,
            "anomalies": read.anomalies,
        }
        return told

    def last_told(self, span: str, error: Exception) -> dict[str, Any]:
        """The same as it last was, and why it is not renewed. Raises the error where that is not known."""
        away = explain(error)
        if away is None or span not in self._last:
            raise error
        return self._last[span] | {"away": away}

    def troubles(self) -> int | None:
        """How many problems there are; None where that cannot be had, which the page itself will say."""
        try:
            return len(self._look.get(fresh_seconds=TROUBLES_FRESH_SECONDS)[1].problems)
        except Exception:  # noqa: BLE001 - a page about something else is not lost with it
            return None


def overview_blueprint(deps: Deps, works: WorkReader) -> Blueprint:
    """Shows what there is; gives all templates `troubles()`, the number of problems."""
    blueprint = Blueprint("overview", __name__)
    overview = Overview(deps, works)
    blueprint.add_app_template_global(overview.troubles, "troubles")
    _declare_parts(deps, overview, works)

    @blueprint.get("/")
    @requires(Role.VIEWER)
    def page() -> str:
        choice = chosen_span(request.args.get("span"))
        try:
            told = overview.told(choice.name)
        except Exception as error:  # noqa: BLE001 - raised again unless something is known
            told = overview.last_told(choice.name, error)
        return render_template("overview.html", spans=_spans(choice), **told)

    @blueprint.get("/live/troubles")
    @requires(Role.VIEWER)
    def troubles() -> str:
        return render_template("troubles.html")

    @blueprint.get("/api/overview")
    @requires(Role.VIEWER)
    def api() -> Response:
        return jsonify(overview.view())

    return blueprint


def _declare_parts(deps: Deps, overview: Overview, works: WorkReader) -> None:
    for name in ("condition", "first_steps", "figures", "types", "servants", "findings", "schedulers"):
        _declare_part(deps, overview, name)

    @deps.live.part("overview.chart")
    def chart(given: dict[str, str]) -> str:
        return str(escape(chart_text(works.get(chosen_span(given["span"])).chart(given["name"]))))

    @deps.live.part("troubles")
    def troubles(_given: dict[str, str]) -> str:
        overview.view()
        return render_template("troubles.html")


def _declare_part(deps: Deps, overview: Overview, name: str) -> None:
    @deps.live.part(f"overview.{name}")
    def part(given: dict[str, str]) -> str:
        return render_template(f"overview/{name}.html", **overview.told(given.get("span")))


def _spans(chosen: Choice) -> list[tuple[str, str, bool]]:
    return [
        (choice.name.capitalize(), url_for("overview.page", span=choice.name), choice is chosen)
        for choice in SPANS.values()
    ]


def _most_urgent(servants: Sequence[ServantView]) -> list[ServantView]:
    return sorted(servants, key=lambda servant: _GRAVITY[servant.heartbeat])[:SHOWN_SERVANTS]


def _together(parts: Sequence[FleetView]) -> FleetView:
    return FleetView(
        up=sum(part.up for part in parts),
        late=sum(part.late for part in parts),
        gone=sum(part.gone for part in parts),
        slots=sum(part.slots for part in parts),
        busy=sum(part.busy for part in parts),
    )
