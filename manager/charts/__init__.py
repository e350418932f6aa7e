"""Figures over time: the same as a drawing, as a table and as JSON."""

from manager.charts.chart import Chart, Line, chart_json
from manager.charts.spans import SPANS, Choice, chosen_span

__all__ = ["SPANS", "Chart", "Choice", "Line", "chart_json", "chosen_span"]
