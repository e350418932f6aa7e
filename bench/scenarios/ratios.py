"""Retinue's figures as shares of the peers' in the same run."""

from __future__ import annotations

from collections.abc import Sequence

from bench.figures import RETINUE, Figure


def of_best(
    figures: Sequence[Figure], what: str, *, peers: tuple[str, ...], goal: float | None, who: str = RETINUE
) -> list[Figure]:
    """Per cent of the best peer whose name has one of these parts; nothing when none was measured."""
    return [_ratio(own, best, unit="%", factor=100, goal=goal) for own, best in _pairs(figures, what, who, peers)]


def times_best(figures: Sequence[Figure], what: str, *, peers: tuple[str, ...], goal: float | None) -> list[Figure]:
    """How many times the best of these peers."""
    return [_ratio(own, best, unit="×", factor=1, goal=goal) for own, best in _pairs(figures, what, RETINUE, peers)]


def _pairs(figures: Sequence[Figure], what: str, who: str, peers: tuple[str, ...]) -> list[tuple[Figure, Figure]]:
    """Retinue's figure and the best peer's; none when one of them is missing."""
    own = [figure for figure in figures if (figure.who, figure.what) == (who, what)]
    found = [
        figure
        for figure in figures
        if figure.what == what and figure.who != who and any(part in figure.who for part in peers)
    ]
    best = sorted(found, key=lambda figure: figure.median)[-1:]
    return list(zip(own, best, strict=False))


def _ratio(own: Figure, best: Figure, *, unit: str, factor: float, goal: float | None) -> Figure:
    value = factor * own.median / best.median
    return Figure(who=own.who, what=f"{own.what}, of {best.who}", unit=unit, values=(value,), goal=goal)
