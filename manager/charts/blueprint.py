"""The charts as JSON, and what templates draw them with."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from manager.charts.chart import Chart, Unit, Value, chart_json
from manager.charts.drawing import draw
from manager.charts.reader import WorkReader
from manager.charts.spans import chosen_span
from manager.formats import grouped, measured, size
from manager.roles import Role, requires


def charts_blueprint(reader: WorkReader) -> Blueprint:
    """`/charts/NAME?span=hour|day|week`."""
    blueprint = Blueprint("charts", __name__)
    blueprint.add_app_template_global(draw, "draw_chart")
    blueprint.add_app_template_global(chart_text, "chart_figures")
    blueprint.add_app_template_filter(in_unit)

    @blueprint.get("/charts/<name>")
    @requires(Role.VIEWER)
    def figures(name: str) -> Response:
        work = reader.get(chosen_span(request.args.get("span")))
        return jsonify(chart_json(work.chart(name)))

    return blueprint


def chart_text(chart: Chart) -> str:
    """The chart as JSON, to stand in a page."""
    return jsonify(chart_json(chart)).get_data(as_text=True)


def in_unit(value: Value, unit: Unit) -> str:
    """A value as it is written: 1 204, 1.3 s, 61 MB; a dash for nothing."""
    if value is None:
        return "–"
    if unit is Unit.SECONDS:
        return measured(value)
    return size(int(value)) if unit is Unit.BYTES else grouped(round(value))
