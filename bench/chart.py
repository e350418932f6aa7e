"""The chart beside the tables: horizontal bars, one panel for each quantity, readable on light and on dark pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from bench.figures import RETINUE, Figure, median_of
from bench.scenarios import enqueueing, latency, short_jobs, throughput

WIDTH, NAMES, BAR, STEP, HEAD = 820, 260, 14, 22, 52
ROOM = WIDTH - NAMES - 90

STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #24292f; }
  .title { font-size: 14px; font-weight: 600; }
  .own { font-weight: 600; }
  .note { fill: #57606a; }
  rect { fill: #8c959f; }
  rect.own { fill: #0969da; }
  line { stroke: #d0d7de; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .note { fill: #9198a1; }
    rect { fill: #6e7681; }
    rect.own { fill: #4493f8; }
    line { stroke: #3d444d; }
  }
"""


@dataclass(frozen=True)
class Panel:
    """One quantity."""

    title: str
    what: str
    note: str


PANELS = (
    Panel("No-op jobs a second", throughput.WHAT, "more is better"),
    Panel("10 ms jobs a second", short_jobs.WHAT, "more is better"),
    Panel("Jobs enqueued in bulk a second", enqueueing.BULK, "more is better"),
    Panel("Pickup at 20 jobs a second, p99 in ms", latency.P99, "less is better"),
)


def draw(figures: Sequence[Figure]) -> str:
    """The SVG; panels without a figure are left out."""
    parts, top = [], 0
    for panel in PANELS:
        bars = _bars(figures, panel)
        if bars:
            parts.append(f'<g transform="translate(0 {top})">{_panel(panel, bars)}</g>')
            top += HEAD + STEP * len(bars)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" height="{top}" '
        'role="img" aria-label="Retinue and its peers, measured side by side">'
    )
    return "\n".join([head, f"<style>{STYLE}</style>", *parts, "</svg>", ""])


def _bars(figures: Sequence[Figure], panel: Panel) -> list[tuple[str, float]]:
    """Each contestant and its median, best first."""
    whos = dict.fromkeys(figure.who for figure in figures if figure.what == panel.what)
    medians = [(who, median_of(figures, who=who, what=panel.what) or 0.0) for who in whos]
    return sorted(medians, key=lambda bar: bar[1], reverse="less" not in panel.note)


def _panel(panel: Panel, bars: Sequence[tuple[str, float]]) -> str:
    longest = max(value for _, value in bars) or 1.0
    lines = [
        f'<text class="title" x="0" y="26">{escape(panel.title)}</text>',
        f'<text class="note" x="{WIDTH}" y="26" text-anchor="end">{panel.note}</text>',
        f'<line x1="{NAMES}" x2="{NAMES}" y1="36" y2="{36 + STEP * len(bars)}"/>',
    ]
    for n, (who, value) in enumerate(bars):
        lines.append(_bar(who, value, y=40 + STEP * n, width=ROOM * value / longest))
    return "\n".join(lines)


def _bar(who: str, value: float, *, y: float, width: float) -> str:
    own = ' class="own"' if who.startswith(RETINUE) else ""
    shown = f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
    return (
        f'<text{own} x="{NAMES - 8}" y="{y + 11}" text-anchor="end">{escape(who)}</text>'
        f'<rect{own} x="{NAMES}" y="{y}" width="{max(width, 1):.1f}" height="{BAR}" rx="2"/>'
        f'<text{own} x="{NAMES + width + 6:.1f}" y="{y + 11}">{shown}</text>'
    )
