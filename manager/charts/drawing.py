"""A chart as SVG, for as long as no script has drawn it; attributes only, so that no style stands in the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from manager.charts.chart import Chart, Kind, Line, Value

WIDTH, HEIGHT = 600, 120


def draw(chart: Chart) -> Markup:
    """As wide as there is room."""
    shapes = _bars(chart) if chart.kind is Kind.BARS else _lines(chart)
    return Markup(
        '<svg class="drawing" viewBox="0 0 {} {}" preserveAspectRatio="none" aria-hidden="true">{}</svg>'
    ).format(WIDTH, HEIGHT, Markup("").join(shapes))


def _lines(chart: Chart) -> Iterator[Markup]:
    for line in reversed(chart.lines):
        yield Markup('<path class="line tone-{}" d="{}"/>').format(line.tone, _path(line.values, chart.top))


def _path(values: Sequence[Value], top: float) -> str:
    """Goes on after a gap where there is something again."""
    words, pen = [], "M"
    for index, value in enumerate(values):
        if value is None:
            pen = "M"
        else:
            words.append(f"{pen}{_x(index, len(values)):g} {_y(value, top):g}")
            pen = "L"
    return "".join(words)


def _bars(chart: Chart) -> Iterator[Markup]:
    below = [0.0] * len(chart.at)
    for line in chart.lines:
        yield Markup('<path class="bar tone-{}" d="{}"/>').format(line.tone, _columns(line, below, chart.top))
        below = [low + (value or 0) for low, value in zip(below, line.values, strict=True)]


def _columns(line: Line, below: Sequence[float], top: float) -> str:
    width = WIDTH / max(1, len(below)) * 0.75
    return "".join(
        f"M{_x(index, len(below) + 1):g} {_y(low, top):g}V{_y(low + value, top):g}h{width:g}V{_y(low, top):g}z"
        for index, (low, value) in enumerate(zip(below, line.values, strict=True))
        if value
    )


def _x(index: int, count: int) -> float:
    return round(index * WIDTH / max(1, count - 1), 1)


def _y(value: float, top: float) -> float:
    return round(HEIGHT - value / (top or 1) * (HEIGHT - 4), 1)
